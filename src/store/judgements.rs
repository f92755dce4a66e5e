//! What is judged of activities, and the decisions.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, UnionType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, Statement,
};
use uuid::Uuid;

use super::batch::{insert_rows, or_update};
use super::entity::decision::Column as D;
use super::entity::judgement::Column as J;
use super::entity::{activity_version, decision, journal, judgement};
use crate::domain::ids::{ActivityId, DecisionId, NeighbourhoodId};

const LIST_MAX: usize = 400;

/// The judgements of these activities.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<judgement::Model>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        found.extend(
            judgement::Entity::find()
                .filter(J::NeighbourhoodId.eq(neighbourhood.0))
                .filter(J::ActivityId.is_in(part.to_vec()))
                .all(db)
                .await?,
        );
    }
    Ok(found)
}

/// The judgements of these activities and of their parts; one that is both may come twice.
///
/// # Errors
/// `DbErr`.
pub async fn with_parts(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<ActivityId>,
) -> Result<Vec<judgement::Model>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        let among = |column: J| {
            judgement::Entity::find()
                .filter(J::NeighbourhoodId.eq(neighbourhood.0))
                .filter(column.is_in(part.to_vec()))
                .into_query()
        };
        let query = among(J::ActivityId).union(UnionType::All, among(J::PartOf)).to_owned();
        let statement = db.get_database_backend().build(&query);
        found.extend(judgement::Entity::find().from_raw_sql(statement).all(db).await?);
    }
    Ok(found)
}

/// The judgements of activities that confirm these.
///
/// # Errors
/// `DbErr`.
pub async fn confirming(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
) -> Result<Vec<judgement::Model>, DbErr> {
    if activities.is_empty() {
        return Ok(Vec::new());
    }
    judgement::Entity::find()
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::Confirms.is_in(activities.iter().map(|id| id.0)))
        .all(db)
        .await
}

/// The judgements of activities that need a person, those that wait longest first.
///
/// # Errors
/// `DbErr`.
pub async fn needing_a_person(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    limit: u64,
) -> Result<Vec<judgement::Model>, DbErr> {
    judgement::Entity::find()
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::WaitsSinceMs.is_not_null())
        .order_by_asc(J::WaitsSinceMs)
        .order_by_asc(J::ActivityId)
        .limit(limit)
        .all(db)
        .await
}

/// How many activities need a person; `most` where there are more.
///
/// # Errors
/// `DbErr`.
pub async fn count_needing_a_person(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    most: u64,
) -> Result<u64, DbErr> {
    let waiting = judgement::Entity::find()
        .select_only()
        .column(J::ActivityId)
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::WaitsSinceMs.is_not_null())
        .limit(most)
        .into_query();
    let count =
        Query::select().expr_as(Expr::cust("COUNT(*)"), "waiting").from_subquery(waiting, "some").to_owned();
    let row = db.query_one(&count).await?;
    let waiting: i64 = row.map(|row| row.try_get("", "waiting")).transpose()?.unwrap_or_default();
    Ok(u64::try_from(waiting).unwrap_or_default())
}

/// The activities that were judged last.
///
/// # Errors
/// `DbErr`.
pub async fn judged_last(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    limit: u64,
) -> Result<Vec<ActivityId>, DbErr> {
    use journal::Column as N;
    let numbers: Vec<Option<Uuid>> = journal::Entity::find()
        .select_only()
        .column(N::ActivityId)
        .filter(N::NeighbourhoodId.eq(neighbourhood.0))
        .filter(N::Kind.eq("version"))
        .order_by_desc(N::No)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let mut seen = BTreeSet::new();
    let ids = numbers.into_iter().flatten().map(ActivityId);
    Ok(ids.filter(|id| seen.insert(*id)).collect())
}

/// Whether anything waits or is due in a neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn anything_to_judge(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    now_ms: i64,
) -> Result<bool, DbErr> {
    use activity_version::Column as V;
    let waiting = activity_version::Entity::find()
        .select_only()
        .column(V::ReceivedAtMs)
        .filter(V::NeighbourhoodId.eq(neighbourhood.0))
        .filter(V::JournalNo.is_null())
        .order_by_asc(V::ReceivedAtMs)
        .limit(1)
        .into_query();
    let any =
        Condition::any().add(Expr::from(waiting).is_not_null()).add(first_due(neighbourhood).lte(now_ms));
    let query = Query::select().expr(Expr::val(1)).cond_where(any).to_owned();
    Ok(db.query_one(&query).await?.is_some())
}

/// When the first activity of a neighbourhood is due, as an expression; nothing if none ever is.
///
/// The first by the index, and not whether there is one before now: of that PostgreSQL expects a third of the rows,
/// of which a look through the table would find one at once; there is none, and it reads the table to its end.
pub(super) fn first_due(neighbourhood: NeighbourhoodId) -> Expr {
    let due = judgement::Entity::find()
        .select_only()
        .column(J::DueAtMs)
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::DueAtMs.is_not_null())
        .order_by_asc(J::DueAtMs)
        .limit(1)
        .into_query();
    due.into()
}

/// The activities that are due to be looked at again.
///
/// # Errors
/// `DbErr`.
pub async fn due(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    now_ms: i64,
    limit: u64,
) -> Result<BTreeSet<ActivityId>, DbErr> {
    let ids: Vec<Uuid> = judgement::Entity::find()
        .select_only()
        .column(J::ActivityId)
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::DueAtMs.lte(now_ms))
        .order_by_asc(J::DueAtMs)
        .order_by_asc(J::ActivityId)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(ActivityId).collect())
}

/// The neighbourhoods in which something is due: with what waits the only statement that crosses
/// neighbourhoods, over a partial index.
///
/// # Errors
/// `DbErr`.
pub async fn neighbourhoods_due(
    db: &impl ConnectionTrait,
    now_ms: i64,
) -> Result<Vec<NeighbourhoodId>, DbErr> {
    let ids: Vec<Uuid> = judgement::Entity::find()
        .select_only()
        .column(J::NeighbourhoodId)
        .distinct()
        .filter(J::DueAtMs.lte(now_ms))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(NeighbourhoodId).collect())
}

/// The statement that writes judgements, new and known.
#[must_use]
pub fn upsert(backend: DbBackend, rows: &[judgement::Model]) -> Statement {
    const UPDATED: [J; 18] = [
        J::Body,
        J::Review,
        J::JudgedVersion,
        J::DecisionSeq,
        J::PostingSeq,
        J::PartOf,
        J::Minutes,
        J::ReasonCode,
        J::ReasonText,
        J::JournalNo,
        J::JudgedAtMs,
        J::DueAtMs,
        J::Revision,
        J::Confirms,
        J::Doubts,
        J::WaitsSinceMs,
        J::Named,
        J::Replies,
    ];
    let more = or_update(&[J::NeighbourhoodId, J::ActivityId], &UPDATED);
    insert_rows::<judgement::Entity>(backend, rows, &more)
}

/// One decision.
///
/// # Errors
/// `DbErr`.
pub async fn find_decision(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DecisionId,
) -> Result<Option<decision::Model>, DbErr> {
    decision::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// Who decided first about a record, and when: by a rule or not, of the last decisions. Withdrawals by the party's own
/// are no decisions about it.
///
/// # Errors
/// `DbErr`.
pub async fn first_decisions(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    limit: u64,
) -> Result<Vec<(bool, i64)>, DbErr> {
    let rows: Vec<(i64, String, Option<Uuid>, i64)> = decision::Entity::find()
        .select_only()
        .columns([D::Seq, D::Step, D::DecidedBy, D::DecidedAtMs])
        .filter(D::NeighbourhoodId.eq(neighbourhood.0))
        .order_by_desc(D::JournalNo)
        .limit(limit)
        .into_tuple()
        .all(db)
        .await?;
    let first = rows.into_iter().filter(|(seq, step, _, _)| *seq == 1 && step != "withdraw");
    Ok(first.map(|(_, _, by, at_ms)| (by.is_none(), at_ms)).collect())
}

/// The decisions that a batch was sent with, newest first.
///
/// # Errors
/// `DbErr`.
pub async fn of_batch(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    batch: Uuid,
) -> Result<Vec<decision::Model>, DbErr> {
    decision::Entity::find()
        .filter(D::NeighbourhoodId.eq(neighbourhood.0))
        .filter(D::BatchId.eq(batch))
        .order_by_desc(D::JournalNo)
        .all(db)
        .await
}

/// Decisions, newest first, below a journal number, of one activity or all.
///
/// # Errors
/// `DbErr`.
pub async fn decisions(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: Option<ActivityId>,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<decision::Model>, DbErr> {
    let mut query = decision::Entity::find().filter(D::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(activity) = activity {
        query = query.filter(D::ActivityId.eq(activity.0));
    }
    if let Some(before) = before {
        query = query.filter(D::JournalNo.lt(before));
    }
    query.order_by_desc(D::JournalNo).limit(limit).all(db).await
}
