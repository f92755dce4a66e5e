//! A coordinator's desk: looks at activities and decides about them, as an app would.

use axum::http::Method;
use axum::http::header::{ETAG, IF_MATCH};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::domain::review::Review;
use daybook::flows::rebuild::{Mode, rebuild};
use daybook::phone::{Phone, PhoneError, Transport};
use serde_json::{Value, json};

use super::{TestApp, TestPhone};
use crate::always::holds;

/// The reason that [`join`] gives.
pub const ENTERED_TWICE: &str = "You were entered twice.";

/// A coordinator of a neighbourhood in which everything clean is approved and chance shows nothing to anybody.
pub async fn desk(app: &TestApp) -> TestPhone {
    let mut desk = app.coordinator("Dee").await;
    rules(&mut desk, json!({ "audit_percent": 0 })).await;
    desk
}

/// One item of `POST /v1/decisions` about an activity as seen; `more` adds fields or replaces them.
pub fn item<T: Transport>(desk: &mut Phone<T>, seen: &Value, step: &str, more: &Value) -> Value {
    let mut item = json!({
        "id": desk.uuid(), "activity_id": seen["id"], "version": seen["version"],
        "decision_seq": seen["decision_seq"], "step": step,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        item[key] = value.clone();
    }
    item
}

/// Sends items; one outcome each.
pub async fn send<T: Transport>(desk: &mut Phone<T>, items: &[Value]) -> Vec<Value> {
    let answer: Value = desk.post("/v1/decisions", &json!({ "items": items })).await.expect("an answer");
    answer["items"].as_array().expect("outcomes").clone()
}

/// Looks at an activity and decides about what is there.
pub async fn decide<T: Transport>(desk: &mut Phone<T>, id: ActivityId, step: &str, more: Value) -> Value {
    let seen: Value = desk.get(&format!("/v1/activities/{id}")).await.expect("the activity");
    let item = item(desk, &seen, step, &more);
    send(desk, &[item]).await.remove(0)
}

/// Takes back the latest decision, which `outcome` told of.
pub async fn undo<T: Transport>(desk: &mut Phone<T>, id: ActivityId, outcome: &Value) -> Value {
    decide(desk, id, "undo", json!({ "decision_id": outcome["decision"]["id"] })).await
}

/// Status and code of an outcome.
pub fn became(outcome: &Value) -> (u64, &str) {
    (outcome["status"].as_u64().expect("a status"), outcome["code"].as_str().unwrap_or_default())
}

/// What needs a person, as the desk is shown it.
pub async fn cards(desk: &mut TestPhone) -> Vec<Value> {
    let page: Value = desk.get("/v1/cards").await.expect("cards");
    page["items"].as_array().expect("items").clone()
}

/// The decisions of a card's suggestion, each with an id of its own.
pub fn drafts(desk: &mut TestPhone, suggestion: &Value) -> Vec<Value> {
    let mut items = suggestion["decisions"].as_array().expect("drafts").clone();
    items.iter_mut().for_each(|item| item["id"] = json!(desk.uuid()));
    items
}

/// All decisions that a card suggests, each with an id of its own.
pub fn suggested(desk: &mut TestPhone, card: &Value) -> Vec<Value> {
    let suggestions = card["suggested"].as_array().expect("suggestions");
    suggestions.iter().flat_map(|suggestion| drafts(desk, suggestion)).collect()
}

/// Changes a thing that was seen with this tag: it as it is then.
pub async fn change<T: Transport>(
    phone: &mut Phone<T>,
    path: &str,
    etag: &str,
    body: &Value,
) -> Result<Value, PhoneError> {
    let (seen, body) = ([(IF_MATCH, etag.to_owned())], serde_json::to_vec(body).expect("JSON"));
    let answer = phone.request_with(Method::PATCH, path, "application/json", body, &seen).await?;
    let view: Value = serde_json::from_slice(answer.body()).expect("JSON");
    assert_eq!(answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()), view["etag"].as_str());
    Ok(view)
}

/// Says that a party is known, after a look at it.
pub async fn confirm<T: Transport>(desk: &mut Phone<T>, party: impl std::fmt::Display) {
    let path = format!("/v1/parties/{party}");
    let seen: Value = desk.get(&path).await.expect("the party");
    let etag = seen["etag"].as_str().expect("a tag");
    change(desk, &path, etag, &json!({ "known": true })).await.expect("confirmed");
}

/// A party without a phone, entered by a coordinator.
pub async fn entered(desk: &mut TestPhone, kind: &str, name: &str) -> PartyId {
    let id = PartyId(desk.uuid());
    let body = json!({ "id": id, "kind": kind, "sector": "resident", "name": name });
    let made: Value = desk.post("/v1/parties", &body).await.expect("a party");
    assert_eq!((&made["revision"], &made["etag"]), (&json!(1), &json!("\"1\"")));
    id
}

/// Makes the second party an alias of the first: status and answer.
pub async fn join(desk: &mut TestPhone, party: PartyId, alias: PartyId) -> (u16, Value) {
    let path = format!("/v1/parties/{party}/aliases/{alias}");
    let body = json!({ "reason": ENTERED_TWICE }).to_string().into_bytes();
    let answer = desk.request(Method::PUT, &path, "application/json", body).await.expect("joined");
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
}

/// The minutes on an account, as its API shows them.
pub async fn balance<T: Transport>(phone: &mut Phone<T>, account: impl std::fmt::Display) -> i64 {
    let account: Value = phone.get(&format!("/v1/accounts/{account}")).await.expect("an account");
    account["contribution_minutes"].as_i64().expect("minutes")
}

/// What a request that must fail is refused with.
pub fn refused<A>(answer: Result<A, PhoneError>) -> (u16, String) {
    match answer {
        Err(PhoneError::Refused { status, code, .. }) => (status, code),
        Err(error) => panic!("not an answer of the server: {error}"),
        Ok(_) => panic!("the server said yes"),
    }
}

/// The lines of an account's statement, newest first: minutes and the balance after each.
pub async fn statement<T: Transport>(
    phone: &mut Phone<T>,
    account: impl std::fmt::Display,
) -> Vec<(i64, i64)> {
    let page: Value =
        phone.get(&format!("/v1/accounts/{account}/statement?limit=200")).await.expect("a statement");
    let lines = page["items"].as_array().expect("lines").iter();
    let number = |line: &Value, key: &str| line[key].as_i64().expect("a number");
    lines.map(|line| (number(line, "minutes"), number(line, "balance_after"))).collect()
}

/// Syncs a phone, lets the clerk work, and lets the phone hear of it.
pub async fn post(app: &TestApp, phone: &mut TestPhone) {
    phone.sync().await.expect("synced");
    app.judge().await;
    phone.sync().await.expect("synced");
}

/// What a phone was last told of a record: state, minutes and the code of the reason.
pub fn told<T: Transport>(phone: &Phone<T>, id: ActivityId) -> (Review, Option<i64>, &str) {
    let verdict = phone.verdicts.get(&id).expect("a verdict");
    let code = verdict.reason.as_ref().map_or("", |reason| reason.code.as_str());
    (verdict.review, verdict.minutes, code)
}

/// Puts the next version of the rules, with some of them changed.
pub async fn rules(desk: &mut TestPhone, change: Value) -> Value {
    let mut pack: Value = desk.get("/v1/rules").await.expect("the rules");
    pack["version"] = (pack["version"].as_i64().expect("a version") + 1).into();
    for (key, value) in change.as_object().expect("changes") {
        pack[key] = value.clone();
    }
    put_rules(desk, &pack).await.expect("put")
}

/// Puts rules as they are.
pub async fn put_rules(desk: &mut TestPhone, pack: &Value) -> Result<Value, PhoneError> {
    let body = serde_json::to_vec(pack).expect("JSON");
    let answer = desk.request(Method::PUT, "/v1/rules", "application/json", body).await?;
    Ok(serde_json::from_slice(answer.body()).expect("JSON"))
}

/// A group of the neighbourhood's with these members, and a daybook of its own that the first phone begins.
pub async fn group(desk: &mut TestPhone, phone: &mut TestPhone, others: &[PartyId]) -> (PartyId, DaybookId) {
    let (group, book) = (PartyId(desk.uuid()), DaybookId(phone.uuid()));
    let friends = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends" });
    let _: Value = desk.post("/v1/parties", &friends).await.expect("a group");
    for member in [phone.party].iter().chain(others) {
        let path = format!("/v1/parties/{group}/members/{member}");
        let body = br#"{"capacity":"lay","from_day":"2026-01-01"}"#.to_vec();
        desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
    }
    let _: Value =
        phone.post("/v1/daybooks", &json!({ "id": book, "party_id": group })).await.expect("a daybook");
    (group, book)
}

/// What is derived is the same when it is made again.
pub async fn rebuilt_is_live(app: &TestApp) {
    let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("rebuilt");
    assert!(rebuilt.is_same(), "{rebuilt:?}");
}

/// What always holds does, and what is derived is the same when it is made again.
pub async fn sound(app: &TestApp) {
    holds(app).await.expect("what always holds");
    rebuilt_is_live(app).await;
}

/// An activity as seen, as a member of a merge.
pub fn as_seen(seen: &Value) -> Value {
    json!({ "activity_id": seen["id"], "version": seen["version"], "decision_seq": seen["decision_seq"] })
}

/// Merges one activity into another, both as they are; `more` adds fields.
pub async fn merge(desk: &mut TestPhone, into: ActivityId, member: ActivityId, more: Value) -> Value {
    let member =
        as_seen(&desk.get::<Value>(&format!("/v1/activities/{member}")).await.expect("the activity"));
    let mut all = json!({ "reason": "One pick, two phones.", "members": [member] });
    for (key, value) in more.as_object().expect("fields") {
        all[key] = value.clone();
    }
    decide(desk, into, "merge", all).await
}

/// A pick of Asha's, and one of Cy's with Bo that somebody may take for the same: Cy remembers another day.
pub async fn two_picks(
    app: &TestApp,
    asha: &mut TestPhone,
    bo: PartyId,
    cy: &mut TestPhone,
) -> [ActivityId; 2] {
    let (a, c) = (asha.party, cy.party);
    let ashas = asha.record(Kind::LitterPick, "2026-11-20", |r| {
        r.minutes(a, 90).place(52.456_789, -1.890_123, 8.0);
    });
    let cys = cy.record(Kind::LitterPick, "2026-11-19", |r| _ = r.minutes(c, 80).minutes(bo, 60));
    post(app, asha).await;
    post(app, cy).await;
    [ashas.expect("recorded"), cys.expect("recorded")]
}

/// Two phones of one resident write other minutes into one record at once, 70 and 80; it names others with five
/// minutes each. Answers the record, as the server has it from both, and the other phone.
pub async fn disagreed(
    app: &TestApp,
    phone: &mut TestPhone,
    day: &str,
    others: &[PartyId],
) -> (ActivityId, TestPhone) {
    let mut tablet = app.second_device(phone, "A tablet").await;
    let me = phone.party;
    let recorded = phone.record(Kind::Hours, day, |a| {
        a.minutes(me, 60);
        others.iter().for_each(|other| _ = a.minutes(*other, 5));
    });
    let id = recorded.expect("recorded");
    phone.sync().await.expect("synced");
    tablet.sync().await.expect("synced");
    phone.edit(id, |a| _ = a.minutes(me, 70)).expect("edited");
    tablet.edit(id, |a| _ = a.minutes(me, 80)).expect("edited");
    phone.sync().await.expect("synced");
    post(app, &mut tablet).await;
    (id, tablet)
}
