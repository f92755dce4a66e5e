//! The fields of answers: those that browsers look at (CORS), what a grant may still push, what will go away; and
//! what strangers find at a fixed place.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{HeaderMap, Method};
use axum::middleware::from_fn_with_state;
use daybook::api::deprecated::{LEAVING, Leaving, Notices, tell};
use daybook::domain::limits::GRANT_BYTES_BURST;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::operation::{Operation, operations};
use super::world::{Request, Who, World};
use super::writes::make;
use crate::support::app::PUBLIC_URL;
use crate::support::{Backend, TestApp, both};

/// What a script on another origin may read.
const EXPOSED: [&str; 13] = [
    "content-range",
    "daybook-cursor",
    "deprecation",
    "dpop-nonce",
    "etag",
    "link",
    "location",
    "ratelimit",
    "ratelimit-policy",
    "retry-after",
    "sunset",
    "www-authenticate",
    "x-request-id",
];
/// What a script on another origin may send.
const ALLOWED: [&str; 9] = [
    "authorization",
    "content-encoding",
    "content-type",
    "dpop",
    "if-match",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
];

fn listed(headers: &HeaderMap, name: &str) -> BTreeSet<String> {
    let text = headers[name].to_str().expect("text").to_ascii_lowercase();
    text.split(',').map(|one| one.trim().to_owned()).collect()
}

both! {
    async fn a_script_of_any_origin_may_call_and_read_every_operation(app: TestApp) {
        let world = World::of(app).await;
        for operation in operations() {
            let id = &operation.id;
            let path = operation.filled(|before, name| world.in_path(before, name));
            let origin = ("origin", "https://app.example");
            let method = operation.method.as_str();
            let asked = [origin, ("access-control-request-method", method), ("access-control-request-headers", "authorization,dpop,if-match")];
            let (status, headers, _) = world.app.raw(Method::OPTIONS, &path, &asked, "").await;
            assert_eq!((status.as_u16(), headers["access-control-allow-origin"].as_bytes()), (200, b"*".as_slice()), "{id}");
            assert!(listed(&headers, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{id}");
            assert_eq!(listed(&headers, "access-control-allow-headers"), ALLOWED.map(str::to_owned).into(), "{id}");
            assert!(!headers.contains_key("access-control-allow-credentials"), "{id}");
            // Good or refused, the answer can be read, and who caches it knows that nobody may.
            let (_, headers, _) = world.app.raw(operation.method.clone(), &path, &[origin], "").await;
            assert_eq!(headers["access-control-allow-origin"], "*", "{id}");
            assert_eq!(listed(&headers, "access-control-expose-headers"), EXPOSED.map(str::to_owned).into(), "{id}");
            assert!(operation.is_public() || headers["cache-control"] == "no-store", "{id}");
        }
    }
}

/// `r` and `t` of the field.
fn budget(headers: &HeaderMap) -> (u64, u64) {
    let policy = format!("\"push\";q={GRANT_BYTES_BURST};w=3600;qu=\"content-bytes\"");
    assert_eq!(headers["ratelimit-policy"], policy);
    let text = headers["ratelimit"].to_str().expect("text");
    let numbers = text.strip_prefix("\"push\";r=").and_then(|rest| rest.split_once(";t=")).expect("a budget");
    (numbers.0.parse().expect("a number"), numbers.1.parse().expect("a number"))
}

both! {
    async fn who_pushes_is_told_what_is_left(app: TestApp) {
        let mut world = World::of(app).await;
        let mut told = BTreeSet::new();
        let all = operations();
        let told_of = |one: &&Operation| !one.spec["responses"]["200"]["headers"]["RateLimit"].is_null();
        for operation in all.iter().filter(told_of) {
            let made = make(&mut world, operation).await;
            let first = world.call(operation, made.who, &made.request).await;
            assert_eq!(first.status, 200, "{}", operation.id);
            let (left, full_in_s) = budget(&first.headers);
            assert!(left < GRANT_BYTES_BURST && full_in_s > 0, "{}: {left} {full_in_s}", operation.id);
            let wrong = Request { body: Some(("application/json", b"{}".to_vec())), ..made.request.clone() };
            let refused = world.call(operation, made.who, &wrong).await;
            assert!(refused.status >= 400 && !refused.headers.contains_key("ratelimit"), "{}: nothing was pushed", operation.id);
            told.insert(operation.id.as_str());
        }
        assert_eq!(told, ["edit_activity", "record_activities", "sync"].into());

        // All but a byte is spent: the next push waits, and is told so.
        let sync = operations().into_iter().find(|one| one.id == "sync").expect("sync");
        let made = make(&mut world, &sync).await;
        let grants: Value = world.asha.get("/v1/grants").await.expect("grants");
        let script = grants["items"].as_array().expect("items").iter().find(|grant| grant["name"] == "script");
        let id = script.expect("her token's grant")["id"].as_str().expect("an id").parse().expect("an id");
        world.app.app.budget(id).lock().expect("whole").spend(2 * GRANT_BYTES_BURST, world.app.app.now_ms());
        let refused = world.call(&sync, Who::Asha, &made.request).await;
        assert_eq!(refused.told(), (429, "rate_limited".to_owned()));
        let (left, full_in_s) = budget(&refused.headers);
        let retry: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!(left == 0 && retry <= full_in_s, "{left} {retry} {full_in_s}");
    }
}

both! {
    async fn strangers_find_the_description_and_whom_to_tell(app: TestApp) {
        let (status, headers, bytes) = app.raw(Method::GET, "/.well-known/api-catalog", &[], "").await;
        assert_eq!((status.as_u16(), headers["content-type"].as_bytes().starts_with(b"application/linkset+json")), (200, true));
        let catalog: Value = serde_json::from_slice(&bytes).expect("JSON");
        let links = &catalog["linkset"][0];
        assert_eq!(links["anchor"], format!("{PUBLIC_URL}/"));
        for relation in ["service-desc", "service-doc", "status"] {
            let link = &links[relation][0];
            let path = link["href"].as_str().and_then(|href| href.strip_prefix(PUBLIC_URL)).expect("an address here");
            let (status, headers, _) = app.raw(Method::GET, path, &[], "").await;
            let kind = headers["content-type"].to_str().expect("text").to_owned();
            assert_eq!((status.as_u16(), kind.starts_with(link["type"].as_str().expect("a type"))), (200, true), "{relation}");
        }
        let (status, headers, _) = app.raw(Method::HEAD, "/.well-known/api-catalog", &[], "").await;
        let itself = format!("<{PUBLIC_URL}/.well-known/api-catalog>; rel=\"api-catalog\"");
        assert_eq!((status.as_u16(), &headers["link"]), (200, &itself.parse().expect("a value")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_to_tell_is_named_for_half_a_year_from_now() {
    let app = TestApp::start(Backend::Sqlite).await;
    let (status, headers, bytes) = app.raw(Method::GET, "/.well-known/security.txt", &[], "").await;
    assert_eq!(
        (status.as_u16(), headers["content-type"].as_bytes()),
        (200, b"text/plain; charset=utf-8".as_slice())
    );
    let expected = "Contact: mailto:security@daybook.test\nExpires: 2027-05-20T10:00:00.000Z\n\
        Canonical: http://daybook.test/.well-known/security.txt\nPreferred-Languages: en\n";
    assert_eq!(String::from_utf8(bytes).expect("text"), expected);
    let nobody = TestApp::start_listening(Backend::Sqlite).await.app;
    let (status, problem) = nobody.request(Method::GET, "/.well-known/security.txt", &[], "").await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("not_found")), "nobody is named");
}

#[test]
fn what_will_go_away_is_marked_in_the_document_and_nothing_else_is() {
    let marked: BTreeSet<String> =
        operations().into_iter().filter(|one| one.spec["deprecated"] == true).map(|one| one.id).collect();
    let table: BTreeSet<String> = LEAVING.iter().map(|one| one.operation.to_owned()).collect();
    assert_eq!(marked, table, "a row for each, of an operation that there is");
}

#[tokio::test]
async fn what_will_go_away_says_so_in_its_answers() {
    let page = "https://daybook.example/docs/guides";
    let table = [
        Leaving { operation: "get_account", since_s: 1_795_255_200, sunset_s: Some(1_826_791_200), page },
        Leaving { operation: "get_me", since_s: 1_795_255_200, sunset_s: None, page },
    ];
    let notices = Arc::new(Notices::of(&table, &daybook::api::document()));
    let answers = axum::routing::get(|| async { [("link", "</next>; rel=\"next\"")] }).delete(|| async {});
    let router = axum::Router::new()
        .route("/v1/accounts/{id}", answers.clone())
        .route("/v1/me", answers.clone())
        .route("/v1/periods", answers)
        .layer(from_fn_with_state(notices, tell));
    let ask = async |method: Method, path: &str| {
        let request = axum::http::Request::builder().method(method).uri(path).body(axum::body::Body::empty());
        router.clone().oneshot(request.expect("a request")).await.expect("an answer").headers().clone()
    };
    let headers = ask(Method::GET, "/v1/accounts/x?day=2026-11-20").await;
    assert_eq!(
        (&headers["deprecation"], &headers["sunset"]),
        (
            &"@1795255200".parse().expect("a value"),
            &"Sun, 21 Nov 2027 10:00:00 GMT".parse().expect("a value")
        )
    );
    let links: Vec<&str> = headers.get_all("link").iter().filter_map(|link| link.to_str().ok()).collect();
    let told = format!("<{page}>; rel=\"deprecation\"; type=\"text/html\"");
    assert_eq!(links, ["</next>; rel=\"next\"", told.as_str()], "beside what else it links to");
    let headers = ask(Method::GET, "/v1/me").await;
    assert!(headers.contains_key("deprecation") && !headers.contains_key("sunset"));
    for (method, path) in [(Method::DELETE, "/v1/me"), (Method::GET, "/v1/periods")] {
        assert!(!ask(method, path).await.contains_key("deprecation"), "{path}");
    }
}
