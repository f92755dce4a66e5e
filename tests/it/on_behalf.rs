//! Stories of people who have no phone, and of those who write down for them.

mod hubs;

use axum::http::Method;
use daybook::api::sync::OutcomeKind;
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::phone::PhoneError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::desk::{balance, change, entered, group, rebuilt_is_live, rules};
use crate::support::{TestPhone, both};
use crate::wire;

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
    entered(desk, "resident", name).await.to_string()
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
    async fn what_is_written_down_for_somebody_is_theirs_to_edit_and_to_take_back(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let rose = without_phone(&mut desk, "Rose").await;
        let id = desk.uuid();
        let item = with(&hours(id, &rose, 45), json!({ "on_behalf_of": rose }));
        let made = record(&mut desk, &item).await;
        let edit = json!({ "change_id": desk.uuid(), "base_version": made["activity"]["version"], "set": { "withdrawn": true } });
        assert_eq!(patch(&mut desk, id, &edit).await["code"], "not_found");
        // A retry is answered whoever knows Rose by then; what is new is not taken.
        let path = format!("/v1/parties/{rose}");
        let seen: Value = desk.get(&path).await.expect("Rose");
        let etag = seen["etag"].as_str().expect("a tag").to_owned();
        change(&mut desk, &path, &etag, &json!({ "known": false })).await.expect("not known");
        assert_eq!(record(&mut desk, &item).await["status"], 200);
        assert_eq!(record(&mut desk, &with(&item, json!({ "id": app.app.uuid() }))).await["status"], 404);
    }
}

both! {
    async fn nobody_counts_themselves_in_or_confirms_on_behalf_of_somebody(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let dee = desk.party;
        let rose = without_phone(&mut desk, "Rose").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let hers = with(&hours(desk.uuid(), &rose, 30), json!({ "on_behalf_of": rose }));
        for (more, pointer) in [
            (json!({ "confirms": asha.uuid() }), "/items/0/confirms"),
            (json!({ "parties": [{ "party_id": rose, "minutes": 30 }, { "party_id": dee, "minutes": 5 }] }), "/items/0/parties/1"),
        ] {
            let refused = record(&mut desk, &with(&hers, more)).await;
            assert_eq!((&refused["status"], &refused["errors"]), (&json!(422), &json!([{ "pointer": pointer, "code": "not_here" }])));
        }
        assert_eq!(record(&mut desk, &hers).await["status"], 201);
        // Who wrote it down is nobody else, and somebody else is.
        let word = |id: Uuid| json!({ "id": id, "kind": "hours", "day": "2026-11-20", "confirms": hers["id"] });
        let own = word(desk.uuid());
        assert_eq!(record(&mut desk, &own).await["status"], 201);
        app.judge().await;
        assert_eq!(balance(&mut desk, &rose).await, 0);
        let theirs = word(asha.uuid());
        assert_eq!(record(&mut asha, &theirs).await["status"], 201);
        app.judge().await;
        assert_eq!((balance(&mut desk, &rose).await, balance(&mut desk, dee).await), (30, 0));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_word_counts_for_what_there_was_when_it_was_written(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let (a, b) = (asha.party, bo.party);
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        // Raised right after the word for it, before it is judged; and lowered.
        for (day, minutes, approved) in [("2026-11-18", 480, false), ("2026-11-17", 20, true)] {
            let item = with(&hours(asha.uuid(), a, 30), json!({ "day": day }));
            let made = record(&mut asha, &item).await;
            app.pass(2_000);
            let word = json!({ "id": bo.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": item["id"] });
            assert_eq!(record(&mut bo, &word).await["status"], 201);
            app.pass(2_000);
            let id = item["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
            let edit = json!({ "change_id": asha.uuid(), "base_version": made["activity"]["version"], "set": { (format!("parties.{a}")): minutes } });
            let edited = patch(&mut asha, id, &edit).await;
            assert_eq!(edited["parties"][0]["minutes"], minutes, "{edited}");
            app.judge().await;
            let expected = if approved { "approved" } else { "received" };
            assert_eq!(patch(&mut asha, id, &edit).await["review"], expected);
            // Who saw it as it is now may say so.
            if !approved {
                let word = json!({ "id": desk.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": item["id"] });
                assert_eq!(record(&mut desk, &word).await["status"], 201);
                app.judge().await;
                assert_eq!(patch(&mut asha, id, &edit).await["review"], "approved");
            }
        }
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (500, 0));
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

both! {
    async fn whose_change_came_in_with_anothers_push_wrote_it_too(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let (_, book) = group(&mut desk, &mut asha, &[bo.party]).await;
        let (a, b, id) = (asha.party, bo.party, ActivityId(asha.uuid()));
        for phone in [&mut asha, &mut bo] {
            let held = phone.book(book).unsent().len();
            phone.sync().await.expect("synced");
            assert_eq!(held, 0, "nothing of its own yet");
        }
        asha.edit_in(book, id, |r| _ = r.kind(Kind::Hours).day("2026-11-20").minutes(a, 1).minutes(b, 10)).expect("recorded");
        let first = wire::unsent_in(&mut asha, book);
        // From phone to phone; Bo raises what is his, and pushes it before the server has what it builds on.
        bo.book(book).apply(&first).expect("taken");
        bo.edit_in(book, id, |r| _ = r.minutes(b, 470)).expect("edited");
        let mine = wire::unsent_in(&mut bo, book).pop().expect("a change");
        let answer = wire::send_changes(&mut bo, book, &[mine]).await;
        assert_eq!(wire::outcomes(&answer)[0].0, OutcomeKind::Held);
        asha.edit_in(book, id, |r| _ = r.note("By the canal")).expect("edited");
        let all = wire::unsent_in(&mut asha, book);
        wire::send_changes(&mut asha, book, &all).await;
        let word = json!({ "id": bo.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": id });
        assert_eq!(record(&mut bo, &word).await["status"], 201);
        app.judge().await;
        assert_eq!((balance(&mut desk, a).await, balance(&mut desk, b).await), (0, 0), "nobody else saw 470");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_word_is_as_old_as_the_version_that_first_says_it(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let (a, older) = (asha.party, json!({ "id": bo.uuid(), "kind": "hours", "day": "2026-11-20" }));
        let said = record(&mut bo, &older).await;
        app.pass(2_000);
        // An old record that confirms from now on what there is now.
        let item = hours(asha.uuid(), a, 30);
        record(&mut asha, &item).await;
        app.pass(2_000);
        let word = json!({ "change_id": bo.uuid(), "base_version": said["activity"]["version"], "set": { "confirms": item["id"] } });
        let id = older["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
        assert_eq!(patch(&mut bo, id, &word).await["confirms"], item["id"]);
        app.judge().await;
        assert_eq!(balance(&mut asha, a).await, 30);
        // A word for what nobody has written yet is for nothing.
        let next = with(&hours(asha.uuid(), a, 300), json!({ "day": "2026-11-18" }));
        let early = json!({ "id": bo.uuid(), "kind": "hours", "day": "2026-11-20", "confirms": next["id"] });
        assert_eq!(record(&mut bo, &early).await["status"], 201);
        app.pass(2_000);
        record(&mut asha, &next).await;
        app.judge().await;
        assert_eq!(balance(&mut asha, a).await, 30);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn whom_a_record_waits_for_may_be_entered_as_well_as_confirmed(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let mut asha = app.phone("Asha").await;
        let (a, rose) = (asha.party, asha.uuid());
        let parties = json!([{ "party_id": a, "minutes": 60 }, { "party_id": rose, "minutes": 30 }]);
        let item = with(&hours(asha.uuid(), a, 60), json!({ "parties": parties }));
        record(&mut asha, &item).await;
        app.judge().await;
        assert_eq!(balance(&mut asha, a).await, 0, "who is Rose?");
        let body = json!({ "id": rose, "name": "Rose", "kind": "resident", "sector": "resident" });
        let _: Value = desk.post("/v1/parties", &body).await.expect("entered");
        app.judge().await;
        assert_eq!((balance(&mut asha, a).await, balance(&mut desk, rose).await), (60, 30));
    }
}
