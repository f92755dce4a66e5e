//! What is said of changes that wait, and how long they may.

use chrono::{Days, NaiveTime, TimeZone as _};
use chrono_tz::Tz;

use super::limits::{HELD_NOTICE_AFTER_MS, HELD_NOTICE_MS, LEFT_GROUP_DAYS};
use super::time::parse_day;

/// The code in quarantine of a change that was held until its notice had passed. It binds nobody: sent again,
/// the change is looked at anew.
pub const HELD_EXPIRED: &str = "held_expired";

/// The reason for which the work of somebody who has left a group is held.
pub const LEFT_GROUP: &str = "left_group";

/// Until when a held change is kept at least: as its notice says, or what a notice would say.
#[must_use]
pub fn expires_at_ms(received_at_ms: i64, noticed: Option<i64>) -> i64 {
    let earliest = received_at_ms.saturating_add(HELD_NOTICE_AFTER_MS).saturating_add(HELD_NOTICE_MS);
    noticed.unwrap_or(earliest)
}

/// Until when, in milliseconds since 1970, what somebody sends who has left a group is held, by the last day of their
/// membership: to the end of so many days after it, where the neighbourhood is.
#[must_use]
pub fn left_until_ms(last_day: &str, zone: Tz) -> Option<i64> {
    let after = parse_day(last_day)?.checked_add_days(Days::new(LEFT_GROUP_DAYS + 1))?;
    // Where clocks are put forward at midnight, the day begins an hour later.
    let hours = (0..=2).filter_map(|hour| NaiveTime::from_hms_opt(hour, 0, 0));
    let mut starts = hours.filter_map(|time| zone.from_local_datetime(&after.and_time(time)).earliest());
    starts.next().map(|start| start.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::rfc3339;

    #[test]
    fn what_a_former_member_sends_is_held_for_thirty_days_after_the_last_as_the_neighbourhood_counts_days() {
        let until = |day, zone| left_until_ms(day, zone).map(rfc3339);
        let london = until("2026-11-21", chrono_tz::Europe::London);
        assert_eq!(london.as_deref(), Some("2026-12-22T00:00:00.000Z"));
        let cairo = until("2026-03-24", chrono_tz::Africa::Cairo);
        assert_eq!(cairo.as_deref(), Some("2026-04-23T22:00:00.000Z"), "at midnight it is one o'clock");
        assert_eq!(until("soon", chrono_tz::UTC), None);
        assert_eq!(until("+262142-12-31", chrono_tz::UTC), None);
    }

    #[test]
    fn a_notice_counts_and_without_one_the_earliest_that_it_could_say() {
        assert_eq!(expires_at_ms(5, Some(7)), 7);
        assert_eq!(expires_at_ms(5, None), 5 + 44 * 86_400_000);
        assert_eq!(expires_at_ms(i64::MAX, None), i64::MAX);
    }
}
