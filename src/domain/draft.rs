//! An activity as an app writes it in JSON, before it is a change of a daybook: what phones write is read tolerantly,
//! what comes through this door is asked to fit first.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{Key, Raw};
use super::reading::{Field, Reading, Unreadable, Value};

/// A field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where it is, from the draft on: `/parties/0/minutes`.
    pub pointer: String,
    /// `wrong_type`, `out_of_range`, `twice`, `required`, `unknown_field`, or `name` for what no key of the document can be made of.
    pub code: &'static str,
}

/// The fields of one activity, by key of the document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft {
    pub fields: BTreeMap<String, Value>,
    /// Fields that are to read as not written; only an edit has them.
    pub cleared: BTreeSet<String>,
    pub misfits: Vec<Misfit>,
}

impl Draft {
    /// Puts a field, if there is a value: as it will be read.
    pub fn put(&mut self, pointer: &str, key: Key<'_>, value: Option<Value>) {
        let Some(value) = value else { return };
        let name = key.to_string();
        // What a name has in it may make another key of it.
        let fits = Key::parse(&name) == key;
        let read = if fits { key.read(&raw(&value)).map_err(code) } else { Err("name") };
        let read = match read {
            Ok(Some(_)) if self.fields.contains_key(&name) => Err("twice"),
            other => other,
        };
        match read {
            Ok(Some(value)) => drop(self.fields.insert(name, value)),
            Ok(None) => {}
            Err(code) => self.misfits.push(Misfit { pointer: pointer.to_owned(), code }),
        }
    }

    /// Takes a field away, in the way that its key is taken away: what counts is put to 0, what may stand alone reads
    /// as not written.
    pub fn clear(&mut self, pointer: &str, key: Key<'_>) {
        match key {
            Key::Party { .. } | Key::Tally { .. } => self.put(pointer, key, Some(Value::Integer(0))),
            Key::Withdrawn => self.put(pointer, key, Some(Value::Boolean(false))),
            Key::Kind | Key::Day => {
                self.misfits.push(Misfit { pointer: pointer.to_owned(), code: "required" });
            }
            _ => drop(self.cleared.insert(key.to_string())),
        }
    }

    /// As it reads where nobody else has written in it.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let fields = self.fields.iter().map(|(key, value)| (key.clone(), Field::One(value.clone())));
        let mut reading = Reading { fields: fields.collect(), ..Reading::default() };
        reading.unreadable = reading.missing();
        reading
    }
}

fn raw(value: &Value) -> Raw<'_> {
    match value {
        Value::Text(text) => Raw::Text(text),
        Value::Integer(number) => Raw::Integer(*number),
        Value::Number(number) => Raw::Float(*number),
        Value::Boolean(flag) => Raw::Boolean(*flag),
        Value::Instant(at_ms) => Raw::Instant(*at_ms),
        Value::Unknown(_) => Raw::Null,
    }
}

fn code(why: Unreadable) -> &'static str {
    match why {
        Unreadable::OutOfRange => "out_of_range",
        _ => "wrong_type",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::PartyId;

    fn put(key: Key<'_>, value: Value) -> Draft {
        let mut draft = Draft::default();
        draft.put("/it", key, Some(value));
        draft
    }

    #[test]
    fn what_fits_is_put_as_it_will_be_read() {
        let party = Key::Party { party: PartyId(uuid::Uuid::max()), organisation: None };
        for minutes in [0, 1_440] {
            assert_eq!(put(party, Value::Integer(minutes)).misfits, []);
        }
        let draft = put(Key::PlaceLat, Value::Number(52.0));
        assert_eq!(draft.fields["place.lat"], Value::Number(52.0));
        assert_eq!(put(Key::Day, Value::Text("2026-11-21".into())).misfits, []);
    }

    #[test]
    fn what_does_not_fit_is_named_and_left_out() {
        let party = Key::Party { party: PartyId(uuid::Uuid::max()), organisation: None };
        let cases = [
            (party, Value::Integer(1_441), "out_of_range"),
            (party, Value::Integer(-1), "out_of_range"),
            (Key::Day, Value::Text("2026-11-31".into()), "out_of_range"),
            (Key::Kind, Value::Integer(1), "wrong_type"),
            (Key::Tally { item: "a#b", seen: false, register: "r" }, Value::Integer(1), "name"),
            (Key::Photo("abc"), Value::Instant(1), "name"),
        ];
        for (key, value, code) in cases {
            let draft = put(key, value.clone());
            let found: Vec<&str> = draft.misfits.iter().map(|misfit| misfit.code).collect();
            assert_eq!((found, draft.fields.len()), (vec![code], 0), "{key} {value:?}");
        }
        let mut twice = put(party, Value::Integer(1));
        twice.put("/again", party, Some(Value::Integer(2)));
        assert_eq!(twice.misfits, [Misfit { pointer: "/again".into(), code: "twice" }]);
    }
}
