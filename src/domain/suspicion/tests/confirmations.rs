//! Confirmations by the beneficiary, and back and forth.

use super::samples::{between, codes, day, found, id, minutes, only, party, pick, with};
use crate::domain::suspicion::{Confirmation, Evidence, Record, Surroundings};

/// A confirmation of record 1, kept by a party.
fn confirming(number: u128) -> Record {
    with(pick(9), |confirming| {
        confirming.owner = party(number);
        confirming.daybook = pick(number).daybook;
        confirming.activity.confirms = Some(id(1));
        confirming.activity.parties = Vec::new();
    })
}

#[test]
fn nobody_confirms_what_only_they_gain_by() {
    let Evidence::OwnConfirmation(evidence) = only(between(&pick(1), &confirming(1))) else { panic!() };
    assert_eq!(evidence.confirmer, party(1));
    let on_behalf = with(pick(1), |on_behalf| on_behalf.activity.parties = vec![minutes(2, 90)]);
    assert_eq!(codes(&between(&on_behalf, &confirming(2))), ["own_confirmation"], "recorded for them");
    assert_eq!(codes(&between(&on_behalf, &confirming(1))), ["own_confirmation"], "by its recorder");
}

#[test]
fn whoever_was_there_confirms_the_others() {
    assert_eq!(between(&pick(1), &confirming(2)), [], "somebody else");
    let both = with(pick(1), |both| both.activity.parties.push(minutes(2, 90)));
    assert_eq!(between(&both, &confirming(2)), [], "named among others");
    let elsewhere = with(pick(3), |other| other.activity.parties = vec![minutes(3, 90)]);
    assert_eq!(between(&elsewhere, &confirming(3)), [], "a confirmation of another record");
}

fn habit(forth: usize, back: usize, others: usize) -> Vec<Confirmation> {
    let of = |by, of, times| {
        let one = Confirmation { by: party(by), of: party(of), day: day("2026-11-14") };
        std::iter::repeat_n(one, times)
    };
    of(2, 1, forth).chain(of(1, 2, back)).chain(of(2, 3, others)).collect()
}

fn mutual(confirmations: Vec<Confirmation>) -> Vec<(i64, i64, i64)> {
    let around = Surroundings { neighbours: vec![pick(1).into()], confirmations, ..Surroundings::default() };
    let found = found(&confirming(2), &around);
    let habits = found.into_iter().filter_map(|suspicion| match suspicion.evidence {
        Evidence::MutualConfirmation(evidence) => {
            Some((evidence.forth, evidence.back, evidence.share_percent))
        }
        _ => None,
    });
    habits.collect()
}

#[test]
fn a_habit_is_three_each_way_and_hardly_anybody_else() {
    assert_eq!(mutual(habit(3, 3, 0)), [(3, 3, 100)]);
    assert_eq!(mutual(habit(2, 9, 0)), [], "one of the two does it twice");
    assert_eq!(mutual(habit(9, 0, 0)), [], "a warden confirms");
    assert_eq!(mutual(habit(3, 3, 2)), [(3, 3, 75)]);
    assert_eq!(mutual(habit(3, 3, 3)), [], "they confirm others too");
    let mut old = habit(3, 3, 0);
    old[0].day = day("2026-10-25");
    assert_eq!(mutual(old.clone()), [(3, 3, 100)], "27 days ago");
    old[0].day = day("2026-10-24");
    assert_eq!(mutual(old), [], "28 days ago");
}

#[test]
fn a_habit_is_one_doubt_about_two_people_however_often_it_shows() {
    let second = with(pick(4), |second| second.owner = party(1));
    let both = with(confirming(2), |both| both.activity.confirms = Some(id(4)));
    let around = |neighbour: Record| Surroundings {
        neighbours: vec![neighbour.into()],
        confirmations: habit(4, 3, 0),
        ..Surroundings::default()
    };
    let first = found(&confirming(2), &around(pick(1)));
    let again = found(&both, &around(second));
    assert_eq!((codes(&first), codes(&again)), (vec!["mutual_confirmation"], vec!["mutual_confirmation"]));
    assert_eq!(first[0].key(), again[0].key());
    assert_ne!(first[0].about, again[0].about);
}
