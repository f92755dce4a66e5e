//! Merging records of one thing, and taking that apart again.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::super::FlowError;
use super::super::judge::{Brief, People, Sitting, settle};
use super::{Outcome, Seen, Wish, bring_up, decider, judgement, newest, present, refused, refused_for};
use crate::app::Access;
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::review::{Conflict, Review};
use crate::ledger::{
    self, ClusterRefusal, Corrections, Decided, Decisions, Judgement, MergeRequest, Refusal, Step,
    UnmergeRequest,
};
use crate::store;

/// Merges the members into the activity that the wish names.
pub async fn merge(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    wish: &Wish,
    (members, corrections): (&[Seen], &Corrections),
    request_hash: Vec<u8>,
) -> Result<Result<(), Outcome>, FlowError> {
    let seen: Vec<Seen> = std::iter::once(&wish.seen).chain(members).copied().collect();
    let (briefs, people) = match bring_up(sitting, &seen).await? {
        Ok(there) => there,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let mut records = Vec::with_capacity(briefs.len());
    for brief in &briefs {
        match record(brief, &judgement(sitting, brief.id)?, &people) {
            // Two records may name one person by two ids.
            Ok(decided) => records.push(sitting.as_of_now(&decided)),
            Err(refusal) => return Ok(Err(refused_for(&refusal, present(sitting, brief.id).await?))),
        }
    }
    let (Some(first), [canonical, others @ ..]) = (briefs.first(), records.as_slice()) else {
        return Err(FlowError::internal("a merge of nothing"));
    };
    let room = room(sitting, &briefs, corrections.day.unwrap_or(canonical.heading.day), &people).await?;
    let decided = match ledger::merged_lines(canonical, others, corrections, people.aliases()) {
        Ok(decided) => decided.within(&room),
        Err(fault) => {
            let present = present(sitting, first.id).await?;
            return Ok(Err(refused("field_invalid", &fault.to_string(), Some(present))));
        }
    };
    let request = MergeRequest {
        id: wish.id,
        decider: decider(sitting, caller).await?,
        reason: wish.reason.clone(),
        canonical: named(&wish.seen),
        members: members.iter().map(named).collect(),
        decided,
        reads: first.reads.clone(),
    };
    let decisions = ledger::merge(&judgements(sitting), &request, &sitting.pack);
    carry_out(sitting, wish, decisions, request_hash).await
}

/// What caps leave each party of these records on a day, beside all others.
async fn room(
    sitting: &mut Sitting<'_>,
    briefs: &[Brief],
    day: NaiveDate,
    people: &People,
) -> Result<BTreeMap<PartyId, i64>, FlowError> {
    let together: Vec<ActivityId> = briefs.iter().map(|brief| brief.id).collect();
    let mut room = BTreeMap::new();
    for activity in briefs.iter().filter_map(|brief| brief.activity.as_ref()) {
        sitting.load_day(activity, day, people).await?;
        room.extend(sitting.room(&together, activity, day, people));
    }
    Ok(room)
}

/// Takes the merge into the activity that the wish names apart.
pub async fn unmerge(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    wish: &Wish,
    request_hash: Vec<u8>,
) -> Result<Result<(), Outcome>, FlowError> {
    if let Err(refusal) = bring_up(sitting, &[wish.seen]).await? {
        return Ok(Err(refusal));
    }
    read_members(sitting, wish.seen.activity).await?;
    let request = UnmergeRequest {
        id: wish.id,
        decider: decider(sitting, caller).await?,
        reason: wish.reason.clone(),
        canonical: named(&wish.seen),
        stands_for: stand_for(sitting, wish.seen.activity).await?,
    };
    let decisions = ledger::unmerge(&judgements(sitting), &request, &sitting.pack);
    carry_out(sitting, wish, decisions, request_hash).await
}

/// The parties of those whom the records of a merge credit by themselves, and of those who say that they were not part
/// of it.
async fn stand_for(
    sitting: &Sitting<'_>,
    canonical: ActivityId,
) -> Result<BTreeMap<PartyId, PartyId>, FlowError> {
    let merged = judgement(sitting, canonical)?;
    let mut ids: BTreeSet<PartyId> = merged.apart.iter().flat_map(|apart| &apart.declined).copied().collect();
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    for id in merged.members.iter().chain([&canonical]) {
        let own = judgement(sitting, *id)?.own;
        ids.extend(own.iter().flat_map(|own| &own.lines).map(|line| PartyId(line.account.0)));
    }
    let found = store::parties::resolve(sitting.txn(), sitting.neighbourhood(), &ids).await?;
    Ok(found.into_iter().map(|(id, (party, _))| (id, party)).collect())
}

/// Reads what was merged into an activity, and what is in doubt about it: that is open again once it stands alone.
async fn read_members(sitting: &mut Sitting<'_>, canonical: ActivityId) -> Result<(), FlowError> {
    let members = judgement(sitting, canonical)?.members;
    let mut briefs = Vec::with_capacity(members.len());
    for id in members {
        if let Some(newest) = newest(sitting, id).await? {
            briefs.push(Brief::read(sitting, Vec::new(), &newest)?);
        }
    }
    if !briefs.is_empty() {
        sitting.prepare(&mut briefs).await?;
    }
    Ok(())
}

/// What a record says: as decided, where that is in force, else as its newest version reads; caps left aside.
fn record(brief: &Brief, judgement: &Judgement, people: &People) -> Result<Decided, Refusal> {
    if let (Review::Approved, Some(decided)) = (judgement.review(), judgement.in_force()) {
        return Ok(decided.clone().unclipped());
    }
    let activity = brief.activity.as_ref().ok_or(Refusal::Unreadable)?;
    if brief.effective().conflict() == Conflict::Hard {
        return Err(Refusal::ConflictUnsettled);
    }
    Ok(people.decide(activity, &Corrections::default()))
}

fn named(seen: &Seen) -> ledger::Seen {
    ledger::Seen { activity: seen.activity, version: seen.version.number, decision_seq: seen.decision_seq }
}

fn judgements(sitting: &Sitting<'_>) -> BTreeMap<ActivityId, Judgement> {
    sitting.cases().map(|(id, case)| (*id, case.judgement.clone())).collect()
}

/// Carries out a decision about each activity, one after the other.
async fn carry_out(
    sitting: &mut Sitting<'_>,
    wish: &Wish,
    decisions: Result<Decisions, ClusterRefusal>,
    request_hash: Vec<u8>,
) -> Result<Result<(), Outcome>, FlowError> {
    let decisions = match decisions {
        Ok(decisions) => decisions,
        Err(ClusterRefusal { activity, refusal }) => {
            // A member that nobody knows was refused before.
            let present = present(sitting, activity).await?;
            return Ok(Err(refused_for(&refusal, present)));
        }
    };
    let together: Vec<ActivityId> = decisions.iter().map(|(id, _)| *id).collect();
    for (id, decision) in decisions {
        let hash = (decision.id == wish.id).then(|| request_hash.clone());
        let before = judgement(sitting, id)?;
        let step = Step::decided(&before, decision);
        sitting.load(&step.occasions.iter().copied().collect()).await?;
        settle(sitting, id, step, hash).await?;
    }
    // Each beside the others as they stand now; of what is merged nothing waits.
    sitting.look_at_once(&together).await?;
    Ok(Ok(()))
}
