//! Stories of what is at stake on a card, since when it waits, which cards are alike, and what nobody doubts any more.

use daybook::domain::activity::Kind;
use daybook::domain::time::rfc3339;
use serde_json::{Value, json};

use super::{DAY, ids, preview};
use crate::support::app::START_MS;
use crate::support::both;
use crate::support::desk::{
    balance, became, cards, confirm, decide, desk, disagreed, merge, post, rebuilt_is_live, rules, suggested,
};

const DAY_MS: i64 = 86_400_000;

both! {
    async fn a_question_about_an_old_record_waits_since_it_was_asked(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |r| { r.minutes(me, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        app.pass(20 * DAY_MS);
        let question = json!({ "id": asha.uuid(), "text": "Was that the Friday?" });
        let _: Value = asha.post(&format!("/v1/activities/{id}/replies"), &question).await.expect("said");
        let found = cards(&mut desk).await;
        assert_eq!((found.len(), &found[0]["waiting_since"]), (1, &json!(rfc3339(START_MS + 20 * DAY_MS))), "{found:?}");
    }
}

both! {
    async fn of_an_occasion_with_approved_parts_as_much_is_at_stake_as_its_approval_moves(app: TestApp) {
        let (mut asha, mut di) = (app.phone("Asha").await, app.phone("Di").await);
        let mut desk = desk(&app).await;
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let (me, claimant) = (asha.party, di.party);
        let occasion = asha.record(Kind::LitterPick, DAY, |r| { r.totals(7, 630).minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let part = di.record(Kind::LitterPick, DAY, |r| { r.minutes(claimant, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut di).await;
        assert_eq!(became(&decide(&mut desk, part, "approve", json!({})).await), (201, ""));
        let card = cards(&mut desk).await.remove(0);
        assert_eq!(ids(&card, "needing"), [occasion]);
        let items = suggested(&mut desk, &card);
        let seen = preview(&mut desk, json!({ "items": items })).await;
        assert_eq!((&card["minutes"], &card["suggested"][0]["minutes_after"]), (&json!(540), &json!(540)), "{card}");
        assert_eq!(seen["effects"]["minutes"], card["minutes"], "{seen}");
    }
}

both! {
    async fn cards_that_wait_for_different_reasons_are_listed_apart(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        rules(&mut desk, json!({ "mode": "coordinator" })).await;
        let me = asha.party;
        let mut record = |day: &str| asha.record(Kind::Hours, day, |r| { r.minutes(me, 60); }).expect("recorded");
        let (plain, edited) = (record(DAY), record("2026-11-18"));
        post(&app, &mut asha).await;
        assert_eq!(became(&decide(&mut desk, edited, "approve", json!({})).await), (201, ""));
        asha.edit(edited, |r| { r.minutes(me, 70); }).expect("edited");
        post(&app, &mut asha).await;
        for (id, like) in [(plain, "rules:approve"), (edited, "edited:approve")] {
            let like = like.replace(':', "%3A");
            let page: Value = desk.get(&format!("/v1/cards?like={like}")).await.expect("cards");
            let alike: Vec<_> = page["items"].as_array().expect("items").iter().map(|card| ids(card, "needing")).collect();
            assert_eq!(alike, [vec![id]], "{like}");
        }
    }
}

both! {
    async fn who_became_known_is_unknown_on_no_card_whatever_else_is_in_doubt(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let (cy, di) = (asha.meet("Cy"), asha.meet("Di"));
        disagreed(&app, &mut asha, DAY, &[cy, di]).await;
        let needs = |card: &Value| card["activities"][0]["needs"].clone();
        assert_eq!(needs(&cards(&mut desk).await[0]), json!(["conflict", "unknown_party"]), "the first one is told");
        confirm(&mut desk, cy).await;
        app.judge().await;
        assert_eq!(needs(&cards(&mut desk).await[0]), json!(["conflict", "unknown_party"]), "Di is not known");
        let mut phone = app.new_phone("Di");
        phone.party = di;
        phone.enrol(&app.invitation(false).await).await.expect("enrolled");
        app.judge().await;
        assert_eq!(needs(&cards(&mut desk).await[0]), json!(["conflict"]));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn who_is_confirmed_is_unknown_on_no_card_whatever_else_is_in_doubt(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = desk(&app).await;
        let cy = asha.meet("Cy");
        disagreed(&app, &mut asha, DAY, &[cy]).await;
        confirm(&mut desk, cy).await;
        app.judge().await;
        assert_eq!(cards(&mut desk).await[0]["activities"][0]["needs"], json!(["conflict"]));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_merge_above_the_threshold_needs_its_records_approved_by_two_and_then_one_person(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut dee = desk(&app).await;
        let mut eve = app.coordinator("Eve").await;
        let (a, b) = (asha.party, bo.party);
        rules(&mut dee, json!({ "mode": "coordinator", "second_person_above_minutes": 100 })).await;
        let mine = asha.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 90).minutes(b, 90); }).expect("recorded");
        let theirs = bo.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 90).minutes(b, 100); }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        for desk in [&mut dee, &mut eve] {
            let outcome = merge(desk, mine, theirs, json!({})).await;
            assert_eq!(became(&outcome), (409, "second_person"));
            let detail = outcome["detail"].as_str().expect("words");
            assert!(detail.contains("have the records approved first"), "{detail}");
        }
        for id in [mine, theirs] {
            for desk in [&mut dee, &mut eve] {
                assert_eq!(became(&decide(desk, id, "approve", json!({})).await), (201, ""));
            }
        }
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (180, 190));
        assert_eq!(became(&merge(&mut dee, mine, theirs, json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        rebuilt_is_live(&app).await;
    }
}
