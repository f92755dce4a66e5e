//! Writing an activity: the flat map of the document, field by field.

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, AutomergeError, ObjId, ObjType, ReadDoc as _, ScalarValue};

use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, PartyId};

/// The map of one activity, open for writing.
#[derive(Debug)]
pub struct Entry<'a> {
    pub(super) doc: &'a mut AutoCommit,
    pub(super) map: ObjId,
    /// The phone's own register for counting.
    pub(super) register: &'a str,
    pub(super) result: Result<(), AutomergeError>,
}

impl Entry<'_> {
    /// Writes any key.
    pub fn put(&mut self, key: &str, value: impl Into<ScalarValue>) -> &mut Self {
        if self.result.is_ok() {
            self.result = self.doc.put(&self.map, key, value);
        }
        self
    }

    /// What was done.
    pub fn kind(&mut self, kind: Kind) -> &mut Self {
        self.put("kind", kind.as_str())
    }

    /// The civil day that the person means, `2026-11-21`.
    pub fn day(&mut self, day: &str) -> &mut Self {
        self.put("day", day)
    }

    /// When it began, in milliseconds since 1970.
    pub fn started_at(&mut self, at_ms: i64) -> &mut Self {
        self.put("started_at", ScalarValue::Timestamp(at_ms))
    }

    /// Minutes of a party; the recorder is a party like the others. 0 removes it.
    pub fn minutes(&mut self, party: PartyId, minutes: i64) -> &mut Self {
        self.put(&format!("party/{party}"), minutes)
    }

    /// The totals of an occasion.
    pub fn totals(&mut self, people: i64, person_minutes: i64) -> &mut Self {
        self.put("people", people).put("person_minutes", person_minutes)
    }

    /// It is part of an occasion.
    pub fn part_of(&mut self, occasion: ActivityId) -> &mut Self {
        self.put("part_of", occasion.to_string())
    }

    /// Counts up in this phone's own register.
    pub fn count(&mut self, item: &str, more: i64) -> &mut Self {
        let key = format!("tally/{item}#{}", self.register);
        let before = match self.doc.get(&self.map, &key) {
            Ok(Some((value, _))) => value.as_i64().unwrap_or(0),
            _ => 0,
        };
        self.put(&key, before.saturating_add(more))
    }

    /// A place, WGS84.
    pub fn place(&mut self, lat: f64, lon: f64, accuracy_m: f64) -> &mut Self {
        self.put("place.lat", lat).put("place.lon", lon).put("place.accuracy_m", accuracy_m)
    }

    /// A note that several may write at once.
    pub fn note(&mut self, text: &str) -> &mut Self {
        if self.result.is_ok() {
            self.result = self
                .doc
                .put_object(&self.map, "note", ObjType::Text)
                .and_then(|note| self.doc.splice_text(&note, 0, 0, text));
        }
        self
    }

    /// Adds to the end of a note that is there.
    pub fn note_more(&mut self, text: &str) -> &mut Self {
        if self.result.is_ok() {
            self.result = match self.doc.get(&self.map, "note") {
                Ok(Some((value, note))) if value.is_object() => {
                    let length = self.doc.length(&note);
                    self.doc.splice_text(&note, length, 0, text)
                }
                Ok(_) => return self.note(text),
                Err(error) => Err(error),
            };
        }
        self
    }

    /// Takes the record back.
    pub fn withdraw(&mut self) -> &mut Self {
        self.put("withdrawn", true)
    }
}
