//! An activity, typed: what a reading means to the ledger, to reports and to the API.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{ActivityId, PartyId};
use super::key::Key;
use super::limits::PARTIES_MAX;
use super::reading::{Field, Reading, Unreadable, Value};
use super::time::{civil_day, parse_day};

/// The four kinds of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    LitterPick,
    Repair,
    StreetFix,
    Hours,
}

/// Planning or delivery: Bovaird's two axes meet here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Planning,
    Delivery,
}

/// Minutes that one party gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyMinutes {
    pub party_id: PartyId,
    pub organisation_id: Option<PartyId>,
    /// 0 to 1,440.
    pub minutes: i64,
}

/// One register of one item: one phone's own count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Register {
    pub register: String,
    pub count: i64,
}

/// A count of one item, the sum of its registers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// `<category>.<object>[.<type>]`, or `bags`, or `weight_g`.
    pub item: String,
    /// Only seen, not picked up.
    pub seen: bool,
    pub count: i64,
    pub registers: Vec<Register>,
}

/// How clean a place is, by the grades of the Code of Practice on Litter and Refuse: A is none at all, D heavily
/// littered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Grade {
    A,
    B,
    C,
    D,
}

impl Grade {
    /// From the document's letter.
    #[must_use]
    pub fn parse(letter: &str) -> Option<Self> {
        match letter {
            "A" => Some(Self::A),
            "B" => Some(Self::B),
            "C" => Some(Self::C),
            "D" => Some(Self::D),
            _ => None,
        }
    }
}

/// The grades before and after, as far as they are stated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grades {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Grade>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Grade>,
}

impl Grades {
    /// Neither is stated.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The typed part of a reading that the ledger works on. In a field with several values the first
/// one (the greatest counter and actor) is taken; whether that may be approved is the conflict's business.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    pub kind: Kind,
    pub day: NaiveDate,
    /// Milliseconds since 1970, UTC.
    pub started_at_ms: Option<i64>,
    pub phase: Phase,
    pub programme: Option<String>,
    pub place_id: Option<String>,
    pub part_of: Option<ActivityId>,
    pub confirms: Option<ActivityId>,
    pub parties: Vec<PartyMinutes>,
    pub people: Option<i64>,
    pub person_minutes: Option<i64>,
    /// Sorted by item; `bags` and `weight_g` among them.
    pub tallies: Vec<Tally>,
    #[serde(default, skip_serializing_if = "Grades::is_none")]
    pub grades: Grades,
    pub withdrawn: bool,
}

impl Kind {
    /// From the document's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "litter_pick" => Some(Self::LitterPick),
            "repair" => Some(Self::Repair),
            "street_fix" => Some(Self::StreetFix),
            "hours" => Some(Self::Hours),
            _ => None,
        }
    }

    /// The document's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LitterPick => "litter_pick",
            Self::Repair => "repair",
            Self::StreetFix => "street_fix",
            Self::Hours => "hours",
        }
    }
}

impl Phase {
    /// From the document's word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "planning" => Some(Self::Planning),
            "delivery" => Some(Self::Delivery),
            _ => None,
        }
    }

    /// The document's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Delivery => "delivery",
        }
    }
}

impl Activity {
    /// Types a reading. Of several values the first is taken, fields that cannot be read are left out
    /// (`Reading::has_unreadable` tells), parties with 0 minutes are kept. The day is `day`, or where
    /// only `started_at` is given its date in the neighbourhood's zone.
    ///
    /// # Errors
    /// Why the activity as a whole cannot be read.
    pub fn from_reading(reading: &Reading, zone: Tz) -> Result<Self, Unreadable> {
        if let Some(reason) = reading.unreadable.or_else(|| reading.missing()) {
            return Err(reason);
        }
        let started_at_ms = match first(reading, &Key::StartedAt) {
            Some(Value::Instant(at_ms)) => Some(*at_ms),
            _ => None,
        };
        let day = match text(reading, &Key::Day) {
            Some(day) => parse_day(day),
            None => started_at_ms.and_then(|at_ms| civil_day(at_ms, zone)),
        };
        Ok(Self {
            kind: text(reading, &Key::Kind).and_then(Kind::parse).ok_or(Unreadable::KindMissing)?,
            day: day.ok_or(Unreadable::DayMissing)?,
            started_at_ms,
            phase: text(reading, &Key::Phase).and_then(Phase::parse).unwrap_or(Phase::Delivery),
            programme: text(reading, &Key::Programme).map(str::to_owned),
            place_id: text(reading, &Key::PlaceId).map(str::to_owned),
            part_of: text(reading, &Key::PartOf).and_then(|id| id.parse().ok()),
            confirms: text(reading, &Key::Confirms).and_then(|id| id.parse().ok()),
            parties: parties(reading)?,
            people: integer(reading, &Key::People),
            person_minutes: integer(reading, &Key::PersonMinutes),
            tallies: tallies(reading)?,
            grades: Grades {
                before: text(reading, &Key::GradeBefore).and_then(Grade::parse),
                after: text(reading, &Key::GradeAfter).and_then(Grade::parse),
            },
            withdrawn: reading.deleted || first(reading, &Key::Withdrawn) == Some(&Value::Boolean(true)),
        })
    }
}

fn first<'a>(reading: &'a Reading, key: &Key<'_>) -> Option<&'a Value> {
    reading.fields.get(&key.to_string()).and_then(Field::first)
}

fn text<'a>(reading: &'a Reading, key: &Key<'_>) -> Option<&'a str> {
    match first(reading, key) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn integer(reading: &Reading, key: &Key<'_>) -> Option<i64> {
    match first(reading, key) {
        Some(Value::Integer(value)) => Some(*value),
        _ => None,
    }
}

fn parties(reading: &Reading) -> Result<Vec<PartyMinutes>, Unreadable> {
    let minutes = |(key, field): (&String, &Field)| match (Key::parse(key), field.first()) {
        (Key::Party { party, organisation }, Some(Value::Integer(minutes))) => {
            Some(PartyMinutes { party_id: party, organisation_id: organisation, minutes: *minutes })
        }
        _ => None,
    };
    let parties: Vec<PartyMinutes> = reading.fields.iter().filter_map(minutes).collect();
    if parties.len() > PARTIES_MAX { Err(Unreadable::TooManyParties) } else { Ok(parties) }
}

fn tallies(reading: &Reading) -> Result<Vec<Tally>, Unreadable> {
    let mut items: BTreeMap<(&str, bool), Vec<Register>> = BTreeMap::new();
    for (key, field) in &reading.fields {
        if let (Key::Tally { item, seen, register }, Some(Value::Integer(count))) =
            (Key::parse(key), field.first())
        {
            let register = Register { register: register.to_owned(), count: *count };
            items.entry((item, seen)).or_default().push(register);
        }
    }
    let sum = |registers: &[Register]| {
        registers.iter().try_fold(0_i64, |sum, register| sum.checked_add(register.count))
    };
    items
        .into_iter()
        .map(|((item, seen), registers)| {
            let count = sum(&registers).ok_or(Unreadable::OutOfRange)?;
            Ok(Tally { item: item.to_owned(), seen, count, registers })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";

    fn reading(fields: &[(&str, Value)]) -> Reading {
        let fields =
            fields.iter().map(|(key, value)| ((*key).to_owned(), Field::One(value.clone()))).collect();
        Reading { fields, ..Reading::default() }
    }

    fn words(word: &str) -> Value {
        Value::Text(word.to_owned())
    }

    #[test]
    fn kind_and_day_are_enough() {
        let reading = reading(&[("kind", words("hours")), ("day", words("2026-11-21"))]);
        let activity = Activity::from_reading(&reading, Tz::Europe__London).expect("readable");
        assert_eq!(activity.kind, Kind::Hours);
        assert_eq!(activity.day.to_string(), "2026-11-21");
        assert_eq!(activity.phase, Phase::Delivery);
        assert!(!activity.withdrawn);
    }

    #[test]
    fn the_day_of_started_at_is_that_of_the_zone() {
        // 23:30 on 30 June in UTC is already 1 July in London's summer time.
        let at = Value::Instant(1_782_862_200_000);
        let reading = reading(&[("kind", words("hours")), ("started_at", at)]);
        let day = |zone| Activity::from_reading(&reading, zone).expect("readable").day.to_string();
        assert_eq!(day(Tz::UTC), "2026-06-30");
        assert_eq!(day(Tz::Europe__London), "2026-07-01");
    }

    #[test]
    fn registers_add_up_and_zero_minutes_stay() {
        let party = format!("party/{ID}");
        let reading = reading(&[
            ("kind", words("litter_pick")),
            ("day", words("2026-11-21")),
            (&party, Value::Integer(0)),
            ("tally/smoking.butts#a", Value::Integer(3)),
            ("tally/smoking.butts#b", Value::Integer(4)),
            ("tally/smoking.butts:seen#a", Value::Integer(100)),
            ("tally/bags#a", Value::Integer(1)),
        ]);
        let activity = Activity::from_reading(&reading, Tz::UTC).expect("readable");
        assert_eq!(activity.parties.len(), 1);
        let counts: Vec<_> =
            activity.tallies.iter().map(|tally| (tally.item.as_str(), tally.seen, tally.count)).collect();
        assert_eq!(counts, [("bags", false, 1), ("smoking.butts", false, 7), ("smoking.butts", true, 100)]);
    }

    #[test]
    fn sums_beyond_64_bits_are_out_of_range() {
        let reading = reading(&[
            ("kind", words("litter_pick")),
            ("day", words("2026-11-21")),
            ("tally/bags#a", Value::Integer(i64::MAX)),
            ("tally/bags#b", Value::Integer(1)),
        ]);
        assert_eq!(Activity::from_reading(&reading, Tz::UTC), Err(Unreadable::OutOfRange));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let no_day = reading(&[("kind", words("hours"))]);
        assert_eq!(Activity::from_reading(&no_day, Tz::UTC), Err(Unreadable::DayMissing));
        let no_kind = reading(&[("kind", words("gardening")), ("day", words("2026-11-21"))]);
        assert_eq!(Activity::from_reading(&no_kind, Tz::UTC), Err(Unreadable::KindMissing));
    }

    #[test]
    fn deleted_or_withdrawn_is_withdrawn() {
        let mut record = reading(&[("kind", words("hours")), ("day", words("2026-11-21"))]);
        record.deleted = true;
        assert!(Activity::from_reading(&record, Tz::UTC).expect("readable").withdrawn);
        record.deleted = false;
        record.fields.insert("withdrawn".to_owned(), Field::One(Value::Boolean(true)));
        assert!(Activity::from_reading(&record, Tz::UTC).expect("readable").withdrawn);
    }
}
