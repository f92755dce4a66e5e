//! What is at stake on a card, since when it waits, and which cards are alike.

use std::collections::BTreeSet;

use super::super::{Card, Entry, Need, Proposal, cards};
use super::{entry, id, minutes, only, party, pick, with};
use crate::domain::review::Review;
use crate::domain::suspicion::tests::samples::{DAY, TEN};

/// Seven people, of whom one is named: 630 minutes.
fn occasion() -> Entry {
    let record = with(pick(9), |pick| {
        pick.activity.parties = vec![minutes(1, 90)];
        (pick.activity.people, pick.activity.person_minutes) = (Some(7), Some(630));
    });
    entry(record, &[Need::Rules])
}

fn part(number: u128, given: i64, needs: &[Need]) -> Entry {
    let record = with(pick(number), |part| {
        part.activity.parties = vec![minutes(number, given)];
        part.activity.part_of = Some(id(9));
    });
    entry(record, needs)
}

fn approved_after(card: &Card) -> Option<i64> {
    let approval = card.suggested.iter().find(|one| matches!(one.proposal, Proposal::Approve { .. }));
    approval.and_then(|approval| approval.minutes_after)
}

#[test]
fn what_approved_parts_take_is_not_at_stake_again() {
    let mut occasion = occasion();
    let mut there = part(2, 90, &[]);
    (there.review, there.moves) = (Review::Approved, 0);
    occasion.parts = [(id(2), 90)].into();
    occasion.moves = occasion.holds();
    let card = only(&[occasion.clone(), there.clone()], &[]);
    assert_eq!((card.minutes, approved_after(&card)), (540, Some(540)));
    // More than there is left: what is named stands.
    occasion.parts = [(id(2), 700)].into();
    assert_eq!(occasion.holds(), 90);
}

#[test]
fn an_occasion_and_the_parts_that_wait_with_it_hold_its_total_together() {
    let entries = [occasion(), part(2, 90, &[Need::Rules]), part(3, 60, &[Need::Rules])];
    let card = only(&entries, &[]);
    assert_eq!((card.minutes, approved_after(&card)), (630, Some(630)));
    // A part that was approved at 90 and says 60 now takes 60.
    let mut changed = entries.clone();
    changed[0].parts = [(id(3), 90)].into();
    changed[0].moves = changed[0].holds();
    assert_eq!(approved_after(&only(&changed, &[])), Some(630));
    // Of somebody who was not part of it nothing is taken.
    let mut declined = entries;
    declined[1].declined = [party(2)].into();
    assert_eq!(approved_after(&only(&declined, &[])), Some(630));
}

#[test]
fn a_card_waits_since_a_person_is_needed_and_not_since_the_record_came() {
    let mut old = entry(with(pick(1), |pick| pick.times.received_ms = TEN - 180 * DAY), &[Need::Reply]);
    old.waits_since_ms = Some(TEN);
    let more = entry(with(pick(2), |pick| pick.activity.parties = vec![minutes(2, 400)]), &[Need::Rules]);
    let cards = cards(&[old, more], &[]);
    assert_eq!(cards.iter().map(|card| card.id).collect::<Vec<_>>(), [id(2), id(1)], "more is at stake");
    assert_eq!(cards[1].waiting_since_ms, TEN);
}

#[test]
fn cards_that_wait_for_different_reasons_are_not_alike() {
    let needs = [Need::Edited, Need::Declined, Need::SecondPerson, Need::Rules, Need::Audit];
    let alike = |needs: &[Need]| only(&[entry(pick(1), needs)], &[]).likeness();
    let apart: BTreeSet<String> = needs.iter().map(|need| alike(&[*need])).collect();
    assert_eq!(apart.len(), needs.len(), "{apart:?}");
    assert_eq!(alike(&[Need::Rules, Need::Edited]), "edited+rules:approve");
    assert_eq!(alike(&[Need::Audit]), only(&[entry(pick(2), &[Need::Audit])], &[]).likeness());
}

#[test]
fn a_need_is_called_in_a_likeness_what_it_is_called_on_a_card() {
    let all = [
        Need::Conflict,
        Need::Unreadable,
        Need::UnknownParty,
        Need::DayMinutes,
        Need::OccasionTotal,
        Need::Edited,
        Need::SecondPerson,
        Need::Withdrawn,
        Need::Rules,
        Need::Declined,
        Need::Reply,
        Need::Audit,
    ];
    for need in all {
        assert_eq!(serde_json::to_value(need).expect("JSON"), need.word());
    }
}
