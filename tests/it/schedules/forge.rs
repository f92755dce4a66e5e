//! Changes that Automerge is content with and no server takes, written by a program on top of a phone's document.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, Change, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue};
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::{ACTOR_BYTES_MAX, OBJECT_DEPTH_MAX, OPERATION_COUNTER_MAX};
use daybook::phone::Book;

use crate::always::dice::Dice;

/// Writes something honest in a way that is refused.
pub fn refused(book: &mut Book, dice: &mut Dice, id: ActivityId, key: &str, value: i64) {
    let (_, map) = book.doc.get(ROOT, id.to_string()).expect("reads").expect("an activity");
    match dice.below(24) {
        // A megabyte is slow.
        0 => too_large(book, &map, key, value),
        1..8 => too_deep(book, &map, key, value),
        8..16 => under_a_long_actor(book, &map, key, value),
        _ => far_ahead(book, dice, &map, key, value),
    }
}

fn too_deep(book: &mut Book, map: &ObjId, key: &str, value: i64) {
    let mut inner = map.clone();
    for _ in 0..OBJECT_DEPTH_MAX {
        inner = book.doc.put_object(&inner, "inner", ObjType::Map).expect("a map");
    }
    book.doc.put(map, key, value).expect("put");
    book.doc.commit();
}

fn under_a_long_actor(book: &mut Book, map: &ObjId, key: &str, value: i64) {
    let actor = book.doc.get_actor().clone();
    let long = [actor.to_bytes(), value.to_be_bytes().as_slice(), &[7; ACTOR_BYTES_MAX]].concat();
    book.doc.set_actor(ActorId::from(long));
    book.doc.put(map, key, value).expect("put");
    book.doc.commit();
    book.doc.set_actor(actor);
}

/// Operations that are numbered as if two thousand million had been before.
fn far_ahead(book: &mut Book, dice: &mut Dice, map: &ObjId, key: &str, value: i64) {
    let mut actor = [0; 16];
    dice.fill(&mut actor);
    let mut program = book.doc.fork().with_actor(ActorId::from(actor));
    program.put(map, key, value).expect("put");
    let mut change = program.get_last_local_change().expect("a change").decode();
    if change.start_op.get() < OPERATION_COUNTER_MAX {
        change.start_op = OPERATION_COUNTER_MAX.try_into().expect("not zero");
    }
    book.doc.apply_changes([Change::from(change)]).expect("applies");
}

/// A field that no server takes, whatever is done about it, beside one that it does.
fn too_large(book: &mut Book, map: &ObjId, key: &str, value: i64) {
    book.doc
        .put(map, "picture", ScalarValue::Bytes(vec![7; daybook::domain::limits::CHANGE_BYTES_MAX]))
        .expect("put");
    book.doc.put(map, key, value).expect("put");
    book.doc.commit();
}
