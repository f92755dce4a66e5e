//! No log line tells who did what where: names, notes, places and tokens never reach the log.

use std::io;
use std::sync::{Mutex, OnceLock};

use axum::http::{Method, StatusCode};
use daybook::domain::activity::Kind;
use sea_orm::ConnectionTrait as _;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::support::both;
use crate::support::desk::{decide, post};

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
