//! Values that one change leaves side by side under one key.
//!
//! Automerge names whatever stands under a key when it writes there, what the same change wrote before included, so an
//! honest change leaves one. A hostile one may leave as many as it has operations, all of which the next writer has to
//! name, and every later state of the activity has to carry.

use std::collections::{HashMap, HashSet};

use super::op::{Action, ObjId, Op, OpId, OpKey, Scalar};
use crate::domain::limits::CHANGE_VALUES_MAX;

/// An object, and a key in it.
type Place<'a> = (&'a ObjId, &'a str);

/// Whether a change leaves more values under one key than [`CHANGE_VALUES_MAX`]. Elements of lists and texts are no
/// values of one place, however many are inserted after the same one.
pub(super) fn is_crowded(ops: &[Op]) -> bool {
    let written = often_written(ops);
    if written.is_empty() {
        return false;
    }
    let mut left: HashMap<Place<'_>, Vec<Value<'_>>> = HashMap::new();
    for op in ops {
        let Some(place) = place(op).filter(|place| written.contains(place)) else { continue };
        let values = left.entry(place).or_default();
        for pred in &op.pred {
            if let Some(at) = values.iter().position(|value| value.id == pred && !value.stays(op)) {
                values.swap_remove(at);
            }
        }
        if writes(op) {
            values.push(Value { id: &op.id, counts: matches!(op.action, Action::Put(Scalar::Counter(_))) });
        }
        if values.len() > CHANGE_VALUES_MAX {
            return true;
        }
    }
    false
}

/// The places that a change writes to more often than it may leave values: of an honest one hardly any.
fn often_written(ops: &[Op]) -> HashSet<Place<'_>> {
    let mut times: HashMap<Place<'_>, usize> = HashMap::new();
    if ops.len() > CHANGE_VALUES_MAX {
        for place in ops.iter().filter(|op| writes(op)).filter_map(place) {
            *times.entry(place).or_default() += 1;
        }
    }
    times.into_iter().filter(|(_, times)| *times > CHANGE_VALUES_MAX).map(|(place, _)| place).collect()
}

/// What an operation of this change left.
struct Value<'a> {
    id: &'a OpId,
    counts: bool,
}

impl Value<'_> {
    /// An increment adds to a counter, and leaves it.
    fn stays(&self, op: &Op) -> bool {
        self.counts && matches!(op.action, Action::Increment(_))
    }
}

fn place(op: &Op) -> Option<Place<'_>> {
    match &op.key {
        OpKey::Map(key) => Some((&op.obj, key)),
        OpKey::Head | OpKey::Element(_) => None,
    }
}

fn writes(op: &Op) -> bool {
    matches!(op.action, Action::Put(_) | Action::Make(_))
}
