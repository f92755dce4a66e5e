//! `openapi/examples.json` is what the server really answered: a story of one neighbourhood, told through
//! the whole router on a clock and a randomness that are the same each time.

pub mod recorder;
pub mod server;
mod story;

use std::path::Path;

use serde_json::Value;

/// How the file is written anew.
const REWRITE: &str = "UPDATE_EXAMPLES=1 cargo nextest run --test it examples:: && make openapi";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_committed_examples_are_what_the_server_answers() {
    let told = serde_json::to_string_pretty(&story::told().await).expect("examples are JSON") + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi/examples.json");
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        std::fs::write(&path, told).expect("the file can be written");
        return;
    }
    let committed = std::fs::read_to_string(&path).expect("there are examples");
    if let Some((line, (before, now))) =
        (1..).zip(committed.lines().zip(told.lines())).find(|(_, (before, now))| before != now)
    {
        panic!(
            "openapi/examples.json is not what the server answers, from line {line} on:\n  committed {before}\n  \
             answered  {now}\nIf the answer is meant, write the file anew: {REWRITE}"
        );
    }
    assert!(committed == told, "openapi/examples.json has another length than the answers: {REWRITE}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_has_an_example_of_all_that_it_takes_and_answers() {
    let examples = story::told().await;
    let document = serde_json::to_value(daybook::api::document()).expect("a document");
    let mut lacking = Vec::new();
    for (method, path, operation) in recorder::operations(&document) {
        let id = operation["operationId"].as_str().expect("an id");
        let example = &examples[id];
        let mut lacks = |what: &str| lacking.push(format!("{id} ({method} {path}) has no {what}"));
        if example.is_null() {
            lacks("example at all");
            continue;
        }
        if !operation["requestBody"].is_null() && example["request"].is_null() {
            lacks("request");
        }
        if answers_json(operation) && example["response"].is_null() {
            lacks("response");
        }
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters.filter(|parameter| parameter["required"] == true) {
            let name = parameter["name"].as_str().expect("a name");
            if example["parameters"][name].is_null() {
                lacks(name);
            }
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
}

fn answers_json(operation: &Value) -> bool {
    let responses = operation["responses"].as_object().into_iter().flatten();
    responses
        .filter(|(status, _)| status.starts_with('2'))
        .any(|(_, response)| !response["content"]["application/json"].is_null())
}
