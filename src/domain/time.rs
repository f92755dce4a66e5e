//! Instants are milliseconds since 1970 in UTC, inside; RFC 3339 outside. Days are civil days.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;

use super::limits::SKEW_MS_MIN;

/// `2026-11-21T09:30:00.000Z`; instants beyond the calendar's range are held at its ends.
#[must_use]
pub fn rfc3339(at_ms: i64) -> String {
    let fallback = if at_ms < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp_millis(at_ms).unwrap_or(fallback).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The civil day of an instant in a time zone, or nothing beyond the calendar's range.
#[must_use]
pub fn civil_day(at_ms: i64, zone: Tz) -> Option<NaiveDate> {
    DateTime::from_timestamp_millis(at_ms).map(|at| at.with_timezone(&zone).date_naive())
}

/// How far a device's clock was ahead of the server's when its request came; behind is negative. Nothing below a
/// minute: that far a slow connection alone sets the two apart.
#[must_use]
pub fn skew_ms(device_ms: i64, server_ms: i64) -> Option<i64> {
    Some(device_ms.saturating_sub(server_ms)).filter(|skew| skew.unsigned_abs() >= SKEW_MS_MIN)
}

/// A civil day in exactly the form `2026-11-21`.
#[must_use]
pub fn parse_day(text: &str) -> Option<NaiveDate> {
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
    (day.format("%Y-%m-%d").to_string() == text).then_some(day)
}
