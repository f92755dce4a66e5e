//! A neighbourhood in which every list has several items and every path leads somewhere.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method};
use daybook::auth::scopes::Scopes;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, NeighbourhoodId, PartyId};
use daybook::flows::neighbourhoods;
use serde_json::{Value, json};
use uuid::Uuid;

use super::operation::Operation;
use crate::support::app::OPERATOR;
use crate::support::desk::post;
use crate::support::{TestApp, TestPhone};
use crate::wire;

const RESIDENTS: &str =
    "sync activities:read activities:write places:exact ledger:read ledger:write reports:read";

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// A coordinator, who records as well; with every scope.
    Dee,
    /// A resident.
    Asha,
    /// A resident to whom nothing here belongs.
    Bo,
    /// A coordinator of another neighbourhood, with every scope.
    Stranger,
    Operator,
    Nobody,
}

/// A request: the path with its query, further headers, and a body with its type.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Option<(&'static str, Vec<u8>)>,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_default()
    }

    pub fn told(&self) -> (u16, String) {
        (self.status, self.json()["code"].as_str().unwrap_or_default().to_owned())
    }
}

/// See the module.
pub struct World {
    pub app: TestApp,
    pub dee: TestPhone,
    pub asha: TestPhone,
    pub bo: TestPhone,
    tokens: [String; 4],
    /// Of Asha: three versions, replies.
    pub activity: ActivityId,
    pub group: PartyId,
    /// Somebody without a phone.
    pub other: PartyId,
    pub card: String,
    pub refused: String,
    decision: String,
    period: String,
    grant: String,
    invitation: String,
    /// Things made so far, so that each is another.
    pub made: u32,
}

impl World {
    pub async fn of(app: TestApp) -> Self {
        let mut app = app.into_sandbox().await;
        let mut dee = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let tokens = [
            wire::bearer(&app, &mut dee, &Scopes::ALL.to_string()).await,
            wire::bearer(&app, &mut asha, RESIDENTS).await,
            wire::bearer(&app, &mut bo, RESIDENTS).await,
            stranger(&mut app).await,
        ];
        let (group, other) = people(&mut dee).await;
        let grant = grants(&app, &mut dee).await;
        let activity = records(&app, &mut asha, &mut bo, &mut dee).await;
        let refused = waiting(&mut dee).await;
        let invitation = dee.uuid().to_string();
        let _: Value = dee.post("/v1/invitations", &json!({ "id": invitation })).await.expect("invited");
        let period = periods(&mut dee).await;
        let first = |page: Value| page["items"][0]["id"].as_str().expect("an id").to_owned();
        let card = first(dee.get("/v1/cards?limit=1").await.expect("cards"));
        let decision = first(dee.get("/v1/decisions?limit=1").await.expect("decisions"));
        let made = 0;
        Self {
            app,
            dee,
            asha,
            bo,
            tokens,
            activity,
            group,
            other,
            card,
            refused,
            decision,
            period,
            grant,
            invitation,
            made,
        }
    }

    /// What stands in a path, by the part before it and its name.
    pub fn in_path(&self, before: &str, name: &str) -> String {
        match (before, name) {
            ("accounts", "id") => self.asha.party.to_string(),
            ("activities", "id") => self.activity.to_string(),
            ("cards", "id") => self.card.clone(),
            ("daybooks", "id") | (_, "daybook_id") => self.dee.own.to_string(),
            ("decisions", "id") => self.decision.clone(),
            ("devices", "id") => self.asha.device.to_string(),
            ("grants", "id") => self.grant.clone(),
            ("invitations", "id") => self.invitation.clone(),
            ("members", "party_id") => self.bo.party.to_string(),
            ("aliases", "alias_id") => self.other.to_string(),
            ("neighbourhoods", "id") => self.app.neighbourhood.to_string(),
            ("parties", "id") => self.group.to_string(),
            ("periods", "id") => self.period.clone(),
            ("roles", "role") => "coordinator".to_owned(),
            ("rules", "version") => "1".to_owned(),
            (_, "hash") => self.refused.clone(),
            _ => panic!("say in conventions/world.rs what stands for {name} after {before}"),
        }
    }

    /// Who may call an operation.
    pub fn whose(operation: &Operation) -> Who {
        if operation.is_operators() { Who::Operator } else { Who::Dee }
    }

    /// The `Authorization` of somebody.
    pub fn bearer(&self, who: Who) -> Option<String> {
        match who {
            Who::Dee => Some(self.tokens[0].clone()),
            Who::Asha => Some(self.tokens[1].clone()),
            Who::Bo => Some(self.tokens[2].clone()),
            Who::Stranger => Some(self.tokens[3].clone()),
            Who::Operator => Some(format!("Bearer {OPERATOR}")),
            Who::Nobody => None,
        }
    }

    /// Calls an operation; whatever it answers keeps to what holds for all answers.
    pub async fn call(&self, operation: &Operation, who: Who, request: &Request) -> Answer {
        self.call_with(operation, self.bearer(who).as_deref(), request).await
    }

    /// The same with a token as a header's value.
    pub async fn call_with(&self, operation: &Operation, token: Option<&str>, request: &Request) -> Answer {
        let mut headers: Vec<(&str, &str)> =
            request.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        headers.extend(token.map(|token| ("authorization", token)));
        let (kind, body) = request.body.clone().unwrap_or_default();
        if !kind.is_empty() {
            headers.push(("content-type", kind));
        }
        let (status, headers, bytes) =
            self.app.raw(operation.method.clone(), &request.path, &headers, body).await;
        let answer = Answer { status: status.as_u16(), headers, bytes };
        keeps_the_rules(operation, request, &answer);
        answer
    }

    /// A GET of an operation, with a query.
    pub async fn get(&self, operation: &Operation, query: &str) -> Answer {
        let path = format!("{}{query}", operation.filled(|before, name| self.in_path(before, name)));
        self.call(operation, Self::whose(operation), &Request { path, ..Request::default() }).await
    }
}

/// What holds for every answer: it is documented, names its request, and an error is a problem.
fn keeps_the_rules(operation: &Operation, request: &Request, answer: &Answer) {
    let (id, status) = (&operation.id, answer.status);
    let told = String::from_utf8_lossy(&answer.bytes[..answer.bytes.len().min(400)]).into_owned();
    assert!(operation.documents(status), "{id} {}: {status} is not documented: {told}", request.path);
    let request_id = answer.headers["x-request-id"].to_str().expect("text");
    let oauth = operation.path.starts_with("/oauth/");
    if status < 400 || oauth || id == "get_readiness" {
        return;
    }
    let problem = answer.json();
    assert_eq!(answer.headers[CONTENT_TYPE], "application/problem+json", "{id}: {told}");
    let code = problem["code"].as_str().expect("a code");
    assert_eq!(problem["status"], status, "{id}: {told}");
    assert_eq!(problem["type"], format!("/docs/errors#{code}"), "{id}");
    assert_eq!(problem["request_id"], request_id, "{id}");
    for name in ["title", "detail"] {
        assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{id}: {name} in {told}");
    }
    assert_eq!(answer.headers.contains_key(WWW_AUTHENTICATE), status == 401, "{id}");
    assert!(status < 500 || status == 503, "{id} {}: {told}", request.path);
    assert!(![429, 503].contains(&status) || answer.headers.contains_key(RETRY_AFTER), "{id}");
    assert!(status != 403 || ["insufficient_scope", "step_up_required"].contains(&code), "{id}: {told}");
}

/// The same server, the next neighbourhood: its coordinator's token.
async fn stranger(app: &mut TestApp) -> String {
    let here = app.neighbourhood;
    for name in ["Sparkbrook", "Moseley"] {
        app.neighbourhood = NeighbourhoodId(app.app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&app.app, app.neighbourhood, name, zone).await.expect("a neighbourhood");
    }
    let mut eve = app.coordinator("Eve").await;
    let token = wire::bearer(app, &mut eve, &Scopes::ALL.to_string()).await;
    app.neighbourhood = here;
    token
}

/// A group that Dee is in, with two daybooks, and somebody without a phone.
async fn people(dee: &mut TestPhone) -> (PartyId, PartyId) {
    let (group, other) = (PartyId(dee.uuid()), PartyId(dee.uuid()));
    for body in [
        json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" }),
        json!({ "id": other, "kind": "resident", "sector": "resident", "name": "Olu" }),
    ] {
        let _: Value = dee.post("/v1/parties", &body).await.expect("a party");
    }
    let path = format!("/v1/parties/{group}/members/{}", dee.party);
    wire::call(dee, Method::PUT, &path, &json!({ "capacity": "lay", "from_day": "2026-11-01" })).await;
    for _ in 0..2 {
        let body = json!({ "id": dee.uuid(), "party_id": group });
        let _: Value = dee.post("/v1/daybooks", &body).await.expect("a daybook");
    }
    (group, other)
}

/// Two more tokens of Dee's; the last.
async fn grants(app: &TestApp, dee: &mut TestPhone) -> String {
    for _ in 0..2 {
        app.pass(1);
        app.personal_token(dee, "sync").await;
    }
    let page: Value = dee.get("/v1/grants?limit=1").await.expect("grants");
    page["items"][0]["id"].as_str().expect("an id").to_owned()
}

/// An hour of each, and Asha's records: one with three versions and replies, three pairs that look like one each; Dee decides on three.
async fn records(app: &TestApp, asha: &mut TestPhone, bo: &mut TestPhone, dee: &mut TestPhone) -> ActivityId {
    let me = asha.party;
    let mut hours = Vec::new();
    for day in ["2026-11-17", "2026-11-18", "2026-11-19"] {
        hours.push(asha.record(Kind::Hours, day, |a| _ = a.minutes(me, 60)).expect("recorded"));
        for _ in 0..2 {
            let repair = asha.record(Kind::Repair, day, |a| {
                a.minutes(me, 45).put("repair.product", "Kettle").put("repair.status", "Fixed");
            });
            repair.expect("recorded");
        }
    }
    for (phone, minutes) in [(&mut *dee, 15), (&mut *bo, 20)] {
        let me = phone.party;
        phone.record(Kind::Hours, "2026-11-15", |a| _ = a.minutes(me, minutes)).expect("recorded");
        post(app, phone).await;
    }
    post(app, asha).await;
    for minutes in [50, 40] {
        asha.edit(hours[0], |a| _ = a.minutes(me, minutes)).expect("edited");
        post(app, asha).await;
    }
    for id in &hours {
        let decided = crate::support::desk::decide(dee, *id, "approve", json!({})).await;
        assert_eq!(decided["status"], 201, "{decided}");
    }
    for text in ["Was it long?", "Thank you!", "See you."] {
        let body = json!({ "id": dee.uuid(), "text": text });
        let _: Value = dee.post(&format!("/v1/activities/{}/replies", hours[0]), &body).await.expect("said");
    }
    app.judge().await;
    hours[0]
}

/// Dee's own changes: three that wait for one that never comes, and three that are refused; the hash of one of these.
async fn waiting(dee: &mut TestPhone) -> String {
    let (me, own) = (dee.party, dee.own);
    for _ in 0..4 {
        dee.record(Kind::Hours, "2026-11-16", |a| _ = a.minutes(me, 5)).expect("recorded");
    }
    let changes = wire::unsent(dee);
    let mut sent = changes[1..].to_vec();
    sent.extend((7..10).map(|seq| wire::forged(&changes[0], |change| change.seq = seq)));
    wire::send_changes(dee, own, &sent).await;
    let refused = automerge::Change::try_from(sent[3].as_slice()).expect("a change");
    hex::encode(refused.hash().0)
}

/// Three closed periods of days long past; the last.
async fn periods(dee: &mut TestPhone) -> String {
    let mut last = Uuid::nil();
    for day in ["2019-01-01", "2019-01-02", "2019-01-03"] {
        last = dee.uuid();
        let body = json!({ "id": last, "day_from": day, "day_until": day });
        let _: Value = dee.post("/v1/periods", &body).await.expect("closed");
    }
    last.to_string()
}
