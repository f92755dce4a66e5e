//! Hostile writers: changes that no client makes, and that the guard has no reason to refuse. They name as
//! predecessors whatever ever stood in a place, visible or not. Also used by `fuzz/` and `tests/it`.

use std::collections::HashMap;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};

use super::dice::Dice;

/// Operations that one may name, of those that stood in a place.
const NAMED_MAX: usize = 6;

/// A place in which something stands or stood.
struct Slot {
    obj: ObjectId,
    key: Key,
    ids: Vec<OpId>,
}

/// What the changes so far have left to be named.
#[derive(Default)]
pub struct Slots {
    slots: Vec<Slot>,
    index: HashMap<(ObjectId, Key), usize>,
    kinds: HashMap<ObjectId, ObjType>,
    max_op: u64,
}

impl Slots {
    /// Remembers what a change did.
    pub fn learn(&mut self, change: &Change) {
        self.max_op = self.max_op.max(change.max_op());
        for (at, op) in (change.start_op().get()..).zip(change.decode().operations) {
            let id = OpId::new(at, change.actor_id());
            if let OpType::Make(kind) = op.action {
                self.kinds.insert(ObjectId::Id(id.clone()), kind);
            }
            if matches!(op.action, OpType::Delete | OpType::MarkBegin(_) | OpType::MarkEnd(_)) {
                continue;
            }
            let key = if op.insert { Key::Seq(ElementId::Id(id.clone())) } else { op.key };
            let at = *self.index.entry((op.obj.clone(), key.clone())).or_insert(self.slots.len());
            if at == self.slots.len() {
                self.slots.push(Slot { obj: op.obj, key, ids: Vec::new() });
            }
            self.slots[at].ids.push(id);
        }
    }

    /// A change on top of these heads, by an actor that nobody else has.
    pub fn change(&self, dice: &mut Dice, actor: u32, heads: &[ChangeHash]) -> Option<Change> {
        if self.slots.is_empty() {
            return None;
        }
        let operations = (0..=dice.below(4)).map(|_| self.op(dice)).collect();
        // Some below and some above all others.
        let bytes = [&[[0, 0x7f, 0xff][dice.below(3)]], actor.to_be_bytes().as_slice(), &[9; 11]].concat();
        let mut deps = heads.to_vec();
        deps.sort();
        let expanded = ExpandedChange {
            operations,
            actor_id: ActorId::from(bytes),
            hash: None,
            seq: 1,
            start_op: (self.max_op + 1).try_into().ok()?,
            time: 0,
            message: None,
            deps,
            extra_bytes: Vec::new(),
            author: None,
        };
        // Not everything that can be said can be encoded.
        std::panic::catch_unwind(|| Change::from(expanded)).ok()
    }

    fn op(&self, dice: &mut Dice) -> Op {
        let slot = dice.pick(&self.slots);
        let kind = self.kinds.get(&slot.obj).copied().unwrap_or(ObjType::Map);
        let sequence = matches!(kind, ObjType::List | ObjType::Text);
        if sequence && dice.one_in(3) {
            let key = if dice.one_in(4) { Key::Seq(ElementId::Head) } else { slot.key.clone() };
            let action = if kind == ObjType::Text { OpType::Put("h".into()) } else { value(dice) };
            return Op { action, obj: slot.obj.clone(), key, pred: Vec::new().into(), insert: true };
        }
        let from = slot.ids.len().saturating_sub(NAMED_MAX);
        let mut named: Vec<OpId> = slot.ids[from..].iter().filter(|_| dice.one_in(2)).cloned().collect();
        if named.is_empty() && dice.one_in(2) {
            named.push(dice.pick(&slot.ids).clone());
        }
        let action = match dice.below(8) {
            0 | 1 if !named.is_empty() => OpType::Delete,
            2 | 3 if !named.is_empty() && kind != ObjType::Text => {
                OpType::Increment(dice.below(9) as i64 - 4)
            }
            _ if kind == ObjType::Text => OpType::Delete,
            _ => value(dice),
        };
        Op {
            action,
            obj: slot.obj.clone(),
            key: slot.key.clone(),
            pred: named.into_iter().collect(),
            insert: false,
        }
    }
}

fn value(dice: &mut Dice) -> OpType {
    match dice.below(10) {
        0 => OpType::Make(ObjType::Map),
        1 => OpType::Make(ObjType::Text),
        2 => OpType::Make(ObjType::List),
        3 | 4 => OpType::Put(ScalarValue::counter(dice.below(5) as i64)),
        5 => OpType::Put(ScalarValue::Null),
        6 => OpType::Put("hours".into()),
        7 => OpType::Put(ScalarValue::F64(f64::from(dice.below(4) as u32))),
        _ => OpType::Put(ScalarValue::Int(dice.below(6) as i64)),
    }
}
