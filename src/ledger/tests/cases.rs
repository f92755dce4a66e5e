//! Single steps: what goes along, what goes to a person, and who may decide.

use super::samples::{
    account, activity_id, approve, decision_id, frozen, new_version, party, pick, request, tally,
};
use crate::domain::activity::Activity;
use crate::domain::review::{Conflict, Review};
use crate::domain::rules::{Mode, RulePack};
use crate::ledger::{
    Ask, Asset, By, Changed, DecisionStep, Doubt, Judgement, NewVersion, Refusal, Step, TakingUp,
    became_clean, decide, rule_decision_id, take_up,
};

fn pack() -> RulePack {
    RulePack { report_items_threshold: 5, ..RulePack::first() }
}

fn take(before: &Judgement, new: &NewVersion) -> Step {
    take_up(before, new, TakingUp::Round, &pack())
}

/// The next version, by record and by how far it moved.
fn next(before: &Judgement, activity: &Activity, changed: Changed) -> NewVersion {
    NewVersion { changed, ..new_version(before.judged_version + 1, activity) }
}

fn approved(activity: &Activity) -> Judgement {
    let step = take(&Judgement::default(), &new_version(1, activity));
    assert_eq!(step.decision.as_ref().map(|decision| decision.by), Some(By::Rule));
    step.after
}

fn person(before: &Judgement, ask: Ask) -> Judgement {
    decided(before, ask).unwrap()
}

fn decided(before: &Judgement, ask: Ask) -> Result<Judgement, Refusal> {
    let seen = (before.judged_version, before.decision_seq);
    decide(before, &request(1, seen, ask), &pack()).map(|step| step.after)
}

fn withdrawn(activity: &Activity) -> Activity {
    Activity { withdrawn: true, ..activity.clone() }
}

#[test]
fn a_rule_approves_what_is_clean_and_nothing_else() {
    let record = pick(&[(0, 60)]);
    let new = new_version(1, &record);
    let after = take(&Judgement::default(), &new).after;
    assert_eq!((after.review(), after.decision_seq, after.minutes()), (Review::Approved, 1, Some(60)));
    let doubtful = NewVersion { doubts: vec![Doubt::HardConflict], ..new.clone() };
    let unreadable = NewVersion { decided: None, ..new.clone() };
    for waits in [doubtful, unreadable] {
        let step = take(&Judgement::default(), &waits);
        assert_eq!((step.after.review(), step.decision), (Review::Received, None));
    }
    let manual = RulePack { mode: Mode::Coordinator, ..pack() };
    assert_eq!(take_up(&Judgement::default(), &new, TakingUp::Round, &manual).decision, None);
}

#[test]
fn what_becomes_clean_is_approved_then_and_only_once() {
    let record = pick(&[(0, 60)]);
    let new = new_version(1, &record);
    let waiting = take_up(&Judgement::default(), &new, TakingUp::BeforeDecision, &pack()).after;
    assert_eq!(waiting.review(), Review::Received);
    let step = became_clean(&waiting, &new, &pack());
    assert_eq!(step.after.review(), Review::Approved);
    assert_eq!(became_clean(&step.after, &new, &pack()).decision, None);
    let other = new_version(2, &record);
    assert_eq!(became_clean(&waiting, &other, &pack()), Step::new(&waiting, waiting.clone(), None));
}

#[test]
fn taking_a_version_up_again_changes_nothing() {
    let before = approved(&pick(&[(0, 60)]));
    let step = take(&before, &new_version(1, &pick(&[(0, 90)])));
    assert_eq!(step, Step::new(&before, before.clone(), None));
}

#[test]
fn an_inert_edit_goes_along_with_an_approval_and_a_keep() {
    let record = pick(&[(0, 60)]);
    let mut judgement = approved(&record);
    judgement = take(&judgement, &next(&judgement, &record, Changed::Inert)).after;
    assert_eq!((judgement.review(), judgement.decision_seq), (Review::Approved, 1));
    let raised = next(&judgement, &pick(&[(0, 90)]), Changed::Ledger);
    judgement = take(&judgement, &raised).after;
    assert_eq!(judgement.review(), Review::EditedAfterApproval);
    judgement = person(&judgement, Ask::Keep);
    assert_eq!((judgement.review(), judgement.minutes()), (Review::Approved, Some(60)));
    assert_eq!(
        judgement.covered.as_ref().map(|covered| covered.base),
        Some(3),
        "compared with what was kept"
    );
    judgement = take(&judgement, &next(&judgement, &pick(&[(0, 90)]), Changed::Inert)).after;
    assert_eq!(judgement.review(), Review::Approved);
}

#[test]
fn an_undone_keep_leaves_the_edit_to_be_looked_at_again() {
    let before = approved(&pick(&[(0, 60)]));
    let edited = take(&before, &next(&before, &pick(&[(0, 90)]), Changed::Ledger)).after;
    let kept = decide(&edited, &request(1, (2, 1), Ask::Keep), &pack()).unwrap();
    let decision = kept.decision.unwrap();
    let undo = Ask::Undo { decision: decision.id, before: Box::new(decision.before) };
    let undone = person(&kept.after, undo);
    assert_eq!((undone.review(), undone.covered), (Review::EditedAfterApproval, edited.covered));
}

#[test]
fn small_report_edits_go_along_but_are_measured_from_the_version_decided_on() {
    let record = pick(&[(0, 60)]);
    let mut judgement = person(&approved(&record), approve(frozen(&record)));
    for (most, expected) in [(5, Review::Approved), (6, Review::EditedAfterApproval), (4, Review::Approved)] {
        judgement = take(&judgement, &next(&judgement, &record, Changed::Tallies { most })).after;
        assert_eq!(judgement.review(), expected, "{most} items");
        assert_eq!(judgement.covered.as_ref().map(|covered| covered.base), Some(1));
    }
    judgement = take(&judgement, &next(&judgement, &record, Changed::Report)).after;
    assert_eq!(judgement.review(), Review::EditedAfterApproval);
}

#[test]
fn the_rule_lowers_and_never_raises_what_it_approved() {
    let occasion = |parties: &[(u128, i64)]| Activity { person_minutes: Some(200), ..pick(parties) };
    let before = approved(&occasion(&[(0, 60), (1, 60)]));
    let review = |record: &Activity| take(&before, &next(&before, record, Changed::Ledger)).after.review();
    assert_eq!(review(&Activity { person_minutes: Some(140), ..pick(&[(0, 60), (1, 0)]) }), Review::Approved);
    assert_eq!(review(&occasion(&[(0, 61), (1, 60)])), Review::EditedAfterApproval);
    assert_eq!(review(&occasion(&[(0, 60), (2, 10)])), Review::EditedAfterApproval, "somebody new");
    assert_eq!(
        review(&occasion(&[(0, 30), (1, 60)])),
        Review::EditedAfterApproval,
        "the remainder would rise"
    );
}

#[test]
fn no_rule_approves_after_a_person_not_even_after_an_undo() {
    let record = pick(&[(0, 60)]);
    let step = take(&Judgement::default(), &new_version(1, &record));
    let by_rule = step.decision.unwrap();
    let undo = Ask::Undo { decision: by_rule.id, before: Box::new(by_rule.before) };
    let undone = person(&step.after, undo);
    assert_eq!((undone.review(), undone.minutes()), (Review::Received, None));
    let step = take(&undone, &next(&undone, &record, Changed::Ledger));
    assert_eq!((step.after.review(), step.decision), (Review::Received, None));
}

#[test]
fn a_party_takes_its_own_record_back_and_stays_so() {
    let record = pick(&[(0, 60)]);
    let before = approved(&record);
    let step = take(&before, &next(&before, &withdrawn(&record), Changed::Ledger));
    let decision = step.decision.unwrap();
    assert_eq!((decision.step, decision.by, decision.seq), (DecisionStep::Withdraw, By::Daybook, 2));
    assert_eq!((step.after.review(), step.after.minutes()), (Review::Withdrawn, None));
    let noted = take(&step.after, &next(&step.after, &withdrawn(&record), Changed::Inert));
    assert_eq!((noted.after.review(), noted.decision), (Review::Withdrawn, None));
    let back = take(&noted.after, &next(&noted.after, &record, Changed::Ledger));
    assert_eq!((back.after.review(), back.decision), (Review::Received, None));
}

#[test]
fn a_withdrawal_that_others_depend_on_goes_to_a_person() {
    let record = pick(&[(0, 60)]);
    let shared = pick(&[(0, 60), (1, 60)]);
    let cases = [
        (approved(&shared), next(&approved(&shared), &withdrawn(&shared), Changed::Ledger)),
        // The other person is taken out in the same edit; what was approved for them still stands.
        (approved(&shared), next(&approved(&shared), &withdrawn(&record), Changed::Ledger)),
        (
            approved(&record),
            NewVersion { has_parts: true, ..next(&approved(&record), &withdrawn(&record), Changed::Ledger) },
        ),
    ];
    for (before, new) in cases {
        let step = take(&before, &new);
        assert_eq!((step.after.review(), step.decision), (Review::EditedAfterApproval, None));
        assert_eq!(step.after.own, before.own);
    }
}

#[test]
fn another_id_of_the_owner_is_nobody_else_and_whom_caps_left_nothing_is() {
    let by_another_id = approved(&pick(&[(7, 60)]));
    let new = next(&by_another_id, &withdrawn(&pick(&[(0, 60)])), Changed::Ledger);
    assert_eq!(take(&by_another_id, &new).after.review(), Review::EditedAfterApproval);
    let one_person = NewVersion { owner_aliases: [party(7)].into(), ..new };
    assert_eq!(take(&by_another_id, &one_person).after.review(), Review::Withdrawn);
    let mut clipped = approved(&pick(&[(0, 60)]));
    let new = next(&clipped, &withdrawn(&pick(&[(0, 60)])), Changed::Ledger);
    assert_eq!(take(&clipped, &new).after.review(), Review::Withdrawn);
    let own = clipped.own.as_mut().unwrap();
    own.clipped.insert(account(1), 60);
    assert_eq!(take(&clipped, &new).after.review(), Review::EditedAfterApproval);
}

#[test]
fn coming_back_goes_to_a_person_even_if_it_reads_as_approved() {
    let record = pick(&[(0, 60), (1, 60)]);
    let before = approved(&record);
    let away = take(&before, &next(&before, &withdrawn(&record), Changed::Ledger)).after;
    let back = take(&away, &next(&away, &record, Changed::Inert)).after;
    assert_eq!(back.review(), Review::EditedAfterApproval);
    let later = take(&back, &next(&back, &record, Changed::Inert)).after;
    assert_eq!(later.review(), Review::EditedAfterApproval, "another edit is no way around it");
    let meanwhile = NewVersion { withdrawn_meanwhile: true, ..next(&before, &record, Changed::Inert) };
    assert_eq!(take(&before, &meanwhile).after.review(), Review::EditedAfterApproval);
    let settled = person(&later, approve(frozen(&record)));
    let noted = take(&settled, &next(&settled, &record, Changed::Inert)).after;
    assert_eq!(noted.review(), Review::Approved);
}

#[test]
fn a_rejection_goes_along_with_inert_edits_only() {
    let record = pick(&[(0, 60)]);
    let rejected = person(&approved(&record), Ask::Reject);
    let after = |changed| take(&rejected, &next(&rejected, &record, changed)).after.review();
    assert_eq!(after(Changed::Inert), Review::Rejected);
    assert_eq!(after(Changed::Tallies { most: 1 }), Review::Received);
    assert_eq!(after(Changed::Ledger), Review::Received);
}

#[test]
fn whatever_comes_back_answers_a_request_for_changes() {
    let record = pick(&[(0, 60)]);
    let asked = person(&approved(&record), Ask::AskForChanges);
    assert_eq!((asked.review(), asked.minutes()), (Review::NeedsChanges, Some(60)));
    let answered = take(&asked, &next(&asked, &record, Changed::Inert)).after;
    assert_eq!(answered.review(), Review::EditedAfterApproval);
}

#[test]
fn nobody_approves_their_own_minutes_in_any_way() {
    let record = pick(&[(0, 60), (9, 5)]);
    let waiting =
        take_up(&Judgement::default(), &new_version(1, &record), TakingUp::BeforeDecision, &pack()).after;
    assert_eq!(decided(&waiting, approve(frozen(&record))), Err(Refusal::OwnCredit));

    let mut by_alias = request(1, (1, 0), approve(frozen(&pick(&[(5, 60)]))));
    by_alias.decider.aliases = vec![party(5)];
    assert_eq!(decide(&waiting, &by_alias, &pack()).map(|step| step.after), Err(Refusal::OwnCredit));

    let mut other = request(2, (1, 0), approve(frozen(&record)));
    other.decider.party = party(8);
    let approved = decide(&waiting, &other, &pack()).unwrap();
    let first = approved.decision.unwrap();
    let undo = Ask::Undo { decision: first.id, before: Box::new(first.before) };
    let undone = decide(&approved.after, &request(3, (1, 1), undo), &pack()).unwrap();
    let second = undone.decision.unwrap();
    let redo = Ask::Undo { decision: second.id, before: Box::new(second.before) };
    assert_eq!(decided(&undone.after, redo), Err(Refusal::OwnCredit), "undoing one's own undo pays oneself");
}

#[test]
fn refusals_name_what_stands_in_the_way() {
    let record = pick(&[(0, 60)]);
    let waiting =
        take_up(&Judgement::default(), &new_version(1, &record), TakingUp::BeforeDecision, &pack()).after;
    let code = |judgement: &Judgement, ask| decided(judgement, ask).map_err(|refusal| refusal.code());
    assert_eq!(code(&waiting, Ask::Keep), Err("nothing_posted"));
    let asks = |decided, conflict| Ask::Approve { decided, corrected: false, conflict };
    assert_eq!(code(&waiting, asks(None, Conflict::None)), Err("unreadable"));
    assert_eq!(code(&waiting, asks(Some(frozen(&record)), Conflict::Hard)), Err("conflict_unsettled"));
    assert!(decided(&waiting, asks(Some(frozen(&record)), Conflict::Soft)).is_ok());
    let unknown = Ask::Undo { decision: decision_id(1), before: Box::default() };
    assert_eq!(code(&waiting, unknown), Err("undo_blocked"));
    let merged = Judgement { merged_into: Some(activity_id(9)), ..waiting.clone() };
    assert_eq!(code(&merged, Ask::Reject), Err("merged_away"));
    let canonical = Judgement { cluster: Some(frozen(&record)), ..waiting.clone() };
    assert_eq!(code(&canonical, Ask::Reject), Err("merged"));
    let mut silent = request(1, (1, 0), Ask::Reject);
    silent.reason = Some("  ".to_owned());
    assert_eq!(decide(&waiting, &silent, &pack()), Err(Refusal::ReasonRequired));
}

#[test]
fn a_stale_decision_is_told_the_present_state() {
    let record = pick(&[(0, 60)]);
    let before = approved(&record);
    let present = Refusal::VersionChanged { version: 1, decision_seq: 1, review: Review::Approved };
    for seen in [(1, 0), (2, 1), (0, 1), (1, 2)] {
        assert_eq!(decide(&before, &request(1, seen, Ask::Reject), &pack()), Err(present.clone()));
    }
    let nothing = decide(&Judgement::default(), &request(1, (0, 0), Ask::Reject), &pack());
    assert_eq!(nothing.map_err(|refusal| refusal.code()).unwrap_err(), "version_changed");
}

#[test]
fn a_step_names_the_occasions_whose_remainder_moves() {
    let part = |of: u128, minutes| Activity { part_of: Some(activity_id(of)), ..pick(&[(0, minutes)]) };
    let first = take(&Judgement::default(), &new_version(1, &part(1, 60)));
    assert_eq!(first.occasions, [activity_id(1)]);
    let moved = take(&first.after, &next(&first.after, &part(2, 60), Changed::Ledger));
    assert_eq!(moved.occasions, [activity_id(1), activity_id(2)]);
    let lowered = take(&moved.after, &next(&moved.after, &part(2, 30), Changed::Ledger));
    assert_eq!(lowered.occasions, [activity_id(2)]);
    let same = take(&lowered.after, &next(&lowered.after, &part(2, 30), Changed::Inert));
    assert_eq!(same.occasions, []);
}

#[test]
fn a_judgement_reads_back_as_written() {
    let record = Activity { tallies: vec![tally(3)], ..pick(&[(0, 60)]) };
    let judgement = person(&approved(&record), Ask::Reject);
    let text = serde_json::to_string(&judgement).unwrap();
    assert_eq!(serde_json::from_str::<Judgement>(&text).unwrap(), judgement);
    let own = approved(&record).own.unwrap();
    assert_eq!(own.minutes_of(account(0), Asset::Contribution), 60);
    assert_eq!(own.report[0].count, 3);
    let id = rule_decision_id(super::samples::neighbourhood(), activity_id(1), 1);
    assert_eq!(serde_json::to_value(id).unwrap().as_str().map(str::len), Some(36));
}
