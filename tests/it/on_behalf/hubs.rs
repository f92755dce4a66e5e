//! Stories of hubs: libraries and community centres whose members write down for people without a phone.

use axum::http::Method;
use daybook::domain::draft::Draft;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::key::Key;
use daybook::domain::reading::Value as Written;
use daybook::flows::access::access_of;
use daybook::flows::record::{Recorded, Where, record as write_down};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{hours, patch, record, with, without_phone};
use crate::floods::grant;
use crate::support::desk::{balance, rebuilt_is_live, refused, rules};
use crate::support::{TestPhone, both};
use crate::wire;

/// A party of a kind that the desk knows.
async fn party(desk: &mut TestPhone, kind: &str) -> Uuid {
    let id = desk.uuid();
    let body = json!({ "id": id, "name": "The Library", "kind": kind, "sector": "community" });
    let _: Value = desk.post("/v1/parties", &body).await.expect("a party");
    id
}

/// What a request is refused with; nothing if it is not.
async fn asked(phone: &mut TestPhone, method: Method, path: &str, body: &str) -> Option<(u16, String)> {
    let answer = phone.request(method, path, "application/json", body.as_bytes().to_vec()).await;
    answer.err().map(|error| refused::<()>(Err(error)))
}

async fn put_member(desk: &mut TestPhone, hub: Uuid, member: PartyId, from_day: &str) {
    let body = json!({ "capacity": "professional", "from_day": from_day }).to_string();
    let path = format!("/v1/parties/{hub}/members/{member}");
    assert_eq!(asked(desk, Method::PUT, &path, &body).await, None);
}

async fn is_hub(desk: &mut TestPhone, party: Uuid, given: bool) {
    let method = if given { Method::PUT } else { Method::DELETE };
    assert_eq!(asked(desk, method, &format!("/v1/parties/{party}/roles/hub"), "").await, None);
}

/// Status and code of one more record for somebody.
async fn for_another(phone: &mut TestPhone, whom: &str) -> (Value, Value) {
    let item = with(&hours(phone.uuid(), whom, 5), json!({ "on_behalf_of": whom }));
    let outcome = record(phone, &item).await;
    (outcome["status"].clone(), outcome["code"].clone())
}

fn not_allowed() -> (Value, Value) {
    (json!(403), json!("insufficient_scope"))
}

both! {
    async fn a_member_of_a_hub_writes_down_for_others_and_both_names_are_kept(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        rules(&mut desk, json!({ "mode": "auto", "audit_percent": 0 })).await;
        let rose = without_phone(&mut desk, "Rose").await;
        let library = party(&mut desk, "organisation").await;
        let me = asha.party;
        // Neither membership nor role is enough.
        put_member(&mut desk, library, me, "2026-11-01").await;
        assert_eq!(for_another(&mut asha, &rose).await, not_allowed());
        is_hub(&mut desk, library, true).await;
        assert_eq!(for_another(&mut bo, &rose).await, not_allowed());
        let seen: Value = bo.get("/v1/me").await.expect("me");
        assert_eq!((&seen["roles"], &seen["hubs"]), (&json!([]), &Value::Null));
        let seen: Value = asha.get("/v1/me").await.expect("me");
        assert_eq!((&seen["roles"], &seen["hubs"]), (&json!([]), &json!([library])));

        let item = with(&hours(asha.uuid(), &rose, 45), json!({ "on_behalf_of": rose }));
        let made = record(&mut asha, &item).await;
        assert_eq!(made["status"], 201, "{made}");
        let activity = &made["activity"];
        assert_eq!((&activity["party_id"], &activity["recorded_by"]), (&json!(rose), &json!(me)));
        assert_eq!(record(&mut asha, &item).await["status"], 200);
        app.judge().await;
        assert_eq!((balance(&mut desk, &rose).await, balance(&mut asha, me).await), (45, 0));
        // No other scope than to record is needed, and that one is.
        for (scope, expected) in [("activities:read activities:write", 200), ("activities:read sync", 403)] {
            let token = wire::bearer(&app, &mut asha, scope).await;
            let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
            let item = with(&hours(app.app.uuid(), &rose, 5), json!({ "on_behalf_of": rose, "day": "2026-11-19" }));
            let body = json!({ "items": [item] }).to_string();
            let (status, told) = app.request(Method::POST, "/v1/activities", &headers, body).await;
            assert_eq!(status.as_u16(), expected, "{told}");
            assert!(expected != 200 || told["items"][0]["status"] == 201, "{told}");
        }
        // It is theirs: not the member's to edit, nor to see once it is written.
        let seen = asha.get::<Value>(&format!("/v1/activities/{}", item["id"].as_str().expect("an id"))).await;
        assert_eq!(refused(seen), (404, "not_found".to_owned()));
        let nobody = desk.uuid().to_string();
        assert_eq!(for_another(&mut asha, &nobody).await, (json!(404), json!("not_found")));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn with_the_membership_or_the_role_the_right_to_write_for_others_ends_at_once(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let library = party(&mut desk, "group").await;
        let me = asha.party;
        let written = (json!(201), Value::Null);
        is_hub(&mut desk, library, true).await;
        // A membership counts from its first day on.
        put_member(&mut desk, library, me, "2026-11-22").await;
        assert_eq!(for_another(&mut asha, &rose).await, not_allowed());
        put_member(&mut desk, library, me, "2026-11-21").await;
        assert_eq!(for_another(&mut asha, &rose).await, written);
        is_hub(&mut desk, library, false).await;
        assert_eq!(for_another(&mut asha, &rose).await, not_allowed());
        is_hub(&mut desk, library, true).await;
        assert_eq!(for_another(&mut asha, &rose).await, written);
        let member = format!("/v1/parties/{library}/members/{me}");
        assert_eq!(asked(&mut desk, Method::DELETE, &member, "").await, None);
        assert_eq!(for_another(&mut asha, &rose).await, not_allowed());
        // It is asked where it is written, whatever was asked before.
        let access = access_of(&app.app, app.neighbourhood, grant(&app, &asha).await).await.expect("read").expect("a grant");
        let mut draft = Draft::default();
        for (key, value) in [(Key::Kind, "hours"), (Key::Day, "2026-11-20")] {
            draft.put("", key, Some(Written::Text(value.to_owned())));
        }
        let place = Where { daybook: None, on_behalf_of: Some(rose.parse().expect("an id")) };
        let late = ActivityId(app.app.uuid());
        let outcome = write_down(&app.app, &access, late, place, &draft).await.expect("an outcome");
        assert!(matches!(outcome, Recorded::NotForOthers), "{outcome:?}");
        put_member(&mut desk, library, me, "2026-11-21").await;
        let outcome = write_down(&app.app, &access, late, place, &draft).await.expect("an outcome");
        assert!(matches!(outcome, Recorded::Now(_)), "{outcome:?}");
        // What was written stays.
        let listed: Value = desk.get(&format!("/v1/activities?party_id={rose}")).await.expect("a list");
        assert_eq!(listed["items"].as_array().expect("items").len(), 3);
        app.judge().await;
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_a_member_of_a_hub_writes_for_others_needs_another_word_than_theirs(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let rose = without_phone(&mut desk, "Rose").await;
        let library = party(&mut desk, "organisation").await;
        let me = asha.party;
        is_hub(&mut desk, library, true).await;
        put_member(&mut desk, library, me, "2026-11-01").await;
        let hers = with(&hours(asha.uuid(), &rose, 30), json!({ "on_behalf_of": rose }));
        for (more, pointer) in [
            (json!({ "confirms": bo.uuid() }), "/items/0/confirms"),
            (json!({ "parties": [{ "party_id": rose, "minutes": 30 }, { "party_id": me, "minutes": 5 }] }), "/items/0/parties/1"),
        ] {
            let refused = record(&mut asha, &with(&hers, more)).await;
            assert_eq!((&refused["status"], &refused["errors"]), (&json!(422), &json!([{ "pointer": pointer, "code": "not_here" }])));
        }
        assert_eq!(record(&mut asha, &hers).await["status"], 201);
        let word = |id: Uuid| json!({ "id": id, "kind": "hours", "day": "2026-11-20", "confirms": hers["id"] });
        for (phone, minutes) in [(&mut asha, 0), (&mut bo, 30)] {
            let word = word(phone.uuid());
            assert_eq!(record(phone, &word).await["status"], 201);
            app.judge().await;
            assert_eq!(balance(&mut desk, &rose).await, minutes);
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_became_of_a_record_is_not_told_to_whoever_sends_it_again_on_behalf_of_somebody(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let rose = without_phone(&mut desk, "Rose").await;
        let library = party(&mut desk, "organisation").await;
        is_hub(&mut desk, library, true).await;
        for member in [asha.party, bo.party] {
            put_member(&mut desk, library, member, "2026-11-01").await;
        }
        let item = with(&hours(asha.uuid(), &rose, 45), json!({ "on_behalf_of": rose }));
        let made = record(&mut asha, &item).await;
        assert_eq!(made["activity"]["party_id"], json!(rose), "{made}");
        let invited = json!({ "id": desk.uuid(), "party_id": rose });
        let invited: Value = desk.post("/v1/invitations", &invited).await.expect("an invitation");
        let mut phone = app.new_phone("Rose");
        phone.enrol(invited["token"].as_str().expect("a token")).await.expect("enrolled");
        let edit = json!({ "change_id": phone.uuid(), "base_version": made["activity"]["version"], "set": { "note": "Alone" } });
        let edited = patch(&mut phone, item["id"].as_str().and_then(|id| id.parse().ok()).expect("an id"), &edit).await;
        assert_eq!(edited["note"], "Alone", "{edited}");
        // Who wrote it down hears that it is there, and no more; another member of the hub not even that.
        let again = record(&mut asha, &item).await;
        assert_eq!((&again["status"], again.get("activity")), (&json!(200), None), "{again}");
        assert_eq!(record(&mut bo, &item).await["code"], "id_reused");
        assert_eq!(record(&mut desk, &item).await["activity"]["note"], "Alone", "a coordinator may read it");
        // What she wrote herself is nobody's to guess.
        let own = hours(phone.uuid(), &rose, 20);
        assert_eq!(record(&mut phone, &own).await["status"], 201);
        assert_eq!(record(&mut phone, &own).await["activity"]["id"], own["id"]);
        let guessed = record(&mut asha, &with(&own, json!({ "on_behalf_of": rose }))).await;
        assert_eq!((&guessed["code"], guessed.get("activity")), (&json!("id_reused"), None), "{guessed}");
    }
}

both! {
    async fn coordinators_alone_make_a_hub_and_only_of_a_group_or_an_organisation(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let library = party(&mut desk, "organisation").await;
        let path = |of: &str, role: &str| format!("/v1/parties/{of}/roles/{role}");
        let (hub, of_rose) = (path(&library.to_string(), "hub"), path(&rose, "hub"));
        assert_eq!(asked(&mut asha, Method::PUT, &hub, "").await, Some((403, "insufficient_scope".to_owned())));
        assert_eq!(asked(&mut desk, Method::PUT, &of_rose, "").await, Some((409, "not_a_group".to_owned())));
        let coordinates = path(&library.to_string(), "coordinator");
        assert_eq!(asked(&mut desk, Method::PUT, &coordinates, "").await, Some((409, "not_residents".to_owned())));
        let roles = async |desk: &mut TestPhone| {
            let seen: Value = desk.get(&format!("/v1/parties/{library}")).await.expect("the library");
            (seen["roles"].clone(), seen["revision"].as_i64().expect("a revision"))
        };
        for _ in 0..2 {
            is_hub(&mut desk, library, true).await;
        }
        assert_eq!(roles(&mut desk).await, (json!(["hub"]), 2));
        // A hub coordinates nothing: of coordinators there is one, and has to be.
        let own = path(&desk.party.to_string(), "coordinator");
        assert_eq!(asked(&mut desk, Method::DELETE, &own, "").await, Some((409, "last_coordinator".to_owned())));
        for _ in 0..2 {
            is_hub(&mut desk, library, false).await;
        }
        assert_eq!(roles(&mut desk).await, (Value::Null, 3));
        let entries: Value = desk.get("/v1/journal/entries?limit=200").await.expect("entries");
        let kinds = entries["items"].as_array().expect("items").iter().map(|entry| entry["kind"].as_str().expect("a kind"));
        let kinds: Vec<&str> = kinds.filter(|kind| kind.starts_with("role_")).collect();
        assert_eq!(kinds, ["role_given", "role_taken"], "each once");
        rebuilt_is_live(&app).await;
    }
}
