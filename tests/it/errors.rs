//! Stories of requests that are wrong: each is told what is wrong in one form, and none is our failure.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method};
use daybook::api::patience::Patience;
use daybook::api::router_within;
use daybook::domain::limits::{
    BATCH_ITEMS_MAX, BODY_BYTES_MAX, NAME_CHARACTERS_MAX, SYNC_DAYBOOKS_MAX, SYNC_ENTRIES_MAX,
    SYNC_PARTIES_MAX,
};
use serde_json::{Value, json};

use crate::support::app::PUBLIC_URL;
use crate::support::{TestApp, both};
use crate::wire;

const JSON: &str = "application/json";
const CBOR: &str = "application/cbor";

/// A request that fails as a problem of this status and code, in the one form of problems.
async fn problem(
    app: &TestApp,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: impl Into<Body>,
    (status, code): (u16, &str),
) -> (HeaderMap, Value) {
    let (found, headers, bytes) = app.raw(method, path, headers, body).await;
    let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    assert_eq!((found.as_u16(), problem["code"].as_str()), (status, Some(code)), "{path}: {problem}");
    assert_eq!(headers[CONTENT_TYPE], "application/problem+json", "{path}");
    assert_eq!(problem["status"], status);
    assert_eq!(problem["type"], format!("/docs/errors#{code}"));
    assert!(["title", "detail"].iter().all(|key| problem[key].as_str().is_some_and(|text| !text.is_empty())));
    assert_eq!(headers["x-request-id"].to_str().ok(), problem["request_id"].as_str());
    assert_eq!(headers.contains_key(WWW_AUTHENTICATE), status == 401, "{path}");
    (headers, problem)
}

/// Asserts that what a problem tells people holds all of these.
fn tells(problem: &Value, all: &[&str]) {
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(all.iter().all(|part| detail.contains(part)), "{all:?} in {detail:?}");
}

/// The pointers and codes of the fields that do not fit.
fn fields(problem: &Value) -> Vec<(&str, &str)> {
    let errors = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| Some((error["pointer"].as_str()?, error["code"].as_str()?))).collect()
}

const SYNC: (Method, &str) = (Method::POST, "/v1/sync");

both! {
    async fn a_body_that_cannot_be_read_says_so(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "sync").await;
        let honest = wire::request(Vec::new());
        let (json, cbor) = (serde_json::to_vec(&honest).expect("JSON"), cbor4ii::serde::to_vec(Vec::new(), &honest).expect("CBOR"));
        let twice = |bytes: &[u8]| [bytes, bytes].concat();
        let unreadable = [
            (JSON, Vec::new()), (JSON, b"{".to_vec()), (JSON, json[..json.len() - 1].to_vec()), (JSON, twice(&json)),
            (JSON, b"\xff\xfe".to_vec()), (CBOR, Vec::new()), (CBOR, b"\xff".to_vec()), (CBOR, cbor[..cbor.len() - 1].to_vec()),
            (CBOR, twice(&cbor)), (CBOR, vec![0x81; 100_000]),
        ];
        for (kind, body) in unreadable {
            let headers = [(CONTENT_TYPE.as_str(), kind), ("authorization", &token)];
            let shown = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            let (status, answer) = app.request(SYNC.0, SYNC.1, &headers, body).await;
            assert_eq!((status.as_u16(), &answer["code"]), (400, &json!("body_unreadable")), "{kind} {shown}: {answer}");
        }
        let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
        problem(&app, SYNC, &headers, "{", (400, "body_unreadable")).await;
        problem(&app, SYNC, &headers, "[".repeat(100_000), (422, "field_invalid")).await;
        for kind in ["text/plain", "application/jsonx", "multipart/form-data", ""] {
            let headers = [(CONTENT_TYPE.as_str(), kind), ("authorization", &token)];
            problem(&app, SYNC, &headers, json.clone(), (415, "media_type_unsupported")).await;
        }
        problem(&app, SYNC, &[("authorization", &token)], json, (415, "media_type_unsupported")).await;
        let headers = [(CONTENT_TYPE.as_str(), CBOR), ("authorization", &token)];
        problem(&app, (Method::POST, "/v1/daybooks"), &headers, cbor, (415, "media_type_unsupported")).await;
    }
}

both! {
    async fn a_body_may_be_as_large_as_the_limit_and_no_larger(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "sync").await;
        let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
        let mut body = serde_json::to_vec(&wire::request(Vec::new())).expect("JSON");
        body.resize(BODY_BYTES_MAX, b' ');
        assert_eq!(app.request(SYNC.0, SYNC.1, &headers, body.clone()).await.0, 200);
        body.push(b' ');
        let (_, told) = problem(&app, SYNC, &headers, body, (413, "body_too_large")).await;
        assert!(told["detail"].as_str().is_some_and(|text| text.contains(&BODY_BYTES_MAX.to_string())), "{told}");
    }
}

both! {
    async fn a_field_that_does_not_fit_is_named_by_its_pointer(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "sync").await;
        let id = app.app.uuid();
        let good = json!({ "device_time": "2026-11-21T10:00:00Z", "daybooks": [{ "id": id, "cursor": "x" }] });
        let with = |pointer: &str, value: Value| {
            let mut body = good.clone();
            let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
            body.pointer_mut(parent).expect("the parent")[key] = value;
            body
        };
        let mut lacking = good.clone();
        lacking.as_object_mut().expect("an object").remove("daybooks");
        let wrong = [
            (with("/daybooks/0/colour", json!(1)), "/daybooks/0/colour", "unknown_field"),
            (with("/colour", json!(1)), "/colour", "unknown_field"),
            (with("/daybooks/0/id", json!("no id")), "/daybooks/0/id", "invalid"),
            (with("/daybooks/0/id", json!(7)), "/daybooks/0/id", "wrong_type"),
            (with("/device_time", json!("yesterday")), "/device_time", "invalid"),
            (with("/limit_bytes", json!("many")), "/limit_bytes", "wrong_type"),
            (with("/limit_bytes", json!(-1)), "/limit_bytes", "out_of_bounds"),
            (with("/limit_bytes", json!(1024.5)), "/limit_bytes", "wrong_type"),
            (with("/daybooks", json!({})), "/daybooks", "wrong_type"),
            (with("/daybooks", json!([[id, "x"]])), "/daybooks/0", "wrong_type"),
            (json!(["2026-11-21T10:00:00Z", null, null, [], []]), "", "wrong_type"),
            (lacking, "", "missing_field"),
        ];
        for (body, pointer, code) in wrong {
            let forms = [(JSON, serde_json::to_vec(&body).expect("JSON")), (CBOR, cbor4ii::serde::to_vec(Vec::new(), &body).expect("CBOR"))];
            for (kind, bytes) in forms {
                let headers = [(CONTENT_TYPE.as_str(), kind), ("authorization", token.as_str())];
                let (_, told) = problem(&app, SYNC, &headers, bytes, (422, "field_invalid")).await;
                let found = fields(&told);
                assert_eq!(found, [(pointer, code)], "{kind}: {told}");
            }
        }
        let headers = [(CONTENT_TYPE.as_str(), CBOR), ("authorization", token.as_str())];
        let body = cbor4ii::serde::to_vec(Vec::new(), &good).expect("CBOR");
        let (status, told) = app.request(SYNC.0, SYNC.1, &headers, body).await;
        assert_eq!(status, 200, "ids are text in CBOR too, as the document says: {told}");
        let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
        let (status, told) = app.request(SYNC.0, SYNC.1, &headers, with("/limit_bytes", json!(1024.0)).to_string()).await;
        assert_eq!(status, 200, "a whole number is an integer, as JSON Schema says: {told}");
    }
}

both! {
    async fn what_does_not_fit_is_told_in_the_words_of_json(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync activities:write").await;
        let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
        let id = app.app.uuid();
        let item = |field: &str, value: Value| {
            let mut item = json!({ "id": id, "kind": "hours", "day": "2026-11-20" });
            item[field] = value;
            json!({ "items": [item] })
        };
        let pushed = |changes: Value| json!({ "device_time": "2026-11-21T10:00:00Z", "daybooks": [{ "id": id, "cursor": null, "changes": changes }] });
        let wrong = [
            ("/v1/activities", item("people", json!("7")), "At /items/0/people: the text \"7\", expected a whole number."),
            ("/v1/activities", item("parties", json!({})), "At /items/0/parties: an object, expected an array."),
            ("/v1/activities", item("place", json!({ "lat": "x", "lon": 1 })), "At /items/0/place/lat: the text \"x\", expected a number."),
            ("/v1/activities", item("place", json!([1, 2])), "At /items/0/place: an array, expected an object."),
            ("/v1/activities", item("daybook_id", json!("mine")), "At /items/0/daybook_id: expected a lower-case UUID, as 0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77."),
            ("/v1/activities", item("daybook_id", json!(id.to_string().to_uppercase())), "At /items/0/daybook_id: expected a lower-case UUID, as "),
            ("/v1/activities", item("part_of", json!(id.simple())), "At /items/0/part_of: expected a lower-case UUID, as "),
            ("/v1/activities", item("kind", json!("litter")), "unknown word `litter`, expected one of "),
            ("/v1/activities", json!([]), "At the body: an array, expected an object."),
            ("/v1/sync", pushed(json!(["hW9Kg+/="])), "At /daybooks/0/changes/0: expected base64url without padding (- and _ instead of + and /, no =)."),
            ("/v1/grants", json!({ "id": id, "name": "x", "scope": "sync,activities:read", "expires_at": "2026-11-22T00:00:00Z" }), "names with a space between"),
        ];
        for (path, body, says) in wrong {
            let (_, told) = problem(&app, (Method::POST, path), &headers, body.to_string(), (422, "field_invalid")).await;
            tells(&told, &[says]);
        }
    }
}

both! {
    async fn a_change_that_is_none_is_told_what_one_is(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let saved = asha.own_book().doc.clone().save();
        let answer = wire::send_changes(&mut asha, own, &[saved, b"hello".to_vec()]).await;
        let details: Vec<&str> = answer.outcomes.iter().filter_map(|outcome| outcome.detail.as_deref()).collect();
        assert!(details[0].starts_with("this is a saved document (chunk type 0): send changes"), "{details:?}");
        assert!(details[1].contains("85 6f 4a 83"), "{details:?}");
    }
}

both! {
    async fn a_token_under_the_wrong_scheme_is_told_the_right_one(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let personal = app.personal_token(&mut asha, "sync").await;
        let phones = asha.session.access_token.clone().expect("a token");
        let me = (Method::GET, "/v1/me");
        for header in [personal.clone(), format!("Token {personal}"), format!("DPoP {personal}")] {
            let (_, told) = problem(&app, me.clone(), &[("authorization", &header)], "", (401, "token_invalid")).await;
            tells(&told, &["Write Bearer and a space before a personal token"]);
        }
        for header in [phones.clone(), format!("Token {phones}")] {
            let (_, told) = problem(&app, me.clone(), &[("authorization", &header)], "", (401, "token_invalid")).await;
            tells(&told, &["DPoP for that of a phone"]);
        }
        let header = format!("Bearer {phones}");
        let (_, told) = problem(&app, me.clone(), &[("authorization", &header)], "", (401, "token_invalid")).await;
        tells(&told, &["write DPoP before it instead of Bearer"]);
        let elsewhere = format!("{PUBLIC_URL}/v1/sync");
        let proof = asha.session.key.proof("GET", &elsewhere, None, Some(&phones), 1, "once").expect("a proof");
        let header = format!("DPoP {phones}");
        let headers = [("authorization", header.as_str()), ("dpop", &proof)];
        let (_, told) = problem(&app, me, &headers, "", (401, "dpop_invalid")).await;
        tells(&told, &["htu", &format!("{PUBLIC_URL}/v1/me")]);
    }
}

both! {
    async fn without_a_good_token_nothing_is_told(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "sync").await;
        let me = (Method::GET, "/v1/me");
        problem(&app, me.clone(), &[], "", (401, "token_missing")).await;
        let flipped = if token.ends_with('A') { 'B' } else { 'A' };
        let mistyped = format!("{}{flipped}", &token[..token.len() - 1]);
        let wrong = [mistyped.as_str(), "Bearer x", "Bearer", "Basic YTpi", "Bearer dbp_", "Bearer a.b.c", "DPoP", "Bearer é", ""];
        for token in wrong {
            problem(&app, me.clone(), &[("authorization", token)], "", (401, "token_invalid")).await;
        }
    }
}

both! {
    async fn what_is_not_there_is_a_problem_too(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "sync activities:read ledger:read").await;
        let headers = [("authorization", token.as_str())];
        let id = app.app.uuid().to_string();
        let upper = id.to_uppercase();
        let bare = id.replace('-', "");
        for one in [id.as_str(), &upper, &bare, "1", "%00", "%FF", "..", "é"] {
            for noun in ["activities", "daybooks", "accounts"] {
                let path = format!("/v1/{noun}/{}", if one == "é" { "%C3%A9" } else { one });
                problem(&app, (Method::GET, &path), &headers, "", (404, "not_found")).await;
            }
        }
        for path in ["/v1/nothing", "/v2/me", "/v1", "/v1/me/", "//", "/v1/activities/x/y/z", "/v1/activity", "/v1/activities/"] {
            let (_, told) = problem(&app, (Method::GET, path), &headers, "", (404, "not_found")).await;
            tells(&told, &["There is no such address", "/v1/openapi.json"]);
        }
        let (headers, _) = problem(&app, (Method::DELETE, "/v1/me"), &headers, "", (405, "method_not_allowed")).await;
        assert!(headers[ALLOW].to_str().is_ok_and(|allow| allow.contains("GET")));
        problem(&app, (Method::GET, "/v1/sync"), &[], "", (405, "method_not_allowed")).await;
    }
}

both! {
    async fn a_query_that_cannot_be_read_says_so(app: TestApp) {
        let token = wire::bearer(&app, &mut app.phone("Asha").await, "activities:read ledger:read").await;
        let headers = [("authorization", token.as_str())];
        let wrong = [
            "activities?limit=many", "activities?limit=-1", "activities?colour=red", "activities?kind=party", "activities?party_id=1",
            "activities?day_from=2026-13-01", "activities?day_until=yesterday", "activities?review=good", "activities?conflict=maybe",
            "accounts?limit=1.5", "totals?by=colour", "totals?day_from=1", "activities?limit=1&limit=2",
            "activities?programme=a%00b",
        ];
        for query in wrong {
            problem(&app, (Method::GET, &format!("/v1/{query}")), &headers, "", (400, "query_invalid")).await;
        }
        let named = [
            ("activities?page=2", ("?page", "unknown_field"), "unknown parameter `page`, expected one of `limit`, "),
            ("activities?limit=abc", ("?limit", "invalid"), "At ?limit: expected a whole number of 0 or more."),
            ("activities?kind=litter", ("?kind", "invalid"), "unknown word `litter`, expected one of `litter_pick`, "),
            ("activities?changed_since=2026-11-28", ("?changed_since", "invalid"), "expected a time, as 2026-11-21T10:30:00Z"),
            ("activities?party_id=1", ("?party_id", "invalid"), "expected a lower-case UUID, as "),
            ("activities?party_id=0193A5B0-7C2E-7D44-9A51-5D2F0C9E1B77", ("?party_id", "invalid"), "expected a lower-case UUID, as "),
            ("activities?names_me=maybe", ("?names_me", "invalid"), "`true` or `false`"),
            ("activities?limit=1&limit=2", ("?limit", "twice"), "duplicate parameter `limit`"),
            ("activities?day_from=soon", ("?day_from", "invalid"), "day_from is a day as 2026-11-21."),
        ];
        for (query, field, says) in named {
            let (_, told) = problem(&app, (Method::GET, &format!("/v1/{query}")), &headers, "", (400, "query_invalid")).await;
            assert_eq!(fields(&told), [field], "{query}: {told}");
            tells(&told, &[says]);
        }
        for after in ["x", "", "%00", "AAAA"] {
            problem(&app, (Method::GET, &format!("/v1/accounts?after={after}")), &headers, "", (400, "cursor_invalid")).await;
        }
        for fine in ["activities?limit=0", "activities?limit=18446744073709551615", "activities?limit=18446744073709551616", "totals?by=", "activities?programme=%F0%9F%91%AA"] {
            let (status, told) = app.request(Method::GET, &format!("/v1/{fine}"), &headers, "").await;
            assert_eq!(status, 200, "{fine}: {told}");
        }
    }
}

both! {
    async fn a_request_keeps_a_plain_id_that_a_proxy_gave_it_and_no_other(app: TestApp) {
        for (given, kept) in [("trace-42", true), (&"a".repeat(64), true), (&"a".repeat(65), false), ("a b", false), ("", false)] {
            let (_, headers, _) = app.raw(Method::GET, "/livez", &[("x-request-id", given)], "").await;
            assert_eq!(headers["x-request-id"] == given, kept, "{given}");
        }
        let (_, told) = problem(&app, (Method::GET, "/v1/me"), &[("x-request-id", "trace-42")], "", (401, "token_missing")).await;
        assert_eq!(told["request_id"], "trace-42");
    }
}

both! {
    async fn each_limit_holds_at_the_limit_and_is_told_one_past_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let sync = |body: Value| { let (app, token) = (&app, &token); async move {
            let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
            let (status, told) = app.request(SYNC.0, SYNC.1, &headers, body.to_string()).await;
            (status.as_u16(), fields(&told).first().map(|(pointer, _)| (*pointer).to_owned()).unwrap_or_default())
        } };
        let request = |parties: Value, daybooks: Value| json!({ "device_time": "2026-11-21T10:00:00Z", "parties": parties, "daybooks": daybooks });
        let daybooks = |count: usize| (0..count).map(|_| json!({ "id": app.app.uuid(), "cursor": null })).collect::<Vec<_>>();
        assert_eq!(sync(request(json!([]), daybooks(SYNC_DAYBOOKS_MAX).into())).await, (200, String::new()));
        assert_eq!(sync(request(json!([]), daybooks(SYNC_DAYBOOKS_MAX + 1).into())).await, (422, "/daybooks".to_owned()));
        let parties = |count: usize| (0..count).map(|_| json!({ "id": app.app.uuid(), "name": "Somebody" })).collect::<Vec<_>>();
        assert_eq!(sync(request(parties(SYNC_PARTIES_MAX).into(), json!([]))).await, (200, String::new()));
        assert_eq!(sync(request(parties(SYNC_PARTIES_MAX + 1).into(), json!([]))).await, (422, "/parties".to_owned()));
        let entries = |count: usize| json!([{ "id": asha.own, "cursor": null, "changes": vec![""; count] }]);
        assert_eq!(sync(request(json!([]), entries(SYNC_ENTRIES_MAX))).await, (200, String::new()));
        assert_eq!(sync(request(json!([]), entries(SYNC_ENTRIES_MAX + 1))).await, (422, "/daybooks/0/changes".to_owned()));
        let twice = json!([{ "id": asha.own, "cursor": null }, { "id": asha.own, "cursor": null }]);
        assert_eq!(sync(request(json!([]), twice)).await, (422, "/daybooks/1/id".to_owned()));
        let longest = "é".repeat(NAME_CHARACTERS_MAX);
        for (name, status) in [(longest.clone(), 200), (longest + "é", 422), (String::new(), 422), ("  ".to_owned(), 422), ("a\u{0}b".to_owned(), 422)] {
            let named = json!([{ "id": app.app.uuid(), "name": name }]);
            assert_eq!(sync(request(named, json!([]))).await.0, status, "{name:?}");
        }
        for limit_bytes in [json!(0), json!(1), json!(i64::MAX)] {
            let mut body = request(json!([]), json!([]));
            body["limit_bytes"] = limit_bytes;
            assert_eq!(sync(body).await.0, 200, "held within its bounds");
        }
    }
}

both! {
    async fn a_batch_has_one_to_a_hundred_decisions(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let token = wire::bearer(&app, &mut carol, "reconcile").await;
        let headers = [(CONTENT_TYPE.as_str(), JSON), ("authorization", token.as_str())];
        let item = || json!({ "id": app.app.uuid(), "activity_id": app.app.uuid(), "version": "1-00000000", "decision_seq": 0, "step": "approve" });
        let batch = |count: usize| json!({ "items": (0..count).map(|_| item()).collect::<Vec<_>>() }).to_string();
        let (status, answer) = app.request(Method::POST, "/v1/decisions", &headers, batch(BATCH_ITEMS_MAX)).await;
        assert_eq!((status.as_u16(), answer["items"].as_array().map(Vec::len)), (200, Some(BATCH_ITEMS_MAX)));
        assert!(answer["items"].as_array().expect("items").iter().all(|item| item["status"] == 404));
        for count in [0, BATCH_ITEMS_MAX + 1] {
            let decisions = (Method::POST, "/v1/decisions");
            let (_, told) = problem(&app, decisions, &headers, batch(count), (422, "field_invalid")).await;
            assert_eq!(fields(&told), [("/items", "count")]);
        }
    }
}

both! {
    async fn a_request_that_takes_too_long_is_told_so_as_a_problem(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, "activities:write").await;
        let bearer = format!("Bearer {token}");
        let mut hasty = app.another_replica().await;
        let patience = Patience { silence: Duration::from_millis(50), ..Patience::default() };
        hasty.router = router_within(hasty.app.clone(), patience);
        // Its body never comes.
        let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let (status, headers, body) = hasty.raw(Method::POST, "/v1/activities", &headers, body).await;
        let problem: serde_json::Value = serde_json::from_slice(&body).expect("a problem");
        assert_eq!((status.as_u16(), &problem["code"]), (503, &serde_json::json!("timed_out")), "{problem}");
        assert_eq!(headers["retry-after"], "1");
    }
}
