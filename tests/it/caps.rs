//! Stories of caps: how much of one person counts, whoever approves it.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::both;
use crate::support::desk::{
    balance, became, decide, merge, post, put_rules, rebuilt_is_live, refused, rules, statement, told,
};

const DAY: &str = "2026-11-20";
const NEXT: &str = "2026-11-21";

both! {
    async fn no_more_of_a_day_counts_than_the_cap_and_the_phone_is_told_what_is_above(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0, "caps": { "person_day_minutes": 120 } })).await;
        let me = asha.party;
        let first = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, first), (Review::Approved, Some(90), ""));
        let second = asha.record(Kind::Repair, DAY, |a| { a.minutes(me, 50); }).expect("recorded");
        let other_day = asha.record(Kind::Hours, NEXT, |a| { a.minutes(me, 130); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, second), (Review::Approved, Some(30), "capped"));
        let words = &asha.verdicts[&second].reason.as_ref().expect("a reason").text;
        assert!(words.contains("20 minutes are above"), "{words}");
        assert_eq!(told(&asha, other_day), (Review::Approved, Some(120), "capped"));
        assert_eq!(balance(&mut asha, me).await, 240);
        // What is frozen stays, though there is room once the first is gone; a new approval counts anew.
        decide(&mut desk, first, "reject", json!({ "reason": "That was somebody else." })).await;
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, second), (Review::Approved, Some(30), "capped"));
        assert_eq!(became(&decide(&mut desk, second, "approve", json!({})).await), (201, ""));
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, second), (Review::Approved, Some(50), ""));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn an_approver_cannot_pass_a_cap_nor_by_moving_the_day(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let caps = json!({ "person_day_minutes": 120, "person_record_minutes": 100 });
        rules(&mut desk, json!({ "audit_percent": 0, "mode": "coordinator", "caps": caps })).await;
        let me = asha.party;
        let there = asha.record(Kind::Hours, NEXT, |a| { a.minutes(me, 80); }).expect("recorded");
        let moved = asha.record(Kind::Repair, DAY, |a| { a.minutes(me, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        decide(&mut desk, there, "approve", json!({})).await;
        let to = json!({ "reason": "It was the Saturday.", "corrections": { "day": NEXT } });
        let outcome = decide(&mut desk, moved, "approve", to).await;
        assert_eq!(became(&outcome), (201, ""));
        assert_eq!(statement(&mut asha, me).await, [(40, 120), (80, 80)]);
        let more = json!({ "reason": "All day.", "corrections": { "minutes": { me.to_string(): 400 }, "day": DAY } });
        decide(&mut desk, moved, "approve", more).await;
        assert_eq!(balance(&mut asha, me).await, 180, "100 in one record, whatever is corrected");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn records_that_are_merged_have_one_cap_together(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "coordinator", "caps": { "person_day_minutes": 70 } })).await;
        let (me, you) = (asha.party, bo.party);
        let mine = asha.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 60).minutes(you, 90); }).expect("recorded");
        let yours = bo.record(Kind::LitterPick, DAY, |a| { a.minutes(you, 80); }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        decide(&mut desk, mine, "approve", json!({})).await;
        assert_eq!(balance(&mut bo, you).await, 70);
        assert_eq!(became(&merge(&mut desk, mine, yours, json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, me).await, balance(&mut bo, you).await), (60, 70));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_cap_never_moves_minutes_to_those_without_a_name(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0, "caps": { "person_record_minutes": 60 } })).await;
        let me = asha.party;
        let pick = asha.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 90).totals(3, 270); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, pick).await;
        assert_eq!((&seen["review"], &seen["person_minutes"]), (&json!("approved"), &json!(270)));
        let totals: Value = desk.get("/v1/totals").await.expect("totals");
        let held: i64 = totals["items"].as_array().expect("lines").iter().filter_map(|line| line["minutes"].as_i64()).sum();
        assert_eq!((balance(&mut asha, me).await, held), (60, 240), "180 of two who are not named: {totals}");
    }
}

both! {
    async fn caps_are_held_to_their_bounds_and_what_a_pack_says_is_shown(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let shown = rules(&mut desk, json!({ "caps": { "person_day_minutes": 1_440 } })).await;
        let pack: Value = desk.get("/v1/rules").await.expect("the rules");
        assert_eq!(pack["caps"], json!({ "person_day_minutes": 1_440 }), "{shown}");
        for (field, value) in [("person_day_minutes", 0), ("person_record_minutes", 1_441), ("person_week_minutes", 60)] {
            let mut next = pack.clone();
            next["version"] = (pack["version"].as_i64().expect("a version") + 1).into();
            next["caps"] = json!({ field: value });
            assert_eq!(refused(put_rules(&mut desk, &next).await), (422, "field_invalid".to_owned()), "{field}");
        }
    }
}

both! {
    async fn what_a_card_says_is_at_stake_is_what_its_decisions_move(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "coordinator", "caps": { "person_day_minutes": 100 } })).await;
        let (me, you) = (asha.party, bo.party);
        let first = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 70); }).expect("recorded");
        post(&app, &mut asha).await;
        decide(&mut desk, first, "approve", json!({})).await;
        asha.record(Kind::Repair, DAY, |a| { a.minutes(me, 50).minutes(you, 20); }).expect("recorded");
        post(&app, &mut asha).await;
        let cards: Value = desk.get("/v1/cards").await.expect("cards");
        let card = &cards["items"][0];
        assert_eq!((&card["minutes"], &card["suggested"][0]["minutes_after"]), (&json!(50), &json!(50)), "{card}");
        let mut items = card["suggested"][0]["decisions"].as_array().expect("decisions").clone();
        items.iter_mut().for_each(|item| item["id"] = desk.uuid().to_string().into());
        let shown: Value = desk.post("/v1/decisions/preview", &json!({ "items": items })).await.expect("a preview");
        assert_eq!(shown["effects"]["minutes"], 50, "{shown}");
        // Of one event that both tell of, each has what the day leaves.
        let mine = asha.record(Kind::LitterPick, NEXT, |a| { a.minutes(me, 120).minutes(you, 30); }).expect("recorded");
        bo.record(Kind::LitterPick, NEXT, |a| { a.minutes(you, 30).minutes(me, 120); }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        let cards: Value = desk.get("/v1/cards").await.expect("cards");
        let needing = |card: &&Value| card["needing"].as_array().is_some_and(|ids| ids.contains(&json!(mine)));
        let card = cards["items"].as_array().expect("cards").iter().find(needing).expect("a card");
        let merge = &card["suggested"][0];
        assert_eq!((&merge["decision"], &merge["minutes_after"]), (&json!("merge"), &json!(130)), "{card}");
    }
}

both! {
    async fn what_a_cap_takes_from_a_part_is_not_left_to_the_others_of_the_occasion(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0, "caps": { "person_record_minutes": 60 } })).await;
        let you = bo.party;
        let pick = asha.record(Kind::LitterPick, DAY, |a| { a.totals(3, 270); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(balance(&mut desk, app.neighbourhood).await, 270);
        bo.record(Kind::LitterPick, DAY, |a| { a.minutes(you, 90).part_of(pick); }).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!((balance(&mut bo, you).await, balance(&mut desk, app.neighbourhood).await), (60, 180));
        // What is held for those without a name has fallen, and whoever counted them is told why.
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, pick), (Review::Approved, Some(0), "shared"));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_day_that_is_settled_with_the_approval_has_its_cap(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut tablet = app.second_device(&mut asha, "A tablet").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0, "caps": { "person_day_minutes": 120 } })).await;
        let me = asha.party;
        asha.record(Kind::Hours, "2026-11-02", |a| { a.minutes(me, 120); }).expect("recorded");
        let id = asha.record(Kind::Repair, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        asha.edit(id, |a| { a.put("day", "2026-11-02"); }).expect("edited");
        tablet.edit(id, |a| { a.put("day", NEXT); }).expect("edited");
        asha.sync().await.expect("synced");
        post(&app, &mut tablet).await;
        let seen = activity(&mut desk, id).await;
        let conflict = &seen["conflicts"][0];
        assert_eq!(conflict["field"], "day", "{seen}");
        let settles = json!([{ "field": "day", "operations": conflict["operations"], "value": "2026-11-02" }]);
        let outcome = decide(&mut desk, id, "approve", json!({ "settles": settles })).await;
        assert_eq!(became(&outcome), (201, ""));
        assert_eq!(balance(&mut asha, me).await, 120, "that day is full");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_merge_of_what_was_clipped_leaves_no_more_without_a_name(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "coordinator", "caps": { "person_record_minutes": 60 } })).await;
        let you = bo.party;
        let occasion = asha.record(Kind::LitterPick, DAY, |a| { a.totals(4, 300); }).expect("recorded");
        post(&app, &mut asha).await;
        decide(&mut desk, occasion, "approve", json!({})).await;
        let mut part = |kind| bo.record(kind, DAY, |a| { a.minutes(you, 90).part_of(occasion); }).expect("recorded");
        let parts = [part(Kind::LitterPick), part(Kind::LitterPick)];
        post(&app, &mut bo).await;
        assert_eq!(became(&decide(&mut desk, parts[0], "approve", json!({})).await), (201, ""));
        assert_eq!(became(&decide(&mut desk, parts[1], "approve", json!({})).await), (201, ""));
        assert_eq!((balance(&mut bo, you).await, balance(&mut desk, app.neighbourhood).await), (120, 120));
        assert_eq!(became(&merge(&mut desk, parts[0], parts[1], json!({})).await), (201, ""));
        assert_eq!((balance(&mut bo, you).await, balance(&mut desk, app.neighbourhood).await), (60, 210));
        bo.sync().await.expect("synced");
        assert_eq!(told(&bo, parts[0]).1, Some(60));
        rebuilt_is_live(&app).await;
    }
}
