//! One event logged by two, and a person's time in two records.

use super::samples::{
    MINUTE, TEN, between, codes, id, minutes, north, only, party, photo, pick, tally, with,
};
use crate::domain::activity::Kind;
use crate::domain::suspicion::{Evidence, Record};

/// Asha's and Ben's records of one pick: each names both.
fn asha() -> Record {
    with(pick(1), |asha| asha.activity.parties = vec![minutes(1, 90), minutes(2, 90)])
}

fn ben() -> Record {
    with(pick(2), |ben| {
        ben.activity.parties = vec![minutes(1, 100), minutes(2, 100)];
        ben.activity.started_at_ms = Some(TEN + 10 * MINUTE);
        ben.place = north(40.0, 0.0);
    })
}

fn untimed(record: Record) -> Record {
    with(record, |record| record.activity.started_at_ms = None)
}

fn is_same_event(a: &Record, b: &Record) -> bool {
    codes(&between(a, b)).contains(&"same_event")
}

#[test]
fn the_pick_of_annex_b_is_found_with_its_figures() {
    let found = between(&asha(), &ben());
    assert_eq!(codes(&found), ["same_event", "overlap"]);
    assert_eq!(found[0].about, [id(1), id(2)]);
    let Evidence::SameEvent(evidence) = &found[0].evidence else { panic!("{found:?}") };
    assert_eq!(evidence.distance_m, Some(40));
    assert_eq!((evidence.overlap_minutes, evidence.overlap_percent), (Some(80), Some(88)));
    assert_eq!(evidence.shared_parties, [party(1), party(2)]);
    let Evidence::Overlap(evidence) = &found[1].evidence else { panic!("{found:?}") };
    assert_eq!(evidence.people.iter().map(|of| of.minutes).collect::<Vec<_>>(), [80, 80]);
}

/// A change that makes another record of Ben's.
type Change = Box<dyn Fn(&mut Record)>;

#[test]
fn what_is_one_event_and_what_only_looks_like_it() {
    let table: Vec<(&str, bool, Change)> = vec![
        ("as it is", true, Box::new(|_| {})),
        ("100 m away", true, Box::new(|ben| ben.place = north(100.0, 0.0))),
        ("101 m away", false, Box::new(|ben| ben.place = north(101.0, 0.0))),
        ("101 m away, by a fix that is 30 m off", true, Box::new(|ben| ben.place = north(101.0, 30.0))),
        ("220 m away, by a fix that is 5 km off", false, Box::new(|ben| ben.place = north(220.0, 5_000.0))),
        ("no place, same people and time", true, Box::new(|ben| ben.place = None)),
        ("45 of 90 minutes", true, Box::new(|ben| ben.activity.started_at_ms = Some(TEN + 45 * MINUTE))),
        ("44 of 90 minutes", false, Box::new(|ben| ben.activity.started_at_ms = Some(TEN + 46 * MINUTE))),
        ("right after", false, Box::new(|ben| ben.activity.started_at_ms = Some(TEN + 90 * MINUTE))),
        ("on the next day", false, Box::new(|ben| ben.activity.started_at_ms = Some(TEN + 1_440 * MINUTE))),
        ("a repair", false, Box::new(|ben| ben.activity.kind = Kind::Repair)),
        ("a part of it", false, Box::new(|ben| ben.activity.part_of = Some(id(1)))),
        ("each only their own minutes", false, Box::new(|ben| ben.activity.parties = vec![minutes(2, 90)])),
        ("taken back", false, Box::new(|ben| ben.activity.withdrawn = true)),
    ];
    let asha = with(asha(), |asha| asha.activity.parties = vec![minutes(1, 90)]);
    for (what, expected, change) in table {
        assert_eq!(is_same_event(&asha, &with(ben(), &*change)), expected, "{what}");
    }
}

#[test]
fn people_without_a_name_may_be_those_of_the_other() {
    let seven = with(pick(1), |seven| {
        seven.activity.people = Some(7);
        seven.activity.person_minutes = Some(630);
    });
    assert!(is_same_event(&seven, &pick(2)), "the second may be one of the seven");
    let one = with(pick(1), |one| one.activity.people = Some(1));
    assert!(!is_same_event(&one, &pick(2)), "each on their own");
    let part = with(pick(2), |part| part.activity.part_of = Some(id(1)));
    assert!(!is_same_event(&seven, &part), "says that it is a part");
    let same_daybook = with(pick(2), |own| own.daybook = seven.daybook);
    assert!(!is_same_event(&seven, &same_daybook), "one's own second record");
}

#[test]
fn a_photo_or_three_counts_in_common_tell_of_one_event() {
    let counted = |number, counts: &[(&str, i64)]| {
        with(pick(number), |record| {
            record.activity.tallies = counts.iter().map(|(item, count)| tally(item, *count)).collect();
        })
    };
    let three = [("bags", 2), ("smoking.butts", 41), ("softdrinks.can", 9)];
    assert!(is_same_event(&counted(1, &three), &counted(2, &three)));
    assert!(!is_same_event(&counted(1, &three), &counted(2, &three[..2])), "one counts less");
    assert!(!is_same_event(&counted(1, &three[..1]), &counted(2, &three[..1])), "two bags each");
    let shown = |number| {
        with(pick(number), |record| {
            record.photos.insert(photo(1), TEN);
        })
    };
    assert_eq!(codes(&between(&shown(1), &shown(2))), ["same_event", "photo_seen_before"]);
    let far = with(shown(2), |far| far.place = north(5_000.0, 0.0));
    assert!(is_same_event(&shown(1), &far), "one of the places is off");
}

#[test]
fn without_times_it_takes_more() {
    let (asha, ben) = (untimed(asha()), untimed(ben()));
    assert!(is_same_event(&asha, &ben), "two tell of the same two people");
    assert!(is_same_event(&asha, &with(ben.clone(), |ben| ben.place = None)));
    assert!(!is_same_event(&asha, &with(ben.clone(), |ben| ben.place = north(400.0, 0.0))));
    let again = with(asha.clone(), |again| again.id = id(9));
    assert!(is_same_event(&asha, &again), "one phone sent it twice, under two ids");
    let second = with(again, |second| second.activity.parties = vec![minutes(1, 45), minutes(2, 45)]);
    assert!(!is_same_event(&asha, &second), "a second pick on the same day");
    let later = with(ben, |later| later.activity.day = later.activity.day.succ_opt().expect("a day"));
    assert!(!is_same_event(&asha, &later));
}

#[test]
fn a_repairer_mends_more_than_one_thing_a_day() {
    let repair = |number, product: Option<&str>| {
        with(untimed(asha()), |repair| {
            repair.id = id(number);
            repair.daybook = pick(number).daybook;
            repair.owner = party(number);
            repair.activity.kind = Kind::Repair;
            repair.product = product.map(str::to_owned);
        })
    };
    assert!(is_same_event(&repair(1, Some("kettle")), &repair(2, Some("kettle"))));
    assert!(!is_same_event(&repair(1, Some("kettle")), &repair(2, Some("toaster"))));
    let branded = |number, brand: &str| {
        with(repair(number, Some("kettle")), |repair| repair.brand = Some(brand.to_owned()))
    };
    assert!(!is_same_event(&branded(1, "acme"), &branded(2, "omega")));
    assert!(is_same_event(&branded(1, "acme"), &repair(2, Some("kettle"))));
}

#[test]
fn a_street_fix_is_at_one_spot() {
    let fix = |number, metres, code: &str| {
        with(pick(number), |fix| {
            fix.activity.kind = Kind::StreetFix;
            fix.activity.parties = vec![minutes(1, 30)];
            fix.place = north(metres, 0.0);
            fix.service_code = Some(code.to_owned());
        })
    };
    assert!(is_same_event(&fix(1, 0.0, "graffiti"), &fix(2, 50.0, "graffiti")));
    assert!(!is_same_event(&fix(1, 0.0, "graffiti"), &fix(2, 51.0, "graffiti")));
    assert!(!is_same_event(&fix(1, 0.0, "graffiti"), &fix(2, 5.0, "pothole")));
}

#[test]
fn every_shared_moment_of_a_person_counts_and_none_that_only_touches() {
    let later = |ms| {
        let hours = with(pick(2), |hours| {
            hours.activity.kind = Kind::Hours;
            hours.activity.parties = vec![minutes(1, 30)];
            hours.activity.started_at_ms = Some(TEN + ms);
        });
        between(&pick(1), &hours)
    };
    assert_eq!(later(90 * MINUTE), []);
    let Evidence::Overlap(evidence) = only(later(90 * MINUTE - 1)) else { panic!() };
    assert_eq!((evidence.people[0].minutes, evidence.clocked), (1, true));
    let Evidence::Overlap(evidence) = only(later(70 * MINUTE)) else { panic!() };
    assert_eq!(evidence.people[0].minutes, 20);
    let others = with(pick(2), |others| others.activity.kind = Kind::Hours);
    assert_eq!(between(&pick(1), &others), [], "another person's time");
    let present = with(others, |present| present.activity.parties.push(minutes(1, 0)));
    assert_eq!(between(&pick(1), &present), [], "named without minutes");
}

#[test]
fn whoever_an_occasion_names_cannot_claim_a_part_for_the_same_time() {
    let occasion = untimed(asha());
    let part = with(untimed(pick(2)), |part| part.activity.part_of = Some(id(1)));
    let Evidence::Overlap(evidence) = only(between(&occasion, &part)) else { panic!() };
    assert_eq!((evidence.people[0].party, evidence.people[0].minutes), (party(2), 90));
    assert!(!evidence.clocked);
    let unnamed = with(part.clone(), |part| part.activity.parties = vec![minutes(3, 90)]);
    assert_eq!(between(&occasion, &unnamed), [], "one of the unnamed");
    let timed = |record: Record, start| {
        with(record, |record| record.activity.started_at_ms = Some(TEN + start * MINUTE))
    };
    assert_eq!(between(&timed(occasion, 0), &timed(part, 90)), [], "in the morning, and after it");
}

#[test]
fn one_photo_may_stand_in_an_occasion_its_parts_and_a_confirmation() {
    let shown = |number| {
        with(pick(number), |record| {
            record.photos.insert(photo(1), TEN);
        })
    };
    let far = |record| {
        with(record, |far| {
            far.activity.started_at_ms = Some(TEN + 3 * 1_440 * MINUTE);
            far.activity.day = far.activity.day + chrono::Days::new(3);
        })
    };
    let Evidence::PhotoSeenBefore(evidence) = only(between(&shown(1), &far(shown(2)))) else { panic!() };
    assert_eq!((evidence.photos, evidence.same_daybook, evidence.days_apart), (vec![photo(1)], false, 3));
    let part = with(shown(2), |part| part.activity.part_of = Some(id(1)));
    assert_eq!(between(&shown(1), &part), []);
    let confirming = with(shown(2), |confirming| confirming.activity.confirms = Some(id(1)));
    assert_eq!(between(&shown(1), &confirming), []);
    let other = with(pick(2), |other| {
        other.photos.insert(photo(2), TEN);
    });
    assert_eq!(between(&shown(1), &other), [], "before and after are two photos");
    assert_eq!(between(&shown(1), &shown(1)), [], "an older version of the same record");
}
