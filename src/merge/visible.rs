//! Reading rules for one field: from its visible values to a [`Field`]. The reducer and the oracle share
//! these, and nothing else.

use serde::{Deserialize, Serialize};

use super::op::Scalar;
use crate::domain::key::{Key, Raw};
use crate::domain::limits::FIELD_VALUES_MAX;
use crate::domain::reading::{Field, Unreadable, Value};

/// Longer keys stay in the document and are not read.
pub(super) const KEY_BYTES_MAX: usize = 512;

/// One visible value of a field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Visible {
    /// A scalar, or a text object's string.
    Scalar(Scalar),
    /// A scalar or text longer than any field allows; its content is not kept.
    TooLong,
    /// A counter with its increments; wide, since the sum may leave 64 bits.
    Counter(i128),
    /// A list, a map or a table.
    Nested,
    /// A text edited in a daybook that is too large to be loaded.
    Unread,
}

impl Visible {
    pub fn scalar(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Counter(start) => Self::Counter(i128::from(start)),
            scalar if raw(&scalar).is_too_long() => Self::TooLong,
            scalar => Self::Scalar(scalar),
        }
    }

    pub fn text(text: String) -> Self {
        Self::scalar(Scalar::Text(text))
    }
}

/// The field, where at least one value counts as written.
///
/// `values` come greatest (counter, actor) first. `proposal` is what several counters amount to: the sum
/// of their starts and of all their increments, each once; it is shown first.
pub(super) fn field(key: &str, values: &[&Visible], proposal: i128) -> Option<Field> {
    if values.len() > FIELD_VALUES_MAX {
        return Some(Field::Unreadable(Unreadable::TooManyValues));
    }
    let key = Key::parse(key);
    let counters = values.iter().filter(|value| matches!(value, Visible::Counter(_))).count();
    let proposed = (counters > 1).then_some(Visible::Counter(proposal));
    let mut distinct: Vec<Value> = Vec::new();
    for value in proposed.iter().chain(values.iter().copied()) {
        match read(&key, value) {
            Ok(Some(value)) if !distinct.contains(&value) => distinct.push(value),
            Ok(_) => {}
            Err(reason) => return Some(Field::Unreadable(reason)),
        }
    }
    if distinct.len() > 1 { Some(Field::Several(distinct)) } else { distinct.pop().map(Field::One) }
}

fn read(key: &Key<'_>, value: &Visible) -> Result<Option<Value>, Unreadable> {
    match value {
        Visible::Scalar(scalar) => key.read(&raw(scalar)),
        Visible::TooLong => Err(Unreadable::OutOfRange),
        Visible::Counter(value) => {
            let value = i64::try_from(*value).map_err(|_| Unreadable::OutOfRange)?;
            key.read(&Raw::Integer(value))
        }
        Visible::Nested => Err(Unreadable::Nested),
        Visible::Unread => Err(Unreadable::TooLarge),
    }
}

fn raw(scalar: &Scalar) -> Raw<'_> {
    match scalar {
        Scalar::Null => Raw::Null,
        Scalar::Boolean(value) => Raw::Boolean(*value),
        Scalar::Integer(value) | Scalar::Counter(value) => Raw::Integer(*value),
        Scalar::Unsigned(value) => Raw::Unsigned(*value),
        Scalar::Float(value) => Raw::Float(*value),
        Scalar::Text(text) => Raw::Text(text),
        Scalar::Instant(at_ms) => Raw::Instant(*at_ms),
        Scalar::Bytes(bytes) => Raw::Bytes(bytes),
        Scalar::Other { type_code, bytes } => Raw::Other { type_code: *type_code, bytes },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(value: i64) -> Visible {
        Visible::Scalar(Scalar::Integer(value))
    }

    #[test]
    fn equal_values_are_one_whatever_type_they_came_as() {
        let values = [integer(7), Visible::Scalar(Scalar::Float(7.0)), Visible::Scalar(Scalar::Unsigned(7))];
        let values: Vec<&Visible> = values.iter().collect();
        assert_eq!(field("people", &values, 0), Some(Field::One(Value::Integer(7))));
    }

    #[test]
    fn null_counts_as_not_written_where_the_key_is_known() {
        let null = Visible::Scalar(Scalar::Null);
        assert_eq!(field("people", &[&null], 0), None);
        assert_eq!(field("people", &[&null, &integer(7)], 0), Some(Field::One(Value::Integer(7))));
        let unknown = Value::Unknown(serde_json::Value::Null);
        assert_eq!(field("weather", &[&null], 0), Some(Field::One(unknown)));
    }

    #[test]
    fn one_value_that_cannot_be_read_makes_the_field_unreadable() {
        let text = Visible::text("seven".to_owned());
        assert_eq!(field("people", &[&integer(7), &text], 0), Some(Field::Unreadable(Unreadable::WrongType)));
        let nested = Field::Unreadable(Unreadable::Nested);
        assert_eq!(field("people", &[&Visible::Nested], 0), Some(nested));
    }

    #[test]
    fn several_counters_propose_each_increment_once() {
        // Two phones start at 3 and 4, one adds 10 to both: the truth is 17.
        let values = [Visible::Counter(14), Visible::Counter(13)];
        let values: Vec<&Visible> = values.iter().collect();
        let expected = [17, 14, 13].map(Value::Integer).to_vec();
        assert_eq!(field("people", &values, 17), Some(Field::Several(expected)));
        // Two that each counted one agree on the value, and still lost one.
        let values = [Visible::Counter(1), Visible::Counter(1)];
        let values: Vec<&Visible> = values.iter().collect();
        assert_eq!(field("people", &values, 2), Some(Field::Several([2, 1].map(Value::Integer).to_vec())));
    }

    #[test]
    fn sixty_four_values_are_read_and_one_more_are_not() {
        let values: Vec<Visible> = (0..65).map(integer).collect();
        let values: Vec<&Visible> = values.iter().collect();
        assert!(
            matches!(field("people", &values[..64], 0), Some(Field::Several(several)) if several.len() == 64)
        );
        assert_eq!(field("people", &values, 0), Some(Field::Unreadable(Unreadable::TooManyValues)));
    }

    #[test]
    fn counters_beyond_64_bits_are_out_of_range() {
        let counter = Visible::Counter(i128::from(i64::MAX) + 1);
        assert_eq!(field("weather", &[&counter], 0), Some(Field::Unreadable(Unreadable::OutOfRange)));
    }
}
