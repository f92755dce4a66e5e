//! Chunks and changes made by hand, as no honest client makes them.

use crate::merge::admit::Admission;
use crate::merge::guard::{Chunk, inspect};
use crate::merge::replay::Replay;
use crate::merge::{Hash, RefusalCode};
use automerge::legacy::{Key, ObjectId, Op, OpId as LegacyId, OpType};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ExpandedChange, ObjType, ROOT, ScalarValue};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};
use std::io::Write;

pub(super) const RECORD: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01";

pub(super) fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

pub(super) fn hash(body: &[u8]) -> Hash {
    Sha256::digest([&[1], leb(body.len() as u64).as_slice(), body].concat()).into()
}

/// A chunk as a client writes it; the checksum is that of the change `of`.
pub(super) fn chunk(kind: u8, data: &[u8], of: &[u8]) -> Vec<u8> {
    let checksum = &hash(of)[..4];
    [&[0x85, 0x6f, 0x4a, 0x83], checksum, &[kind], &leb(data.len() as u64), data].concat()
}

/// The body of a change that has nothing but these columns.
pub(super) fn body(actor: &[u8], deps: usize, start_op: u64, columns: &[(u8, Vec<u8>)]) -> Vec<u8> {
    body_with(actor, &[], deps, start_op, columns)
}

/// The same of a change whose operations name those of other actors.
fn body_with(
    actor: &[u8],
    others: &[[u8; 16]],
    deps: usize,
    start_op: u64,
    columns: &[(u8, Vec<u8>)],
) -> Vec<u8> {
    let mut body = leb(deps as u64);
    for at in 0..deps {
        body.extend([0; 28]);
        body.extend((at as u32).to_be_bytes());
    }
    body.extend(leb(actor.len() as u64));
    body.extend(actor);
    body.push(1);
    body.extend(leb(start_op));
    body.extend([0, 0]);
    body.extend(leb(others.len() as u64));
    for other in others {
        body.extend(leb(other.len() as u64));
        body.extend(other);
    }
    body.extend(leb(columns.len() as u64));
    for (spec, data) in columns {
        body.push(*spec);
        body.extend(leb(data.len() as u64));
    }
    columns.iter().for_each(|(_, data)| body.extend(data));
    body
}

/// A signed run-length that is positive.
pub(super) fn run(length: u64) -> Vec<u8> {
    let mut bytes = leb(length);
    if bytes.last().is_some_and(|last| last & 0x40 != 0) {
        *bytes.last_mut().expect("a byte") |= 0x80;
        bytes.push(0);
    }
    bytes
}

/// So many puts of null under the key `k` of the root, in a few bytes.
pub(super) fn nulls(count: u64) -> Vec<u8> {
    let key = [run(count), vec![1, b'k']].concat();
    let one = [run(count), vec![1]].concat();
    let none = [run(count), vec![0]].concat();
    body(&[7; 16], 0, 1, &[(0x15, key), (0x34, leb(count)), (0x42, one), (0x56, none.clone()), (0x70, none)])
}

/// So many deletions of the key `k` of the root, each naming so many operations, two at least, of an actor that
/// nobody has. They are seventeen apart: too far to be one range, and still one run, so all of it is some 85 bytes.
pub(super) fn naming(operations: u64, each: u64) -> Vec<u8> {
    let repeated = |count: u64, value: &[u8]| match count {
        1 => [&[0x7f], value].concat(),
        _ => [&run(count), value].concat(),
    };
    let columns = [
        (0x15, repeated(operations, &[1, b'k'])),
        (0x34, leb(operations)),
        (0x42, repeated(operations, &[3])),
        (0x56, repeated(operations, &[0])),
        (0x70, repeated(operations, &leb(each))),
        (0x71, repeated(operations * each, &[1])),
        (0x73, repeated(operations * each, &[17])),
    ];
    body_with(&[7; 16], &[[9; 16]], 0, 1, &columns)
}

pub(super) fn refusal(entry: &[u8]) -> RefusalCode {
    match inspect(entry).as_slice() {
        [Chunk::Refused { code, .. }] => *code,
        other => panic!("{other:?}"),
    }
}

pub(super) fn passes(entry: &[u8]) -> bool {
    matches!(inspect(entry).as_slice(), [Chunk::Change(_)])
}

pub(super) fn plain(body: &[u8]) -> Vec<u8> {
    chunk(1, body, body)
}

pub(super) fn deflated(body: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).expect("writes");
    chunk(2, &encoder.finish().expect("deflates"), body)
}

pub(super) fn phone(actor: u8) -> AutoCommit {
    let mut phone = AutoCommit::new();
    phone.set_actor(ActorId::from(vec![actor; 16]));
    phone
}

/// A phone with one record, and the change that made it.
pub(super) fn recorded(actor: u8) -> (AutoCommit, Change) {
    let mut phone = phone(actor);
    let map = phone.put_object(ROOT, RECORD, ObjType::Map).expect("puts");
    phone.put(&map, "kind", "hours").expect("puts");
    let change = phone.get_last_local_change().expect("a change");
    (phone, change)
}

pub(super) fn after(change: &Change) -> ExpandedChange {
    let mut next = change.decode();
    next.seq += 1;
    next.start_op = (change.max_op() + 1).try_into().expect("not zero");
    next.deps = vec![change.hash()];
    next.message = None;
    next.operations.clear();
    next
}

pub(super) fn op(action: OpType, obj: ObjectId, key: Key, pred: &[LegacyId]) -> Op {
    let insert = matches!(key, Key::Seq(_)) && pred.is_empty();
    Op { action, obj, key, pred: pred.iter().cloned().collect(), insert }
}

pub(super) fn put(key: &str) -> Op {
    op(OpType::Put(ScalarValue::Int(1)), ObjectId::Root, Key::Map(key.into()), &[])
}

pub(super) fn id(counter: u64, actor: u8) -> LegacyId {
    LegacyId::new(counter, &ActorId::from(vec![actor; 16]))
}

/// What becomes of the last of these changes.
pub(super) fn last(changes: &[ExpandedChange]) -> Admission {
    let mut daybook = Replay::default();
    let mut outcome = None;
    for change in changes {
        let change = Change::from(change.clone());
        outcome = daybook.push(change.raw_bytes()).expect("takes").into_iter().next();
    }
    outcome.expect("an outcome").1
}

pub(super) fn refused(code: RefusalCode) -> Admission {
    Admission::Refused(code)
}

pub(super) fn accepted(outcome: &Admission) -> bool {
    matches!(outcome, Admission::Accept { .. })
}
