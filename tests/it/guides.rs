//! The guides of `docs/guides` say what is so: each is played in order against the real router, and every answer
//! compared. Where one differs, the test fails with file and line and shows the answer that came.
//!
//! How an example is written, in a fenced block of the language `http`:
//!
//! - A request begins with method and path, an answer with `HTTP/1.1` and its status. Headers follow; then, after an
//!   empty line, the body in JSON. Each request has its answer in the next block of `http`.
//! - `{{name}}` in a request is put in before it is sent. As the whole of a text in an answer it keeps what stands
//!   there for later requests, or compares it with what was kept before.
//! - `…` in a text of an answer stands for any characters, and `"…"` alone for any value. `"…": "…"` says that the
//!   object may hold further fields, `"…"` at the end of a list that it may hold further items. A body `…` is any.
//! - Headers of an answer are compared where they stand there; others are free.
//!
//! Before a request is sent, its line for curl is run by a shell with a `curl` of ours, which has to be asked for the
//! same. After each request the clerk judges what waits, and a second passes. `{{proof}}` is a DPoP proof for the
//! request that it stands in. What each guide finds when it begins is in `guides/stage.rs`.

mod bytes;
mod compare;
mod shell;
mod stage;
mod words;

use std::collections::BTreeMap;
use std::path::Path;

use axum::http::{HeaderMap, Method};
use daybook::api::pages::{Answer, Example, GUIDES, Request, variables};
use serde_json::Value;

use stage::Stage;

/// A fenced block of a guide.
pub struct Block {
    /// The line of its first fence, from 1 on.
    pub line: usize,
    pub language: String,
    pub text: String,
}

/// The text of a guide as it lies in the folder, which may be newer than what was compiled.
pub fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/guides/{name}.md"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a text.
pub fn blocks(text: &str) -> Vec<Block> {
    let (mut found, mut open): (Vec<Block>, bool) = (Vec::new(), false);
    for (line, written) in (1..).zip(text.lines()) {
        match (written.strip_prefix("```"), open) {
            (Some(language), false) => {
                found.push(Block { line, language: language.to_owned(), text: String::new() });
                open = true;
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = found.last_mut().expect("an open block");
                block.text.push_str(written);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!open, "a block is not closed");
    found
}

/// What came of a request.
struct Answered {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

struct Player {
    name: &'static str,
    stage: Stage,
    /// What differs, with file and line.
    differences: Vec<String>,
    played: usize,
}

impl Player {
    fn wrong(&mut self, line: usize, what: &str) {
        self.differences.push(format!("docs/guides/{}.md:{line}: {what}", self.name));
    }

    async fn send(&mut self, line: usize, request: &Request) -> Answered {
        let (known, mut missing) = (self.stage.known_for(request), Vec::new());
        let mut put = |text: &str| {
            variables(text, |name| {
                let value = known.get(name).cloned();
                value.unwrap_or_else(|| {
                    missing.push(name.to_owned());
                    name.to_owned()
                })
            })
        };
        let headers = request.headers.iter().map(|(name, value)| (name.clone(), put(value))).collect();
        let (path, body) = (put(&request.path), put(&request.body));
        let sent = Request { method: request.method.clone(), path, headers, body };
        if !missing.is_empty() {
            self.wrong(line, &format!("nobody has said what {missing:?} is"));
        }
        if let Some(difference) = shell::difference(request, &sent, &known) {
            self.wrong(line, &difference);
        }
        let headers: Vec<(&str, &str)> =
            sent.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let method: Method = sent.method.parse().expect("a method");
        let app = &self.stage.app;
        let (status, headers, body) = app.raw(method, &sent.path, &headers, sent.body).await;
        app.judge().await;
        app.pass(1_000);
        self.played += 1;
        Answered { status: status.as_u16(), headers, body }
    }

    fn compare(&mut self, line: usize, wanted: &Answer, answered: &Answered) {
        let shown = match serde_json::from_slice::<Value>(&answered.body) {
            Ok(json) => serde_json::to_string_pretty(&json).expect("JSON"),
            Err(_) => format!("{} bytes", answered.body.len()),
        };
        let mut found = Vec::new();
        if wanted.status != answered.status {
            found.push(format!("the status is {}", answered.status));
        }
        for (name, value) in &wanted.headers {
            let got =
                answered.headers.get(name.as_str()).and_then(|got| got.to_str().ok()).unwrap_or("absent");
            found.extend(compare::text(value, got, name, &mut self.stage.known));
        }
        match serde_json::from_str::<Value>(&wanted.body) {
            Ok(json) => match serde_json::from_slice(&answered.body) {
                Ok(got) => found.extend(compare::json(&json, &got, "", &mut self.stage.known)),
                Err(_) => found.push("the body is not JSON".to_owned()),
            },
            Err(_) if wanted.body == "…" => {}
            Err(_) if wanted.body.is_empty() && answered.body.is_empty() => {}
            Err(error) => found.push(format!("the body in the guide is not JSON: {error}")),
        }
        if !found.is_empty() {
            self.wrong(line, &format!("{}. The answer was:\n{shown}", found.join("; ")));
        }
    }
}

/// Plays a guide from its first example to its last.
async fn play(name: &'static str, stage: Stage, wanted: usize) {
    let mut player = Player { name, stage, differences: Vec::new(), played: 0 };
    let mut waiting: Option<(usize, Answered)> = None;
    for block in blocks(&text(name)).into_iter().filter(|block| block.language == "http") {
        match (Example::parse(&block.text), waiting.take()) {
            (Ok(Example::Request(request)), None) => {
                waiting = Some((block.line, player.send(block.line, &request).await));
            }
            (Ok(Example::Answer(answer)), Some((_, answered))) => {
                player.compare(block.line, &answer, &answered);
            }
            (Ok(_), _) => player.wrong(block.line, "a request and its answer do not alternate"),
            (Err(error), _) => player.wrong(block.line, &error),
        }
    }
    if let Some((line, _)) = waiting {
        player.wrong(line, "the last request has no answer");
    }
    assert!(player.differences.is_empty(), "\n{}\n", player.differences.join("\n\n"));
    assert!(player.played >= wanted, "only {} requests in {name}", player.played);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn your_first_activity_says_what_is_so() {
    play("first-activity", Stage::of_a_resident().await, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn offline_sync_says_what_is_so() {
    play("offline-sync", Stage::of_a_phone().await, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn following_along_says_what_is_so() {
    play("following-along", Stage::of_a_resident().await, 12).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_says_what_is_so() {
    play("reconcile", Stage::of_a_coordinator().await, 15).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_says_what_is_so() {
    play("document", Stage::of_a_resident().await, 2).await;
}

#[test]
fn what_is_compiled_is_what_lies_in_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .expect("the guides")
        .map(|entry| entry.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    let mut known: Vec<String> = GUIDES.iter().map(|guide| format!("{}.md", guide.name)).collect();
    files.sort();
    known.sort();
    assert_eq!(files, known);
    for guide in GUIDES {
        assert!(guide.text == text(guide.name), "{} is older in the binary", guide.name);
    }
}

/// A guide may differ only by what its notation allows; this is what would be found.
#[test]
fn the_comparison_finds_what_differs() {
    let answer: Value = serde_json::json!({ "id": "a-1", "n": 2, "list": [1, 2], "more": { "x": null } });
    let difference = |wanted: Value| {
        let mut known = BTreeMap::from([("id".to_owned(), "a-1".to_owned())]);
        compare::json(&wanted, &answer, "", &mut known)
    };
    for same in [
        answer.clone(),
        serde_json::json!({ "id": "{{id}}", "…": "…" }),
        serde_json::json!({ "id": "a-…", "n": "…", "list": [1, "…"], "more": "…" }),
        serde_json::json!({ "id": "{{other}}", "n": 2, "list": ["…"], "more": { "…": "…" } }),
    ] {
        assert_eq!(difference(same), Vec::<String>::new());
    }
    for other in [
        serde_json::json!({ "id": "a-1", "n": 2, "list": [1, 2] }),
        serde_json::json!({ "id": "b-…", "…": "…" }),
        serde_json::json!({ "n": 3, "…": "…" }),
        serde_json::json!({ "list": [1], "…": "…" }),
        serde_json::json!({ "list": [2, "…"], "…": "…" }),
        serde_json::json!({ "new": 1, "…": "…" }),
        serde_json::json!({ "n": "{{n}}", "…": "…" }),
        serde_json::json!({ "id": "a-1", "n": 2, "list": [1, 2], "more": {} }),
    ] {
        assert_eq!(difference(other.clone()).len(), 1, "{other}");
    }
}
