//! People under age, phones that changed hands, and parts that take more than is left.

use super::samples::{codes, found, id, minutes, party, pick, with};
use crate::domain::suspicion::{Claim, Delivery, Evidence, Person, Surroundings, Thresholds, examine};

fn with_minor(supervisor: u128) -> Surroundings {
    let minor = Person { minor: true, supervisors: [party(supervisor)].into() };
    Surroundings {
        people: [(party(5), minor), (party(1), Person::default())].into(),
        ..Surroundings::default()
    }
}

#[test]
fn a_minor_is_named_with_a_supervisor() {
    let pick = with(pick(1), |pick| pick.activity.parties.push(minutes(5, 0)));
    assert_eq!(codes(&found(&pick, &with_minor(1))), Vec::<&str>::new(), "the supervisor keeps the record");
    let kept = with(pick.clone(), |kept| kept.activity.parties = vec![minutes(5, 60)]);
    assert_eq!(codes(&found(&kept, &with_minor(1))), Vec::<&str>::new(), "and need not be named in it");
    let alone = found(&pick, &with_minor(2));
    assert_eq!(codes(&alone), ["minor_present"]);
    let Evidence::MinorPresent(evidence) = &alone[0].evidence else { panic!() };
    assert_eq!((&evidence.minors[..], &evidence.unsupervised[..]), (&[party(5)][..], &[party(5)][..]));
    let there = with(pick.clone(), |there| there.activity.parties.push(minutes(2, 90)));
    assert_eq!(codes(&found(&there, &with_minor(2))), Vec::<&str>::new(), "the supervisor is named");
    assert_eq!(codes(&found(&super::samples::pick(1), &with_minor(2))), Vec::<&str>::new(), "only adults");
    let strict = Thresholds { minors_with_supervisor_pass: false, ..Thresholds::default() };
    assert_eq!(codes(&examine(&there, &with_minor(2), &strict)), ["minor_present"]);
}

#[test]
fn a_writer_whose_changes_another_brings_is_carried() {
    let around = |deliveries: Vec<Delivery>| Surroundings { deliveries, ..Surroundings::default() };
    let by = |by, before: Option<u128>| Delivery { by: party(by), before: before.map(party) };
    let codes = |deliveries| codes(&found(&pick(1), &around(deliveries)));
    assert_eq!(codes(vec![by(1, None), by(2, None)]), Vec::<&str>::new(), "two members, each their own");
    assert_eq!(codes(vec![by(1, Some(1))]), Vec::<&str>::new(), "the same person, on whatever device");
    assert_eq!(codes(vec![by(1, Some(1)), by(2, Some(1))]), ["carried"]);
    assert_eq!(codes(vec![]), Vec::<&str>::new(), "a resident's own daybook");
}

#[test]
fn a_part_takes_what_is_left_and_no_more() {
    let part = with(pick(1), |part| part.activity.part_of = Some(id(7)));
    let left = |total| {
        let claim = Claim { part: id(1), occasion: id(7), claimed: 90, total, named: 270, other_parts: 180 };
        Surroundings { claims: vec![claim], ..Surroundings::default() }
    };
    assert_eq!(found(&part, &left(540)), []);
    let over = found(&part, &left(539));
    assert_eq!((codes(&over), &over[0].about[..]), (vec!["over_claimed"], &[id(1), id(7)][..]));
    let Evidence::OverClaimed(evidence) = &over[0].evidence else { panic!() };
    assert_eq!((evidence.claimed, evidence.remainder), (90, 89));
    assert_eq!(found(&pick(7), &left(539)), over, "the occasion says the same");
}

#[test]
fn what_was_taken_back_raises_nothing() {
    let withdrawn = with(pick(1), |withdrawn| {
        withdrawn.activity.parties = vec![minutes(5, 1_440)];
        withdrawn.activity.withdrawn = true;
    });
    assert_eq!(found(&withdrawn, &with_minor(2)), []);
}
