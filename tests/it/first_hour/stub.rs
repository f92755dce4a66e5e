//! What the examples do where the server has too much to do, or something else answers in its place: told to them by
//! a server that says what the test wants.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::OFFLINE;
use super::programs::{Developer, OUTBOX, PHONE, id};

const ME: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b11";
const OWN: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b22";

/// An answer: status, one header, body.
type Answer = (u16, (&'static str, String), String);

/// A server that gives these answers in turn to whatever is asked but `/v1/me`; and what it was asked.
struct Stub {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    async fn start(answers: Vec<Answer>) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let answers = Arc::new(Mutex::new(VecDeque::from(answers)));
        let seen = asked.clone();
        let service = Router::new().fallback(move |request: Request| {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let answer = if path == "/v1/me" {
                Some((200, json_type(), me().to_string()))
            } else {
                seen.lock().expect("whole").push(format!("{method} {path}"));
                answers.lock().expect("whole").pop_front()
            };
            async move {
                let (status, (name, value), body) = answer.expect("a request that the test expects");
                let response = Response::builder().status(status).header(name, value);
                response.body(Body::from(body)).expect("an answer")
            }
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
        Self { url, asked }
    }

    /// What was asked since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("whole"))
    }
}

fn me() -> Value {
    json!({
        "party_id": ME, "name": "Asha", "neighbourhood": { "name": "Balsall Heath" },
        "daybooks": [{ "id": OWN, "party_id": ME }],
    })
}

fn json_type() -> (&'static str, String) {
    ("content-type", "application/json".to_owned())
}

fn busy(retry_after: &str) -> Answer {
    let problem = json!({ "status": 503, "code": "busy", "detail": "Too much at once." });
    (503, ("retry-after", retry_after.to_owned()), problem.to_string())
}

fn page_of_the_wifi() -> Answer {
    (200, ("content-type", "text/html".to_owned()), "<h1>Welcome to our guest Wi-Fi</h1>".to_owned())
}

fn elsewhere() -> Answer {
    (302, ("location", "/log-in".to_owned()), "<h1>This way</h1>".to_owned())
}

/// The answer to a sync, about the one daybook.
fn synced(daybook: Value) -> Answer {
    let mut whole = json!({ "id": OWN, "changes": [], "outcomes": [] });
    whole.as_object_mut().expect("a daybook").extend(daybook.as_object().expect("more").clone());
    let answer = json!({ "verdicts": [], "verdicts_next": "here", "daybooks": [whole] });
    (200, json_type(), answer.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_server_is_left_in_peace_for_as_long_as_it_asks() {
    let stub = Stub::start(vec![busy("7200"), busy("7")]).await;
    let developer = Developer::new(&stub.url, "token");
    let ran = developer.python(&["--minutes", "5"]).await;
    assert_eq!(ran.status, 1);
    let said = "\nnot taken: 503 busy: Too much at once.\n1 in the outbox, 0 set aside\n";
    assert!(ran.printed.ends_with(said), "{}", ran.printed);
    assert_eq!(stub.asked(), ["POST /v1/activities"]);
    // Nothing is sent before the two hours are over; the list is asked for.
    let ran = developer.python(&[]).await;
    let said = "the server asked for patience: 1 wait for 7";
    assert!(ran.status == 1 && ran.printed.contains(said), "{}", ran.printed);
    assert_eq!(stub.asked(), ["GET /v1/activities"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_else_answers_gets_nothing_and_loses_nothing() {
    let stub =
        Stub::start(vec![page_of_the_wifi(), elsewhere(), page_of_the_wifi(), elsewhere(), busy("7")]).await;
    let developer = Developer::new(&stub.url, "token");
    developer.python(&["--minutes", "5", OFFLINE]).await.well();
    let waiting = developer.kept(OUTBOX)["waiting"][0]["id"].clone();
    for _ in 0..2 {
        let ran = developer.python(&[]).await;
        assert!(ran.status == 1 && ran.printed.contains("\nno signal ("), "{ran:?}");
        assert_eq!(developer.kept(OUTBOX)["waiting"][0]["id"], waiting);
    }
    assert_eq!(stub.asked(), ["POST /v1/activities"; 2], "a redirect is not followed");
    let stored = developer.typescript("record.ts", &["--minutes", "5", OFFLINE]).await.well();
    for said in
        ["\nno signal (", "\nno signal (", "\nnot taken: 503 busy: Too much at once. Try again in 7 s.\n"]
    {
        let ran = developer.typescript("record.ts", &[]).await;
        assert!(ran.status == 1 && ran.printed.contains(said), "{ran:?}");
        assert!(
            ran.printed.contains(&format!("\n{}  ", id(&stored, "stored"))),
            "it is still there: {ran:?}"
        );
    }
    assert_eq!(stub.asked(), ["POST /v1/sync"; 3], "a redirect is not followed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daybook_that_is_busy_is_tried_again_and_one_that_is_gone_does_not_come_back() {
    let deferred = json!({ "hash": "00", "outcome": "deferred", "activities": [] });
    let answers = vec![
        synced(json!({ "state": "busy" })),
        synced(json!({ "state": "ok", "cursor": "there", "outcomes": [deferred] })),
        synced(json!({ "state": "busy" })),
        synced(json!({ "state": "gone" })),
    ];
    let stub = Stub::start(answers).await;
    let developer = Developer::new(&stub.url, "token");
    let ran = developer.typescript("record.ts", &["--minutes", "5"]).await;
    let stored = id(&ran.printed, "stored").to_owned();
    assert!(ran.printed.contains("\nthe server is busy: the rest goes with the next sync\n"), "{ran:?}");
    assert!(ran.status == 1 && ran.printed.contains(&format!("\n{stored}  ")), "{ran:?}");
    assert_eq!(stub.asked(), ["POST /v1/sync"; 3]);
    assert_eq!(developer.kept(PHONE)["cursor"], json!("there"));
    let printed = developer.typescript("record.ts", &[]).await.well();
    assert!(printed.contains("\nthis daybook was erased; so is the copy here\n"), "{printed}");
    assert!(!printed.contains(&stored) && !developer.path(PHONE).exists(), "{printed}");
}
