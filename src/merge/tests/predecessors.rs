//! An operation may name many others, and leave many unnamed: what that costs is weighed and bounded, and honest phones
//! stay within.

use std::collections::HashSet;

use automerge::legacy::{Op, OpType};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ObjType, ROOT, ReadDoc, ScalarValue};

use super::forge::*;
use crate::domain::limits::{
    CHANGE_OPERATIONS_BASE, CHANGE_PREDECESSORS_BASE, CHANGE_PREDECESSORS_PER_OPERATION, CHANGE_VALUES_MAX,
    REQUEST_OPERATIONS_MAX,
};
use crate::merge::RefusalCode;
use crate::merge::admit::Admission;
use crate::merge::guard::{Checked, Chunk, inspect};
use crate::merge::intake::{Opened, Room, Taken};
use crate::merge::replay::Replay;

/// What one operation may name.
const MOST: u64 = CHANGE_PREDECESSORS_BASE + CHANGE_PREDECESSORS_PER_OPERATION;

fn checked(entry: &[u8]) -> Checked {
    match inspect(entry).remove(0) {
        Chunk::Change(change) => *change,
        refused => panic!("{refused:?}"),
    }
}

fn weight(entry: Vec<u8>) -> u64 {
    Opened::open(&[entry], &mut Room::default()).weight()
}

#[test]
fn a_change_that_names_thousands_of_predecessors_is_refused() {
    let many = plain(&naming(1, 80_000));
    assert!(many.len() < 100, "in a few bytes");
    assert_eq!(refusal(&many), RefusalCode::TooManyOperations);
    assert_eq!(weight(many), 0, "and nothing of it is decoded");
}

#[test]
fn a_change_names_so_many_predecessors_for_its_operations_and_not_one_more() {
    assert!(passes(&plain(&naming(1, MOST))), "at the limit");
    assert_eq!(refusal(&plain(&naming(1, MOST + 1))), RefusalCode::TooManyOperations, "one past it");
}

#[test]
fn predecessors_beyond_the_first_count_among_the_operations_of_a_change() {
    let each = CHANGE_PREDECESSORS_PER_OPERATION;
    let fit = CHANGE_OPERATIONS_BASE / each;
    assert!(passes(&plain(&naming(fit, each))));
    // Some ninety bytes allow ninety more.
    assert_eq!(refusal(&plain(&naming(fit + 3, each))), RefusalCode::TooManyOperations);
}

#[test]
fn a_predecessor_beyond_the_first_weighs_as_an_operation_does() {
    for (operations, each) in [(1, 2), (1, MOST), (7, 30)] {
        let change = plain(&naming(operations, each));
        assert_eq!(checked(&change).operations(), operations * each);
        assert_eq!(weight(change), operations * each);
    }
    let mut phone = phone(1);
    let text = phone.put_object(ROOT, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, &"a".repeat(1_000)).expect("splices");
    phone.commit();
    phone.splice_text(&text, 0, 1_000, "").expect("splices");
    let deleted = checked(phone.get_last_local_change().expect("a change").raw_bytes());
    assert_eq!((deleted.ops.len(), deleted.operations()), (1_000, 1_000), "the first costs nothing more");
}

#[test]
fn a_request_decodes_so_many_predecessors_and_no_more() {
    let entries: Vec<Vec<u8>> = (0..100).map(|fewer| plain(&naming(1, MOST - fewer))).collect();
    let mut room = Room::default();
    let taken = Opened::open(&entries, &mut room).decode(&HashSet::new(), &HashSet::new(), &mut room);
    let decoded = taken.iter().filter(|one| matches!(one, Taken::Change(_))).count();
    let named: u64 = (0..decoded as u64).map(|fewer| MOST - fewer).sum();
    assert_eq!(room.operations(), REQUEST_OPERATIONS_MAX - named);
    assert!(room.operations() < MOST, "{decoded} are decoded");
    assert!(taken[decoded..].iter().all(|one| matches!(one, Taken::Unread(_))));
}

/// A record in one field of which so many phones wrote without knowing of each other, and one that saw them all and
/// writes last.
fn contested(phones: u32) -> Vec<Change> {
    let (mut last, first) = recorded(1);
    let (_, map) = last.get(ROOT, RECORD).expect("reads").expect("a map");
    let write = |phone: &mut AutoCommit, value: u32| {
        phone.put(&map, "people", i64::from(value)).expect("puts");
        phone.get_last_local_change().expect("a change")
    };
    let mut changes = vec![first];
    for at in 0..phones {
        let actor = [&at.to_be_bytes(), [5; 12].as_slice()].concat();
        changes.push(write(&mut last.fork().with_actor(ActorId::from(actor)), at));
    }
    last.apply_changes(changes[1..].to_vec()).expect("applies");
    changes.push(write(&mut last, phones));
    changes
}

#[test]
fn an_honest_change_that_replaces_what_hundreds_of_phones_wrote_is_accepted() {
    let changes = contested(300);
    let last = checked(changes.last().expect("the last").raw_bytes());
    assert_eq!((last.ops.len(), last.ops[0].pred.len(), last.operations()), (1, 300, 300));
    let mut daybook = Replay::default();
    for change in &changes {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    assert_eq!(daybook.accepted().len(), changes.len());
    daybook.compare().expect("reads the same");
}

/// What becomes of a change on top of a record that does this; its first operation has the counter 3.
fn changed(operations: Vec<Op>) -> Admission {
    let first = recorded(1).1;
    let mut next = after(&first);
    next.operations = operations;
    last(&[first.decode(), next])
}

#[test]
fn a_change_leaves_64_values_under_one_key_and_not_one_more() {
    let beside_others = |count: usize| {
        let mut all = vec![put("b"); count];
        all.extend((0..100).map(|at| put(&format!("other {at}"))));
        changed(all)
    };
    assert!(accepted(&beside_others(CHANGE_VALUES_MAX)), "at the limit");
    let too_many = refused(RefusalCode::TooManyValues);
    assert_eq!(beside_others(CHANGE_VALUES_MAX + 1), too_many, "one past it");
}

#[test]
fn what_is_replaced_or_removed_within_a_change_is_no_value_that_it_leaves() {
    let replacing = |with: fn() -> OpType| {
        let each = (0..1_000).map(|at| {
            let mut op = put("b");
            op.action = with();
            op.pred = (at > 0).then(|| id(2 + at, 1)).into_iter().collect();
            op
        });
        changed(each.collect())
    };
    assert!(accepted(&replacing(|| OpType::Put(ScalarValue::Int(1)))));
    assert!(accepted(&replacing(|| OpType::Put(ScalarValue::counter(1)))));
    assert!(accepted(&replacing(|| OpType::Make(ObjType::Map))));
    let put_and_deleted = (0..1_000).flat_map(|at| {
        let mut deleted = put("b");
        (deleted.action, deleted.pred) = (OpType::Delete, vec![id(3 + 2 * at, 1)].into());
        [put("b"), deleted]
    });
    assert!(accepted(&changed(put_and_deleted.collect())));
}

#[test]
fn a_phone_that_writes_a_thousand_times_under_one_key_in_one_change_leaves_one_value() {
    let (mut phone, first) = recorded(1);
    let (_, map) = phone.get(ROOT, RECORD).expect("reads").expect("a map");
    let list = phone.put_object(&map, "list", ObjType::List).expect("puts");
    for at in 0..1_000_i64 {
        phone.put(&map, "people", at).expect("puts");
        phone.put(&map, "count", ScalarValue::counter(at)).expect("puts");
        phone.increment(&map, "count", 1).expect("counts");
        phone.put_object(&map, "inner", ObjType::Map).expect("puts");
        phone.insert(&list, 0, at).expect("inserts");
        if at % 2 == 0 {
            phone.delete(&map, "inner").expect("deletes");
        }
    }
    let written = phone.get_last_local_change().expect("a change");
    let mut daybook = Replay::default();
    for change in [&first, &written] {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    assert_eq!(daybook.accepted().len(), 2);
    daybook.compare().expect("reads the same");
}
