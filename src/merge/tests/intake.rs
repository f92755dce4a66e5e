//! What one request may cost is bounded before anything is decoded.

use std::collections::HashSet;

use super::forge::*;
use crate::domain::limits::{
    CHANGE_BYTES_MAX, DEPENDENCY_OPERATIONS, INLINE_BYTES_MAX, REQUEST_CHUNKS_MAX,
    REQUEST_INFLATED_BYTES_MAX, REQUEST_OPERATIONS_MAX, REQUEST_REFUSED_MAX,
};
use crate::merge::Hash;
use crate::merge::intake::{Opened, Room, Taken, is_small};

/// A change of so many operations by an actor of its own.
fn nulls_by(actor: u8, operations: u64) -> Vec<u8> {
    let mut honest = nulls(operations);
    // The actor's sixteen bytes follow the count of dependencies and their own length.
    honest[2..18].fill(actor);
    plain(&honest)
}

fn taken(entries: &[Vec<u8>], room: &mut Room) -> Vec<Taken> {
    Opened::open(entries, room).decode(&HashSet::new(), &HashSet::new(), room)
}

fn count(taken: &[Taken], wanted: fn(&Taken) -> bool) -> usize {
    taken.iter().filter(|one| wanted(one)).count()
}

fn is_change(taken: &Taken) -> bool {
    matches!(taken, Taken::Change(_))
}

fn is_unread(taken: &Taken) -> bool {
    matches!(taken, Taken::Unread(_))
}

#[test]
fn a_request_decodes_so_many_operations_and_not_one_more() {
    let each = REQUEST_OPERATIONS_MAX / 25;
    let mut entries: Vec<Vec<u8>> = (0..25).map(|actor| nulls_by(actor, each)).collect();
    assert_eq!(count(&taken(&entries, &mut Room::default()), is_change), 25, "at the limit");
    entries[24] = nulls_by(24, each + 1);
    let found = taken(&entries, &mut Room::default());
    assert_eq!((count(&found, is_change), count(&found, is_unread)), (24, 1), "one past it");
}

#[test]
fn after_the_first_that_does_not_fit_nothing_new_is_decoded() {
    let each = REQUEST_OPERATIONS_MAX / 20;
    let mut entries: Vec<Vec<u8>> = (0..21).map(|actor| nulls_by(actor, each)).collect();
    entries.insert(19, nulls_by(99, each));
    entries.push(nulls_by(98, 1));
    let found = taken(&entries, &mut Room::default());
    assert!(found[..20].iter().all(is_change) && found[20..].iter().all(is_unread));
}

#[test]
fn all_daybooks_of_a_request_share_its_room_and_the_first_change_always_fits() {
    let mut room = Room::default();
    let each = REQUEST_OPERATIONS_MAX / 25;
    let entries: Vec<Vec<u8>> = (0..25).map(|actor| nulls_by(actor, each)).collect();
    assert_eq!(count(&taken(&entries, &mut room), is_change), 25);
    assert_eq!(room.operations(), 0);
    assert_eq!(count(&taken(&[nulls_by(50, 1)], &mut room), is_unread), 1);
    // 4,096 dependencies and a few operations weigh less than a request may; a full change more.
    let deps = CHANGE_BYTES_MAX as u64 / 32 / 8;
    let large = plain(&body(&[7; 16], deps as usize, 1, &[]));
    let mut room = Room::default();
    assert_eq!(count(&taken(&[large], &mut room), is_change), 1);
    assert_eq!(room.operations(), REQUEST_OPERATIONS_MAX - deps * DEPENDENCY_OPERATIONS);
}

#[test]
fn what_the_daybook_knows_is_not_decoded_and_takes_no_room() {
    let entries: Vec<Vec<u8>> = (0..40).map(|actor| nulls_by(actor, 20_000)).collect();
    let mut room = Room::default();
    let opened = Opened::open(&entries, &mut room);
    assert_eq!((opened.weight(), opened.changes()), (800_000, 40));
    let hashes: Vec<Hash> = opened.hashes().collect();
    let (known, seen) = (hashes[..30].iter().copied().collect(), hashes[30..35].iter().copied().collect());
    let found = opened.decode(&known, &seen, &mut room);
    assert!(found[..30].iter().all(|one| matches!(one, Taken::Known(_))));
    assert!(found[30..35].iter().all(is_unread) && found[35..].iter().all(is_change));
    assert_eq!(room.operations(), REQUEST_OPERATIONS_MAX - 100_000);
}

#[test]
fn a_request_decodes_so_many_chunks() {
    let entry: Vec<u8> = (0..=u8::MAX).flat_map(|actor| nulls_by(actor, 2)).collect();
    let other: Vec<u8> = (0..=u8::MAX).flat_map(|actor| nulls_by(actor, 3)).collect();
    let entries = [entry, other, nulls_by(7, 4)];
    let found = taken(&entries[..2], &mut Room::default());
    assert_eq!(count(&found, is_change), REQUEST_CHUNKS_MAX);
    let found = taken(&entries, &mut Room::default());
    assert_eq!((count(&found, is_change), count(&found, is_unread)), (REQUEST_CHUNKS_MAX, 1));
}

#[test]
fn so_much_is_inflated_and_no_more() {
    let bomb = deflated(&vec![0; CHANGE_BYTES_MAX + 1]);
    let most = REQUEST_INFLATED_BYTES_MAX / CHANGE_BYTES_MAX;
    let found = taken(&vec![bomb; most + 1], &mut Room::default());
    let refused = count(&found, |one| matches!(one, Taken::Refused { .. }));
    assert_eq!((refused, count(&found, is_unread)), (most, 1));
}

#[test]
fn so_many_are_refused_one_by_one_and_the_rest_waits() {
    let none = chunk(9, b"", b"");
    let found = taken(&[none.repeat(REQUEST_REFUSED_MAX), b"x".to_vec()], &mut Room::default());
    assert_eq!((found.len(), count(&found, is_unread)), (REQUEST_REFUSED_MAX + 1, 1));
    let found = taken(&[none.repeat(10 * REQUEST_REFUSED_MAX)], &mut Room::default());
    assert_eq!((found.len(), count(&found, is_unread)), (REQUEST_REFUSED_MAX + 1, 1));
}

#[test]
fn a_push_is_small_up_to_so_many_bytes_and_only_if_nothing_in_it_inflates() {
    assert!(is_small(&[]) && is_small(&[vec![0; INLINE_BYTES_MAX - 1], vec![0]]));
    assert!(!is_small(&[vec![0; INLINE_BYTES_MAX], vec![0]]));
    let (plain, deflated) = (nulls_by(1, 10), deflated(&nulls(10)));
    assert!(is_small(&[plain.clone(), plain.clone()]));
    // Also behind another chunk of the same entry.
    assert!(!is_small(&[plain.clone(), [plain, deflated].concat()]));
}
