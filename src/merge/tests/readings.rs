//! The reading rules, one by one, by phones that meet.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

use crate::domain::ids::ActivityId;
use crate::domain::key::parse_activity_key;
use crate::domain::reading::{Field, Reading, Unreadable, Value};
use crate::domain::review::Conflict;
use crate::merge::replay::Replay;
use crate::merge::{ActivityState, document};

const RECORD: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01";

fn record() -> ActivityId {
    parse_activity_key(RECORD).expect("an id")
}

fn phone(actor: u8) -> AutoCommit {
    let mut phone = AutoCommit::new();
    phone.set_actor(ActorId::from(vec![actor; 16]));
    phone
}

/// A phone with one valid record.
fn recorded(actor: u8) -> (AutoCommit, ObjId) {
    let mut phone = phone(actor);
    let map = create(&mut phone);
    (phone, map)
}

fn create(phone: &mut AutoCommit) -> ObjId {
    let map = phone.put_object(ROOT, RECORD, ObjType::Map).expect("puts");
    phone.put(&map, "kind", "hours").expect("puts");
    phone.put(&map, "day", "2026-11-21").expect("puts");
    phone.commit();
    map
}

/// A second phone that has all that the first one has.
fn joined(first: &mut AutoCommit, actor: u8) -> AutoCommit {
    first.commit();
    first.fork().with_actor(ActorId::from(vec![actor; 16]))
}

/// The record as read after all phones have pushed, the same by the state and by Automerge.
fn read(phones: &mut [&mut AutoCommit]) -> Reading {
    let mut daybook = Replay::default();
    for phone in phones {
        for change in phone.get_changes(&[]) {
            daybook.push(change.raw_bytes()).expect("takes");
        }
    }
    assert_eq!(daybook.held(), 0);
    daybook.compare().expect("reads the same");
    daybook.readings().expect("reads").remove(&record()).expect("the record")
}

fn one(value: impl Into<Value>) -> Option<Field> {
    Some(Field::One(value.into()))
}

fn several<const N: usize>(values: [i64; N]) -> Option<Field> {
    Some(Field::Several(values.map(Value::Integer).to_vec()))
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

#[test]
fn a_record_created_twice_at_once_reads_as_the_union_of_both() {
    let (mut one_phone, map) = recorded(1);
    one_phone.put(&map, "people", 3).expect("puts");
    one_phone.put(&map, "programme", "alleys").expect("puts");
    let (mut other, map) = recorded(2);
    other.put(&map, "people", 4).expect("puts");
    other.put(&map, "note", "from the other phone").expect("puts");
    let reading = read(&mut [&mut one_phone, &mut other]);
    assert_eq!(reading.fields.get("kind").cloned(), one("hours"));
    assert_eq!(reading.fields.get("programme").cloned(), one("alleys"));
    assert_eq!(reading.fields.get("note").cloned(), one("from the other phone"));
    assert_eq!(reading.fields.get("people").cloned(), several([4, 3]));
    assert_eq!(reading.conflict(), Conflict::Hard);
    assert!(!reading.deleted && reading.unreadable.is_none());
}

#[test]
fn of_a_map_replaced_by_a_later_one_only_the_later_is_read() {
    let (mut phone, map) = recorded(1);
    phone.put(&map, "people", 3).expect("puts");
    create(&mut phone);
    let reading = read(&mut [&mut phone]);
    assert_eq!(reading.fields.get("people"), None);
    assert_eq!(reading.fields.get("kind").cloned(), one("hours"));
}

#[test]
fn the_greatest_counter_and_actor_comes_first() {
    let (mut low, map) = recorded(1);
    let mut high = joined(&mut low, 9);
    let mut later = joined(&mut low, 5);
    low.put(&map, "people", 1).expect("puts");
    high.put(&map, "people", 2).expect("puts");
    later.put(&map, "programme", "x").expect("puts");
    later.put(&map, "people", 3).expect("puts");
    let reading = read(&mut [&mut high, &mut later, &mut low]);
    assert_eq!(reading.fields.get("people").cloned(), several([3, 2, 1]));
}

#[test]
fn values_that_agree_are_one() {
    let (mut first, map) = recorded(1);
    let mut second = joined(&mut first, 2);
    let mut third = joined(&mut first, 3);
    first.put(&map, "note", "swept").expect("puts");
    let text = second.put_object(&map, "note", ObjType::Text).expect("puts");
    second.splice_text(&text, 0, 0, "swept").expect("splices");
    third.put(&map, "note", "swept").expect("puts");
    let reading = read(&mut [&mut first, &mut second, &mut third]);
    assert_eq!(reading.fields.get("note").cloned(), one("swept"));
}

#[test]
fn one_counter_reads_its_value_and_several_propose_the_truth() {
    let (mut first, map) = recorded(1);
    let mut second = joined(&mut first, 2);
    first.put(&map, "tally/bags#a", ScalarValue::counter(3)).expect("puts");
    let alone = read(&mut [&mut first]);
    assert_eq!(alone.fields.get("tally/bags#a").cloned(), one(3));
    second.put(&map, "tally/bags#a", ScalarValue::counter(4)).expect("puts");
    first.merge(&mut second).expect("merges");
    first.increment(&map, "tally/bags#a", 10).expect("increments");
    // And one that knew only one of the two.
    second.increment(&map, "tally/bags#a", 100).expect("increments");
    let reading = read(&mut [&mut first, &mut second]);
    assert_eq!(reading.fields.get("tally/bags#a").cloned(), several([117, 114, 13]));
}

#[test]
fn an_increment_of_a_plain_number_beside_a_counter_replaces_the_number() {
    let (mut first, map) = recorded(1);
    let mut second = joined(&mut first, 2);
    first.put(&map, "people", 5).expect("puts");
    second.put(&map, "people", ScalarValue::counter(1)).expect("puts");
    first.merge(&mut second).expect("merges");
    first.increment(&map, "people", 1).expect("increments");
    assert_eq!(read(&mut [&mut first]).fields.get("people").cloned(), one(2));
}

#[test]
fn a_note_spliced_by_two_at_once_is_merged() {
    let (mut first, map) = recorded(1);
    let text = first.put_object(&map, "note", ObjType::Text).expect("puts");
    first.splice_text(&text, 0, 0, "alley").expect("splices");
    let mut second = joined(&mut first, 2);
    first.splice_text(&text, 0, 0, "the ").expect("splices");
    second.splice_text(&text, 5, 0, " swept").expect("splices");
    let reading = read(&mut [&mut first, &mut second]);
    assert_eq!(reading.fields.get("note").cloned(), one("the alley swept"));
}

#[test]
fn a_field_deleted_and_written_at_once_is_written() {
    let (mut first, map) = recorded(1);
    first.put(&map, "people", 1).expect("puts");
    let mut second = joined(&mut first, 2);
    first.delete(&map, "people").expect("deletes");
    second.put(&map, "people", 2).expect("puts");
    assert_eq!(read(&mut [&mut first]).fields.get("people"), None);
    assert_eq!(read(&mut [&mut first, &mut second]).fields.get("people").cloned(), one(2));
}

#[test]
fn a_deleted_record_is_withdrawn_with_the_content_that_was_deleted() {
    let (mut first, map) = recorded(1);
    first.put(&map, "people", 3).expect("puts");
    let mut second = joined(&mut first, 2);
    first.delete(ROOT, RECORD).expect("deletes");
    second.put(&map, "programme", "alleys").expect("puts");
    let reading = read(&mut [&mut first, &mut second]);
    assert!(reading.deleted);
    assert_eq!(reading.unreadable, None);
    assert_eq!(reading.fields.get("people").cloned(), one(3));
    assert_eq!(reading.fields.get("programme").cloned(), one("alleys"));
}

#[test]
fn a_map_hidden_before_its_deletion_elsewhere_is_content_again() {
    let (mut first, map) = recorded(1);
    first.put(&map, "people", 3).expect("puts");
    let mut second = joined(&mut first, 2);
    create(&mut first);
    first.delete(ROOT, RECORD).expect("deletes");
    let only_first = read(&mut [&mut first]);
    assert!(only_first.deleted);
    assert_eq!(only_first.fields.get("people"), None);
    second.delete(ROOT, RECORD).expect("deletes");
    let reading = read(&mut [&mut first, &mut second]);
    assert!(reading.deleted);
    assert_eq!(reading.fields.get("people").cloned(), one(3));
}

#[test]
fn a_record_deleted_and_created_again_at_once_is_there() {
    let (mut first, _) = recorded(1);
    let mut second = joined(&mut first, 2);
    first.delete(ROOT, RECORD).expect("deletes");
    create(&mut second);
    assert!(!read(&mut [&mut first, &mut second]).deleted);
}

#[test]
fn more_than_64_values_cannot_be_read_until_somebody_settles_them() {
    let (mut first, map) = recorded(1);
    let mut phones: Vec<AutoCommit> = (10..75).map(|actor| joined(&mut first, actor)).collect();
    for (value, phone) in phones.iter_mut().enumerate() {
        phone.put(&map, "people", value as i64).expect("puts");
        if value < 64 {
            first.merge(phone).expect("merges");
        }
    }
    let field = read(&mut [&mut first]).fields.get("people").cloned();
    assert!(matches!(field, Some(Field::Several(values)) if values.len() == 64));
    first.merge(&mut phones[64]).expect("merges");
    let field = read(&mut [&mut first]).fields.get("people").cloned();
    assert_eq!(field, Some(Field::Unreadable(Unreadable::TooManyValues)));
    first.put(&map, "people", 7).expect("puts");
    assert_eq!(read(&mut [&mut first]).fields.get("people").cloned(), one(7));
}

#[test]
fn what_is_no_map_is_unreadable_and_what_is_beside_a_map_is_not_read() {
    let mut plain = phone(1);
    plain.put(ROOT, RECORD, "a string").expect("puts");
    assert_eq!(read(&mut [&mut plain]).unreadable, Some(Unreadable::NotAMap));
    let (mut other, _) = recorded(2);
    assert_eq!(read(&mut [&mut plain, &mut other]).unreadable, None);
}

#[test]
fn nested_values_and_wrong_types_spoil_only_their_field() {
    let (mut phone, map) = recorded(1);
    phone.put_object(&map, "people", ObjType::List).expect("puts");
    phone.put(&map, "person_minutes", "ninety").expect("puts");
    phone.put(&map, "place.lat", 52).expect("puts");
    phone.put(&map, "weather", 3.5).expect("puts");
    let reading = read(&mut [&mut phone]);
    assert_eq!(reading.unreadable, None);
    let field = |key: &str| reading.fields.get(key).cloned();
    assert_eq!(field("people"), Some(Field::Unreadable(Unreadable::Nested)));
    assert_eq!(field("person_minutes"), Some(Field::Unreadable(Unreadable::WrongType)));
    assert_eq!(field("place.lat"), one(Value::Number(52.0)));
    assert_eq!(field("weather"), one(Value::Unknown(3.5.into())));
}

#[test]
fn other_keys_of_the_root_are_not_activities() {
    let (mut phone, _) = recorded(1);
    phone.put(ROOT, "settings", 1).expect("puts");
    phone.put_object(ROOT, RECORD.to_uppercase(), ObjType::Map).expect("puts");
    let mut daybook = Replay::default();
    for change in phone.get_changes(&[]) {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    assert_eq!(daybook.readings().expect("reads").into_keys().collect::<Vec<_>>(), [record()]);
}

#[test]
fn states_survive_storing_and_strange_bytes_are_errors() {
    let (mut phone, map) = recorded(1);
    phone.put(&map, "tally/bags#a", ScalarValue::counter(3)).expect("puts");
    phone.put(&map, "note", "x".repeat(100_000)).expect("puts");
    let mut states = std::collections::BTreeMap::new();
    for change in phone.get_changes(&[]) {
        for chunk in crate::merge::guard::inspect(change.raw_bytes()) {
            let crate::merge::guard::Chunk::Change(checked) = chunk else { panic!("{chunk:?}") };
            let objects = document_objects(&phone);
            crate::merge::reduce(&mut states, &checked, &|id| objects(id));
        }
    }
    let state = states.remove(&record()).expect("a state");
    let bytes = state.encode();
    assert_eq!(ActivityState::decode(&bytes), Ok(state));
    // A hundred thousand letters that no field allows are not kept.
    assert!(bytes.len() < 300, "{} bytes", bytes.len());
    for end in 0..bytes.len() {
        assert!(ActivityState::decode(&bytes[..end]).is_err());
    }
    let newer = [&[2], &bytes[1..]].concat();
    assert!(ActivityState::decode(&newer).is_err());
}

/// The only object of an earlier change here is the record's map.
fn document_objects(
    phone: &AutoCommit,
) -> impl Fn(&crate::merge::OpId) -> Option<crate::merge::ObjectInfo> + use<> {
    let map = phone.get(ROOT, RECORD).expect("reads").expect("a map").1;
    move |id| {
        (id.to_string() == map.to_string()).then(|| crate::merge::ObjectInfo {
            kind: crate::merge::ObjectKind::Map,
            depth: 1,
            activity: Some(record()),
            field: None,
        })
    }
}

#[test]
fn a_document_without_the_text_of_a_state_is_refused() {
    let (mut phone, map) = recorded(1);
    let text = phone.put_object(&map, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, "a").expect("splices");
    phone.commit();
    phone.splice_text(&text, 1, 0, "b").expect("splices");
    let changes = phone.get_changes(&[]);
    let mut daybook = Replay::default();
    for change in &changes {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    assert!(document::load([changes[0].raw_bytes(), changes[2].raw_bytes()]).is_err());
    let note = daybook.readings().expect("reads").remove(&record()).expect("the record");
    assert_eq!(note.fields.get("note").cloned(), one("ab"));
}
