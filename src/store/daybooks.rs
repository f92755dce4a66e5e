//! Daybooks: their rows, without the changes.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};

use uuid::Uuid;

use super::batch::anew;
use super::entity::daybook;
use crate::domain::ids::{DaybookId, NeighbourhoodId, PartyId};

/// One daybook.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DaybookId,
) -> Result<Option<daybook::Model>, DbErr> {
    daybook::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// One daybook, locked until the transaction ends: every write to a daybook starts here.
///
/// # Errors
/// `DbErr`.
pub async fn lock(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DaybookId,
) -> Result<Option<daybook::Model>, DbErr> {
    daybook::Entity::find_by_id((neighbourhood.0, id.0)).lock_exclusive().one(db).await
}

/// The daybooks of parties, by id.
///
/// # Errors
/// `DbErr`.
pub async fn of_parties(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    parties: &[PartyId],
) -> Result<Vec<daybook::Model>, DbErr> {
    daybook::Entity::find()
        .filter(daybook::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(daybook::Column::PartyId.is_in(parties.iter().map(|id| id.0)))
        .order_by_asc(daybook::Column::Id)
        .all(db)
        .await
}

/// The daybooks of parties that are still there, by id, at most `limit`, after `after`.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    parties: &[PartyId],
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<daybook::Model>, DbErr> {
    let mut query = daybook::Entity::find()
        .filter(daybook::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(daybook::Column::PartyId.is_in(parties.iter().map(|id| id.0)))
        .filter(daybook::Column::GoneAtMs.is_null());
    if let Some(after) = after {
        query = query.filter(daybook::Column::Id.gt(after));
    }
    query.order_by_asc(daybook::Column::Id).limit(limit).all(db).await
}

/// The daybooks with these ids.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<Uuid>,
) -> Result<Vec<daybook::Model>, DbErr> {
    daybook::Entity::find()
        .filter(daybook::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(daybook::Column::Id.is_in(ids.iter().copied()))
        .all(db)
        .await
}

/// All daybooks of a neighbourhood, by id.
///
/// # Errors
/// `DbErr`.
pub async fn all(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<Vec<daybook::Model>, DbErr> {
    daybook::Entity::find()
        .filter(daybook::Column::NeighbourhoodId.eq(neighbourhood.0))
        .order_by_asc(daybook::Column::Id)
        .all(db)
        .await
}

/// Daybooks whose changes since their snapshot have grown enough to be compacted, at most `limit`; `first` is
/// the size that the first snapshot takes.
///
/// # Errors
/// `DbErr`.
pub async fn to_compact(
    db: &impl ConnectionTrait,
    first: i64,
    limit: u64,
) -> Result<Vec<(NeighbourhoodId, DaybookId)>, DbErr> {
    use daybook::Column as D;
    let due = Func::coalesce([Expr::col(D::CompactAtRawBytes), Expr::value(first)]);
    let rows: Vec<(Uuid, Uuid)> = daybook::Entity::find()
        .select_only()
        .columns([D::NeighbourhoodId, D::Id])
        .filter(Expr::col(D::RawBytes).gte(due))
        .filter(D::CompactionAlarm.is_null())
        .filter(D::GoneAtMs.is_null())
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(neighbourhood, id)| (NeighbourhoodId(neighbourhood), DaybookId(id))).collect())
}

/// Daybooks of a neighbourhood that are not compacted any more, with the reason.
///
/// # Errors
/// `DbErr`.
pub async fn with_alarm(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<Vec<(DaybookId, String)>, DbErr> {
    use daybook::Column as D;
    let rows: Vec<(Uuid, String)> = daybook::Entity::find()
        .select_only()
        .columns([D::Id, D::CompactionAlarm])
        .filter(D::NeighbourhoodId.eq(neighbourhood.0))
        .filter(D::CompactionAlarm.is_not_null())
        .order_by_asc(D::Id)
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|(id, alarm)| (DaybookId(id), alarm)).collect())
}

/// Adds a daybook.
///
/// # Errors
/// `DbErr`, a unique violation if the id exists.
pub async fn insert(db: &impl ConnectionTrait, row: daybook::Model) -> Result<(), DbErr> {
    daybook::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(db).await.map(|_| ())
}

/// The statement that writes a locked daybook's row anew.
#[must_use]
pub fn update(backend: DbBackend, row: daybook::Model) -> Statement {
    let (neighbourhood, id) = (row.neighbourhood_id, row.id);
    daybook::Entity::update_many()
        .set(anew::<daybook::Entity>(row))
        .filter(daybook::Column::NeighbourhoodId.eq(neighbourhood))
        .filter(daybook::Column::Id.eq(id))
        .build(backend)
}
