//! Clocks that are off, and phones that were only away.

use super::samples::{DAY, MINUTE, TEN, day, found, pick, with};
use crate::domain::suspicion::{Clock, Evidence, Record, Surroundings};

fn signs(record: &Record) -> Vec<(Clock, i64)> {
    let found = found(record, &Surroundings::default());
    let signs = found.into_iter().filter_map(|suspicion| match suspicion.evidence {
        Evidence::ClockSkew(evidence) => Some(evidence.signs),
        _ => None,
    });
    signs.flatten().map(|sign| (sign.sign, sign.minutes)).collect()
}

fn changed(change: impl FnOnce(&mut Record)) -> Vec<(Clock, i64)> {
    signs(&with(pick(1), change))
}

#[test]
fn a_phone_that_was_away_for_weeks_is_not_off() {
    assert_eq!(changed(|late| late.times.received_ms = TEN + 42 * DAY), []);
    assert_eq!(changed(|late| late.times.received_ms = TEN + 180 * DAY), []);
    assert_eq!(changed(|late| late.times.received_ms = TEN + 181 * DAY), [(Clock::Late, 181 * 1_440)]);
    assert_eq!(changed(|app| app.times.recorded_ms = 0), [], "an app that writes no time");
}

#[test]
fn the_future_begins_ten_minutes_after_the_record_came() {
    let received = pick(1).times.received_ms;
    let recorded = |ahead| changed(|record| record.times.recorded_ms = received + ahead * MINUTE);
    assert_eq!((recorded(10), recorded(11)), (vec![], vec![(Clock::RecordedAhead, 11)]));
    let started = |ahead| {
        changed(|record| {
            record.activity.started_at_ms = Some(received + ahead * MINUTE);
            record.activity.day = day("2026-11-24");
            record.times.recorded_ms = received + ahead * MINUTE;
        })
    };
    assert_eq!(started(10), []);
    assert_eq!(started(11), [(Clock::RecordedAhead, 11), (Clock::StartedAhead, 11)]);
    let on = |day_named: &str| {
        changed(|record| {
            record.activity.started_at_ms = None;
            record.activity.day = day(day_named);
        })
    };
    assert_eq!(on("2026-11-24"), [], "the day on which it came");
    assert_eq!(on("2026-11-25"), [(Clock::DayAhead, 1_440)]);
}

#[test]
fn a_day_begins_at_the_neighbourhoods_midnight_give_or_take_ten_minutes() {
    // 23:52 on 24 November.
    let late = TEN + 3 * DAY + (13 * 60 + 52) * MINUTE;
    let at = |received_ms| {
        changed(|record| {
            record.activity.started_at_ms = None;
            record.activity.day = day("2026-11-25");
            record.times.received_ms = received_ms;
        })
    };
    assert_eq!(at(late), []);
    assert_eq!(at(late - 3 * MINUTE), [(Clock::DayAhead, 1_440)]);
}

#[test]
fn a_plan_is_not_a_record() {
    let planned = |minutes| changed(|plan| plan.times.recorded_ms = TEN - minutes * MINUTE);
    assert_eq!((planned(10), planned(11)), (vec![], vec![(Clock::StartedAfterRecorded, 11)]));
}

#[test]
fn a_measured_clock_may_be_half_a_day_off_either_way() {
    let skew = |minutes| changed(|record| record.times.skew_ms = Some(minutes * MINUTE));
    assert_eq!((skew(720), skew(-720)), (vec![], vec![]));
    assert_eq!((skew(721), skew(-721)), (vec![(Clock::Measured, 721)], vec![(Clock::Measured, 721)]));
}

#[test]
fn a_night_has_two_days_and_no_third() {
    let named = |day_named: &str| changed(|record| record.activity.day = day(day_named));
    assert_eq!((named("2026-11-20"), named("2026-11-22")), (vec![], vec![]));
    assert_eq!(named("2026-11-19"), [(Clock::DayAndStartDiffer, 2 * 1_440)]);
}

#[test]
fn a_photo_was_taken_before_it_came_and_around_the_day() {
    let taken = |at_ms| {
        changed(|record| {
            record.photos.insert("a".repeat(64), at_ms);
        })
    };
    assert_eq!(taken(TEN - 31 * DAY), [], "of the problem, when it was found");
    assert_eq!(taken(TEN - 32 * DAY), [(Clock::PhotoFarFromDay, 32 * 1_440)]);
    assert_eq!(taken(0), [], "no time in it");
    let received = pick(1).times.received_ms;
    assert_eq!(taken(received + 10 * MINUTE), []);
    assert_eq!(taken(received + 11 * MINUTE), [(Clock::PhotoAhead, 11)]);
}
