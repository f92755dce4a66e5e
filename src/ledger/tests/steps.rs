//! Single steps that need two people, settle, reclassify, merge, or wait for somebody's word.

use std::collections::BTreeMap;

use super::samples::{
    account, activity_id, approve, day, decision_id, frozen, minutes, new_version, party, pick, request,
    tally,
};
use crate::domain::activity::Activity;
use crate::domain::ids::ActivityId;
use crate::domain::limits::MERGE_MEMBERS_MAX;
use crate::domain::reading::Value;
use crate::domain::review::Review;
use crate::domain::rules::{Mode, RulePack};
use crate::ledger::{
    Ask, Changed, CorrectionFault, Corrections, Decider, DecisionStep, Decisions, Judgement, MergeRequest,
    NewVersion, Reclassification, Refusal, RuleFacts, Seen, Settlement, Settlements, Step, StoredDecision,
    TakingUp, UnmergeRequest, apply, became_clean, decide, member_edited, merge, merged_lines, take_up,
    unmerge,
};

fn pack() -> RulePack {
    RulePack { second_person_above_minutes: Some(100), mode: Mode::Coordinator, ..RulePack::first() }
}

fn waiting(activity: &Activity) -> Judgement {
    take_up(&Judgement::default(), &new_version(1, activity), TakingUp::Round, &pack()).after
}

fn newer(before: &Judgement, activity: &Activity, changed: Changed) -> Judgement {
    let new = NewVersion { changed, ..new_version(before.judged_version + 1, activity) };
    take_up(before, &new, TakingUp::Round, &pack()).after
}

/// What a person of this number decides.
fn by(who: u128, before: &Judgement, ask: Ask) -> Result<Step, Refusal> {
    let seen = (before.judged_version, before.decision_seq);
    let mut request = request(100 * who + u128::try_from(before.decision_seq).unwrap(), seen, ask);
    request.decider.party = party(who);
    decide(before, &request, &pack())
}

fn after(who: u128, before: &Judgement, ask: Ask) -> Judgement {
    by(who, before, ask).unwrap().after
}

#[test]
fn many_minutes_need_two_people_who_say_the_same() {
    let record = pick(&[(0, 101)]);
    let before = waiting(&record);
    let first = by(8, &before, approve(frozen(&record))).unwrap();
    assert_eq!(first.decision.map(|decision| decision.step), Some(DecisionStep::FirstApproval));
    assert_eq!((first.after.review(), first.after.minutes()), (Review::Received, None));
    let again = by(8, &first.after, approve(frozen(&record)));
    assert_eq!(again, Err(Refusal::SecondPerson));
    let other = after(9, &first.after, approve(frozen(&pick(&[(0, 102)]))));
    assert_eq!(other.first.as_ref().map(|first| first.by), Some(party(9)), "other lines replace the first's");
    assert_eq!(other.minutes(), None);
    let second = by(9, &first.after, approve(frozen(&record))).unwrap();
    assert_eq!((second.after.review(), second.after.minutes()), (Review::Approved, Some(101)));
    assert_eq!(second.after.first, None);
    let decision = second.decision.unwrap();
    let undo = Ask::Undo { decision: decision.id, before: Box::new(decision.before) };
    assert_eq!(after(8, &second.after, undo).first, first.after.first, "the first still stands");
}

#[test]
fn one_is_enough_up_to_the_amount_and_the_remainder_counts() {
    let record = pick(&[(0, 100)]);
    assert_eq!(after(8, &waiting(&record), approve(frozen(&record))).minutes(), Some(100));
    let occasion = Activity { person_minutes: Some(101), ..pick(&[(0, 1)]) };
    assert!(after(8, &waiting(&occasion), approve(frozen(&occasion))).first.is_some());
    let part = Activity { part_of: Some(activity_id(5)), ..occasion };
    assert_eq!(
        after(8, &waiting(&part), approve(frozen(&part))).minutes(),
        Some(1),
        "a part holds no remainder"
    );
}

#[test]
fn a_first_approval_ends_with_a_newer_version_or_another_decision() {
    let record = pick(&[(0, 101)]);
    let first = after(8, &waiting(&record), approve(frozen(&record)));
    assert_eq!(newer(&first, &record, Changed::Inert).first, None);
    for ask in [Ask::Reject, Ask::AskForChanges] {
        assert_eq!(after(9, &first, ask).first, None);
    }
    let rejected = after(9, &first, Ask::Reject);
    let pending = after(8, &rejected, approve(frozen(&record)));
    assert_eq!(pending.review(), Review::Rejected, "a first approval decides nothing yet");
}

#[test]
fn an_alias_is_no_second_person() {
    let record = pick(&[(0, 101)]);
    let first = after(8, &waiting(&record), approve(frozen(&record)));
    let mut asked = request(7, (1, 1), approve(frozen(&record)));
    asked.decider = Decider { party: party(9), aliases: vec![party(8)] };
    assert_eq!(decide(&first, &asked, &pack()), Err(Refusal::SecondPerson));
}

#[test]
fn reclassifying_moves_lines_and_no_balance() {
    let record = pick(&[(0, 60), (1, 30)]);
    let approved = after(8, &waiting(&record), approve(frozen(&record)));
    let edited = newer(&approved, &pick(&[(0, 70)]), Changed::Ledger);
    let to = Reclassification { programme: Some("parks".to_owned()), day: Some(day(2)), place: None };
    let moved = after(9, &edited, Ask::Reclassify(to.clone()));
    let own = moved.own.as_ref().unwrap();
    assert_eq!(minutes(&own.lines), minutes(&approved.own.as_ref().unwrap().lines));
    assert!(own.lines.iter().all(|line| line.day == day(2) && line.programme.as_deref() == Some("parks")));
    assert_eq!(moved.review(), Review::EditedAfterApproval, "the edit still waits");
    assert_eq!(by(9, &moved, Ask::Reclassify(to.clone())), Err(Refusal::NothingChanges));
    assert_eq!(by(9, &waiting(&record), Ask::Reclassify(to.clone())), Err(Refusal::NothingPosted));
    let mut silent = request(1, (2, 1), Ask::Reclassify(to));
    silent.reason = None;
    assert_eq!(decide(&edited, &silent, &pack()), Err(Refusal::ReasonRequired));
}

fn settles() -> Settlements {
    let value = Value::Text("parks".to_owned());
    [("programme".to_owned(), Settlement { operations: [("7@aa".to_owned(), value.clone())].into(), value })]
        .into()
}

#[test]
fn settling_is_kept_and_taken_back() {
    let record = pick(&[(0, 60)]);
    let before = waiting(&record);
    let asked = crate::ledger::Request { settles: settles(), ..request(1, (1, 0), Ask::Settle) };
    let settled = decide(&before, &asked, &pack()).unwrap();
    assert_eq!((settled.after.review(), &settled.after.settled), (Review::Received, &settles()));
    assert_eq!(by(9, &before, Ask::Settle), Err(Refusal::NothingToSettle));
    let decision = settled.decision.unwrap();
    let undo = Ask::Undo { decision: decision.id, before: Box::new(decision.before) };
    assert_eq!(after(9, &settled.after, undo).settled, Settlements::new());
}

#[test]
fn an_approval_settles_and_remembers_how_its_version_read() {
    let record = pick(&[(0, 60)]);
    let reads: BTreeMap<_, _> = [("programme".to_owned(), Value::Text("parks".to_owned()))].into();
    let asked = crate::ledger::Request {
        settles: settles(),
        reads: reads.clone(),
        ..request(1, (1, 0), approve(frozen(&record)))
    };
    let approved = decide(&waiting(&record), &asked, &pack()).unwrap().after;
    assert_eq!(approved.settled, settles());
    assert_eq!(approved.covered.map(|covered| covered.reads), Some(reads));
}

fn seen(number: u128, judgement: &Judgement) -> Seen {
    Seen {
        activity: activity_id(number),
        version: judgement.judged_version,
        decision_seq: judgement.decision_seq,
    }
}

fn book(records: &[(u128, Judgement)]) -> BTreeMap<ActivityId, Judgement> {
    records.iter().map(|(number, judgement)| (activity_id(*number), judgement.clone())).collect()
}

fn merging(records: &[(u128, Judgement)], lines: &Activity) -> MergeRequest {
    let mut seen = records.iter().map(|(number, judgement)| seen(*number, judgement));
    MergeRequest {
        id: decision_id(50),
        decider: Decider { party: party(9), aliases: Vec::new() },
        reason: Some("the same pick".to_owned()),
        canonical: seen.next().unwrap(),
        members: seen.collect(),
        decided: frozen(lines),
        reads: BTreeMap::new(),
    }
}

fn refused(records: &[(u128, Judgement)], request: &MergeRequest) -> (ActivityId, Refusal) {
    let refusal = merge(&book(records), request, &pack()).unwrap_err();
    (refusal.activity, refusal.refusal)
}

/// The records after a merge or its undoing.
fn taken(records: &[(u128, Judgement)], decisions: Decisions) -> Vec<(u128, Judgement)> {
    let about = |number: u128| decisions.iter().find(|(id, _)| *id == activity_id(number));
    let after = |(number, before): &(u128, Judgement)| {
        let after = about(*number).map_or_else(|| before.clone(), |(_, decision)| apply(before, decision));
        (*number, after)
    };
    records.iter().map(after).collect()
}

fn apart(records: &[(u128, Judgement)]) -> Result<Decisions, Refusal> {
    let request = UnmergeRequest {
        id: decision_id(60),
        decider: Decider { party: party(9), aliases: Vec::new() },
        reason: None,
        canonical: seen(records[0].0, &records[0].1),
        stands_for: BTreeMap::new(),
    };
    unmerge(&book(records), &request, &pack()).map_err(|refusal| refusal.refusal)
}

/// One approved, one edited after its approval, one that nobody decided.
fn three() -> Vec<(u128, Judgement)> {
    let record = pick(&[(0, 60)]);
    let approved = after(8, &waiting(&record), approve(frozen(&record)));
    let edited = newer(&approved, &pick(&[(0, 90)]), Changed::Ledger);
    vec![(1, approved), (2, edited), (3, waiting(&record))]
}

#[test]
fn merging_counts_once_and_unmerging_brings_everything_back() {
    let before = three();
    let merged =
        taken(&before, merge(&book(&before), &merging(&before, &pick(&[(0, 80)])), &pack()).unwrap());
    let minutes: Vec<_> = merged.iter().map(|(_, judgement)| judgement.minutes()).collect();
    assert_eq!(minutes, [Some(80), None, None]);
    assert!(merged.iter().all(|(_, judgement)| judgement.review() == Review::Approved));
    assert_eq!(merged[0].1.members, [activity_id(2), activity_id(3)]);
    let again = taken(&merged, apart(&merged).unwrap());
    for ((_, was), (number, is)) in before.iter().zip(&again) {
        assert_eq!((was.review(), &was.own, &was.covered), (is.review(), &is.own, &is.covered), "{number}");
        assert_eq!((is.decision_seq, is.latest_decision), (was.decision_seq + 2, None));
    }
    assert_eq!(apart(&again), Err(Refusal::NotMerged));
}

#[test]
fn a_merge_says_which_record_stands_in_its_way() {
    let before = three();
    let lines = pick(&[(0, 80)]);
    let request = merging(&before, &lines);
    let mut moved = before.clone();
    moved[2].1 = after(8, &moved[2].1, Ask::Reject);
    let (activity, refusal) = refused(&moved, &request);
    assert_eq!((activity, refusal.code()), (activity_id(3), "version_changed"));
    let merged = taken(&before, merge(&book(&before), &request, &pack()).unwrap());
    let into = Refusal::MergedAway { into: activity_id(1) };
    let mut turned = merged.clone();
    turned.rotate_left(1);
    assert_eq!(refused(&turned, &merging(&turned, &lines)), (activity_id(2), into));
    assert_eq!(refused(&merged, &merging(&merged, &lines)), (activity_id(1), Refusal::Merged));
    assert_eq!(
        refused(&before, &MergeRequest { reason: None, ..request.clone() }).1,
        Refusal::ReasonRequired
    );
    assert_eq!(refused(&before, &merging(&before, &pick(&[(9, 1)]))).1, Refusal::OwnCredit);
    assert_eq!(refused(&before, &merging(&before, &pick(&[(0, 121)]))).1, Refusal::MergeRaises);
    let as_much = merging(&before, &pick(&[(0, 120)]));
    assert!(merge(&book(&before), &as_much, &pack()).is_ok(), "no more than stood there already");
    let twice = MergeRequest { members: vec![request.members[0], request.members[0]], ..request.clone() };
    assert_eq!(refused(&before, &twice).1, Refusal::MembersUnfit);
    let itself = MergeRequest { members: vec![request.canonical], ..request };
    assert_eq!(refused(&before, &itself).1, Refusal::MembersUnfit);
}

#[test]
fn twenty_members_are_merged_and_one_more_are_not() {
    let record = pick(&[(0, 10)]);
    let all: Vec<(u128, Judgement)> = (1..=22).map(|number| (number, waiting(&record))).collect();
    let of = |members: usize| {
        let records = &all[..=members];
        merge(&book(records), &merging(records, &record), &pack()).map_err(|refusal| refusal.refusal)
    };
    assert_eq!(of(MERGE_MEMBERS_MAX).map(|decisions| decisions.len()), Ok(MERGE_MEMBERS_MAX + 1));
    assert_eq!(of(MERGE_MEMBERS_MAX + 1), Err(Refusal::MembersUnfit));
    assert_eq!(of(0), Err(Refusal::MembersUnfit));
}

#[test]
fn an_edited_member_sends_the_canonical_one_to_a_person() {
    let before = three();
    let merged =
        taken(&before, merge(&book(&before), &merging(&before, &pick(&[(0, 80)])), &pack()).unwrap());
    let member = &merged[1].1;
    let edit = |before: &Judgement, changed| {
        let new = NewVersion { changed, ..new_version(before.judged_version + 1, &pick(&[(0, 95)])) };
        take_up(before, &new, TakingUp::Round, &pack())
    };
    assert_eq!(edit(member, Changed::Inert).canonical, None);
    let told = edit(member, Changed::Tallies { most: 1 });
    assert_eq!(told.canonical, Some(activity_id(1)));
    assert_eq!(
        told.after.covered.as_ref().map(|covered| covered.base),
        Some(3),
        "compared with this one next"
    );
    let canonical = member_edited(&merged[0].1);
    assert_eq!((canonical.review(), canonical.minutes()), (Review::EditedAfterApproval, Some(80)));
    let noted = newer(&canonical, &pick(&[(0, 60)]), Changed::Inert);
    assert_eq!(noted.review(), Review::EditedAfterApproval, "a note is no way around it");
    assert_eq!(after(8, &canonical, Ask::Keep).review(), Review::Approved);
    assert_eq!(by(8, member, Ask::Keep), Err(Refusal::MergedAway { into: activity_id(1) }));
    assert_eq!(member_edited(&before[0].1), before[0].1, "nothing is merged");
    // The member was edited while merged: unmerged, it waits for somebody.
    let edited = [merged[0].clone(), (2, told.after), merged[2].clone()];
    let apart = taken(&edited, apart(&edited).unwrap());
    assert_eq!(apart[1].1.review(), Review::EditedAfterApproval);
}

#[test]
fn approvals_of_the_canonical_one_are_the_clusters() {
    let before = three();
    let merged =
        taken(&before, merge(&book(&before), &merging(&before, &pick(&[(0, 80)])), &pack()).unwrap());
    let part = Activity { part_of: Some(activity_id(2)), ..pick(&[(0, 70)]) };
    let approved = after(8, &merged[0].1, approve(frozen(&part)));
    assert_eq!((approved.minutes(), approved.claim()), (Some(70), None), "no part of what is in it");
    assert_eq!(approved.own, before[0].1.own);
}

#[test]
fn merged_lines_take_of_everybody_the_most_and_items_once() {
    let mine = Activity { person_minutes: Some(630), tallies: vec![tally(40)], ..pick(&[(0, 90), (1, 90)]) };
    let theirs = Activity {
        person_minutes: Some(700),
        tallies: vec![tally(55)],
        day: day(2),
        ..pick(&[(1, 100), (2, 100)])
    };
    let (mine, theirs) = (frozen(&mine), frozen(&theirs));
    let of = |corrections: &Corrections| {
        merged_lines(&mine, std::slice::from_ref(&theirs), corrections, &[(party(5), party(1))].into())
    };
    let merged = of(&Corrections::default()).unwrap();
    assert_eq!(minutes(&merged.lines), [(account(0), 90), (account(1), 100), (account(2), 100)]);
    assert_eq!((merged.named, merged.person_minutes, merged.report[0].count), (290, Some(700), 55));
    assert!(merged.lines.iter().all(|line| line.day == day(1)), "the canonical one's day");
    let chosen = Corrections {
        minutes: [(party(5), 90), (party(2), 0)].into(),
        person_minutes: Some(630),
        ..Corrections::default()
    };
    let merged = of(&chosen).unwrap();
    assert_eq!(minutes(&merged.lines), [(account(0), 90), (account(1), 90)]);
    assert_eq!((merged.named, merged.person_minutes), (180, Some(630)));
    let named =
        |who, minutes| of(&Corrections { minutes: [(party(who), minutes)].into(), ..Corrections::default() });
    assert_eq!(named(4, 5), Err(CorrectionFault::PartyNotNamed(party(4))));
    assert_eq!(named(0, 1_441), Err(CorrectionFault::MinutesOutOfRange(1_441)));
    let total = Corrections { person_minutes: Some(1), ..Corrections::default() };
    let bare = frozen(&pick(&[(0, 1)]));
    assert_eq!(merged_lines(&bare, &[], &total, &BTreeMap::new()), Err(CorrectionFault::NoTotal));
}

#[test]
fn peers_confirm_or_silence_does_and_nobody_approves_for_a_coordinator() {
    let record = pick(&[(0, 60)]);
    let peer = RulePack { mode: Mode::Peer, silence_days: Some(2), ..RulePack::first() };
    let due = 172_800_000 + 7;
    let at = |now_ms, confirmed| NewVersion {
        rule: RuleFacts { confirmed, received_at_ms: 7, now_ms, audit_draw: u64::MAX },
        ..new_version(1, &record)
    };
    let first =
        |new: &NewVersion, pack: &RulePack| take_up(&Judgement::default(), new, TakingUp::Round, pack);
    let waits = first(&at(7, false), &peer);
    assert_eq!((waits.after.review(), waits.due_at_ms), (Review::Received, Some(due)));
    let look = |now_ms, confirmed| became_clean(&waits.after, &at(now_ms, confirmed), &peer);
    assert_eq!((look(due - 1, false).decision, look(due - 1, false).due_at_ms), (None, Some(due)));
    assert_eq!(look(due, false).after.review(), Review::Approved);
    assert_eq!(look(8, true).after.review(), Review::Approved);
    let doubtful = NewVersion { doubts: vec![crate::ledger::Doubt::HardConflict], ..at(due, true) };
    let step = became_clean(&waits.after, &doubtful, &peer);
    assert_eq!((step.decision, step.due_at_ms), (None, None));
    let decided = after(9, &waits.after, Ask::AskForChanges);
    assert_eq!(became_clean(&decided, &at(due, true), &peer).due_at_ms, None, "a decision removes it");
    let no_silence = RulePack { silence_days: None, ..peer.clone() };
    assert_eq!(first(&at(i64::MAX, false), &no_silence).due_at_ms, None);
    let coordinator = RulePack { mode: Mode::Coordinator, ..peer };
    let step = first(&at(i64::MAX, true), &coordinator);
    assert_eq!((step.decision, step.due_at_ms), (None, None));
}

#[test]
fn chance_shows_an_automatic_approval_to_a_person() {
    let record = pick(&[(0, 60)]);
    let drawn = |audit_draw| {
        let rule = RuleFacts { audit_draw, ..RuleFacts::default() };
        let new = NewVersion { rule, ..new_version(1, &record) };
        take_up(&Judgement::default(), &new, TakingUp::Round, &RulePack::first())
    };
    let (shown, not) = (drawn(0), drawn(u64::MAX));
    assert_eq!((shown.after.audit, not.after.audit), (true, false));
    assert_eq!(shown.after.review(), Review::Approved, "what is posted stands");
    let decision = shown.decision.unwrap();
    assert!(apply(&waiting(&record), &decision).audit, "by the stored decision, not by the draw");
    let looked = after(9, &shown.after, Ask::Keep);
    assert_eq!((looked.audit, looked.minutes()), (false, Some(60)));
}

#[test]
fn what_was_stored_before_still_reads_and_is_written_as_it_was() {
    let record = pick(&[(0, 60)]);
    let step = by(8, &waiting(&record), approve(frozen(&record))).unwrap();
    let judgement = serde_json::to_value(&step.after).unwrap();
    for key in ["first", "settled", "members", "apart", "audit", "unheard"] {
        assert_eq!(judgement.get(key), None, "{key}");
    }
    assert_eq!(judgement["covered"], serde_json::json!({"version": 1, "base": 1, "broken": false}));
    assert_eq!(serde_json::from_value::<Judgement>(judgement).unwrap(), step.after);
    let decision = step.decision.unwrap();
    let stored = serde_json::to_value(&decision).unwrap();
    for key in ["settles", "reads", "members", "into", "audit", "unheard"] {
        assert_eq!(stored.get(key), None, "{key}");
    }
    assert_eq!(stored["before"].as_object().unwrap().len(), 4);
    assert_eq!(serde_json::from_value::<StoredDecision>(stored).unwrap(), decision);
}
