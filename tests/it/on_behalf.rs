//! Stories of people who have no phone, and of those who write down for them.

use axum::http::Method;
use daybook::phone::PhoneError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::desk::{balance, rebuilt_is_live, rules};
use crate::support::{TestPhone, both};

/// An item for hours of a party on a day.
fn hours(id: Uuid, party: impl std::fmt::Display, minutes: i64) -> Value {
    json!({ "id": id, "kind": "hours", "day": "2026-11-20",
        "parties": [{ "party_id": party.to_string(), "minutes": minutes }] })
}

fn with(item: &Value, more: Value) -> Value {
    let mut item = item.clone();
    item.as_object_mut().expect("an item").extend(more.as_object().expect("fields").clone());
    item
}

async fn record(phone: &mut TestPhone, item: &Value) -> Value {
    let answer: Result<Value, PhoneError> = phone.post("/v1/activities", &json!({ "items": [item] })).await;
    answer.expect("an answer")["items"][0].clone()
}

/// Somebody whom the desk knows, who has no phone.
async fn without_phone(desk: &mut TestPhone, name: &str) -> String {
    let body = json!({ "id": desk.uuid(), "name": name, "kind": "resident", "sector": "resident" });
    let made: Value = desk.post("/v1/parties", &body).await.expect("a party");
    made["id"].as_str().expect("an id").to_owned()
}

both! {
    async fn who_has_no_phone_is_written_down_for_and_both_names_are_kept(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let rose = without_phone(&mut desk, "Rose").await;
        rules(&mut desk, json!({ "mode": "auto", "audit_percent": 0 })).await;
        let item = with(&hours(desk.uuid(), &rose, 45), json!({ "on_behalf_of": rose }));
        let made = record(&mut desk, &item).await;
        assert_eq!(made["status"], 201, "{made}");
        let activity = &made["activity"];
        assert_eq!((&activity["party_id"], &activity["recorded_by"]), (&json!(rose), &json!(desk.party.to_string())));
        app.judge().await;
        assert_eq!(balance(&mut desk, &rose).await, 45);
        // Sent again it is the same; with other content it is something else.
        assert_eq!(record(&mut desk, &item).await["status"], 200);
        let other = with(&item, json!({ "note": "another" }));
        assert_eq!(record(&mut desk, &other).await["code"], "id_reused");
        let own = with(&hours(desk.uuid(), desk.party, 5), json!({}));
        assert!(record(&mut desk, &own).await["activity"].get("recorded_by").is_none());
        // All hers is in one daybook.
        let second = with(&hours(desk.uuid(), &rose, 5), json!({ "on_behalf_of": rose, "day": "2026-11-19" }));
        let second = record(&mut desk, &second).await;
        assert_eq!(second["activity"]["daybook_id"], activity["daybook_id"]);
        let listed: Value = desk.get(&format!("/v1/activities?party_id={rose}")).await.expect("a list");
        let names: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|one| &one["recorded_by"]).collect();
        assert_eq!(names, [&json!(desk.party.to_string()); 2]);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn who_gets_a_phone_later_has_it_all_in_their_daybook(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let id = desk.uuid();
        let item = with(&hours(id, &rose, 45), json!({ "on_behalf_of": rose }));
        assert_eq!(record(&mut desk, &item).await["status"], 201);
        let invited = json!({ "id": desk.uuid(), "party_id": rose });
        let invited: Value = desk.post("/v1/invitations", &invited).await.expect("an invitation");
        let mut phone = app.new_phone("Rose");
        phone.enrol(invited["token"].as_str().expect("a token")).await.expect("enrolled");
        let listed: Value = phone.get("/v1/activities").await.expect("her list");
        assert_eq!(listed["items"][0]["id"], json!(id), "{listed}");
        let edit = json!({ "change_id": phone.uuid(), "base_version": listed["items"][0]["version"], "set": { "note": "In the garden" } });
        let path = format!("/v1/activities/{id}");
    let answer = phone.request(Method::PATCH, &path, "application/json", edit.to_string().into_bytes()).await;
    let edited: Value = serde_json::from_slice(answer.expect("edited").body()).expect("JSON");
        assert_eq!((&edited["note"], &edited["recorded_by"]), (&json!("In the garden"), &json!(desk.party.to_string())));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn nobody_confirms_or_counts_themselves_in_for_somebody_else(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let item = with(&hours(desk.uuid(), &rose, 45), json!({ "on_behalf_of": rose }));
        assert_eq!(record(&mut asha, &item).await["code"], "insufficient_scope");
        let confirming = with(&item, json!({ "confirms": desk.uuid() }));
        let refused = record(&mut desk, &confirming).await;
        assert_eq!((&refused["status"], &refused["errors"][0]), (&json!(422), &json!({ "pointer": "/items/0/confirms", "code": "not_here" })));
        let own = with(&hours(desk.uuid(), desk.party, 45), json!({ "on_behalf_of": rose }));
        assert_eq!(record(&mut desk, &own).await["errors"][0]["pointer"], "/items/0/parties/0");
        let nobody = with(&item, json!({ "on_behalf_of": desk.uuid() }));
        assert_eq!(record(&mut desk, &nobody).await["status"], 404);
        let elsewhere = with(&item, json!({ "daybook_id": asha.own }));
        assert_eq!(record(&mut desk, &elsewhere).await["status"], 404);
        assert_eq!(record(&mut desk, &item).await["status"], 201);
    }
}
