//! Closings of accounts.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
};

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

/// All closings: for rebuilding.
///
/// # Errors
/// `DbErr`.
pub async fn all(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<Vec<account_closing::Model>, DbErr> {
    account_closing::Entity::find()
        .filter(account_closing::Column::NeighbourhoodId.eq(neighbourhood.0))
        .all(db)
        .await
}

/// Adds a closing.
///
/// # Errors
/// `DbErr`.
pub async fn insert(db: &impl ConnectionTrait, row: account_closing::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    account_closing::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}
