//! The corpus of the guard: for every code several ways to earn it, so that no rule stands on one example.

use super::forge::*;
use crate::domain::limits::{
    CHANGE_BYTES_MAX, CHANGE_OPERATIONS_MAX, CHANGE_VALUES_MAX, OPERATION_COUNTER_MAX,
};
use crate::merge::RefusalCode::{self, *};
use crate::merge::admit::Admission;
use crate::merge::guard::{Chunk, inspect};
use automerge::legacy::{ElementId, Key, MarkData, ObjectId, Op, OpType};
use automerge::transaction::Transactable;
use automerge::{ActorId, Author, Change, ChangeHash, ExpandedChange, ObjType, ROOT, ScalarValue};

/// Changes one after the other; the last one earns the code.
type Exploit = Vec<Vec<u8>>;

fn raw(change: &ExpandedChange) -> Vec<u8> {
    Change::from(change.clone()).raw_bytes().to_vec()
}

/// On top of an honest record, a change that was tampered with.
fn next(tamper: impl FnOnce(&mut ExpandedChange)) -> Exploit {
    let first = recorded(1).1;
    let mut change = after(&first);
    change.operations = vec![put("b")];
    tamper(&mut change);
    vec![first.raw_bytes().to_vec(), raw(&change)]
}

/// On top of a list of two and a text of two, one operation.
fn editing(edit: impl FnOnce() -> Op) -> Exploit {
    let mut phone = phone(1);
    let list = phone.put_object(ROOT, "list", ObjType::List).expect("puts");
    phone.insert(&list, 0, 1).expect("inserts");
    phone.insert(&list, 1, 2).expect("inserts");
    let text = phone.put_object(ROOT, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, "ab").expect("splices");
    phone.put_object(ROOT, "table", ObjType::Table).expect("puts");
    let first = phone.get_last_local_change().expect("a change");
    let mut change = after(&first);
    change.operations = vec![edit()];
    vec![first.raw_bytes().to_vec(), raw(&change)]
}

/// The objects of [`editing`]: the list is 1, its elements 2 and 3, the text 4, its letters 5 and 6, the table 7.
fn within(object: u64, key: Key, action: OpType, pred: &[u64]) -> Op {
    let pred: Vec<_> = pred.iter().map(|counter| id(*counter, 1)).collect();
    op(action, ObjectId::Id(id(object, 1)), key, &pred)
}

fn element(counter: u64) -> Key {
    Key::Seq(ElementId::Id(id(counter, 1)))
}

fn value() -> OpType {
    OpType::Put(ScalarValue::Int(1))
}

fn alone(bytes: Vec<u8>) -> Exploit {
    vec![bytes]
}

fn marked(begin: u64, end: u64) -> Exploit {
    let data = MarkData { name: "b".into(), value: ScalarValue::Boolean(true), expand: false };
    let mut exploit = editing(|| within(4, element(begin), OpType::MarkBegin(data), &[]));
    let mut change = Change::try_from(exploit[1].as_slice()).expect("a change").decode();
    change.operations.push(within(4, element(end), OpType::MarkEnd(false), &[]));
    exploit[1] = raw(&change);
    exploit
}

/// After a record, the n-th counter under one key, counted on.
fn counted(at: u64) -> [Op; 2] {
    let mut counter = put("b");
    counter.action = OpType::Put(ScalarValue::counter(1));
    [counter, op(OpType::Increment(1), ObjectId::Root, Key::Map("b".into()), &[id(3 + 2 * at, 1)])]
}

fn nested(depth: usize) -> Exploit {
    let mut phone = phone(1);
    let mut inner = ROOT;
    for at in 0..depth {
        let kind = if at % 2 == 0 { ObjType::Map } else { ObjType::List };
        inner = if at % 2 == 0 && at > 0 {
            phone.insert_object(&inner, 0, kind).expect("inserts")
        } else {
            phone.put_object(&inner, "in", kind).expect("puts")
        };
    }
    alone(phone.get_last_local_change().expect("a change").raw_bytes().to_vec())
}

fn columns(of: Vec<(u8, Vec<u8>)>) -> Exploit {
    alone(plain(&body(&[7; 16], 0, 1, &of)))
}

fn one_operation() -> Vec<(u8, Vec<u8>)> {
    let none = vec![1, 0];
    vec![
        (0x15, vec![0x7f, 1, b'k']),
        (0x34, vec![1]),
        (0x42, vec![0x7f, 1]),
        (0x56, none.clone()),
        (0x70, none),
    ]
}

/// So many operations in a change that has the bytes to be allowed as many.
fn padded(operations: u64) -> Vec<u8> {
    let mut bytes = nulls(operations);
    // Bytes that later versions of Automerge may give a meaning come last.
    bytes.extend(std::iter::repeat_n(7, CHANGE_OPERATIONS_MAX as usize));
    plain(&bytes)
}

#[expect(clippy::too_many_lines, reason = "a table: a code, and what earns it")]
fn exploits(code: RefusalCode) -> Vec<Exploit> {
    let honest = recorded(1).1.raw_bytes().to_vec();
    match code {
        Unreadable => vec![
            alone(Vec::from(*b"<html>")),
            alone(honest[..honest.len() / 2].to_vec()),
            alone([&honest[..8], &[1, 0xff, 0xff, 0xff, 0xff, 0x7f], &honest[10..]].concat()),
            alone(chunk(2, b"\xff\xff", b"")),
            columns(vec![(0x4a, vec![1, 1])]),
            columns(vec![(0x42, vec![0x7d, 1])]),
        ],
        NotCanonical => vec![
            columns([one_operation(), vec![(0x42, vec![0x7f, 1])]].concat()),
            columns(one_operation().into_iter().rev().collect()),
            next(|change| change.deps.push(change.deps[0])),
        ],
        ChunkType => vec![
            alone(phone(1).save()),
            alone(recorded(1).0.save()),
            alone(chunk(3, b"bundle", b"")),
            alone(chunk(0xff, &honest[10..], &honest[10..])),
        ],
        ChangeTooLarge => vec![
            alone(deflated(&vec![b'a'; 16 * CHANGE_BYTES_MAX])),
            next(|change| change.message = Some("m".repeat(CHANGE_BYTES_MAX))),
            columns(vec![
                (0x15, [run(20_000), leb(9_000), vec![b'k'; 9_000]].concat()),
                (0x42, [run(20_000), vec![1]].concat()),
            ]),
        ],
        ActorTooLong => vec![
            next(|change| change.actor_id = ActorId::from(vec![7; 65])),
            next(|change| {
                change.operations[0].obj = ObjectId::Id(automerge::legacy::OpId::new(1, &vec![9; 70].into()))
            }),
        ],
        TooManyDependencies => {
            vec![alone(plain(&body(&[7; 16], 4_097, 1, &[]))), alone(plain(&leb(1 << 40)))]
        }
        TooManyOperations => vec![
            alone(plain(&nulls(1_000_000))),
            alone(plain(&nulls(20_000_000))),
            alone(padded(CHANGE_OPERATIONS_MAX + 1)),
            columns(vec![(0x42, vec![0x7f, 1]), (0x70, [vec![0x7f], leb(1 << 40)].concat())]),
            columns(vec![(0x42, vec![0, 0xff, 0xff, 0xff, 0x7f])]),
            alone(plain(&naming(1, 80_000))),
            alone(plain(&naming(1_000, 64))),
        ],
        TooDeep => vec![nested(33), nested(300)],
        TooManyValues => vec![
            alone(plain(&nulls(CHANGE_VALUES_MAX as u64 + 1))),
            next(|change| change.operations = vec![put("b"); CHANGE_VALUES_MAX + 1]),
            next(|change| {
                let mut map = put("b");
                map.action = OpType::Make(ObjType::Map);
                change.operations = vec![map; CHANGE_VALUES_MAX + 1];
            }),
            // Counting does not take a counter's place.
            next(|change| change.operations = (0..=CHANGE_VALUES_MAX as u64).flat_map(counted).collect()),
        ],
        SeqGap => vec![
            next(|change| change.seq = 3),
            next(|change| change.seq = u64::MAX),
            next(|change| (change.actor_id, change.seq) = (ActorId::from(vec![2; 16]), 2)),
            next(|change| change.seq = 0),
        ],
        AuthorMisplaced => {
            let mut phone = phone(1);
            phone.set_author(Some(Author::from(vec![1, 2, 3])));
            phone.put(ROOT, "a", 1).expect("puts");
            let first = phone.get_last_local_change().expect("a change");
            let second = after(&first);
            let mut later = second.clone();
            (later.seq, later.operations) = (9, vec![put("b")]);
            [second, later].map(|change| vec![first.raw_bytes().to_vec(), raw(&change)]).into()
        }
        StartOpLow => vec![
            next(|change| change.start_op = 1.try_into().expect("not zero")),
            next(|change| {
                (change.actor_id, change.seq) = (ActorId::from(vec![2; 16]), 1);
                change.start_op = 2.try_into().expect("not zero");
            }),
        ],
        StartOpGap => {
            let first = recorded(1).1;
            let mut longer = recorded(2).1.decode();
            longer.operations.extend([put("a"), put("c")]);
            let mut empty = after(&first);
            empty.start_op = (first.max_op() + 2).try_into().expect("not zero");
            let mut other = empty.clone();
            (other.actor_id, other.seq) = (ActorId::from(vec![3; 16]), 1);
            let before = [first.raw_bytes().to_vec(), raw(&longer)];
            [empty, other].map(|empty| [before.as_slice(), &[raw(&empty)]].concat()).into()
        }
        CounterTooLarge => vec![
            alone(plain(&body(&[7; 16], 0, OPERATION_COUNTER_MAX, &[]))),
            alone(plain(&body(&[7; 16], 0, (1 << 32) - 1, &one_operation()))),
            alone(plain(&body(&[7; 16], 0, u64::MAX, &one_operation()))),
        ],
        MissingObject => vec![
            next(|change| change.operations[0].obj = ObjectId::Id(id(2, 1))),
            next(|change| change.operations[0].obj = ObjectId::Id(id(1, 9))),
            editing(|| within(7, Key::Map("k".into()), value(), &[])),
            editing(|| within(2, Key::Map("k".into()), value(), &[])),
        ],
        MissingPredecessor => vec![
            next(|change| change.operations[0].pred = vec![id(1, 9)].into()),
            next(|change| change.operations[0].pred = vec![id(1, 1)].into()),
            next(|change| change.operations[0].action = OpType::Delete),
            next(|change| change.operations[0].action = OpType::Increment(1)),
            editing(|| within(1, element(2), value(), &[3])),
            alone(plain(&naming(1, 1_000))),
        ],
        MissingElement => vec![
            editing(|| within(1, element(5), value(), &[])),
            editing(|| within(1, Key::Map("k".into()), value(), &[])),
            editing(|| within(4, element(5), value(), &[5])),
            editing(|| within(4, element(5), OpType::Increment(1), &[5])),
            next(|change| change.operations[0].key = Key::Seq(ElementId::Head)),
        ],
        MarkOrder => vec![marked(6, 5), editing(|| within(4, element(5), OpType::MarkEnd(false), &[]))],
        ActorFork => {
            let mut one = next(|_| {});
            one.extend(next(|change| change.operations = vec![put("c")]).pop());
            let mut other = next(|_| {});
            other.extend(next(|change| change.time += 1).pop());
            vec![one, other]
        }
        OnRefused => {
            let bad = next(|change| change.seq = 5);
            let child = |deps: Vec<ChangeHash>| {
                let mut child = after(&Change::try_from(bad[1].as_slice()).expect("a change"));
                child.deps = deps;
                raw(&child)
            };
            let hash = |bytes: &[u8]| Change::try_from(bytes).expect("a change").hash();
            let both = vec![hash(&bad[0]), hash(&bad[1])];
            vec![
                [bad.as_slice(), &[child(vec![hash(&bad[1])])]].concat(),
                [bad.as_slice(), &[child(both)]].concat(),
            ]
        }
    }
}

/// What becomes of the last of these, each pushed by itself.
fn last_code(exploit: &Exploit) -> Option<RefusalCode> {
    let mut daybook = crate::merge::replay::Replay::default();
    let mut outcome = None;
    for bytes in exploit {
        outcome = daybook.push(bytes).expect("takes").into_iter().next();
    }
    match outcome?.1 {
        Admission::Refused(code) => Some(code),
        _ => None,
    }
}

#[test]
fn every_code_has_its_corpus_and_every_exploit_earns_its_code() {
    let mut wrong = Vec::new();
    for code in RefusalCode::ALL {
        let exploits = exploits(code);
        assert!(exploits.len() > 1, "{code:?} stands on one example");
        for (at, exploit) in exploits.iter().enumerate() {
            let earned = last_code(exploit);
            if earned != Some(code) {
                wrong.push(format!("{code:?}, exploit {at} earns {earned:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_change_has_so_many_operations_however_many_bytes_it_has() {
    assert!(passes(&padded(CHANGE_OPERATIONS_MAX)));
    assert_eq!(refusal(&padded(CHANGE_OPERATIONS_MAX + 1)), TooManyOperations);
}

/// Whatever column says that it is endless: looking at it is over at once, and nothing of it is expanded.
#[test]
fn an_endless_run_in_any_column_costs_nothing() {
    for spec in 0..=u8::MAX {
        for endless in [run(1 << 50), [vec![0], leb(1 << 50)].concat(), leb(1 << 50)] {
            for tail in [vec![], vec![1], vec![1, b'k'], vec![0; 8]] {
                let mut all = one_operation();
                all.retain(|(column, _)| *column != spec);
                all.push((spec, [endless.clone(), tail].concat()));
                all.sort_by_key(|(column, _)| *column);
                for chunk in inspect(&plain(&body(&[7; 16], 0, 1, &all))) {
                    if let Chunk::Change(change) = chunk {
                        assert_eq!(change.ops.len(), 1, "column {spec:#x}");
                    }
                }
            }
        }
    }
}
