//! Honest requests with one thing or another wrong in them, at random: whatever comes in is answered, and
//! never as our own failure.

use axum::http::Method;
use daybook::domain::activity::Kind;
use serde_json::{Value, json};

use crate::support::app::OPERATOR;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const JSON: &str = "application/json";
/// Mutations of each request of the list below.
const EACH: usize = 12;

/// A small generator of numbers (SplitMix64): the same seed gives the same mutations.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(bound).expect("small")).expect("small")
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// What changes a thing is of whatever is there.
const SEEN: (&str, &str) = ("if-match", "*");

/// A request as somebody honest sends it.
#[derive(Debug, Clone)]
struct Honest {
    method: Method,
    path: String,
    body: Value,
}

fn odd_values() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(0.1),
        json!(""),
        json!("\u{0}"),
        json!("é\u{0}👪\u{202e}"),
        json!("x".repeat(10_000)),
        json!("9999-99-99"),
        json!("+262142-12-31T23:59:59.999Z"),
        json!("-262143-01-01T00:00:00Z"),
        json!("00000000-0000-0000-0000-000000000000"),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({ "": { "": null } }),
    ]
}

/// The pointers of everything in a body.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| pointers(value, &format!("{at}/{key}"), found));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(index, value)| pointers(value, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

fn mutate_body(dice: &mut Dice, body: &Value) -> Vec<u8> {
    let mut body = body.clone();
    let mut all = Vec::new();
    pointers(&body, "", &mut all);
    for _ in 0..=dice.below(2) {
        let pointer = dice.pick(&all).clone();
        let Some(place) = body.pointer_mut(&pointer) else { continue };
        match dice.below(6) {
            0 => *place = json!([place.clone(), place.clone()]),
            1 => *place = json!({ "one": place.clone() }),
            2 if place.is_object() => place["unheard_of"] = dice.pick(&odd_values()).clone(),
            _ => *place = dice.pick(&odd_values()).clone(),
        }
    }
    let mut bytes = serde_json::to_vec(&body).expect("JSON");
    if dice.below(4) == 0 && !bytes.is_empty() {
        match dice.below(3) {
            0 => bytes.truncate(dice.below(bytes.len())),
            1 => {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            _ => bytes.extend_from_within(..bytes.len() / 2),
        }
    }
    bytes
}

fn mutate_path(dice: &mut Dice, path: &str) -> String {
    const QUERIES: [&str; 14] = [
        "limit=0",
        "limit=-1",
        "limit=18446744073709551616",
        "after=AAAA",
        "after=%00",
        "after=%FF%FE",
        "day_from=0000-01-01",
        "day_until=9999-12-31",
        "programme=%00",
        "kind=hours%00",
        "by=kind,month,party,,",
        "party_id=00000000-0000-0000-0000-000000000000",
        "activity_id=%27%3B--",
        "%00=%00",
    ];
    const IDS: [&str; 6] = ["00000000-0000-0000-0000-000000000000", "%00", "%FF", "..", "'", "%F0%9F%91%AA"];
    let mut path = path.to_owned();
    if dice.below(4) == 0 {
        let mut parts: Vec<&str> = path.split('/').collect();
        let at = dice.below(parts.len());
        parts[at] = dice.pick::<&str>(&IDS);
        path = parts.join("/");
    }
    for sign in ['?', '&'] {
        if dice.below(2) == 0 && (sign == '?' || path.contains('?')) {
            path = format!("{path}{sign}{}", dice.pick(&QUERIES));
        }
    }
    if path.starts_with('/') { path } else { format!("/{path}") }
}

fn mutate_headers(dice: &mut Dice) -> Vec<(&'static str, &'static str)> {
    const ODD: [(&str, &str); 14] = [
        ("content-type", "application/cbor"),
        ("content-type", "application/json; charset=utf-16"),
        ("content-encoding", "zstd"),
        ("content-encoding", "gzip, br"),
        ("accept", "application/cbor"),
        ("accept-encoding", "zstd, br;q=0"),
        ("range", "bytes=5-4"),
        ("range", "bytes=-99999999999999999999"),
        ("if-none-match", "*"),
        ("if-range", "é"),
        ("dpop", "a.b.c"),
        ("x-request-id", "é"),
        ("content-length", "5"),
        ("expect", "100-continue"),
    ];
    let kind = if dice.below(4) == 0 { "application/cbor" } else { JSON };
    let mut headers = vec![("content-type", kind)];
    if dice.below(3) == 0 {
        headers.push(*dice.pick(&ODD));
    }
    headers
}

/// One honest request to every route, for the coordinator; what is named in them is there.
async fn honest(app: &TestApp, carol: &mut TestPhone) -> Vec<Honest> {
    let me = carol.party;
    let activity = carol
        .record(Kind::Hours, "2026-11-20", |a| {
            a.minutes(me, 30);
        })
        .expect("recorded");
    let changes = wire::unsent(carol);
    carol.sync().await.expect("synced");
    app.judge().await;
    let seen: Value = carol.get(&format!("/v1/activities/{activity}")).await.expect("the activity");
    let sync = serde_json::to_value(wire::request(vec![wire::push(carol.own, &changes)])).expect("JSON");
    let (id, own) = (app.app.uuid(), carol.own);
    let group = json!({ "id": id, "kind": "group", "sector": "community", "name": "Friends" });
    let grant = json!({ "id": id, "name": "script", "scope": "sync", "expires_at": "2026-12-01T00:00:00Z" });
    let enrolment = json!({
        "invitation": app.invitation(false).await, "device": { "id": id, "name": "Phone" },
        "party": { "id": id, "name": "Eve" }, "daybook_id": id,
    });
    let decision = json!({ "items": [{
        "id": id, "activity_id": activity, "version": seen["version"], "decision_seq": seen["decision_seq"],
        "step": "approve", "reason": "seen", "corrections": { "minutes": { me.to_string(): 20 }, "programme": "canal", "place": "towpath" },
    }] });
    let mut all: Vec<Honest> = [
        (Method::POST, "/v1/sync", sync),
        (Method::POST, "/v1/daybooks", json!({ "id": id, "party_id": me })),
        (Method::POST, "/v1/parties", group),
        (Method::POST, "/v1/invitations", json!({ "id": id, "coordinator": false, "party_id": me })),
        (Method::POST, "/v1/grants", grant),
        (Method::POST, "/v1/enrolments", enrolment),
        (Method::POST, "/v1/decisions", decision),
        (
            Method::POST,
            "/v1/neighbourhoods",
            json!({ "id": id, "name": "Moseley", "time_zone": "Europe/London" }),
        ),
        (Method::POST, "/oauth/token", json!({ "grant_type": "refresh_token", "refresh_token": "dbr_AAAA" })),
    ]
    .map(|(method, path, body)| Honest { method, path: path.to_owned(), body })
    .into();
    all.push(Honest {
        method: Method::PATCH,
        path: format!("/v1/parties/{me}"),
        body: json!({ "name": "C", "known": true }),
    });
    all.push(Honest {
        method: Method::PATCH,
        path: format!("/v1/devices/{}", carol.device),
        body: json!({ "name": "Old" }),
    });
    let member = json!({ "capacity": "lay", "from_day": "2026-11-01" });
    all.push(Honest { method: Method::PUT, path: format!("/v1/parties/{id}/members/{me}"), body: member });
    let ids =
        [("daybooks", own.to_string()), ("activities", activity.to_string()), ("accounts", me.to_string())];
    let document = serde_json::to_value(daybook::api::document()).expect("JSON");
    for (path, item) in document["paths"].as_object().expect("paths") {
        if item.get("get").is_some() {
            let named = ids.iter().find(|(noun, _)| path.contains(noun));
            let path = path.replace("{id}", named.map_or(&me.to_string(), |(_, id)| id));
            all.push(Honest { method: Method::GET, path, body: Value::Null });
        }
    }
    all
}

both! {
    async fn no_text_is_one_that_a_database_cannot_hold(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let token = wire::bearer(&app, &mut carol, &daybook::auth::scopes::Scopes::ALL.to_string()).await;
        let operator = format!("Bearer {OPERATOR}");
        let mut asked = 0;
        for one in honest(&app, &mut carol).await {
            let mut all = Vec::new();
            pointers(&one.body, "", &mut all);
            for pointer in all {
                let mut body = one.body.clone();
                let Some(place) = body.pointer_mut(&pointer).filter(|place| place.is_string()) else { continue };
                *place = json!("a\u{0}b");
                let authorization = if one.path.contains("neighbourhoods") { &operator } else { &token };
                let headers = [("content-type", JSON), ("authorization", authorization.as_str()), SEEN];
                let (status, _, answer) = match one.path.as_str() {
                    "/v1/enrolments" | "/oauth/token" => proven(&mut carol, &one, body.to_string().into_bytes()).await,
                    path => app.raw(one.method.clone(), path, &headers, body.to_string()).await,
                };
                // Decisions say so of each item.
                let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                let item = &answer["items"][0];
                let of_item = one.path.starts_with("/v1/decisions") && item["status"] == 422;
                let refused = status.is_client_error() || (of_item && item["code"] == "field_invalid");
                assert!(refused, "{} {pointer}: {status} {answer}", one.path);
                asked += 1;
            }
        }
        assert!(asked > 25, "{asked}");
    }
}

both! {
    async fn no_request_however_odd_is_answered_as_our_own_failure(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let scopes = daybook::auth::scopes::Scopes::ALL.to_string();
        let token = wire::bearer(&app, &mut carol, &scopes).await;
        let operator = format!("Bearer {OPERATOR}");
        let all = honest(&app, &mut carol).await;
        assert!(all.len() * EACH >= 300, "{} requests", all.len());
        let mut dice = Dice(20_261_121);
        let (mut good, mut bad) = (0, Vec::new());
        for one in all.iter().flat_map(|one| std::iter::repeat_n(one, EACH)) {
            let path = mutate_path(&mut dice, &one.path);
            let body = if one.body.is_null() { Vec::new() } else { mutate_body(&mut dice, &one.body) };
            let mut headers = mutate_headers(&mut dice);
            headers.push(SEEN);
            headers.push(("authorization", if one.path.contains("neighbourhoods") { &operator } else { &token }));
            let shown = String::from_utf8_lossy(&body[..body.len().min(600)]).into_owned();
            let (status, _, answer) = match one.path.as_str() {
                "/v1/enrolments" | "/oauth/token" => proven(&mut carol, one, body).await,
                _ => app.raw(one.method.clone(), &path, &headers, body).await,
            };
            good += usize::from(status.is_success());
            if status.is_server_error() {
                let answer = String::from_utf8_lossy(&answer).into_owned();
                bad.push(format!("{} {path} {headers:?}\n  {shown}\n  {status} {answer:.300}", one.method));
            }
        }
        assert!(bad.is_empty(), "{} failures:\n{}", bad.len(), bad.join("\n"));
        assert!(good > 50, "{good}: too few get through to mean much");
    }
}

/// Routes that want a proof of the phone's key get an honest one.
async fn proven(
    phone: &mut TestPhone,
    one: &Honest,
    body: Vec<u8>,
) -> (axum::http::StatusCode, axum::http::HeaderMap, Vec<u8>) {
    let kind = if one.path.starts_with("/oauth") { "application/x-www-form-urlencoded" } else { JSON };
    let body = if one.path.starts_with("/oauth") { form(&body) } else { body };
    let (method, now_ms) = (one.method.clone(), phone.now_ms);
    let answer = phone.session.call(method, &one.path, kind, body, now_ms).await.expect("an answer");
    let (parts, bytes) = answer.into_parts();
    (parts.status, parts.headers, bytes)
}

/// A body of JSON as a form, as far as it is one.
fn form(body: &[u8]) -> Vec<u8> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(body) else { return body.to_vec() };
    let pairs = fields.iter().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join("&").into_bytes()
}
