//! Writers of daybooks whose changes are the same each time, and how changes and readings are told.

use std::collections::BTreeMap;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::domain::ids::ActivityId;
use daybook::domain::reading::{Field, Reading};
use daybook::merge::replay::Replay;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The activity of most cases, and one more.
pub const RECORD: &str = "01a1fd8c-6900-7e20-b8c4-51f09d3a2001";
pub const OTHER: &str = "01a1fd8c-6900-7e20-b8c4-51f09d3a2002";
pub const PARTY: &str = "01a1fd8c-6900-7a51-8d2f-0c9e1b77a501";

/// A writer under this actor, with nothing.
pub fn writer(actor: u8) -> AutoCommit {
    AutoCommit::new().with_actor(ActorId::from(vec![actor; 16]))
}

/// A writer with one valid activity.
pub fn recorded(actor: u8) -> (AutoCommit, ObjId) {
    let mut doc = writer(actor);
    let map = create(&mut doc, RECORD);
    (doc, map)
}

/// Makes a valid activity, in one change.
pub fn create(doc: &mut AutoCommit, id: &str) -> ObjId {
    let map = doc.put_object(ROOT, id, ObjType::Map).expect("puts");
    doc.put(&map, "kind", "hours").expect("puts");
    doc.put(&map, "day", "2026-11-21").expect("puts");
    doc.commit();
    map
}

/// A second writer that has all that the first one has.
pub fn joined(first: &mut AutoCommit, actor: u8) -> AutoCommit {
    first.commit();
    first.fork().with_actor(ActorId::from(vec![actor; 16]))
}

/// The writer's changes, in causal order.
pub fn changes(doc: &mut AutoCommit) -> Vec<Vec<u8>> {
    doc.commit();
    doc.get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect()
}

/// A daybook that took the changes of all writers.
pub fn met(writers: &mut [&mut AutoCommit]) -> Replay {
    let mut daybook = Replay::default();
    for writer in writers {
        for change in changes(writer) {
            daybook.push(&change).expect("takes");
        }
    }
    assert_eq!(daybook.held(), 0);
    daybook
}

/// Changes as `/v1/sync` carries them.
pub fn base64url(changes: &[Vec<u8>]) -> Vec<String> {
    changes.iter().map(|change| URL_SAFE_NO_PAD.encode(change)).collect()
}

/// How activities are read, by id.
pub fn activities(readings: &BTreeMap<ActivityId, Reading>) -> Value {
    readings.iter().map(|(id, reading)| (id.to_string(), told(reading))).collect()
}

/// A field, its values as plain JSON.
pub fn field(field: &Field) -> Value {
    let values = || field.values().iter().map(|value| value.to_json());
    match field {
        Field::One(value) => json!({ "one": value.to_json() }),
        Field::Several(_) => json!({ "several": values().collect::<Vec<_>>() }),
        Field::Unreadable(reason) => json!({ "unreadable": reason }),
    }
}

fn told(reading: &Reading) -> Value {
    let fields: Value = reading.fields.iter().map(|(key, value)| (key.clone(), field(value))).collect();
    let mut text = String::new();
    canonical(&serde_json::to_value(reading).expect("JSON"), &mut text);
    let hash = hex::encode(Sha256::digest(text.as_bytes()));
    assert_eq!(hash, hex::encode(reading.hash()), "what is told is what versions are named by");
    json!({
        "fields": fields,
        "deleted": reading.deleted,
        "unreadable": reading.unreadable,
        "conflict": reading.conflict(),
        "canonical": text,
        "hash": hash,
    })
}

/// JSON without spaces, keys sorted.
fn canonical(json: &Value, out: &mut String) {
    match json {
        Value::Object(members) => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (at, (key, value)) in sorted.into_iter().enumerate() {
                out.push(if at == 0 { '{' } else { ',' });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(value, out);
            }
            out.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                out.push(if at == 0 { '[' } else { ',' });
                canonical(item, out);
            }
            out.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The heads of a daybook in hex, sorted.
pub fn heads(daybook: &Replay) -> Vec<String> {
    let document = daybook.document().expect("loads");
    let mut heads: Vec<String> = document.get_heads().iter().map(ToString::to_string).collect();
    heads.sort();
    heads
}

/// Writes a text, as JavaScript does with every plain string.
pub fn text(doc: &mut AutoCommit, map: &ObjId, key: &str, text: &str) -> ObjId {
    let object = doc.put_object(map, key, ObjType::Text).expect("puts");
    doc.splice_text(&object, 0, 0, text).expect("splices");
    object
}
