//! One good request for every write of the document, each for something of its own: the one table of requests.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::time::rfc3339;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operation::Operation;
use super::world::{Request, Who, World};
use crate::support::app::{PUBLIC_URL, START_MS};
use crate::support::desk::post;
use crate::wire;

const DAY_MS: i64 = 86_400_000;
const JSON: &str = "application/json";

/// A request, and who sends it.
#[derive(Debug, Clone)]
pub struct Made {
    pub who: Who,
    pub request: Request,
    /// Of the request, as JSON.
    pub body: Value,
}

impl Made {
    /// The same with another body.
    pub fn with_body(&self, body: &Value) -> Request {
        self.with_bytes(JSON, body.to_string().into_bytes())
    }

    pub fn with_bytes(&self, kind: &'static str, bytes: Vec<u8>) -> Request {
        Request { body: Some((kind, bytes)), ..self.request.clone() }
    }
}

/// A good request for an operation that was not sent before.
///
/// # Panics
/// For an operation that nobody has written a request for.
pub async fn make(world: &mut World, operation: &Operation) -> Made {
    world.made += 1;
    let fresh = world.dee.uuid();
    let id = operation.id.as_str();
    if matches!(id, "enrol_device" | "issue_token" | "sync" | "edit_activity") {
        return special(world, operation, fresh).await;
    }
    if operation.method == Method::PATCH {
        return change(world, operation, fresh).await;
    }
    let (instead, body): (Vec<(&str, String)>, Value) = match id {
        "decide" | "preview_decisions" => {
            let day = "2026-11-10";
            let seen = recorded(world, fresh, day).await;
            let item = json!({ "id": world.dee.uuid(), "activity_id": fresh, "version": seen["version"],
                "decision_seq": seen["decision_seq"], "step": "approve", "reason": "We met on the day." });
            (vec![], json!({ "items": [item] }))
        }
        "record_activities" => (vec![], json!({ "items": [hours(world, fresh, "2026-11-12")] })),
        "reply_to_activity" => (vec![], json!({ "id": fresh, "text": "It was a fine day." })),
        "put_clock" => (vec![], json!({ "now": rfc3339(START_MS + i64::from(world.made) * 60_000) })),
        "lease_card" => (vec![], json!({})),
        "put_rules" | "try_rules" => (vec![], next_rules(world).await),
        _ => return plain(world, operation, fresh).await,
    };
    requested(world, operation, &instead, body)
}

/// Of people, access and what else coordinators and operators keep.
async fn plain(world: &mut World, operation: &Operation, fresh: Uuid) -> Made {
    let at = world.made;
    let expires_at = rfc3339(world.app.app.now_ms() + DAY_MS);
    let party =
        json!({ "id": fresh, "kind": "resident", "sector": "resident", "name": format!("Resident {at}") });
    let day = chrono::NaiveDate::from_ymd_opt(2018, 1, 1).expect("a day") + chrono::Days::new(u64::from(at));
    let grant = json!({ "id": fresh, "name": "a script", "scope": "sync manage", "expires_at": expires_at });
    let (instead, body): (Vec<(&str, String)>, Value) = match operation.id.as_str() {
        "close_account" => {
            let account = account(world, fresh).await;
            (
                vec![("id", account.to_string())],
                json!({ "id": world.dee.uuid(), "reason": "You moved away." }),
            )
        }
        "create_daybook" => (vec![], json!({ "id": fresh })),
        "create_grant" => (vec![], grant),
        "revoke_grant" => {
            let _: Value = world.dee.post("/v1/grants", &grant).await.expect("a grant");
            (vec![("id", fresh.to_string())], Value::Null)
        }
        "create_invitation" => (vec![], json!({ "id": fresh })),
        "revoke_invitation" => {
            let _: Value = world.dee.post("/v1/invitations", &json!({ "id": fresh })).await.expect("invited");
            (vec![("id", fresh.to_string())], Value::Null)
        }
        "create_neighbourhood" => {
            (vec![], json!({ "id": fresh, "name": format!("Ward {at}"), "time_zone": "Europe/London" }))
        }
        "create_period" => (vec![], json!({ "id": fresh, "day_from": day, "day_until": day })),
        "revoke_device" => (vec![("id", device(world).await)], Value::Null),
        "create_party" => (vec![], party),
        "put_alias" => {
            let _: Value = world.dee.post("/v1/parties", &party).await.expect("a party");
            let instead = vec![("alias_id", fresh.to_string()), ("id", world.other.to_string())];
            (instead, json!({ "reason": "Entered twice." }))
        }
        "put_member" => (vec![], json!({ "capacity": "lay", "from_day": "2026-11-01" })),
        "delete_member" => {
            let path = format!("/v1/parties/{}/members/{}", world.group, world.bo.party);
            let body = json!({ "capacity": "lay", "from_day": "2026-11-01" });
            wire::call(&mut world.dee, Method::PUT, &path, &body).await;
            (vec![], Value::Null)
        }
        "put_role" | "delete_role" => {
            let _: Value = world.dee.post("/v1/parties", &party).await.expect("a party");
            if operation.id == "delete_role" {
                let path = format!("/v1/parties/{fresh}/roles/coordinator");
                wire::call(&mut world.dee, Method::PUT, &path, &Value::Null).await;
            }
            (vec![("id", fresh.to_string())], Value::Null)
        }
        "replay_quarantined" => (vec![], Value::Null),
        id => panic!("write in conventions/writes.rs what a good request for {id} is"),
    };
    requested(world, operation, &instead, body)
}

fn requested(world: &World, operation: &Operation, instead: &[(&str, String)], body: Value) -> Made {
    let path = operation.filled(|before, name| {
        let found = instead.iter().find(|(of, _)| *of == name);
        found.map_or_else(|| world.in_path(before, name), |(_, value)| value.clone())
    });
    let sent = (!body.is_null()).then(|| (JSON, body.to_string().into_bytes()));
    let request = Request { path, headers: Vec::new(), body: sent };
    Made { who: World::whose(operation), request, body }
}

/// A second device of Bo's.
async fn device(world: &mut World) -> String {
    let mut bo = std::mem::replace(&mut world.bo, world.app.new_phone("Nobody"));
    let device = world.app.second_device(&mut bo, "Bo").await.device;
    world.bo = bo;
    device.to_string()
}

/// What says what it is a change of: of something that was just made.
async fn change(world: &mut World, operation: &Operation, fresh: Uuid) -> Made {
    let (id, body) = match operation.id.as_str() {
        "narrow_grant" => {
            let expires_at = rfc3339(world.app.app.now_ms() + DAY_MS);
            let grant =
                json!({ "id": fresh, "name": "wide", "scope": "sync manage", "expires_at": expires_at });
            let _: Value = world.dee.post("/v1/grants", &grant).await.expect("a grant");
            (fresh.to_string(), json!({ "scope": "sync" }))
        }
        "update_device" => (device(world).await, json!({ "name": "An old phone" })),
        "update_party" => {
            let name = format!("Resident {}", world.made);
            let party = json!({ "id": fresh, "kind": "resident", "sector": "resident", "name": name });
            let _: Value = world.dee.post("/v1/parties", &party).await.expect("a party");
            (fresh.to_string(), json!({ "name": "Maya" }))
        }
        id => panic!("write in conventions/writes.rs what a good request for {id} is"),
    };
    let mut made = requested(world, operation, &[("id", id)], body);
    made.request.headers.push(("if-match", "\"1\"".to_owned()));
    made
}

/// What carries a proof, or what only a phone makes.
async fn special(world: &mut World, operation: &Operation, fresh: Uuid) -> Made {
    match operation.id.as_str() {
        "sync" => {
            let (me, own) = (world.asha.party, world.asha.own);
            world.asha.record(Kind::Hours, "2026-11-13", |a| _ = a.minutes(me, 7)).expect("recorded");
            let changes = wire::unsent(&mut world.asha);
            let body = serde_json::to_value(wire::request(vec![wire::push(own, &changes)])).expect("JSON");
            let made = requested(world, operation, &[], body);
            Made { who: Who::Asha, ..made }
        }
        "edit_activity" => {
            let seen = recorded(world, fresh, "2026-11-11").await;
            let body = json!({ "change_id": world.dee.uuid(), "base_version": seen["version"],
                "set": { "note": "Along the canal" } });
            requested(world, operation, &[("id", fresh.to_string())], body)
        }
        "issue_token" => {
            let refresh = world.bo.session.refresh_token.clone().expect("a token");
            let form = format!("grant_type=refresh_token&refresh_token={refresh}");
            let proof = proof(world, &world.bo.session.key, "/oauth/token").await;
            let body = Some(("application/x-www-form-urlencoded", form.into_bytes()));
            let request = Request { path: "/oauth/token".to_owned(), headers: vec![("dpop", proof)], body };
            Made { who: Who::Nobody, request, body: Value::Null }
        }
        _ => {
            let phone = world.app.new_phone("Cleo");
            let body = json!({ "invitation": world.app.invitation(false).await,
                "device": { "id": phone.device, "name": "Cleo's phone" },
                "party": { "id": phone.party, "name": "Cleo" }, "daybook_id": phone.own });
            let mut made = requested(world, operation, &[], body);
            made.request.headers.push(("dpop", proof(world, &phone.session.key, "/v1/enrolments").await));
            Made { who: Who::Nobody, ..made }
        }
    }
}

/// A proof of a key for a POST, with a nonce that the server gave.
async fn proof(world: &World, key: &daybook::auth::phone_key::PhoneKey, path: &str) -> String {
    let url = format!("{PUBLIC_URL}{path}");
    let now_s = world.app.app.now_ms() / 1_000;
    let proved = |nonce: Option<&str>| key.proof("POST", &url, nonce, None, now_s, "once").expect("a proof");
    let first = proved(None);
    let headers = [("dpop", first.as_str()), ("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=refresh_token&refresh_token=dbr_x";
    let (_, headers, _) = world.app.raw(axum::http::Method::POST, "/oauth/token", &headers, body).await;
    let nonce = headers.get("dpop-nonce").expect("a nonce").to_str().expect("text").to_owned();
    proved(Some(&nonce))
}

/// An hour of Dee's, as JSON.
pub fn hours(world: &World, id: Uuid, day: &str) -> Value {
    json!({ "id": id, "kind": "hours", "day": day, "minutes_source": "recalled",
        "parties": [{ "party_id": world.dee.party, "minutes": 10 }] })
}

/// Records an hour of Dee's, or of Asha's where Dee is to decide about it; as Dee sees it.
async fn recorded(world: &mut World, id: Uuid, day: &str) -> Value {
    let asha = world.asha.party;
    if day == "2026-11-10" {
        let item = json!({ "id": id, "kind": "hours", "day": day, "minutes_source": "recalled",
            "parties": [{ "party_id": asha, "minutes": 10 }] });
        let _: Value =
            world.asha.post("/v1/activities", &json!({ "items": [item] })).await.expect("recorded");
    } else {
        let item = hours(world, id, day);
        let _: Value = world.dee.post("/v1/activities", &json!({ "items": [item] })).await.expect("recorded");
    }
    world.app.judge().await;
    world.dee.get(&format!("/v1/activities/{id}")).await.expect("the activity")
}

/// An account of somebody without a phone, with some minutes.
async fn account(world: &mut World, id: Uuid) -> Uuid {
    let name = format!("Somebody {}", world.made);
    let party = json!({ "id": id, "kind": "resident", "sector": "resident", "name": name });
    let _: Value = world.dee.post("/v1/parties", &party).await.expect("a party");
    let record: ActivityId =
        world.asha.record(Kind::Hours, "2026-11-14", |a| _ = a.minutes(PartyId(id), 20)).expect("recorded");
    post(&world.app, &mut world.asha).await;
    crate::support::desk::decide(&mut world.dee, record, "approve", json!({})).await;
    id
}

/// The rules in force with one of them changed, as the next version.
async fn next_rules(world: &mut World) -> Value {
    let mut pack: Value = world.dee.get("/v1/rules").await.expect("the rules");
    let version = pack["version"].as_i64().expect("a version");
    pack["version"] = json!(version + 1);
    pack["second_person_above_minutes"] = json!(1_000 + version);
    pack
}
