//! An activity as read from the merged daybook: every field with all its surviving values.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::activity::Kind;
use super::key::{Class, Key};
use super::review::Conflict;

/// One value of one field, after normalising.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Strings, whether written as text or as a scalar.
    Text(String),
    /// Whole numbers; a float without a fraction counts as one where the field wants one.
    Integer(i64),
    /// Numbers with a fraction: places, weights of fields that allow it.
    Number(f64),
    Boolean(bool),
    /// Milliseconds since 1970, UTC.
    Instant(i64),
    /// Whatever an unknown key holds, as JSON (bytes in base64url, instants in RFC 3339).
    Unknown(serde_json::Value),
}

/// A field of a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// One value: nobody disagrees.
    One(Value),
    /// Several different values, the greatest (counter, actor) first.
    Several(Vec<Value>),
    /// Cannot be read; the reason is a stable code.
    Unreadable(Unreadable),
}

/// Why a field or an activity cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unreadable {
    /// The type does not fit the field.
    WrongType,
    /// The value is outside what the field allows.
    OutOfRange,
    /// More visible values than [`crate::domain::limits::FIELD_VALUES_MAX`].
    TooManyValues,
    /// A list, a map or a table where a scalar belongs.
    Nested,
    /// The activity's key in the root holds something else than a map.
    NotAMap,
    /// `kind` is missing or not one of the four.
    KindMissing,
    /// `day` is missing and no `started_at` gives it.
    DayMissing,
    /// The same activity id was brought first in another daybook.
    IdElsewhere,
    /// More parties than [`crate::domain::limits::PARTIES_MAX`].
    TooManyParties,
    /// More than [`crate::domain::limits::READING_BYTES_MAX`]; of a text, edited in a daybook that is too large to be
    /// loaded ([`crate::domain::limits::COMPACT_LOAD_BYTES_MAX`]).
    TooLarge,
}

/// An activity as read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// By the document's key, unknown keys included; only keys with at least one visible value.
    pub fields: BTreeMap<String, Field>,
    /// The activity's key was deleted from the root and nothing visible remains: read as withdrawn.
    pub deleted: bool,
    /// The activity as a whole cannot be read (then `fields` holds what could be).
    pub unreadable: Option<Unreadable>,
}

/// Numbers are finite: reading refuses all others.
impl Eq for Value {}

impl Value {
    /// Whether it says yes.
    #[must_use]
    pub fn is_true(&self) -> bool {
        *self == Self::Boolean(true)
    }

    /// As plain JSON, instants in RFC 3339.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(number) => (*number).into(),
            Self::Number(number) => (*number).into(),
            Self::Boolean(flag) => (*flag).into(),
            Self::Instant(at_ms) => super::time::rfc3339(*at_ms).into(),
            Self::Unknown(json) => json.clone(),
        }
    }
}

impl Field {
    /// The value to work with: the only one, or the first of several; nothing where unreadable.
    #[must_use]
    pub fn first(&self) -> Option<&Value> {
        match self {
            Self::One(value) => Some(value),
            Self::Several(values) => values.first(),
            Self::Unreadable(_) => None,
        }
    }

    /// All values, first one first; none where unreadable.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Several(values) => values,
            Self::Unreadable(_) => &[],
        }
    }
}

impl Reading {
    /// Whether phones disagree, and whether about something that matters to ledger or reports.
    #[must_use]
    pub fn conflict(&self) -> Conflict {
        let disputed = self.fields.iter().filter(|(_, field)| matches!(field, Field::Several(_)));
        match disputed.map(|(key, _)| Key::parse(key).class()).max() {
            None => Conflict::None,
            Some(Class::Inert) => Conflict::Soft,
            Some(Class::Report | Class::Ledger) => Conflict::Hard,
        }
    }

    /// SHA-256 of the reading as canonical JSON: equal readings have equal hashes, on every build.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut hasher = Sha256::new();
        // A reading holds nothing that JSON cannot: keys are strings, numbers are finite.
        let json = serde_json::to_value(self).unwrap_or(serde_json::Value::Null);
        let mut text = String::new();
        canonical(&json, &mut text);
        hasher.update(text.as_bytes());
        hasher.finalize().into()
    }

    /// Keys whose field differs from the older reading, sorted; `withdrawn` also where the activity was
    /// deleted or came back. Against nothing, every field counts.
    #[must_use]
    pub fn changed_fields(&self, older: Option<&Reading>) -> Vec<String> {
        let nothing = Reading::default();
        let older = older.unwrap_or(&nothing);
        let keys: BTreeSet<&String> = self.fields.keys().chain(older.fields.keys()).collect();
        let mut changed: BTreeSet<String> =
            keys.into_iter().filter(|key| self.fields.get(*key) != older.fields.get(*key)).cloned().collect();
        if self.deleted != older.deleted {
            changed.insert(Key::Withdrawn.to_string());
        }
        changed.into_iter().collect()
    }

    /// The classes that the difference to the older reading touches.
    #[must_use]
    pub fn changed_classes(&self, older: Option<&Reading>) -> BTreeSet<Class> {
        self.changed_fields(older).iter().map(|key| Key::parse(key).class()).collect()
    }

    /// Nothing differs outside these classes (nor whether the activity can be read at all).
    #[must_use]
    pub fn differs_only_in(&self, older: &Reading, classes: &[Class]) -> bool {
        self.unreadable == older.unreadable
            && self.changed_classes(Some(older)).iter().all(|class| classes.contains(class))
    }

    /// The fields that cannot be read, with the reason of each.
    pub fn unreadable_fields(&self) -> impl Iterator<Item = (&str, Unreadable)> {
        self.fields.iter().filter_map(|(key, field)| match field {
            Field::Unreadable(reason) => Some((key.as_str(), *reason)),
            Field::One(_) | Field::Several(_) => None,
        })
    }

    /// A field of this class cannot be read: a person has to look, whatever the rest says.
    #[must_use]
    pub fn has_unreadable(&self, class: Class) -> bool {
        self.unreadable_fields().any(|(key, _)| Key::parse(key).class() == class)
    }

    /// Why the fields do not make an activity, if they do not: `kind` and `day` alone make a valid one.
    #[must_use]
    pub fn missing(&self) -> Option<Unreadable> {
        let kind = match self.fields.get("kind").and_then(Field::first) {
            Some(Value::Text(kind)) => Kind::parse(kind),
            _ => None,
        };
        if kind.is_none() {
            return Some(Unreadable::KindMissing);
        }
        match self.fields.get("day") {
            Some(Field::Unreadable(reason)) => return Some(*reason),
            Some(_) => return None,
            None => {}
        }
        let started = self.fields.get("started_at").and_then(Field::first);
        started.is_none().then_some(Unreadable::DayMissing)
    }
}

/// JSON without spaces, keys sorted, whatever order the map keeps them in.
fn canonical(json: &serde_json::Value, out: &mut String) {
    match json {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        serde_json::Value::Object(members) => {
            let sorted: BTreeMap<&String, &serde_json::Value> = members.iter().collect();
            out.push('{');
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push('}');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(fields: &[(&str, Field)]) -> Reading {
        let fields = fields.iter().map(|(key, field)| ((*key).to_owned(), field.clone())).collect();
        Reading { fields, ..Reading::default() }
    }

    fn number(value: i64) -> Field {
        Field::One(Value::Integer(value))
    }

    fn two_texts() -> Field {
        Field::Several(vec![Value::Text("b".to_owned()), Value::Text("a".to_owned())])
    }

    #[test]
    fn a_conflict_is_as_hard_as_its_hardest_field() {
        assert_eq!(reading(&[("people", number(1))]).conflict(), Conflict::None);
        assert_eq!(reading(&[("note", two_texts()), ("people", number(1))]).conflict(), Conflict::Soft);
        assert_eq!(reading(&[("weather", two_texts())]).conflict(), Conflict::Soft);
        assert_eq!(reading(&[("place_id", two_texts())]).conflict(), Conflict::Hard);
        assert_eq!(reading(&[("note", two_texts()), ("programme", two_texts())]).conflict(), Conflict::Hard);
        let unreadable = reading(&[("people", Field::Unreadable(Unreadable::WrongType))]);
        assert_eq!(unreadable.conflict(), Conflict::None);
    }

    #[test]
    fn the_hash_is_of_canonical_json_and_tells_every_difference() {
        let plain = reading(&[("people", number(1))]);
        let expected = r#"{"deleted":false,"fields":{"people":{"one":{"integer":1}}},"unreadable":null}"#;
        let digest: [u8; 32] = Sha256::digest(expected.as_bytes()).into();
        assert_eq!(plain.hash(), digest);
        assert_ne!(plain.hash(), reading(&[("people", number(2))]).hash());
        assert_ne!(plain.hash(), Reading { deleted: true, ..plain.clone() }.hash());
        let unreadable = Some(Unreadable::IdElsewhere);
        assert_ne!(plain.hash(), Reading { unreadable, ..plain.clone() }.hash());
    }

    #[test]
    fn changes_are_named_and_classed() {
        let older = reading(&[("people", number(1)), ("note", two_texts()), ("place_id", two_texts())]);
        let newer = reading(&[("people", number(1)), ("note", number(3)), ("weather", number(4))]);
        assert_eq!(newer.changed_fields(Some(&older)), ["note", "place_id", "weather"]);
        assert_eq!(newer.changed_fields(None), ["note", "people", "weather"]);
        assert!(newer.differs_only_in(&older, &[Class::Inert, Class::Report]));
        assert!(!newer.differs_only_in(&older, &[Class::Inert]));
        let deleted = Reading { deleted: true, ..older.clone() };
        assert_eq!(deleted.changed_fields(Some(&older)), ["withdrawn"]);
        assert!(!deleted.differs_only_in(&older, &[Class::Inert, Class::Report]));
        assert!(older.differs_only_in(&older, &[]));
    }

    #[test]
    fn kind_and_day_alone_make_an_activity() {
        let kind = ("kind", Field::One(Value::Text("repair".to_owned())));
        let day = ("day", Field::One(Value::Text("2026-11-21".to_owned())));
        let started = ("started_at", Field::One(Value::Instant(0)));
        let bad_day = ("day", Field::Unreadable(Unreadable::OutOfRange));
        assert_eq!(reading(&[kind.clone(), day.clone()]).missing(), None);
        assert_eq!(reading(&[kind.clone(), started.clone()]).missing(), None);
        assert_eq!(reading(&[day]).missing(), Some(Unreadable::KindMissing));
        assert_eq!(reading(std::slice::from_ref(&kind)).missing(), Some(Unreadable::DayMissing));
        assert_eq!(reading(&[kind, started, bad_day]).missing(), Some(Unreadable::OutOfRange));
    }
}
