//! What people said about records, and who is named in whose.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};
use uuid::Uuid;

use super::batch::{insert_rows, or_update};
use super::entity::named_party::Column as P;
use super::entity::reply::Column as R;
use super::entity::{named_party, reply};
use crate::domain::ids::{ActivityId, NeighbourhoodId, PartyId, ReplyId};
use crate::domain::reply::ReplyKind;

const LIST_MAX: usize = 400;

/// One reply.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: ReplyId,
) -> Result<Option<reply::Model>, DbErr> {
    reply::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// Adds a reply.
///
/// # Errors
/// `DbErr`.
pub async fn insert(db: &impl ConnectionTrait, row: reply::Model) -> Result<(), DbErr> {
    reply::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(db).await.map(|_| ())
}

/// A page of the replies about an activity, the last first, below a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<reply::Model>, DbErr> {
    let mut query = reply::Entity::find()
        .filter(R::NeighbourhoodId.eq(neighbourhood.0))
        .filter(R::ActivityId.eq(activity.0));
    if let Some(before) = before {
        query = query.filter(R::JournalNo.lt(before));
    }
    query.order_by_desc(R::JournalNo).limit(limit).all(db).await
}

/// The replies about these activities, in the order in which they were said.
///
/// # Errors
/// `DbErr`.
pub async fn about(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
) -> Result<Vec<reply::Model>, DbErr> {
    let ids: Vec<Uuid> = activities.iter().map(|id| id.0).collect();
    let mut found = Vec::new();
    for part in ids.chunks(LIST_MAX) {
        let query = reply::Entity::find()
            .filter(R::NeighbourhoodId.eq(neighbourhood.0))
            .filter(R::ActivityId.is_in(part.to_vec()))
            .order_by_asc(R::JournalNo);
        found.extend(query.all(db).await?);
    }
    Ok(found)
}

/// By activity, who says last that they were not part of it.
///
/// # Errors
/// `DbErr`.
pub async fn declined(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
) -> Result<BTreeMap<ActivityId, BTreeSet<PartyId>>, DbErr> {
    let mut declined: BTreeMap<ActivityId, BTreeSet<PartyId>> = BTreeMap::new();
    let rows = about(db, neighbourhood, activities).await?;
    // Whoever spoke may have become one with somebody since.
    let spoke = rows.iter().map(|row| PartyId(row.party_id)).collect();
    let stands_for = super::parties::resolve(db, neighbourhood, &spoke).await?;
    for row in rows {
        let (id, spoke) = (ActivityId(row.activity_id), PartyId(row.party_id));
        let party = stands_for.get(&spoke).map_or(spoke, |(party, _)| *party);
        if row.kind == ReplyKind::Decline.as_str() {
            declined.entry(id).or_default().insert(party);
        } else if row.kind == ReplyKind::Accept.as_str() {
            declined.entry(id).or_default().remove(&party);
        }
    }
    Ok(declined)
}

/// The statement that writes who is named, new and known.
#[must_use]
pub fn write_named(backend: DbBackend, rows: Vec<named_party::Model>) -> Statement {
    let key = [P::NeighbourhoodId, P::PartyId, P::ActivityId];
    insert_rows::<named_party::Entity>(backend, &rows, &or_update(&key, &[P::JournalNo, P::Still]))
}

/// The statement that removes the rows of some of whom an activity no longer concerns.
#[must_use]
pub fn forget_named(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    parties: &[PartyId],
) -> Statement {
    named_party::Entity::delete_many()
        .filter(P::NeighbourhoodId.eq(neighbourhood.0))
        .filter(P::ActivityId.eq(activity.0))
        .filter(P::PartyId.is_in(parties.iter().map(|party| party.0)))
        .build(backend)
}

/// Those of these activities that name somebody still, by any of these names.
///
/// # Errors
/// `DbErr`.
pub async fn naming_among(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
    names: &[PartyId],
) -> Result<BTreeSet<ActivityId>, DbErr> {
    if activities.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<Uuid> = named_party::Entity::find()
        .select_only()
        .column(P::ActivityId)
        .filter(P::NeighbourhoodId.eq(neighbourhood.0))
        .filter(P::PartyId.is_in(names.iter().map(|id| id.0)))
        .filter(P::ActivityId.is_in(activities.iter().map(|id| id.0)))
        .filter(P::Still.eq(true))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(ActivityId).collect())
}

/// Whether an activity names somebody still.
///
/// # Errors
/// `DbErr`.
pub async fn is_named(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    names: &[PartyId],
) -> Result<bool, DbErr> {
    let query = named_party::Entity::find()
        .filter(P::NeighbourhoodId.eq(neighbourhood.0))
        .filter(P::ActivityId.eq(activity.0))
        .filter(P::PartyId.is_in(names.iter().map(|id| id.0)))
        .filter(P::Still.eq(true));
    Ok(query.one(db).await?.is_some())
}

/// The activities that name somebody still, by any of these names: when each was received and its id, the newest `limit`
/// that come after a place in the list.
///
/// # Errors
/// `DbErr`.
pub async fn naming(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    names: &[PartyId],
    after: Option<(i64, Uuid)>,
    limit: u64,
) -> Result<BTreeSet<(i64, Uuid)>, DbErr> {
    let mut found = BTreeSet::new();
    // An index has those of one name in order.
    for name in names {
        let newest = naming_one(neighbourhood, *name, after, limit);
        found.extend(newest.into_tuple::<(i64, Uuid)>().all(db).await?);
    }
    Ok(super::activity_pages::newest_of(found, limit))
}

pub(super) fn naming_one(
    neighbourhood: NeighbourhoodId,
    name: PartyId,
    after: Option<(i64, Uuid)>,
    limit: u64,
) -> Select<named_party::Entity> {
    let mut query = named_party::Entity::find()
        .select_only()
        .columns([P::ReceivedAtMs, P::ActivityId])
        .filter(P::NeighbourhoodId.eq(neighbourhood.0))
        .filter(P::PartyId.eq(name.0))
        .filter(P::Still.eq(true));
    if let Some((at_ms, _)) = after {
        query = query.filter(P::ReceivedAtMs.lte(at_ms)).filter(super::access::older(
            after,
            P::ReceivedAtMs,
            P::ActivityId,
        ));
    }
    query.order_by_desc(P::ReceivedAtMs).order_by_desc(P::ActivityId).limit(limit)
}
