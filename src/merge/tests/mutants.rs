//! Hostile changes: mutants of honest ones. What is let through must leave a sound document.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpId, OpType};
use automerge::transaction::Transactable;
use automerge::{
    ActorId, AutoCommit, Automerge, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue,
};

use super::phones::{Dice, Phones};
use crate::merge::admit::Admission;
use crate::merge::document::{self, DocumentError};
use crate::merge::guard::{self, Chunk};
use crate::merge::replay::Replay;

/// What mutants are made of: every operation, hash and actor of the history.
struct Parts {
    ids: Vec<OpId>,
    hashes: Vec<ChangeHash>,
    actors: Vec<ActorId>,
    ops: Vec<Op>,
}

impl Parts {
    fn of(changes: &[Change]) -> Self {
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

/// Everything anybody does with a document later still works.
fn assert_sound(daybook: &Replay, what: &str) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| format!("{what}: {error}");
    let document = daybook.document().map_err(|error| fail(&error))?;
    daybook.compare().map_err(|error| fail(&error))?;
    let heads = document.get_heads();
    let all = document.get_changes(&[]).len();
    let again = catch_unwind(AssertUnwindSafe(|| Automerge::load(&document.save())))
        .map_err(|_| fail(&"load panicked"))?
        .map_err(|error| fail(&error))?;
    if again.get_heads() != heads || again.get_changes(&[]).len() != all {
        return Err(fail(&"other heads after save and load"));
    }
    let stored = document::read_all(&again).map_err(|error| fail(&error))?;
    crate::merge::replay::compare(&stored, &daybook.readings().map_err(|error| fail(&error))?)
        .map_err(|error| fail(&error))?;
    catch_unwind(AssertUnwindSafe(|| edit(&document))).map_err(|_| fail(&"editing panicked"))?
}

/// A phone takes the document in two parts and goes on writing.
fn edit(document: &Automerge) -> Result<(), String> {
    let mut phone = AutoCommit::new();
    let changes = document.get_changes(&[]);
    for half in changes.chunks(changes.len() / 2 + 1) {
        phone.apply_changes(half.to_vec()).map_err(|error| error.to_string())?;
    }
    phone.put(ROOT, "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01", 1).map_err(|error| error.to_string())?;
    phone.commit();
    let mut other = AutoCommit::load(&document.save()).map_err(|error| error.to_string())?;
    other.merge(&mut phone).map_err(|error| error.to_string())?;
    if other.get_heads() == phone.get_heads() { Ok(()) } else { Err("phones differ".to_owned()) }
}

#[test]
fn what_the_guard_lets_through_leaves_a_sound_document() {
    let count: u64 = std::env::var("MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(200);
    let first: u64 = std::env::var("FIRST").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    let (mut accepted, mut refused) = (0, 0);
    for seed in first..first + count {
        let mut phones = Phones::new(seed % 50);
        phones.live(25);
        let changes = phones.deliver();
        let parts = Parts::of(&changes);
        let mut dice = Dice(seed ^ 0xbad);
        let at = dice.below(changes.len());
        let mut daybook = Replay::default();
        for change in &changes[..at] {
            daybook.push(change.raw_bytes()).expect("takes");
        }
        let mut expanded = changes[at].decode();
        for _ in 0..=dice.below(2) {
            mutate(&mut dice, &parts, &mut expanded);
        }
        let Ok(mutant) = catch_unwind(AssertUnwindSafe(|| Change::from(expanded.clone()))) else { continue };
        let before = daybook.accepted().len();
        match daybook.push(mutant.raw_bytes()) {
            Ok(outcomes) if daybook.accepted().len() == before => {
                refused += usize::from(matches!(outcomes[..], [(_, Admission::Refused(_)), ..]));
                continue;
            }
            Ok(_) => accepted += 1,
            Err(error) => panic!("seed {seed}: {error} {expanded:?}"),
        }
        for change in &changes[at..] {
            daybook.push(change.raw_bytes()).expect("takes");
        }
        if let Err(error) = assert_sound(&daybook, &format!("seed {seed}")) {
            panic!("{error}\n{expanded:#?}");
        }
    }
    // The mutants are worth their name only if some pass and some do not.
    assert!(accepted > 0 && refused > 0, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_bytes_never_panic_and_never_pass_for_another_change() {
    let mut phones = Phones::new(7);
    phones.live(40);
    let changes = phones.deliver();
    let mut dice = Dice(11);
    let count = std::env::var("MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(2_000);
    let mut passed = 0;
    for _ in 0..count {
        let mut bytes = dice.pick(&changes).raw_bytes().to_vec();
        for _ in 0..=dice.below(3) {
            let at = 9 + dice.below(bytes.len() - 9);
            match dice.below(3) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
                _ => drop(bytes.remove(at)),
            }
        }
        repair_checksum(&mut bytes);
        for chunk in guard::inspect(&bytes) {
            if let Chunk::Change(checked) = chunk {
                passed += 1;
                let change = Change::try_from(checked.bytes.as_slice()).expect("reads");
                assert_eq!(change.hash().0, checked.hash);
                assert_eq!(change.max_op(), checked.max_op);
                assert_eq!(change.len(), checked.ops.len());
            }
        }
    }
    assert!(passed > 0);
}

fn repair_checksum(bytes: &mut [u8]) {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&digest[..4]);
}

#[test]
fn a_document_that_panics_on_load_is_an_error() {
    let mut phone = AutoCommit::new();
    phone.put(ROOT, "a", 1).expect("puts");
    let mut expanded = phone.get_last_local_change().expect("a change").decode();
    expanded.operations[0].obj = ObjectId::Id(OpId::new(1, &expanded.actor_id));
    let change = Change::from(expanded);
    assert_eq!(document::load([change.raw_bytes()]).err(), Some(DocumentError::Panicked));
}
