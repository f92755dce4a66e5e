//! Stories of cards: what needs a person, who is at it, and decisions that are looked at before they are made.

mod many;
mod stakes;
mod waiting;

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::CARD_LEASE_MS;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::desk::{
    balance, became, cards, confirm, decide, desk, item, merge, post, rebuilt_is_live, refused, rules, send,
    suggested, told,
};
use crate::support::{TestApp, TestPhone, both};

const DAY: &str = "2026-11-20";
const TEN_MS: i64 = START_MS - 86_400_000;
const MINUTE_MS: i64 = 60_000;

fn ids(card: &Value, field: &str) -> Vec<ActivityId> {
    serde_json::from_value(card[field].clone()).expect("ids")
}

async fn preview(desk: &mut TestPhone, body: Value) -> Value {
    desk.post("/v1/decisions/preview", &body).await.expect("a preview")
}

/// One pick of 90 minutes by Asha and Bo, which Bo logs too, with 100 for himself.
async fn logged_twice(app: &TestApp, asha: &mut TestPhone, bo: &mut TestPhone, day: &str) -> [ActivityId; 2] {
    let (a, b) = (asha.party, bo.party);
    let mine = asha.record(Kind::LitterPick, day, |r| {
        r.minutes(a, 90).minutes(b, 90).place(52.456, -1.89, 8.0).count("bags", 3).count("smoking.butts", 40);
    });
    let theirs = bo.record(Kind::LitterPick, day, |r| {
        r.minutes(b, 100).place(52.456, -1.89, 8.0).count("bags", 3);
    });
    post(app, asha).await;
    post(app, bo).await;
    [mine.expect("recorded"), theirs.expect("recorded")]
}

both! {
    async fn a_card_holds_what_one_decision_needs_and_what_it_suggests_settles_it(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (a, b) = (asha.party, bo.party);
        let [mine, theirs] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        let found = cards(&mut desk).await;
        let [card] = found.as_slice() else { panic!("one card: {found:?}") };
        let mut both = [mine, theirs];
        both.sort_unstable();
        assert_eq!(card["id"], json!(mine));
        assert_eq!((card["audit_only"].as_bool(), &card["minutes"]), (Some(false), &json!(100)));
        let shown: Vec<Value> = card["activities"].as_array().expect("records").iter().map(|one| one["activity"]["id"].clone()).collect();
        assert_eq!(shown, both.iter().map(|id| json!(id)).collect::<Vec<_>>());
        assert_eq!(card["activities"][0]["activity"], activity(&mut desk, both[0]).await);
        let names: Vec<&str> = card["people"].as_array().expect("people").iter().filter_map(|one| one["name"].as_str()).collect();
        assert!(names.contains(&"Asha") && names.contains(&"Bo"), "{names:?}");
        assert_eq!((card["suspicions"][0]["kind"].as_str(), card["like"].as_str()), (Some("same_event"), Some("same_event:merge")));
        assert_eq!(card["suggested"][0]["decision"], "merge");

        let items = suggested(&mut desk, card);
        let outcomes = send(&mut desk, &items).await;
        assert_eq!(outcomes.iter().map(became).collect::<Vec<_>>(), [(201, "")], "{outcomes:?}");
        // What each wrote of their own time goes before what others wrote of it.
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn every_need_makes_a_card_and_what_waits_for_somebody_else_makes_none(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let mut desk = desk(&app).await;
        let (me, stranger) = (asha.party, asha.meet("Cy"));
        let mut hours = |day: &str, minutes: i64| asha.record(Kind::Hours, day, |r| { r.minutes(me, minutes); }).expect("recorded");
        hours("2026-11-10", 30);
        let (disputed, edited) = (hours("2026-11-11", 30), hours("2026-11-12", 30));
        let (asked, taken_back) = (hours("2026-11-13", 31), hours("2026-11-14", 30));
        let named = ["2026-11-15", "2026-11-16"].map(|day| asha.record(Kind::Hours, day, |r| { r.minutes(me, 20).minutes(stranger, 20); }).expect("recorded"));
        post(&app, &mut asha).await;
        tablet.sync().await.expect("synced");
        asha.edit(disputed, |r| { r.minutes(me, 40); }).expect("edited");
        tablet.edit(disputed, |r| { r.minutes(me, 50); }).expect("edited");
        asha.edit(taken_back, |r| { r.withdraw(); }).expect("edited");
        post(&app, &mut asha).await;
        post(&app, &mut tablet).await;
        decide(&mut desk, edited, "keep", json!({ "reason": "Seen." })).await;
        asha.edit(edited, |r| { r.minutes(me, 35); }).expect("edited");
        post(&app, &mut asha).await;
        decide(&mut desk, asked, "ask_for_changes", json!({ "reason": "Which street?" })).await;

        let found = cards(&mut desk).await;
        let needs: Vec<(Vec<ActivityId>, Value)> = found.iter().map(|card| (ids(card, "needing"), card["activities"][0]["needs"].clone())).collect();
        let mut expected = vec![
            (vec![disputed], json!(["conflict", "edited"])),
            (vec![edited], json!(["edited"])),
            ({ let mut both = named.to_vec(); both.sort_unstable(); both }, json!(["unknown_party"])),
        ];
        let sorted = |mut all: Vec<(Vec<ActivityId>, Value)>| { all.sort_by(|a, b| a.0.cmp(&b.0)); all };
        expected = sorted(expected);
        assert_eq!(sorted(needs), expected);
        // The stranger is confirmed: the rules go on by themselves, and the card goes.
        confirm(&mut desk, stranger).await;
        app.judge().await;
        assert_eq!(cards(&mut desk).await.len(), 2);
        // In a neighbourhood where no rule approves, what is clean needs a person.
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let last = asha.record(Kind::Hours, DAY, |r| { r.minutes(me, 15); }).expect("recorded");
        post(&app, &mut asha).await;
        let found = cards(&mut desk).await;
        let card = found.iter().find(|card| ids(card, "needing") == [last]).expect("a card");
        assert_eq!((&card["activities"][0]["needs"], &card["minutes"]), (&json!(["rules"]), &json!(15)));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_chance_shows_is_a_card_apart(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 100 })).await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |r| { r.minutes(me, 30); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(30), ""));
        let found = cards(&mut desk).await;
        assert_eq!((found.len(), found[0]["audit_only"].as_bool(), &found[0]["minutes"]), (1, Some(true), &json!(0)));
        // Once it is edited somebody has to decide, drawn or not.
        asha.edit(id, |r| { r.minutes(me, 45); }).expect("edited");
        post(&app, &mut asha).await;
        let edited = cards(&mut desk).await;
        assert_eq!((edited[0]["audit_only"].as_bool(), &edited[0]["activities"][0]["needs"]), (Some(false), &json!(["edited", "audit"])));
        assert_eq!(became(&decide(&mut desk, id, "keep", json!({ "reason": "Thirty, as we counted." })).await), (201, ""));
        let drawn = asha.record(Kind::Hours, "2026-11-19", |r| { r.minutes(me, 20); }).expect("recorded");
        post(&app, &mut asha).await;
        let found = cards(&mut desk).await;
        assert_eq!((found.len(), ids(&found[0], "needing")), (1, vec![drawn]));
        let items = suggested(&mut desk, &found[0]);
        assert_eq!(became(&send(&mut desk, &items).await[0]), (201, ""));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
    }
}

both! {
    async fn a_card_is_somebodys_for_ten_minutes_and_can_be_taken_over(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (mut dee, mut eve) = (desk(&app).await, app.coordinator("Eve").await);
        let [mine, _] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        let path = format!("/v1/cards/{mine}/lease");
        let taken: Value = dee.post(&path, &json!({})).await.expect("taken");
        assert_eq!(taken["lease"]["held_by"], json!(dee.party));
        assert_eq!(refused(eve.post::<Value>(&path, &json!({})).await), (409, "leased".to_owned()));
        assert_eq!(cards(&mut eve).await[0]["lease"], taken["lease"]);
        for (desk, free) in [(&mut eve, 0), (&mut dee, 1)] {
            let page: Value = desk.get("/v1/cards?free=true").await.expect("cards");
            assert_eq!(page["items"].as_array().expect("items").len(), free);
        }
        app.pass(CARD_LEASE_MS - 1);
        assert_eq!(refused(eve.post::<Value>(&path, &json!({})).await), (409, "leased".to_owned()));
        app.pass(1);
        let _: Value = eve.post(&path, &json!({})).await.expect("free by now");
        let over: Value = dee.post(&path, &json!({ "take_over": true })).await.expect("Eve is away");
        assert_eq!(over["lease"]["held_by"], json!(dee.party));
        let _: Value = eve.post(&path, &json!({ "release": true })).await.expect("not hers, and nothing happens");
        assert_eq!(cards(&mut eve).await[0]["lease"]["held_by"], json!(dee.party));
        let back: Value = dee.post(&path, &json!({ "release": true })).await.expect("given back");
        assert_eq!(back["lease"], Value::Null);
        assert_eq!(cards(&mut eve).await[0]["lease"], Value::Null);
        let nowhere = format!("/v1/cards/{}/lease", app.app.uuid());
        assert_eq!(refused(dee.post::<Value>(&nowhere, &json!({})).await), (404, "not_found".to_owned()));
        assert_eq!(refused(asha.post::<Value>(&path, &json!({})).await).0, 403);
    }
}

both! {
    async fn a_preview_writes_nothing_and_its_token_does_exactly_that_and_is_taken_back_as_one(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (a, b) = (asha.party, bo.party);
        let one = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        logged_twice(&app, &mut asha, &mut bo, "2026-11-18").await;
        let before = (balance(&mut asha, a).await, balance(&mut bo, b).await);
        assert_eq!(before, (180, 180));
        let found = cards(&mut desk).await;
        // All like this one.
        let like = found[0]["like"].as_str().expect("likeness").to_owned();
        let page: Value = desk.get(&format!("/v1/cards?like={}", like.replace(':', "%3A"))).await.expect("cards");
        let alike = page["items"].as_array().expect("items").clone();
        assert_eq!(alike.len(), 2);
        let items: Vec<Value> = alike.iter().flat_map(|card| suggested(&mut desk, card)).collect();
        let seen = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!(seen["items"].as_array().expect("items").iter().map(became).collect::<Vec<_>>(), [(200, ""); 2]);
        let effects = &seen["effects"];
        assert_eq!((&effects["decisions"], &effects["minutes"]), (&json!(2), &json!(20)), "{effects}");
        assert!(effects["verdicts"].as_array().expect("verdicts").contains(&json!({ "activity_id": one[0], "review": "approved", "minutes": 190 })));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), before);
        assert_eq!(cards(&mut desk).await.len(), 2);

        let body = json!({ "items": items, "token": seen["token"] });
        let done: Value = desk.post("/v1/decisions", &body).await.expect("done");
        assert_eq!(done["items"].as_array().expect("items").iter().map(became).collect::<Vec<_>>(), [(201, ""); 2]);
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (180, 200));
        let again: Value = desk.post("/v1/decisions", &body).await.expect("again");
        assert_eq!(again["items"].as_array().expect("items").iter().map(became).collect::<Vec<_>>(), [(200, ""); 2]);
        assert_eq!(again["batch_id"], done["batch_id"]);
        rebuilt_is_live(&app).await;

        let back = preview(&mut desk, json!({ "undo_batch": done["batch_id"] })).await;
        let body = json!({ "items": back["decisions"], "token": back["token"] });
        let _: Value = desk.post("/v1/decisions", &body).await.expect("taken back");
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), before);
        rebuilt_is_live(&app).await;
        assert_eq!(refused(desk.post::<Value>("/v1/decisions/preview", &json!({ "undo_batch": app.app.uuid() })).await), (404, "not_found".to_owned()));
    }
}

both! {
    async fn a_batch_that_is_taken_back_leaves_alone_what_was_merged_since(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (asha_id, bo_id) = (asha.party, bo.party);
        let mut desk = desk(&app).await;
        let [into, member] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        let card = cards(&mut desk).await.remove(0);
        let items = suggested(&mut desk, &card);
        let seen = preview(&mut desk, json!({ "items": items })).await;
        let body = json!({ "items": items, "token": seen["token"] });
        let done: Value = desk.post("/v1/decisions", &body).await.expect("done");
        // Somebody takes the merge apart, and merges otherwise.
        assert_eq!(became(&decide(&mut desk, into, "unmerge", json!({})).await), (201, ""));
        let chosen = json!({ "corrections": { "minutes": { bo_id.to_string(): 35 } } });
        assert_eq!(became(&merge(&mut desk, into, member, chosen).await), (201, ""));
        let now = (balance(&mut asha, asha_id).await, balance(&mut bo, bo_id).await);
        let back = preview(&mut desk, json!({ "undo_batch": done["batch_id"] })).await;
        assert_eq!(became(&back["items"][0]), (409, "version_changed"), "{back}");
        assert_eq!(back["token"], Value::Null);
        assert_eq!((balance(&mut asha, asha_id).await, balance(&mut bo, bo_id).await), now);
    }
}

both! {
    async fn what_a_preview_said_and_is_so_no_more_is_not_done(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let (me, stranger) = (asha.party, asha.meet("Cy"));
        let mut hours = |from: i64, minutes: i64| asha.record(Kind::Hours, DAY, |r| {
            r.minutes(me, minutes).minutes(stranger, 5).started_at(TEN_MS + from * MINUTE_MS);
        }).expect("recorded");
        let (first, second) = (hours(0, 30), hours(60, 30));
        post(&app, &mut asha).await;
        let mut items = Vec::new();
        for id in [first, second] {
            let seen = activity(&mut desk, id).await;
            items.push(item(&mut desk, &seen, "approve", &json!({})));
        }
        let seen = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!(seen["effects"]["minutes"], 70);
        let with = |items: &[Value]| json!({ "items": items, "token": seen["token"] });
        assert_eq!(refused(desk.post::<Value>("/v1/decisions", &with(&items[..1])).await), (422, "field_invalid".to_owned()));
        asha.edit(second, |r| { r.minutes(me, 40); }).expect("edited");
        asha.sync().await.expect("synced");
        assert_eq!(refused(desk.post::<Value>("/v1/decisions", &with(&items)).await), (409, "preview_changed".to_owned()));
        // All or nothing: the first one was not decided either.
        assert_eq!(balance(&mut asha, me).await, 0);
        let again = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!(again["items"].as_array().expect("items").iter().map(became).collect::<Vec<_>>(), [(200, ""), (409, "version_changed")]);
        assert_eq!(again["token"], Value::Null);
        // Another's token, and none of ours.
        let mut eve = app.coordinator("Eve").await;
        assert_eq!(refused(eve.post::<Value>("/v1/decisions", &with(&items)).await), (422, "field_invalid".to_owned()));
        let forged = json!({ "items": items, "token": "AAAA" });
        assert_eq!(refused(desk.post::<Value>("/v1/decisions", &forged).await), (422, "field_invalid".to_owned()));
    }
}

both! {
    async fn a_preview_holds_only_while_it_would_post_the_same(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (me, stranger, claimant) = (asha.party, asha.meet("Cy"), bo.party);
        let occasion = asha.record(Kind::LitterPick, DAY, |r| { r.totals(7, 630).minutes(me, 90).minutes(stranger, 90); });
        let occasion = occasion.expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut desk, occasion).await;
        let items = [item(&mut desk, &seen, "approve", &json!({}))];
        let first = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!(first["effects"]["minutes"], 630);
        // Nobody touches the occasion; a part of it is approved, and takes from what it would hold.
        bo.record(Kind::LitterPick, DAY, |r| { r.minutes(claimant, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut bo).await;
        let body = json!({ "items": items, "token": first["token"] });
        assert_eq!(refused(desk.post::<Value>("/v1/decisions", &body).await), (409, "preview_changed".to_owned()));
        assert_eq!(balance(&mut asha, me).await, 0);
        let now = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!(now["effects"]["minutes"], 540);
        let body = json!({ "items": items, "token": now["token"] });
        let done: Value = desk.post("/v1/decisions", &body).await.expect("done");
        assert_eq!(became(&done["items"][0]), (201, ""));
        assert_eq!((balance(&mut asha, me).await, balance(&mut desk, app.neighbourhood).await), (90, 360));
        rebuilt_is_live(&app).await;
    }
}
