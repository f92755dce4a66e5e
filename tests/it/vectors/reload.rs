//! `reload.json`: phones with refused changes, the server's document, and what is read when they have reloaded.

use std::collections::{BTreeMap, BTreeSet};

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjType};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::api::sync::OutcomeKind;
use daybook::domain::key::Key;
use daybook::domain::limits::OBJECT_DEPTH_MAX;
use daybook::domain::reading::{Field, Reading};
use daybook::merge::document;
use serde_json::{Value, json};

use super::stage::{Stage, downloaded};
use super::writer::{OTHER, RECORD, base64url, changes, create, field, joined, recorded, text};
use crate::support::TestPhone;
use crate::wire::{reads_as_the_document, send_changes};

/// A phone's document, and what others brought to the server before it comes.
struct Case {
    name: &'static str,
    says: &'static str,
    phone: AutoCommit,
    others: Vec<Vec<u8>>,
    codes: &'static [&'static str],
}

/// The file.
pub async fn told() -> Value {
    let mut told = Vec::new();
    for case in cases() {
        // An activity's id belongs to the daybook that brought it first, so each case has a neighbourhood of its own.
        let stage = Stage::start().await;
        let mut phone = stage.phone(case.name).await;
        told.push(play(&mut phone, case).await);
    }
    json!({ "cases": told })
}

async fn play(phone: &mut TestPhone, case: Case) -> Value {
    let Case { name, says, phone: mut doc, others, codes } = case;
    let own = phone.own;
    send_changes(phone, own, &others).await;
    let document = changes(&mut doc);
    let answer = send_changes(phone, own, &document).await;
    let refused = answer.outcomes.iter().filter(|outcome| outcome.outcome == OutcomeKind::Refused);
    let refused: Vec<Value> =
        refused.map(|outcome| json!({ "hash": outcome.hash, "code": outcome.code })).collect();
    let found: Vec<&str> = refused.iter().filter_map(|refused| refused["code"].as_str()).collect();
    assert_eq!(found, codes, "{name}");
    let server = downloaded(phone, own).await;

    phone.own_book().doc = doc;
    let report = phone.sync().await.expect("synced");
    assert!(report.reloads > 0 && report.aside == 0, "{name}: {report:?}");
    assert_eq!(phone.sync().await.expect("synced").refused, 0, "{name}: it is over");
    let readings = document::read_all(phone.own_book().doc.document()).expect("reads");
    for id in readings.keys() {
        reads_as_the_document(phone, *id).await;
    }
    let activities: BTreeMap<String, Value> =
        readings.iter().map(|(id, reading)| (id.to_string(), summed(reading))).collect();
    json!({
        "name": name,
        "says": says,
        "document": base64url(&document),
        "refused": refused,
        "server": URL_SAFE_NO_PAD.encode(server),
        "activities": activities,
    })
}

/// The fields as they are read; of each item the sum of its registers, since a reload counts in a fresh one, and
/// several values in no order.
fn summed(reading: &Reading) -> Value {
    let mut fields: BTreeMap<String, Value> = BTreeMap::new();
    let mut counts: BTreeMap<String, i64> = BTreeMap::new();
    for (key, found) in &reading.fields {
        match (Key::parse(key), found) {
            (Key::Tally { .. }, Field::One(value)) => {
                let (item, _) = key.split_once('#').expect("a register");
                *counts.entry(item.to_owned()).or_default() += value.to_json().as_i64().expect("a count");
            }
            (_, Field::Several(values)) => {
                let texts: BTreeSet<String> =
                    values.iter().map(|value| value.to_json().to_string()).collect();
                let values = texts.iter().map(|text| serde_json::from_str(text).expect("JSON"));
                fields.insert(key.clone(), json!({ "several": values.collect::<Vec<Value>>() }));
            }
            _ => drop(fields.insert(key.clone(), field(found))),
        }
    }
    fields.extend(counts.into_iter().map(|(item, count)| (item, json!({ "one": count }))));
    json!({ "fields": fields, "deleted": reading.deleted, "unreadable": reading.unreadable })
}

/// A phone restored from an old copy that kept its actor: what the first life wrote is on the server.
fn twice(write: impl Fn(&mut AutoCommit), before: impl Fn(&mut AutoCommit)) -> (AutoCommit, Vec<Vec<u8>>) {
    let (mut phone, _) = recorded(1);
    let mut first = phone.clone();
    before(&mut first);
    first.commit();
    write(&mut phone);
    phone.commit();
    (phone, changes(&mut first))
}

fn put(doc: &mut AutoCommit, key: &str, value: impl Into<automerge::ScalarValue>) {
    let map = map(doc);
    doc.put(map, key, value).expect("puts");
}

fn map(doc: &AutoCommit) -> automerge::ObjId {
    use automerge::ReadDoc as _;
    doc.get(automerge::ROOT, RECORD).expect("reads").expect("a map").1
}

fn cases() -> Vec<Case> {
    let fork: &[&str] = &["actor_fork", "on_refused"];
    let edited = |doc: &mut AutoCommit| {
        put(doc, "people", 5);
        doc.commit();
        create(doc, OTHER);
    };
    let (phone, others) = twice(edited, |doc| put(doc, "programme", "canal"));
    let apart = Case {
        name: "a copy that kept its actor",
        says: "different fields, and a new activity: all of it is there",
        phone,
        others,
        codes: fork,
    };
    let (phone, others) = twice(edited, |doc| put(doc, "people", 7));
    let same = Case {
        name: "the same field written by both",
        says: "what the phone had not seen is not overwritten: two values",
        phone,
        others,
        codes: fork,
    };
    let (phone, others) = twice(
        |doc| {
            put(doc, "tally/bags#k1", 2);
            doc.commit();
            put(doc, "tally/bags#k1", 3);
        },
        |doc| put(doc, "tally/bags#k2", 4),
    );
    let counted = Case {
        name: "counted",
        says: "3 of the phone and 4 of the other: nothing is lost, and nothing counted twice",
        phone,
        others,
        codes: fork,
    };
    let (phone, others) = twice(
        |doc| {
            put(doc, "people", 5);
            doc.commit();
            let map = map(doc);
            doc.delete(&map, "day").expect("deletes");
            doc.put(&map, "started_at", automerge::ScalarValue::Timestamp(1_795_255_200_000)).expect("puts");
        },
        |doc| put(doc, "weather", "sunny"),
    );
    let deleted = Case { name: "a field deleted", says: "it is gone afterwards", phone, others, codes: fork };
    vec![apart, same, counted, deleted, nested(), spliced()]
}

/// Nested too deep, in an edit that also says something; and an honest edit of another device.
fn nested() -> Case {
    let (mut phone, map) = recorded(1);
    let mut others = joined(&mut phone, 2);
    put(&mut others, "people", 7);
    put(&mut phone, "minutes_source", "recalled");
    let mut inner = map;
    for _ in 0..OBJECT_DEPTH_MAX {
        inner = phone.put_object(&inner, "extra", ObjType::Map).expect("puts");
    }
    phone.commit();
    put(&mut phone, "programme", "canal");
    phone.commit();
    let says =
        "maps and lists are left out, since no activity is read from them; what stands beside them is there";
    let codes: &[&str] = &["too_deep", "on_refused"];
    Case { name: "nested too deep", says, phone, others: changes(&mut others), codes }
}

/// A note that both write in.
fn spliced() -> Case {
    let (mut phone, map) = recorded(1);
    let note = text(&mut phone, &map, "note", "alley");
    phone.commit();
    let mut first = phone.clone();
    first.splice_text(&note, 0, 0, "the ").expect("splices");
    phone.splice_text(&note, 5, 0, " swept").expect("splices");
    let says = "written as of the phone's own past, so that Automerge merges it letter by letter";
    let codes: &[&str] = &["actor_fork"];
    Case { name: "a note written in by both", says, phone, others: changes(&mut first), codes }
}
