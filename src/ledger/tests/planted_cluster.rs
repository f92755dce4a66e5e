//! Bugs planted in the steps that need two people, settle, reclassify or merge; the model has to find each.

use std::collections::BTreeMap;

use super::model::{Machine, SOUND};
use super::planted::found;
use super::samples::party;
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::reading::Value;
use crate::domain::rules::RulePack;
use crate::ledger::{
    Ask, Changed, ClusterRefusal, CorrectionFault, Corrections, Decided, DecisionStep, Decisions, Judgement,
    MergeRequest, NewVersion, Operations, Refusal, Request, Settlements, Snapshot, Step, StoredDecision,
    TakingUp, UnmergeRequest, decide, merge, merged_lines, take_up, unmerge,
};

type Judgements = BTreeMap<ActivityId, Judgement>;

fn merges_unseen(
    before: &Judgements,
    request: &MergeRequest,
    pack: &RulePack,
) -> Result<Decisions, ClusterRefusal> {
    let mut asked = request.clone();
    for seen in std::iter::once(&mut asked.canonical).chain(&mut asked.members) {
        let judgement = &before[&seen.activity];
        (seen.version, seen.decision_seq) = (judgement.judged_version, judgement.decision_seq);
    }
    merge(before, &asked, pack)
}

fn counts_items_twice(
    canonical: &Decided,
    members: &[Decided],
    corrections: &Corrections,
    aliases: &BTreeMap<PartyId, PartyId>,
) -> Result<Decided, CorrectionFault> {
    let mut merged = merged_lines(canonical, members, corrections, aliases)?;
    for figure in &mut merged.report {
        let all = std::iter::once(canonical).chain(members).flat_map(|record| &record.report);
        figure.count = all.filter(|other| other.item == figure.item).map(|other| other.count).sum();
    }
    Ok(merged)
}

fn adds_minutes_up(
    canonical: &Decided,
    members: &[Decided],
    corrections: &Corrections,
    aliases: &BTreeMap<PartyId, PartyId>,
) -> Result<Decided, CorrectionFault> {
    let mut merged = merged_lines(canonical, members, corrections, aliases)?;
    for line in &mut merged.lines {
        let all = std::iter::once(canonical).chain(members);
        line.minutes = all.map(|record| record.minutes_of(line.account, line.asset)).sum();
    }
    merged.named = merged.lines.iter().map(|line| line.minutes).sum();
    Ok(merged)
}

fn keeps_the_undo_history(before: &Judgement, decision: StoredDecision) -> Step {
    let mut step = Step::decided(before, decision);
    step.after.latest_decision = before.latest_decision;
    step
}

fn forgets_a_line(before: &Judgement, decision: StoredDecision) -> Step {
    let unmerges = decision.step == DecisionStep::Unmerge;
    let mut step = Step::decided(before, decision);
    if let Some(own) = step.after.own.as_mut().filter(|_| unmerges) {
        own.lines.pop();
    }
    step
}

fn forgets_a_member(
    before: &Judgements,
    request: &UnmergeRequest,
    pack: &RulePack,
) -> Result<Decisions, ClusterRefusal> {
    let mut decisions = unmerge(before, request, pack)?;
    decisions.remove(0);
    Ok(decisions)
}

fn carries_ledger_fields(before: &Judgement, new: &NewVersion, how: TakingUp, pack: &RulePack) -> Step {
    let carried = before.in_force().is_some() && before.cluster.is_none();
    let changed = if carried { Changed::Inert } else { new.changed };
    take_up(before, &NewVersion { changed, ..new.clone() }, how, pack)
}

fn keeps_the_first_approval(before: &Judgement, new: &NewVersion, how: TakingUp, pack: &RulePack) -> Step {
    let mut step = take_up(before, new, how, pack);
    step.after.first.clone_from(&before.first);
    step
}

fn loses_undos(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    let mut asked = request.clone();
    if let Ask::Undo { before: restored, .. } = &mut asked.ask {
        **restored = Snapshot::of(before);
    }
    decide(before, &asked, pack)
}

fn one_person_is_two(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    let mut seen = before.clone();
    if let Some(first) = &mut seen.first {
        first.by = party(77);
    }
    decide(&seen, request, pack)
}

fn two_people_say_different_things(
    before: &Judgement,
    request: &Request,
    pack: &RulePack,
) -> Result<Step, Refusal> {
    let mut seen = before.clone();
    if let (Some(first), Ask::Approve { decided: Some(decided), .. }) = (&mut seen.first, &request.ask) {
        first.decided = decided.clone();
    }
    decide(&seen, request, pack)
}

fn leaves_the_old_lines_in(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    let mut step = decide(before, request, pack)?;
    if let (Ask::Reclassify(_), Some(own), Some(old)) = (&request.ask, &mut step.after.own, &before.own) {
        own.lines.extend(old.lines.iter().cloned());
    }
    Ok(step)
}

fn settles_for_ever(settled: &Settlements, _: &Operations) -> BTreeMap<String, Value> {
    settled.iter().map(|(field, settlement)| (field.clone(), settlement.value.clone())).collect()
}

fn assert_found(machine: Machine, expected: &str) {
    let said = found(machine).unwrap();
    assert!(said.contains(expected), "{said}");
}

#[test]
fn a_merge_of_what_nobody_saw_is_found() {
    assert_found(Machine { merge: merges_unseen, ..SOUND }, "merge");
}

#[test]
fn a_merge_that_counts_items_twice_is_found() {
    assert_found(Machine { merged_lines: counts_items_twice, ..SOUND }, "items, not");
}

#[test]
fn a_merge_that_adds_minutes_up_is_found() {
    assert_found(Machine { merged_lines: adds_minutes_up, ..SOUND }, "");
}

#[test]
fn a_merge_that_can_be_undone_is_found() {
    assert_found(Machine { carry_out: keeps_the_undo_history, ..SOUND }, "can be undone");
}

#[test]
fn an_unmerge_that_forgets_a_line_is_found() {
    assert_found(Machine { carry_out: forgets_a_line, ..SOUND }, "the ledger says");
}

#[test]
fn an_unmerge_that_forgets_a_member_is_found() {
    assert_found(Machine { unmerge: forgets_a_member, ..SOUND }, "");
}

#[test]
fn an_edited_member_that_nobody_hears_of_is_found() {
    assert_found(Machine { member_edited: Clone::clone, ..SOUND }, "nobody looks");
}

#[test]
fn a_carry_over_a_ledger_field_is_found() {
    assert_found(Machine { take_up: carries_ledger_fields, ..SOUND }, "");
}

#[test]
fn a_first_approval_that_outlives_its_version_is_found() {
    assert_found(Machine { take_up: keeps_the_first_approval, ..SOUND }, "approved first by");
}

#[test]
fn a_lost_undo_is_found() {
    assert_found(Machine { decide: loses_undos, ..SOUND }, "");
}

#[test]
fn two_approvals_by_one_person_are_found() {
    assert_found(Machine { decide: one_person_is_two, ..SOUND }, "second_person");
}

#[test]
fn two_approvals_of_different_lines_are_found() {
    assert_found(Machine { decide: two_people_say_different_things, ..SOUND }, "");
}

#[test]
fn a_reclassification_that_moves_balances_is_found() {
    assert_found(Machine { decide: leaves_the_old_lines_in, ..SOUND }, "the ledger says");
}

#[test]
fn a_settlement_that_hides_a_later_operation_is_found() {
    assert_found(Machine { settled_fields: settles_for_ever, ..SOUND }, "conflict_unsettled");
}
