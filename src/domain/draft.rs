//! An activity as an app writes it in JSON, before it is a change of a daybook: what phones write is read tolerantly,
//! what comes through this door is asked to fit first.

use std::collections::{BTreeMap, BTreeSet};

use super::key::{Key, Raw, TALLY_NAME_CHARACTERS_MAX};
use super::reading::{Field, Reading, Unreadable, Value};
use super::wants::{DIGEST, ITEM, Wants};

/// A field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// Where it is, from the draft on: `/parties/0/minutes`.
    pub pointer: String,
    /// `wrong_type`, `out_of_range`, `too_long`, `twice`, `required`, `not_here`, `unknown_field`, or `name` for what no key of the
    /// document can be made of.
    pub code: &'static str,
    /// What is wanted instead, in words.
    pub says: String,
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
        self.put_named(pointer, pointer, key, &value);
    }

    /// Puts a field whose key is made of what stands at `named`; its value stands at `pointer`.
    pub fn put_named(&mut self, named: &str, pointer: &str, key: Key<'_>, value: &Value) {
        let name = key.to_string();
        // What a name has in it may make another key of it.
        if Key::parse(&name) != key {
            self.misfit(named, "name", format!("expected {}", named_by(&key)));
            return;
        }
        let value = raw(value);
        match key.read(&value) {
            Ok(Some(_)) if self.holds(&name) => self.twice(named),
            Ok(Some(read)) => drop(self.fields.insert(name, read)),
            Ok(None) => {}
            Err(why) => self.misfit(pointer, code(why, &key, &value), format!("expected {}", key.wants())),
        }
    }

    /// Takes a field away, in the way that its key is taken away: what counts is put to 0, what may stand alone reads
    /// as not written.
    pub fn clear(&mut self, pointer: &str, key: Key<'_>) {
        let name = key.to_string();
        match key {
            Key::Party { .. } | Key::Tally { .. } => self.put(pointer, key, Some(Value::Integer(0))),
            Key::Withdrawn => self.put(pointer, key, Some(Value::Boolean(false))),
            Key::Kind | Key::Day => {
                self.misfit(
                    pointer,
                    "required",
                    "each activity has one: write another instead of taking it away",
                );
            }
            _ if self.holds(&name) => self.twice(pointer),
            _ => drop(self.cleared.insert(name)),
        }
    }

    /// Notes what does not fit.
    pub fn misfit(&mut self, pointer: &str, code: &'static str, says: impl Into<String>) {
        self.misfits.push(Misfit { pointer: pointer.to_owned(), code, says: says.into() });
    }

    fn twice(&mut self, pointer: &str) {
        self.misfit(pointer, "twice", "this field is there already: send each field once");
    }

    fn holds(&self, name: &str) -> bool {
        self.fields.contains_key(name) || self.cleared.contains(name)
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

fn code(why: Unreadable, key: &Key<'_>, value: &Raw<'_>) -> &'static str {
    match (why, key.wants(), value) {
        (Unreadable::OutOfRange, Wants::Text(most), Raw::Text(text)) if text.chars().count() > most => {
            "too_long"
        }
        (Unreadable::OutOfRange, ..) => "out_of_range",
        _ => "wrong_type",
    }
}

/// What the name in a key is made of, for those that have one which can be wrong.
fn named_by(key: &Key<'_>) -> String {
    match key {
        Key::Photo(_) => DIGEST.to_owned(),
        _ => format!("{ITEM}, of at most {TALLY_NAME_CHARACTERS_MAX} characters"),
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
            (party, Value::Integer(1_441), "out_of_range", "a whole number from 0 to 1,440"),
            (party, Value::Integer(-1), "out_of_range", "a whole number from 0 to 1,440"),
            (party, Value::Text("5".into()), "wrong_type", "a whole number from 0 to 1,440"),
            (Key::Day, Value::Text("2026-11-31".into()), "out_of_range", "a day that exists, as 2026-11-21"),
            (Key::Kind, Value::Integer(1), "wrong_type", "a text of at most 2,000 characters, without NUL"),
            (
                Key::Note,
                Value::Text("é".repeat(2_001)),
                "too_long",
                "a text of at most 2,000 characters, without NUL",
            ),
            (
                Key::Kind,
                Value::Text("a\0".into()),
                "out_of_range",
                "a text of at most 2,000 characters, without NUL",
            ),
            (Key::Photo("abc"), Value::Instant(1), "name", DIGEST),
        ];
        for (key, value, code, wanted) in cases {
            let draft = put(key, value.clone());
            let expected = Misfit { pointer: "/it".into(), code, says: format!("expected {wanted}") };
            assert_eq!((draft.misfits, draft.fields.len()), (vec![expected], 0), "{key} {value:?}");
        }
    }

    #[test]
    fn a_name_is_pointed_at_where_it_stands() {
        let mut draft = Draft::default();
        let tally = |item| Key::Tally { item, seen: false, register: "r" };
        draft.put_named("/item", "/count", tally("a#b"), &Value::Integer(1));
        draft.put_named("/item", "/count", tally("drink.can"), &Value::Integer(-1));
        draft.put_named("/item", "/count", tally("drink.can"), &Value::Integer(1));
        draft.put_named("/item", "/count", tally("drink.can"), &Value::Integer(1));
        let found: Vec<(&str, &str)> =
            draft.misfits.iter().map(|one| (one.pointer.as_str(), one.code)).collect();
        assert_eq!(found, [("/item", "name"), ("/count", "out_of_range"), ("/item", "twice")]);
        assert!(draft.misfits[0].says.contains("two or three words"), "{}", draft.misfits[0].says);
    }

    #[test]
    fn a_field_is_written_or_taken_away_once() {
        let mut draft = Draft::default();
        draft.clear("/one", Key::Note);
        draft.put("/two", Key::Note, Some(Value::Text("x".into())));
        draft.put("/three", Key::People, Some(Value::Integer(1)));
        draft.clear("/four", Key::People);
        draft.clear("/five", Key::Note);
        let found: Vec<(&str, &str)> =
            draft.misfits.iter().map(|one| (one.pointer.as_str(), one.code)).collect();
        assert_eq!(found, [("/two", "twice"), ("/four", "twice"), ("/five", "twice")]);
    }
}
