//! The worked examples.

use super::samples::{
    account, activity_id, approve, corrected, decision_id, frozen, holding, minutes, neighbourhood,
    new_version, party, pick, request,
};
use crate::domain::activity::Activity;
use crate::domain::review::{Conflict, Review};
use crate::domain::rules::{Mode, RulePack};
use crate::ledger::{
    Ask, Corrections, Judgement, Step, StoredDecision, TakingUp, Transfer, decide, post, take_up,
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
        self.decide(Ask::Undo { decision: latest.id, before: Some(Box::new(latest.before)) });
    }

    fn done(&mut self, step: Step) {
        self.judgement = step.after;
        self.latest = step.decision.or(self.latest.take());
        self.post(0);
    }

    /// Posts, and gives the number of new transfers.
    fn post(&mut self, parts: i64) -> usize {
        let posting = post(&self.judgement, neighbourhood(), activity_id(1), parts, holding());
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
