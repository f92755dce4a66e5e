//! Mutants: honest changes with one thing or another wrong in them. Also used by `fuzz/`.

use std::panic::catch_unwind;

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};

use super::dice::Dice;

/// What mutants are made of: every operation, hash and actor of the history.
pub struct Parts {
    ids: Vec<OpId>,
    hashes: Vec<ChangeHash>,
    actors: Vec<ActorId>,
    ops: Vec<Op>,
}

impl Parts {
    pub fn of(changes: &[Change]) -> Self {
        let mut parts = Self { ids: vec![], hashes: vec![], actors: vec![], ops: vec![] };
        for change in changes {
            parts.hashes.push(change.hash());
            parts.actors.push(change.actor_id().clone());
            for (at, op) in change.decode().operations.into_iter().enumerate() {
                parts.ids.push(OpId::new(change.start_op().get() + at as u64, change.actor_id()));
                parts.ops.push(op);
            }
        }
        parts
    }

    fn id(&self, dice: &mut Dice) -> OpId {
        if dice.one_in(8) {
            return OpId::new([0, 1, 99, u64::from(u32::MAX)][dice.below(4)], dice.pick(&self.actors));
        }
        dice.pick(&self.ids).clone()
    }
}

/// A mutant of a change; nothing where what became of it cannot be encoded.
pub fn mutant(dice: &mut Dice, parts: &Parts, change: &Change) -> Option<Change> {
    let mut expanded = change.decode();
    expanded.hash = None;
    for _ in 0..=dice.below(2) {
        mutate(dice, parts, &mut expanded);
    }
    catch_unwind(|| Change::from(expanded)).ok()
}

fn mutate(dice: &mut Dice, parts: &Parts, change: &mut ExpandedChange) {
    if change.operations.is_empty() || dice.one_in(5) {
        return mutate_header(dice, parts, change);
    }
    let at = dice.below(change.operations.len());
    match dice.below(12) {
        0 => drop(change.operations.remove(at)),
        1 => {
            let op = change.operations[at].clone();
            change.operations.insert(at, op);
        }
        2 => change.operations.push(dice.pick(&parts.ops).clone()),
        3 => {
            let other = dice.below(change.operations.len());
            change.operations.swap(at, other);
        }
        _ => mutate_op(dice, parts, &mut change.operations[at]),
    }
}

fn mutate_header(dice: &mut Dice, parts: &Parts, change: &mut ExpandedChange) {
    match dice.below(8) {
        0 => {
            change.seq =
                [0, 1, change.seq.wrapping_add(1), change.seq.wrapping_sub(1), u64::MAX][dice.below(5)]
        }
        1 => {
            let start = change.start_op.get();
            let start = [1, start.wrapping_add(1), start.saturating_sub(1), (1 << 31) - 2, 1 << 32, u64::MAX]
                [dice.below(6)];
            change.start_op = start.try_into().unwrap_or(change.start_op);
        }
        2 => change.actor_id = dice.pick(&parts.actors).clone(),
        3 => change.actor_id = ActorId::from(vec![7; [0, 1, 64, 65][dice.below(4)]]),
        4 => change.deps.push(*dice.pick(&parts.hashes)),
        5 => change.deps = vec![*dice.pick(&parts.hashes)],
        6 => drop(change.deps.pop()),
        _ => {
            change.extra_bytes =
                [vec![1, 2, 65, 65], vec![1, 200], vec![9; 5], vec![1, 0]][dice.below(4)].clone()
        }
    }
}

fn mutate_op(dice: &mut Dice, parts: &Parts, op: &mut Op) {
    match dice.below(8) {
        0 => op.obj = if dice.one_in(4) { ObjectId::Root } else { ObjectId::Id(parts.id(dice)) },
        1 => {
            op.key = match dice.below(4) {
                0 => Key::Seq(ElementId::Head),
                1 => Key::Map(["", "kind", "note", "\u{0}"][dice.below(4)].into()),
                _ => Key::Seq(ElementId::Id(parts.id(dice))),
            };
        }
        2 => op.pred = op.pred.iter().cloned().chain([parts.id(dice)]).collect(),
        3 => op.pred = [parts.id(dice)].into_iter().collect(),
        4 => op.pred = op.pred.iter().skip(1).cloned().collect(),
        5 => op.insert = !op.insert,
        6 => op.action = dice.pick(&parts.ops).action.clone(),
        _ => {
            op.action = match dice.below(8) {
                0 => OpType::Delete,
                1 => OpType::Increment(i64::MAX / 64),
                2 => OpType::Put(ScalarValue::Counter(1.into())),
                3 => OpType::Make(ObjType::Map),
                4 => OpType::Make(ObjType::Text),
                5 => OpType::MarkEnd(true),
                6 => OpType::MarkBegin(MarkData { name: "b".into(), value: ScalarValue::Null, expand: true }),
                _ => OpType::Make(ObjType::List),
            };
        }
    }
}
