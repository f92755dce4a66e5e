//! How large a record is as it reads: who judges reads many at once, and each edit writes it anew.

use super::key::Key;
use super::limits::READING_BYTES_MAX;
use super::reading::{Field, Reading, Unreadable, Value};

/// What surrounds each field and each value.
const AROUND: usize = 24;

impl Reading {
    /// The reading, of one that is too large without the fields that the API does not name; where that is not enough,
    /// the record as a whole cannot be read.
    #[must_use]
    pub fn within_bounds(mut self) -> Self {
        if self.size() <= READING_BYTES_MAX {
            return self;
        }
        self.fields.retain(|key, _| !matches!(Key::parse(key), Key::Unknown(_)));
        if self.size() > READING_BYTES_MAX {
            self.unreadable = Some(Unreadable::TooLarge);
            self.fields.clear();
        }
        self
    }

    /// Its bytes as JSON, about.
    fn size(&self) -> usize {
        let fields = self.fields.iter();
        fields.fold(0, |sum, (key, field)| sum.saturating_add(text(key)).saturating_add(of_field(field)))
    }
}

fn of_field(field: &Field) -> usize {
    let values = field.values().iter().map(|value| match value {
        Value::Text(value) => text(value),
        Value::Unknown(json) => of_json(json),
        Value::Integer(_) | Value::Number(_) | Value::Instant(_) | Value::Boolean(_) => AROUND,
    });
    values.fold(AROUND, usize::saturating_add)
}

fn of_json(json: &serde_json::Value) -> usize {
    match json {
        serde_json::Value::String(value) => text(value),
        serde_json::Value::Array(values) => values.iter().map(of_json).fold(AROUND, usize::saturating_add),
        serde_json::Value::Object(values) => {
            let values = values.iter().map(|(key, value)| text(key).saturating_add(of_json(value)));
            values.fold(AROUND, usize::saturating_add)
        }
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => AROUND,
    }
}

/// A text in JSON, where a control character takes six bytes.
fn text(text: &str) -> usize {
    let bytes = text.bytes().map(|byte| match byte {
        0..=0x1f => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    });
    bytes.fold(AROUND, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(key: &str, bytes: usize) -> Reading {
        let field = |text: &str| Field::One(Value::Text(text.into()));
        let fields = [("kind".to_owned(), field("hours")), ("day".to_owned(), field("2026-11-20"))];
        let mut reading = Reading { fields: fields.into(), ..Reading::default() };
        reading.fields.insert(key.to_owned(), field(&"x".repeat(bytes)));
        reading
    }

    #[test]
    fn a_record_reads_as_so_many_bytes_and_not_one_more() {
        for (key, unreadable, left) in [("dog", None, 2), ("note", Some(Unreadable::TooLarge), 0)] {
            let room = READING_BYTES_MAX - reading(key, 0).size();
            let fits = reading(key, room);
            assert_eq!(fits.clone().within_bounds(), fits);
            let read = reading(key, room + 1).within_bounds();
            assert_eq!((read.unreadable, read.fields.len()), (unreadable, left), "{key}");
        }
    }

    #[test]
    fn no_record_is_larger_in_json_than_it_is_taken_for() {
        for text in ["x", "\u{1}", "\"", "\\", "é"] {
            let mut reading = reading("note", 0);
            let nested = serde_json::json!([{ "deep": [text.repeat(100), null, 1.5, true] }]);
            reading.fields.insert(text.repeat(50), Field::Several(vec![Value::Unknown(nested); 3]));
            let json = serde_json::to_string(&reading.fields).expect("JSON");
            assert!(json.len() <= reading.size(), "{} > {}", json.len(), reading.size());
        }
    }
}
