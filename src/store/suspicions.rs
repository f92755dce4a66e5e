//! Suspicions, the records that they are about, and the traces by which records find each other.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, SelectStatement};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, FromQueryResult,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use super::bound::Bound;
use super::entity::activity_trace::Column as T;
use super::entity::suspicion::Column as S;
use super::entity::suspicion_about::Column as B;
use super::entity::{activity, activity_trace, judgement, suspicion, suspicion_about};
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId, PartyId, SuspicionId};

const LIST_MAX: usize = 400;

/// The suspicions about these activities, whatever became of them.
///
/// # Errors
/// `DbErr`.
pub async fn about(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
) -> Result<Vec<suspicion::Model>, DbErr> {
    let ids: Vec<Uuid> = activities.iter().map(|id| id.0).collect();
    let mut found = Vec::new();
    for part in ids.chunks(LIST_MAX) {
        let query = suspicion::Entity::find()
            .filter(S::NeighbourhoodId.eq(neighbourhood.0))
            .filter(S::Id.in_subquery(named_by(neighbourhood, part)));
        found.extend(query.all(db).await?);
    }
    Ok(found)
}

/// The ids of the suspicions about activities.
fn named_by(neighbourhood: NeighbourhoodId, activities: &[Uuid]) -> SelectStatement {
    Query::select()
        .column(B::SuspicionId)
        .from(suspicion_about::Entity)
        .and_where(Expr::col(B::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(Expr::col(B::ActivityId).is_in(activities.to_vec()))
        .to_owned()
}

/// The suspicions of these ids.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<SuspicionId>,
) -> Result<Vec<suspicion::Model>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    suspicion::Entity::find()
        .filter(S::NeighbourhoodId.eq(neighbourhood.0))
        .filter(S::Id.is_in(ids.iter().map(|id| id.0)))
        .all(db)
        .await
}

/// A page of suspicions in a state, about an activity or all, the last raised first, below a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    state: &str,
    about: Option<ActivityId>,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<suspicion::Model>, DbErr> {
    let mut query =
        suspicion::Entity::find().filter(S::NeighbourhoodId.eq(neighbourhood.0)).filter(S::State.eq(state));
    if let Some(activity) = about {
        query = query.filter(S::Id.in_subquery(named_by(neighbourhood, &[activity.0])));
    }
    if let Some(before) = before {
        query = query.filter(S::RaisedNo.lt(before));
    }
    query.order_by_desc(S::RaisedNo).limit(limit).all(db).await
}

/// The statements that write suspicions, new and known, and what they are about.
#[must_use]
pub fn write(
    backend: DbBackend,
    rows: Vec<suspicion::Model>,
    about: Vec<suspicion_about::Model>,
) -> Vec<Statement> {
    let mut statements = Vec::new();
    for part in rows.chunks(LIST_MAX) {
        let conflict = OnConflict::columns([S::NeighbourhoodId, S::Id])
            .update_columns([
                S::State,
                S::Body,
                S::Settled,
                S::SettledBy,
                S::RaisedAtMs,
                S::RaisedNo,
                S::JournalNo,
            ])
            .to_owned();
        let rows = part.iter().cloned().map(|row| row.into_active_model().reset_all());
        statements.push(suspicion::Entity::insert_many(rows).on_conflict(conflict).build(backend));
    }
    for part in about.chunks(LIST_MAX) {
        let known =
            OnConflict::columns([B::NeighbourhoodId, B::ActivityId, B::SuspicionId]).do_nothing().to_owned();
        let rows = part.iter().cloned().map(|row| row.into_active_model().reset_all());
        statements.push(suspicion_about::Entity::insert_many(rows).on_conflict(known).build(backend));
    }
    statements
}

/// A trace and an activity that left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromQueryResult)]
pub struct Left {
    pub trace: i64,
    pub activity_id: Uuid,
}

/// The activities that left one of these traces: of each trace the last by id, at most `limit`.
///
/// # Errors
/// `DbErr`.
pub async fn leaving(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    traces: &BTreeSet<i64>,
    limit: i64,
) -> Result<Vec<Left>, DbErr> {
    let traces: Vec<i64> = traces.iter().copied().collect();
    let mut found = Vec::new();
    for part in traces.chunks(LIST_MAX) {
        let statement = leaving_statement(db.get_database_backend(), neighbourhood, part, limit);
        found.extend(Left::find_by_statement(statement).all(db).await?);
    }
    Ok(found)
}

fn leaving_statement(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    traces: &[i64],
    limit: i64,
) -> Statement {
    let mut bound = Bound::new(backend);
    let sql = format!(
        "SELECT trace, activity_id FROM (SELECT trace, activity_id, ROW_NUMBER() OVER \
         (PARTITION BY trace ORDER BY activity_id DESC) AS nth FROM activity_trace \
         WHERE neighbourhood_id = {} AND trace IN ({})) AS numbered WHERE nth <= {}",
        bound.place(neighbourhood.0),
        bound.list(traces.iter().copied()),
        bound.place(limit),
    );
    bound.statement(sql)
}

/// The statement that forgets the traces of activities, before new ones are written.
#[must_use]
pub fn forget_traces(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    activities: &[ActivityId],
) -> Statement {
    activity_trace::Entity::delete_many()
        .filter(T::NeighbourhoodId.eq(neighbourhood.0))
        .filter(T::ActivityId.is_in(activities.iter().map(|id| id.0)))
        .build(backend)
}

/// Somebody's word for somebody's record.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Confirmed {
    /// The confirmation.
    pub activity_id: Uuid,
    pub by_id: Uuid,
    pub of_id: Uuid,
    /// The day that the confirmation names.
    pub day: Option<String>,
}

/// Confirmations by these parties, as last taken up.
///
/// # Errors
/// `DbErr`.
pub async fn confirmations(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    by: &BTreeSet<PartyId>,
) -> Result<Vec<Confirmed>, DbErr> {
    use activity::Column as A;
    use judgement::Column as J;
    if by.is_empty() {
        return Ok(Vec::new());
    }
    let other = "confirmed";
    let query = Query::select()
        .column((judgement::Entity, J::ActivityId))
        .expr_as(Expr::col((judgement::Entity, J::PartyId)), "by_id")
        .expr_as(Expr::col((other, J::PartyId)), "of_id")
        .expr_as(Expr::col((activity::Entity, A::Day)), "day")
        .from(judgement::Entity)
        .join_as(
            sea_orm::JoinType::InnerJoin,
            judgement::Entity,
            other,
            Expr::col((other, J::NeighbourhoodId))
                .eq(neighbourhood.0)
                .and(Expr::col((other, J::ActivityId)).eq(Expr::col((judgement::Entity, J::Confirms)))),
        )
        .join(
            sea_orm::JoinType::InnerJoin,
            activity::Entity,
            Expr::col((activity::Entity, A::NeighbourhoodId))
                .eq(neighbourhood.0)
                .and(Expr::col((activity::Entity, A::Id)).eq(Expr::col((judgement::Entity, J::ActivityId)))),
        )
        .and_where(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(Expr::col((judgement::Entity, J::Confirms)).is_not_null())
        .and_where(Expr::col((judgement::Entity, J::PartyId)).is_in(by.iter().map(|party| party.0)))
        .to_owned();
    Confirmed::find_by_statement(db.get_database_backend().build(&query)).all(db).await
}

/// Who brought a change, and who brought the first of the same writer.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Brought {
    pub position: i64,
    pub by_id: Uuid,
    pub before_id: Option<Uuid>,
}

/// Who brought the changes at these positions of a daybook; what nobody's grant brought is left out.
///
/// # Errors
/// `DbErr`.
pub async fn brought(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    daybook: DaybookId,
    positions: &BTreeSet<i64>,
) -> Result<Vec<Brought>, DbErr> {
    if positions.is_empty() {
        return Ok(Vec::new());
    }
    let mut bound = Bound::new(db.get_database_backend());
    let sql = format!(
        "SELECT c.position, g.party_id AS by_id, (SELECT h.party_id FROM daybook_change AS b \
         JOIN access_grant AS h ON h.neighbourhood_id = b.neighbourhood_id AND h.id = b.grant_id \
         WHERE b.neighbourhood_id = c.neighbourhood_id AND b.daybook_id = c.daybook_id AND b.actor = c.actor \
         AND b.seq < c.seq ORDER BY b.seq LIMIT 1) AS before_id FROM daybook_change AS c \
         JOIN access_grant AS g ON g.neighbourhood_id = c.neighbourhood_id AND g.id = c.grant_id \
         WHERE c.neighbourhood_id = {} AND c.daybook_id = {} AND c.position IN ({}) ORDER BY c.position",
        bound.place(neighbourhood.0),
        bound.place(daybook.0),
        bound.list(positions.iter().copied()),
    );
    Brought::find_by_statement(bound.statement(sql)).all(db).await
}

#[cfg(test)]
#[path = "suspicions_tests.rs"]
mod tests;
