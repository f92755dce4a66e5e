//! Stories of tokens: how long they last, what they may do, who may not, and keys that change underneath.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::http::{Method, StatusCode};
use daybook::app::{App, Random as _, SystemRandom};
use daybook::auth::seal::SealingSecret;
use daybook::domain::limits::PERSONAL_GRANTS_MAX;
use daybook::flows::server_keys;
use daybook::phone::PhoneError;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::app::{OPERATOR, PUBLIC_URL};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const MINUTE_MS: i64 = 60 * 1_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

async fn status_of(app: &TestApp, method: Method, path: &str, token: &str, body: &Value) -> (u16, String) {
    let headers = [("authorization", token), ("content-type", "application/json")];
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let (status, answer) = app.request(method, path, &headers, body).await;
    (status.as_u16(), answer["code"].as_str().unwrap_or_default().to_owned())
}

fn forbidden() -> (u16, String) {
    (403, "insufficient_scope".to_owned())
}

fn ended(error: &PhoneError) -> bool {
    matches!(error, PhoneError::Refused { status: 400, code, .. } if code == "invalid_grant")
}

both! {
    async fn an_access_token_lasts_ten_minutes_and_the_refresh_token_stays_the_same(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut eve = app.phone("Eve").await;
        let (first, refresh) = (asha.session.access_token.clone(), asha.session.refresh_token.clone());
        app.pass(10 * MINUTE_MS + 6_000);
        asha.get::<Value>("/v1/me").await.expect("refreshed on the way");
        let second = asha.session.access_token.clone();
        assert_ne!(second, first);
        for _ in 0..2 {
            asha.session.refresh(asha.now_ms).await.expect("a lost answer is asked for again");
        }
        assert_eq!(asha.session.refresh_token, refresh);
        asha.session.access_token = first;
        asha.get::<Value>("/v1/me").await.expect("an expired token is renewed");

        eve.session.refresh_token = refresh;
        let error = eve.session.refresh(eve.now_ms).await.expect_err("bound to the key");
        assert!(ended(&error), "{error}");
        for wrong in ["", "dbr_", "hello", "dbr_AAAA"] {
            asha.session.refresh_token = Some(wrong.to_owned());
            let error = asha.session.refresh(asha.now_ms).await.expect_err("no token");
            assert!(matches!(error, PhoneError::Refused { status: 400, .. }), "{wrong}: {error}");
        }
    }
}

both! {
    async fn what_is_sent_twice_at_once_is_made_once(app: TestApp) {
        let token = wire::bearer(&app, &mut app.coordinator("Dee").await, "manage activities:read").await;
        for _ in 0..6 {
            let grant = json!({ "id": app.app.uuid(), "name": "x", "scope": "activities:read", "expires_at": "2026-12-01T00:00:00Z" });
            let invitation = json!({ "id": app.app.uuid() });
            for (path, body) in [("/v1/grants", grant.to_string()), ("/v1/invitations", invitation.to_string())] {
                let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
                let send = || app.request(Method::POST, path, &headers, body.clone());
                let (one, other) = tokio::join!(send(), send());
                let statuses = BTreeSet::from([one.0.as_u16(), other.0.as_u16()]);
                assert_eq!(statuses, BTreeSet::from([200, 201]), "{path}: {} {}", one.1, other.1);
                assert_eq!(one.1, other.1, "{path}");
            }
        }
    }
}

both! {
    async fn the_token_endpoint_says_what_is_missing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        asha.get::<Value>("/v1/me").await.expect("enrolled");
        let url = format!("{PUBLIC_URL}/oauth/token");
        let proof = |nonce: Option<&str>, url: &str| {
            asha.session.key.proof("POST", url, nonce, None, app.app.now_ms() / 1_000, "once").expect("a proof")
        };
        let (_, headers, _) = app.raw(Method::POST, "/oauth/token", &[("dpop", &proof(None, &url))], "").await;
        let nonce = headers["dpop-nonce"].to_str().expect("text").to_owned();
        let (good, elsewhere) = (proof(Some(&nonce), &url), proof(Some(&nonce), "https://elsewhere.example/token"));
        let (dpop, form) = (("dpop", good.as_str()), ("content-type", "application/x-www-form-urlencoded"));
        let wrong = [
            (vec![], "", "invalid_dpop_proof", "one DPoP header"),
            (vec![("dpop", "x")], "", "invalid_dpop_proof", "The DPoP proof does not fit"),
            (vec![("dpop", elsewhere.as_str())], "", "invalid_dpop_proof", url.as_str()),
            (vec![dpop], "", "invalid_request", "application/x-www-form-urlencoded: another content type came"),
            (vec![dpop, ("content-type", "application/json")], "{}", "invalid_request", "another content type came"),
            (vec![dpop, form], "grant_type=refresh_token", "invalid_request", "missing field `refresh_token`"),
            (vec![dpop, form], "refresh_token=x", "invalid_request", "missing field `grant_type`"),
        ];
        for (headers, body, error, says) in wrong {
            let (status, told) = app.request(Method::POST, "/oauth/token", &headers, body).await;
            assert_eq!((status, &told["error"]), (StatusCode::BAD_REQUEST, &json!(error)), "{told}");
            let text = told["error_description"].as_str().expect("a text");
            assert!(text.contains(says), "{says:?} in {text:?}");
        }
    }
}

both! {
    async fn a_grant_ends_after_half_a_year_without_use(app: TestApp) {
        let mut used = app.phone("Used").await;
        let mut idle = app.phone("Idle").await;
        app.pass(179 * DAY_MS);
        used.session.refresh(used.now_ms).await.expect("used in time");
        app.pass(DAY_MS);
        let error = idle.session.refresh(idle.now_ms).await.expect_err("idle too long");
        assert!(ended(&error), "{error}");
        app.pass(178 * DAY_MS);
        used.session.refresh(used.now_ms).await.expect("the use was noted");
    }
}

both! {
    async fn a_grant_ends_after_four_hundred_days_whatever_its_use(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        for _ in 0..3 {
            app.pass(100 * DAY_MS);
            asha.session.refresh(asha.now_ms).await.expect("in use");
        }
        app.pass(100 * DAY_MS - 1);
        asha.get::<Value>("/v1/me").await.expect("good to the last moment");
        app.pass(1);
        let error = asha.session.refresh(asha.now_ms).await.expect_err("over");
        assert!(ended(&error), "{error}");
        let error = asha.get::<Value>("/v1/me").await.expect_err("over, whatever the access token says");
        assert!(matches!(error, PhoneError::Refused { status: 400 | 401, .. }), "{error}");
    }
}

both! {
    async fn a_personal_token_is_shown_once_and_does_what_it_was_made_for(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let expires_at = daybook::domain::time::rfc3339(app.app.now_ms() + DAY_MS);
        let body = json!({ "id": asha.uuid(), "name": "script", "scope": "activities:read", "expires_at": expires_at });
        let made: Value = asha.post("/v1/grants", &body).await.expect("made");
        let again: Value = asha.post("/v1/grants", &body).await.expect("made before");
        assert_eq!((&again["token"], made["token"].is_string()), (&made["token"], true), "a lost answer is answered again");
        let other = json!({ "id": body["id"], "name": "another", "scope": "activities:read", "expires_at": expires_at });
        let error = asha.post::<Value>("/v1/grants", &other).await.expect_err("the id is taken").to_string();
        assert!(error.contains("409 id_reused"), "{error}");
        let listed: Value = asha.get("/v1/grants").await.expect("grants");
        assert!(listed["items"].as_array().expect("items").iter().all(|grant| grant.get("token").is_none()));
        app.pass(10 * MINUTE_MS);
        let late: Value = asha.post("/v1/grants", &body).await.expect("made before");
        assert_eq!(late.get("token"), None);

        let token = format!("Bearer {}", made["token"].as_str().expect("a token"));
        let sync = serde_json::to_value(wire::request(Vec::new())).expect("JSON");
        assert_eq!(status_of(&app, Method::GET, "/v1/activities", &token, &Value::Null).await.0, 200);
        assert_eq!(status_of(&app, Method::POST, "/v1/sync", &token, &sync).await, forbidden());
        assert_eq!(status_of(&app, Method::GET, "/v1/daybooks", &token, &Value::Null).await, forbidden());
        assert_eq!(status_of(&app, Method::GET, "/v1/accounts", &token, &Value::Null).await, forbidden());
        app.pass(DAY_MS);
        assert_eq!(status_of(&app, Method::GET, "/v1/activities", &token, &Value::Null).await.1, "token_expired");
    }
}

both! {
    async fn one_party_has_so_many_personal_tokens_and_makes_room_by_revoking_one(app: TestApp) {
        let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
        let wish = |id: uuid::Uuid| {
            let expires_at = daybook::domain::time::rfc3339(app.app.now_ms() + DAY_MS);
            json!({ "id": id, "name": "script", "scope": "activities:read", "expires_at": expires_at })
        };
        let wishes: Vec<Value> = (0..PERSONAL_GRANTS_MAX).map(|_| wish(app.app.uuid())).collect();
        for wish in &wishes {
            asha.post::<Value>("/v1/grants", wish).await.expect("up to the limit");
        }
        let further = wish(app.app.uuid());
        let error = asha.post::<Value>("/v1/grants", &further).await.expect_err("one past it").to_string();
        assert!(error.contains("409 too_many_grants"), "{error}");
        asha.post::<Value>("/v1/grants", &wishes[0]).await.expect("what was made is made");
        bilal.post::<Value>("/v1/grants", &wish(app.app.uuid())).await.expect("somebody else's do not count");
        app.second_device(&mut asha, "Asha's tablet").await.sync().await.expect("devices are not bounded");

        let path = format!("/v1/grants/{}", wishes[0]["id"].as_str().expect("an id"));
        wire::call(&mut asha, Method::DELETE, &path, &Value::Null).await;
        asha.post::<Value>("/v1/grants", &further).await.expect("there is room");
        assert!(asha.post::<Value>("/v1/grants", &wish(app.app.uuid())).await.is_err());
        app.pass(DAY_MS);
        asha.post::<Value>("/v1/grants", &wish(app.app.uuid())).await.expect("what has expired does not count");
    }
}

both! {
    async fn nothing_that_a_token_makes_may_do_more_than_the_token(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let expires_at = daybook::domain::time::rfc3339(app.app.now_ms() + DAY_MS);
        let wish = |scope: &str| json!({ "id": app.app.uuid(), "name": "more", "scope": scope, "expires_at": expires_at });
        for scope in ["manage", "reconcile", "sync manage", ""] {
            let error = asha.post::<Value>("/v1/grants", &wish(scope)).await.expect_err("beyond a resident").to_string();
            assert!(error.contains("422 field_invalid"), "{scope}: {error}");
        }
        let token = wire::bearer(&app, &mut asha, "activities:read").await;
        let narrow = status_of(&app, Method::POST, "/v1/grants", &token, &wish("activities:read")).await;
        assert_eq!(narrow.0, 201);
        let wider = status_of(&app, Method::POST, "/v1/grants", &token, &wish("activities:read sync")).await;
        assert_eq!(wider, (422, "field_invalid".to_owned()));
        let device = json!({ "id": app.app.uuid(), "party_id": asha.party });
        assert_eq!(status_of(&app, Method::POST, "/v1/invitations", &token, &device).await, forbidden(), "a device may do all");
    }
}

both! {
    async fn a_revoked_personal_token_is_refused_at_once(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut eve = app.phone("Eve").await;
        let token = wire::bearer(&app, &mut asha, "ledger:read").await;
        assert_eq!(status_of(&app, Method::GET, "/v1/accounts", &token, &Value::Null).await.0, 200);
        let listed: Value = asha.get("/v1/grants").await.expect("grants");
        let grants = listed["items"].as_array().expect("items");
        let id = grants.iter().find(|grant| grant["name"] == "script").expect("the grant")["id"].clone();
        let path = format!("/v1/grants/{}", id.as_str().expect("an id"));
        let error = eve.request(Method::DELETE, &path, "application/json", Vec::new()).await.expect_err("not hers");
        assert!(error.to_string().contains("404 not_found"), "{error}");
        wire::call(&mut asha, Method::DELETE, &path, &Value::Null).await;
        assert_eq!(status_of(&app, Method::GET, "/v1/accounts", &token, &Value::Null).await, (401, "token_invalid".to_owned()));
    }
}

/// Narrows a grant: status and answer.
async fn narrow(app: &TestApp, token: &str, id: &str, tag: Option<&str>, body: Value) -> (u16, Value) {
    let mut headers = vec![("authorization", token), ("content-type", "application/json")];
    headers.extend(tag.map(|tag| ("if-match", tag)));
    let path = format!("/v1/grants/{id}");
    let (status, answer) = app.request(Method::PATCH, &path, &headers, body.to_string()).await;
    (status.as_u16(), answer)
}

/// A personal token with its grant.
async fn script(asha: &mut TestPhone, scope: &str, expires_at_ms: i64) -> (String, Value) {
    let expires_at = daybook::domain::time::rfc3339(expires_at_ms);
    let body = json!({ "id": asha.uuid(), "name": "script", "scope": scope, "expires_at": expires_at });
    let grant: Value = asha.post("/v1/grants", &body).await.expect("a grant");
    (format!("Bearer {}", grant["token"].as_str().expect("a token")), grant)
}

both! {
    async fn a_grant_is_narrowed_as_it_was_seen_and_never_widened(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut eve = app.phone("Eve").await;
        let now_ms = app.app.now_ms();
        let (token, grant) = script(&mut asha, "sync activities:read ledger:read", now_ms + 2 * DAY_MS).await;
        let (other, _) = script(&mut asha, "ledger:read", now_ms + DAY_MS).await;
        let (eves, _) = script(&mut eve, "ledger:read", now_ms + DAY_MS).await;
        let id = grant["id"].as_str().expect("an id");
        let less = json!({ "scope": "activities:read ledger:read" });
        let told = |(status, answer): (u16, Value)| (status, answer["code"].as_str().unwrap_or_default().to_owned());
        let refused = |status: u16, code: &str| (status, code.to_owned());
        assert_eq!(told(narrow(&app, &token, id, None, less.clone()).await), refused(428, "precondition_required"));
        let (status, stale) = narrow(&app, &token, id, Some("\"7\""), less.clone()).await;
        assert_eq!((status, &stale["code"], &stale["present"]["etag"]), (412, &json!("precondition_failed"), &json!("\"1\"")));
        assert!(stale["present"].get("token").is_none());
        assert_eq!(told(narrow(&app, &other, id, Some("\"1\""), less.clone()).await), forbidden(), "another script of hers");
        assert_eq!(told(narrow(&app, &eves, id, Some("\"1\""), less.clone()).await), forbidden());
        let path = format!("/v1/grants/{id}");
        let body = less.to_string().into_bytes();
        let seen = [(axum::http::header::IF_MATCH, "\"1\"".to_owned())];
        let error = eve.request_with(Method::PATCH, &path, "application/json", body, &seen).await.expect_err("not hers");
        assert!(error.to_string().contains("404 not_found"), "{error}");

        let later = daybook::domain::time::rfc3339(now_ms + 3 * DAY_MS);
        let past = daybook::domain::time::rfc3339(now_ms - 1);
        for (wrong, pointer) in [
            (json!({ "scope": "activities:read activities:write" }), "/scope"), (json!({ "scope": "" }), "/scope"),
            (json!({ "expires_at": later }), "/expires_at"), (json!({ "expires_at": past }), "/expires_at"),
            (json!({ "expires_at": null }), "/expires_at"), (json!({ "name": "mine" }), "/name"),
        ] {
            let (status, answer) = narrow(&app, &token, id, Some("\"1\""), wrong.clone()).await;
            assert_eq!((status, &answer["errors"][0]["pointer"]), (422, &json!(pointer)), "{wrong}: {answer}");
        }

        // Known from before, and at once known anew.
        let sync = serde_json::to_value(wire::request(Vec::new())).expect("JSON");
        assert_eq!(status_of(&app, Method::POST, "/v1/sync", &token, &sync).await.0, 200);
        let (status, narrowed) = narrow(&app, &token, id, Some("\"1\""), less.clone()).await;
        assert_eq!((status, &narrowed["scope"], &narrowed["revision"], &narrowed["etag"]), (200, &less["scope"], &json!(2), &json!("\"2\"")));
        assert_eq!(status_of(&app, Method::POST, "/v1/sync", &token, &sync).await, forbidden());
        assert_eq!(status_of(&app, Method::GET, "/v1/accounts", &token, &Value::Null).await.0, 200);
        assert_eq!(narrow(&app, &token, id, Some("\"1\""), less).await, (200, narrowed), "a lost answer is asked for again");
        let back = json!({ "scope": "sync activities:read ledger:read" });
        assert_eq!(told(narrow(&app, &token, id, Some("\"2\""), back).await), refused(422, "field_invalid"));

        // From her phone, which sees it in the list.
        let listed: Value = asha.get("/v1/grants").await.expect("grants");
        let shown = listed["items"].as_array().expect("items").iter().find(|one| one["id"] == id).expect("the grant");
        let seen = [(axum::http::header::IF_MATCH, shown["etag"].as_str().expect("a tag").to_owned())];
        let soon = json!({ "expires_at": daybook::domain::time::rfc3339(now_ms + MINUTE_MS) });
        let answer = asha.request_with(Method::PATCH, &path, "application/json", soon.to_string().into_bytes(), &seen).await;
        let answer = answer.expect("sooner");
        assert_eq!((answer.status().as_u16(), &answer.headers()["etag"]), (200, &"\"3\"".parse().expect("a value")));
        app.pass(MINUTE_MS);
        assert_eq!(status_of(&app, Method::GET, "/v1/accounts", &token, &Value::Null).await.1, "token_expired");
    }
}

both! {
    async fn what_coordinators_and_operators_do_is_refused_to_residents(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync activities:read ledger:read").await;
        let id = app.app.uuid();
        let party = json!({ "id": id, "kind": "group", "sector": "community", "name": "Friends" });
        let coordinators = [
            (Method::GET, "/v1/parties".to_owned(), Value::Null),
            (Method::POST, "/v1/parties".to_owned(), party),
            (Method::GET, format!("/v1/parties/{}", asha.party), Value::Null),
            (Method::PATCH, format!("/v1/parties/{}", asha.party), json!({ "known": true })),
            (Method::PUT, format!("/v1/parties/{id}/members/{}", asha.party), json!({ "capacity": "lay" })),
            (Method::GET, "/v1/decisions".to_owned(), Value::Null),
            (Method::POST, "/v1/decisions".to_owned(), json!({ "items": [] })),
            (Method::POST, "/v1/invitations".to_owned(), json!({ "id": id })),
            (Method::POST, "/v1/invitations".to_owned(), json!({ "id": id, "coordinator": true, "party_id": asha.party })),
        ];
        for (method, path, body) in coordinators {
            assert_eq!(status_of(&app, method.clone(), &path, &token, &body).await, forbidden(), "{method} {path}");
            let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            let error = asha.request(method, &path, "application/json", bytes).await.expect_err("refused");
            assert!(error.to_string().contains("403 insufficient_scope"), "{path}: {error}");
        }
        let wrong = format!("Bearer {}x", &OPERATOR[..OPERATOR.len() - 1]);
        for token in [token.as_str(), &wrong, "Bearer "] {
            let refused = (401, "token_invalid".to_owned());
            assert_eq!(status_of(&app, Method::GET, "/v1/neighbourhoods", token, &Value::Null).await, refused);
        }
    }
}

both! {
    async fn an_operator_makes_neighbourhoods_that_know_nothing_of_each_other(app: TestApp) {
        let operator = format!("Bearer {OPERATOR}");
        let id = app.app.uuid();
        let body = json!({ "id": id, "name": "Moseley", "time_zone": "Europe/London" });
        let made = |body: Value| { let (app, operator) = (&app, &operator); async move {
            status_of(app, Method::POST, "/v1/neighbourhoods", operator, &body).await
        } };
        assert_eq!(made(body.clone()).await.0, 201);
        assert_eq!(made(body.clone()).await.0, 200);
        assert_eq!(made(json!({ "id": id, "name": "Elsewhere", "time_zone": "Europe/London" })).await, (409, "id_reused".to_owned()));
        assert_eq!(made(json!({ "id": app.app.uuid(), "name": "M", "time_zone": "Mars/Base" })).await, (422, "field_invalid".to_owned()));

        let invited = daybook::flows::invite::Invited { id: daybook::domain::ids::InvitationId(app.app.uuid()), coordinator: true, party: None };
        let there = daybook::domain::ids::NeighbourhoodId(id);
        let invitation = daybook::flows::invite::create(&app.app, there, None, invited).await.expect("invited").1.text;
        let mut dana = app.new_phone("Dana");
        dana.enrol(&invitation).await.expect("enrolled");
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let record = asha.record(daybook::domain::activity::Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded");
        asha.sync().await.expect("synced");
        for path in [format!("/v1/activities/{record}"), format!("/v1/parties/{me}"), format!("/v1/daybooks/{}", asha.own), format!("/v1/accounts/{me}")] {
            let error = dana.get::<Value>(&path).await.expect_err("not of her neighbourhood").to_string();
            assert!(error.contains("404 not_found"), "{path}: {error}");
        }
        assert_eq!(wire::every_activity(&mut dana).await.len(), 0);
    }
}

/// The application as another replica has it: same database and clock, keys read just now, nothing remembered.
async fn replica(app: &TestApp) -> App {
    let secret = SealingSecret::new(&[7; 32]).expect("a secret");
    let random = SystemRandom;
    let (db, now_ms) = (app.app.db().clone(), app.app.now_ms());
    let ring = server_keys::ready(&db, &secret, now_ms, &mut |bytes| random.fill(bytes)).await.expect("keys");
    App::new(db, ring, app.clock.clone(), Arc::new(random), PUBLIC_URL.to_owned(), None)
}

fn kids(app: &App) -> BTreeSet<String> {
    let set = app.keys().jwks(app.now_ms());
    let keys = set["keys"].as_array().expect("keys");
    keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

/// Asks another replica with what this one gave five minutes ago.
async fn carried_over(asha: &TestPhone, nonce: &str, token: &str, replica: App) -> StatusCode {
    let url = format!("{PUBLIC_URL}/v1/me");
    let proof =
        asha.session.key.proof("GET", &url, Some(nonce), Some(token), 1, "carried over").expect("a proof");
    let request = axum::http::Request::get("/v1/me")
        .header("authorization", format!("DPoP {token}"))
        .header("dpop", proof);
    let request = request.body(axum::body::Body::empty()).expect("a request");
    daybook::api::router(replica).oneshot(request).await.expect("an answer").status()
}

both! {
    async fn keys_change_and_nothing_that_is_valid_is_refused(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let personal = wire::bearer(&app, &mut asha, "activities:read").await;
        let before = kids(&app.app);
        app.pass(30 * DAY_MS - 45 * MINUTE_MS);
        let mut seen = BTreeSet::new();
        for _ in 0..24 {
            app.app.set_keys(server_keys::read(replica(&app).await.db(), &SealingSecret::new(&[7; 32]).expect("a secret")).await.expect("keys"));
            asha.session.refresh(asha.now_ms).await.expect("refreshed");
            let response = asha.request(Method::GET, "/v1/me", "application/json", Vec::new()).await.expect("an answer");
            let nonce = response.headers()["dpop-nonce"].to_str().expect("a nonce").to_owned();
            let token = asha.session.access_token.clone().expect("a token");
            app.pass(5 * MINUTE_MS);
            let other = replica(&app).await;
            seen.extend(kids(&other));
            assert_eq!(carried_over(&asha, &nonce, &token, other).await, StatusCode::OK);
        }
        assert_eq!((before.len(), seen.len()), (1, 2), "the key changed meanwhile");
        app.pass(DAY_MS);
        let after = kids(&replica(&app).await);
        assert!(after.is_disjoint(&before) && after.len() == 1, "the old key is gone: {after:?}");
        app.app.set_keys(server_keys::read(app.app.db(), &SealingSecret::new(&[7; 32]).expect("a secret")).await.expect("keys"));
        asha.get::<Value>("/v1/me").await.expect("the phone goes on");
        assert_eq!(status_of(&app, Method::GET, "/v1/activities", &personal, &Value::Null).await.1, "token_expired");
    }
}
