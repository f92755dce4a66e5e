//! What decisions moved: the transfers that follow each of them in the journal.
//!
//! Whatever judging posts for a decision is numbered right behind it, with nothing between but what became of
//! suspicions: so the journal's order says of each transfer by which decision it was posted.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, FromQueryResult, Statement};
use uuid::Uuid;

use super::bound::Bound;
use crate::domain::ids::NeighbourhoodId;
use crate::domain::limits::MERGE_MEMBERS_MAX;

/// A transfer, and the decision that it follows on.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Moved {
    /// The number of the decision that was asked about.
    pub asked_no: i64,
    /// The decision that it follows on: the one that was asked about; or, if that one merges or unmerges, one made
    /// shortly before it in the same sitting, such as those about the members.
    pub by_id: Uuid,
    /// What that decision is about.
    pub by_activity_id: Uuid,
    pub activity_id: Uuid,
    pub account_id: Uuid,
    pub asset: String,
    pub minutes: i64,
    pub day: String,
}

/// The transfers that follow on the decisions with these journal numbers, in the order of the journal.
///
/// # Errors
/// `DbErr`.
pub async fn by_decisions(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    numbers: &[i64],
) -> Result<Vec<Moved>, DbErr> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    Moved::find_by_statement(query(db.get_database_backend(), neighbourhood, numbers)).all(db).await
}

/// Every step is one of an index, however long the journal is. PostgreSQL cannot know how few entries lie between two
/// numbers, and would read whole tables where it could match them by equal values: so the time is subtracted, and
/// transfers are looked up one by one.
fn query(backend: DbBackend, neighbourhood: NeighbourhoodId, numbers: &[i64]) -> Statement {
    let mut bound = Bound::new(backend);
    let transfer = |column: &str| {
        format!(
            "(SELECT t.{column} FROM transfer t WHERE t.neighbourhood_id = j.neighbourhood_id \
             AND t.id = j.subject_id) AS {column}"
        )
    };
    let columns = ["account_id", "asset", "minutes", "day"].map(transfer).join(", ");
    // Decisions about members come before the one about the canonical record.
    let before = MERGE_MEMBERS_MAX - 1;
    let neighbourhood = bound.place(neighbourhood.0);
    let numbers = bound.list(numbers.iter().copied());
    bound.statement(format!(
        "SELECT d.journal_no AS asked_no, b.id AS by_id, b.activity_id AS by_activity_id, j.activity_id, {columns} \
         FROM decision d \
         JOIN decision b ON b.neighbourhood_id = d.neighbourhood_id \
            AND b.decided_at_ms - d.decided_at_ms = 0 AND b.journal_no <= d.journal_no \
            AND b.journal_no >= CASE WHEN d.step IN ('merge', 'unmerge') THEN COALESCE((SELECT e.journal_no \
                FROM decision e WHERE e.neighbourhood_id = d.neighbourhood_id AND e.journal_no < d.journal_no \
                ORDER BY e.journal_no DESC LIMIT 1 OFFSET {before}), 0) ELSE d.journal_no END \
         JOIN journal j ON j.neighbourhood_id = b.neighbourhood_id AND j.kind = 'transfer' \
            AND j.no > b.journal_no AND j.no < COALESCE((SELECT n.no \
                FROM journal n WHERE n.neighbourhood_id = b.neighbourhood_id AND n.no > b.journal_no \
                AND n.kind NOT IN ('transfer', 'suspicion') ORDER BY n.no LIMIT 1), {}) \
         WHERE d.neighbourhood_id = {neighbourhood} AND d.journal_no IN ({numbers}) \
         ORDER BY d.journal_no, j.no",
        i64::MAX
    ))
}

#[cfg(test)]
mod tests {
    use super::super::totals::tests::steps;
    use super::*;

    #[tokio::test]
    async fn what_decisions_moved_is_looked_up_by_number() {
        let here = NeighbourhoodId(Uuid::nil());
        let steps = steps(query(DbBackend::Sqlite, here, &[1, 2, 3])).await;
        let by = |table: &str, key: &str| {
            let prefix = format!("SEARCH {table} ");
            steps.iter().any(|step| step.starts_with(&prefix) && step.ends_with(key))
        };
        assert!(by("d", "(neighbourhood_id=? AND journal_no=?)"), "{steps:?}");
        assert!(by("b", "(neighbourhood_id=? AND journal_no>? AND journal_no<?)"), "{steps:?}");
        assert!(by("j", "(neighbourhood_id=? AND no>? AND no<?)"), "{steps:?}");
        assert!(by("n", "(neighbourhood_id=? AND no>?)"), "{steps:?}");
        assert!(by("t", "(neighbourhood_id=? AND id=?)"), "{steps:?}");
        assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{steps:?}");
    }
}
