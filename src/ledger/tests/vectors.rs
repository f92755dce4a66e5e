//! The worked examples.

use std::collections::BTreeMap;

use super::samples::{
    account, activity_id, approve, corrected, decision_id, frozen, holding, minutes, neighbourhood,
    new_version, party, pick, request, tally,
};
use crate::domain::activity::Activity;
use crate::domain::ids::ActivityId;
use crate::domain::review::{Conflict, Review};
use crate::domain::rules::{Mode, RulePack};
use crate::ledger::{
    Ask, Corrections, Decider, Decisions, Judgement, MergeRequest, Refusal, Seen, Step, StoredDecision,
    TakingUp, Transfer, UnmergeRequest, apply, decide, merge, merged_lines, post, take_up, unmerge,
};

/// One activity with its ledger.
#[derive(Default)]
struct Book {
    judgement: Judgement,
    transfers: Vec<Transfer>,
    latest: Option<StoredDecision>,
    decisions: u128,
}

impl Book {
    fn of(activity: &Activity) -> Self {
        let mut book = Self::default();
        book.version(activity);
        book
    }

    /// Takes up the next version without rules.
    fn version(&mut self, activity: &Activity) {
        let new = new_version(self.judgement.judged_version + 1, activity);
        let pack = RulePack { mode: Mode::Coordinator, ..RulePack::first() };
        let step = take_up(&self.judgement, &new, TakingUp::Round, &pack);
        self.done(step);
    }

    fn decide(&mut self, ask: Ask) {
        self.decisions += 1;
        let seen = (self.judgement.judged_version, self.judgement.decision_seq);
        let request = request(self.decisions, seen, ask);
        let step = decide(&self.judgement, &request, &RulePack::first()).unwrap();
        self.done(step);
    }

    fn undo(&mut self) {
        let latest = self.latest.clone().unwrap();
        self.decide(Ask::Undo { decision: latest.id, before: Box::new(latest.before) });
    }

    fn done(&mut self, step: Step) {
        self.judgement = step.after;
        self.latest = step.decision.or(self.latest.take());
        self.post(0);
    }

    /// Posts, and gives the number of new transfers.
    fn post(&mut self, parts: i64) -> usize {
        let posting = post(&self.judgement, neighbourhood(), activity_id(1), parts, holding(), |id| id);
        self.judgement = posting.after;
        let new = posting.transfers.len();
        self.transfers.extend(posting.transfers);
        new
    }

    fn balance(&self, number: u128) -> i64 {
        let of = self.transfers.iter().filter(|transfer| transfer.line.account == account(number));
        of.map(|transfer| transfer.line.minutes).sum()
    }

    fn held(&self) -> i64 {
        let of = self.transfers.iter().filter(|transfer| transfer.line.account == holding());
        of.map(|transfer| transfer.line.minutes).sum()
    }
}

fn occasion() -> Activity {
    Activity { people: Some(7), person_minutes: Some(630), ..pick(&[(0, 90), (1, 90), (2, 90)]) }
}

#[test]
fn vector_1_seven_people_three_named_and_a_fourth_claims_later() {
    let mut book = Book::of(&occasion());
    book.decide(approve(frozen(&occasion())));
    assert_eq!([0, 1, 2].map(|number| book.balance(number)), [90; 3]);
    assert_eq!(book.held(), 360);

    let claim = Activity { part_of: Some(activity_id(1)), person_minutes: Some(500), ..pick(&[(3, 90)]) };
    let mut part = Book::of(&claim);
    part.decide(approve(frozen(&claim)));
    assert_eq!(part.held(), 0, "a part has no remainder of its own");
    let (of, claimed) = part.judgement.claim().unwrap();
    assert_eq!((of, claimed), (activity_id(1), 90));
    assert_eq!(book.post(claimed), 1);
    assert_eq!((book.held(), part.balance(3)), (270, 90));
    let total =
        book.held() + [0, 1, 2].map(|number| book.balance(number)).iter().sum::<i64>() + part.balance(3);
    assert_eq!(total, 630);
}

#[test]
fn vector_3_a_correction_posts_one_transfer_of_the_difference() {
    let record = pick(&[(0, 90)]);
    let mut book = Book::of(&record);
    book.decide(approve(frozen(&record)));
    let corrections = Corrections { minutes: [(party(0), 60)].into(), ..Corrections::default() };
    let lines = corrected(&record, &corrections);
    book.decide(Ask::Approve { decided: Some(lines), corrected: true, conflict: Conflict::None });
    let posted: Vec<i64> = book.transfers.iter().map(|transfer| transfer.line.minutes).collect();
    assert_eq!(posted, [90, -30], "both figures stay on the statement");
    assert_eq!(minutes(&book.judgement.posted), [(account(0), 60)]);
}

#[test]
fn vector_4_the_balance_is_what_the_last_decision_says() {
    let record = pick(&[(0, 90)]);
    let mut book = Book::of(&record);
    let approve = || approve(frozen(&record));
    let mut seen = Vec::new();
    book.decide(approve());
    seen.push((book.balance(0), book.judgement.review()));
    book.undo();
    seen.push((book.balance(0), book.judgement.review()));
    book.decide(approve());
    seen.push((book.balance(0), book.judgement.review()));
    book.decide(Ask::Reject);
    seen.push((book.balance(0), book.judgement.review()));
    book.decide(approve());
    seen.push((book.balance(0), book.judgement.review()));
    book.undo();
    seen.push((book.balance(0), book.judgement.review()));
    book.undo();
    seen.push((book.balance(0), book.judgement.review()));
    let (yes, no) = ((90, Review::Approved), (0, Review::Rejected));
    assert_eq!(seen, [yes, (0, Review::Received), yes, no, yes, no, yes]);
    assert_eq!(book.judgement.latest_decision, Some(decision_id(7)));
}

#[test]
fn vector_6_an_occasion_that_nobody_approved_or_that_was_rejected_posts_nothing() {
    let mut book = Book::of(&occasion());
    assert_eq!(book.transfers, []);
    book.decide(Ask::Reject);
    assert_eq!(book.transfers, []);
    book.decide(approve(frozen(&occasion())));
    book.decide(Ask::Reject);
    assert_eq!((book.balance(0), book.held()), (0, 0));
    assert_eq!(book.judgement.posted, []);
}

/// The activity of a book, as its coordinators saw it.
fn seen(number: u128, book: &Book) -> Seen {
    Seen {
        activity: activity_id(number),
        version: book.judgement.judged_version,
        decision_seq: book.judgement.decision_seq,
    }
}

/// Carries the decisions of a merge out, one after the other.
fn put(decisions: Decisions, books: &mut [Book; 2]) {
    assert_eq!(decisions.len(), 2);
    for (id, decision) in decisions {
        let book = &mut books[usize::from(id != activity_id(1))];
        let posting = post(&apply(&book.judgement, &decision), neighbourhood(), id, 0, holding(), |id| id);
        book.judgement = posting.after;
        book.transfers.extend(posting.transfers);
    }
}

#[test]
fn vector_2_two_phones_log_the_same_pick() {
    let seven = |minutes, total, items| Activity {
        people: Some(7),
        person_minutes: Some(total),
        tallies: vec![tally(items)],
        ..pick(&[(0, minutes), (1, minutes), (2, minutes)])
    };
    let (mine, theirs) = (seven(90, 630, 40), seven(100, 700, 55));
    let mut books = [Book::of(&mine), Book::of(&theirs)];
    books[0].decide(approve(frozen(&mine)));
    books[1].decide(approve(frozen(&theirs)));
    let balances = |books: &[Book; 2]| {
        let of = |number| books.iter().map(|book| book.balance(number)).sum::<i64>();
        ([0, 1, 2].map(of), books.iter().map(Book::held).sum::<i64>())
    };
    let before = balances(&books);
    assert_eq!(before, ([190; 3], 360 + 400), "counted twice until somebody says so");

    // 90 minutes for the first two, 100 for the third; 630 in all.
    let chosen = Corrections {
        minutes: [(party(0), 90), (party(1), 90)].into(),
        person_minutes: Some(630),
        ..Corrections::default()
    };
    let decided = merged_lines(&frozen(&mine), &[frozen(&theirs)], &chosen, &BTreeMap::new()).unwrap();
    let items: Vec<_> = decided.report.iter().map(|figure| figure.count).collect();
    assert_eq!(items, [55], "items once, the greater count, not the sum");
    let decider = Decider { party: party(9), aliases: Vec::new() };
    let judgements = |books: &[Book; 2]| -> BTreeMap<ActivityId, Judgement> {
        (1..).map(activity_id).zip(books.iter().map(|book| book.judgement.clone())).collect()
    };
    let request = MergeRequest {
        id: decision_id(50),
        decider: decider.clone(),
        reason: Some("the same pick, logged by two".to_owned()),
        canonical: seen(1, &books[0]),
        members: vec![seen(2, &books[1])],
        decided,
        reads: BTreeMap::new(),
    };
    put(merge(&judgements(&books), &request, &RulePack::first()).unwrap(), &mut books);
    assert_eq!(balances(&books), ([90, 90, 100], 350), "one set of lines, 630 in all");
    assert_eq!(books[1].judgement.posted, [], "all of it stands with the canonical one");

    let request = UnmergeRequest {
        id: decision_id(60),
        decider,
        reason: None,
        canonical: seen(1, &books[0]),
        stands_for: BTreeMap::new(),
    };
    put(unmerge(&judgements(&books), &request, &RulePack::first()).unwrap(), &mut books);
    assert_eq!(balances(&books), before, "unmerged again: as before");
}

#[test]
fn vector_5_two_coordinators_decide_at_once_and_the_second_sees_why_not() {
    let record = pick(&[(0, 90)]);
    let book = Book::of(&record);
    let seen = (book.judgement.judged_version, book.judgement.decision_seq);
    let theirs = request(1, seen, approve(frozen(&record)));
    let mut mine = request(2, seen, Ask::Reject);
    mine.decider.party = party(8);
    let pack = RulePack::first();
    let first = decide(&book.judgement, &theirs, &pack).unwrap().after;
    let present = Refusal::VersionChanged { version: 1, decision_seq: 1, review: Review::Approved };
    assert_eq!(decide(&first, &mine, &pack), Err(present));
    let other = decide(&book.judgement, &mine, &pack).unwrap().after;
    let present = Refusal::VersionChanged { version: 1, decision_seq: 1, review: Review::Rejected };
    assert_eq!(decide(&other, &theirs, &pack), Err(present), "whoever comes first");
}
