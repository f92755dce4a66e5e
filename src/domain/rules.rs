//! A neighbourhood's rules for reviewing and posting, versioned.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::caps::Caps;
use super::key::PERSON_MINUTES_MAX;
use super::suspicion::Thresholds;

/// Milliseconds of a day of the silence rule: days are lengths here, not civil days.
const DAY_MS: i64 = 24 * 3_600_000;

/// One version of a neighbourhood's rules. Stored whole, named in the journal by its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePack {
    /// 1, 2, 3 … in a neighbourhood.
    pub version: i64,
    /// Who approves what is clean.
    pub mode: Mode,
    /// Greatest minutes of one person on one civil day that a rule may approve; more is for a person.
    #[schema(minimum = 1, maximum = 480)]
    pub person_day_minutes_max: i64,
    /// An edit after an approval that moves no tally by more than this many items keeps the approval.
    #[schema(minimum = 0, maximum = 10_000)]
    pub report_items_threshold: i64,
    /// An approval of more minutes than this, remainder included, needs two people. Absent: one is enough.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_440_000_000)]
    pub second_person_above_minutes: Option<i64>,
    /// With `peer`: what is clean and nobody has confirmed is approved so many days after the server received
    /// it. Absent: it waits for a coordinator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 365)]
    pub silence_days: Option<i64>,
    /// Of a hundred automatic approvals so many are shown to a person, chosen at random. 0 to 100.
    #[serde(default = "audit_percent")]
    #[schema(minimum = 0, maximum = 100)]
    pub audit_percent: i64,
    /// The share of records that rules approve by themselves may move by so many of a hundred from one week to the
    /// four before it; beyond that `GET /v1/rules/share` raises its alarm. 0 to 100.
    #[serde(default = "share_drift_percent")]
    #[schema(minimum = 0, maximum = 100)]
    pub share_drift_percent: i64,
    /// What counts at most of one person, whoever approves it, in minutes. Absent: no caps.
    #[serde(default, skip_serializing_if = "Caps::is_none")]
    pub caps: Caps,
    /// Where ordinary ends: beyond it a person looks. What is left out has its default.
    #[serde(default)]
    pub thresholds: Thresholds,
}

/// Who approves what is clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A rule, at once.
    Auto,
    /// A rule, once somebody else has confirmed it.
    Peer,
    /// A coordinator, always.
    Coordinator,
}

/// What a pack may say: from, to. Of one person's day a rule approves 480 minutes at most, and the pack may set less
/// (`posting.md`, "Clean"); the others keep a slip of the finger out.
const PERSON_DAY_MINUTES: (i64, i64) = (1, 480);
/// See [`PERSON_DAY_MINUTES`].
const REPORT_ITEMS: (i64, i64) = (0, 10_000);
/// See [`PERSON_DAY_MINUTES`].
const SECOND_PERSON_MINUTES: (i64, i64) = (0, PERSON_MINUTES_MAX);
/// See [`PERSON_DAY_MINUTES`].
const SILENCE_DAYS: (i64, i64) = (1, 365);
/// See [`PERSON_DAY_MINUTES`].
const AUDIT_PERCENT: (i64, i64) = (0, 100);

/// See [`PERSON_DAY_MINUTES`].
const SHARE_DRIFT_PERCENT: (i64, i64) = (0, 100);

/// `posting.md`, "Clean".
fn audit_percent() -> i64 {
    5
}

/// Our choice: a week of 300 records moves by some five of a hundred by chance (three standard deviations at 90 %).
fn share_drift_percent() -> i64 {
    15
}

impl RulePack {
    /// The rules a neighbourhood starts with: clean records by rule, at most 480 minutes (eight hours)
    /// per person and day, no change of report figures without a person; every twentieth automatic approval is
    /// shown to somebody. No journal says them: `daybook verify` holds every neighbourhood's version 1 to these.
    #[must_use]
    pub fn first() -> Self {
        Self {
            version: 1,
            mode: Mode::Auto,
            person_day_minutes_max: 480,
            report_items_threshold: 0,
            second_person_above_minutes: None,
            silence_days: None,
            audit_percent: audit_percent(),
            share_drift_percent: share_drift_percent(),
            caps: Caps::default(),
            thresholds: Thresholds::default(),
        }
    }

    /// Reads a stored pack: those of before there were three modes say `auto: true` or `auto: false`.
    ///
    /// # Errors
    /// What is no pack.
    pub fn read(stored: &str) -> serde_json::Result<Self> {
        let mut pack: serde_json::Value = serde_json::from_str(stored)?;
        if let Some(fields) = pack.as_object_mut()
            && let Some(auto) = fields.remove("auto").and_then(|auto| auto.as_bool())
        {
            fields.insert("mode".to_owned(), if auto { "auto" } else { "coordinator" }.into());
        }
        serde_json::from_value(pack)
    }

    /// The first field that is out of its bounds, with what to change.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, String)> {
        let bounds = [
            ("person_day_minutes_max", Some(self.person_day_minutes_max), PERSON_DAY_MINUTES),
            ("report_items_threshold", Some(self.report_items_threshold), REPORT_ITEMS),
            ("second_person_above_minutes", self.second_person_above_minutes, SECOND_PERSON_MINUTES),
            ("silence_days", self.silence_days, SILENCE_DAYS),
            ("audit_percent", Some(self.audit_percent), AUDIT_PERCENT),
            ("share_drift_percent", Some(self.share_drift_percent), SHARE_DRIFT_PERCENT),
        ];
        let outside = bounds
            .into_iter()
            .find(|(_, value, (from, to))| value.is_some_and(|value| !(*from..=*to).contains(&value)));
        if let Some((field, _, (from, to))) = outside {
            return Some((field, format!("At /{field}: a number from {from} to {to}.")));
        }
        if let Some((field, fault)) = self.caps.fault() {
            return Some(("caps", format!("At /caps/{field}: {fault}.")));
        }
        let fault = self.thresholds.fault()?;
        Some(("thresholds", format!("At /thresholds: {fault}.")))
    }

    /// An approval of so many minutes needs two people.
    #[must_use]
    pub fn needs_two(&self, minutes: i64) -> bool {
        self.second_person_above_minutes.is_some_and(|most| minutes > most)
    }

    /// When silence approves what was received then, if it does.
    #[must_use]
    pub fn silence_due_at_ms(&self, received_at_ms: i64) -> Option<i64> {
        let wait_ms = self.silence_days?.max(0).saturating_mul(DAY_MS);
        Some(received_at_ms.saturating_add(wait_ms))
    }

    /// Whether an automatic approval with this draw, uniform over all `u64`, is shown to a person.
    #[must_use]
    pub fn is_audited(&self, draw: u64) -> bool {
        let hundredth = (u128::from(draw) * 100) >> u64::BITS;
        i64::try_from(hundredth).is_ok_and(|hundredth| hundredth < self.audit_percent)
    }
}

/// A value that differs between two versions of the rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuleChange {
    /// Where it is in the rules.
    #[schema(example = "/thresholds/clock_minutes_max")]
    pub pointer: String,
    /// In the earlier one; absent if it says nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 10)]
    pub before: Option<serde_json::Value>,
    /// In the later one; absent if it says nothing there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 30)]
    pub after: Option<serde_json::Value>,
}

/// What differs from one version of the rules to another, besides its number, in the order of the pointers.
///
/// # Errors
/// None in fact: rules are JSON.
pub fn changes(before: &RulePack, after: &RulePack) -> Result<Vec<RuleChange>, serde_json::Error> {
    let (mut before, mut after) = (leaves(before)?, leaves(after)?);
    let pointers: BTreeSet<String> = before.keys().chain(after.keys()).cloned().collect();
    let pointers = pointers.into_iter().filter(|pointer| pointer != "/version");
    let changes = pointers.map(|pointer| {
        let (before, after) = (before.remove(&pointer), after.remove(&pointer));
        RuleChange { pointer, before, after }
    });
    Ok(changes.filter(|change| change.before != change.after).collect())
}

/// All values of a pack, by JSON pointer.
fn leaves(pack: &RulePack) -> Result<BTreeMap<String, serde_json::Value>, serde_json::Error> {
    let mut leaves = BTreeMap::new();
    let mut inner = vec![(String::new(), serde_json::to_value(pack)?)];
    while let Some((pointer, value)) = inner.pop() {
        match value {
            serde_json::Value::Object(fields) => {
                inner.extend(fields.into_iter().map(|(name, value)| (format!("{pointer}/{name}"), value)));
            }
            value => drop(leaves.insert(pointer, value)),
        }
    }
    Ok(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_stored_before_there_were_modes_still_read() {
        let stored = |auto: bool| {
            let text = format!(
                r#"{{"version":3,"auto":{auto},"person_day_minutes_max":480,"report_items_threshold":2}}"#
            );
            RulePack::read(&text).unwrap()
        };
        assert_eq!(stored(true), RulePack { version: 3, report_items_threshold: 2, ..RulePack::first() });
        assert_eq!(stored(false).mode, Mode::Coordinator);
    }

    #[test]
    fn a_pack_reads_back_as_written_and_nothing_unknown_is_taken() {
        let pack = RulePack {
            mode: Mode::Peer,
            second_person_above_minutes: Some(600),
            silence_days: Some(7),
            audit_percent: 0,
            caps: Caps { person_day_minutes: Some(240), ..Caps::default() },
            ..RulePack::first()
        };
        let text = serde_json::to_string(&pack).unwrap();
        assert_eq!(serde_json::from_str::<RulePack>(&text).unwrap(), pack);
        assert!(serde_json::from_str::<RulePack>(&text.replace("silence_days", "silence_weeks")).is_err());
        assert_eq!(RulePack::read(&text).unwrap(), pack);
        for (was, sent) in
            [("\"peer\"", "\"anybody\""), ("\"peer\"", "true"), ("\"mode\":\"peer\"", "\"auto\":true")]
        {
            assert!(serde_json::from_str::<RulePack>(&text.replace(was, sent)).is_err(), "{sent}");
        }
    }

    #[test]
    fn a_pack_is_held_to_its_bounds_at_them_and_one_past_them() {
        let fault = |change: fn(&mut RulePack, i64), value| {
            let mut pack = RulePack::first();
            change(&mut pack, value);
            pack.fault().map(|(field, _)| field)
        };
        type Change = fn(&mut RulePack, i64);
        let bounds: [(&str, Change, (i64, i64)); 6] = [
            ("share_drift_percent", |pack, value| pack.share_drift_percent = value, SHARE_DRIFT_PERCENT),
            ("person_day_minutes_max", |pack, value| pack.person_day_minutes_max = value, PERSON_DAY_MINUTES),
            ("report_items_threshold", |pack, value| pack.report_items_threshold = value, REPORT_ITEMS),
            (
                "second_person_above_minutes",
                |pack, value| pack.second_person_above_minutes = Some(value),
                SECOND_PERSON_MINUTES,
            ),
            ("silence_days", |pack, value| pack.silence_days = Some(value), SILENCE_DAYS),
            ("audit_percent", |pack, value| pack.audit_percent = value, AUDIT_PERCENT),
        ];
        for (field, change, (from, to)) in bounds {
            assert_eq!([from, to].map(|value| fault(change, value)), [None, None], "{field}");
            assert_eq!([from - 1, to + 1].map(|value| fault(change, value)), [Some(field); 2]);
        }
    }

    #[test]
    fn two_packs_are_compared_value_by_value() {
        let first = RulePack::first();
        assert_eq!(changes(&first, &RulePack { version: 2, ..first.clone() }).unwrap(), []);
        let mut second = RulePack { silence_days: Some(7), mode: Mode::Peer, ..first.clone() };
        second.thresholds.late_days_max += 1;
        let named =
            |pointer: &str| changes(&first, &second).unwrap().into_iter().find(|at| at.pointer == pointer);
        assert_eq!(changes(&first, &second).unwrap().len(), 3);
        let mode = named("/mode").unwrap();
        assert_eq!((mode.before, mode.after), (Some("auto".into()), Some("peer".into())));
        let silence = named("/silence_days").unwrap();
        assert_eq!((silence.before, silence.after), (None, Some(7.into())));
        assert!(named("/thresholds/late_days_max").is_some());
    }

    #[test]
    fn two_people_are_needed_above_the_amount_and_not_at_it() {
        let pack = RulePack { second_person_above_minutes: Some(600), ..RulePack::first() };
        assert_eq!([600, 601].map(|minutes| pack.needs_two(minutes)), [false, true]);
        assert!(!RulePack::first().needs_two(i64::MAX));
    }

    #[test]
    fn silence_is_counted_in_whole_days_from_receipt() {
        let pack = RulePack { silence_days: Some(2), ..RulePack::first() };
        assert_eq!(pack.silence_due_at_ms(5), Some(5 + 172_800_000));
        assert_eq!(pack.silence_due_at_ms(i64::MAX), Some(i64::MAX));
        assert_eq!(RulePack::first().silence_due_at_ms(5), None);
    }

    #[test]
    fn the_share_of_draws_that_are_audited_is_the_packs() {
        let of = |audit_percent| {
            let pack = RulePack { audit_percent, ..RulePack::first() };
            (0..1_000_u64).filter(|part| pack.is_audited((2 * part + 1) * (u64::MAX / 2_000))).count()
        };
        assert_eq!([0, 5, 100].map(of), [0, 50, 1_000]);
        assert!(!RulePack::first().is_audited(u64::MAX));
    }
}
