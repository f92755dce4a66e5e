//! Activities and their versions.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use uuid::Uuid;

use super::batch::{anew, insert_rows, or_update};
use super::bound::Bound;
use super::entity::activity::Column as A;
use super::entity::activity_version::Column as V;
use super::entity::{activity, activity_version, judgement};
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId, PartyId};

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

/// The statement that writes a version anew, whole: for rebuilding.
#[must_use]
pub fn rewrite_version(backend: DbBackend, row: activity_version::Model) -> Statement {
    let (neighbourhood, id, version) = (row.neighbourhood_id, row.activity_id, row.version);
    activity_version::Entity::update_many()
        .set(anew::<activity_version::Entity>(row))
        .filter(V::NeighbourhoodId.eq(neighbourhood))
        .filter(V::ActivityId.eq(id))
        .filter(V::Version.eq(version))
        .build(backend)
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
    const UPDATED: [A; 10] = [
        A::State,
        A::Reading,
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

fn key(bound: &mut Bound, activity: ActivityId, version: i64) -> [String; 2] {
    [bound.place(activity.0), bound.place(version)]
}

/// Keys of versions as rows of VALUES.
fn keys(bound: &mut Bound, named: impl Iterator<Item = (ActivityId, i64)>) -> String {
    let keys = named.map(|(activity, version)| format!("({})", key(bound, activity, version).join(", ")));
    keys.collect::<Vec<_>>().join(", ")
}

/// What a list of activities is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub party: Option<PartyId>,
    pub daybook: Option<Uuid>,
    pub kind: Option<String>,
    pub programme: Option<String>,
    pub day_from: Option<String>,
    pub day_until: Option<String>,
    pub review: Option<String>,
    pub conflict: Option<String>,
    /// Only those that name any of these.
    pub naming: Option<Vec<PartyId>>,
    /// Received before (milliseconds, id): where the last page ended.
    pub after: Option<(i64, Uuid)>,
}

/// A page of activities with what is judged of them, newest received first.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    filter: &Filter,
    limit: u64,
) -> Result<Vec<(activity::Model, Option<judgement::Model>)>, DbErr> {
    let mut query = activity::Entity::find()
        .filter(A::NeighbourhoodId.eq(neighbourhood.0))
        .filter(equals(neighbourhood, filter));
    if let Some(review) = &filter.review {
        query = query.filter(reviewed(neighbourhood, review));
    }
    if let Some((at_ms, id)) = filter.after {
        let older = Condition::any()
            .add(A::ReceivedAtMs.lt(at_ms))
            .add(Condition::all().add(A::ReceivedAtMs.eq(at_ms)).add(A::Id.lt(id)));
        query = query.filter(A::ReceivedAtMs.lte(at_ms)).filter(older);
    }
    let rows = query
        .order_by(A::ReceivedAtMs, Order::Desc)
        .order_by(A::Id, Order::Desc)
        .limit(limit)
        .all(db)
        .await?;
    let ids: BTreeSet<ActivityId> = rows.iter().map(|row| ActivityId(row.id)).collect();
    let judged = super::judgements::of_ids(db, neighbourhood, &ids).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let judgement = judged.iter().find(|judgement| judgement.activity_id == row.id).cloned();
            (row, judgement)
        })
        .collect())
}

fn equals(neighbourhood: NeighbourhoodId, filter: &Filter) -> Condition {
    Condition::all()
        .add_option(filter.party.map(|party| A::PartyId.eq(party.0)))
        .add_option(filter.daybook.map(|daybook| of_party_and_daybook(neighbourhood, daybook)))
        .add_option(filter.kind.as_ref().map(|kind| A::Kind.eq(kind)))
        .add_option(filter.programme.as_ref().map(|programme| A::Programme.eq(programme)))
        .add_option(filter.conflict.as_ref().map(|conflict| A::Conflict.eq(conflict)))
        .add_option(filter.day_from.as_ref().map(|day| A::Day.gte(day)))
        .add_option(filter.day_until.as_ref().map(|day| A::Day.lte(day)))
        .add_option(
            filter
                .naming
                .as_ref()
                .map(|names| A::Id.in_subquery(super::replies::naming(neighbourhood, names))),
        )
}

/// What nobody has judged yet counts as received.
fn reviewed(neighbourhood: NeighbourhoodId, review: &str) -> Condition {
    use judgement::Column as J;
    let judged = |condition: Condition| {
        Query::select()
            .column(J::ActivityId)
            .from(judgement::Entity)
            .and_where(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0))
            .cond_where(condition)
            .to_owned()
    };
    if review == "received" {
        Condition::all().add(A::Id.not_in_subquery(judged(Condition::all().add(J::Review.ne("received")))))
    } else {
        Condition::all().add(A::Id.in_subquery(judged(Condition::all().add(J::Review.eq(review)))))
    }
}
