//! Merging several records of one thing, and taking that apart again: steps that answer several activities.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Decider, Refusal};
use super::decision::{By, DecisionStep, StoredDecision};
use super::derived_id::member_decision_id;
use super::judgement::{Apart, Judgement};
use super::lines::{Asset, Capacity, CorrectionFault, Corrections, Decided, Figure, correct, resolved, sum};
use crate::domain::activity::Grades;
use crate::domain::ids::{AccountId, ActivityId, DecisionId, PartyId};
use crate::domain::key::PERSON_MINUTES_MAX;
use crate::domain::limits::{MERGE_MEMBERS_MAX, PARTY_MINUTES_MAX};
use crate::domain::rules::RulePack;

/// What the person saw of one activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub activity: ActivityId,
    pub version: i64,
    pub decision_seq: i64,
}

/// A merge, as asked for.
#[derive(Debug, Clone)]
pub struct MergeRequest {
    /// Of the decision about the canonical one; those about the members follow from it ([`member_decision_id`]).
    pub id: DecisionId,
    pub decider: Decider,
    /// In words for the residents; required.
    pub reason: Option<String>,
    pub canonical: Seen,
    /// 1 to [`MERGE_MEMBERS_MAX`].
    pub members: Vec<Seen>,
    /// What counts for all of them, once: see [`merged_lines`].
    pub decided: Decided,
    /// Fields of the canonical one's version that read as settled.
    pub reads: BTreeMap<String, crate::domain::reading::Value>,
}

/// A merge to be taken apart.
#[derive(Debug, Clone)]
pub struct UnmergeRequest {
    pub id: DecisionId,
    pub decider: Decider,
    pub reason: Option<String>,
    pub canonical: Seen,
    /// From ids that own lines credit, or that a decline was said by, to their parties; who is absent is a party.
    pub stands_for: BTreeMap<PartyId, PartyId>,
}

/// Why a step over several activities is refused, and because of which.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{activity}: {refusal}")]
pub struct ClusterRefusal {
    pub activity: ActivityId,
    pub refusal: Refusal,
}

/// A decision about each activity, the canonical one last. Carry each out on its judgement *as it then stands*
/// ([`super::Step::decided`]) and post it and its occasions before the next: a member that was part of the canonical
/// one moves that one's remainder. Rebuilding does the same, decision by decision.
pub type Decisions = Vec<(ActivityId, StoredDecision)>;

/// Merges, or says why not. `before` has all the activities; what waits for them is taken up before.
///
/// # Errors
/// [`ClusterRefusal`]; nothing has changed then.
pub fn merge(
    before: &BTreeMap<ActivityId, Judgement>,
    request: &MergeRequest,
    pack: &RulePack,
) -> Result<Decisions, ClusterRefusal> {
    let canonical = request.canonical.activity;
    let at = |activity| move |refusal| ClusterRefusal { activity, refusal };
    let members: BTreeSet<ActivityId> = request.members.iter().map(|member| member.activity).collect();
    let distinct = members.len() == request.members.len() && !members.contains(&canonical);
    if !distinct || members.is_empty() || members.len() > MERGE_MEMBERS_MAX {
        return Err(at(canonical)(Refusal::MembersUnfit));
    }
    let mut together = Vec::with_capacity(members.len());
    for seen in std::iter::once(&request.canonical).chain(&request.members) {
        let judgement = current(before, seen).map_err(at(seen.activity))?;
        if let Some(into) = judgement.merged_into {
            return Err(at(seen.activity)(Refusal::MergedAway { into }));
        }
        if judgement.cluster.is_some() {
            return Err(at(seen.activity)(Refusal::Merged));
        }
        together.push((seen.activity, judgement));
    }
    if request.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(at(canonical)(Refusal::ReasonRequired));
    }
    let mut decided = request.decided.clone();
    // What is part of itself would claim its own remainder.
    decided.part_of = decided.part_of.filter(|of| *of != canonical && !members.contains(of));
    if request.decider.minutes_in(Some(&decided)) > 0 {
        return Err(at(canonical)(Refusal::OwnCredit));
    }
    let stood = together.iter().filter_map(|(_, judgement)| judgement.in_force());
    let stood = stood.fold(0_i64, |stood, decided| stood.saturating_add(decided.minutes()));
    if pack.needs_two(decided.minutes()) && decided.minutes() > stood {
        return Err(at(canonical)(Refusal::MergeRaises));
    }
    let about = |(activity, judgement): (ActivityId, &Judgement)| {
        let member = activity != canonical;
        let decision = StoredDecision {
            decided: (!member).then(|| decided.clone()),
            reads: if member { BTreeMap::new() } else { request.reads.clone() },
            members: if member { Vec::new() } else { members.iter().copied().collect() },
            ..told(
                judgement,
                request.id,
                &request.decider,
                request.reason.as_ref(),
                (DecisionStep::Merge, pack),
            )
        };
        (activity, named(decision, activity, canonical))
    };
    together.rotate_left(1);
    Ok(together.into_iter().map(about).collect())
}

/// Takes a merge apart: own lines return. `before` has the canonical one and its [`Judgement::members`].
///
/// # Errors
/// [`ClusterRefusal`]; nothing has changed then.
pub fn unmerge(
    before: &BTreeMap<ActivityId, Judgement>,
    request: &UnmergeRequest,
    pack: &RulePack,
) -> Result<Decisions, ClusterRefusal> {
    let canonical = request.canonical.activity;
    let refused = |refusal| ClusterRefusal { activity: canonical, refusal };
    let judgement = current(before, &request.canonical).map_err(refused)?;
    if let Some(into) = judgement.merged_into {
        return Err(refused(Refusal::MergedAway { into }));
    }
    if judgement.members.is_empty() {
        return Err(refused(Refusal::NotMerged));
    }
    let members: Option<Vec<(ActivityId, &Judgement)>> =
        judgement.members.iter().map(|member| Some((*member, before.get(member)?))).collect();
    let members = members.ok_or_else(|| refused(Refusal::MembersUnfit))?;
    let together: Vec<_> = members.into_iter().chain([(canonical, judgement)]).collect();
    // What returns is approved again, so it is no way around the rule for approvals.
    let mine = |decided: Option<&Decided>| request.decider.minutes_in(decided);
    let back = together.iter().fold(0_i64, |sum, (_, one)| sum.saturating_add(mine(one.own.as_ref())));
    if back > mine(judgement.in_force()) {
        return Err(refused(Refusal::OwnCredit));
    }
    let apart = judgement.apart.as_ref();
    let about = |(activity, judgement): (ActivityId, &Judgement)| {
        let step_name = DecisionStep::Unmerge;
        let decision =
            told(judgement, request.id, &request.decider, request.reason.as_ref(), (step_name, pack));
        let unheard = declined_meanwhile(judgement, apart, &request.stands_for);
        (activity, named(StoredDecision { unheard, ..decision }, activity, canonical))
    };
    Ok(together.into_iter().map(about).collect())
}

/// Who said while it was merged that they were not part of a record that stands alone again: of that record itself, or
/// of the merged one (`canonical`), where its own lines credit them.
fn declined_meanwhile(
    judgement: &Judgement,
    canonical: Option<&Apart>,
    stands_for: &BTreeMap<PartyId, PartyId>,
) -> BTreeSet<PartyId> {
    let credited = judgement.own.iter().flat_map(|own| &own.lines).map(|line| PartyId(line.account.0));
    let credited: BTreeSet<PartyId> = credited.map(|party| resolved(stands_for, party)).collect();
    let of_all = canonical.into_iter().flat_map(|apart| &apart.declined);
    let of_all = of_all.filter(|party| credited.contains(&resolved(stands_for, **party)));
    let of_it = judgement.unheard.declined.keys().filter(|_| judgement.merged_into.is_some());
    of_all.chain(of_it).copied().collect()
}

/// What an edit of a member does to the canonical one, if not only inert fields differ ([`super::Step::canonical`]):
/// somebody looks at it again. What was posted stands.
#[must_use]
pub fn member_edited(canonical: &Judgement) -> Judgement {
    let mut after = canonical.clone();
    after.first = None;
    if canonical.cluster.is_some() {
        after.unheard.other = Some(canonical.decision_seq);
    }
    if after != *canonical {
        after.revision = canonical.revision.saturating_add(1);
    }
    after
}

/// The lines of several records of one thing, the canonical one's first: of each party the most that any record
/// gives it, of each item and of the total the greatest count, never sums; all else as the canonical one says.
/// Corrections choose otherwise, among the parties of all records.
///
/// # Errors
/// Corrections that fit none of the records.
pub fn merged_lines(
    canonical: &Decided,
    members: &[Decided],
    corrections: &Corrections,
    aliases: &BTreeMap<PartyId, PartyId>,
) -> Result<Decided, CorrectionFault> {
    let records = || std::iter::once(canonical).chain(members);
    let mut minutes = most_minutes(records());
    for (party, corrected) in &corrections.minutes {
        let party = resolved(aliases, *party);
        if !minutes.keys().any(|(named, _)| *named == party) {
            return Err(CorrectionFault::PartyNotNamed(party));
        }
        if !(0..=PARTY_MINUTES_MAX).contains(corrected) {
            return Err(CorrectionFault::MinutesOutOfRange(*corrected));
        }
        correct(&mut minutes, party, *corrected);
    }
    let stated = records().filter_map(|record| record.person_minutes).max();
    let person_minutes = match (corrections.person_minutes, stated) {
        (Some(_), None) => return Err(CorrectionFault::NoTotal),
        (Some(total), _) if !(0..=PERSON_MINUTES_MAX).contains(&total) => {
            return Err(CorrectionFault::MinutesOutOfRange(total));
        }
        (corrected, stated) => corrected.or(stated),
    };
    let mut heading = canonical.heading.clone();
    heading.programme = corrections.programme.clone().or(heading.programme);
    heading.place = corrections.place.clone().or(heading.place);
    heading.day = corrections.day.unwrap_or(heading.day);
    let lines =
        minutes.into_iter().filter(|(_, minutes)| *minutes > 0).map(|((party, capacity), minutes)| {
            heading.key(AccountId(party.0), Asset::Contribution, capacity).line(minutes)
        });
    let lines: Vec<_> = lines.collect();
    Ok(Decided {
        named: sum(&lines),
        heading,
        lines,
        person_minutes,
        part_of: records().find_map(|record| record.part_of),
        started_at_ms: records().find_map(|record| record.started_at_ms),
        report: most_items(records()),
        grades: Grades {
            before: records().find_map(|record| record.grades.before),
            after: records().find_map(|record| record.grades.after),
        },
        clipped: BTreeMap::new(),
    })
}

/// Of each party the shares of the record that gives it most.
fn most_minutes<'a>(records: impl Iterator<Item = &'a Decided>) -> BTreeMap<(PartyId, Capacity), i64> {
    let mut most: BTreeMap<AccountId, &Decided> = BTreeMap::new();
    for record in records {
        for line in &record.lines {
            let given = |by: &Decided| by.minutes_of(line.account, Asset::Contribution);
            let held = most.entry(line.account).or_insert(record);
            if given(record) > given(held) {
                *held = record;
            }
        }
    }
    let shares = most.into_iter().flat_map(|(account, record)| {
        let lines = record.lines.iter().filter(move |line| line.account == account);
        let lines = lines.filter(|line| line.asset == Asset::Contribution);
        lines.map(move |line| ((PartyId(account.0), line.capacity), line.minutes))
    });
    shares.collect()
}

fn most_items<'a>(records: impl Iterator<Item = &'a Decided>) -> Vec<Figure> {
    let mut counts: BTreeMap<(&String, bool), i64> = BTreeMap::new();
    for figure in records.flat_map(|record| &record.report) {
        let count = counts.entry((&figure.item, figure.seen)).or_default();
        *count = figure.count.max(*count);
    }
    counts.into_iter().map(|((item, seen), count)| Figure { item: item.clone(), seen, count }).collect()
}

fn current<'a>(before: &'a BTreeMap<ActivityId, Judgement>, seen: &Seen) -> Result<&'a Judgement, Refusal> {
    let judgement = before.get(&seen.activity).filter(|judgement| judgement.judged_version > 0);
    let stale = || {
        let present = before.get(&seen.activity).cloned().unwrap_or_default();
        Refusal::version_changed(&present)
    };
    judgement
        .filter(|judgement| {
            (judgement.judged_version, judgement.decision_seq) == (seen.version, seen.decision_seq)
        })
        .ok_or_else(stale)
}

fn told(
    judgement: &Judgement,
    id: DecisionId,
    decider: &Decider,
    reason: Option<&String>,
    (step, pack): (DecisionStep, &RulePack),
) -> StoredDecision {
    StoredDecision {
        reason: reason.cloned(),
        ..StoredDecision::next(judgement, id, step, By::Person(decider.party), pack)
    }
}

/// A member's decision has an id of its own and names the canonical one.
fn named(decision: StoredDecision, activity: ActivityId, canonical: ActivityId) -> StoredDecision {
    if activity == canonical {
        return decision;
    }
    StoredDecision { id: member_decision_id(decision.id, activity), into: Some(canonical), ..decision }
}
