//! Where ordinary ends, in one place, as a neighbourhood's rules may set it. What is not set has its default.
//!
//! Each default has its reason. "Annex B" and numbers of sections are those of the research on the field
//! (co-production, litter, repairs); where it has no figure the constant says what it was taken from.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::near::SEARCH_RADIUS_M;
use crate::domain::activity::Kind;
use crate::domain::limits::PARTY_MINUTES_MAX;

/// Annex B, 2: the same pick is within 100 m …
const NEAR_M: i64 = 100;
/// … and half of the shorter of the two times.
const OVERLAP_PERCENT: i64 = 50;
/// Section 3: `FixMyStreet` suggests an existing report within 50 m.
const STREET_NEAR_M: i64 = 50;
/// A phone without open sky is off by some tens of metres; beyond this its own estimate is of no use.
const ACCURACY_M_MAX: i64 = 100;
/// Two people count one bag, and one of each, by chance; the same three counts hardly.
const SAME_TALLIES_MIN: i64 = 3;
/// Six hours of bending in one record: Annex B's picks take 90 and 100 minutes, a day's cap is 480 (`posting.md`).
const PICK_MINUTES_MAX: i64 = 360;
/// Section 5: a repair event is counted as 9 host hours at most, a single repair in annex B takes one.
const REPAIR_MINUTES_MAX: i64 = 300;
/// As for a pick.
const STREET_FIX_MINUTES_MAX: i64 = 360;
/// `posting.md`: at most eight hours per person and day.
const HOURS_MINUTES_MAX: i64 = 480;
/// One item every two seconds, all the time: 66 % of items are butts (section 2), which lie in handfuls.
const ITEMS_PER_PERSON_MINUTE_MAX: i64 = 30;
/// A quick count of a small heap is no rate.
const ITEMS_RATE_FROM: i64 = 200;
/// What three hours at full rate come to, for a record without minutes.
const ITEMS_MAX: i64 = 5_400;
/// A full bag in five minutes, all the time.
const BAGS_PER_PERSON_HOUR_MAX: i64 = 12;
/// Ten bags may stand ready to be carried off.
const BAGS_RATE_FROM: i64 = 10;
/// What one person may be asked to lift, by the usual guideline for manual handling.
const BAG_WEIGHT_G_MAX: i64 = 25_000;
/// An empty sack weighs 50 g: below that the weight was typed in kilograms.
const BAG_WEIGHT_G_MIN: i64 = 50;
/// Ten bags at that weight: a fly-tip, which a person should see anyway.
const WEIGHT_G_PER_PERSON_MAX: i64 = 250_000;
/// More than a neighbourhood brings together without its coordinators.
const PEOPLE_MAX: i64 = 250;
/// Sewing machines of the 1870s are still repaired.
const PRODUCT_AGE_YEARS_MAX: i64 = 160;
/// Clocks of phones that set themselves are seconds off; set by hand, minutes.
const CLOCK_MINUTES_MAX: i64 = 10;
/// Half a day: from there on the day that a phone fills in is another one. Less moves no minute, and a phone set to
/// another time zone would send every record to a person.
const SKEW_MINUTES_MAX: i64 = 720;
/// Longer than a phone may stay away before it has to enrol again (180 days): the record was not waiting on it.
const LATE_DAYS_MAX: i64 = 180;
/// "Before" may have been taken when the problem was found, or reported: a month.
const PHOTO_DAYS_MAX: i64 = 31;
/// Once is neighbourly, twice may be chance.
const MUTUAL_EACH_MIN: i64 = 3;
/// Four weeks, so that a weekly habit shows.
const MUTUAL_DAYS: i64 = 28;
/// Three of four: somebody else confirms hardly ever.
const MUTUAL_SHARE_PERCENT: i64 = 75;
/// A council closes a report within days; the same place breaks again after weeks.
const REPORT_DAYS_MAX: i64 = 14;

/// Above anything that a rule compares, and far from where numbers end.
const BOUND_MAX: i64 = 1_000_000_000;

/// Bounds of the rules. An amount *at* its bound is ordinary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Two places are near up to this distance, and the accuracy of the less accurate one.
    #[schema(minimum = 0, maximum = 250)]
    pub near_m: i64,
    /// The same for street fixes.
    #[schema(minimum = 0, maximum = 250)]
    pub street_near_m: i64,
    /// What accuracy adds, at most.
    #[schema(minimum = 0, maximum = 250)]
    pub accuracy_m_max: i64,
    /// One event from this part of the shorter time on.
    #[schema(minimum = 1, maximum = 100)]
    pub overlap_percent: i64,
    /// As many equal counts, and no others, tell of one event.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub same_tallies_min: i64,
    /// Minutes of one person in one record.
    pub minutes_max: MinutesMax,
    /// Items picked up per person and minute.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub items_per_person_minute_max: i64,
    /// Only from as many items on is there a rate.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub items_rate_from: i64,
    /// Items of a record without minutes.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub items_max: i64,
    /// Bags filled per person and hour.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub bags_per_person_hour_max: i64,
    /// Only from as many bags on is there a rate.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub bags_rate_from: i64,
    /// Grams of one bag.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub bag_weight_g_max: i64,
    /// Grams of one bag, at least.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub bag_weight_g_min: i64,
    /// Grams carried off per person.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub weight_g_per_person_max: i64,
    /// People of one occasion.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub people_max: i64,
    /// Years that a repaired product may be old.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub product_age_years_max: i64,
    /// How far the times of a record may contradict each other.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub clock_minutes_max: i64,
    /// How far a phone's clock may be off, as measured when it syncs.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub skew_minutes_max: i64,
    /// Days after the day that a record names until it has come.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub late_days_max: i64,
    /// Days between a photo and the day.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub photo_days_max: i64,
    /// Confirmations each way.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub mutual_each_min: i64,
    /// Days of them that are looked at.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub mutual_days: i64,
    /// Their part of all confirmations by the two.
    #[schema(minimum = 1, maximum = 100)]
    pub mutual_share_percent: i64,
    /// Whose supervisor is named in the same record raises no doubt.
    pub minors_with_supervisor_pass: bool,
    /// Days between a street fix and an official report.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    pub report_days_max: i64,
}

/// Minutes of one person in one record, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MinutesMax {
    /// Of a litter pick.
    #[schema(minimum = 0, maximum = 1_440)]
    pub litter_pick: i64,
    /// Of a repair.
    #[schema(minimum = 0, maximum = 1_440)]
    pub repair: i64,
    /// Of a street fix.
    #[schema(minimum = 0, maximum = 1_440)]
    pub street_fix: i64,
    /// Of hours.
    #[schema(minimum = 0, maximum = 1_440)]
    pub hours: i64,
}

/// Why thresholds cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdFault {
    /// Places further apart than that are not searched.
    #[error("near distances and accuracy together are at most {SEARCH_RADIUS_M} m")]
    BeyondSearch,
    #[error("{0} is a part of a hundred: 1 to 100")]
    NotPercent(&'static str),
    #[error("{0} is below 0, or above what is possible")]
    OutOfRange(&'static str),
}

impl Default for MinutesMax {
    fn default() -> Self {
        Self {
            litter_pick: PICK_MINUTES_MAX,
            repair: REPAIR_MINUTES_MAX,
            street_fix: STREET_FIX_MINUTES_MAX,
            hours: HOURS_MINUTES_MAX,
        }
    }
}

impl MinutesMax {
    /// Of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> i64 {
        match kind {
            Kind::LitterPick => self.litter_pick,
            Kind::Repair => self.repair,
            Kind::StreetFix => self.street_fix,
            Kind::Hours => self.hours,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            near_m: NEAR_M,
            street_near_m: STREET_NEAR_M,
            accuracy_m_max: ACCURACY_M_MAX,
            overlap_percent: OVERLAP_PERCENT,
            same_tallies_min: SAME_TALLIES_MIN,
            minutes_max: MinutesMax::default(),
            items_per_person_minute_max: ITEMS_PER_PERSON_MINUTE_MAX,
            items_rate_from: ITEMS_RATE_FROM,
            items_max: ITEMS_MAX,
            bags_per_person_hour_max: BAGS_PER_PERSON_HOUR_MAX,
            bags_rate_from: BAGS_RATE_FROM,
            bag_weight_g_max: BAG_WEIGHT_G_MAX,
            bag_weight_g_min: BAG_WEIGHT_G_MIN,
            weight_g_per_person_max: WEIGHT_G_PER_PERSON_MAX,
            people_max: PEOPLE_MAX,
            product_age_years_max: PRODUCT_AGE_YEARS_MAX,
            clock_minutes_max: CLOCK_MINUTES_MAX,
            skew_minutes_max: SKEW_MINUTES_MAX,
            late_days_max: LATE_DAYS_MAX,
            photo_days_max: PHOTO_DAYS_MAX,
            mutual_each_min: MUTUAL_EACH_MIN,
            mutual_days: MUTUAL_DAYS,
            mutual_share_percent: MUTUAL_SHARE_PERCENT,
            minors_with_supervisor_pass: true,
            report_days_max: REPORT_DAYS_MAX,
        }
    }
}

impl Thresholds {
    /// Why these cannot be used, if they cannot: to be asked when a rule pack is put.
    #[must_use]
    pub fn fault(&self) -> Option<ThresholdFault> {
        let percents =
            [("overlap_percent", self.overlap_percent), ("mutual_share_percent", self.mutual_share_percent)];
        if let Some((name, _)) = percents.into_iter().find(|(_, percent)| !(1..=100).contains(percent)) {
            return Some(ThresholdFault::NotPercent(name));
        }
        let beyond = self.numbers().into_iter().find(|(_, value)| !(0..=BOUND_MAX).contains(value));
        let minutes = &self.minutes_max;
        let minutes = [
            ("minutes_max.litter_pick", minutes.litter_pick),
            ("minutes_max.repair", minutes.repair),
            ("minutes_max.street_fix", minutes.street_fix),
            ("minutes_max.hours", minutes.hours),
        ];
        let impossible = minutes.into_iter().find(|(_, minutes)| !(0..=PARTY_MINUTES_MAX).contains(minutes));
        if let Some((name, _)) = beyond.or(impossible) {
            return Some(ThresholdFault::OutOfRange(name));
        }
        let reach = self.near_m.max(self.street_near_m).saturating_add(self.accuracy_m_max);
        (reach > SEARCH_RADIUS_M as i64).then_some(ThresholdFault::BeyondSearch)
    }

    fn numbers(&self) -> [(&'static str, i64); 21] {
        [
            ("near_m", self.near_m),
            ("street_near_m", self.street_near_m),
            ("accuracy_m_max", self.accuracy_m_max),
            ("same_tallies_min", self.same_tallies_min),
            ("items_per_person_minute_max", self.items_per_person_minute_max),
            ("items_rate_from", self.items_rate_from),
            ("items_max", self.items_max),
            ("bags_per_person_hour_max", self.bags_per_person_hour_max),
            ("bags_rate_from", self.bags_rate_from),
            ("bag_weight_g_max", self.bag_weight_g_max),
            ("bag_weight_g_min", self.bag_weight_g_min),
            ("weight_g_per_person_max", self.weight_g_per_person_max),
            ("people_max", self.people_max),
            ("product_age_years_max", self.product_age_years_max),
            ("clock_minutes_max", self.clock_minutes_max),
            ("skew_minutes_max", self.skew_minutes_max),
            ("late_days_max", self.late_days_max),
            ("photo_days_max", self.photo_days_max),
            ("mutual_each_min", self.mutual_each_min),
            ("mutual_days", self.mutual_days),
            ("report_days_max", self.report_days_max),
        ]
    }
}
