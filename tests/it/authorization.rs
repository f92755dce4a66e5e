//! Who may call what, over every operation of the OpenAPI document.

use std::collections::BTreeSet;

use axum::http::{Method, StatusCode};
use daybook::api::extract::OPERATOR_SCHEME;
use daybook::auth::scopes::Scopes;
use daybook::domain::activity::Kind;
use daybook::domain::ids::NeighbourhoodId;
use daybook::flows::neighbourhoods;
use serde_json::{Value, json};

use crate::support::app::OPERATOR;
use crate::support::desk::{decide, post};
use crate::support::{TestApp, TestPhone, both};

/// Operations that anybody may call; a change here is a decision.
const PUBLIC: [&str; 10] = [
    "enrol_device",
    "get_api_catalog",
    "get_jwks",
    "get_liveness",
    "get_openapi",
    "get_readiness",
    "get_resource_metadata",
    "get_security_contact",
    "get_server_metadata",
    "issue_token",
];
/// Operations that only coordinators may call as their examples are; a resident may invite a further device of
/// their own, and sees and revokes such invitations.
const COORDINATORS: [&str; 23] = [
    "close_account",
    "create_invitation",
    "create_party",
    "create_period",
    "decide",
    "delete_member",
    "delete_role",
    "get_decision",
    "get_party",
    "get_rules_share",
    "lease_card",
    "list_cards",
    "list_decisions",
    "list_parties",
    "list_suspicions",
    "preview_decisions",
    "put_alias",
    "put_clock",
    "put_member",
    "put_role",
    "put_rules",
    "try_rules",
    "update_party",
];
/// Operations that a resident's personal token may not call, and the resident's own devices may.
const DEVICES: [&str; 4] = ["narrow_grant", "revoke_device", "revoke_grant", "update_device"];
const SOME_ID: &str = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77";

/// One operation of the document.
struct Operation {
    id: String,
    method: Method,
    path: String,
    /// Names of the schemes of its `security`; none is public.
    schemes: BTreeSet<String>,
    example: Option<(String, Value)>,
}

/// All operations, with ids that name nothing in their paths.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(daybook::api::document()).expect("a document");
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let Ok(method) = Method::from_bytes(method.to_uppercase().as_bytes()) else { continue };
            let Some(id) = operation["operationId"].as_str() else { continue };
            let security = operation["security"].as_array().expect("every operation says who may call it");
            let schemes =
                security.iter().flat_map(|one| one.as_object().expect("a requirement").keys().cloned());
            let content = operation["requestBody"]["content"].as_object();
            let example = content.and_then(|content| {
                let (kind, body) = content.iter().next()?;
                let first = body["examples"].as_object().and_then(|all| all.values().next());
                let example = first.map_or(&body["example"], |first| &first["value"]);
                Some((kind.clone(), example.clone()))
            });
            operations.push(Operation {
                id: id.to_owned(),
                method,
                path: with_ids(path),
                schemes: schemes.collect(),
                example,
            });
        }
    }
    assert!(operations.len() > 30, "{} operations", operations.len());
    operations
}

fn with_ids(path: &str) -> String {
    let parts = path.split('/').map(|part| if part.starts_with('{') { SOME_ID } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Calls an operation with its example as body.
async fn call(app: &TestApp, operation: &Operation, token: Option<&str>) -> (StatusCode, Value) {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers: Vec<(&str, &str)> =
        bearer.iter().map(|token| ("authorization", token.as_str())).collect();
    let (kind, body) = operation.example.clone().unwrap_or_default();
    let body = if kind.is_empty() { Vec::new() } else { serde_json::to_vec(&body).expect("a body") };
    if !kind.is_empty() {
        headers.push(("content-type", &kind));
    }
    app.request(operation.method.clone(), &operation.path, &headers, body).await
}

both! {
    async fn without_a_token_only_a_few_operations_answer(app: TestApp) {
        let mut public = BTreeSet::new();
        for operation in operations() {
            if operation.schemes.is_empty() {
                public.insert(operation.id);
                continue;
            }
            for (token, code) in [(None, "token_missing"), (Some("nonsense"), "token_invalid")] {
                let (status, problem) = call(&app, &operation, token).await;
                let answered = (status, problem["code"].as_str().unwrap_or_default());
                assert_eq!(answered, (StatusCode::UNAUTHORIZED, code), "{}", operation.id);
            }
        }
        let public: Vec<String> = public.into_iter().collect();
        assert_eq!(public, PUBLIC);
    }
}

both! {
    async fn a_residents_token_does_not_open_what_is_a_coordinators(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        // The widest that each can have.
        let widest = "sync activities:read activities:write places:exact ledger:read ledger:write reports:read";
        let resident = app.personal_token(&mut asha, widest).await;
        let coordinator = app.personal_token(&mut desk, &Scopes::ALL.to_string()).await;
        let mut refused = BTreeSet::new();
        for operation in operations() {
            if operation.schemes.is_empty() {
                continue;
            }
            let operators = operation.schemes.contains(OPERATOR_SCHEME);
            let (status, problem) = call(&app, &operation, Some(&resident)).await;
            let (by_coordinator, answer) = call(&app, &operation, Some(&coordinator)).await;
            if operators {
                assert_eq!((status, by_coordinator), (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED), "{}", operation.id);
                let (by_operator, _) = call(&app, &operation, Some(OPERATOR)).await;
                // What its example names is not there.
                let named = operation.path.contains(SOME_ID) && by_operator == StatusCode::NOT_FOUND;
                assert!(by_operator.is_success() || named, "{}: {by_operator}", operation.id);
                continue;
            }
            assert!(![401, 403].contains(&by_coordinator.as_u16()), "{}: {answer}", operation.id);
            if status == StatusCode::FORBIDDEN {
                assert_eq!(problem["code"], "insufficient_scope", "{}", operation.id);
                refused.insert(operation.id.clone());
            }
            // The phone's own grant holds every scope; the person's role still decides.
            let body = operation.example.as_ref().map_or_else(String::new, |(_, body)| body.to_string());
            if refused.contains(&operation.id) {
                let by_phone = self::status(&mut asha, operation.method.clone(), &operation.path, &body).await;
                let by_devices = DEVICES.contains(&operation.id.as_str());
                assert_eq!(by_phone == 403, !by_devices, "{}: {by_phone}", operation.id);
            }
        }
        let by_devices: Vec<String> = refused.extract_if(.., |id| DEVICES.contains(&id.as_str())).collect();
        assert_eq!(by_devices, DEVICES);
        let refused: Vec<String> = refused.into_iter().collect();
        assert_eq!(refused, COORDINATORS);
    }
}

both! {
    async fn a_token_of_another_neighbourhood_finds_nothing(app: TestApp) {
        let mut app = app;
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let decided = decide(&mut desk, id, "approve", json!({})).await;
        let decision = decided["decision"]["id"].as_str().expect("a decision").to_owned();
        let own = [
            format!("/v1/activities/{id}"),
            format!("/v1/activities/{id}/versions"),
            format!("/v1/accounts/{me}"),
            format!("/v1/accounts/{me}/statement"),
            format!("/v1/daybooks/{}", asha.own),
            format!("/v1/decisions/{decision}"),
            format!("/v1/parties/{me}"),
            format!("/v1/accounts/{me}?journal_no=0"),
        ];
        for path in &own {
            assert!(desk.get::<Value>(path).await.is_ok() || path.contains("daybooks"), "{path}");
        }

        // The same server, the next neighbourhood, with a coordinator who may everything there.
        app.neighbourhood = NeighbourhoodId(app.app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&app.app, app.neighbourhood, "Sparkbrook", zone).await.expect("a neighbourhood");
        let mut other = app.coordinator("Eve").await;
        for path in &own {
            assert_eq!(status(&mut other, Method::GET, path, "").await, 404, "{path}");
        }
        let changes = [
            (Method::PATCH, format!("/v1/parties/{me}"), r#"{"known":false}"#),
            (Method::PATCH, format!("/v1/devices/{}", asha.device), r#"{"name":"mine"}"#),
            (Method::DELETE, format!("/v1/devices/{}", asha.device), ""),
            (Method::PUT, format!("/v1/parties/{me}/members/{me}"), r#"{"capacity":"lay"}"#),
        ];
        for (method, path, body) in changes {
            assert_eq!(status(&mut other, method, &path, body).await, 404, "{path}");
        }
        let refused = decide_blind(&mut other, &id.to_string()).await;
        assert_eq!((refused["status"].as_u64(), refused["code"].as_str()), (Some(404), Some("not_found")));
        for list in ["activities", "accounts", "decisions", "devices"] {
            let page: Value = other.get(&format!("/v1/{list}")).await.expect("a list");
            let text = page.to_string();
            assert!(![id.to_string(), me.to_string(), asha.device.to_string()].iter().any(|theirs| text.contains(theirs)), "{text}");
        }
        // Their daybook does not exist there either, and a push into it changes nothing.
        let theirs = asha.own;
        other.book(theirs);
        let answer: Value = other.post("/v1/sync", &json!({
            "device_time": "2026-11-21T10:00:00Z", "daybooks": [{ "id": theirs, "cursor": null, "changes": [] }],
        })).await.expect("an answer");
        assert_eq!(answer["daybooks"][0]["state"], "not_found");
        assert!(asha.sync().await.is_ok(), "the device is as it was");
    }
}

both! {
    async fn a_resident_finds_nothing_of_another(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        for path in [
            format!("/v1/activities/{id}"),
            format!("/v1/activities/{id}/versions"),
            format!("/v1/activities?party_id={me}"),
            format!("/v1/accounts/{me}"),
            format!("/v1/accounts/{me}/statement"),
            format!("/v1/totals?party_id={me}"),
            format!("/v1/journal/entries?activity_id={id}"),
            format!("/v1/daybooks/{}", asha.own),
        ] {
            assert_eq!(status(&mut bo, Method::GET, &path, "").await, 404, "{path}");
        }
        assert_eq!(status(&mut bo, Method::DELETE, &format!("/v1/devices/{}", asha.device), "").await, 404);
    }
}

async fn status(phone: &mut TestPhone, method: Method, path: &str, body: &str) -> u16 {
    let body = body.as_bytes().to_vec();
    match phone.request(method, path, "application/json", body).await {
        Ok(response) => response.status().as_u16(),
        Err(daybook::phone::PhoneError::Refused { status, .. }) => status,
        Err(error) => panic!("{path}: {error}"),
    }
}

async fn decide_blind(desk: &mut TestPhone, id: &str) -> Value {
    let seen = json!({ "id": id, "version": "1-00000000", "decision_seq": 0 });
    let item = crate::support::desk::item(desk, &seen, "approve", &json!({}));
    crate::support::desk::send(desk, &[item]).await.remove(0)
}
