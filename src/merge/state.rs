//! The state of one activity: the visible operations of each field, from which readings come.
//!
//! It is updated from a change's own operations, without the document. A value is visible until a later
//! operation names it as predecessor, so an operation that meets no visible predecessor simply lost
//! against a concurrent one. Maps are kept when they are hidden too: a deletion made elsewhere may still
//! name them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::op::{Action, ObjectKind, Op, OpId, Scalar};
use super::visible::{self, Visible};
use crate::domain::reading::{Field, Reading, Unreadable, Value};

/// A field's visible operation.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FieldOp {
    pub id: OpId,
    pub value: Visible,
    /// Increments that name several counters, which each of them holds; `value` has those that name only
    /// this one.
    pub shared: Vec<(OpId, i64)>,
    /// A text that was edited after the change that made it: its string is the document's business.
    pub stale: bool,
}

/// What the root holds under the activity's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotKind {
    Map,
    Counter,
    Other,
}

pub(super) type Fields = BTreeMap<Arc<str>, Vec<FieldOp>>;

/// One activity of one daybook, as far as readings need it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ActivityState {
    /// Visible in the root.
    pub(super) slot: Vec<(OpId, SlotKind)>,
    /// The maps that deletions named.
    pub(super) deleted: BTreeSet<OpId>,
    /// Every map that the activity ever had.
    pub(super) maps: BTreeMap<OpId, Fields>,
}

impl ActivityState {
    /// Applies an operation of the root under the activity's key.
    pub(super) fn apply_root(&mut self, op: &Op) {
        let kind = match &op.action {
            Action::MarkBegin | Action::MarkEnd => return,
            Action::Delete => {
                let maps = op.pred.iter().filter(|pred| self.maps.contains_key(pred));
                self.deleted.extend(maps.cloned());
                return self.slot.retain(|(id, _)| !names(op, id));
            }
            Action::Increment(_) => {
                return self.slot.retain(|(id, kind)| *kind == SlotKind::Counter || !names(op, id));
            }
            Action::Make(ObjectKind::Map) => {
                self.maps.insert(op.id.clone(), Fields::new());
                SlotKind::Map
            }
            Action::Put(Scalar::Counter(_)) => SlotKind::Counter,
            Action::Make(_) | Action::Put(_) => SlotKind::Other,
        };
        self.slot.retain(|(id, _)| !names(op, id));
        self.slot.push((op.id.clone(), kind));
    }

    /// Applies an operation in one of the activity's maps. `text` is the string of a text made by it.
    pub(super) fn apply_field(&mut self, map: &OpId, key: &Arc<str>, op: &Op, text: Option<String>) {
        let Some(fields) = self.maps.get_mut(map) else { return };
        if key.len() > visible::KEY_BYTES_MAX {
            return;
        }
        let values = fields.entry(Arc::clone(key)).or_default();
        match &op.action {
            Action::Increment(by) => increment(values, op, *by),
            Action::Delete | Action::Put(_) | Action::Make(_) => {
                values.retain(|value| !names(op, &value.id));
            }
            Action::MarkBegin | Action::MarkEnd => {}
        }
        let value = match &op.action {
            Action::Put(scalar) => Some(Visible::scalar(scalar.clone())),
            Action::Make(ObjectKind::Text) => Some(Visible::text(text.unwrap_or_default())),
            Action::Make(_) => Some(Visible::Nested),
            Action::Delete | Action::Increment(_) | Action::MarkBegin | Action::MarkEnd => None,
        };
        if let Some(value) = value {
            values.push(FieldOp { id: op.id.clone(), value, shared: Vec::new(), stale: false });
        }
        if values.is_empty() {
            fields.remove(key);
        }
    }

    /// Marks a text as edited; nothing where it is no longer visible in its map.
    pub(super) fn edit_text(&mut self, text: &OpId, field: &str) {
        for fields in self.maps.values_mut() {
            for value in fields.get_mut(field).into_iter().flatten() {
                if value.id == *text {
                    value.stale = true;
                }
            }
        }
    }

    /// A text waits for `document::fill`; until then readings show its former string.
    #[must_use]
    pub fn needs_document(&self) -> bool {
        self.maps.values().flat_map(BTreeMap::values).flatten().any(|value| value.stale)
    }

    /// Instead of `document::fill`, where nobody loads the document: what such a text reads is not known.
    pub fn leave_unread(&mut self) {
        let stale = self.maps.values_mut().flat_map(BTreeMap::values_mut).flatten();
        for value in stale.filter(|value| value.stale) {
            value.value = Visible::Unread;
            value.stale = false;
        }
    }

    /// The visible values of a field that can be read, with the operations that wrote them.
    #[must_use]
    pub fn values(&self, key: &str) -> Vec<(Value, OpId)> {
        let operations = self.maps.values().filter_map(|fields| fields.get(key)).flatten();
        let alone = |operation: &FieldOp| {
            let fields = Fields::from([(Arc::from(key), vec![operation.clone()])]);
            let value = unite(&[&fields]).get(key)?.first()?.clone();
            Some((value, operation.id.clone()))
        };
        operations.filter_map(alone).collect()
    }

    /// Of fields with several values, the operations behind them with the value of each.
    #[must_use]
    pub fn contested(&self, reading: &Reading) -> BTreeMap<String, BTreeMap<String, Value>> {
        let several = reading.fields.iter().filter(|(_, field)| matches!(field, Field::Several(_)));
        several
            .map(|(key, _)| {
                let values = self.values(key).into_iter().map(|(value, id)| (id.to_string(), value));
                (key.clone(), values.collect())
            })
            .collect()
    }

    /// The activity as it reads now.
    #[must_use]
    pub fn reading(&self) -> Reading {
        let visible = self.slot.iter().filter(|(_, kind)| *kind == SlotKind::Map).map(|(id, _)| id);
        let mut maps: Vec<&Fields> = visible.filter_map(|id| self.maps.get(id)).collect();
        if maps.is_empty() && !self.slot.is_empty() {
            let unreadable = Some(Unreadable::NotAMap);
            return Reading { unreadable, ..Reading::default() };
        }
        let deleted = self.slot.is_empty();
        if deleted {
            maps = self.deleted.iter().filter_map(|id| self.maps.get(id)).collect();
        }
        finish(unite(&maps), deleted)
    }
}

/// Whether the operation replaces this one. Its predecessors are sorted, which admission sees to: thousands of them
/// meet thousands of values.
fn names(op: &Op, id: &OpId) -> bool {
    op.pred.binary_search(id).is_ok()
}

/// An increment adds to counters and replaces everything else.
fn increment(values: &mut Vec<FieldOp>, op: &Op, by: i64) {
    let named = |value: &FieldOp| names(op, &value.id);
    values.retain(|value| !named(value) || matches!(value.value, Visible::Counter(_)));
    let several = values.iter().filter(|value| named(value)).count() > 1;
    for value in values.iter_mut().filter(|value| named(value)) {
        if several {
            value.shared.push((op.id.clone(), by));
        } else if let Visible::Counter(sum) = &mut value.value {
            *sum = sum.saturating_add(i128::from(by));
        }
    }
}

/// The union of the maps' keys, each with all its visible values.
fn unite(maps: &[&Fields]) -> BTreeMap<String, Field> {
    let mut keys: BTreeMap<&Arc<str>, Vec<&FieldOp>> = BTreeMap::new();
    for (key, values) in maps.iter().flat_map(|fields| fields.iter()) {
        keys.entry(key).or_default().extend(values);
    }
    let read = |(key, mut values): (&Arc<str>, Vec<&FieldOp>)| {
        values.sort_by(|a, b| b.id.cmp(&a.id));
        let totals: Vec<Visible> = values.iter().map(|value| value.total()).collect();
        let field = visible::field(key, &totals.iter().collect::<Vec<_>>(), proposal(&values))?;
        Some((key.to_string(), field))
    };
    keys.into_iter().filter_map(read).collect()
}

impl FieldOp {
    /// The value with the increments that it shares with other counters.
    fn total(&self) -> Visible {
        match &self.value {
            Visible::Counter(sum) => {
                let shared = self.shared.iter().map(|(_, by)| i128::from(*by));
                Visible::Counter(shared.fold(*sum, i128::saturating_add))
            }
            other => other.clone(),
        }
    }
}

fn proposal(values: &[&FieldOp]) -> i128 {
    let starts = values.iter().map(|value| match value.value {
        Visible::Counter(sum) => sum,
        _ => 0,
    });
    let shared: BTreeMap<&OpId, i64> =
        values.iter().flat_map(|value| &value.shared).map(|(id, by)| (id, *by)).collect();
    starts.chain(shared.into_values().map(i128::from)).fold(0, i128::saturating_add)
}

/// A reading from its fields.
pub(super) fn finish(fields: BTreeMap<String, Field>, deleted: bool) -> Reading {
    let mut reading = Reading { fields, deleted, unreadable: None };
    reading.unreadable = reading.missing();
    reading.within_bounds()
}
