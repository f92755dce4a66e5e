//! What decisions move: minutes on accounts, as the journal has them.

use std::collections::BTreeMap;

use sea_orm::ConnectionTrait;
use serde::Serialize;

use super::super::FlowError;
use crate::domain::ids::{AccountId, ActivityId, DecisionId, NeighbourhoodId};
use crate::ledger::member_decision_id;
use crate::store;
use crate::store::entity::transfer;

/// Minutes that go to an account for an activity, or back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Moved {
    pub activity: ActivityId,
    pub account: AccountId,
    pub asset: String,
    /// Above zero to the account.
    pub minutes: i64,
    pub day: String,
}

impl Moved {
    /// By a transfer; nothing for what belongs to no activity.
    pub(super) fn by(row: &transfer::Model) -> Option<Self> {
        Some(Self {
            activity: ActivityId(row.activity_id?),
            account: AccountId(row.account_id),
            asset: row.asset.clone(),
            minutes: row.minutes,
            day: row.day.clone(),
        })
    }
}

/// What each of these decisions moved, given with their journal numbers: in the order of the journal, for every record
/// whose target it changed. A merge and its undoing are stored as a decision about each record: the one that was sent
/// moved what all of them did. A decision that moved nothing is not there.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn moved(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    decisions: &[(DecisionId, i64)],
) -> Result<BTreeMap<DecisionId, Vec<Moved>>, FlowError> {
    let asked: BTreeMap<i64, DecisionId> = decisions.iter().map(|(id, no)| (*no, *id)).collect();
    let numbers: Vec<i64> = asked.keys().copied().collect();
    let mut moved: BTreeMap<DecisionId, Vec<Moved>> = BTreeMap::new();
    for row in store::moved::by_decisions(db, neighbourhood, &numbers).await? {
        let Some(id) = asked.get(&row.asked_no) else { continue };
        let by = DecisionId(row.by_id);
        if by == *id || by == member_decision_id(*id, ActivityId(row.by_activity_id)) {
            moved.entry(*id).or_default().push(Moved {
                activity: ActivityId(row.activity_id),
                account: AccountId(row.account_id),
                asset: row.asset,
                minutes: row.minutes,
                day: row.day,
            });
        }
    }
    Ok(moved)
}
