//! A person's decisions: one transaction each, the tip locked first, what waits taken up before.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::FlowError;
use super::judge::{Brief, People, Sitting, settle, take_up_before};
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, DecisionId};
use crate::domain::review::Review;
use crate::ledger::{
    self, Ask, Corrections, Decider, Reclassification, Refusal, Request, Snapshot, StoredDecision,
};
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::decision;

/// What a coordinator asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub id: DecisionId,
    pub activity: ActivityId,
    /// The number and the first bytes of the reading's hash, as seen.
    pub version: (i64, [u8; 4]),
    pub decision_seq: i64,
    pub step: WishedStep,
    pub reason: Option<String>,
    /// The whole item as sent, canonical: the same id with the same body is a replay.
    pub body: Vec<u8>,
}

/// See [`Wish`].
#[derive(Debug, Clone)]
pub enum WishedStep {
    Approve(Corrections),
    Reject,
    Keep,
    AskForChanges,
    Reclassify(Reclassification),
    Undo(DecisionId),
}

/// What became of it.
#[derive(Debug)]
pub enum Outcome {
    Decided(decision::Model),
    Replayed(decision::Model),
    Refused { code: &'static str, detail: String, present: Option<Present> },
}

/// How an activity stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    pub version: i64,
    pub decision_seq: i64,
    pub review: Review,
}

/// Decides.
///
/// # Errors
/// [`FlowError`] of the database. A refusal is an outcome, and nothing was written for it.
pub async fn decide(app: &App, caller: &Access, wish: Wish) -> Result<Outcome, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Decide);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    let request_hash: [u8; 32] = Sha256::digest(&wish.body).into();
    if let Some(row) = store::judgements::find_decision(&txn, caller.neighbourhood, wish.id).await? {
        return Ok(replay(row, &request_hash));
    }
    let roles = store::parties::roles(&txn, caller.neighbourhood, caller.party).await?;
    if !roles.iter().any(|role| role == store::parties::COORDINATOR) {
        return Ok(refused("insufficient_scope", "Only a coordinator decides.", None));
    }
    if store::activities::find(&txn, caller.neighbourhood, wish.activity).await?.is_none() {
        return Ok(refused("not_found", "There is no such activity.", None));
    }
    let (brief, people) = bring_up(&mut sitting, wish.activity).await?;
    let seen: [u8; 4] = brief.reading.hash()[..4].try_into().unwrap_or_default();
    let Some(case) = sitting.case(wish.activity) else {
        return Err(FlowError::internal("nothing is taken up"));
    };
    let before = case.judgement.clone();
    let present = Present {
        version: before.judged_version,
        decision_seq: before.decision_seq,
        review: before.review(),
    };
    if wish.version != (before.judged_version, seen) {
        return Ok(refused("version_changed", CHANGED, Some(present)));
    }
    let request = match request(&sitting, caller, &wish, &brief, &people).await? {
        Ok(request) => request,
        Err(detail) => return Ok(refused("field_invalid", &detail, Some(present))),
    };
    let step = match ledger::decide(&before, &request, &sitting.pack) {
        Ok(step) => step,
        Err(refusal) => return Ok(refused(refusal.code(), &sentence(&refusal), Some(present))),
    };
    // What an undo brings back may take from another occasion than the newest version names.
    sitting.load(&step.occasions.iter().copied().collect()).await?;
    settle(&mut sitting, wish.activity, step, Some(request_hash.to_vec())).await?;
    let judged = sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.metrics().clerk.judged(&judged);
    app.bell().ring(caller.neighbourhood);
    let row = store::judgements::find_decision(app.db().read(), caller.neighbourhood, wish.id).await?;
    row.map(Outcome::Decided).ok_or_else(|| FlowError::internal("a committed decision cannot be read"))
}

const CHANGED: &str = "The record has changed since you saw it: look again and decide on what is there now.";

fn replay(row: decision::Model, request_hash: &[u8]) -> Outcome {
    if row.request_hash.as_deref() == Some(request_hash) {
        Outcome::Replayed(row)
    } else {
        refused("id_reused", "This decision id was used with another body: make a new id.", None)
    }
}

fn refused(code: &'static str, detail: &str, present: Option<Present>) -> Outcome {
    Outcome::Refused { code, detail: detail.to_owned(), present }
}

/// Takes up what waits for the activity and its occasion, and reads the newest version.
async fn bring_up(sitting: &mut Sitting<'_>, id: ActivityId) -> Result<(Brief, People), FlowError> {
    let newest = newest(sitting, id).await?;
    let brief = Brief::read(sitting, Vec::new(), &newest)?;
    let mut ids = BTreeSet::from([id]);
    ids.extend(brief.part_of());
    take_up_before(sitting, &ids).await?;
    let briefs = [brief];
    let people = sitting.prepare(&briefs).await?;
    let [brief] = briefs;
    Ok((brief, people))
}

async fn newest(
    sitting: &Sitting<'_>,
    id: ActivityId,
) -> Result<store::entity::activity_version::Model, FlowError> {
    let rows = store::activities::versions(sitting.txn(), sitting.neighbourhood(), id, None, 1).await?;
    rows.into_iter().next().ok_or(FlowError::NotFound)
}

async fn request(
    sitting: &Sitting<'_>,
    caller: &Access,
    wish: &Wish,
    brief: &Brief,
    people: &People,
) -> Result<Result<Request, String>, FlowError> {
    let ask = match &wish.step {
        WishedStep::Approve(corrections) => {
            if let Some(activity) = &brief.activity
                && let Err(fault) = corrections.check(activity, people.aliases())
            {
                return Ok(Err(fault.to_string()));
            }
            Ask::Approve {
                decided: brief.activity.as_ref().map(|activity| people.decide(activity, corrections)),
                corrected: *corrections != Corrections::default(),
                conflict: brief.reading.conflict(),
            }
        }
        WishedStep::Reject => Ask::Reject,
        WishedStep::Keep => Ask::Keep,
        WishedStep::AskForChanges => Ask::AskForChanges,
        WishedStep::Reclassify(to) => Ask::Reclassify(to.clone()),
        WishedStep::Undo(decision) => Ask::Undo {
            decision: *decision,
            before: before(sitting, wish.activity, *decision).await?.map(Box::new),
        },
    };
    Ok(Ok(Request {
        id: wish.id,
        version: wish.version.0,
        decision_seq: wish.decision_seq,
        decider: decider(sitting, caller).await?,
        reason: wish.reason.clone(),
        settles: ledger::Settlements::new(),
        reads: BTreeMap::new(),
        ask,
    }))
}

async fn decider(sitting: &Sitting<'_>, caller: &Access) -> Result<Decider, FlowError> {
    let me = BTreeSet::from([caller.party]);
    let aliases = store::parties::aliases_of(sitting.txn(), sitting.neighbourhood(), &me).await?;
    Ok(Decider { party: caller.party, aliases: aliases.into_iter().map(|(alias, _)| alias).collect() })
}

/// The state before a decision of this activity.
async fn before(
    sitting: &Sitting<'_>,
    activity: ActivityId,
    decision: DecisionId,
) -> Result<Option<Snapshot>, FlowError> {
    let row = store::judgements::find_decision(sitting.txn(), sitting.neighbourhood(), decision).await?;
    let Some(row) = row.filter(|row| row.activity_id == activity.0) else { return Ok(None) };
    let body = store::ledger::journal_body(sitting.txn(), sitting.neighbourhood(), row.journal_no).await?;
    let body = body.ok_or_else(|| FlowError::internal("a decision has no journal entry"))?;
    let stored: StoredDecision = serde_json::from_str(&body)?;
    Ok(Some(stored.before))
}

fn sentence(refusal: &Refusal) -> String {
    let text = match refusal {
        Refusal::VersionChanged { .. } => CHANGED,
        Refusal::ReasonRequired => "Give a reason: the resident reads it.",
        Refusal::OwnCredit => "Nobody approves minutes for themselves: ask another coordinator.",
        Refusal::UndoBlocked { .. } => "Only the latest decision of an activity can be undone.",
        Refusal::ConflictUnsettled => {
            "Two phones say different things that matter: ask for changes, or wait until a phone settles it."
        }
        Refusal::NothingPosted => "Nothing of this record is posted, so there is nothing to keep.",
        Refusal::Unreadable => "This version cannot be read: ask for changes.",
        Refusal::MergedAway { .. } => "This record was merged into another: decide there.",
        Refusal::Merged => "Other records are merged into this one: unmerge them first.",
        Refusal::NotMerged => "Nothing is merged into this record.",
        Refusal::MembersUnfit => "Name between 1 and 20 other records to merge, each once.",
        Refusal::SecondPerson => "So many minutes need a second coordinator: ask another one to approve too.",
        Refusal::NothingChanges => "Nothing would change.",
        Refusal::NothingToSettle => "Name the values to settle.",
        Refusal::SettlementUnfit { field } => {
            return format!(
                "The values of {field} are others by now, or it cannot hold this one: look again."
            );
        }
    };
    text.to_owned()
}
