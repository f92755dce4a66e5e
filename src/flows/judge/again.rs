//! What the rules say of a record that waits, where its judgement is made again from the journal: what was in doubt
//! about it, and when to look again, depended on what was around it at the time.

use std::collections::BTreeMap;

use super::super::FlowError;
use super::round::{due_briefs, new_version};
use super::sitting::Sitting;
use crate::app::App;
use crate::domain::ids::{ActivityId, NeighbourhoodId};
use crate::ledger::{self, Changed, Doubt};
use crate::store::Transaction;

/// How a record stands with the rules, as the clerk keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stands {
    /// None is clean.
    pub doubts: Vec<Doubt>,
    /// When silence approves it; at once, where a rule may approve it as it is. Nothing where a person is needed.
    pub due_at_ms: Option<i64>,
}

/// Asks the rules in force about the versions taken up last of some records, as all that is stored stands. Nothing is
/// written, and nothing numbered.
pub async fn stand(
    app: &App,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    ids: &[ActivityId],
) -> Result<BTreeMap<ActivityId, Stands>, FlowError> {
    let sitting = Sitting::open(app, txn, neighbourhood, true).await?;
    let mut sitting = sitting.ok_or(FlowError::NotFound)?;
    let mut briefs = due_briefs(&mut sitting, ids).await?;
    let people = sitting.prepare(&mut briefs).await?;
    let mut stand = BTreeMap::new();
    for brief in &briefs {
        let found = sitting.known_about(brief, &people);
        let new = new_version(&sitting, brief, &people, Changed::Ledger, found);
        let Some(case) = sitting.case(brief.id) else { continue };
        let step = ledger::became_clean(&case.judgement, &new, &sitting.pack);
        let at_once = step.decision.is_some().then(|| sitting.now_ms());
        stand.insert(brief.id, Stands { doubts: new.doubts, due_at_ms: at_once.or(step.due_at_ms) });
    }
    Ok(stand)
}
