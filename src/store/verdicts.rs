//! What phones are told of their records, and of those that name them.

use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait, IntoColumnRef, Query, SelectStatement, UnionType,
};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, Order};
use uuid::Uuid;

use super::entity::judgement::Column as J;
use super::entity::named_party::Column as P;
use super::entity::{activity, journal, judgement, named_party};
use crate::domain::ids::{NeighbourhoodId, PartyId};

/// What a phone is told of one activity: its judgement, and where its record stands.
#[derive(Debug, Clone, FromQueryResult)]
pub struct VerdictRow {
    pub activity_id: Uuid,
    pub body: String,
    pub judged_version: i64,
    pub reason_code: Option<String>,
    pub reason_text: Option<String>,
    pub due_at_ms: Option<i64>,
    pub waits_since_ms: Option<i64>,
    pub judged_at_ms: i64,
    pub journal_no: i64,
    /// Of the judgement.
    pub revision: i64,
    pub activity_revision: i64,
    pub conflict: String,
    pub kind: Option<String>,
    pub day: Option<String>,
    /// Whose daybook it is.
    pub party_id: Uuid,
    pub replies: Option<i64>,
    /// It is somebody else's, and concerns the caller; whether it still does.
    pub still_named: Option<bool>,
    /// The journal's at this number.
    pub chain: Vec<u8>,
    /// What the journal says at this number.
    pub entry: String,
}

/// Verdicts after a journal number, in that order.
#[derive(Debug, Clone, Default)]
pub struct Verdicts {
    /// The journal's chain at that number, if there is one.
    pub start: Option<Vec<u8>>,
    pub rows: Vec<VerdictRow>,
}

/// For whom verdicts are.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Whose daybooks they keep.
    pub owners: &'a [PartyId],
    /// By which ids others' records name them.
    pub names: &'a [PartyId],
}

/// The verdicts of parties after a journal number: their activities whose judgement changed, and others' that concern
/// them, in that order; an activity that is both comes twice. One statement, since every sync asks: the number's own
/// row comes as well, with nothing joined to it.
///
/// # Errors
/// `DbErr`.
pub async fn verdicts(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    told: Told<'_>,
    after: i64,
    limit: u64,
) -> Result<Verdicts, DbErr> {
    let query = verdicts_query(neighbourhood, told, after, limit);
    let mut verdicts = Verdicts::default();
    for row in db.query_all(&query).await? {
        if after > 0 && verdicts.start.is_none() {
            verdicts.start = Some(row.try_get("", "start")?);
        }
        if row.try_get::<Option<i64>>("", "journal_no")?.is_some() {
            verdicts.rows.push(VerdictRow::from_query_result(&row, "")?);
        }
    }
    Ok(verdicts)
}

fn verdicts_query(neighbourhood: NeighbourhoodId, told: Told<'_>, after: i64, limit: u64) -> SelectStatement {
    let own = Condition::all()
        .add(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0))
        .add(Expr::col((judgement::Entity, J::PartyId)).is_in(told.owners.iter().map(|id| id.0)))
        .add(Expr::col((judgement::Entity, J::JournalNo)).gt(after));
    let mut query = from_number(neighbourhood, after);
    if after > 0 {
        query.left_join(judgement::Entity, own);
    } else {
        query.from(judgement::Entity).cond_where(own);
    }
    query.expr_as(Expr::value(None::<bool>), "still_named");
    verdict_columns(&mut query, neighbourhood, (judgement::Entity, J::JournalNo));
    query
        .union(UnionType::All, named_query(neighbourhood, told.names, after))
        .order_by(Alias::new("journal_no"), Order::Asc)
        .limit(limit)
        .to_owned()
}

/// Of the records of others that name somebody: what they are told moves on with the row that names them.
fn named_query(neighbourhood: NeighbourhoodId, names: &[PartyId], after: i64) -> SelectStatement {
    let naming = Condition::all()
        .add(Expr::col((named_party::Entity, P::NeighbourhoodId)).eq(neighbourhood.0))
        .add(Expr::col((named_party::Entity, P::PartyId)).is_in(names.iter().map(|id| id.0)))
        .add(Expr::col((named_party::Entity, P::JournalNo)).gt(after));
    let of_named =
        Condition::all().add(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0)).add(
            Expr::col((judgement::Entity, J::ActivityId)).eq(Expr::col((named_party::Entity, P::ActivityId))),
        );
    let mut query = from_number(neighbourhood, after);
    if after > 0 {
        query.inner_join(named_party::Entity, naming);
    } else {
        query.from(named_party::Entity).cond_where(naming);
    }
    query
        .inner_join(judgement::Entity, of_named)
        .expr_as(Expr::col((named_party::Entity, P::Still)), "still_named");
    verdict_columns(&mut query, neighbourhood, (named_party::Entity, P::JournalNo));
    query
}

/// Starts at a number's own row, whose chain tells whether the cursor is on ours.
fn from_number(neighbourhood: NeighbourhoodId, after: i64) -> SelectStatement {
    use journal::Column as N;
    let (mut query, start) = (Query::select(), Alias::new("start"));
    if after > 0 {
        query
            .expr_as(Expr::col((start.clone(), N::Chain)), "start")
            .from_as(journal::Entity, start.clone())
            .and_where(Expr::col((start.clone(), N::NeighbourhoodId)).eq(neighbourhood.0))
            .and_where(Expr::col((start, N::No)).eq(after));
    }
    query
}

fn verdict_columns<T: IntoColumnRef + Clone>(
    query: &mut SelectStatement,
    neighbourhood: NeighbourhoodId,
    number: T,
) {
    use activity::Column as A;
    use journal::Column as N;
    let of_activity = Condition::all()
        .add(Expr::col((activity::Entity, A::NeighbourhoodId)).eq(neighbourhood.0))
        .add(Expr::col((activity::Entity, A::Id)).eq(Expr::col((judgement::Entity, J::ActivityId))));
    let of_number = Condition::all()
        .add(Expr::col((journal::Entity, N::NeighbourhoodId)).eq(neighbourhood.0))
        .add(Expr::col((journal::Entity, N::No)).eq(Expr::col(number.clone())));
    for column in [
        J::ActivityId,
        J::PartyId,
        J::Body,
        J::JudgedVersion,
        J::ReasonCode,
        J::ReasonText,
        J::DueAtMs,
        J::WaitsSinceMs,
        J::JudgedAtMs,
        J::Revision,
        J::Replies,
    ] {
        query.column((judgement::Entity, column));
    }
    query
        .expr_as(Expr::col(number), "journal_no")
        .expr_as(Expr::col((activity::Entity, A::Revision)), "activity_revision")
        .columns([A::Conflict, A::Kind, A::Day].map(|column| (activity::Entity, column)))
        .column((journal::Entity, N::Chain))
        .expr_as(Expr::col((journal::Entity, N::Kind)), "entry")
        .left_join(activity::Entity, of_activity)
        .left_join(journal::Entity, of_number);
}

#[cfg(test)]
mod tests {
    use sea_orm::DbBackend;

    use super::super::totals::tests::steps;
    use super::*;

    #[tokio::test]
    async fn what_is_new_is_looked_up_and_nothing_is_sorted() {
        let me = [PartyId(Uuid::max())];
        for after in [0, 7] {
            let told = Told { owners: &me, names: &me };
            let query = verdicts_query(NeighbourhoodId(Uuid::nil()), told, after, 10);
            let steps = steps(DbBackend::Sqlite.build(&query)).await;
            let by = |table: &str| {
                let by = "(neighbourhood_id=? AND party_id=? AND journal_no>?)";
                steps.iter().any(|step| step.contains(table) && step.contains(by))
            };
            assert!(by("judgement") && by("named_party"), "after {after}: {steps:?}");
            let slow = |step: &&String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert_eq!(steps.iter().find(slow), None, "after {after}: {steps:?}");
        }
    }
}
