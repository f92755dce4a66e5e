//! Random schedules of stock JavaScript phones against the server on a socket; the model is in `schedules.mjs`.

use std::collections::BTreeMap;

use super::number;
use crate::support::TestApp;
use crate::support::app::Backend;
use crate::support::listening::{Listening, node};

/// Schedules of one run; `make recovery` asks for more with `JS_SCHEDULES`, from the seed `JS_SCHEDULE` on.
const SCHEDULES: u64 = 4;

async fn stock_phones_lose_nothing(backend: Backend) {
    let (first, count) = (number("JS_SCHEDULE", 1), number("JS_SCHEDULES", SCHEDULES));
    let mut reached: BTreeMap<String, u64> = BTreeMap::new();
    let Listening { app, url } = TestApp::start_listening(backend).await;
    for seed in first..first + count {
        let invitation = app.invitation(false).await;
        let seed = seed.to_string();
        let printed =
            node("schedules.mjs", &["--url", &url, "--invitation", &invitation, "--seed", &seed]).await;
        let more: BTreeMap<String, u64> = serde_json::from_str(printed.trim()).expect("counts in JSON");
        more.into_iter().for_each(|(what, times)| *reached.entry(what).or_default() += times);
    }
    println!("{count} schedules of stock JavaScript from {first} on: {reached:?}");
    for what in ["clone", "count", "lost", "note", "refuse", "refused", "reloads", "restore"] {
        assert!(count < SCHEDULES || reached.contains_key(what), "{what} was never reached: {reached:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_lose_nothing_on_sqlite() {
    stock_phones_lose_nothing(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_phones_lose_nothing_on_postgres() {
    stock_phones_lose_nothing(Backend::Postgres).await;
}
