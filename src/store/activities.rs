//! Activities and their versions.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use super::batch::{insert_rows, or_update};
use super::bound::Bound;
use super::entity::activity::Column as A;
use super::entity::activity_version::Column as V;
use super::entity::{activity, activity_version};
use super::waiting::keys;
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId, PartyId};
use crate::domain::limits::{ACCEPT_CHANGES_MAX, HELD_TAKEN_CHANGES_MAX};

const LIST_MAX: usize = 400;

/// The activities of these ids, in order of id.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<activity::Model>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        found.extend(
            activity::Entity::find()
                .filter(A::NeighbourhoodId.eq(neighbourhood.0))
                .filter(A::Id.is_in(part.to_vec()))
                .order_by_asc(A::Id)
                .all(db)
                .await?,
        );
    }
    Ok(found)
}

/// When these activities were first received, in milliseconds.
///
/// # Errors
/// `DbErr`.
pub async fn received(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<(ActivityId, i64)>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        let query = activity::Entity::find().select_only().columns([A::Id, A::ReceivedAtMs]);
        let query = query.filter(A::NeighbourhoodId.eq(neighbourhood.0)).filter(A::Id.is_in(part.to_vec()));
        let rows: Vec<(Uuid, i64)> = query.into_tuple().all(db).await?;
        found.extend(rows.into_iter().map(|(id, at_ms)| (ActivityId(id), at_ms)));
    }
    Ok(found)
}

/// A daybook's activities are found by its party, whose index serves lists too.
fn of_party_and_daybook(neighbourhood: NeighbourhoodId, daybook: Uuid) -> Condition {
    use super::entity::daybook::{Column as B, Entity};
    let party = Query::select()
        .column(B::PartyId)
        .from(Entity)
        .and_where(Expr::col(B::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(Expr::col(B::Id).eq(daybook))
        .to_owned();
    Condition::all().add(A::PartyId.in_subquery(party)).add(A::DaybookId.eq(daybook))
}

/// All activities of a daybook, by id.
///
/// # Errors
/// `DbErr`.
pub async fn of_daybook(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    daybook: DaybookId,
) -> Result<Vec<activity::Model>, DbErr> {
    activity::Entity::find()
        .filter(A::NeighbourhoodId.eq(neighbourhood.0))
        .filter(of_party_and_daybook(neighbourhood, daybook.0))
        .order_by_asc(A::Id)
        .all(db)
        .await
}

/// The stored states of a daybook's activities.
///
/// # Errors
/// `DbErr`.
pub async fn states(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    daybook: DaybookId,
) -> Result<Vec<(Uuid, Vec<u8>)>, DbErr> {
    activity::Entity::find()
        .select_only()
        .columns([A::Id, A::State])
        .filter(A::NeighbourhoodId.eq(neighbourhood.0))
        .filter(of_party_and_daybook(neighbourhood, daybook.0))
        .into_tuple()
        .all(db)
        .await
}

/// All versions of a daybook's activities.
///
/// # Errors
/// `DbErr`.
pub async fn versions_of_daybook(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    daybook: DaybookId,
) -> Result<Vec<activity_version::Model>, DbErr> {
    activity_version::Entity::find()
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::DaybookId.eq(daybook.0))
        .order_by_asc(V::ActivityId)
        .order_by_asc(V::Version)
        .all(db)
        .await
}

/// One activity.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: ActivityId,
) -> Result<Option<activity::Model>, DbErr> {
    activity::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// The statements that write activities, new and known, in order of id. Each writes fewer rows than it has if
/// another daybook brought one of the ids meanwhile; that row stays as it is.
#[must_use]
pub fn upsert(backend: DbBackend, rows: &[activity::Model]) -> Vec<Statement> {
    const UPDATED: [A; 12] = [
        A::State,
        A::Reading,
        A::Lat,
        A::Lon,
        A::Version,
        A::Kind,
        A::Day,
        A::Programme,
        A::Conflict,
        A::RecordedAtMs,
        A::ChangedAtMs,
        A::Revision,
    ];
    let mut more = or_update(&[A::NeighbourhoodId, A::Id], &UPDATED);
    more.push_str(" WHERE \"activity\".\"daybook_id\" = excluded.\"daybook_id\"");
    rows.chunks(LIST_MAX).map(|part| insert_rows::<activity::Entity>(backend, part, &more)).collect()
}

/// The statement that notes up to which position a version was the newest.
#[must_use]
pub fn supersede(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    version: i64,
    until: i64,
) -> Statement {
    activity_version::Entity::update_many()
        .col_expr(V::UntilPosition, Expr::value(Some(until)))
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::ActivityId.eq(activity.0))
        .filter(V::Version.eq(version))
        .build(backend)
}

/// The versions of an activity, newest first, below `before`.
///
/// # Errors
/// `DbErr`.
pub async fn versions(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<activity_version::Model>, DbErr> {
    let mut query = activity_version::Entity::find()
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::ActivityId.eq(activity.0));
    if let Some(before) = before {
        query = query.filter(V::Version.lt(before));
    }
    query.order_by_desc(V::Version).limit(limit).all(db).await
}

/// One version.
///
/// # Errors
/// `DbErr`.
pub async fn version(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    version: i64,
) -> Result<Option<activity_version::Model>, DbErr> {
    activity_version::Entity::find_by_id((neighbourhood.0, activity.0, version)).one(db).await
}

/// The version of an activity that was the newest at a time; the first where it came later.
///
/// # Errors
/// `DbErr`.
pub async fn version_at(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    at_ms: i64,
) -> Result<Option<activity_version::Model>, DbErr> {
    activity_version::Entity::find()
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::ActivityId.eq(activity.0))
        .filter(V::ReceivedAtMs.lte(at_ms).or(V::Version.eq(1)))
        .order_by_desc(V::Version)
        .one(db)
        .await
}

/// All versions of these activities, by activity and number.
///
/// # Errors
/// `DbErr`.
pub async fn all_versions(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<activity_version::Model>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        let query = activity_version::Entity::find()
            .filter(V::NeighbourhoodId.eq(neighbourhood.0))
            .filter(V::ActivityId.is_in(part.to_vec()));
        found.extend(query.order_by_asc(V::ActivityId).order_by_asc(V::Version).all(db).await?);
    }
    Ok(found)
}

/// These versions, each named by activity and number.
///
/// # Errors
/// `DbErr`.
pub async fn versions_named(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    named: &[(ActivityId, i64)],
) -> Result<Vec<activity_version::Model>, DbErr> {
    let mut found = Vec::with_capacity(named.len());
    for part in named.chunks(LIST_MAX) {
        let mut bound = Bound::new(db.get_database_backend());
        let neighbourhood = bound.place(neighbourhood.0);
        let keys = keys(&mut bound, part.iter().copied());
        let sql = format!(
            "SELECT * FROM activity_version WHERE neighbourhood_id = {neighbourhood} \
             AND (activity_id, version) IN (VALUES {keys})"
        );
        let query = activity_version::Entity::find().from_raw_sql(bound.statement(sql));
        found.extend(query.all(db).await?);
    }
    Ok(found)
}

#[derive(Debug, FromQueryResult)]
struct Writer {
    activity_id: Uuid,
    party_id: Uuid,
}

/// Who wrote these activities, in the order in which they first did: the parties of the grants that brought a version,
/// or any change up to that with which the version ends that was accepted together with it: what waited for it may be
/// somebody else's.
///
/// # Errors
/// `DbErr`.
pub async fn writers(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<(ActivityId, PartyId)>, DbErr> {
    let ids: Vec<ActivityId> = ids.iter().copied().collect();
    let mut found = Vec::new();
    for part in ids.chunks(LIST_MAX) {
        let mut bound = Bound::new(db.get_database_backend());
        let sql = format!(
            "SELECT v.activity_id, g.party_id FROM activity_version AS v \
             JOIN daybook_change AS c ON c.neighbourhood_id = v.neighbourhood_id AND c.daybook_id = v.daybook_id \
             AND c.position = v.from_position \
             JOIN daybook_change AS d ON d.neighbourhood_id = v.neighbourhood_id AND d.daybook_id = v.daybook_id \
             AND d.position <= c.position AND d.position > c.position - {} AND d.accept_no = c.accept_no \
             JOIN access_grant AS g ON g.neighbourhood_id = v.neighbourhood_id AND g.id IN (v.grant_id, d.grant_id) \
             WHERE v.neighbourhood_id = {} AND v.activity_id IN ({}) \
             GROUP BY v.activity_id, g.party_id \
             ORDER BY v.activity_id, MIN(v.version), MIN(CASE WHEN g.id = v.grant_id THEN 0 ELSE 1 END)",
            ACCEPT_CHANGES_MAX + HELD_TAKEN_CHANGES_MAX,
            bound.place(neighbourhood.0),
            bound.list(part.iter().map(|id| id.0)),
        );
        let rows = Writer::find_by_statement(bound.statement(sql)).all(db).await?;
        found.extend(rows.into_iter().map(|row| (ActivityId(row.activity_id), PartyId(row.party_id))));
    }
    Ok(found)
}
