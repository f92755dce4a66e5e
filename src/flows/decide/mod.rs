//! A person's decisions: one transaction each, the tip locked first, what waits taken up before.

mod batch;
mod cluster;
mod moved;
mod words;

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use super::FlowError;
use super::judge::{Brief, People, Sitting, settle, take_up_before};
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, DecisionId};
use crate::domain::review::Review;
use crate::domain::version_name::VersionName;
use crate::ledger::{
    self, Ask, Corrections, Decided, Decider, Judgement, Reclassification, Refusal, Request, Settlements,
    Settles, Snapshot, StoredDecision,
};
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::decision;
pub use batch::{Applied, Effects, Preview, Promise, apply, preview};
pub use moved::{Moved, moved};
use words::{CHANGED, sentence};

/// What a coordinator asks for.
#[derive(Debug, Clone)]
pub struct Wish {
    pub id: DecisionId,
    pub seen: Seen,
    pub step: WishedStep,
    pub reason: Option<String>,
    /// The whole item as sent, canonical: the same id with the same body is a replay.
    pub body: Vec<u8>,
}

impl Wish {
    /// The records that it names: of a merge all of them.
    fn records(&self) -> impl Iterator<Item = ActivityId> {
        let members: &[Seen] = match &self.step {
            WishedStep::Merge(members, _) => members,
            _ => &[],
        };
        std::iter::once(&self.seen).chain(members).map(|seen| seen.activity)
    }
}

/// An activity as the coordinator saw it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub activity: ActivityId,
    pub version: VersionName,
    pub decision_seq: i64,
}

/// A conflict that is settled.
#[derive(Debug, Clone)]
pub struct WishedSettlement {
    pub field: String,
    /// All operations that were seen in the field.
    pub operations: BTreeSet<String>,
    /// As an activity shows it.
    pub value: serde_json::Value,
}

/// See [`Wish`].
#[derive(Debug, Clone)]
pub enum WishedStep {
    Approve(Corrections, Vec<WishedSettlement>),
    Reject,
    Keep,
    AskForChanges,
    Reclassify(Reclassification),
    Settle(Vec<WishedSettlement>),
    Merge(Vec<Seen>, Corrections),
    Unmerge,
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
    pub activity: ActivityId,
    /// The newest.
    pub version: VersionName,
    pub decision_seq: i64,
    pub review: Review,
    /// The last decision about it, which `decision_seq` names: whoever comes second sees what was decided, and why.
    pub decided: Option<decision::Model>,
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
    if let Some(row) = store::judgements::find_decision(&txn, caller.neighbourhood, wish.id).await? {
        return Ok(replay(row, &request_hash(&wish)));
    }
    if !is_coordinator(&txn, caller).await? {
        return Ok(refused("insufficient_scope", "Only a coordinator decides.", None));
    }
    if let Err(refusal) = carry_out(&mut sitting, caller, &wish).await? {
        return Ok(refusal);
    }
    let judged = sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.metrics().clerk.judged(&judged);
    app.bell().ring(caller.neighbourhood);
    let row = store::judgements::find_decision(app.db().read(), caller.neighbourhood, wish.id).await?;
    row.map(Outcome::Decided).ok_or_else(|| FlowError::internal("a committed decision cannot be read"))
}

/// The role is read here, uncached.
async fn is_coordinator(txn: &Transaction, caller: &Access) -> Result<bool, FlowError> {
    let roles = store::parties::roles(txn, caller.neighbourhood, caller.party).await?;
    Ok(roles.iter().any(|role| role == store::parties::COORDINATOR))
}

fn request_hash(wish: &Wish) -> [u8; 32] {
    Sha256::digest(&wish.body).into()
}

/// Carries out what is wished, or says why not.
async fn carry_out(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    wish: &Wish,
) -> Result<Result<(), Outcome>, FlowError> {
    let hash = request_hash(wish).to_vec();
    match &wish.step {
        WishedStep::Merge(members, corrections) => {
            cluster::merge(sitting, caller, wish, (members, corrections), hash).await
        }
        WishedStep::Unmerge => cluster::unmerge(sitting, caller, wish, hash).await,
        _ => one(sitting, caller, wish, hash).await,
    }
}

/// Carries out a step about one activity, or says why not.
async fn one(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    wish: &Wish,
    request_hash: Vec<u8>,
) -> Result<Result<(), Outcome>, FlowError> {
    let id = wish.seen.activity;
    let (mut briefs, people) = match bring_up(sitting, &[wish.seen]).await? {
        Ok(there) => there,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(brief) = briefs.first_mut() else { return Err(FlowError::internal("nothing is taken up")) };
    let before = judgement(sitting, id)?;
    let request = match request(sitting, caller, wish, (brief, &before), &people).await? {
        Ok(request) => request,
        Err(Unfit::Field(detail)) => {
            return Ok(Err(refused("field_invalid", &detail, Some(present(sitting, id).await?))));
        }
        Err(Unfit::NoDecision(decision)) => {
            let detail = format!("There is no decision {decision} about this activity.");
            return Ok(Err(refused("not_found", &detail, Some(present(sitting, id).await?))));
        }
        Err(Unfit::Refused(refusal)) => return Ok(Err(refused_for(&refusal, present(sitting, id).await?))),
    };
    let step = match ledger::decide(&before, &request, &sitting.pack) {
        Ok(step) => step,
        Err(refusal) => return Ok(Err(refused_for(&refusal, present(sitting, id).await?))),
    };
    // What an undo brings back may take from another occasion than the newest version names.
    sitting.load(&step.occasions.iter().copied().collect()).await?;
    settle(sitting, id, step, Some(request_hash)).await?;
    Ok(Ok(()))
}

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

fn refused_for(refusal: &Refusal, present: Present) -> Outcome {
    refused(refusal.code(), &sentence(refusal), Some(present))
}

/// The judgement of a loaded activity.
fn judgement(sitting: &Sitting<'_>, id: ActivityId) -> Result<Judgement, FlowError> {
    let case = sitting.case(id).ok_or_else(|| FlowError::internal("nothing is taken up"))?;
    Ok(case.judgement.clone())
}

/// What is shown of a loaded activity where something is refused.
async fn present(sitting: &Sitting<'_>, id: ActivityId) -> Result<Present, FlowError> {
    let judgement = judgement(sitting, id)?;
    let (neighbourhood, number) = (sitting.neighbourhood(), judgement.judged_version);
    let row = store::activities::version(sitting.txn(), neighbourhood, id, number).await?;
    let row = row.ok_or_else(|| FlowError::internal("a judged version is missing"))?;
    Ok(Present {
        activity: id,
        version: VersionName::of(&sitting.salt, id, number, &row.reading_hash),
        decision_seq: judgement.decision_seq,
        review: judgement.review(),
        decided: last_decision(sitting, id).await?,
    })
}

/// The last decision about an activity, in this sitting or before it.
async fn last_decision(sitting: &Sitting<'_>, id: ActivityId) -> Result<Option<decision::Model>, FlowError> {
    let here = sitting.decided().iter().rev().find(|row| row.activity_id == id.0);
    if let Some(row) = here {
        return Ok(Some(row.clone()));
    }
    let (txn, neighbourhood) = (sitting.txn(), sitting.neighbourhood());
    let rows = store::judgements::decisions(txn, neighbourhood, Some(id), None, 1).await?;
    Ok(rows.into_iter().next())
}

/// Takes up what waits for the activities, their occasions and what was merged with them, and reads the newest
/// versions. Refused if one is not there, or is not as it was seen.
async fn bring_up(
    sitting: &mut Sitting<'_>,
    seen: &[Seen],
) -> Result<Result<(Vec<Brief>, People), Outcome>, FlowError> {
    let ids: BTreeSet<ActivityId> = seen.iter().map(|seen| seen.activity).collect();
    sitting.load(&ids).await?;
    let (mut briefs, mut waiting) = (Vec::with_capacity(seen.len()), ids.clone());
    for id in seen.iter().map(|seen| seen.activity) {
        let Some(newest) = newest(sitting, id).await? else {
            return Ok(Err(refused("not_found", &format!("There is no activity {id}."), None)));
        };
        let brief = Brief::read(sitting, Vec::new(), &newest)?;
        waiting.extend(brief.part_of());
        waiting.extend(sitting.case(id).into_iter().flat_map(|case| case.judgement.merged_with()));
        briefs.push(brief);
    }
    take_up_before(sitting, &waiting).await?;
    let people = sitting.prepare(&mut briefs).await?;
    for (seen, brief) in seen.iter().zip(&briefs) {
        let (number, hash) = (judgement(sitting, seen.activity)?.judged_version, brief.reading.hash());
        if seen.version != VersionName::of(&sitting.salt, seen.activity, number, &hash) {
            let present = present(sitting, seen.activity).await?;
            return Ok(Err(refused("version_changed", CHANGED, Some(present))));
        }
    }
    Ok(Ok((briefs, people)))
}

async fn newest(
    sitting: &Sitting<'_>,
    id: ActivityId,
) -> Result<Option<store::entity::activity_version::Model>, FlowError> {
    let rows = store::activities::versions(sitting.txn(), sitting.neighbourhood(), id, None, 1).await?;
    Ok(rows.into_iter().next())
}

/// Why what was sent makes no request.
enum Unfit {
    Field(String),
    /// None of this activity has the id.
    NoDecision(DecisionId),
    Refused(Refusal),
}

async fn request(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    wish: &Wish,
    (brief, before): (&mut Brief, &Judgement),
    people: &People,
) -> Result<Result<Request, Unfit>, FlowError> {
    let settles = match &wish.step {
        WishedStep::Approve(_, wished) => wished,
        WishedStep::Settle(wished) => wished,
        _ => &Vec::new(),
    };
    let settles = match settlements(sitting, (brief, before), settles).await? {
        Ok(settles) => settles,
        Err(refusal) => return Ok(Err(Unfit::Refused(refusal))),
    };
    let ask = match &wish.step {
        WishedStep::Approve(corrections, _) => {
            if let Some(activity) = &brief.activity
                && let Err(fault) = corrections.check(activity, people.aliases())
            {
                return Ok(Err(Unfit::Field(fault.to_string())));
            }
            Ask::Approve {
                decided: capped(sitting, brief, corrections, people).await?,
                corrected: *corrections != Corrections::default(),
                conflict: brief.effective().conflict(),
            }
        }
        WishedStep::Reject => Ask::Reject,
        WishedStep::Keep => Ask::Keep,
        WishedStep::AskForChanges => Ask::AskForChanges,
        WishedStep::Reclassify(to) => Ask::Reclassify(to.clone()),
        WishedStep::Settle(_) => Ask::Settle,
        WishedStep::Merge(..) | WishedStep::Unmerge => {
            return Err(FlowError::internal("a step over several activities"));
        }
        WishedStep::Undo(decision) => match self::before(sitting, brief.id, *decision).await? {
            Some(before) => Ask::Undo { decision: *decision, before: Box::new(before) },
            None => return Ok(Err(Unfit::NoDecision(*decision))),
        },
    };
    Ok(Ok(Request {
        id: wish.id,
        version: wish.seen.version.number,
        decision_seq: wish.seen.decision_seq,
        decider: decider(sitting, caller).await?,
        reason: wish.reason.clone(),
        settles,
        reads: brief.reads.clone(),
        ask,
    }))
}

/// What an approval of it freezes, within the caps of the day that it then has: what is settled or corrected with it
/// may be the day.
async fn capped(
    sitting: &mut Sitting<'_>,
    brief: &Brief,
    corrections: &Corrections,
    people: &People,
) -> Result<Option<Decided>, FlowError> {
    let Some(activity) = &brief.activity else { return Ok(None) };
    let day = corrections.day.unwrap_or(activity.day);
    sitting.load_day(activity, day, people).await?;
    let room = sitting.room(&[brief.id], activity, day, people);
    Ok(Some(people.decide_within(activity, corrections, &room)))
}

/// The settlements that are asked for; with them and the earlier ones the brief reads as settled.
async fn settlements(
    sitting: &Sitting<'_>,
    (brief, before): (&mut Brief, &Judgement),
    wished: &[WishedSettlement],
) -> Result<Result<Settlements, Refusal>, FlowError> {
    if wished.is_empty() {
        return Ok(Ok(Settlements::new()));
    }
    let mut asked = Vec::with_capacity(wished.len());
    for WishedSettlement { field, operations, value } in wished {
        let Some(value) = ledger::written(field, value) else {
            return Ok(Err(Refusal::SettlementUnfit { field: field.clone() }));
        };
        asked.push(Settles { field: field.clone(), operations: operations.clone(), value });
    }
    let visible = sitting.operations(brief).await?;
    let settles = match ledger::settle(&brief.reading, &visible, &asked) {
        Ok(settles) => settles,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut all = before.settled.clone();
    all.extend(settles.clone());
    brief.settle(ledger::settled_fields(&all, &visible), sitting.zone);
    Ok(Ok(settles))
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
