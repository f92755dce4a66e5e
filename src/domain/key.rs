//! The keys of an activity's flat map (design: "The daybook document"), the class each belongs to, and
//! the type each wants.
//!
//! Reading is tolerant: whole numbers may come as floats and the other way round, instants as plain
//! milliseconds, and `null` counts as not written. What still does not fit makes that one field
//! unreadable, with a reason, and nothing else.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::ids::{ActivityId, PartyId};
use super::limits::{NOTE_CHARACTERS_MAX, PARTY_MINUTES_MAX, TEXT_CHARACTERS_MAX};
use super::reading::{Unreadable, Value};
use super::time::{parse_day, rfc3339};

/// People of one occasion.
pub const PEOPLE_MAX: i64 = 1_000_000;
/// Minutes of all people of one occasion together.
pub const PERSON_MINUTES_MAX: i64 = PEOPLE_MAX * PARTY_MINUTES_MAX;
/// One register of one tally; grams, for weights.
pub const TALLY_MAX: i64 = 1_000_000_000;
/// Milliseconds around 1970 that phones can show (the range of a JavaScript `Date`).
pub const INSTANT_MS_MAX: i64 = 8_640_000_000_000_000;
/// Whole numbers that a float carries exactly.
const FLOAT_INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
/// Characters of a tally's item, and of a register.
const TALLY_NAME_CHARACTERS_MAX: usize = 100;

/// The fields of a repair that are texts.
pub const REPAIR_TEXTS: [&str; 6] = ["product", "category", "brand", "status", "barrier", "problem"];
/// The fields of a repair that are numbers.
pub const REPAIR_NUMBERS: [&str; 3] = ["category_id", "year", "age_years"];
/// The fields of a street fix.
pub const STREET: [&str; 2] = ["service_code", "fixes_request"];
/// Where a record came from.
pub const SOURCE: [&str; 4] = ["provider", "id", "country", "group"];

/// What a field matters to. Only a change of what matters to the ledger or to reports can send a record
/// back to review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Notes, photos, how minutes were measured, everything unknown.
    Inert,
    /// Figures that are reported: counts, grades, places, repairs.
    Report,
    /// What postings are made of.
    Ledger,
}

/// One key of an activity's map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key<'a> {
    Kind,
    Day,
    StartedAt,
    MinutesSource,
    Phase,
    Note,
    Programme,
    Action,
    PlaceId,
    PartOf,
    Confirms,
    /// `party/<party id>[@<organisation id>]`
    Party {
        party: PartyId,
        organisation: Option<PartyId>,
    },
    People,
    PersonMinutes,
    /// `tally/<item>[:seen]#<register>`
    Tally {
        item: &'a str,
        seen: bool,
        register: &'a str,
    },
    PlaceLat,
    PlaceLon,
    PlaceAccuracy,
    GradeBefore,
    GradeAfter,
    /// `repair.<field>`, one of the known fields.
    Repair(&'a str),
    /// `street.<field>`, one of the known fields.
    Street(&'a str),
    /// `source.<field>`, one of the known fields.
    Source(&'a str),
    /// `photo/<sha256>`, 64 lower-case hexadecimal digits.
    Photo(&'a str),
    Withdrawn,
    /// Kept and passed on, never posted.
    Unknown(&'a str),
}

/// A scalar as the document holds it, before normalising. Text objects come as `Text`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
    /// Milliseconds since 1970, UTC.
    Instant(i64),
    Bytes(&'a [u8]),
    /// A scalar of a type that this version does not know.
    Other {
        type_code: u8,
        bytes: &'a [u8],
    },
}

impl<'a> Key<'a> {
    /// Every string is some key; what has no meaning is [`Key::Unknown`].
    #[must_use]
    pub fn parse(key: &'a str) -> Self {
        match key {
            "kind" => Self::Kind,
            "day" => Self::Day,
            "started_at" => Self::StartedAt,
            "minutes_source" => Self::MinutesSource,
            "phase" => Self::Phase,
            "note" => Self::Note,
            "programme" => Self::Programme,
            "action" => Self::Action,
            "place_id" => Self::PlaceId,
            "part_of" => Self::PartOf,
            "confirms" => Self::Confirms,
            "people" => Self::People,
            "person_minutes" => Self::PersonMinutes,
            "place.lat" => Self::PlaceLat,
            "place.lon" => Self::PlaceLon,
            "place.accuracy_m" => Self::PlaceAccuracy,
            "grade.before" => Self::GradeBefore,
            "grade.after" => Self::GradeAfter,
            "withdrawn" => Self::Withdrawn,
            _ => parse_family(key).unwrap_or(Self::Unknown(key)),
        }
    }

    /// What the field matters to.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Kind
            | Self::Day
            | Self::StartedAt
            | Self::Party { .. }
            | Self::People
            | Self::PersonMinutes
            | Self::Phase
            | Self::Programme
            | Self::PartOf
            | Self::Confirms
            | Self::Withdrawn => Class::Ledger,
            Self::Tally { .. }
            | Self::GradeBefore
            | Self::GradeAfter
            | Self::Repair(_)
            | Self::Street(_)
            | Self::PlaceLat
            | Self::PlaceLon
            | Self::PlaceAccuracy
            | Self::PlaceId
            | Self::Action
            | Self::Source(_) => Class::Report,
            Self::MinutesSource | Self::Note | Self::Photo(_) | Self::Unknown(_) => Class::Inert,
        }
    }

    /// Normalises one value for this field. `None` where the value counts as not written.
    ///
    /// # Errors
    /// `wrong_type` or `out_of_range`.
    pub fn read(&self, raw: &Raw<'_>) -> Result<Option<Value>, Unreadable> {
        match (self, raw) {
            _ if raw.is_too_long() => Err(Unreadable::OutOfRange),
            (Self::Unknown(_), _) => Ok(Some(Value::Unknown(raw.json()))),
            (_, Raw::Null) => Ok(None),
            (known, _) => known.read_known(raw).map(Some),
        }
    }

    fn read_known(&self, raw: &Raw<'_>) -> Result<Value, Unreadable> {
        match self {
            Self::Kind
            | Self::MinutesSource
            | Self::Programme
            | Self::Action
            | Self::PlaceId
            | Self::Street(_)
            | Self::Source(_) => text(raw, TEXT_CHARACTERS_MAX),
            Self::Note => text(raw, NOTE_CHARACTERS_MAX),
            Self::Day => text_where(raw, |day| parse_day(day).is_some()),
            Self::Phase => text_where(raw, |phase| matches!(phase, "planning" | "delivery")),
            Self::GradeBefore | Self::GradeAfter => {
                text_where(raw, |grade| matches!(grade, "A" | "B" | "C" | "D"))
            }
            Self::PartOf | Self::Confirms => activity_id(raw),
            Self::StartedAt | Self::Photo(_) => instant(raw),
            Self::Party { .. } => integer(raw, 0, PARTY_MINUTES_MAX),
            Self::People => integer(raw, 0, PEOPLE_MAX),
            Self::PersonMinutes => integer(raw, 0, PERSON_MINUTES_MAX),
            Self::Tally { .. } => integer(raw, 0, TALLY_MAX),
            Self::PlaceLat => number(raw, -90.0, 90.0),
            Self::PlaceLon => number(raw, -180.0, 180.0),
            Self::PlaceAccuracy => number(raw, 0.0, f64::MAX),
            Self::Repair("age_years") => number(raw, 0.0, 10_000.0),
            Self::Repair("year") => integer(raw, 0, 9_999),
            Self::Repair("category_id") => integer(raw, 0, i64::from(i32::MAX)),
            Self::Repair(_) => text(raw, TEXT_CHARACTERS_MAX),
            Self::Withdrawn => match raw {
                Raw::Boolean(value) => Ok(Value::Boolean(*value)),
                _ => Err(Unreadable::WrongType),
            },
            Self::Unknown(_) => Ok(Value::Unknown(raw.json())),
        }
    }
}

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind => f.write_str("kind"),
            Self::Day => f.write_str("day"),
            Self::StartedAt => f.write_str("started_at"),
            Self::MinutesSource => f.write_str("minutes_source"),
            Self::Phase => f.write_str("phase"),
            Self::Note => f.write_str("note"),
            Self::Programme => f.write_str("programme"),
            Self::Action => f.write_str("action"),
            Self::PlaceId => f.write_str("place_id"),
            Self::PartOf => f.write_str("part_of"),
            Self::Confirms => f.write_str("confirms"),
            Self::Party { party, organisation: None } => write!(f, "party/{party}"),
            Self::Party { party, organisation: Some(organisation) } => {
                write!(f, "party/{party}@{organisation}")
            }
            Self::People => f.write_str("people"),
            Self::PersonMinutes => f.write_str("person_minutes"),
            Self::Tally { item, seen, register } => {
                write!(f, "tally/{item}{}#{register}", if *seen { ":seen" } else { "" })
            }
            Self::PlaceLat => f.write_str("place.lat"),
            Self::PlaceLon => f.write_str("place.lon"),
            Self::PlaceAccuracy => f.write_str("place.accuracy_m"),
            Self::GradeBefore => f.write_str("grade.before"),
            Self::GradeAfter => f.write_str("grade.after"),
            Self::Repair(field) => write!(f, "repair.{field}"),
            Self::Street(field) => write!(f, "street.{field}"),
            Self::Source(field) => write!(f, "source.{field}"),
            Self::Photo(digest) => write!(f, "photo/{digest}"),
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::Unknown(key) => f.write_str(key),
        }
    }
}

impl Raw<'_> {
    /// Longer than any field allows, the unknown ones included.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        let characters_max = NOTE_CHARACTERS_MAX.max(TEXT_CHARACTERS_MAX);
        match self {
            Self::Text(text) => text.chars().nth(characters_max).is_some(),
            Self::Bytes(bytes) | Self::Other { bytes, .. } => bytes.len() > characters_max,
            _ => false,
        }
    }

    /// The value as JSON: bytes in base64url, instants in RFC 3339, whole floats as integers, and
    /// what JSON has no number for as its name.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        match self {
            Self::Null => serde_json::Value::Null,
            Self::Boolean(value) => (*value).into(),
            Self::Integer(value) => (*value).into(),
            Self::Unsigned(value) => (*value).into(),
            Self::Float(value) => match whole(*value) {
                Some(whole) => whole.into(),
                None => serde_json::Number::from_f64(*value)
                    .map_or_else(|| value.to_string().into(), serde_json::Value::Number),
            },
            Self::Text(value) => (*value).into(),
            Self::Instant(at_ms) => rfc3339(*at_ms).into(),
            Self::Bytes(bytes) => URL_SAFE_NO_PAD.encode(bytes).into(),
            Self::Other { type_code, bytes } => {
                serde_json::json!({ "type": type_code, "bytes": URL_SAFE_NO_PAD.encode(bytes) })
            }
        }
    }
}

/// A UUID in exactly the form this system writes: lower case, with hyphens.
#[must_use]
pub fn parse_plain_uuid(text: &str) -> Option<Uuid> {
    if text.len() != 36 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok()
}

/// The activity that a key of the document's root names, if it names one.
#[must_use]
pub fn parse_activity_key(root_key: &str) -> Option<ActivityId> {
    parse_plain_uuid(root_key).map(ActivityId)
}

fn parse_family(key: &str) -> Option<Key<'_>> {
    if let Some(rest) = key.strip_prefix("party/") {
        return parse_party(rest);
    }
    if let Some(rest) = key.strip_prefix("tally/") {
        return parse_tally(rest);
    }
    if let Some(digest) = key.strip_prefix("photo/") {
        let plain = digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        return (digest.len() == 64 && plain).then_some(Key::Photo(digest));
    }
    let (family, field) = key.split_once('.')?;
    match family {
        "repair" if REPAIR_TEXTS.contains(&field) || REPAIR_NUMBERS.contains(&field) => {
            Some(Key::Repair(field))
        }
        "street" if STREET.contains(&field) => Some(Key::Street(field)),
        "source" if SOURCE.contains(&field) => Some(Key::Source(field)),
        _ => None,
    }
}

fn parse_party(rest: &str) -> Option<Key<'_>> {
    let (party, organisation) = match rest.split_once('@') {
        Some((party, organisation)) => (party, Some(PartyId(parse_plain_uuid(organisation)?))),
        None => (rest, None),
    };
    Some(Key::Party { party: PartyId(parse_plain_uuid(party)?), organisation })
}

fn parse_tally(rest: &str) -> Option<Key<'_>> {
    let (counted, register) = rest.split_once('#')?;
    let (item, seen) = match counted.strip_suffix(":seen") {
        Some(item) => (item, true),
        None => (counted, false),
    };
    let short = |name: &str| !name.is_empty() && name.chars().count() <= TALLY_NAME_CHARACTERS_MAX;
    let measured = matches!(item, "bags" | "weight_g");
    if !short(register) || !short(item) || (measured && seen) || !(measured || is_item(item)) {
        return None;
    }
    Some(Key::Tally { item, seen, register })
}

/// `<category>.<object>[.<type>]`, each of letters, digits, `_` and `-`.
fn is_item(item: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
    };
    matches!(item.split('.').count(), 2 | 3) && item.split('.').all(plain)
}

/// Texts that are kept in columns of their own cannot hold NUL, which `PostgreSQL` refuses.
fn text(raw: &Raw<'_>, characters_max: usize) -> Result<Value, Unreadable> {
    text_where(raw, |text| text.chars().count() <= characters_max && !text.contains('\0'))
}

fn text_where(raw: &Raw<'_>, allowed: impl Fn(&str) -> bool) -> Result<Value, Unreadable> {
    match raw {
        Raw::Text(text) if allowed(text) => Ok(Value::Text((*text).to_owned())),
        Raw::Text(_) => Err(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

/// Ids may be written in capitals; they are one value with their lower-case form.
fn activity_id(raw: &Raw<'_>) -> Result<Value, Unreadable> {
    match raw {
        Raw::Text(text) => parse_plain_uuid(&text.to_ascii_lowercase())
            .map(|id| Value::Text(id.to_string()))
            .ok_or(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

fn integer(raw: &Raw<'_>, min: i64, max: i64) -> Result<Value, Unreadable> {
    let value = as_integer(raw)?;
    if (min..=max).contains(&value) { Ok(Value::Integer(value)) } else { Err(Unreadable::OutOfRange) }
}

fn as_integer(raw: &Raw<'_>) -> Result<i64, Unreadable> {
    match raw {
        Raw::Integer(value) => Ok(*value),
        Raw::Unsigned(value) => i64::try_from(*value).map_err(|_| Unreadable::OutOfRange),
        Raw::Float(value) if value.fract() == 0.0 => whole(*value).ok_or(Unreadable::OutOfRange),
        Raw::Float(value) if value.is_infinite() => Err(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

fn instant(raw: &Raw<'_>) -> Result<Value, Unreadable> {
    let at_ms = match raw {
        Raw::Instant(at_ms) => *at_ms,
        other => as_integer(other)?,
    };
    if (-INSTANT_MS_MAX..=INSTANT_MS_MAX).contains(&at_ms) {
        Ok(Value::Instant(at_ms))
    } else {
        Err(Unreadable::OutOfRange)
    }
}

fn number(raw: &Raw<'_>, min: f64, max: f64) -> Result<Value, Unreadable> {
    let value = match raw {
        Raw::Float(value) => *value,
        other => integer_as_float(as_integer(other)?).ok_or(Unreadable::OutOfRange)?,
    };
    if value.is_nan() || value < min || value > max {
        return Err(Unreadable::OutOfRange);
    }
    // Negative zero equals zero and must not be told apart by a hash.
    Ok(Value::Number(value + 0.0))
}

fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= FLOAT_INTEGER_MAX).then_some(value as i64)
}

fn integer_as_float(value: i64) -> Option<f64> {
    let float = value as f64;
    (float.abs() <= FLOAT_INTEGER_MAX).then_some(float)
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
