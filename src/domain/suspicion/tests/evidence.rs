//! Fingerprints that noise does not change, doubts that stay settled, and words without blame.

use proptest::prelude::*;

use super::samples::{MINUTE, TEN, between, id, minutes, north, party, photo, pick, with};
use crate::domain::suspicion::{
    AlsoReported, Amount, Carried, Carrier, Change, Clock, ClockSign, ClockSkew, Elsewhere, Evidence,
    ImplausibleAmount, Known, Measure, MinorPresent, MutualConfirmation, OverClaimed, Overlap, OverlapOf,
    OwnConfirmation, PhotoSeenBefore, Record, Suspicion, SuspicionKind, compare,
};
use crate::domain::words::Language;

fn ben(metres: f64, start: i64, length: i64) -> Record {
    with(pick(2), |ben| {
        ben.activity.parties = vec![minutes(1, length), minutes(2, length)];
        ben.activity.started_at_ms = Some(TEN + start * MINUTE);
        ben.place = north(metres, 0.0);
    })
}

fn overlap(of: i64) -> Suspicion {
    let people = vec![OverlapOf { party: party(1), minutes: of }];
    Suspicion::new([id(2), id(1)], Evidence::Overlap(Overlap { people, clocked: true }))
}

/// One of each kind, in the order of the kinds.
fn one_of_each() -> Vec<Suspicion> {
    let same_event = between(&pick(1), &ben(40.0, 10, 90)).remove(0);
    let amounts = [
        Measure::PersonMinutes,
        Measure::MinutesEach,
        Measure::People,
        Measure::ItemsPerPersonMinute,
        Measure::Items,
        Measure::BagsPerPersonHour,
        Measure::BagWeightG,
        Measure::BagWeightGLow,
        Measure::WeightGPerPerson,
        Measure::ProductAgeYears,
        Measure::ProductYear,
    ];
    let amounts = amounts.map(|measure| Amount { measure, party: None, value: 2_100, bound: 480 }).to_vec();
    let signs = [
        Clock::Measured,
        Clock::RecordedAhead,
        Clock::StartedAhead,
        Clock::DayAhead,
        Clock::StartedAfterRecorded,
        Clock::Late,
        Clock::DayAndStartDiffer,
        Clock::PhotoAhead,
        Clock::PhotoFarFromDay,
    ];
    let signs = signs.map(|sign| ClockSign { sign, minutes: 75 }).to_vec();
    let alone = |evidence| Suspicion::new([id(1)], evidence);
    let two = |evidence| Suspicion::new([id(1), id(2)], evidence);
    vec![
        same_event,
        overlap(20),
        alone(Evidence::ImplausibleAmount(ImplausibleAmount { amounts })),
        alone(Evidence::ClockSkew(ClockSkew { signs })),
        two(Evidence::OwnConfirmation(OwnConfirmation { confirmer: party(1) })),
        two(Evidence::MutualConfirmation(MutualConfirmation {
            parties: [party(1), party(2)],
            forth: 3,
            back: 4,
            share_percent: 90,
            days: 28,
        })),
        two(Evidence::PhotoSeenBefore(PhotoSeenBefore {
            photos: vec![photo(1)],
            same_daybook: true,
            days_apart: 1,
        })),
        alone(Evidence::Carried(Carried { carriers: vec![Carrier { by: party(1), before: party(2) }] })),
        two(Evidence::OverClaimed(OverClaimed {
            occasion: id(2),
            claimed: 90,
            remainder: 60,
            total: 600,
            named: 500,
            other_parts: 40,
        })),
        alone(Evidence::MinorPresent(MinorPresent { minors: vec![party(1)], unsupervised: vec![party(1)] })),
        two(Evidence::AlsoReported(AlsoReported {
            how: Elsewhere::Imported,
            provider: Some("RepairMonitor".to_owned()),
            reference: Some("r_7".to_owned()),
            distance_m: Some(12),
            days_apart: 0,
        })),
    ]
}

#[test]
fn every_kind_has_words_without_blame_and_the_same_form_as_json() {
    let all = one_of_each();
    assert_eq!(all.iter().map(Suspicion::kind).collect::<Vec<_>>(), SuspicionKind::ALL);
    let keys: std::collections::BTreeSet<String> = all.iter().map(Suspicion::key).collect();
    assert_eq!(keys.len(), all.len());
    for suspicion in all {
        let kind = suspicion.kind();
        let json = serde_json::to_value(&suspicion).expect("JSON");
        assert_eq!(json["kind"], kind.code());
        assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.code());
        assert!(json["evidence"].is_object() && json["about"].is_array(), "{json}");
        assert_eq!(serde_json::from_value::<Suspicion>(json).expect("the same"), suspicion);
        let words = suspicion.words(Language::English);
        assert!(
            words.ends_with('.')
                && (words.chars().any(|c| c.is_ascii_digit()) || kind == SuspicionKind::OwnConfirmation),
            "{words}"
        );
        for blame in ["suspic", "fraud", "wrong", "false", "cheat", "too much", "invalid", "lie ", "fake"] {
            assert!(!words.to_lowercase().contains(blame), "{words}");
        }
    }
}

#[test]
fn words_carry_the_figures() {
    let all = one_of_each();
    let (event, overlap) = (&all[0], &all[1]);
    assert_eq!(
        event.words(Language::English),
        "Two records may tell of the same litter pick: 40 m apart, 80 minutes at the same time (88 % of the \
         shorter), 1 person in both."
    );
    assert_eq!(
        overlap.words(Language::English),
        "1 person's time is in two records: 20 minutes would count twice."
    );
}

proptest! {
    #[test]
    fn a_shaky_fix_and_a_minute_more_do_not_change_a_fingerprint(
        metres in 0.0..99.0_f64,
        start in 0..40_i64,
        length in 80..100_i64,
    ) {
        let fingerprint = |b: &Record| between(&pick(1), b).first().map(Suspicion::fingerprint);
        prop_assert_eq!(fingerprint(&ben(40.0, 10, 90)), fingerprint(&ben(metres, start, length)));
    }

    #[test]
    fn what_is_settled_is_not_raised_by_less(settled in 1..2_000_i64, less in 1..2_000_i64) {
        let (settled, less) = (settled.max(less), settled.min(less));
        let known = [Known { suspicion: overlap(settled), settled: true }];
        prop_assert_eq!(compare(id(1), vec![overlap(less)], &known), vec![]);
    }
}

#[test]
fn other_people_or_another_photo_are_another_fingerprint() {
    let fingerprint = |b: &Record| between(&pick(1), b)[0].fingerprint();
    let plain = fingerprint(&ben(40.0, 10, 90));
    let shown = |record: Record| {
        with(record, |shown| {
            shown.photos.insert(photo(1), TEN);
        })
    };
    let with_photo = between(&shown(pick(1)), &shown(ben(40.0, 10, 90)));
    assert_ne!(with_photo[0].fingerprint(), plain);
    let other = with(ben(40.0, 10, 90), |other| other.id = id(3));
    assert_ne!(fingerprint(&other), plain);
    assert_ne!(overlap(20).fingerprint(), overlap(40).fingerprint());
    assert_eq!(overlap(16).fingerprint(), overlap(31).fingerprint());
}

#[test]
fn a_settled_doubt_is_raised_again_only_on_new_evidence() {
    let known = |suspicion, settled| [Known { suspicion, settled }];
    let raised = |now: i64| compare(id(1), vec![overlap(now)], &known(overlap(20), true));
    assert_eq!(raised(20), []);
    assert_eq!(raised(30), [], "within the same power of two");
    assert_eq!(raised(32), [Change::Raise(overlap(32))]);
    let at_the_edge = compare(id(1), vec![overlap(32)], &known(overlap(31), true));
    assert_eq!(at_the_edge, [], "one minute more");
    let twice = [known(overlap(20), true), known(overlap(60), true)].concat();
    assert_eq!(compare(id(1), vec![overlap(40)], &twice), [], "the later one knew more");
}

#[test]
fn an_open_doubt_is_renewed_and_lapses_with_its_reason() {
    let open = |suspicion| [Known { suspicion, settled: false }];
    assert_eq!(compare(id(1), vec![overlap(20)], &open(overlap(20))), []);
    assert_eq!(compare(id(1), vec![overlap(5)], &open(overlap(20))), [Change::Renew(overlap(5))]);
    assert_eq!(compare(id(1), vec![], &open(overlap(20))), [Change::Lapse(overlap(20))]);
    assert_eq!(compare(id(3), vec![], &open(overlap(20))), [], "about other records");
    let settled = [Known { suspicion: overlap(20), settled: true }];
    assert_eq!(compare(id(1), vec![], &settled), []);
}

#[test]
fn a_doubt_about_two_people_gathers_the_records_it_shows_in() {
    let habit = |records: [u128; 2]| {
        let evidence = MutualConfirmation {
            parties: [party(1), party(2)],
            forth: 3,
            back: 3,
            share_percent: 100,
            days: 28,
        };
        Suspicion::new(records.map(id), Evidence::MutualConfirmation(evidence))
    };
    let known = [Known { suspicion: habit([1, 2]), settled: false }];
    let Some(Change::Renew(renewed)) = compare(id(3), vec![habit([3, 4])], &known).pop() else { panic!() };
    assert_eq!(renewed.about, [1, 2, 3, 4].map(id));
    assert_eq!(compare(id(1), vec![], &known), [], "one record less does not end a habit");
}
