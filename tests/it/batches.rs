//! Stories of batches of decisions: an item that does not fit is refused alone, what is decided as one is refused as
//! one, and a preview that is so no more says what changed.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, NeighbourhoodId};
use daybook::domain::limits::REASON_CHARACTERS_MAX;
use daybook::flows::neighbourhoods;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{as_seen, balance, became, decide, item, post, refused, send, undo};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const DAY: &str = "2026-11-20";

/// A record of 30 minutes of the phone's own, and five of somebody whom nobody knows: it waits for a person.
fn waiting(asha: &mut TestPhone, day: &str) -> ActivityId {
    let (me, stranger) = (asha.party, asha.meet("Cy"));
    asha.record(Kind::Hours, day, |a| _ = a.minutes(me, 30).minutes(stranger, 5)).expect("recorded")
}

/// Asha's phone, a coordinator's, a record of hers that waits, and how the coordinator sees it.
async fn one_waiting(app: &TestApp) -> (TestPhone, TestPhone, ActivityId, Value) {
    let (mut asha, mut desk) = (app.phone("Asha").await, app.coordinator("Dee").await);
    let id = waiting(&mut asha, DAY);
    post(app, &mut asha).await;
    let seen = activity(&mut desk, id).await;
    (asha, desk, id, seen)
}

/// What a coordinator's request is answered with: status and body.
async fn asked(app: &TestApp, token: &str, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("authorization", token), ("content-type", "application/json")];
    let (status, answer) = app.request(Method::POST, path, &headers, body.to_string()).await;
    (status.as_u16(), answer)
}

/// The pointers and codes of what does not fit.
fn fields(told: &Value) -> Vec<(&str, &str)> {
    let errors = told["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| Some((error["pointer"].as_str()?, error["code"].as_str()?))).collect()
}

fn outcomes(answer: &Value) -> Vec<(u64, &str)> {
    answer["items"].as_array().expect("outcomes").iter().map(became).collect()
}

both! {
    async fn what_does_not_fit_in_one_item_holds_up_no_other(app: TestApp) {
        let (mut asha, mut desk, _, seen) = one_waiting(&app).await;
        let me = asha.party;
        let mut odd = as_seen(&seen);
        odd["version"] = json!("1");
        type Faults = &'static [(&'static str, &'static str)];
        let unfit: [(&str, Value, Faults); 10] = [
            ("approve", json!({ "version": "3" }), &[("/version", "version")]),
            ("approve", json!({ "members": [as_seen(&seen)] }), &[("/members", "not_here")]),
            ("undo", json!({}), &[("/decision_id", "missing_field")]),
            ("settle", json!({}), &[("/settles", "missing_field")]),
            ("reclassify", json!({ "reason": "Then." }), &[("/reclassification", "missing_field")]),
            ("reject", json!({ "reason": "No\u{0}" }), &[("/reason", "text")]),
            ("reject", json!({ "reason": "x".repeat(REASON_CHARACTERS_MAX + 1) }), &[("/reason", "too_long")]),
            ("merge", json!({ "reason": "One." }), &[("/members", "count")]),
            ("merge", json!({ "reason": "One.", "members": [odd] }), &[("/members/0/version", "version")]),
            ("approve", json!({ "version": "3", "decision_id": app.app.uuid() }), &[("/decision_id", "not_here"), ("/version", "version")]),
        ];
        let mut items: Vec<Value> = unfit.iter().map(|(step, more, _)| item(&mut desk, &seen, step, more)).collect();
        items.push(item(&mut desk, &seen, "approve", &json!({ "reason": "x".repeat(REASON_CHARACTERS_MAX) })));
        let outcomes = send(&mut desk, &items).await;
        for (at, ((step, more, expected), outcome)) in unfit.iter().zip(&outcomes).enumerate() {
            assert_eq!((became(outcome), &outcome["id"]), ((422, "field_invalid"), &items[at]["id"]), "{step} {more}: {outcome}");
            let expected: Vec<(String, &str)> = expected.iter().map(|(pointer, code)| (format!("/items/{at}{pointer}"), *code)).collect();
            assert_eq!(fields(outcome), expected.iter().map(|(pointer, code)| (pointer.as_str(), *code)).collect::<Vec<_>>());
            let detail = outcome["detail"].as_str().expect("words");
            assert!(detail.starts_with(&format!("At {}: ", expected[0].0)), "{detail}");
        }
        assert_eq!(became(&outcomes[unfit.len()]), (201, ""));
        assert_eq!(balance(&mut asha, me).await, 30);
    }
}

both! {
    async fn what_corrects_a_record_in_a_way_that_does_not_fit_is_named_too(app: TestApp) {
        let (_, mut desk, _, seen) = one_waiting(&app).await;
        let total = json!({ "corrections": { "person_minutes": 5 }, "reason": "So." });
        let items = [item(&mut desk, &seen, "keep", &json!({ "reason": "So." })), item(&mut desk, &seen, "approve", &total)];
        let outcomes = send(&mut desk, &items).await;
        assert_eq!((became(&outcomes[0]), fields(&outcomes[0])), ((409, "nothing_posted"), vec![]));
        assert_eq!((became(&outcomes[1]), fields(&outcomes[1])), ((422, "field_invalid"), vec![("/items/1/corrections", "invalid")]));
    }
}

both! {
    async fn an_item_of_another_shape_refuses_the_request_as_a_whole(app: TestApp) {
        let (mut asha, mut desk, _, seen) = one_waiting(&app).await;
        let me = asha.party;
        let good = item(&mut desk, &seen, "approve", &json!({}));
        for (more, pointer) in [
            (json!({ "id": "mine" }), "/items/1/id"),
            (json!({ "colour": "blue" }), "/items/1/colour"),
            (json!({ "step": "bless" }), "/items/1/step"),
        ] {
            let bad = item(&mut desk, &seen, "approve", &more);
            let token = wire::bearer(&app, &mut desk, "reconcile").await;
            for path in ["/v1/decisions", "/v1/decisions/preview"] {
                let (status, told) = asked(&app, &token, path, &json!({ "items": [good, bad] })).await;
                assert_eq!((status, told["code"].as_str(), fields(&told)[0].0), (422, Some("field_invalid"), pointer), "{told}");
            }
        }
        assert_eq!(balance(&mut asha, me).await, 0);
    }
}

both! {
    async fn an_id_that_comes_twice_in_a_batch_is_decided_once(app: TestApp) {
        let (mut asha, mut desk, id, seen) = one_waiting(&app).await;
        let me = asha.party;
        let approve = item(&mut desk, &seen, "approve", &json!({}));
        let twice: Value = desk.post("/v1/decisions/preview", &json!({ "items": [approve, approve] })).await.expect("a preview");
        assert_eq!((outcomes(&twice), &twice["token"]), (vec![(200, ""), (409, "id_reused")], &Value::Null));
        let done = send(&mut desk, &[approve.clone(), approve]).await;
        assert_eq!((became(&done[0]), became(&done[1])), ((201, ""), (200, "")));
        assert_eq!(done[0]["decision"], done[1]["decision"]);
        let seen = activity(&mut desk, id).await;
        let reject = item(&mut desk, &seen, "reject", &json!({ "reason": "Not there." }));
        let mut other = reject.clone();
        other["reason"] = json!("Not then.");
        let done = send(&mut desk, &[reject, other]).await;
        assert_eq!((became(&done[0]), became(&done[1])), ((201, ""), (409, "id_reused")));
        assert_eq!(balance(&mut asha, me).await, 0);
    }
}

both! {
    async fn a_batch_decides_about_a_record_once_so_that_it_can_be_taken_back_as_one(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let (one, other) = (waiting(&mut asha, DAY), waiting(&mut asha, "2026-11-19"));
        post(&app, &mut asha).await;
        let (one, other) = (activity(&mut desk, one).await, activity(&mut desk, other).await);
        let after = |reason: &str| json!({ "reason": reason, "decision_seq": 1 });
        let approve = item(&mut desk, &one, "approve", &json!({}));
        let twice = [approve.clone(), item(&mut desk, &one, "keep", &after("Looked at again."))];
        let members = json!({ "reason": "One.", "members": [as_seen(&other)] });
        let merged = [item(&mut desk, &one, "merge", &members), item(&mut desk, &one, "approve", &after("All of it."))];
        let member = [item(&mut desk, &other, "approve", &json!({})), item(&mut desk, &one, "merge", &{
            let mut after = members.clone();
            after["members"][0]["decision_seq"] = json!(1);
            after
        })];
        for items in [&twice, &merged, &member] {
            let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": items })).await.expect("a preview");
            assert_eq!((outcomes(&shown), &shown["token"]), (vec![(200, ""), (409, "decided_twice")], &Value::Null));
        }
        // Without a preview each is a decision of its own, and is taken back by itself.
        assert_eq!(send(&mut desk, &twice).await.iter().map(became).collect::<Vec<_>>(), [(201, ""); 2]);
        let alone = [item(&mut desk, &other, "approve", &json!({}))];
        let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": alone })).await.expect("a preview");
        let done: Value = desk.post("/v1/decisions", &json!({ "items": alone, "token": shown["token"] })).await.expect("done");
        assert_eq!((outcomes(&done), balance(&mut asha, me).await), (vec![(201, "")], 60));
        let back: Value = desk.post("/v1/decisions/preview", &json!({ "undo_batch": done["batch_id"] })).await.expect("a preview");
        let body = json!({ "items": back["decisions"], "token": back["token"] });
        assert_eq!(outcomes(&desk.post::<Value>("/v1/decisions", &body).await.expect("taken back")), [(201, "")]);
        assert_eq!(balance(&mut asha, me).await, 30);
    }
}

both! {
    async fn a_preview_shows_what_fits_and_promises_nothing_while_something_does_not(app: TestApp) {
        let (mut asha, mut desk, _, seen) = one_waiting(&app).await;
        let me = asha.party;
        let bad = item(&mut desk, &seen, "approve", &json!({ "version": "3" }));
        let good = item(&mut desk, &seen, "approve", &json!({}));
        let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": [bad, good] })).await.expect("a preview");
        assert_eq!(outcomes(&shown), [(422, "field_invalid"), (200, "")]);
        assert_eq!(fields(&shown["items"][0]), [("/items/0/version", "version")]);
        assert_eq!((&shown["effects"]["decisions"], &shown["effects"]["minutes"]), (&json!(1), &json!(35)));
        assert_eq!(shown["token"], Value::Null);

        let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": [good] })).await.expect("a preview");
        let token = wire::bearer(&app, &mut desk, "reconcile").await;
        let body = json!({ "items": [good, bad], "token": shown["token"] });
        let (status, told) = asked(&app, &token, "/v1/decisions", &body).await;
        assert_eq!((status, fields(&told)), (422, vec![("/items/1/version", "version")]), "{told}");
        assert_eq!(balance(&mut asha, me).await, 0, "all or nothing");
        let body = json!({ "items": [good], "token": shown["token"] });
        assert_eq!(outcomes(&desk.post::<Value>("/v1/decisions", &body).await.expect("done")), [(201, "")]);
    }
}

both! {
    async fn taking_back_what_is_no_decision_about_the_record_is_not_found(app: TestApp) {
        let mut app = app;
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (one, other) = (waiting(&mut asha, DAY), waiting(&mut asha, "2026-11-19"));
        post(&app, &mut asha).await;
        let first = decide(&mut desk, one, "approve", json!({})).await;
        let elsewhere = decide(&mut desk, other, "approve", json!({})).await;
        let later = decide(&mut desk, one, "reject", json!({ "reason": "Not there." })).await;

        app.neighbourhood = NeighbourhoodId(app.app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&app.app, app.neighbourhood, "Sparkbrook", zone).await.expect("a neighbourhood");
        let mut eve = app.coordinator("Eve").await;
        let me = eve.party;
        let theirs = eve.record(Kind::Hours, DAY, |a| { a.minutes(me, 30); }).expect("recorded");
        post(&app, &mut eve).await;
        let abroad: Value = eve.get(&format!("/v1/decisions?activity_id={theirs}")).await.expect("decisions");
        assert_eq!(abroad["items"].as_array().map(Vec::len), Some(1));

        let unknown = json!(app.app.uuid());
        for decision in [&unknown, &elsewhere["decision"]["id"], &abroad["items"][0]["id"]] {
            let outcome = decide(&mut desk, one, "undo", json!({ "decision_id": decision })).await;
            assert_eq!((became(&outcome), &outcome["present"]["decision_seq"]), ((404, "not_found"), &json!(2)));
        }
        assert_eq!(became(&undo(&mut desk, one, &first).await), (409, "undo_blocked"));
        assert_eq!(became(&undo(&mut desk, one, &later).await), (201, ""));
        assert_eq!(refused(desk.get::<Value>(&format!("/v1/decisions/{}", abroad["items"][0]["id"].as_str().expect("an id"))).await).0, 404);
    }
}

both! {
    async fn a_preview_that_is_so_no_more_says_which_items_changed_and_how_it_is_now(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, stranger, claimant) = (asha.party, asha.meet("Cy"), bo.party);
        let hours = waiting(&mut asha, "2026-11-18");
        let occasion = asha.record(Kind::LitterPick, DAY, |r| { r.totals(7, 630).minutes(me, 90).minutes(stranger, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let mut items = Vec::new();
        for id in [hours, occasion] {
            let seen = activity(&mut desk, id).await;
            items.push(item(&mut desk, &seen, "approve", &json!({})));
        }
        let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": items })).await.expect("a preview");
        assert_eq!((&shown["effects"]["minutes"], shown["effects"]["transfers"].as_array().map(Vec::len)), (&json!(665), Some(5)));
        let body = json!({ "items": items, "token": shown["token"] });
        let token = wire::bearer(&app, &mut desk, "reconcile").await;

        // Nobody touches either record; a part of the occasion is approved, and takes from what it would hold.
        bo.record(Kind::LitterPick, DAY, |r| { r.minutes(claimant, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut bo).await;
        let (status, told) = asked(&app, &token, "/v1/decisions", &body).await;
        assert_eq!((status, told["code"].as_str()), (409, Some("preview_changed")), "{told}");
        assert_eq!(fields(&told), [("/items/1", "changed")]);
        let now: Value = desk.post("/v1/decisions/preview", &json!({ "items": items })).await.expect("a preview");
        assert_eq!((&told["present"]["effects"], &told["present"]["items"]), (&now["effects"], &now["items"]));
        assert_eq!((&now["effects"]["minutes"], &told["present"]["token"]), (&json!(575), &Value::Null));
        let detail = told["detail"].as_str().expect("words");
        let words = ["0 would be refused", "1 would do something else", "5 transfers of 575 minutes", "5 of 665"];
        assert!(words.iter().all(|words| detail.contains(words)), "{detail}");

        asha.edit(hours, |r| { r.minutes(me, 40); }).expect("edited");
        asha.sync().await.expect("synced");
        let (status, told) = asked(&app, &token, "/v1/decisions", &body).await;
        assert_eq!((status, fields(&told)), (409, vec![("/items/0", "version_changed"), ("/items/1", "changed")]), "{told}");
        assert_eq!(outcomes(&told["present"]), [(409, "version_changed"), (200, "")]);
        assert_eq!(told["present"]["items"][0]["present"]["activity_id"], json!(hours));
        // All or nothing.
        for account in [me.to_string(), app.neighbourhood.to_string()] {
            let path = format!("/v1/accounts/{account}");
            // Whose record was looked at may have an account by now, and nobody has a minute.
            let minutes = match desk.get::<Value>(&path).await {
                Ok(account) => account["contribution_minutes"].clone(),
                Err(error) => json!(i64::from(refused::<()>(Err(error)).0 != 404)),
            };
            assert_eq!(minutes, 0, "{account}");
        }
    }
}
