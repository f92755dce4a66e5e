//! Stories of what waits again: after a merge was taken apart, a decision taken back, a conflict settled, or a merged
//! record changed. It is on a card, and what the card suggests takes nothing away from anybody.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use super::{DAY, ids, logged_twice};
use crate::support::app::activity;
use crate::support::desk::{
    as_seen, balance, became, cards, decide, desk, disagreed, merge, post, rebuilt_is_live, rules, send,
    suggested, told, undo,
};
use crate::support::{TestPhone, both};

/// The only card, which `waits` is on and needs a person.
async fn card_of(desk: &mut TestPhone, waits: ActivityId) -> Value {
    let mut found = cards(desk).await;
    assert_eq!(found.len(), 1, "{found:?}");
    let card = found.remove(0);
    assert!(ids(&card, "needing").contains(&waits), "{card}");
    card
}

/// Why a record on a card needs a person, besides suspicions.
fn needs(card: &Value, id: ActivityId) -> Value {
    let records = card["activities"].as_array().expect("records");
    let record = records.iter().find(|record| record["activity"]["id"] == json!(id));
    record.expect("the record")["needs"].clone()
}

/// Kinds of the open suspicions of a card.
fn doubts(card: &Value) -> Vec<&str> {
    let suspicions = card["suspicions"].as_array().expect("suspicions");
    suspicions.iter().filter_map(|one| one["kind"].as_str()).collect()
}

/// Sends what a card suggests first. Answers what became of it.
async fn follow(desk: &mut TestPhone, card: &Value) -> Value {
    let items = suggested(desk, card);
    send(desk, &items[..1]).await.remove(0)
}

both! {
    async fn what_is_unmerged_because_it_was_two_picks_is_on_a_card_until_somebody_decides(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (a, b) = (asha.party, bo.party);
        let [mine, theirs] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        assert_eq!(became(&merge(&mut desk, mine, theirs, json!({})).await), (201, ""));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        let apart = decide(&mut desk, mine, "unmerge", json!({ "reason": "Two picks, one after the other." })).await;
        assert_eq!(became(&apart), (201, ""));
        // At once, and when the clerk has looked.
        for _ in 0..2 {
            let card = card_of(&mut desk, theirs).await;
            assert_eq!((doubts(&card), needs(&card, theirs)), (vec!["same_event"], json!([])));
            app.judge().await;
        }
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, theirs), (Review::Received, None, "decided"));
        rebuilt_is_live(&app).await;
        assert_eq!(became(&decide(&mut desk, theirs, "approve", json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 190));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn members_that_were_in_doubt_with_each_other_are_so_again_once_they_are_unmerged(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let me = asha.party;
        let other = asha.record(Kind::Hours, "2026-11-18", |r| { r.minutes(me, 30); }).expect("recorded");
        let [mine, theirs] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        assert_eq!(became(&decide(&mut desk, other, "approve", json!({})).await), (201, ""));
        // By mistake: into a record of another day.
        let (mine_seen, theirs_seen) = (activity(&mut desk, mine).await, activity(&mut desk, theirs).await);
        let both = json!({ "reason": "One pick.", "members": [as_seen(&mine_seen), as_seen(&theirs_seen)] });
        assert_eq!(became(&decide(&mut desk, other, "merge", both).await), (201, ""));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        assert_eq!(became(&decide(&mut desk, other, "unmerge", json!({})).await), (201, ""));
        let card = card_of(&mut desk, mine).await;
        assert!(ids(&card, "needing").contains(&theirs), "{card}");
        assert_eq!(doubts(&card), ["same_event"]);
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, theirs), (Review::Received, None, "check_counted_once"));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_was_rejected_and_is_taken_back_is_on_a_card_with_what_was_approved_meanwhile(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let (a, b) = (asha.party, bo.party);
        let [mine, theirs] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        let rejected = decide(&mut desk, theirs, "reject", json!({ "reason": "Counted with Asha's." })).await;
        app.judge().await;
        assert_eq!(became(&decide(&mut desk, mine, "approve", json!({})).await), (201, ""));
        app.judge().await;
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        assert_eq!(became(&undo(&mut desk, theirs, &rejected).await), (201, ""));
        let card = card_of(&mut desk, theirs).await;
        assert_eq!(doubts(&card), ["same_event"], "it lapsed while nothing of it counted");
        app.judge().await;
        let card = card_of(&mut desk, theirs).await;
        rebuilt_is_live(&app).await;
        assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn an_approval_that_is_taken_back_opens_what_was_settled_since_because_of_it(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let [mine, theirs] = logged_twice(&app, &mut asha, &mut bo, DAY).await;
        let first = decide(&mut desk, mine, "approve", json!({})).await;
        assert_eq!(became(&decide(&mut desk, theirs, "approve", json!({})).await), (201, ""));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        assert_eq!(became(&undo(&mut desk, mine, &first).await), (201, ""));
        for _ in 0..2 {
            assert_eq!(doubts(&card_of(&mut desk, mine).await), ["same_event"]);
            app.judge().await;
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_a_card_suggests_when_a_merged_record_changes_loses_nobody_a_minute(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (a, b) = (asha.party, bo.party);
        let mine = asha.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 90); }).expect("recorded");
        let theirs = bo.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 100).minutes(b, 100); }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        let chosen = json!({ "corrections": { "minutes": { a.to_string(): 90 } } });
        assert_eq!(became(&merge(&mut desk, mine, theirs, chosen).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        for member_changes in [true, false] {
            if member_changes {
                bo.edit(theirs, |r| { r.minutes(b, 110); }).expect("edited");
            } else {
                asha.edit(mine, |r| { r.minutes(a, 80); }).expect("edited");
            }
            post(&app, &mut bo).await;
            post(&app, &mut asha).await;
            let card = card_of(&mut desk, mine).await;
            assert_eq!(needs(&card, mine), json!(["edited"]));
            let suggestion = &card["suggested"][0];
            assert_eq!((&suggestion["decision"], &suggestion["minutes_after"]), (&json!("keep"), &json!(190)));
            assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
            assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
            assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
            post(&app, &mut asha).await;
            assert_eq!(told(&asha, mine), (Review::Approved, Some(190), "decided"));
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn once_a_conflict_is_settled_nobody_asks_about_it_and_the_value_can_be_approved(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let me = asha.party;
        let (id, _) = disagreed(&app, &mut asha, DAY, &[]).await;
        let card = card_of(&mut desk, id).await;
        assert_eq!(needs(&card, id), json!(["conflict"]));
        let settled = follow(&mut desk, &card).await;
        assert_eq!(became(&settled), (201, ""));
        for _ in 0..2 {
            let card = card_of(&mut desk, id).await;
            assert_eq!(needs(&card, id), json!(["rules"]));
            let [suggestion] = card["suggested"].as_array().expect("suggestions").as_slice() else { panic!("{card}") };
            assert_eq!((&suggestion["decision"], &suggestion["minutes_after"]), (&json!("approve"), &json!(70)));
            app.judge().await;
        }
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Received, None, ""), "two entries differ no more");
        rebuilt_is_live(&app).await;
        // Taken back, the two values are there again.
        assert_eq!(became(&undo(&mut desk, id, &settled).await), (201, ""));
        let card = card_of(&mut desk, id).await;
        assert_eq!((needs(&card, id), &card["suggested"][0]["decision"]), (json!(["conflict"]), &json!("settle")));
        assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
        let card = card_of(&mut desk, id).await;
        assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, id).0, balance(&mut asha, me).await), (Review::Approved, 70));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn of_two_conflicts_the_one_that_nobody_settled_is_still_told_and_shown(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |r| { r.minutes(me, 60); }).expect("recorded");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        asha.edit(id, |r| { r.minutes(me, 70).put("programme", "parks"); }).expect("edited");
        tablet.edit(id, |r| { r.minutes(me, 80).put("programme", "streets"); }).expect("edited");
        asha.sync().await.expect("synced");
        post(&app, &mut tablet).await;
        let card = card_of(&mut desk, id).await;
        let fields = |card: &Value| {
            let values = card["suggested"][0]["values"].as_array().expect("values").iter();
            values.map(|chosen| chosen["field"].as_str().expect("a field").to_owned()).collect::<Vec<_>>()
        };
        let both = fields(&card);
        assert_eq!(both.len(), 2, "{card}");
        let mut one = suggested(&mut desk, &card).remove(0);
        one["settles"].as_array_mut().expect("settlements").truncate(1);
        assert_eq!(became(&send(&mut desk, &[one]).await[0]), (201, ""));
        let card = card_of(&mut desk, id).await;
        assert_eq!((needs(&card, id), &card["suggested"][0]["decision"]), (json!(["conflict"]), &json!("settle")));
        assert_eq!(fields(&card), both[1..]);
        post(&app, &mut tablet).await;
        assert_eq!(told(&tablet, id), (Review::Received, None, "hard_conflict"));
        assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
        assert_eq!(needs(&card_of(&mut desk, id).await, id), json!(["rules"]));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn all_that_cards_suggest_can_be_sent_as_it_is_and_all_of_it_is_decided(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = desk(&app).await;
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let (me, other) = (asha.party, bo.party);
        let (first, second) = (ActivityId(asha.uuid()), ActivityId(asha.uuid()));
        for (id, day) in [(first, DAY), (second, "2026-11-18")] {
            asha.edit(id, |r| { r.kind(Kind::LitterPick).day(day).minutes(me, 60); }).expect("recorded");
        }
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        // Three fields of one record, one of another, and what is the same on another phone.
        asha.edit(first, |r| { r.minutes(me, 70).put("programme", "parks").put("place_id", "north"); }).expect("edited");
        tablet.edit(first, |r| { r.minutes(me, 80).put("programme", "streets").put("place_id", "south"); }).expect("edited");
        asha.edit(second, |r| { r.minutes(me, 30); }).expect("edited");
        tablet.edit(second, |r| { r.minutes(me, 40); }).expect("edited");
        bo.record(Kind::Hours, DAY, |r| { r.minutes(other, 500); }).expect("recorded");
        asha.sync().await.expect("synced");
        post(&app, &mut tablet).await;
        post(&app, &mut bo).await;
        let (mut items, mut settled) = (Vec::new(), Vec::new());
        for card in cards(&mut desk).await {
            for item in suggested(&mut desk, &card) {
                settled.extend(item["settles"].as_array().map(Vec::len));
                items.push(item);
            }
        }
        settled.sort_unstable();
        assert_eq!((items.len(), settled), (3, vec![1, 3]), "{items:?}");
        let outcomes = send(&mut desk, &items).await;
        assert_eq!(outcomes.iter().map(became).collect::<Vec<_>>(), [(201, ""); 3], "{outcomes:?}");
        let seen = activity(&mut desk, first).await;
        assert_eq!((&seen["conflict"], seen["settled"].as_object().map(serde_json::Map::len)), (&json!("none"), Some(3)));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_record_that_cannot_be_read_as_a_whole_is_on_a_card_too(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let id = asha.record(Kind::Hours, DAY, |r| { r.put("kind", "dance"); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Received, None, "unreadable_field"));
        let card = card_of(&mut desk, id).await;
        assert_eq!((needs(&card, id), &card["suggested"][0]["decision"]), (json!(["unreadable"]), &json!("ask")));
        assert_eq!(became(&follow(&mut desk, &card).await), (201, ""));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
    }
}
