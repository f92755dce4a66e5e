//! Judgements as they follow from the journal, beside those that are stored. What kept a rule from approving depended on
//! what was around at the time, and when to look again on the rules: neither is in the journal. Of a row that is there
//! both are kept, as far as they let the record go on; of one that was lost, the rules are asked anew.

use std::collections::BTreeMap;

use super::super::FlowError;
use super::super::judge::{Case, judgement_row, stand};
use super::tables::{Mending, Wrong};
use super::{Rebuilt, backend};
use crate::app::App;
use crate::domain::ids::{ActivityId, NeighbourhoodId};
use crate::domain::limits::CLERK_VERSIONS_MAX;
use crate::domain::words::{Reason, Told};
use crate::ledger::Doubt;
use crate::store;
use crate::store::entity::judgement;
use crate::store::{Batch, Transaction};

/// Records that wait, and whose judgements were lost.
pub type Lost = BTreeMap<ActivityId, Case>;

/// Compares; answers what is to be asked anew ([`ask_again`]). A lost record that waits is due at `now_ms`, until then.
pub async fn compare(
    cases: BTreeMap<ActivityId, Case>,
    (txn, neighbourhood, now_ms): (&Transaction, NeighbourhoodId, i64),
    rebuilt: &mut Rebuilt,
    mending: &mut Mending,
) -> Result<Lost, FlowError> {
    let column = judgement::Column::NeighbourhoodId;
    let stored = store::whole::rows::<judgement::Entity>(txn, column, neighbourhood).await?;
    let mut stored: BTreeMap<ActivityId, judgement::Model> =
        stored.into_iter().map(|row| (ActivityId(row.activity_id), row)).collect();
    let (mut wrong, mut lost) = (Wrong::<judgement::Entity>::default(), Lost::new());
    for (id, case) in cases {
        let there = stored.remove(&id);
        let again = match &there {
            Some(there) => kept(neighbourhood, id, &case, there, now_ms)?,
            None => {
                let mut due = case.clone();
                due.due_at_ms = is_undecided(&case).then_some(now_ms);
                judgement_row(neighbourhood, id, &due)?
            }
        };
        let named = (Some(case.journal_no), about(id));
        if there.is_none() && is_undecided(&case) {
            lost.insert(id, case);
        }
        wrong.compare(named, Some(again), there, &mut rebuilt.judgements);
    }
    for (id, row) in stored {
        wrong.compare((Some(row.journal_no), about(id)), None, Some(row), &mut rebuilt.judgements);
    }
    wrong.replace(backend(txn), mending);
    Ok(lost)
}

fn about(id: ActivityId) -> String {
    format!("judgement of activity {id}")
}

fn is_undecided(case: &Case) -> bool {
    case.judgement.review().is_undecided()
}

/// Since when a record may need a person, as far as the journal says: each entry about it is followed by this.
pub fn note_waiting(case: &mut Case, at_ms: i64) {
    let waits = is_undecided(case) || case.judgement.audit || case.judgement.unanswered;
    case.waits_since_ms = waits.then(|| case.waits_since_ms.unwrap_or(at_ms));
}

/// The row of a case, with what a stored row has and the journal does not say. A record that would wait for ever is due.
fn kept(
    neighbourhood: NeighbourhoodId,
    id: ActivityId,
    case: &Case,
    there: &judgement::Model,
    now_ms: i64,
) -> Result<judgement::Model, FlowError> {
    let doubts: Option<Vec<Doubt>> = match &there.doubts {
        Some(doubts) => serde_json::from_str(doubts).ok(),
        None => Some(Vec::new()),
    };
    let readable = doubts.is_some();
    let mut asked = case.clone();
    asked.doubts = doubts.unwrap_or_default();
    asked.due_at_ms = there.due_at_ms;
    asked.waits_since_ms = there.waits_since_ms.or(case.waits_since_ms);
    let mut again = judgement_row(neighbourhood, id, &asked)?;
    if readable {
        again.doubts.clone_from(&there.doubts);
    } else {
        again.due_at_ms = Some(now_ms);
    }
    if is_undecided(case) {
        if again.waits_since_ms.is_some() && there.waits_since_ms.is_none() {
            again.due_at_ms = Some(now_ms);
        }
        // Something else made it due, and the clerk has not looked yet.
        again.waits_since_ms = again.waits_since_ms.or(there.waits_since_ms);
    }
    if case.reason.as_ref().is_none_or(is_of_fewer) {
        again.reason_code.clone_from(&there.reason_code);
        again.reason_text.clone_from(&there.reason_text);
    }
    Ok(again)
}

/// What is told where nothing else is, and doubts are something else.
fn is_of_fewer(reason: &Reason) -> bool {
    matches!(reason, Reason::Told(Told::Unmerged | Told::FewerMinutes | Told::Shared))
}

/// Asks the rules about records whose judgements were lost, once everything else is as it should be, and writes what
/// they say: what is in doubt, what is told of it, when to look again.
pub async fn ask_again(
    app: &App,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    lost: Lost,
) -> Result<(), FlowError> {
    let ids: Vec<ActivityId> = lost.keys().copied().collect();
    let mut batch = Batch::default();
    for part in ids.chunks(usize::try_from(CLERK_VERSIONS_MAX).unwrap_or(usize::MAX)) {
        let mut rows = Vec::with_capacity(part.len());
        for (id, stands) in stand(app, txn, neighbourhood, part).await? {
            let Some(case) = lost.get(&id) else { continue };
            let mut case = case.clone();
            if case.reason.as_ref().is_none_or(is_of_fewer) {
                let told = stands.doubts.first().map(|doubt| Reason::Told(doubt.told()));
                case.reason = told.or(case.reason);
            }
            (case.doubts, case.due_at_ms) = (stands.doubts, stands.due_at_ms);
            rows.push(judgement_row(neighbourhood, id, &case)?);
        }
        batch.rewrite::<judgement::Entity>(backend(txn), &rows);
    }
    batch.execute(txn).await?;
    Ok(())
}
