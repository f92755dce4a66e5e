//! Bugs planted on purpose: the model has to find each of them, or it proves nothing.

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::generate::ops;
use super::model::{Machine, Neighbourhood, SOUND};
use crate::domain::ids::{AccountId, ActivityId, NeighbourhoodId};
use crate::domain::rules::RulePack;
use crate::ledger::{
    Ask, Judgement, NewVersion, Posting, Refusal, Request, Step, TakingUp, decide, post, take_up, transfer_id,
};

/// What the model says about a machine, over the same random steps each time.
pub fn found(machine: Machine) -> Option<String> {
    let config = Config { cases: 400, failure_persistence: None, max_shrink_iters: 0, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(&ops(), |ops| Neighbourhood::run(machine, &ops).map_err(TestCaseError::fail));
    match outcome {
        Ok(()) => None,
        Err(TestError::Fail(reason, _)) => Some(reason.to_string()),
        Err(aborted) => panic!("{aborted}"),
    }
}

fn ignores_the_sequence(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    decide(before, &Request { decision_seq: before.decision_seq, ..request.clone() }, pack)
}

fn forgets_what_is_posted(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    let mut step = decide(before, request, pack)?;
    if matches!(request.ask, Ask::Undo { .. }) {
        step.after.posted = step.after.own.as_ref().map(|own| own.lines.clone()).unwrap_or_default();
    }
    Ok(step)
}

fn lets_deciders_pay_themselves(
    before: &Judgement,
    request: &Request,
    pack: &RulePack,
) -> Result<Step, Refusal> {
    let mut asked = request.clone();
    asked.decider.party.0 = uuid::Uuid::nil();
    decide(before, &asked, pack)
}

fn forgets_occasions(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    Ok(Step { occasions: Vec::new(), ..decide(before, request, pack)? })
}

fn names_transfers_by_version(
    before: &Judgement,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    parts_minutes: i64,
    holding: AccountId,
) -> Posting {
    let mut posting = post(before, neighbourhood, activity, parts_minutes, holding, |account| account);
    for transfer in &mut posting.transfers {
        transfer.id = transfer_id(neighbourhood, activity, before.judged_version, transfer.line_no);
    }
    posting
}

fn forgets_that_a_person_decided(
    before: &Judgement,
    new: &NewVersion,
    how: TakingUp,
    pack: &RulePack,
) -> Step {
    let mut step = take_up(&Judgement { person_decided: false, ..before.clone() }, new, how, pack);
    step.after.person_decided = before.person_decided;
    step
}

fn decides_ahead_of_a_person(before: &Judgement, new: &NewVersion, _: TakingUp, pack: &RulePack) -> Step {
    take_up(before, new, TakingUp::Round, pack)
}

#[test]
fn the_sound_machine_is_found_sound() {
    assert_eq!(found(SOUND), None);
}

#[test]
fn a_decision_that_ignores_its_sequence_is_found() {
    let said = found(Machine { decide: ignores_the_sequence, ..SOUND }).unwrap();
    assert!(said.contains("version_changed") || said.contains("decided again"), "{said}");
}

#[test]
fn an_undo_that_forgets_what_is_posted_is_found() {
    let said = found(Machine { decide: forgets_what_is_posted, ..SOUND }).unwrap();
    assert!(said.contains("the ledger says"), "{said}");
}

#[test]
fn a_decider_who_is_paid_is_found() {
    let said = found(Machine { decide: lets_deciders_pay_themselves, ..SOUND }).unwrap();
    assert!(said.contains("own_credit"), "{said}");
}

#[test]
fn an_occasion_left_out_is_found() {
    let said = found(Machine { decide: forgets_occasions, ..SOUND }).unwrap();
    assert!(said.contains("target"), "{said}");
}

#[test]
fn a_transfer_named_by_its_version_is_found() {
    let said = found(Machine { post: names_transfers_by_version, ..SOUND }).unwrap();
    assert!(said.contains("posted twice"), "{said}");
}

#[test]
fn a_rule_that_goes_over_a_person_is_found() {
    let said = found(Machine { take_up: forgets_that_a_person_decided, ..SOUND }).unwrap();
    assert!(said.contains("a rule decided: Round"), "{said}");
}

#[test]
fn a_rule_that_overtakes_a_person_is_found() {
    let said = found(Machine { take_up: decides_ahead_of_a_person, ..SOUND }).unwrap();
    assert!(said.contains("a rule decided: BeforeDecision"), "{said}");
}
