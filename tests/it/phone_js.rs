//! Phones in stock JavaScript: what they tell each other, the database and Automerge in Rust agree on it.

pub mod histories;
mod odd;
mod schedules;

use std::collections::{BTreeMap, BTreeSet};

use daybook::domain::ids::{AccountId, ActivityId, DaybookId};
use daybook::domain::reading::Reading;
use daybook::flows::compact;
use daybook::merge::document;
use daybook::store;
use daybook::store::changes::Of;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::app::Backend;
use crate::support::listening::{Listening, node};

/// More than any of these daybooks has.
const ALL: u64 = 10_000;

/// Two devices, a blank one, an old copy and a fork, told in `story.mjs`; then the same looked up here.
async fn stock_phones_and_server_agree(backend: Backend) {
    let Listening { app, url } = TestApp::start_listening(backend).await;
    let invitation = app.invitation(false).await;
    let printed = node("story.mjs", &["--url", &url, "--invitation", &invitation]).await;
    let told: Value = serde_json::from_str(printed.trim()).expect("a summary in JSON");
    let daybook: DaybookId = told["daybook"].as_str().expect("an id").parse().expect("an id");
    let (db, neighbourhood) = (app.app.db().read(), app.neighbourhood);

    let changes = store::changes::after(db, Of { neighbourhood, daybook }, 0, ALL).await.expect("changes");
    let document = document::load(changes.iter().map(|change| &change.bytes)).expect("they make a document");
    let mut heads: Vec<String> = document.get_heads().iter().map(ToString::to_string).collect();
    heads.sort();
    assert_eq!(told["heads"], serde_json::json!(heads));

    let oracle = document::read_all(&document).expect("reads");
    let rows = store::activities::of_daybook(db, neighbourhood, daybook).await.expect("activities");
    let stored: BTreeMap<ActivityId, Reading> = rows
        .iter()
        .map(|row| (ActivityId(row.id), serde_json::from_str(&row.reading).expect("a reading")))
        .collect();
    assert_eq!(stored, oracle);
    assert_eq!(in_javascript(&told["activities"]), in_plain_values(&oracle));

    let party = AccountId(told["party"].as_str().expect("an id").parse().expect("an id"));
    let accounts = store::ledger::accounts_of(db, neighbourhood, &[party].into()).await.expect("accounts");
    assert_eq!(accounts[0].contribution, told["minutes"].as_i64().expect("minutes"));
    let tip = store::ledger::find_tip(db, neighbourhood).await.expect("a tip").expect("a tip");
    assert_eq!(accounts[0].contribution + tip.contribution, 0, "nobody else has minutes");
}

/// A number that the environment may ask for.
fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// By activity and key, all surviving values, in any order, as text.
type Plain = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn in_plain_values(readings: &BTreeMap<ActivityId, Reading>) -> Plain {
    let fields = |reading: &Reading| {
        let values = reading
            .fields
            .iter()
            .map(|(key, field)| (key.clone(), texts(field.values().iter().map(|value| value.to_json()))));
        values.collect()
    };
    readings.iter().map(|(id, reading)| (id.to_string(), fields(reading))).collect()
}

fn in_javascript(activities: &Value) -> Plain {
    let fields = |fields: &Value| {
        let fields = fields.as_object().expect("fields").iter();
        fields
            .map(|(key, values)| (key.clone(), texts(values.as_array().expect("values").iter().cloned())))
            .collect()
    };
    activities.as_object().expect("activities").iter().map(|(id, read)| (id.clone(), fields(read))).collect()
}

/// JavaScript has one kind of number, so numbers compare as floats.
fn texts(values: impl Iterator<Item = Value>) -> Vec<String> {
    let text = |value: Value| value.as_f64().map_or_else(|| value.to_string(), |number| format!("{number}"));
    let mut texts: Vec<String> = values.map(text).collect();
    texts.sort();
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_and_server_agree_on_sqlite() {
    stock_phones_and_server_agree(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_and_server_agree_on_postgres() {
    stock_phones_and_server_agree(Backend::Postgres).await;
}

/// Somebody leaves a group with work unsent, and comes back, told in `group.mjs`.
async fn stock_phones_of_who_leaves_a_group_sync_on(backend: Backend) {
    let Listening { app, url } = TestApp::start_listening(backend).await;
    let invitation = app.invitation(true).await;
    let printed = node("group.mjs", &["--url", &url, "--invitation", &invitation]).await;
    let told: BTreeMap<DaybookId, BTreeSet<ActivityId>> =
        serde_json::from_str(printed.trim()).expect("records by daybook, in JSON");
    assert_eq!(told.len(), 2, "the group's, and the person's own");
    for (daybook, ids) in told {
        let rows = store::activities::of_daybook(app.app.db().read(), app.neighbourhood, daybook).await;
        let rows: BTreeSet<_> = rows.expect("activities").iter().map(|row| ActivityId(row.id)).collect();
        assert_eq!(rows, ids);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_of_who_leaves_a_group_sync_on_on_sqlite() {
    stock_phones_of_who_leaves_a_group_sync_on(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_of_who_leaves_a_group_sync_on_on_postgres() {
    stock_phones_of_who_leaves_a_group_sync_on(Backend::Postgres).await;
}

/// A blank device, one that is behind, and cut downloads, told in `snapshot.mjs`.
async fn stock_phones_behind_a_snapshot_catch_up(backend: Backend) {
    let Listening { app, url } = TestApp::start_listening(backend).await;
    tokio::spawn(compact::compactor(app.app.clone()));
    let invitation = app.invitation(false).await;
    let printed = node("snapshot.mjs", &["--url", &url, "--invitation", &invitation]).await;
    let told: Value = serde_json::from_str(printed.trim()).expect("a summary in JSON");
    let daybook: DaybookId = told["daybook"].as_str().expect("an id").parse().expect("an id");
    let row = store::daybooks::find(app.app.db().read(), app.neighbourhood, daybook).await;
    let heads = row.expect("read").expect("the daybook").heads;
    let heads: Vec<String> = heads.chunks(32).map(hex::encode).collect();
    assert_eq!(told["heads"], serde_json::json!(heads));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_behind_a_snapshot_catch_up_on_sqlite() {
    stock_phones_behind_a_snapshot_catch_up(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_behind_a_snapshot_catch_up_on_postgres() {
    stock_phones_behind_a_snapshot_catch_up(Backend::Postgres).await;
}
