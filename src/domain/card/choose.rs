//! Which of several surviving values to suggest.

use super::{Disputed, DisputedValue};
use crate::domain::key::Key;
use crate::domain::reading::Value;

/// Minutes and people: the least, since what is missing can be added without taking anything back from
/// somebody. A count: the greatest, since a phone only counts up in its own register. Everything else: what was
/// written last, by the phone's clock as far as the server's bears it out. Whether something was taken back
/// nobody can tell from figures.
pub(super) fn value(disputed: &Disputed) -> Option<&Value> {
    let written = disputed.values.iter();
    match Key::parse(&disputed.field) {
        Key::Withdrawn => None,
        Key::Party { .. } | Key::People | Key::PersonMinutes => {
            written.min_by_key(|written| number(&written.value)).map(|written| &written.value)
        }
        Key::Tally { .. } => {
            written.max_by_key(|written| number(&written.value)).map(|written| &written.value)
        }
        // The first is the greatest (counter, actor): it goes before others of the same moment.
        _ => written.rev().max_by_key(|written| moment(written)).map(|written| &written.value),
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Integer(number) => *number,
        _ => 0,
    }
}

fn moment(written: &DisputedValue) -> i64 {
    written.recorded_ms.min(written.received_ms)
}
