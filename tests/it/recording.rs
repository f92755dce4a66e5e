//! Stories of apps without Automerge: what they record as JSON is a change like a phone's.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::limits::{BATCH_ITEMS_MAX, GRANT_BYTES_BURST};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::floods::grant;
use crate::support::app::activity;
use crate::support::desk::{balance, group, post, rebuilt_is_live, told};
use crate::support::{TestApp, both};

const SCOPES: &str = "activities:read activities:write places:exact";
const DAY: &str = "2026-11-20";

/// Sends items: status, and the outcomes or the problem.
async fn send(app: &TestApp, token: &str, items: &[Value]) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "items": items }).to_string();
    let (status, answer) = app.request(Method::POST, "/v1/activities", &headers, body).await;
    (status.as_u16(), answer)
}

/// One item's outcome.
async fn record(app: &TestApp, token: &str, item: &Value) -> Value {
    let (status, answer) = send(app, token, std::slice::from_ref(item)).await;
    assert_eq!(status, 200, "{answer}");
    answer["items"][0].clone()
}

fn everything(id: ActivityId, me: PartyId) -> Value {
    json!({
        "id": id, "kind": "litter_pick", "day": DAY, "started_at": "2026-11-20T10:00:00.000Z",
        "minutes_source": "clocked", "phase": "delivery", "note": "Beide Ufer, ü 👪",
        "parties": [{ "party_id": me, "minutes": 90 }], "people": 2, "person_minutes": 180,
        "tallies": [{ "item": "smoking.butts", "count": 12 }, { "item": "drink.can", "seen": true, "count": 3 }],
        "bags": 2, "weight_g": 9_000, "place": { "lat": 52.456, "lon": -1.89, "accuracy_m": 8.0 },
        "place_id": "canal", "grade": { "before": "D", "after": "B" },
        "repair": { "product": "bench", "year": 1999, "age_years": 27.5 },
        "street": { "service_code": "bench" }, "source": { "provider": "app", "id": "1" },
        "photos": [{ "sha256": "ab".repeat(32), "taken_at": "2026-11-20T10:10:00.000Z" }],
        "programme": "parks", "action": "autumn",
    })
}

both! {
    async fn numbers_are_taken_to_their_last_digit(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, SCOPES).await;
        let lat = |number: u32| 52.0 + f64::from(number) / 7_000.0;
        let at = |number: u32| json!({ "id": app.app.uuid(), "kind": "hours", "day": DAY,
            "place": { "lat": lat(number), "lon": -1.0 / f64::from(number + 3) } });
        let items: Vec<Value> = (0..100).map(at).collect();
        let (_, answer) = send(&app, &token, &items).await;
        for (item, outcome) in items.iter().zip(answer["items"].as_array().expect("outcomes")) {
            assert_eq!(outcome["activity"]["place"], item["place"], "{outcome}");
        }
        // A whole number may be written as a float: too many people they are, but whole ones.
        let many = json!({ "id": app.app.uuid(), "kind": "hours", "day": DAY, "people": 2_251_799_813_685_247.0 });
        assert_eq!(record(&app, &token, &many).await["errors"][0]["code"], "out_of_range");
    }
}

both! {
    async fn what_an_app_records_is_judged_and_reaches_the_phones(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, SCOPES).await;
        let (me, id) = (asha.party, ActivityId(app.app.uuid()));
        let item = everything(id, me);
        let outcome = record(&app, &token, &item).await;
        assert_eq!((&outcome["status"], &outcome["id"]), (&json!(201), &json!(id)), "{outcome}");
        let seen = &outcome["activity"];
        assert_eq!((&seen["daybook_id"], &seen["review"]), (&json!(asha.own), &json!("received")));
        // It is all there, in the words it was sent in.
        for field in ["kind", "day", "started_at", "note", "parties", "people", "person_minutes", "bags", "weight_g",
            "place", "place_id", "grade", "repair", "street", "source", "programme", "action", "minutes_source"] {
            assert_eq!(seen[field], item[field], "{field}: {seen}");
        }
        assert_eq!((&seen["unknown"], &seen["unreadable_fields"]), (&json!({}), &json!({})));
        let counts: Vec<(&str, i64)> = seen["tallies"].as_array().expect("tallies").iter()
            .filter_map(|tally| Some((tally["item"].as_str()?, tally["count"].as_i64()?))).collect();
        assert_eq!(counts, [("bags", 2), ("drink.can", 3), ("smoking.butts", 12), ("weight_g", 9_000)]);
        assert_eq!(seen["photos"][0]["taken_at"], "2026-11-20T10:10:00.000Z");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(90), ""));
        assert_eq!(balance(&mut asha, me).await, 90);
        // A phone goes on in it, as in its own.
        asha.edit(id, |a| { a.note_more(" And the towpath."); a.count("bags", 1); }).expect("edited");
        post(&app, &mut asha).await;
        let now = activity(&mut asha, id).await;
        assert_eq!((&now["note"], &now["bags"]), (&json!("Beide Ufer, ü 👪 And the towpath."), &json!(3)));
        assert_eq!(now["conflicts"], json!([]));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn sending_again_changes_nothing_and_another_content_is_another_record(app: TestApp) {
        let replica = app.another_replica().await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let token = app.personal_token(&mut asha, SCOPES).await;
        let stranger = app.personal_token(&mut bo, SCOPES).await;
        let (me, id) = (asha.party, ActivityId(app.app.uuid()));
        let item = everything(id, me);
        assert_eq!(record(&app, &token, &item).await["status"], 201);
        let again = record(&replica, &token, &item).await;
        assert_eq!((&again["status"], &again["activity"]["version"]), (&json!(200), &json!(activity(&mut asha, id).await["version"])));
        let mut other = item.clone();
        other["note"] = json!("Something else.");
        for (token, item) in [(&token, &other), (&stranger, &item)] {
            let outcome = record(&app, token, item).await;
            assert_eq!((&outcome["status"], &outcome["code"]), (&json!(409), &json!("id_reused")), "{outcome}");
            assert_eq!(outcome["activity"], Value::Null, "it is nobody else's to see");
        }
        // What a phone did meanwhile does not make a retry another record.
        asha.sync().await.expect("synced");
        asha.edit(id, |a| { a.minutes(me, 60); }).expect("edited");
        post(&app, &mut asha).await;
        let late = record(&app, &token, &item).await;
        assert_eq!((&late["status"], &late["activity"]["parties"][0]["minutes"]), (&json!(200), &json!(60)));
        // Two at once are one.
        let twice = everything(ActivityId(app.app.uuid()), me);
        let (one, two) = tokio::join!(record(&app, &token, &twice), record(&replica, &token, &twice));
        assert!([&one, &two].iter().any(|outcome| outcome["status"] == 201), "{one} {two}");
        let versions: Value = asha.get(&format!("/v1/activities/{}/versions", twice["id"].as_str().expect("an id"))).await.expect("versions");
        assert_eq!(versions["items"].as_array().map(Vec::len), Some(1));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_does_not_fit_is_named_and_holds_up_no_other_item(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, SCOPES).await;
        let id = || ActivityId(app.app.uuid());
        let good = json!({ "id": id(), "kind": "hours", "day": DAY });
        let bad = json!({
            "id": id(), "kind": "hours", "day": "2026-11-31", "note": "x".repeat(2_001),
            "parties": [{ "party_id": asha.party, "minutes": 1_441 }, { "party_id": asha.party, "minutes": 5 }, { "party_id": asha.party, "minutes": 6 }],
            "tallies": [{ "item": "a#b", "count": 1 }, { "item": "drink.can", "count": -1 }],
            "photos": [{ "sha256": "AB", "taken_at": "2026-11-20T10:00:00Z" }], "grade": { "before": "E" },
        });
        let (status, answer) = send(&app, &token, &[bad, good]).await;
        assert_eq!(status, 200, "{answer}");
        let (bad, good) = (&answer["items"][0], &answer["items"][1]);
        assert_eq!((&bad["status"], &bad["code"], &good["status"]), (&json!(422), &json!("field_invalid"), &json!(201)), "{answer}");
        let errors: Vec<(&str, &str)> = bad["errors"].as_array().expect("errors").iter()
            .filter_map(|one| Some((one["pointer"].as_str()?, one["code"].as_str()?))).collect();
        let expected = [
            ("/items/0/day", "out_of_range"),
            ("/items/0/note", "too_long"),
            ("/items/0/parties/0/minutes", "out_of_range"),
            ("/items/0/parties/2/party_id", "twice"),
            ("/items/0/tallies/0/item", "name"),
            ("/items/0/tallies/1/count", "out_of_range"),
            ("/items/0/photos/0/sha256", "name"),
            ("/items/0/grade/before", "out_of_range"),
        ];
        assert_eq!(errors, expected);
        let detail = "At /items/0/day: expected a day that exists, as 2026-11-21. 7 more fields do not fit: see errors.";
        assert_eq!(bad["detail"], detail);
        // One by one: what is wanted, in words and numbers.
        let wanted = [
            ("note", json!("x".repeat(2_001)), "/note: expected a text of at most 2,000 characters, without NUL."),
            ("parties", json!([{ "party_id": asha.party, "minutes": 1_441 }]), "/parties/0/minutes: expected a whole number from 0 to 1,440."),
            ("place", json!({ "lat": 90.5, "lon": 1 }), "/place/lat: expected a number from -90 to 90."),
            ("place", json!({ "lat": 9, "lon": 1, "accuracy_m": -1 }), "/place/accuracy_m: expected a number of 0 or more."),
            ("tallies", json!([{ "item": "butts", "count": 1 }]), "/tallies/0/item: expected two or three words joined by dots, of letters, digits, _ and -, as smoking.butts, of at most 100 characters."),
            ("photos", json!([{ "sha256": "AB", "taken_at": "2026-11-20T10:00:00Z" }]), "/photos/0/sha256: expected 64 lower-case hexadecimal digits, the SHA-256 of the photo."),
            ("grade", json!({ "before": "E" }), "/grade/before: expected one of A, B, C, D."),
        ];
        for (field, value, says) in wanted {
            let mut item = json!({ "id": id(), "kind": "hours", "day": DAY });
            item[field] = value;
            assert_eq!(record(&app, &token, &item).await["detail"], format!("At /items/0{says}"));
        }
        // As a whole: too many, none, and what nobody knows.
        let many = |count: usize| vec![json!({ "id": app.app.uuid(), "kind": "hours", "day": DAY }); count];
        let (status, answer) = send(&app, &token, &many(BATCH_ITEMS_MAX)).await;
        assert_eq!((status, answer["items"].as_array().map(Vec::len)), (200, Some(BATCH_ITEMS_MAX)));
        for items in [many(BATCH_ITEMS_MAX + 1), Vec::new()] {
            assert_eq!(send(&app, &token, &items).await.1["errors"][0]["pointer"], "/items");
        }
        for field in ["weather", "parties/0/hours"] {
            let mut item = json!({ "id": app.app.uuid(), "kind": "hours", "day": DAY, "parties": [{ "party_id": asha.party, "minutes": 5 }] });
            match field {
                "weather" => item["weather"] = json!("rain"),
                _ => item["parties"][0]["hours"] = json!(1),
            }
            let (status, problem) = send(&app, &token, &[item]).await;
            assert_eq!((status, problem["code"].as_str()), (422, Some("field_invalid")), "{problem}");
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn it_is_written_in_ones_own_daybook_or_a_groups_and_in_nobody_elses(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let token = app.personal_token(&mut asha, SCOPES).await;
        let (_, book) = group(&mut desk, &mut asha, &[]).await;
        let item = |book: Value| json!({ "id": app.app.uuid(), "daybook_id": book, "kind": "hours", "day": DAY });
        let of_group = record(&app, &token, &item(json!(book))).await;
        assert_eq!((&of_group["status"], &of_group["activity"]["daybook_id"]), (&json!(201), &json!(book)), "{of_group}");
        for book in [json!(bo.own), json!(app.app.uuid())] {
            let outcome = record(&app, &token, &item(book)).await;
            assert_eq!((&outcome["status"], &outcome["code"]), (&json!(404), &json!("not_found")), "{outcome}");
        }
        // Without the scope nothing at all.
        let reader = app.personal_token(&mut bo, "activities:read").await;
        assert_eq!(send(&app, &reader, &[item(json!(bo.own))]).await.0, 403);
        // A record that a phone has brought keeps its id.
        let known = bo.record(Kind::Hours, DAY, |_| ()).expect("recorded");
        post(&app, &mut bo).await;
        let outcome = record(&app, &token, &json!({ "id": known, "kind": "hours", "day": DAY })).await;
        assert_eq!((&outcome["status"], &outcome["code"]), (&json!(409), &json!("id_reused")));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn where_a_grant_has_spent_its_budget_the_rest_of_a_batch_waits_and_is_sent_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let item = || json!({ "id": app.app.uuid(), "kind": "hours", "day": DAY });
        let budget = app.app.budget(grant(&app, &asha).await);
        // Enough for the first, and not for two.
        budget.lock().expect("whole").spend(GRANT_BYTES_BURST - 600, app.app.now_ms());
        let body = json!({ "items": [item(), item()] });
        let answer: Value = asha.post("/v1/activities", &body).await.expect("outcomes");
        let said = |at: usize| (answer["items"][at]["status"].clone(), answer["items"][at]["code"].clone());
        assert_eq!((said(0), said(1)), ((json!(201), Value::Null), (json!(429), json!("rate_limited"))), "{answer}");
        assert!(answer["items"][1]["retry_after_s"].as_u64().is_some_and(|wait| (1..=60).contains(&wait)), "{answer}");
        app.pass(60_000);
        let answer: Value = asha.post("/v1/activities", &body).await.expect("outcomes");
        assert_eq!((&answer["items"][0]["status"], &answer["items"][1]["status"]), (&json!(200), &json!(201)), "{answer}");
    }
}

both! {
    async fn of_two_contents_under_one_name_at_once_one_is_written(app: TestApp) {
        let replica = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, SCOPES).await;
        let said = |one: &Value, other: &Value| {
            let mut both = [one["status"].as_u64(), other["status"].as_u64()];
            both.sort_unstable();
            both
        };
        for _ in 0..5 {
            let (id, change_id) = (app.app.uuid(), app.app.uuid());
            let item = |note: &str| json!({ "id": id, "kind": "hours", "day": DAY, "note": note });
            let (x, y) = (item("x"), item("y"));
            let (one, other) = tokio::join!(record(&app, &token, &x), record(&replica, &token, &y));
            assert_eq!(said(&one, &other), [Some(201), Some(409)], "{one} {other}");
            let first = if one["status"] == 201 { x } else { y };
            let (one, other) = tokio::join!(record(&app, &token, &first), record(&replica, &token, &first));
            assert_eq!(said(&one, &other), [Some(200), Some(200)], "{one} {other}");

            let version = activity(&mut asha, ActivityId(id)).await["version"].clone();
            let bearer = format!("Bearer {token}");
            let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
            let path = format!("/v1/activities/{id}");
            let edit = |note: &str| json!({ "change_id": change_id, "base_version": version, "set": { "note": note } }).to_string();
            let (one, other) = tokio::join!(
                app.request(Method::PATCH, &path, &headers, edit("a")),
                replica.request(Method::PATCH, &path, &headers, edit("b")),
            );
            let statuses = std::collections::BTreeSet::from([one.0.as_u16(), other.0.as_u16()]);
            assert_eq!(statuses, [200, 409].into(), "{} {}", one.1, other.1);
            let seen = activity(&mut asha, ActivityId(id)).await;
            assert_eq!((&seen["conflict"], seen["version"].as_str().map(|text| &text[..2])), (&json!("none"), Some("2-")), "{seen}");
        }
        rebuilt_is_live(&app).await;
    }
}
