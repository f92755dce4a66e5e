//! The log follows a sync from the request to the clerk, and no line of it tells who did what where: names,
//! notes, places and tokens never reach it.

use std::io;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use daybook::domain::activity::Kind;
use daybook::flows::judge;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::support::desk::{decide, post};
use crate::support::{TestApp, both};

static LINES: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct Lines;

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Everything of this process goes into [`LINES`], from every thread.
fn capture() {
    static STARTED: OnceLock<()> = OnceLock::new();
    STARTED.get_or_init(|| {
        let filter = EnvFilter::new("trace");
        let lines = tracing_subscriber::fmt().json().flatten_event(true).with_env_filter(filter);
        lines.with_writer(|| Lines).try_init().expect("the only subscriber");
    });
}

fn logged() -> String {
    String::from_utf8_lossy(&LINES.lock().expect("not poisoned")).into_owned()
}

/// The lines with a message that stand in a span of the test's neighbourhood.
fn events(app: &TestApp, message: &str) -> Vec<Value> {
    let here = json!(app.neighbourhood.to_string());
    let parsed = logged();
    let lines = parsed.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let ours = |line: &Value| line["message"] == message && line["spans"][0]["neighbourhood"] == here;
    lines.filter(ours).collect()
}

fn span_names(event: &Value) -> Vec<&str> {
    event["spans"].as_array().expect("spans").iter().filter_map(|span| span["name"].as_str()).collect()
}

both! {
    async fn a_sync_can_be_followed_from_the_request_to_the_clerk(app: TestApp) {
        capture();
        let clerk = tokio::spawn(judge::clerk(app.app.clone()));
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for minutes in [5, 6] {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, minutes); }).expect("recorded");
        }
        asha.sync().await.expect("synced");
        while events(&app, "judged").is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        app.app.drain();
        clerk.await.expect("the clerk ends");

        let guarded = events(&app, "guarded").remove(0);
        assert_eq!((span_names(&guarded), &guarded["chunks"]), (vec!["request", "sync", "accept"], &json!(2)));
        let accepted = events(&app, "accepted").remove(0);
        assert_eq!(span_names(&accepted), ["request", "sync", "accept"]);
        let [request, sync, accept] = [0, 1, 2].map(|at| &accepted["spans"][at]);
        assert_eq!((&request["route"], &sync["daybooks"]), (&json!("/v1/sync"), &json!(1)));
        assert_eq!(accept["entries"], 2);
        let counts = ["accepted", "duplicate", "held", "deferred", "refused"].map(|count| &accepted[count]);
        assert_eq!(counts, [2, 0, 0, 0, 0]);
        for part in ["facts", "plan", "reduce", "write", "commit", "document"] {
            assert!(accepted[format!("{part}_micros")].is_u64(), "no time of {part}: {accepted}");
        }
        let judged = events(&app, "judged").remove(0);
        assert_eq!((span_names(&judged), &judged["postings"]), (vec!["clerk"], &json!(2)));
        assert_eq!(judged["spans"][0]["rung_by"], request["request_id"]);
        let answered = events(&app, "answered");
        assert!(answered.iter().any(|line| line["spans"][0]["request_id"] == request["request_id"]));
    }
}

both! {
    async fn names_notes_places_and_tokens_never_reach_the_log(app: TestApp) {
        capture();
        let mut canaries: Vec<String> =
            ["Quetzalina", "Xanthippos", "Wolframine", "Zinnowitz", "behind the vestry", "52.451987", "1.884321"]
                .map(str::to_owned)
                .to_vec();
        let joining = app.invitation(false).await;
        let mut asha = app.new_phone("Quetzalina");
        asha.enrol(&joining).await.expect("enrolled");
        let mut desk = app.coordinator("Wolframine").await;
        let (me, met) = (asha.party, asha.meet("Xanthippos"));
        let id = asha.record(Kind::LitterPick, "2026-11-20", |a| {
            a.minutes(me, 60).minutes(met, 30).place(52.451_987, -1.884_321, 5.0).note("behind the vestry");
        }).expect("recorded");
        post(&app, &mut asha).await;
        let more = json!({ "reason": "Zinnowitz says so." });
        decide(&mut desk, id, "ask_for_changes", more).await;
        let personal = app.personal_token(&mut asha, "activities:read").await;
        let bearer = format!("Bearer {personal}");
        let (status, _) = app.request(Method::GET, "/v1/activities", &[("authorization", &bearer)], "").await;
        assert_eq!(status, StatusCode::OK);
        let search = "/v1/activities?party_id=Quetzalina&after=Zinnowitz";
        let (status, _) = app.request(Method::GET, search, &[("authorization", &bearer)], "").await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let wrong = format!("{bearer}x");
        app.request(Method::GET, "/v1/me", &[("authorization", &wrong)], "").await;
        app.request(Method::GET, "/Quetzalina/behind", &[("x-request-id", "Zinnowitz rules")], "").await;
        let broken = r#"{"invitation":"Quetzalina","name":"Xanthippos"}"#;
        app.request(Method::POST, "/v1/enrolments", &[("content-type", "application/json")], broken).await;

        // Failures are logged with their cause, and the cause says nothing either.
        let writer = app.app.db().writer();
        writer.execute_unprepared("ALTER TABLE party RENAME COLUMN name TO title").await.expect("broken");
        let name = json!({ "id": app.app.uuid(), "kind": "group", "sector": "community", "name": "Quetzalina" });
        assert!(desk.post::<Value>("/v1/parties", &name).await.is_err());
        asha.meet("Xanthippos");
        assert!(asha.sync().await.is_err());

        canaries.extend([joining, personal]);
        for phone in [&mut asha, &mut desk] {
            let session = &phone.session;
            canaries.extend([session.access_token.clone(), session.refresh_token.clone()].into_iter().flatten());
        }
        let log = logged();
        for expected in ["\"message\":\"answered\"", "\"message\":\"request failed\"", "/v1/sync"] {
            assert!(log.contains(expected), "the log is not captured: {expected}");
        }
        for canary in canaries {
            let line = log.lines().find(|line| line.contains(&canary));
            assert_eq!(line, None, "{canary} is in the log");
            // Of a token not even a large part.
            if canary.len() > 40 {
                let part = &canary[canary.len() - 30..];
                assert!(!log.contains(part), "the end of a token is in the log");
            }
        }
    }
}

both! {
    async fn a_request_is_logged_in_the_trace_that_its_caller_names(app: TestApp) {
        capture();
        let trace = app.app.uuid().simple().to_string();
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        let (_, headers, _) = app.raw(Method::GET, "/livez", &[("traceparent", &parent), ("x-request-id", "trace-7")], "").await;
        assert_eq!(headers["x-request-id"], "trace-7", "a request has an id of its own");
        let lines = logged();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let ours: Vec<Value> = lines.filter(|line| line["spans"][0]["trace_id"] == trace.as_str()).collect();
        let answered = ours.iter().find(|line| line["message"] == "answered").expect("a line of its trace");
        assert_eq!(answered["spans"][0]["request_id"], "trace-7");
        assert!(!logged().contains("00f067aa0ba902b7-01"), "what else the header holds is not kept");
    }
}
