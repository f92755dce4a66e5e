//! Changes that the server writes for apps that speak JSON: from the states of the activities alone, so that no
//! document is loaded, however old the daybook is. A change goes through the same door as a phone's.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId as LegacyId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};

use super::op::{Hash, OpId, Scalar};
use super::state::{ActivityState, FieldOp, SlotKind};
use super::visible::Visible;
use crate::domain::ids::ActivityId;

/// What a field is to hold.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    Scalar(Scalar),
    /// A text that several may write in at once.
    Text(String),
}

/// Fields of one activity, written anew.
#[derive(Debug, Clone)]
pub struct Edit<'a> {
    pub id: ActivityId,
    /// As the daybook stands; none where there is no such activity yet.
    pub state: Option<&'a ActivityState>,
    /// By key of the document.
    pub fields: BTreeMap<String, Written>,
}

/// Where a daybook stands: its heads, and its greatest operation counter.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    pub heads: &'a [Hash],
    pub max_op: u64,
}

/// One change on top of a daybook's heads, by an actor that wrote nothing before: its hash and its bytes. What reads
/// so already is not written again, as no phone does.
#[must_use]
pub fn change(actor: &[u8], base: Base<'_>, time_s: i64, edits: &[Edit<'_>]) -> (Hash, Vec<u8>) {
    let start_op = base.max_op.saturating_add(1);
    let mut writer = Writer { actor: ActorId::from(actor), start_op, ops: Vec::new() };
    edits.iter().for_each(|edit| writer.edit(edit));
    let change = Change::from(ExpandedChange {
        operations: writer.ops,
        actor_id: ActorId::from(actor),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::new(start_op).unwrap_or(NonZeroU64::MIN),
        time: time_s,
        message: None,
        deps: base.heads.iter().copied().map(ChangeHash).collect(),
        extra_bytes: Vec::new(),
        author: None,
    });
    (change.hash().0, change.raw_bytes().to_vec())
}

struct Writer {
    actor: ActorId,
    start_op: u64,
    ops: Vec<Op>,
}

impl Writer {
    /// Adds an operation, and answers its name.
    fn add(
        &mut self,
        action: OpType,
        obj: &ObjectId,
        key: Key,
        pred: impl IntoIterator<Item = LegacyId>,
    ) -> LegacyId {
        let counter = self.start_op.saturating_add(u64::try_from(self.ops.len()).unwrap_or(u64::MAX));
        let insert = matches!(key, Key::Seq(_));
        self.ops.push(Op { action, obj: obj.clone(), key, pred: pred.into_iter().collect(), insert });
        LegacyId::new(counter, &self.actor)
    }

    fn edit(&mut self, edit: &Edit<'_>) {
        let slot = edit.state.map(|state| state.slot.as_slice()).unwrap_or_default();
        let mut maps: Vec<&OpId> =
            slot.iter().filter(|(_, kind)| *kind == SlotKind::Map).map(|(id, _)| id).collect();
        maps.sort_unstable_by(|a, b| b.cmp(a));
        let Some((first, _)) = maps.split_first() else {
            let key = Key::Map(edit.id.to_string().into());
            let replaced: Vec<LegacyId> = slot.iter().map(|(id, _)| legacy(id)).collect();
            let map = self.add(OpType::Make(ObjType::Map), &ObjectId::Root, key, replaced);
            for (field, value) in &edit.fields {
                self.put(&ObjectId::Id(map.clone()), field, value, &[]);
            }
            return;
        };
        for (field, value) in &edit.fields {
            // What was created twice reads as the union of both: what stands in any of them is replaced.
            for map in &maps {
                let there = edit.state.and_then(|state| state.maps.get(map)?.get(field.as_str()));
                let replaced: Vec<LegacyId> = there.into_iter().flatten().map(|op| legacy(&op.id)).collect();
                let reads_so = matches!(there.map(Vec::as_slice), Some([only]) if only.holds(value));
                if !reads_so && (map == first || !replaced.is_empty()) {
                    self.put(&ObjectId::Id(legacy(map)), field, value, &replaced);
                }
            }
        }
    }

    fn put(&mut self, map: &ObjectId, field: &str, value: &Written, replaced: &[LegacyId]) {
        let (key, replaced) = (Key::Map(field.into()), replaced.iter().cloned());
        match value {
            Written::Scalar(scalar) => {
                self.add(OpType::Put(scalar_value(scalar)), map, key, replaced);
            }
            Written::Text(text) => {
                let made = self.add(OpType::Make(ObjType::Text), map, key, replaced);
                let (text_id, mut after) = (ObjectId::Id(made), ElementId::Head);
                for letter in text.chars() {
                    let put = OpType::Put(ScalarValue::Str(letter.to_string().into()));
                    after = ElementId::Id(self.add(put, &text_id, Key::Seq(after), []));
                }
            }
        }
    }
}

impl FieldOp {
    fn holds(&self, value: &Written) -> bool {
        let value = match value {
            Written::Scalar(scalar) => Visible::scalar(scalar.clone()),
            Written::Text(text) => Visible::text(text.clone()),
        };
        let exact = matches!(value, Visible::Scalar(_));
        exact && self.value == value && !self.stale && self.shared.is_empty()
    }
}

fn legacy(id: &OpId) -> LegacyId {
    LegacyId::new(id.counter, &ActorId::from(id.actor.as_bytes()))
}

pub(super) fn scalar_value(scalar: &Scalar) -> ScalarValue {
    match scalar {
        Scalar::Null => ScalarValue::Null,
        Scalar::Boolean(value) => ScalarValue::Boolean(*value),
        Scalar::Integer(value) => ScalarValue::Int(*value),
        Scalar::Unsigned(value) => ScalarValue::Uint(*value),
        Scalar::Float(value) => ScalarValue::F64(*value),
        Scalar::Text(value) => ScalarValue::Str(value.as_str().into()),
        Scalar::Instant(at_ms) => ScalarValue::Timestamp(*at_ms),
        Scalar::Bytes(value) => ScalarValue::Bytes(value.clone()),
        Scalar::Counter(value) => ScalarValue::Counter((*value).into()),
        Scalar::Other { type_code, bytes } => {
            ScalarValue::Unknown { type_code: *type_code, bytes: bytes.clone() }
        }
    }
}
