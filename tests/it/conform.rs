//! `daybook conform`: a server of ours passes every check, and one that does a single thing wrongly is found out.

use std::process::Command;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use daybook::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::phone::{InProcess, Phone};
use daybook::store::entity;
use daybook::store::entity::{activity, daybook_change};
use sea_orm::{ColumnTrait as _, EntityTrait as _, PaginatorTrait as _, QueryFilter as _};
use tokio::net::TcpListener;

use crate::support::app::{Backend, START_MS};
use crate::support::listening::Listening;
use crate::support::{TestApp, TestPhone};

const SCOPES: &str = "sync activities:read activities:write";
/// Checks that there are at least, on a server that is right.
const CHECKS_MIN: usize = 46;

/// A server by the machine's clock, as the program has no other, and a resident's token.
async fn served(backend: Backend) -> (Listening, TestPhone, String) {
    let Listening { app, url } = TestApp::start_listening(backend).await;
    app.pass((SystemClock.now_ms() - START_MS).max(0));
    let mut asha = resident(&app, &url, "Asha").await;
    let token = app.personal_token(&mut asha, SCOPES).await;
    (Listening { app, url }, asha, token)
}

async fn resident(app: &TestApp, url: &str, name: &str) -> TestPhone {
    let random = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let transport = InProcess(app.router.clone());
    let mut phone = Phone::new(name, transport, url, app.phone_clock(), random).expect("a phone");
    phone.enrol(&app.invitation(false).await).await.expect("enrolled");
    phone
}

/// What the program prints, and whether it ended well.
async fn conform(url: &str, token: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.args(["conform", "--url", url]).env("DAYBOOK_CONFORM_TOKEN", token);
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let ran = ran.expect("the binary runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (ran.status.success(), format!("{}{}", text(&ran.stdout), text(&ran.stderr)))
}

fn lines<'a>(said: &'a str, mark: &str) -> Vec<&'a str> {
    said.lines().filter(|line| line.starts_with(mark)).collect()
}

async fn our_server_conforms(backend: Backend) {
    let (Listening { app, url }, asha, token) = served(backend).await;
    let bo = resident(&app, &url, "Bo").await;
    // The second time it meets what the first one left.
    for round in 1..=2 {
        let (good, said) = conform(&url, &token).await;
        assert!(good && lines(&said, "FAILED").is_empty(), "{said}");
        let checks = lines(&said, "ok").len();
        assert!(checks >= CHECKS_MIN && said.ends_with(&format!("\n{checks} checks, 0 failed\n")), "{said}");
        let db = app.app.db().read();
        let made = activity::Entity::find().all(db).await.expect("activities");
        assert!(!made.is_empty() && made.len() % round == 0, "each round makes the same: {}", made.len());
        assert!(made.iter().all(|row| row.daybook_id == asha.own.0), "in the token's own daybook only");
        let withdrawn = r#""withdrawn":{"one":{"boolean":true}}"#;
        assert!(made.iter().all(|row| row.reading.contains(withdrawn)), "and taken back");
        let others = daybook_change::Entity::find().filter(daybook_change::Column::DaybookId.eq(bo.own.0));
        assert_eq!(others.count(db).await.expect("a count"), 1, "nothing in another's");
        assert_eq!(
            entity::daybook::Entity::find().count(db).await.expect("a count"),
            2,
            "and no further daybook"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_server_conforms_on_sqlite() {
    our_server_conforms(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_server_conforms_on_postgres() {
    our_server_conforms(Backend::Postgres).await;
}

/// One thing that a server does wrongly: the check that finds it, to which requests, and how its JSON differs.
type Fault = (&'static str, fn(&Method, &str) -> bool, fn(&mut Response<Vec<u8>>));

fn replace(response: &mut Response<Vec<u8>>, word: &str, other: &str) {
    let text = String::from_utf8_lossy(response.body()).replace(word, other);
    *response.body_mut() = text.into_bytes();
}

const FAULTS: [Fault; 9] = [
    (
        "the same again: duplicate",
        |_, path| path == "/v1/sync",
        |answer| replace(answer, r#""outcome":"duplicate""#, r#""outcome":"accepted""#),
    ),
    (
        "a second history of one actor",
        |_, path| path == "/v1/sync",
        |answer| replace(answer, r#""state":"reload""#, r#""state":"ok""#),
    ),
    (
        "a cursor of another chain: restart",
        |_, path| path == "/v1/sync",
        |answer| replace(answer, r#""state":"restart""#, r#""state":"ok""#),
    ),
    (
        "GET /v1/activities/{id}: ETag",
        |method, path| method == Method::GET && path.starts_with("/v1/activities/"),
        |answer| drop(answer.headers_mut().remove(ETAG)),
    ),
    (
        "GET /v1/me without a token: 401",
        |_, path| path == "/v1/me",
        |answer| {
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        },
    ),
    (
        "the same again: 200 with the activity",
        |method, path| method == Method::POST && path == "/v1/activities",
        |answer| replace(answer, r#""status":200"#, r#""status":201"#),
    ),
    (
        "items do not depend on each other: 422 with pointers",
        |method, path| method == Method::POST && path == "/v1/activities",
        |answer| replace(answer, "/items/1/parties/0/minutes", "/items/1/parties"),
    ),
    (
        "as of an older version",
        |method, _| method == Method::PATCH,
        |answer| replace(answer, r#""conflict":"hard""#, r#""conflict":"none""#),
    ),
    (
        "the events that follow say so",
        |_, path| path == "/v1/events",
        |answer| replace(answer, r#""reason":"withdrawn""#, r#""reason":"erased""#),
    ),
];

/// The router behind a layer that does one thing wrongly.
fn wrong(router: Router, (_, asked, change): Fault) -> Router {
    router.layer(from_fn(move |mut request: Request, next: Next| async move {
        request.headers_mut().remove(ACCEPT_ENCODING);
        let wrong = asked(request.method(), request.uri().path());
        let answer = next.run(request).await;
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !wrong || !kind.ends_with("json") {
            return answer;
        }
        let (mut parts, body) = answer.into_parts();
        parts.headers.remove(CONTENT_LENGTH);
        let bytes = to_bytes(body, usize::MAX).await.expect("a body").to_vec();
        let mut answer = Response::from_parts(parts, bytes);
        change(&mut answer);
        answer.map(Body::from)
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_one_thing_wrongly_is_found_out() {
    let (Listening { app, .. }, _asha, token) = served(Backend::Sqlite).await;
    for fault in FAULTS {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let service = wrong(app.router.clone(), fault);
        let server = tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
        let (good, said) = conform(&url, &token).await;
        server.abort();
        let found = lines(&said, "FAILED");
        let named = found.iter().any(|line| line.starts_with(&format!("FAILED  {}", fault.0)));
        assert!(!good && named, "{}: {said}", fault.0);
        assert!(found.iter().all(|line| line.contains("expected ")), "it says what was expected: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_may_not_sync_is_told_what_it_lacks() {
    let (Listening { app, url }, mut asha, _) = served(Backend::Sqlite).await;
    let token = app.personal_token(&mut asha, "activities:read").await;
    let (good, said) = conform(&url, &token).await;
    assert!(!good && said.contains("expected the scope sync; came \"activities:read\""), "{said}");
    let count = activity::Entity::find().count(app.app.db().read()).await.expect("a count");
    assert_eq!(count, 0, "nothing is written");
}
