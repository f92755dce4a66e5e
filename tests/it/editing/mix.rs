//! The same edits at random, made by a phone and an app that writes JSON, and made by two phones: they read the same.

use std::collections::BTreeMap;

use automerge::{ROOT, ReadDoc as _};
use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::reading::{Field, Reading};
use daybook::store;
use serde_json::{Value, json};

use crate::always::dice::Dice;
use crate::support::{Backend, TestApp, TestPhone};

const STEPS: usize = 14;

/// What one of the two does.
#[derive(Debug, Clone)]
enum Step {
    /// The phone edits; it syncs later.
    Phone(Edit),
    PhoneSyncs,
    /// The other one looks at what is there.
    Looks,
    /// The other one edits what it saw, and sees what came of it.
    Other(Edit),
}

/// A field by its name in JSON and its key in the document, and what it is set to.
#[derive(Debug, Clone)]
struct Edit {
    name: String,
    key: String,
    value: Value,
}

fn edit(dice: &mut Dice, party: &str) -> Edit {
    let number = i64::try_from(dice.below(4)).expect("small");
    let (name, key, value) = match dice.below(7) {
        0 => (format!("parties.{party}"), format!("party/{party}"), json!(number * 10)),
        1 => ("note".into(), "note".into(), json!(format!("Note {number}"))),
        2 => ("day".into(), "day".into(), json!(format!("2026-11-1{number}"))),
        3 => ("tallies.bags#shared".into(), "tally/bags#shared".into(), json!(number)),
        4 => ("people".into(), "people".into(), json!(number + 1)),
        5 => ("withdrawn".into(), "withdrawn".into(), json!(number % 2 == 0)),
        _ => ("grade.before".into(), "grade.before".into(), json!(["A", "B", "C", "D"][dice.below(4)])),
    };
    Edit { name, key, value }
}

fn steps(dice: &mut Dice, party: &str) -> Vec<Step> {
    let one = |dice: &mut Dice| match dice.below(6) {
        0 | 1 => Step::Phone(edit(dice, party)),
        2 => Step::PhoneSyncs,
        3 => Step::Looks,
        _ => Step::Other(edit(dice, party)),
    };
    (0..STEPS).map(|_| one(dice)).collect()
}

/// The notes that a phone has, if several survive.
fn notes(phone: &mut TestPhone, id: ActivityId) -> Vec<String> {
    let doc = &phone.own_book().doc;
    let (_, map) = doc.get(ROOT, id.to_string()).expect("reads").expect("the activity");
    let texts = doc.get_all(map, "note").expect("reads");
    texts.into_iter().map(|(_, text)| doc.text(text).expect("a text")).collect()
}

/// What reads so already is not written again: Automerge sees to that, but for texts.
fn write(phone: &mut TestPhone, id: ActivityId, edit: &Edit) {
    if edit.key == "note" && notes(phone, id) == [edit.value.as_str().expect("text")] {
        return;
    }
    phone
        .edit(id, |a| match &edit.value {
            Value::Bool(flag) => _ = a.put(&edit.key, *flag),
            Value::Number(number) => _ = a.put(&edit.key, number.as_i64().expect("an integer")),
            Value::String(text) if edit.key == "note" => _ = a.note(text),
            Value::String(text) => _ = a.put(&edit.key, text.as_str()),
            _ => unreachable!("no other values are set"),
        })
        .expect("edited");
}

/// The other one: an app that writes JSON, or a second phone.
enum Other {
    App { token: String, version: Value },
    Phone(Box<TestPhone>),
}

impl Other {
    async fn looks(&mut self, app: &TestApp, id: ActivityId) {
        match self {
            Self::Phone(phone) => drop(phone.sync().await.expect("synced")),
            Self::App { token, version } => {
                let bearer = format!("Bearer {token}");
                let path = format!("/v1/activities/{id}");
                let (_, seen) = app.request(Method::GET, &path, &[("authorization", &bearer)], "").await;
                *version = seen["version"].clone();
            }
        }
    }

    async fn edits(&mut self, app: &TestApp, id: ActivityId, edit: &Edit) {
        match self {
            Self::Phone(phone) => {
                write(phone, id, edit);
                phone.sync().await.expect("synced");
            }
            Self::App { token, version } => {
                let bearer = format!("Bearer {token}");
                let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
                let body = json!({ "change_id": app.app.uuid(), "base_version": version, "set": { &edit.name: edit.value } });
                let path = format!("/v1/activities/{id}");
                let (status, seen) = app.request(Method::PATCH, &path, &headers, body.to_string()).await;
                assert_eq!(status, 200, "{seen}");
                *version = seen["version"].clone();
            }
        }
    }
}

/// By field, all that survives, in any order.
type Plain = BTreeMap<String, Vec<String>>;

/// Plays the steps in a neighbourhood of their own, and says what the record reads as.
async fn played(
    app: &TestApp,
    asha: &mut TestPhone,
    mut other: Other,
    id: ActivityId,
    steps: &[Step],
) -> Plain {
    other.looks(app, id).await;
    for step in steps {
        match step {
            Step::Phone(edit) => write(asha, id, edit),
            Step::PhoneSyncs => drop(asha.sync().await.expect("synced")),
            Step::Looks => other.looks(app, id).await,
            Step::Other(edit) => other.edits(app, id, edit).await,
        }
    }
    asha.sync().await.expect("synced");
    let row = store::activities::find(app.app.db().read(), app.neighbourhood, id).await.expect("read");
    let reading: Reading = serde_json::from_str(&row.expect("the activity").reading).expect("a reading");
    let plain = |field: &Field| {
        let mut values: Vec<String> =
            field.values().iter().map(|value| value.to_json().to_string()).collect();
        values.sort();
        values
    };
    reading.fields.iter().map(|(key, field)| (key.clone(), plain(field))).collect()
}

async fn a_mix_reads_as_if_phones_alone_had_written(backend: Backend, seeds: std::ops::Range<u64>) {
    let app = TestApp::start(backend).await;
    let (mut several, mut fields) = (0, 0);
    for seed in seeds {
        let mut asha = app.phone("Asha").await;
        let party = asha.party.to_string();
        let token = app.personal_token(&mut asha, "activities:read activities:write places:exact").await;
        let tablet = app.second_device(&mut asha, "A tablet").await;
        let new = |phone: &mut TestPhone| {
            phone.record(Kind::Hours, "2026-11-20", |a| _ = a.note("New")).expect("recorded")
        };
        let (mixed, alone) = (new(&mut asha), new(&mut asha));
        asha.sync().await.expect("synced");
        let steps = steps(&mut Dice::new(seed), &party);
        let by_app = played(&app, &mut asha, Other::App { token, version: Value::Null }, mixed, &steps).await;
        let by_phone = played(&app, &mut asha, Other::Phone(Box::new(tablet)), alone, &steps).await;
        assert_eq!(by_app, by_phone, "seed {seed}: {steps:#?}");
        several += by_app.values().filter(|values| values.len() > 1).count();
        fields += by_app.len();
    }
    assert!(several > 3 && fields > 40, "{several} of {fields} fields have several values");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_reads_as_if_phones_alone_had_written_on_sqlite() {
    a_mix_reads_as_if_phones_alone_had_written(Backend::Sqlite, 0..24).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mix_reads_as_if_phones_alone_had_written_on_postgres() {
    a_mix_reads_as_if_phones_alone_had_written(Backend::Postgres, 100..112).await;
}
