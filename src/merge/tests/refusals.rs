//! One refusal per code; limits hold at the limit and give way one past it.

use super::forge::*;
use crate::domain::limits::{CHANGE_BYTES_MAX, CHANGE_DEPENDENCIES_MAX, OPERATION_COUNTER_MAX};
use crate::merge::admit::{Admission, HeldReason};
use crate::merge::guard::{Chunk, inspect};
use crate::merge::replay::Replay;
use crate::merge::{Hash, RefusalCode, document};
use automerge::legacy::{ElementId, Key, MarkData, ObjectId, OpId as LegacyId, OpType};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Author, Change, ChangeHash, ObjType, ROOT, ScalarValue};

#[test]
fn what_is_no_change_is_unreadable() {
    assert_eq!(refusal(b"hello"), RefusalCode::Unreadable);
    assert_eq!(refusal(&[0; 64]), RefusalCode::Unreadable);
    let honest = plain(&nulls(2));
    assert!(passes(&honest));
    assert_eq!(refusal(&honest[..honest.len() - 1]), RefusalCode::Unreadable);
    let mut checksum = honest.clone();
    checksum[5] ^= 1;
    assert_eq!(refusal(&checksum), RefusalCode::Unreadable);
    assert_eq!(refusal(&chunk(2, b"not deflate", b"")), RefusalCode::Unreadable);
    // A column deflated on its own.
    let inner = body(&[7; 16], 0, 1, &[(0x4a, vec![1, 1])]);
    assert_eq!(refusal(&plain(&inner)), RefusalCode::Unreadable);
    assert!(inspect(&[]).is_empty());
}

#[test]
fn other_kinds_of_chunk_are_refused_and_hide_nothing() {
    let (mut phone, change) = recorded(1);
    let saved = phone.save();
    assert_eq!(refusal(&saved), RefusalCode::ChunkType);
    assert_eq!(refusal(&chunk(3, b"bundle", b"")), RefusalCode::ChunkType);
    assert_eq!(refusal(&chunk(9, b"", b"")), RefusalCode::ChunkType);
    let entry = [saved.as_slice(), change.raw_bytes(), &plain(b"\xff"), change.raw_bytes(), b"tail"].concat();
    let found: Vec<bool> = inspect(&entry).iter().map(|chunk| matches!(chunk, Chunk::Change(_))).collect();
    assert_eq!(found, [false, true, false, true, false]);
}

#[test]
fn a_deflated_change_is_the_change_itself() {
    let (_, change) = recorded(1);
    let bytes = deflated(&change.raw_bytes()[10..]);
    let chunks = inspect(&bytes);
    let [Chunk::Change(checked)] = chunks.as_slice() else { panic!("{chunks:?}") };
    assert_eq!((checked.hash, checked.bytes.as_slice()), (change.hash().0, change.raw_bytes()));
}

#[test]
fn a_mebibyte_passes_and_one_byte_more_does_not() {
    let with_message = |length: usize| {
        let mut expanded = recorded(1).1.decode();
        expanded.message = Some("m".repeat(length));
        Change::from(expanded).raw_bytes().to_vec()
    };
    let around = with_message(CHANGE_BYTES_MAX / 2).len() - CHANGE_BYTES_MAX / 2;
    let greatest = with_message(CHANGE_BYTES_MAX - around);
    assert_eq!(greatest.len(), CHANGE_BYTES_MAX);
    assert!(passes(&greatest));
    let larger = with_message(CHANGE_BYTES_MAX - around + 1);
    assert_eq!(refusal(&larger), RefusalCode::ChangeTooLarge);
    // Deflated, both are a few kilobytes.
    assert!(passes(&deflated(&greatest[12..])));
    assert_eq!(refusal(&deflated(&larger[12..])), RefusalCode::ChangeTooLarge);
    let bomb = deflated(&vec![0; 32 * CHANGE_BYTES_MAX]);
    assert_eq!(refusal(&bomb), RefusalCode::ChangeTooLarge);
}

#[test]
fn keys_that_expand_to_gigabytes_are_too_large() {
    let key = [run(20_000), leb(500_000), vec![b'k'; 500_000]].concat();
    let body = body(&[7; 16], 0, 1, &[(0x15, key), (0x42, [run(20_000), vec![1]].concat())]);
    assert_eq!(refusal(&plain(&body)), RefusalCode::ChangeTooLarge);
}

#[test]
fn actors_have_64_bytes_at_most() {
    let by = |length: usize| {
        let mut expanded = recorded(1).1.decode();
        expanded.actor_id = ActorId::from(vec![9; length]);
        expanded.operations.truncate(1);
        Change::from(expanded).raw_bytes().to_vec()
    };
    assert!(passes(&by(64)));
    assert_eq!(refusal(&by(65)), RefusalCode::ActorTooLong);
    let mut expanded = recorded(1).1.decode();
    expanded.operations[1].obj = ObjectId::Id(LegacyId::new(1, &ActorId::from(vec![9; 65])));
    assert_eq!(refusal(Change::from(expanded).raw_bytes()), RefusalCode::ActorTooLong);
}

#[test]
fn dependencies_are_counted() {
    let most = body(&[7; 16], CHANGE_DEPENDENCIES_MAX, 1, &[]);
    assert!(passes(&plain(&most)));
    let more = body(&[7; 16], CHANGE_DEPENDENCIES_MAX + 1, 1, &[]);
    assert_eq!(refusal(&plain(&more)), RefusalCode::TooManyDependencies);
}

#[test]
fn operations_are_counted_before_they_are_expanded() {
    let bytes = plain(&nulls(20_000)).len() as u64;
    assert!(passes(&plain(&nulls(20_000 + bytes))));
    assert_eq!(refusal(&plain(&nulls(20_001 + bytes))), RefusalCode::TooManyOperations);
    assert_eq!(refusal(&plain(&nulls(20_000_000))), RefusalCode::TooManyOperations);
    assert_eq!(refusal(&plain(&nulls(1 << 60))), RefusalCode::ChangeTooLarge);
    // One operation with a thousand million predecessors.
    let many = run(1_000_000_000);
    let columns = [(0x42, vec![0x7f, 1]), (0x70, [vec![0x7f], leb(1_000_000_000)].concat()), (0x71, many)];
    assert_eq!(refusal(&plain(&body(&[7; 16], 0, 1, &columns))), RefusalCode::TooManyOperations);
}

#[test]
fn counters_stay_below_two_to_the_31() {
    let at = |start_op: u64| plain(&body(&[7; 16], 0, start_op, &[]));
    assert!(passes(&at(OPERATION_COUNTER_MAX - 1)));
    assert_eq!(refusal(&at(OPERATION_COUNTER_MAX)), RefusalCode::CounterTooLarge);
    assert_eq!(refusal(&at(u64::MAX)), RefusalCode::CounterTooLarge);
    let two = |start_op: u64| {
        let mut expanded = recorded(1).1.decode();
        expanded.operations = vec![put("a"), put("b")];
        expanded.start_op = start_op.try_into().expect("not zero");
        Change::from(expanded).raw_bytes().to_vec()
    };
    assert!(passes(&two(OPERATION_COUNTER_MAX - 2)));
    assert_eq!(refusal(&two(OPERATION_COUNTER_MAX - 1)), RefusalCode::CounterTooLarge);
}

#[test]
fn other_bytes_for_the_same_change_are_not_canonical() {
    // Two runs of one where one run of two is written.
    let columns = |action: Vec<u8>| {
        let key = [run(2), vec![1, b'k']].concat();
        let none = vec![2, 0];
        vec![(0x15, key), (0x34, vec![2]), (0x42, action), (0x56, none.clone()), (0x70, none)]
    };
    assert!(passes(&plain(&body(&[7; 16], 0, 1, &columns(vec![2, 1])))));
    assert_eq!(refusal(&plain(&body(&[7; 16], 0, 1, &columns(vec![0x7e, 1, 1])))), RefusalCode::NotCanonical);
    let mut twice = columns(vec![2, 1]);
    twice.insert(3, (0x42, vec![1, 1]));
    assert_eq!(refusal(&plain(&body(&[7; 16], 0, 1, &twice))), RefusalCode::NotCanonical);
    let mut expanded = recorded(1).1.decode();
    expanded.deps = vec![ChangeHash([5; 32]); 2];
    assert_eq!(refusal(Change::from(expanded).raw_bytes()), RefusalCode::NotCanonical);
}

#[test]
fn an_author_is_stated_first_or_not_at_all() {
    let mut phone = phone(1);
    phone.set_author(Some(Author::from(vec![1, 2, 3])));
    phone.put(ROOT, "a", 1).expect("puts");
    let first = phone.get_last_local_change().expect("a change");
    assert!(passes(first.raw_bytes()));
    let mut second = after(&first);
    second.operations = vec![put("b")];
    assert_eq!(refusal(Change::from(second.clone()).raw_bytes()), RefusalCode::AuthorMisplaced);
    second.extra_bytes = vec![7];
    assert!(passes(Change::from(second).raw_bytes()));
}

#[test]
fn sequences_have_no_gaps() {
    let first = recorded(1).1;
    let mut next = after(&first);
    assert!(accepted(&last(&[first.decode(), next.clone()])));
    next.seq = 3;
    assert_eq!(last(&[first.decode(), next.clone()]), refused(RefusalCode::SeqGap));
    next.seq = 0;
    assert_eq!(refusal(Change::from(next).raw_bytes()), RefusalCode::SeqGap);
    // In order, but the last one is not in the past: other phones may apply it first, and panic.
    let second = Change::from(after(&first));
    let mut third = after(&second);
    third.deps = vec![first.hash()];
    assert_eq!(last(&[first.decode(), second.decode(), third]), refused(RefusalCode::SeqGap));
}

#[test]
fn a_last_change_further_in_the_past_is_found() {
    let first = recorded(1).1;
    let mut between = after(&first);
    between.actor_id = ActorId::from(vec![2; 16]);
    between.seq = 1;
    let between = Change::from(between);
    let mut other = after(&first);
    other.actor_id = ActorId::from(vec![3; 16]);
    other.seq = 1;
    other.operations = vec![put("c")];
    let mut second = after(&between);
    second.actor_id = first.actor_id().clone();
    second.operations = vec![put("b")];
    assert!(accepted(&last(&[first.decode(), between.decode(), other, second])));
}

#[test]
fn operations_start_above_what_they_build_on() {
    let first = recorded(1).1;
    let mut next = after(&first);
    next.operations = vec![put("b")];
    next.start_op = first.max_op().try_into().expect("not zero");
    assert_eq!(last(&[first.decode(), next.clone()]), refused(RefusalCode::StartOpLow));
    next.actor_id = ActorId::from(vec![2; 16]);
    next.seq = 1;
    assert_eq!(last(&[first.decode(), next.clone()]), refused(RefusalCode::StartOpLow));
    next.start_op = (first.max_op() + 2).try_into().expect("not zero");
    assert_eq!(last(&[first.decode(), next]), Admission::Held(HeldReason::StartOpAhead));
}

#[test]
fn an_empty_change_starts_exactly_above_what_it_builds_on() {
    let first = recorded(1).1;
    let mut other = recorded(2).1.decode();
    other.operations.push(put("longer"));
    let mut empty = after(&first);
    empty.start_op = (first.max_op() + 2).try_into().expect("not zero");
    assert_eq!(last(&[first.decode(), other, empty]), refused(RefusalCode::StartOpGap));
}

#[test]
fn a_fork_of_an_actor_is_refused() {
    let first = recorded(1).1;
    let mut one = after(&first);
    one.operations = vec![put("b")];
    let mut other = after(&first);
    other.operations = vec![put("c")];
    assert_eq!(last(&[first.decode(), one, other]), refused(RefusalCode::ActorFork));
}

#[test]
fn what_builds_on_a_refused_change_is_refused() {
    let first = recorded(1).1;
    let mut bad = after(&first);
    bad.seq = 5;
    let good = after(&Change::from(bad.clone()));
    assert_eq!(last(&[first.decode(), bad, good]), refused(RefusalCode::OnRefused));
    // Refused without its context too.
    let mut long = first.decode();
    long.message = Some("m".repeat(CHANGE_BYTES_MAX));
    let next = after(&Change::from(long.clone()));
    assert_eq!(last(&[long, next]), refused(RefusalCode::OnRefused));
}

#[test]
fn objects_exist_and_nest_32_deep() {
    let first = recorded(1).1;
    let mut next = after(&first);
    next.operations = vec![put("a")];
    next.operations[0].obj = ObjectId::Id(id(2, 1));
    assert_eq!(last(&[first.decode(), next.clone()]), refused(RefusalCode::MissingObject));
    next.operations[0].obj = ObjectId::Id(id(1, 9));
    assert_eq!(last(&[first.decode(), next.clone()]), refused(RefusalCode::MissingObject));
    // Its own later operation.
    next.operations[0].obj = ObjectId::Id(id(4, 1));
    assert_eq!(last(&[first.decode(), next]), refused(RefusalCode::MissingObject));

    let nested = |depth: usize| {
        let mut phone = phone(1);
        let mut inner = ROOT;
        for _ in 0..depth {
            inner = phone.put_object(&inner, "in", ObjType::Map).expect("puts");
        }
        last(&[phone.get_last_local_change().expect("a change").decode()])
    };
    assert!(accepted(&nested(32)));
    assert_eq!(nested(33), refused(RefusalCode::TooDeep));
}

#[test]
fn an_object_that_is_not_in_the_past_is_missing() {
    let (first, other) = (recorded(1).1, recorded(2).1);
    let mut next = after(&first);
    next.operations = vec![put("people")];
    next.operations[0].obj = ObjectId::Id(id(1, 2));
    assert_eq!(last(&[first.decode(), other.decode(), next.clone()]), refused(RefusalCode::MissingObject));
    next.deps.push(other.hash());
    assert!(accepted(&last(&[first.decode(), other.decode(), next])));
}

#[test]
fn predecessors_exist_in_their_place() {
    let first = recorded(1).1;
    let with = |action: OpType, key: &str, pred: &[LegacyId]| {
        let mut next = after(&first);
        let map = ObjectId::Id(id(1, 1));
        next.operations = vec![op(action, map, Key::Map(key.into()), pred)];
        last(&[first.decode(), next])
    };
    let value = || OpType::Put(ScalarValue::Int(1));
    let missing = refused(RefusalCode::MissingPredecessor);
    assert!(accepted(&with(value(), "kind", &[id(2, 1)])));
    assert!(accepted(&with(OpType::Delete, "kind", &[id(2, 1)])));
    assert_eq!(with(value(), "kind", &[id(9, 1)]), missing);
    assert_eq!(with(value(), "kind", &[id(1, 1)]), missing);
    assert_eq!(with(value(), "day", &[id(2, 1)]), missing);
    assert_eq!(with(value(), "kind", &[id(3, 1)]), missing);
    assert_eq!(with(value(), "kind", &[id(2, 1), id(2, 1)]), missing);
    assert_eq!(with(OpType::Delete, "kind", &[]), missing);
    assert_eq!(with(OpType::Increment(1), "kind", &[]), missing);
}

#[test]
fn elements_exist_in_their_list() {
    let mut phone = phone(1);
    let list = phone.put_object(ROOT, "list", ObjType::List).expect("puts");
    phone.insert(&list, 0, 1).expect("inserts");
    let other = phone.put_object(ROOT, "other", ObjType::List).expect("puts");
    phone.insert(&other, 0, 1).expect("inserts");
    let first = phone.get_last_local_change().expect("a change");
    let with = |obj: u64, key: Key, pred: &[LegacyId]| {
        let mut next = after(&first);
        let value = OpType::Put(ScalarValue::Int(1));
        next.operations = vec![op(value, ObjectId::Id(id(obj, 1)), key, pred)];
        last(&[first.decode(), next])
    };
    let element = |counter| Key::Seq(ElementId::Id(id(counter, 1)));
    let missing = refused(RefusalCode::MissingElement);
    assert!(accepted(&with(1, element(2), &[])));
    assert!(accepted(&with(1, Key::Seq(ElementId::Head), &[])));
    assert!(accepted(&with(1, element(2), &[id(2, 1)])));
    assert_eq!(with(1, element(4), &[]), missing);
    assert_eq!(with(1, element(9), &[]), missing);
    assert_eq!(with(1, Key::Map("a".into()), &[]), missing);
    assert_eq!(with(1, Key::Seq(ElementId::Head), &[id(2, 1)]), missing);
    assert_eq!(with(1, element(2), &[id(4, 1)]), refused(RefusalCode::MissingPredecessor));
}

#[test]
fn letters_are_inserted_and_deleted_never_updated() {
    let mut phone = phone(1);
    let text = phone.put_object(ROOT, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, "a").expect("splices");
    let first = phone.get_last_local_change().expect("a change");
    let with = |action: OpType| {
        let mut next = after(&first);
        let letter = Key::Seq(ElementId::Id(id(2, 1)));
        next.operations = vec![op(action, ObjectId::Id(id(1, 1)), letter, &[id(2, 1)])];
        last(&[first.decode(), next])
    };
    assert!(accepted(&with(OpType::Delete)));
    let missing = refused(RefusalCode::MissingElement);
    assert_eq!(with(OpType::Put(ScalarValue::Str("b".into()))), missing);
    assert_eq!(with(OpType::Increment(1)), missing);
    assert_eq!(with(OpType::Make(ObjType::Map)), missing);
}

#[test]
fn a_range_of_rich_text_begins_before_it_ends() {
    let mut phone = phone(1);
    let text = phone.put_object(ROOT, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, "abc").expect("splices");
    let first = phone.get_last_local_change().expect("a change");
    let with = |begin: u64, end: u64| {
        let mut next = after(&first);
        let at = |after: u64| Key::Seq(ElementId::Id(id(after, 1)));
        let data = MarkData { name: "b".into(), value: ScalarValue::Boolean(true), expand: false };
        next.operations = vec![
            op(OpType::MarkBegin(data), ObjectId::Id(id(1, 1)), at(begin), &[]),
            op(OpType::MarkEnd(false), ObjectId::Id(id(1, 1)), at(end), &[]),
        ];
        next
    };
    // Only the document can tell, and does.
    assert!(accepted(&last(&[first.decode(), with(2, 4)])));
    assert_eq!(last(&[first.decode(), with(4, 2)]), refused(RefusalCode::MarkOrder));
    let mut alone = with(2, 4);
    alone.operations.remove(0);
    assert_eq!(last(&[first.decode(), alone]), refused(RefusalCode::MarkOrder));
}

#[test]
fn what_works_in_a_table_is_refused() {
    let mut phone = phone(1);
    phone.put_object(ROOT, "table", ObjType::Table).expect("puts");
    let first = phone.get_last_local_change().expect("a change");
    let mut next = after(&first);
    next.operations = vec![put("a")];
    next.operations[0].obj = ObjectId::Id(id(1, 1));
    assert_eq!(last(&[first.decode(), next]), refused(RefusalCode::MissingObject));
}

#[test]
fn a_refusal_sent_again_is_the_same_refusal() {
    let first = recorded(1).1;
    let mut bad = after(&first);
    bad.seq = 5;
    assert_eq!(last(&[first.decode(), bad.clone(), bad]), refused(RefusalCode::SeqGap));
}

#[test]
fn ten_byte_chunks_do_not_become_a_million_outcomes() {
    let chunk = chunk(9, b"", b"");
    let entry = chunk.repeat(100_000);
    assert!(inspect(&entry).len() < 2_000);
}

#[test]
fn the_servers_own_changes_pass_its_guard() {
    let (hash, bytes) = document::genesis([3; 16]);
    let mut daybook = Replay::default();
    assert!(
        matches!(daybook.push(&bytes).expect("takes").as_slice(), [(taken, Admission::Accept { .. })] if *taken == hash)
    );
    let heads: Vec<Hash> = (4..8_u8)
        .map(|actor| {
            let mut record = recorded(actor).1.decode();
            record.deps = vec![ChangeHash(hash)];
            let record = Change::from(record);
            daybook.push(record.raw_bytes()).expect("takes");
            record.hash().0
        })
        .collect();
    let (merge, bytes) = document::merge_change([9; 16], &heads, 3);
    assert!(matches!(daybook.push(&bytes).expect("takes").as_slice(), [(_, Admission::Accept { .. })]));
    let document = daybook.document().expect("loads");
    assert_eq!(document.get_heads(), [ChangeHash(merge)]);
    daybook.compare().expect("reads the same");
}

#[test]
fn an_empty_merge_of_a_stock_phone_is_accepted() {
    let (mut one, _) = recorded(1);
    let (mut two, _) = recorded(2);
    one.merge(&mut two).expect("merges");
    one.empty_change(CommitOptions::default());
    let mut daybook = Replay::default();
    for change in one.get_changes(&[]) {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    assert_eq!(daybook.accepted().len(), 3);
}
