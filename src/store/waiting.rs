//! Versions that wait to be judged, and the numbers that they get.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use uuid::Uuid;

use super::bound::Bound;
use super::entity::activity_version;
use super::entity::activity_version::Column as V;
use crate::domain::ids::{ActivityId, NeighbourhoodId, PartyId};

/// The oldest waiting versions of a neighbourhood, in the order (received, daybook, position).
///
/// # Errors
/// `DbErr`.
pub async fn waiting(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    limit: u64,
) -> Result<Vec<activity_version::Model>, DbErr> {
    waiting_query(neighbourhood).limit(limit).all(db).await
}

/// The waiting versions of given activities, in the same order.
///
/// # Errors
/// `DbErr`.
pub async fn waiting_of(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
) -> Result<Vec<activity_version::Model>, DbErr> {
    if activities.is_empty() {
        return Ok(Vec::new());
    }
    waiting_query(neighbourhood).filter(V::ActivityId.is_in(activities.iter().map(|id| id.0))).all(db).await
}

/// Those of them from the place of `last` on, itself included: what a list that ends there may have left out.
///
/// # Errors
/// `DbErr`.
pub async fn waiting_from(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
    last: &activity_version::Model,
) -> Result<Vec<activity_version::Model>, DbErr> {
    let place = [V::ReceivedAtMs, V::DaybookId, V::FromPosition].map(Expr::col);
    let of_last: [Expr; 3] = [last.received_at_ms.into(), last.daybook_id.into(), last.from_position.into()];
    waiting_query(neighbourhood)
        .filter(V::ActivityId.is_in(activities.iter().map(|id| id.0)))
        .filter(Expr::tuple(place).gte(Expr::tuple(of_last)))
        .all(db)
        .await
}

fn waiting_query(neighbourhood: NeighbourhoodId) -> sea_orm::Select<activity_version::Entity> {
    activity_version::Entity::find()
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::JournalNo.is_null())
        .order_by_asc(V::ReceivedAtMs)
        .order_by_asc(V::DaybookId)
        .order_by_asc(V::FromPosition)
        .order_by_asc(V::ActivityId)
        .order_by_asc(V::Version)
}

/// Whether a version of these parties' daybooks waits to be judged.
///
/// # Errors
/// `DbErr`.
pub async fn any_waiting(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    parties: &[PartyId],
) -> Result<bool, DbErr> {
    let row: Option<(i64,)> = activity_version::Entity::find()
        .select_only()
        .column(V::Version)
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::PartyId.is_in(parties.iter().map(|id| id.0)))
        .filter(V::JournalNo.is_null())
        .limit(1)
        .into_tuple()
        .one(db)
        .await?;
    Ok(row.is_some())
}

/// The neighbourhoods in which versions wait: with the dues the only statement that crosses
/// neighbourhoods, over a partial index of what waits.
///
/// # Errors
/// `DbErr`.
pub async fn neighbourhoods_waiting(db: &impl ConnectionTrait) -> Result<Vec<NeighbourhoodId>, DbErr> {
    let ids: Vec<Uuid> = activity_version::Entity::find()
        .select_only()
        .column(V::NeighbourhoodId)
        .distinct()
        .filter(V::JournalNo.is_null())
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(NeighbourhoodId).collect())
}

/// The statement that gives versions their journal numbers: (activity, version, number) of each.
#[must_use]
pub fn number(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    numbers: &[(ActivityId, i64, i64)],
) -> Statement {
    let mut bound = Bound::new(backend);
    let rows: Vec<String> = numbers
        .iter()
        .map(|(activity, version, no)| {
            let [activity, version] = key(&mut bound, *activity, *version);
            format!("({activity}, {version}, {})", bound.place(*no))
        })
        .collect();
    let neighbourhood = bound.place(neighbourhood.0);
    // Both databases name the columns of VALUES so.
    let mut sql = format!(
        "UPDATE activity_version SET journal_no = numbered.column3 FROM (VALUES {}) AS numbered \
         WHERE neighbourhood_id = {neighbourhood} AND activity_id = numbered.column1 \
         AND version = numbered.column2",
        rows.join(", "),
    );
    if backend == DbBackend::Sqlite {
        // It would go through all versions of the neighbourhood and look each of them up among the numbers.
        let wanted = keys(&mut bound, numbers.iter().map(|(activity, version, _)| (*activity, *version)));
        let _ = write!(sql, " AND (activity_id, version) IN (VALUES {wanted})");
    }
    bound.statement(sql)
}

/// The statement that takes its journal number from a version, which waits then: for rebuilding.
#[must_use]
pub fn unnumber(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    version: i64,
) -> Statement {
    activity_version::Entity::update_many()
        .col_expr(V::JournalNo, Expr::value(None::<i64>))
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::ActivityId.eq(activity.0))
        .filter(V::Version.eq(version))
        .build(backend)
}

fn key(bound: &mut Bound, activity: ActivityId, version: i64) -> [String; 2] {
    [bound.place(activity.0), bound.place(version)]
}

/// Keys of versions as rows of VALUES.
pub(super) fn keys(bound: &mut Bound, named: impl Iterator<Item = (ActivityId, i64)>) -> String {
    let keys = named.map(|(activity, version)| format!("({})", key(bound, activity, version).join(", ")));
    keys.collect::<Vec<_>>().join(", ")
}
