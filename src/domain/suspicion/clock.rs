//! Times that do not go together. A clock is never a reason to refuse (design: "Time"), and being late is
//! none to doubt: a phone may have been without signal for weeks. What is doubted is a future, a record older
//! than any phone may stay away, and times of one record that contradict each other.

use chrono::{DateTime, NaiveDate};

use super::Suspicion;
use super::evidence::{Clock, ClockSign, ClockSkew, Evidence};
use super::overlap::MINUTE_MS;
use super::record::Record;
use super::thresholds::Thresholds;
use crate::domain::time::civil_day;

const DAY_MINUTES: i64 = 24 * 60;

pub(super) fn rule(record: &Record, thresholds: &Thresholds) -> Option<Suspicion> {
    let most = thresholds.clock_minutes_max;
    let received = record.times.received_ms;
    let started = record.activity.started_at_ms;
    // Automerge's time is whole seconds, and 0 where an app does not set it.
    let recorded = Some(record.times.recorded_ms).filter(|recorded| *recorded > 0);
    let ahead = |at_ms: i64, of_ms: i64| minutes_between(of_ms, at_ms);
    let mut signs = Vec::new();
    let mut note = |sign, minutes: Option<i64>, most: i64| {
        signs.extend(minutes.filter(|minutes| *minutes > most).map(|minutes| ClockSign { sign, minutes }));
    };
    let skew = record.times.skew_ms.map(|skew| skew.saturating_abs() / MINUTE_MS);
    note(Clock::Measured, skew, thresholds.skew_minutes_max);
    note(Clock::RecordedAhead, recorded.map(|at| ahead(at, received)), most);
    note(Clock::StartedAhead, started.map(|at| ahead(at, received)), most);
    note(Clock::DayAhead, day_ahead(record, received.saturating_add(most.saturating_mul(MINUTE_MS))), 0);
    let after = started.zip(recorded).map(|(started, recorded)| ahead(started, recorded));
    note(Clock::StartedAfterRecorded, after, most);
    let late = civil_day(received, record.zone).map(|day| days(record.activity.day, day));
    note(Clock::Late, late, thresholds.late_days_max.saturating_mul(DAY_MINUTES));
    let start_day = started.and_then(|at_ms| civil_day(at_ms, record.zone));
    // A night may be named by the day on which it began or ended.
    note(Clock::DayAndStartDiffer, start_day.map(|day| days(day, record.activity.day).abs()), DAY_MINUTES);
    let newest = record.photos.values().copied().max();
    note(Clock::PhotoAhead, newest.map(|at| ahead(at, received)), most);
    let far = record.photos.values().filter_map(|at_ms| photo_far(record, *at_ms)).max();
    note(Clock::PhotoFarFromDay, far, thresholds.photo_days_max.saturating_mul(DAY_MINUTES));
    (!signs.is_empty()).then(|| Suspicion::new([record.id], Evidence::ClockSkew(ClockSkew { signs })))
}

/// Minutes from the day on which it came, at the latest, to the day that it names.
fn day_ahead(record: &Record, received_ms: i64) -> Option<i64> {
    civil_day(received_ms, record.zone).map(|day| days(day, record.activity.day))
}

/// From one day to another, in minutes.
fn days(from: NaiveDate, to: NaiveDate) -> i64 {
    (to - from).num_days().saturating_mul(DAY_MINUTES)
}

/// Whole minutes from one instant to another.
fn minutes_between(from_ms: i64, to_ms: i64) -> i64 {
    to_ms.saturating_sub(from_ms) / MINUTE_MS
}

/// Minutes between a photo and the day; a photo without a usable time says nothing.
fn photo_far(record: &Record, at_ms: i64) -> Option<i64> {
    let at_ms = Some(at_ms).filter(|at_ms| *at_ms > 0)?;
    let day = DateTime::from_timestamp_millis(at_ms)?.with_timezone(&record.zone).date_naive();
    Some(days(record.activity.day, day).abs())
}
