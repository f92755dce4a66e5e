//! Records for the tables of the rules: an ordinary pick, and how others differ from it.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use uuid::Uuid;

use super::super::{Evidence, Place, Record, Surroundings, Suspicion, Thresholds, Times, examine};
use crate::domain::activity::{Activity, Grades, Kind, PartyMinutes, Phase, Register, Tally};
use crate::domain::ids::{ActivityId, DaybookId, PartyId};

/// 2026-11-21, 10:00 in London.
pub const TEN: i64 = 1_795_255_200_000;
pub const MINUTE: i64 = 60_000;
pub const DAY: i64 = 24 * 60 * MINUTE;

pub fn id(number: u128) -> ActivityId {
    ActivityId(Uuid::from_u128(0xA0 + number))
}

pub fn party(number: u128) -> PartyId {
    PartyId(Uuid::from_u128(0xF0 + number))
}

pub fn photo(number: u8) -> String {
    format!("{number:064x}")
}

/// 90 minutes of one person at 10:00, without anything else; kept by the party of its number.
pub fn pick(number: u128) -> Record {
    let mut record = Record {
        id: id(number),
        daybook: DaybookId(Uuid::from_u128(0xD0 + number)),
        owner: party(number),
        activity: Activity {
            kind: Kind::LitterPick,
            day: day("2026-11-21"),
            started_at_ms: Some(TEN),
            phase: Phase::Delivery,
            programme: None,
            place_id: None,
            part_of: None,
            confirms: None,
            parties: vec![minutes(number, 90)],
            people: None,
            person_minutes: None,
            tallies: Vec::new(),
            grades: Grades::default(),
            withdrawn: false,
        },
        times: Times { recorded_ms: TEN + 100 * MINUTE, received_ms: TEN + 3 * DAY, skew_ms: None },
        zone: Tz::Europe__London,
        days: BTreeSet::new(),
        minutes: BTreeMap::new(),
        place: Some(Place { lat: 52.445, lon: -1.889, accuracy_m: 0.0 }),
        photos: BTreeMap::new(),
        product: None,
        brand: None,
        year: None,
        age_years: None,
        service_code: None,
        fixes_request: None,
        source: None,
        setting: None,
    };
    record.derive();
    record
}

/// Another record, changed.
pub fn with(mut record: Record, change: impl FnOnce(&mut Record)) -> Record {
    change(&mut record);
    record.derive();
    record
}

pub fn day(text: &str) -> chrono::NaiveDate {
    text.parse().expect("a day")
}

pub fn minutes(number: u128, minutes: i64) -> PartyMinutes {
    PartyMinutes { party_id: party(number), organisation_id: None, minutes }
}

pub fn tally(item: &str, count: i64) -> Tally {
    let registers = vec![Register { register: "a".to_owned(), count }];
    Tally { item: item.to_owned(), seen: false, count, registers }
}

/// A place so many metres north of the pick's.
pub fn north(metres: f64, accuracy_m: f64) -> Option<Place> {
    Some(Place { lat: 52.445 + metres / 111_195.08, lon: -1.889, accuracy_m })
}

/// What the rules find with the default thresholds.
pub fn found(record: &Record, around: &Surroundings) -> Vec<Suspicion> {
    examine(record, around, &Thresholds::default())
}

/// What they find between two records, from both sides the same.
pub fn between(a: &Record, b: &Record) -> Vec<Suspicion> {
    let beside =
        |one: &Record| Surroundings { neighbours: vec![one.clone().into()], ..Surroundings::default() };
    let pairs = |found: Vec<Suspicion>| -> Vec<Suspicion> {
        found.into_iter().filter(|suspicion| suspicion.about.len() > 1).collect()
    };
    let (from_a, from_b) = (pairs(found(a, &beside(b))), pairs(found(b, &beside(a))));
    assert_eq!(from_a, from_b, "a rule between two records is symmetric");
    from_a
}

/// Their codes.
pub fn codes(found: &[Suspicion]) -> Vec<&'static str> {
    found.iter().map(|suspicion| suspicion.kind().code()).collect()
}

/// The evidence of the only suspicion.
pub fn only(found: Vec<Suspicion>) -> Evidence {
    let [one] = <[Suspicion; 1]>::try_from(found).expect("one suspicion");
    one.evidence
}
