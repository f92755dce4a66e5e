//! `openapi/vectors/*.json` is what the code really says: changes, what becomes of them and how they are read, for
//! apps that test themselves without a server. The changes are the same each time.

mod cursors;
mod outcomes;
mod random;
mod readings;
mod reload;
mod runner;
mod stage;
mod writer;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// How the files are written anew.
const REWRITE: &str = "UPDATE_VECTORS=1 cargo nextest run --test it vectors::";

/// Where they are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/vectors")
}

/// The committed file is what was made now; or it is written.
fn hold(file: &str, made: &Value) {
    let made = serde_json::to_string_pretty(made).expect("vectors are JSON") + "\n";
    let path = folder().join(file);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(&path, made).expect("the file can be written");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("there are vectors");
    let differing = (1..).zip(committed.lines().zip(made.lines())).find(|(_, (before, now))| before != now);
    if let Some((line, (before, now))) = differing {
        let shown = |text: &str| text.chars().take(300).collect::<String>();
        panic!(
            "openapi/vectors/{file} is not what the code says, from line {line} on:\n  committed {}\n  made      {}\n\
             If it is meant, write the files anew: {REWRITE}",
            shown(before),
            shown(now)
        );
    }
    assert!(committed == made, "openapi/vectors/{file} has another length than what is made: {REWRITE}");
}

#[test]
fn the_committed_readings_are_what_the_code_reads() {
    hold("readings.json", &readings::told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_outcomes_are_what_the_server_answers() {
    hold("outcomes.json", &outcomes::told().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_cursors_are_what_the_server_answers() {
    hold("cursors.json", &cursors::told().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_reloads_are_what_a_phone_does() {
    hold("reload.json", &reload::told().await);
}
