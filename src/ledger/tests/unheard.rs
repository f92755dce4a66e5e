//! What is said of a record or done to it outlives decisions that are taken back and merges that are taken apart.

use std::collections::BTreeMap;

use super::samples::{activity_id, approve, decision_id, frozen, new_version, party, pick, request};
use crate::domain::activity::Activity;
use crate::domain::ids::ActivityId;
use crate::domain::reply::ReplyKind;
use crate::domain::review::Review;
use crate::domain::rules::RulePack;
use crate::ledger::{
    Ask, Changed, Decider, Judgement, MergeRequest, NewVersion, Reclassification, Reply, Seen, Step,
    TakingUp, UnmergeRequest, apply, decide, member_edited, merge, replied, take_up, unmerge,
};

type Book = BTreeMap<ActivityId, Judgement>;

fn approved(record: &Activity) -> Judgement {
    take_up(&Judgement::default(), &new_version(1, record), TakingUp::Round, &RulePack::first()).after
}

fn says(before: &Judgement, kind: ReplyKind, who: u128) -> Judgement {
    replied(before, Reply { kind, by: party(who), at_desk: false }, |other| other == party(who))
}

fn declined(before: &Judgement, who: u128) -> Judgement {
    says(before, ReplyKind::Decline, who)
}

/// What party 9 decides.
fn decided(before: &Judgement, ask: Ask) -> Step {
    let number = 100 + u128::try_from(before.decision_seq).unwrap();
    let seen = (before.judged_version, before.decision_seq);
    decide(before, &request(number, seen, ask), &RulePack::first()).unwrap()
}

fn reclassified(before: &Judgement) -> Step {
    let programme = Some("parks".to_owned());
    decided(before, Ask::Reclassify(Reclassification { programme, ..Reclassification::default() }))
}

/// The latest decision is taken back.
fn undone(before: &Judgement, latest: &Step) -> Step {
    let latest = latest.decision.clone().unwrap();
    decided(before, Ask::Undo { decision: latest.id, before: Box::new(latest.before) })
}

fn seen(book: &Book, number: u128) -> Seen {
    let judgement = &book[&activity_id(number)];
    let (version, decision_seq) = (judgement.judged_version, judgement.decision_seq);
    Seen { activity: activity_id(number), version, decision_seq }
}

fn desk() -> Decider {
    Decider { party: party(9), aliases: Vec::new() }
}

/// The second is merged into the first, and these lines count for both.
fn merged(first: &Judgement, second: &Judgement, lines: &Activity) -> Book {
    let book: Book = [(activity_id(1), first.clone()), (activity_id(2), second.clone())].into();
    let request = MergeRequest {
        id: decision_id(50),
        decider: desk(),
        reason: Some("the same pick".to_owned()),
        canonical: seen(&book, 1),
        members: vec![seen(&book, 2)],
        decided: frozen(lines),
        reads: BTreeMap::new(),
    };
    let decisions = merge(&book, &request, &RulePack::first()).unwrap();
    decisions.into_iter().map(|(id, decision)| (id, apply(&book[&id], &decision))).collect()
}

/// Both stand alone again; party 7 is another id of party 2.
fn apart(book: &Book) -> [Judgement; 2] {
    let request = UnmergeRequest {
        id: decision_id(60),
        decider: desk(),
        reason: None,
        canonical: seen(book, 1),
        stands_for: [(party(7), party(2))].into(),
    };
    let decisions = unmerge(book, &request, &RulePack::first()).unwrap();
    let after: Book =
        decisions.into_iter().map(|(id, decision)| (id, apply(&book[&id], &decision))).collect();
    [1, 2].map(|number| after[&activity_id(number)].clone())
}

fn reviews(records: &[Judgement; 2]) -> [Review; 2] {
    [records[0].review(), records[1].review()]
}

#[test]
fn a_decline_outlives_the_undoing_of_a_decision_that_was_made_before_it() {
    let moved = reclassified(&approved(&pick(&[(0, 90), (1, 60)])));
    let said = declined(&moved.after, 1);
    assert_eq!(said.review(), Review::EditedAfterApproval);
    let back = undone(&said, &moved);
    assert_eq!((back.after.review(), back.after.minutes()), (Review::EditedAfterApproval, Some(150)));
    assert!(back.after.unheard.declined.contains_key(&party(1)));
    let again = undone(&back.after, &back);
    assert_eq!(again.after.review(), Review::EditedAfterApproval, "nor is it heard by a redo");
    let note = NewVersion { changed: Changed::Inert, ..new_version(2, &pick(&[(0, 90), (1, 60)])) };
    let noted = take_up(&again.after, &note, TakingUp::BeforeDecision, &RulePack::first()).after;
    assert_eq!(noted.review(), Review::EditedAfterApproval, "a note is no way around it");
}

#[test]
fn a_decline_that_was_heard_waits_again_only_while_that_decision_is_taken_back() {
    let said = declined(&approved(&pick(&[(0, 90), (1, 60)])), 1);
    let kept = decided(&said, Ask::Keep);
    assert_eq!((kept.after.review(), kept.after.unheard.is_empty()), (Review::Approved, true));
    let back = undone(&kept.after, &kept);
    assert_eq!((back.after.review(), &back.after.unheard), (Review::EditedAfterApproval, &said.unheard));
    assert_eq!(undone(&back.after, &back).after.review(), Review::Approved, "kept once more");
    let without = decided(&said, approve(frozen(&pick(&[(0, 90)]))));
    assert_eq!(without.after.review(), Review::Approved);
    for not_about_it in [reclassified(&said), decided(&said, Ask::AskForChanges)] {
        assert_eq!(not_about_it.after.unheard, said.unheard);
    }
}

#[test]
fn a_decline_of_what_is_rejected_counts_once_the_rejection_is_taken_back() {
    let rejected = decided(&approved(&pick(&[(0, 90), (1, 60)])), Ask::Reject);
    let said = declined(&rejected.after, 1);
    assert_eq!(said.review(), Review::Rejected);
    let note = NewVersion { changed: Changed::Inert, ..new_version(2, &pick(&[(0, 90), (1, 60)])) };
    let noted = take_up(&said, &note, TakingUp::Round, &RulePack::first()).after;
    assert_eq!(noted.review(), Review::Rejected, "it is rejected still");
    assert_eq!(undone(&said, &rejected).after.review(), Review::EditedAfterApproval);
}

#[test]
fn a_members_edit_outlives_the_undoing_of_a_decision_that_was_made_before_it() {
    let book = merged(&approved(&pick(&[(0, 90)])), &approved(&pick(&[(2, 80)])), &pick(&[(0, 90), (2, 80)]));
    let moved = reclassified(&book[&activity_id(1)]);
    let edited = member_edited(&moved.after);
    assert_eq!(edited.review(), Review::EditedAfterApproval);
    assert_eq!(undone(&edited, &moved).after.review(), Review::EditedAfterApproval);
    let kept = decided(&edited, Ask::Keep);
    assert_eq!(kept.after.review(), Review::Approved);
}

#[test]
fn who_declines_a_member_is_remembered_when_the_merge_is_taken_apart() {
    let (mine, theirs) = (pick(&[(0, 90), (1, 60)]), pick(&[(2, 80), (1, 60)]));
    let mut book = merged(&approved(&mine), &approved(&theirs), &pick(&[(0, 90), (1, 60), (2, 80)]));
    let member = declined(&book[&activity_id(2)], 1);
    book.insert(activity_id(2), member);
    let canonical = member_edited(&book[&activity_id(1)]);
    assert_eq!(canonical.review(), Review::EditedAfterApproval);
    // Whatever is decided about the merged record is not about the member's own lines.
    book.insert(activity_id(1), decided(&canonical, Ask::Keep).after);
    let after = apart(&book);
    assert_eq!(reviews(&after), [Review::Approved, Review::EditedAfterApproval], "only of the other one");
    assert!(after[1].unheard.declined.contains_key(&party(1)));
}

#[test]
fn who_declines_a_merged_record_is_remembered_by_those_that_credit_them_by_themselves() {
    // The member credits party 2 by another of its ids.
    let book = merged(
        &approved(&pick(&[(0, 90)])),
        &approved(&pick(&[(3, 80), (7, 60)])),
        &pick(&[(0, 90), (2, 60)]),
    );
    let said = |canonical: Judgement| {
        let mut book = book.clone();
        book.insert(activity_id(1), canonical);
        apart(&book)
    };
    let before = book[&activity_id(1)].clone();
    assert_eq!(reviews(&said(before.clone())), [Review::Approved, Review::Approved]);
    let declining = declined(&before, 2);
    let waits = [Review::Approved, Review::EditedAfterApproval];
    assert_eq!(reviews(&said(declining.clone())), waits);
    let without = decided(&declining, approve(frozen(&pick(&[(0, 90)])))).after;
    assert_eq!(without.review(), Review::Approved);
    assert_eq!(reviews(&said(without)), waits, "the member's own lines credit them still");
    let accepted = says(&declining, ReplyKind::Accept, 2);
    assert_eq!(reviews(&said(accepted)), [Review::Approved, Review::Approved], "they took it back");
}

#[test]
fn who_declined_before_a_merge_is_remembered_after_it() {
    let said = declined(&approved(&pick(&[(2, 80), (1, 60)])), 1);
    let book = merged(&approved(&pick(&[(0, 90)])), &said, &pick(&[(0, 90), (2, 80)]));
    assert!(book.values().all(|record| record.review() == Review::Approved && record.unheard.is_empty()));
    let after = apart(&book);
    assert_eq!(reviews(&after), [Review::Approved, Review::EditedAfterApproval]);
    assert_eq!(after[1].unheard, said.unheard);
}

#[test]
fn who_takes_a_decline_back_is_not_named_again_by_an_undo_or_by_the_end_of_a_merge() {
    let said = declined(&approved(&pick(&[(0, 90), (1, 60)])), 1);
    let waits = |record: &Judgement| {
        let names = record.unheard.declined.contains_key(&party(1));
        (record.review(), names)
    };
    for decision in [reclassified(&said), decided(&said, Ask::Keep)] {
        let accepted = says(&decision.after, ReplyKind::Accept, 1);
        let back = undone(&accepted, &decision).after;
        assert_eq!(waits(&back), (Review::EditedAfterApproval, false), "a person decides all the same");
        let again = declined(&accepted, 1);
        assert_eq!(waits(&undone(&again, &decision).after), (Review::EditedAfterApproval, true));
    }
    let mut book = merged(&approved(&pick(&[(0, 90)])), &said, &pick(&[(0, 90), (1, 60)]));
    let accepted = says(&book[&activity_id(2)], ReplyKind::Accept, 1);
    book.insert(activity_id(2), accepted);
    assert_eq!(waits(&apart(&book)[1]), (Review::EditedAfterApproval, false));
}

#[test]
fn who_became_one_with_somebody_takes_back_what_either_said() {
    let said = declined(&approved(&pick(&[(0, 90), (1, 60)])), 1);
    let accept = Reply { kind: ReplyKind::Accept, by: party(5), at_desk: false };
    let both = |other| other == party(1) || other == party(5);
    let accepted = replied(&said, accept, both);
    assert!(accepted.unheard.declined.is_empty());
    let by_another = replied(&said, accept, |other| other == party(5));
    assert!(by_another.unheard.declined.contains_key(&party(1)), "somebody else's word takes back nothing");
}
