//! Caps: what counts at most of what people did, whoever approves it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limits::PARTY_MINUTES_MAX;

/// The most minutes of one person that are posted. A cap never keeps a record from being approved: what is above it
/// is left out of the lines as they are frozen, and counted nowhere. What was frozen stays, also once there is room
/// again: approve the record anew to count it. To reclassify, to undo and to take a merge apart bring back lines as
/// they were frozen, which no cap clips again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    /// In one record. Absent: no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_440)]
    pub person_record_minutes: Option<i64>,
    /// On one civil day, in all records together; what is approved first counts first. Absent: no cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_440)]
    pub person_day_minutes: Option<i64>,
}

impl Caps {
    /// Everything counts.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The first one out of its bounds, with what to change.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let caps = [
            ("person_record_minutes", self.person_record_minutes),
            ("person_day_minutes", self.person_day_minutes),
        ];
        let outside = |cap: &Option<i64>| cap.is_some_and(|cap| !(1..=PARTY_MINUTES_MAX).contains(&cap));
        let (field, _) = caps.into_iter().find(|(_, cap)| outside(cap))?;
        Some((field, format!("a number from 1 to {PARTY_MINUTES_MAX}")))
    }

    /// How many minutes of a person one record may add, where other records have so many of that day. None: all.
    #[must_use]
    pub fn room(&self, that_day: i64) -> Option<i64> {
        let left = self.person_day_minutes.map(|cap| cap.saturating_sub(that_day).max(0));
        [self.person_record_minutes, left].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrower_of_two_caps_holds_and_a_day_that_is_full_leaves_nothing() {
        let caps = Caps { person_record_minutes: Some(90), person_day_minutes: Some(120) };
        assert_eq!([0, 30, 31, 120, 500].map(|day| caps.room(day)), [90, 90, 89, 0, 0].map(Some));
        assert_eq!(Caps { person_day_minutes: None, ..caps }.room(500), Some(90));
        assert_eq!(Caps::default().room(i64::MAX), None);
        assert!(Caps::default().is_none() && !caps.is_none());
    }

    #[test]
    fn caps_are_held_to_their_bounds_at_them_and_one_past_them() {
        let of = |cap| Caps { person_record_minutes: Some(cap), person_day_minutes: Some(cap) };
        assert_eq!([1, PARTY_MINUTES_MAX].map(|cap| of(cap).fault()), [None, None]);
        for cap in [0, PARTY_MINUTES_MAX + 1] {
            assert_eq!(of(cap).fault().map(|(field, _)| field), Some("person_record_minutes"));
            let day = Caps { person_record_minutes: None, ..of(cap) };
            assert_eq!(day.fault().map(|(field, _)| field), Some("person_day_minutes"));
        }
    }
}
