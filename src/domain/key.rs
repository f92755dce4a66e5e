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
use super::time::rfc3339;
use super::wants::Wants;

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
pub const TALLY_NAME_CHARACTERS_MAX: usize = 100;

/// The keys of no family.
pub const PLAIN: [&str; 19] = [
    "kind",
    "day",
    "started_at",
    "minutes_source",
    "phase",
    "note",
    "programme",
    "action",
    "place_id",
    "part_of",
    "confirms",
    "people",
    "person_minutes",
    "place.lat",
    "place.lon",
    "place.accuracy_m",
    "grade.before",
    "grade.after",
    "withdrawn",
];
/// The tallies that count no items.
pub const MEASURES: [&str; 2] = ["bags", "weight_g"];
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
            (known, Raw::Null) if !matches!(known, Self::Unknown(_)) => Ok(None),
            (known, _) => known.wants().read(raw).map(Some),
        }
    }

    /// What the field takes.
    #[must_use]
    pub fn wants(&self) -> Wants {
        match self {
            Self::Kind
            | Self::MinutesSource
            | Self::Programme
            | Self::Action
            | Self::PlaceId
            | Self::Street(_)
            | Self::Source(_) => Wants::Text(TEXT_CHARACTERS_MAX),
            Self::Note => Wants::Text(NOTE_CHARACTERS_MAX),
            Self::Day => Wants::Day,
            Self::Phase => Wants::Word(&["planning", "delivery"]),
            Self::GradeBefore | Self::GradeAfter => Wants::Word(&["A", "B", "C", "D"]),
            Self::PartOf | Self::Confirms => Wants::Id,
            Self::StartedAt | Self::Photo(_) => Wants::Instant,
            Self::Party { .. } => Wants::Whole(0, PARTY_MINUTES_MAX),
            Self::People => Wants::Whole(0, PEOPLE_MAX),
            Self::PersonMinutes => Wants::Whole(0, PERSON_MINUTES_MAX),
            Self::Tally { .. } => Wants::Whole(0, TALLY_MAX),
            Self::PlaceLat => Wants::Number(-90.0, 90.0),
            Self::PlaceLon => Wants::Number(-180.0, 180.0),
            Self::PlaceAccuracy => Wants::Number(0.0, f64::MAX),
            Self::Repair("age_years") => Wants::Number(0.0, 10_000.0),
            Self::Repair("year") => Wants::Whole(0, 9_999),
            Self::Repair("category_id") => Wants::Whole(0, i64::from(i32::MAX)),
            Self::Repair(_) => Wants::Text(TEXT_CHARACTERS_MAX),
            Self::Withdrawn => Wants::Flag,
            Self::Unknown(_) => Wants::Anything,
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
    let measured = MEASURES.contains(&item);
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

/// The whole number that a float is, where it carries that exactly.
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.fract() == 0.0 && value.abs() <= FLOAT_INTEGER_MAX).then_some(value as i64)
}

/// The float that a whole number is, where it carries that exactly.
pub(super) fn integer_as_float(value: i64) -> Option<f64> {
    let float = value as f64;
    (float.abs() <= FLOAT_INTEGER_MAX).then_some(float)
}

#[cfg(test)]
#[path = "key_tests.rs"]
mod tests;
