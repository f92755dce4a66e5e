//! Closings of accounts.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel};

use super::entity::account_closing;
use crate::domain::ids::{ClosingId, NeighbourhoodId};

/// One closing.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: ClosingId,
) -> Result<Option<account_closing::Model>, DbErr> {
    account_closing::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// Adds a closing.
///
/// # Errors
/// `DbErr`.
pub async fn insert(db: &impl ConnectionTrait, row: account_closing::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    account_closing::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}
