//! Amounts: at each bound ordinary, one past it a question.

use super::samples::{found, minutes, pick, tally, with};
use crate::domain::activity::Kind;
use crate::domain::suspicion::{Amount, Evidence, Measure, Record, Surroundings, ThresholdFault, Thresholds};
use crate::domain::words::Language;

fn amounts(record: &Record) -> Vec<Amount> {
    let found = found(record, &Surroundings::default());
    let amounts = found.into_iter().filter_map(|suspicion| match suspicion.evidence {
        Evidence::ImplausibleAmount(evidence) => Some(evidence.amounts),
        _ => None,
    });
    amounts.flatten().collect()
}

fn measures(record: &Record) -> Vec<(Measure, i64)> {
    amounts(record).iter().map(|amount| (amount.measure, amount.value)).collect()
}

fn of_minutes(kind: Kind, given: i64) -> Record {
    with(pick(1), |record| {
        record.activity.kind = kind;
        record.activity.parties = vec![minutes(1, given)];
    })
}

fn counted(given: i64, counts: &[(&str, i64)]) -> Record {
    with(of_minutes(Kind::LitterPick, given), |record| {
        record.activity.tallies = counts.iter().map(|(item, count)| tally(item, *count)).collect();
    })
}

#[test]
fn minutes_of_a_person_have_a_bound_by_kind() {
    for (kind, most) in
        [(Kind::LitterPick, 360), (Kind::Repair, 300), (Kind::StreetFix, 360), (Kind::Hours, 480)]
    {
        assert_eq!(measures(&of_minutes(kind, most)), []);
        assert_eq!(measures(&of_minutes(kind, most + 1)), [(Measure::PersonMinutes, most + 1)]);
    }
    let twice = with(pick(1), |twice| {
        twice.activity.parties = vec![minutes(1, 200), minutes(1, 161), minutes(2, 360)];
    });
    assert_eq!(measures(&twice), [(Measure::PersonMinutes, 361)], "named twice, once for an organisation");
}

#[test]
fn an_occasion_is_bounded_in_people_and_in_minutes_of_each() {
    let occasion = |people, total| {
        with(pick(1), |occasion| {
            occasion.activity.people = Some(people);
            occasion.activity.person_minutes = Some(total);
        })
    };
    assert_eq!(measures(&occasion(7, 7 * 90)), []);
    assert_eq!(measures(&occasion(250, 250 * 360)), []);
    assert_eq!(measures(&occasion(251, 251 * 90)), [(Measure::People, 251)]);
    assert_eq!(measures(&occasion(2, 2 * 361)), [(Measure::MinutesEach, 361)]);
    assert_eq!(measures(&occasion(0, 90)), [], "nobody counted them");
}

#[test]
fn items_have_a_rate_per_person_and_minute() {
    assert_eq!(measures(&counted(10, &[("smoking.butts", 300)])), []);
    assert_eq!(measures(&counted(10, &[("smoking.butts", 301)])), [(Measure::ItemsPerPersonMinute, 31)]);
    assert_eq!(measures(&counted(1, &[("smoking.butts", 199)])), [], "a heap, counted at a glance");
    let four = with(counted(10, &[("smoking.butts", 1_200)]), |four| four.activity.person_minutes = Some(40));
    assert_eq!(measures(&four), [], "four people picked");
    assert_eq!(measures(&counted(0, &[("smoking.butts", 5_400)])), []);
    assert_eq!(measures(&counted(0, &[("smoking.butts", 5_401)])), [(Measure::Items, 5_401)]);
    let seen = with(counted(10, &[("smoking.butts", 9_000)]), |seen| seen.activity.tallies[0].seen = true);
    assert_eq!(measures(&seen), [], "only seen");
}

#[test]
fn bags_have_a_rate_and_a_weight() {
    assert_eq!(measures(&counted(60, &[("bags", 12), ("weight_g", 60_000)])), []);
    assert_eq!(measures(&counted(60, &[("bags", 13)])), [(Measure::BagsPerPersonHour, 13)]);
    assert_eq!(measures(&counted(5, &[("bags", 9)])), [], "they stood there, to be carried off");
    let weighed = |bags, weight_g| measures(&counted(90, &[("bags", bags), ("weight_g", weight_g)]));
    assert_eq!(weighed(4, 100_000), []);
    assert_eq!(weighed(4, 100_004), [(Measure::BagWeightG, 25_001)]);
    assert_eq!(weighed(2, 100), []);
    assert_eq!(weighed(5, 12), [(Measure::BagWeightGLow, 2)], "12 kg, typed as grams");
    assert_eq!(weighed(0, 250_000), []);
    assert_eq!(weighed(0, 250_001), [(Measure::WeightGPerPerson, 250_001)]);
    assert_eq!(weighed(2, 0), [], "not weighed");
}

#[test]
fn a_product_is_old_and_not_of_the_future() {
    let repair = |year, age_years| {
        let repair = with(of_minutes(Kind::Repair, 60), |repair| {
            repair.year = year;
            repair.age_years = age_years;
        });
        measures(&repair)
    };
    assert_eq!(repair(Some(2026), Some(160.0)), []);
    assert_eq!(repair(Some(2027), None), [(Measure::ProductYear, 2027)]);
    assert_eq!(repair(None, Some(160.5)), [(Measure::ProductAgeYears, 161)]);
    assert_eq!(repair(Some(1865), None), [(Measure::ProductAgeYears, 161)]);
    assert_eq!(repair(Some(0), Some(0.0)), [], "0 is not recorded");
}

#[test]
fn the_largest_numbers_overflow_nothing() {
    let huge =
        with(counted(1_440, &[("bags", i64::MAX), ("weight_g", i64::MAX), ("a.b", i64::MAX)]), |huge| {
            huge.activity.people = Some(i64::MAX);
            huge.activity.person_minutes = Some(i64::MAX);
            huge.activity.started_at_ms = Some(i64::MAX);
            huge.times.recorded_ms = i64::MAX;
            huge.times.received_ms = i64::MIN;
            huge.times.skew_ms = Some(i64::MIN);
            huge.photos.insert("f".repeat(64), i64::MIN);
            huge.year = Some(i64::MAX);
            huge.age_years = Some(f64::MAX);
        });
    let around =
        Surroundings { neighbours: vec![huge.clone().into(), pick(2).into()], ..Surroundings::default() };
    for suspicion in found(&huge, &around) {
        assert!(!suspicion.words(Language::English).is_empty());
        assert_eq!(suspicion.fingerprint().len(), 32);
    }
    let early = with(huge, |early| early.activity.started_at_ms = Some(i64::MIN));
    found(&early, &around);
}

#[test]
fn thresholds_left_out_have_their_defaults_and_unusable_ones_say_why() {
    let some: Thresholds =
        serde_json::from_str(r#"{"near_m": 60, "minutes_max": {"hours": 240}}"#).expect("valid");
    assert_eq!((some.near_m, some.overlap_percent), (60, 50));
    assert_eq!((some.minutes_max.hours, some.minutes_max.repair), (240, 300));
    assert!(serde_json::from_str::<Thresholds>(r#"{"nearest_m": 60}"#).is_err(), "a word that nothing reads");
    assert_eq!(Thresholds::default().fault(), None);
    let fault = |json: &str| serde_json::from_str::<Thresholds>(json).expect("valid").fault();
    assert_eq!(fault(r#"{"near_m": 150}"#), None);
    assert_eq!(fault(r#"{"near_m": 151}"#), Some(ThresholdFault::BeyondSearch));
    assert_eq!(fault(r#"{"street_near_m": 251, "accuracy_m_max": 0}"#), Some(ThresholdFault::BeyondSearch));
    assert_eq!(fault(r#"{"overlap_percent": 0}"#), Some(ThresholdFault::NotPercent("overlap_percent")));
    assert_eq!(fault(r#"{"overlap_percent": 100}"#), None);
    assert_eq!(fault(r#"{"people_max": -1}"#), Some(ThresholdFault::OutOfRange("people_max")));
    assert_eq!(fault(r#"{"people_max": 1000000000}"#), None);
    assert_eq!(fault(r#"{"people_max": 1000000001}"#), Some(ThresholdFault::OutOfRange("people_max")));
    let hours = Some(ThresholdFault::OutOfRange("minutes_max.hours"));
    assert_eq!(fault(r#"{"minutes_max": {"hours": 1441}}"#), hours);
    assert_eq!(fault(r#"{"minutes_max": {"hours": 1440}}"#), None);
    assert_eq!(fault(r#"{"mutual_days": -1}"#), Some(ThresholdFault::OutOfRange("mutual_days")));
}
