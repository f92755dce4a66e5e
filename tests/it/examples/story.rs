//! The story: a neighbourhood begins, Bilal coordinates, Asha records without signal on two phones, Bilal
//! decides, the minutes reach the ledger.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request};
use daybook::app::{App, Random as _};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, InvitationId, NeighbourhoodId, PartyId};
use daybook::flows::{invite, judge};
use daybook::phone::{Phone, Transport as _};
use serde_json::{Value, json};

use super::recorder::Recorder;
use crate::support::desk::change;
use crate::wire;

use super::server::{OPERATOR, PUBLIC_URL, Seeded, Server, start};

const MINUTE_MS: i64 = 60_000;

type StoryPhone = Phone<Recorder>;

struct Story {
    server: Server,
    recorder: Recorder,
    neighbourhood: NeighbourhoodId,
}

/// The examples, by operation id.
pub async fn told() -> Value {
    let server = start().await;
    let recorder = Recorder::new(daybook::api::router(server.app.clone()));
    let neighbourhood = NeighbourhoodId(server.app.uuid());
    let story = Story { server, recorder, neighbourhood };
    story.founding().await;
    let mut bilal = story.phone("Bilal");
    bilal.enrol(&story.first_invitation().await).await.expect("enrolled");
    let mut asha = story.phone("Asha");
    let mut second = story.joining(&mut bilal, &mut asha).await;
    let group = story.grouping(&mut bilal, &mut asha).await;
    let recorded = story.recording(&mut asha, &mut second).await;
    story.deciding(&mut bilal, recorded.hours).await;
    story.syncing(&mut asha, &mut second, &recorded).await;
    story.doubting(&mut asha, &mut bilal).await;
    story.waiting(&mut asha).await;
    story.reading(&mut asha, &mut bilal, &recorded).await;
    story.one_person(&mut asha, &mut bilal, &recorded).await;
    story.access(&mut asha, &mut second, group).await;
    let a_week_later = json!({ "now": "2026-11-28T10:00:00Z" });
    send(&mut bilal, Method::PUT, "/v1/neighbourhood/clock", Some(a_week_later)).await;
    let member = format!("/v1/parties/{group}/members/{}", asha.party);
    send(&mut bilal, Method::DELETE, &member, None).await;
    story.recorder.examples()
}

/// What Asha recorded.
struct Recorded {
    pick: ActivityId,
    hours: ActivityId,
    carol: PartyId,
}

impl Story {
    fn app(&self) -> &App {
        &self.server.app
    }

    /// Time goes on, for everybody.
    fn pass(&self, minutes: i64, phones: &mut [&mut StoryPhone]) {
        self.server.clock.pass(minutes * MINUTE_MS);
        for phone in phones {
            phone.now_ms += minutes * MINUTE_MS;
        }
    }

    fn phone(&self, name: &str) -> StoryPhone {
        self.pass(1, &mut []);
        let random = Seeded::new(name);
        let random = Box::new(move |bytes: &mut [u8]| random.fill(bytes));
        let app = self.app().clone();
        let clock = Box::new(move || app.now_ms());
        Phone::new(name, self.recorder.clone(), PUBLIC_URL, clock, random).expect("a phone")
    }

    async fn operator(&self, method: Method, path: &str, body: Option<Value>) {
        let mut request = Request::builder().method(method).uri(path);
        if path.starts_with("/v1/neighbourhoods") {
            request = request.header(AUTHORIZATION, format!("Bearer {OPERATOR}"));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let response = self.recorder.send(request.body(body).expect("a request")).await.expect("an answer");
        assert!(response.status().is_success(), "{path}: {}", response.status());
    }

    async fn founding(&self) {
        let body = json!({ "id": self.neighbourhood, "name": "Balsall Heath", "time_zone": "Europe/London", "sandbox": true });
        self.operator(Method::POST, "/v1/neighbourhoods", Some(body)).await;
        for path in [
            "/v1/neighbourhoods",
            "/livez",
            "/readyz",
            "/v1/openapi.json",
            "/.well-known/api-catalog",
            "/.well-known/security.txt",
            "/.well-known/jwks.json",
            "/.well-known/oauth-authorization-server",
            "/.well-known/oauth-protected-resource",
        ] {
            self.operator(Method::GET, path, None).await;
        }
    }

    async fn first_invitation(&self) -> String {
        let id = InvitationId(self.app().uuid());
        let invited = invite::Invited { id, coordinator: true, party: None };
        invite::create(self.app(), self.neighbourhood, None, invited).await.expect("an invitation").1.text
    }

    /// Bilal invites Asha, and Asha her second phone. Another invitation is taken back.
    async fn joining(&self, bilal: &mut StoryPhone, asha: &mut StoryPhone) -> StoryPhone {
        self.pass(1, &mut [bilal, asha]);
        let withdrawn = bilal.uuid();
        let _: Value =
            bilal.post("/v1/invitations", &json!({ "id": withdrawn })).await.expect("an invitation");
        send(bilal, Method::DELETE, &format!("/v1/invitations/{withdrawn}"), None).await;

        self.pass(1, &mut [bilal, asha]);
        let body = json!({ "id": asha.uuid(), "party_id": asha.party });
        let invitation = json!({ "id": bilal.uuid() });
        let invitation: Value = bilal.post("/v1/invitations", &invitation).await.expect("an invitation");
        self.recorder.keep("create_invitation");
        asha.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        self.recorder.keep("enrol_device");

        let mut second = self.phone("Asha's tablet");
        let further: Value = asha.post("/v1/invitations", &body).await.expect("an invitation");
        second.name = "Asha".to_owned();
        second.enrol(further["token"].as_str().expect("a token")).await.expect("enrolled");
        second.book(asha.own);
        second.own = asha.own;
        let path = format!("/v1/devices/{}", second.device);
        change(asha, &path, "\"1\"", &json!({ "name": "Asha's tablet" })).await.expect("named");
        let _: Value = bilal.get("/v1/invitations").await.expect("invitations");
        second
    }

    /// A group with a daybook of its own, and Asha in it.
    async fn grouping(&self, bilal: &mut StoryPhone, asha: &mut StoryPhone) -> PartyId {
        self.pass(1, &mut [bilal, asha]);
        let group = PartyId(bilal.uuid());
        let body =
            json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" });
        let _: Value = bilal.post("/v1/parties", &body).await.expect("a group");
        let path = format!("/v1/parties/{group}/members/{}", asha.party);
        send(bilal, Method::PUT, &path, Some(json!({ "capacity": "lay", "from_day": "2026-11-01" }))).await;
        self.pass(1, &mut [bilal, asha]);
        let shared = DaybookId(asha.uuid());
        let body = json!({ "id": shared, "party_id": group });
        let _: Value = asha.post("/v1/daybooks", &body).await.expect("a daybook");
        group
    }

    /// Without signal: a litter pick of which both phones say something, a repair, and hours with somebody
    /// who is not known yet.
    async fn recording(&self, asha: &mut StoryPhone, second: &mut StoryPhone) -> Recorded {
        self.pass(30, &mut [asha, second]);
        let me = asha.party;
        let pick = asha.record(Kind::LitterPick, "2026-11-21", |a| {
            a.minutes(me, 90).put("minutes_source", "clocked").count("smoking.butts", 40).count("bags", 2);
            a.place(52.4563, -1.8893, 8.0)
                .put("grade.before", "C")
                .put("grade.after", "A")
                .note("Along the canal");
        });
        let pick = pick.expect("recorded");
        let carol = asha.meet("Carol");
        self.pass(5, &mut [asha, second]);
        let hours = asha.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 60).minutes(carol, 60));
        let hours = hours.expect("recorded");
        asha.sync().await.expect("synced");
        self.judge().await;

        second.sync().await.expect("synced");
        second
            .edit(pick, |a| _ = a.count("smoking.butts", 12).put("minutes_source", "estimated"))
            .expect("edited");
        asha.edit(pick, |a| _ = a.put("minutes_source", "recalled")).expect("edited");
        self.pass(5, &mut [asha, second]);
        second.sync().await.expect("synced");
        self.judge().await;
        Recorded { pick, hours, carol }
    }

    async fn judge(&self) {
        judge::until_quiet(self.app(), self.neighbourhood).await.expect("the clerk works");
    }

    /// Bilal confirms Carol and approves the hours; a second decision comes too late.
    async fn deciding(&self, bilal: &mut StoryPhone, hours: ActivityId) {
        self.pass(60, &mut [bilal]);
        let parties: Value = bilal.get("/v1/parties").await.expect("parties");
        let items = parties["items"].as_array().expect("a list");
        let carol = items.iter().find(|party| party["name"] == "Carol").expect("Carol is there");
        let path = format!("/v1/parties/{}", carol["id"].as_str().expect("an id"));
        let etag = carol["etag"].as_str().expect("a tag");
        change(bilal, &path, etag, &json!({ "known": true })).await.expect("confirmed");
        let _: Value = bilal.get(&path).await.expect("a party");
        let _: Value = bilal.get("/v1/parties?limit=2").await.expect("parties");

        let seen: Value = bilal.get(&format!("/v1/activities/{hours}")).await.expect("the activity");
        let (id, late) = (bilal.uuid(), bilal.uuid());
        let decision = |id: uuid::Uuid, step: &str, reason: Option<&str>| {
            let mut item = json!({
                "id": id, "activity_id": hours, "version": seen["version"], "decision_seq": seen["decision_seq"],
                "step": step,
            });
            if let Some(reason) = reason {
                item["reason"] = json!(reason);
            }
            item
        };
        let items = [
            decision(id, "approve", None),
            decision(late, "ask_for_changes", Some("Please say what you two did.")),
        ];
        let _: Value = bilal.post("/v1/decisions", &json!({ "items": items })).await.expect("decided");
        let path = format!("/v1/decisions?activity_id={hours}&limit=10");
        let decisions: Value = bilal.get(&path).await.expect("decisions");
        let last = decisions["items"][0]["id"].as_str().expect("a decision");
        let _: Value = bilal.get(&format!("/v1/decisions/{last}")).await.expect("the decision");
        let mut pack: Value = bilal.get("/v1/rules").await.expect("the rules");
        pack["version"] = json!(2);
        pack["second_person_above_minutes"] = json!(1_200);
        send(bilal, Method::POST, "/v1/rules/dry-run", Some(pack.clone())).await;
        send(bilal, Method::PUT, "/v1/rules", Some(pack)).await;
        let _: Value = bilal.get("/v1/rules/1").await.expect("the first rules");
        let _: Value = bilal.get("/v1/rules/2/changes").await.expect("what differs");
        let _: Value = bilal.get("/v1/rules/share").await.expect("the share");
    }

    /// The sync of the example: a new record goes up, the tablet's change and two verdicts come down.
    async fn syncing(&self, asha: &mut StoryPhone, second: &mut StoryPhone, recorded: &Recorded) {
        self.pass(90, &mut [asha, second]);
        asha.sync().await.expect("synced");
        self.judge().await;
        second.sync().await.expect("synced");
        second.edit(recorded.pick, |a| _ = a.count("smoking.butts", 3)).expect("edited");
        second.sync().await.expect("synced");
        self.judge().await;
        self.pass(10, &mut [asha, second]);
        let me = asha.party;
        asha.record(Kind::Repair, "2026-11-21", |a| {
            a.minutes(me, 45).put("repair.product", "Kettle").put("repair.status", "Fixed");
        })
        .expect("recorded");
        asha.meet("Dilys");
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.requests, report.accepted), (1, 1), "the example is the whole sync");
        self.judge().await;
    }

    /// The kettle is written down twice; Bilal takes the card, and looks at what merging the two would do.
    async fn doubting(&self, asha: &mut StoryPhone, bilal: &mut StoryPhone) {
        self.pass(20, &mut [asha, bilal]);
        let me = asha.party;
        asha.record(Kind::Repair, "2026-11-21", |a| {
            a.minutes(me, 45).put("repair.product", "Kettle").put("repair.status", "Fixed");
        })
        .expect("recorded");
        asha.sync().await.expect("synced");
        self.judge().await;
        let _: Value = bilal.get("/v1/suspicions?limit=10").await.expect("suspicions");
        let cards: Value = bilal.get("/v1/cards?limit=1").await.expect("cards");
        let card = &cards["items"][0];
        let path = format!("/v1/cards/{}/lease", card["id"].as_str().expect("a card"));
        let _: Value = bilal.post(&path, &json!({})).await.expect("taken");
        let mut decision = card["suggested"][0]["decisions"][0].clone();
        decision["id"] = json!(bilal.uuid());
        let body = json!({ "items": [decision] });
        let _: Value = bilal.post("/v1/decisions/preview", &body).await.expect("a preview");
    }

    /// A change comes before the one that it builds on, and with one that is refused; the operator looks at that.
    async fn waiting(&self, asha: &mut StoryPhone) {
        self.recorder.keep("sync");
        self.pass(5, &mut [asha]);
        let me = asha.party;
        for minutes in [20, 25] {
            asha.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(me, minutes)).expect("recorded");
        }
        let changes = wire::unsent(asha);
        let gap = wire::forged(&changes[0], |change| change.seq += 7);
        let request = wire::request(vec![wire::push(asha.own, &[changes[1].clone(), gap])]);
        let _: Value = asha.post("/v1/sync", &request).await.expect("an answer");
        let _: Value = asha.get("/v1/held?limit=10").await.expect("held changes");
        let path = format!("/v1/daybooks/{}/outcomes?limit=2", asha.own);
        let outcomes: Value = asha.get(&path).await.expect("outcomes");
        let items = outcomes["items"].as_array().expect("outcomes");
        let refused = items.iter().find(|item| item["outcome"] == "refused").expect("a refused change");
        let refused = refused["hash"].as_str().expect("a hash").to_owned();
        let quarantine = format!("/v1/neighbourhoods/{}/quarantine", self.neighbourhood);
        self.operator(Method::GET, &format!("{quarantine}?limit=10"), None).await;
        let one = format!("{quarantine}/{}/{refused}", asha.own);
        self.operator(Method::GET, &one, None).await;
        self.operator(Method::POST, &format!("{one}/replay"), None).await;
        asha.sync().await.expect("synced");
        self.judge().await;
    }

    async fn reading(&self, asha: &mut StoryPhone, bilal: &mut StoryPhone, recorded: &Recorded) {
        self.pass(5, &mut [asha, bilal]);
        let (me, pick, hours) = (asha.party, recorded.pick, recorded.hours);
        let body = json!({ "id": asha.uuid(), "text": "Bilal was there as well." });
        let _: Value = asha.post(&format!("/v1/activities/{pick}/replies"), &body).await.expect("said");
        for path in [
            format!("/v1/activities/{pick}"),
            format!("/v1/activities/{pick}/replies?limit=5"),
            format!("/v1/activities/{pick}/versions?limit=2"),
            "/v1/activities?kind=litter_pick&day_from=2026-11-01&limit=1".to_owned(),
            format!("/v1/accounts/{me}"),
            format!("/v1/accounts/{me}/statement?limit=2"),
            "/v1/totals?by=kind,month".to_owned(),
            "/v1/me".to_owned(),
            "/v1/neighbourhood".to_owned(),
            "/v1/daybooks".to_owned(),
            "/v1/devices".to_owned(),
        ] {
            let _: Value = asha.get(&path).await.expect(&path);
        }
        let body = json!({ "id": bilal.uuid(), "day_from": "2026-11-01", "day_until": "2026-11-15" });
        let closed: Value = bilal.post("/v1/periods", &body).await.expect("a closed period");
        let path = format!("/v1/periods/{}?by=kind", closed["id"].as_str().expect("an id"));
        let _: Value = asha.get(&path).await.expect("the period");
        let seen: Value =
            asha.get(&format!("/v1/journal/entries?activity_id={pick}&limit=2")).await.expect("entries");
        assert!(seen["items"][0]["body"].is_string(), "{seen}");
        let _: Value = asha.get("/v1/periods?by=kind&limit=12").await.expect("periods");
        let seen: Value = bilal.get("/v1/accounts?limit=2").await.expect("accounts");
        assert!(seen["items"].as_array().is_some_and(|items| !items.is_empty()), "{hours} is posted");
        send(asha, Method::GET, &format!("/v1/daybooks/{}", asha.own), None).await;
        self.as_json(asha).await;
    }

    /// An app without Automerge: one activity is recorded, the other names a daybook that there is not.
    async fn as_json(&self, asha: &mut StoryPhone) {
        let pick = json!({
            "id": asha.uuid(), "kind": "litter_pick", "day": "2026-11-20", "minutes_source": "recalled",
            "note": "Both sides of the canal", "parties": [{ "party_id": asha.party, "minutes": 25 }],
            "tallies": [{ "item": "drink.can", "count": 9 }], "bags": 1,
            "place": { "lat": 52.4565, "lon": -1.8902, "accuracy_m": 12.0 },
        });
        let wrong =
            json!({ "id": asha.uuid(), "daybook_id": asha.uuid(), "kind": "hours", "day": "2026-11-20" });
        let answer: Value =
            asha.post("/v1/activities", &json!({ "items": [pick, wrong] })).await.expect("outcomes");
        assert_eq!(
            (&answer["items"][0]["status"], &answer["items"][1]["status"]),
            (&json!(201), &json!(404))
        );
        let seen = &answer["items"][0]["activity"];
        let body = json!({
            "change_id": asha.uuid(), "base_version": seen["version"],
            "set": { format!("parties.{}", asha.party): 40, "tallies.drink.can": 11, "note": null },
        });
        let path = format!("/v1/activities/{}", seen["id"].as_str().expect("an id"));
        send(asha, Method::PATCH, &path, Some(body)).await;
        let _: Value = asha.get("/v1/events?limit=3").await.expect("events");
    }

    /// The hub had entered Asha too; the two are made one. Carol moves away.
    async fn one_person(&self, asha: &mut StoryPhone, bilal: &mut StoryPhone, recorded: &Recorded) {
        self.pass(5, &mut [asha, bilal]);
        let hub = bilal.uuid();
        let body = json!({ "id": hub, "kind": "resident", "sector": "resident", "name": "Asha K." });
        self.recorder.keep("create_party");
        let _: Value = bilal.post("/v1/parties", &body).await.expect("a party");
        let reason = json!({ "reason": "You were entered twice: once by the hub, once by your phone." });
        let path = format!("/v1/parties/{}/aliases/{hub}", asha.party);
        send(bilal, Method::PUT, &path, Some(reason)).await;
        let reason = "You moved away: your minutes stay with the neighbourhood.";
        let body = json!({ "id": bilal.uuid(), "reason": reason });
        let path = format!("/v1/accounts/{}/closing", recorded.carol);
        let _: Value = bilal.post(&path, &body).await.expect("closed");
        let path = format!("/v1/parties/{}/roles/coordinator", asha.party);
        send(bilal, Method::PUT, &path, None).await;
        send(bilal, Method::DELETE, &path, None).await;
    }

    /// A token for a script; the tablet is lost; a fresh access token.
    async fn access(&self, asha: &mut StoryPhone, second: &mut StoryPhone, group: PartyId) {
        self.pass(5, &mut [asha, second]);
        assert_ne!(asha.party, group, "a group has no phone");
        for name in ["Old script", "My spreadsheet"] {
            let id = asha.uuid();
            let body = json!({
                "id": id, "name": name, "scope": "activities:read ledger:read",
                "expires_at": "2027-02-28T00:00:00.000Z",
            });
            let _: Value = asha.post("/v1/grants", &body).await.expect("a token");
            if name == "Old script" {
                let path = format!("/v1/grants/{id}");
                let narrower = json!({ "scope": "activities:read" });
                change(asha, &path, "\"1\"", &narrower).await.expect("narrowed");
                send(asha, Method::DELETE, &path, None).await;
            }
            self.pass(1, &mut [asha, second]);
        }
        let _: Value = asha.get("/v1/grants").await.expect("grants");
        send(asha, Method::DELETE, &format!("/v1/devices/{}", second.device), None).await;
        let now_ms = asha.now_ms;
        asha.session.refresh(now_ms).await.expect("a fresh token");
    }
}

async fn send(phone: &mut StoryPhone, method: Method, path: &str, body: Option<Value>) {
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    phone.request(method, path, "application/json", body).await.expect(path);
}
