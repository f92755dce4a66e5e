//! Closed periods.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};

use super::entity::closed_period;
use crate::domain::ids::{NeighbourhoodId, PeriodId};

/// One closed period.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: PeriodId,
) -> Result<Option<closed_period::Model>, DbErr> {
    closed_period::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// A closed period that holds any of these days, both included.
///
/// # Errors
/// `DbErr`.
pub async fn overlapping(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    day_from: &str,
    day_until: &str,
) -> Result<Option<closed_period::Model>, DbErr> {
    closed_period::Entity::find()
        .filter(closed_period::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(closed_period::Column::DayFrom.lte(day_until))
        .filter(closed_period::Column::DayUntil.gte(day_from))
        .one(db)
        .await
}

/// Closed periods, the last closed first, below a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<closed_period::Model>, DbErr> {
    let mut query =
        closed_period::Entity::find().filter(closed_period::Column::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(before) = before {
        query = query.filter(closed_period::Column::JournalNo.lt(before));
    }
    query.order_by_desc(closed_period::Column::JournalNo).limit(limit).all(db).await
}

/// Adds a closed period.
///
/// # Errors
/// `DbErr`.
pub async fn insert(db: &impl ConnectionTrait, row: closed_period::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    closed_period::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}
