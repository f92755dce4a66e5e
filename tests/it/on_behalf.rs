//! Stories of people who have no phone, and of those who write down for them.

use axum::http::Method;
use daybook::phone::PhoneError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::desk::{balance, group, rebuilt_is_live, rules};
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

/// The activity after an edit, or what stands against it.
async fn patch(phone: &mut TestPhone, id: Uuid, edit: &Value) -> Value {
    let path = format!("/v1/activities/{id}");
    match phone.request(Method::PATCH, &path, "application/json", edit.to_string().into_bytes()).await {
        Ok(answer) => serde_json::from_slice(answer.body()).expect("JSON"),
        Err(PhoneError::Refused { code, .. }) => json!({ "code": code }),
        Err(error) => panic!("not an answer of the server: {error}"),
    }
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
    async fn a_coordinator_alone_writes_for_somebody_whom_the_neighbourhood_knows(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let item = with(&hours(desk.uuid(), &rose, 45), json!({ "on_behalf_of": rose }));
        assert_eq!(record(&mut asha, &item).await["code"], "insufficient_scope");
        let (friends, _) = group(&mut desk, &mut asha, &[]).await;
        for nobody in [json!(desk.uuid()), json!(friends)] {
            let answer = record(&mut desk, &with(&item, json!({ "on_behalf_of": nobody }))).await;
            assert_eq!((&answer["status"], &answer["code"]), (&json!(404), &json!("not_found")), "{answer}");
        }
        let elsewhere = record(&mut desk, &with(&item, json!({ "daybook_id": asha.own }))).await;
        assert_eq!(elsewhere["status"], 404, "{elsewhere}");
        assert_eq!(record(&mut desk, &item).await["status"], 201);
        assert_eq!(record(&mut desk, &with(&item, json!({ "on_behalf_of": null }))).await["code"], "id_reused");
    }
}

both! {
    async fn who_wrote_it_down_may_mend_it_while_a_coordinator_and_nobody_else(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut other = app.coordinator("Em").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let id = desk.uuid();
        let item = with(&hours(id, &rose, 45), json!({ "on_behalf_of": rose }));
        let made = record(&mut desk, &item).await;
        let edit = |phone: &mut TestPhone| json!({ "change_id": phone.uuid(), "base_version": made["activity"]["version"], "set": { "note": "Weeding" } });
        let (theirs, own) = (edit(&mut other), edit(&mut desk));
        assert_eq!(patch(&mut other, id, &theirs).await["code"], "not_found");
        assert_eq!(patch(&mut desk, id, &own).await["note"], "Weeding");
        daybook::store::aliases::end_roles(app.app.db().writer(), app.neighbourhood, desk.party).await.expect("ended");
        app.app.forget_access();
        assert_eq!(patch(&mut desk, id, &edit(&mut other)).await["code"], "not_found");
    }
}

both! {
    async fn nobody_vouches_for_themselves_through_anothers_daybook(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let rose = without_phone(&mut desk, "Rose").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let dee = desk.party;
        // Her own hours, and a word for them that only seems to be Rose's.
        let own = hours(desk.uuid(), dee, 60);
        assert_eq!(record(&mut desk, &own).await["status"], 201);
        let word = json!({ "id": desk.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": own["id"], "on_behalf_of": rose });
        assert_eq!(record(&mut desk, &word).await["status"], 201);
        // Her own hours in Rose's daybook, with a minute for another, and her own word for them.
        let mine = with(&hours(desk.uuid(), desk.party, 60), json!({ "on_behalf_of": rose, "day": "2026-11-18" }));
        let mine = with(&mine, json!({ "parties": [mine["parties"][0], { "party_id": asha.party, "minutes": 1 }] }));
        assert_eq!(record(&mut desk, &mine).await["status"], 201);
        let word = json!({ "id": desk.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": mine["id"] });
        assert_eq!(record(&mut desk, &word).await["status"], 201);
        app.judge().await;
        assert_eq!(balance(&mut desk, dee).await, 0);
        // Somebody else's word counts for what was written on behalf.
        let hers = with(&hours(desk.uuid(), &rose, 30), json!({ "on_behalf_of": rose, "day": "2026-11-17" }));
        assert_eq!(record(&mut desk, &hers).await["status"], 201);
        let word = json!({ "id": asha.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": hers["id"] });
        assert_eq!(record(&mut asha, &word).await["status"], 201);
        app.judge().await;
        assert_eq!((balance(&mut desk, &rose).await, balance(&mut desk, dee).await), (30, 0));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_member_vouches_for_nothing_that_they_wrote_in_their_groups_daybook(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let (_, book) = group(&mut desk, &mut asha, &[bo.party]).await;
        let (a, b) = (asha.party, bo.party);
        let parties = json!([{ "party_id": asha.party, "minutes": 60 }, { "party_id": bo.party, "minutes": 1 }]);
        let item = with(&hours(asha.uuid(), asha.party, 60), json!({ "daybook_id": book, "parties": parties }));
        assert_eq!(record(&mut asha, &item).await["status"], 201);
        let word = |id: Uuid| json!({ "id": id, "kind": "hours", "day": "2026-11-20", "confirms": item["id"] });
        let own = word(asha.uuid());
        assert_eq!(record(&mut asha, &own).await["status"], 201);
        app.judge().await;
        assert_eq!(balance(&mut desk, a).await, 0);
        let theirs = word(bo.uuid());
        assert_eq!(record(&mut bo, &theirs).await["status"], 201);
        app.judge().await;
        assert_eq!((balance(&mut desk, a).await, balance(&mut desk, b).await), (60, 1));
        rebuilt_is_live(&app).await;
    }
}
