//! Footprints: what a change leaves behind for later changes to ask.

use std::sync::Arc;

use crate::merge::footprint::{Footprint, Header, ObjectInfo, Slot};
use crate::merge::{Action, Actor, ObjId, ObjectKind, Op, OpId, OpKey, Scalar};

fn id(counter: u64) -> OpId {
    OpId { counter, actor: Actor::new(&[1; 16]) }
}

fn op(counter: u64, obj: ObjId, key: OpKey, action: Action) -> Op {
    let insert = !matches!(key, OpKey::Map(_));
    Op { id: id(counter), obj, key, action, pred: vec![], insert }
}

fn name(counter: u64) -> Arc<str> {
    Arc::from(uuid::Uuid::from_u128(u128::from(counter) << 64 | 0x7000_8000_0000).to_string())
}

/// Activities of nine fields each, as a phone writes them.
fn season(activities: u64) -> Footprint {
    let mut footprint = Footprint::new(1);
    for at in 0..activities {
        let make = 1 + at * 10;
        let map = op(make, ObjId::Root, OpKey::Map(name(at)), Action::Make(ObjectKind::Map));
        footprint.push(&map, &ObjectInfo::root());
        let info = ObjectInfo::root().child(ObjectKind::Map, &map.key);
        for field in 0..9 {
            let key = OpKey::Map(Arc::from(format!("field {field}")));
            let put = op(make + 1 + field, ObjId::Id(id(make)), key, Action::Put(Scalar::Null));
            footprint.push(&put, &info);
        }
    }
    footprint
}

#[test]
fn every_operation_is_found_again_where_it_was() {
    let mut footprint = season(2);
    let text = op(21, ObjId::Id(id(1)), OpKey::Map(Arc::from("note")), Action::Make(ObjectKind::Text));
    let map = ObjectInfo::root().child(ObjectKind::Map, &OpKey::Map(name(0)));
    footprint.push(&text, &map);
    let inside = map.child(ObjectKind::Text, &text.key);
    let letter = op(22, ObjId::Id(id(21)), OpKey::Head, Action::Put(Scalar::Text("a".to_owned())));
    footprint.push(&letter, &inside);
    let mut update = op(23, ObjId::Id(id(21)), OpKey::Element(id(22)), Action::Put(Scalar::Null));
    update.insert = false;
    footprint.push(&update, &inside);
    let gone = op(24, ObjId::Id(id(1)), OpKey::Map(Arc::from("note")), Action::Delete);
    footprint.push(&gone, &map);

    let stored = Footprint::decode(&footprint.encode(&Header::default())).expect("readable");
    for counter in 0..26 {
        assert_eq!(stored.find(counter), footprint.find(counter), "{counter}");
    }
    assert_eq!(stored.find(0), None);
    assert_eq!(stored.find(25), None);
    let made = stored.find(21).and_then(|found| found.made).expect("a text");
    assert_eq!((made.kind, made.depth, made.activity), (ObjectKind::Text, 2, map.activity));
    assert_eq!(made.field.as_deref(), Some("note"));
    assert!(map.activity.is_some());
    assert_eq!(stored.find(22).map(|found| found.slot), Some(Slot::Element));
    assert_eq!(stored.find(23).map(|found| found.slot), Some(Slot::Update(id(22))));
    assert_eq!(stored.find(24).map(|found| found.slot), Some(Slot::Nothing));
}

#[test]
fn five_hundred_activities_take_some_fifty_bytes_each() {
    let bytes = season(500).encode(&Header::default());
    assert!(bytes.len() < 500 * 65, "{} bytes", bytes.len());
}

#[test]
fn the_header_is_read_alone() {
    let header = Header { covers: 7, deps: vec![[3; 32], [4; 32]] };
    let bytes = season(2).encode(&header);
    assert_eq!(Header::decode(&bytes), Ok(header));
    assert!(Footprint::decode(&bytes).is_ok_and(|footprint| footprint.find(1).is_some()));
}

#[test]
fn what_is_not_a_footprint_is_an_error() {
    let bytes = season(3).encode(&Header::default());
    assert!(Footprint::decode(&[]).is_err());
    for end in 1..bytes.len() {
        let _ = Footprint::decode(&bytes[..end]);
    }
    let mut other = bytes;
    other[0] = 2;
    assert!(Footprint::decode(&other).is_err());
}
