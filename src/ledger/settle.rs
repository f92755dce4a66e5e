//! Settling a conflict: what a person says counts instead of several values that phones wrote at once.
//!
//! A settlement names the operations it speaks of, each with its value, and holds exactly as long as a field
//! shows no other: a later concurrent operation, or a counter that moved, opens the conflict again. Readings do
//! not carry operations, so they come in beside them, from the state of the activity *at that version*.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::decide::Refusal;
use crate::domain::key::{Class, Key, Raw};
use crate::domain::reading::{Field, Reading, Value};

/// By field, the visible operations (`<counter>@<actor in hexadecimal>`) with the value of each. Only fields with
/// several values matter; the others may be left out.
pub type Operations = BTreeMap<String, BTreeMap<String, Value>>;

/// Settlements by field: of a field only the latest counts.
pub type Settlements = BTreeMap<String, Settlement>;

/// What somebody said about one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settlement {
    /// The operations it speaks of, with the value that each had.
    pub operations: BTreeMap<String, Value>,
    /// What counts instead.
    pub value: Value,
}

/// A settlement as asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settles {
    pub field: String,
    /// All operations that the person saw in the field.
    pub operations: BTreeSet<String>,
    pub value: Value,
}

/// The settlements as they are to be stored. `reading` and `visible` are of the newest version.
///
/// # Errors
/// [`Refusal::NothingToSettle`] where nothing is asked for, [`Refusal::SettlementUnfit`] where a field is not in a
/// hard conflict, is named twice, shows other operations by now, or cannot hold the value.
pub fn settle(reading: &Reading, visible: &Operations, asked: &[Settles]) -> Result<Settlements, Refusal> {
    let mut settlements = Settlements::new();
    for Settles { field, operations, value } in asked {
        let unfit = || Refusal::SettlementUnfit { field: field.clone() };
        let several = matches!(reading.fields.get(field), Some(Field::Several(_)));
        let key = Key::parse(field);
        let there = visible.get(field).ok_or_else(unfit)?;
        let fits = several
            && key.class() != Class::Inert
            && there.keys().eq(operations)
            && can_hold(&key, value)
            && !settlements.contains_key(field);
        if !fits {
            return Err(unfit());
        }
        settlements.insert(field.clone(), Settlement { operations: there.clone(), value: value.clone() });
    }
    if settlements.is_empty() { Err(Refusal::NothingToSettle) } else { Ok(settlements) }
}

/// The fields of a version that read as settled, with the value of each. Kept with the version's journal entry
/// and with decisions about it, since operations cannot be had for older versions.
#[must_use]
pub fn settled_fields(settled: &Settlements, visible: &Operations) -> BTreeMap<String, Value> {
    let holds = |field: &String, settlement: &Settlement| {
        let named =
            |(operation, value): (&String, &Value)| settlement.operations.get(operation) == Some(value);
        visible.get(field).is_some_and(|there| !there.is_empty() && there.iter().all(named))
    };
    settled
        .iter()
        .filter(|(field, settlement)| holds(field, settlement))
        .map(|(field, settlement)| (field.clone(), settlement.value.clone()))
        .collect()
}

/// The reading with settlements applied: what lines, doubts and differences are computed from.
#[must_use]
pub fn effective(reading: &Reading, fields: &BTreeMap<String, Value>) -> Reading {
    let mut effective = reading.clone();
    for (key, value) in fields {
        if let Some(field) = effective.fields.get_mut(key) {
            *field = Field::One(value.clone());
        }
    }
    effective
}

/// The value that a JSON value is in a field, as an activity shows it; nothing if the field cannot hold it.
#[must_use]
pub fn written(field: &str, json: &serde_json::Value) -> Option<Value> {
    let key = Key::parse(field);
    let instant =
        |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok().map(|at| at.timestamp_millis());
    let candidates = [
        json.as_str().map(|text| Value::Text(text.to_owned())),
        json.as_str().and_then(instant).map(Value::Instant),
        json.as_i64().map(Value::Integer),
        json.as_f64().map(Value::Number),
        json.as_bool().map(Value::Boolean),
    ];
    candidates.into_iter().flatten().find(|value| can_hold(&key, value))
}

/// A phone could have written this value in this field, and it would read back the same.
fn can_hold(key: &Key<'_>, value: &Value) -> bool {
    let raw = match value {
        Value::Text(text) => Raw::Text(text),
        Value::Integer(number) => Raw::Integer(*number),
        Value::Number(number) => Raw::Float(*number),
        Value::Boolean(flag) => Raw::Boolean(*flag),
        Value::Instant(at_ms) => Raw::Instant(*at_ms),
        Value::Unknown(_) => return false,
    };
    key.read(&raw).is_ok_and(|read| read.as_ref() == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::Conflict;

    fn operations(values: &[(&str, i64)]) -> BTreeMap<String, Value> {
        values.iter().map(|(operation, value)| ((*operation).to_owned(), Value::Integer(*value))).collect()
    }

    fn people(values: &[(&str, i64)]) -> (Reading, Operations) {
        let visible = operations(values);
        let field = Field::Several(visible.values().cloned().collect());
        let reading = Reading { fields: [("people".to_owned(), field)].into(), ..Reading::default() };
        (reading, [("people".to_owned(), visible)].into())
    }

    fn to(value: i64, named: &[&str]) -> Settles {
        Settles {
            field: "people".to_owned(),
            operations: named.iter().map(|operation| (*operation).to_owned()).collect(),
            value: Value::Integer(value),
        }
    }

    #[test]
    fn a_settled_field_reads_as_one_value_until_another_operation_comes() {
        let (reading, visible) = people(&[("7@aa", 5), ("7@bb", 6)]);
        let settled = settle(&reading, &visible, &[to(9, &["7@aa", "7@bb"])]).unwrap();
        let fields = settled_fields(&settled, &visible);
        let read = effective(&reading, &fields);
        assert_eq!(
            (read.conflict(), read.fields["people"].first()),
            (Conflict::None, Some(&Value::Integer(9)))
        );
        // One of the two is overwritten in the same value: nothing new was said.
        let fewer: Operations = [("people".to_owned(), operations(&[("7@bb", 6)]))].into();
        assert_eq!(settled_fields(&settled, &fewer), fields);
        let (reading, later) = people(&[("7@aa", 5), ("7@bb", 6), ("7@cc", 6)]);
        assert_eq!(effective(&reading, &settled_fields(&settled, &later)).conflict(), Conflict::Hard);
    }

    #[test]
    fn a_counter_that_moved_was_not_settled() {
        let (reading, visible) = people(&[("7@aa", 5), ("7@bb", 6)]);
        let settled = settle(&reading, &visible, &[to(11, &["7@aa", "7@bb"])]).unwrap();
        let (_, moved) = people(&[("7@aa", 8), ("7@bb", 6)]);
        assert_eq!(settled_fields(&settled, &moved), BTreeMap::new());
        assert_eq!(settled_fields(&settled, &Operations::new()), BTreeMap::new(), "nothing is known");
    }

    #[test]
    fn what_is_said_in_json_is_what_a_phone_would_have_written() {
        let said = |field, json: serde_json::Value| written(field, &json);
        assert_eq!(said("people", 5.into()), Some(Value::Integer(5)));
        assert_eq!(said("people", "5".into()), None);
        assert_eq!(said("people", (-5).into()), None);
        let at = "2026-11-20T10:00:00Z";
        assert_eq!(said("started_at", at.into()), Some(Value::Instant(1_795_168_800_000)));
        assert_eq!(said("programme", at.into()), Some(Value::Text(at.to_owned())));
        assert_eq!(said("withdrawn", true.into()), Some(Value::Boolean(true)));
        assert_eq!(said("people", serde_json::Value::Null), None);
    }

    #[test]
    fn settling_names_what_is_there() {
        let (reading, visible) = people(&[("7@aa", 5), ("7@bb", 6)]);
        let both = ["7@aa", "7@bb"];
        let unfit = Err(Refusal::SettlementUnfit { field: "people".to_owned() });
        assert_eq!(settle(&reading, &visible, &[to(5, &["7@aa"])]), unfit, "only one of two");
        assert_eq!(settle(&reading, &visible, &[to(5, &["7@aa", "7@bb", "7@cc"])]), unfit);
        assert_eq!(settle(&reading, &visible, &[to(-1, &both)]), unfit, "no such number of people");
        assert_eq!(settle(&reading, &visible, &[to(5, &both), to(6, &both)]), unfit, "twice");
        let text = Settles { value: Value::Text("5".to_owned()), ..to(5, &both) };
        assert_eq!(settle(&reading, &visible, &[text]), unfit);
        assert_eq!(settle(&reading, &visible, &[]), Err(Refusal::NothingToSettle));
        let one =
            Reading { fields: [("people".to_owned(), Field::One(Value::Integer(5)))].into(), ..reading };
        assert_eq!(settle(&one, &visible, &[to(5, &both)]), unfit, "nobody disagrees");
    }
}
