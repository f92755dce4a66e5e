//! Stories of who says that they were not part of a record, and of decisions that are taken back or apart after that.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{
    balance, became, cards, decide, desk, drafts, merge, post, send, sound, told, two_picks, undo,
};
use crate::support::{TestApp, TestPhone, both};

const DAY: &str = "2026-11-20";

/// Says so, and lets the clerk look.
async fn decline(app: &TestApp, phone: &mut TestPhone, id: ActivityId) {
    let body = json!({ "id": phone.uuid(), "kind": "decline" });
    let _: Value = phone.post(&format!("/v1/activities/{id}/replies"), &body).await.expect("said");
    app.judge().await;
}

/// The only card; the record needs a person because somebody declined it.
async fn card_of_declined(desk: &mut TestPhone, id: ActivityId) -> Value {
    let found = cards(desk).await;
    let [card] = found.as_slice() else { panic!("one card about {id}: {found:?}") };
    let records = card["activities"].as_array().expect("records");
    let record = records.iter().find(|one| one["activity"]["id"] == json!(id)).expect("the record");
    assert!(record["needs"].as_array().expect("needs").contains(&json!("declined")), "{record}");
    card.clone()
}

/// Takes the first suggestion of a card.
async fn take(desk: &mut TestPhone, card: &Value) {
    let items = drafts(desk, &card["suggested"][0]);
    let outcomes = send(desk, &items).await;
    assert!(outcomes.iter().all(|outcome| became(outcome) == (201, "")), "{outcomes:?}");
}

both! {
    async fn who_declined_a_merged_record_is_credited_by_a_person_only_once_it_is_taken_apart(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let b = bo.party;
        let [mine, theirs] = two_picks(&app, &mut asha, bo.party, &mut cy).await;
        // Of either record of a merge: the one that counts, or the one that went into it.
        for declined in [mine, theirs] {
            assert_eq!(became(&merge(&mut desk, mine, theirs, json!({})).await), (201, ""));
            assert_eq!(balance(&mut bo, b).await, 60);
            decline(&app, &mut bo, declined).await;
            assert_eq!(activity(&mut desk, mine).await["review"], "edited_after_approval");
            sound(&app).await;
            assert_eq!(became(&decide(&mut desk, mine, "unmerge", json!({})).await), (201, ""));
            app.judge().await;
            assert_eq!(activity(&mut desk, mine).await["review"], "approved", "it never credited him");
            let apart = activity(&mut desk, theirs).await;
            assert_eq!((&apart["review"], &apart["posted"]), (&json!("edited_after_approval"), &json!(140)));
            card_of_declined(&mut desk, theirs).await;
            sound(&app).await;
            if declined == mine {
                assert_eq!(became(&decide(&mut desk, theirs, "keep", json!({ "reason": "He was." })).await), (201, ""));
            }
        }
        let card = card_of_declined(&mut desk, theirs).await;
        take(&mut desk, &card).await;
        cy.sync().await.expect("synced");
        assert_eq!((told(&cy, theirs).0, told(&cy, theirs).1), (Review::Approved, Some(80)));
        assert_eq!((balance(&mut bo, b).await, cards(&mut desk).await), (0, Vec::new()));
        sound(&app).await;
    }
}

both! {
    async fn what_was_decided_about_the_merged_record_does_not_credit_who_declined_once_it_is_taken_apart(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let [mine, theirs] = two_picks(&app, &mut asha, bo.party, &mut cy).await;
        assert_eq!(became(&merge(&mut desk, mine, theirs, json!({})).await), (201, ""));
        decline(&app, &mut bo, mine).await;
        // Without Bo and Cy, whom this record does not name.
        assert_eq!(became(&decide(&mut desk, mine, "approve", json!({})).await), (201, ""));
        let b = bo.party;
        assert_eq!(balance(&mut bo, b).await, 0);
        assert_eq!(became(&decide(&mut desk, mine, "unmerge", json!({})).await), (201, ""));
        app.judge().await;
        card_of_declined(&mut desk, theirs).await;
        sound(&app).await;
    }
}

both! {
    async fn taking_a_decision_back_forgets_nobody_who_declined_since(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let (a, b) = (asha.party, bo.party);
        let id = asha.record(Kind::Hours, DAY, |r| _ = r.minutes(a, 90).minutes(b, 60)).expect("recorded");
        post(&app, &mut asha).await;
        bo.sync().await.expect("synced");
        let parks = json!({ "reclassification": { "programme": "parks" }, "reason": "In the park." });
        let moved = decide(&mut desk, id, "reclassify", parks).await;
        assert_eq!(became(&moved), (201, ""));
        decline(&app, &mut bo, id).await;
        assert_eq!(became(&undo(&mut desk, id, &moved).await), (201, ""));
        app.judge().await;
        let seen = activity(&mut desk, id).await;
        assert_eq!((&seen["review"], &seen["posted"]), (&json!("edited_after_approval"), &json!(150)));
        let card = card_of_declined(&mut desk, id).await;
        sound(&app).await;
        take(&mut desk, &card).await;
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 0));
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        sound(&app).await;
    }
}

both! {
    async fn taking_a_decision_about_a_merged_record_back_forgets_no_edit_of_its_members(app: TestApp) {
        let (mut asha, bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let [mine, theirs] = two_picks(&app, &mut asha, bo.party, &mut cy).await;
        assert_eq!(became(&merge(&mut desk, mine, theirs, json!({})).await), (201, ""));
        let parks = json!({ "reclassification": { "programme": "parks" }, "reason": "In the park." });
        let moved = decide(&mut desk, mine, "reclassify", parks).await;
        assert_eq!(became(&moved), (201, ""));
        let c = cy.party;
        cy.edit(theirs, |r| _ = r.minutes(c, 85)).expect("edited");
        post(&app, &mut cy).await;
        assert_eq!(became(&undo(&mut desk, mine, &moved).await), (201, ""));
        app.judge().await;
        assert_eq!(activity(&mut desk, mine).await["review"], "edited_after_approval");
        assert_eq!(cards(&mut desk).await.len(), 1);
        sound(&app).await;
    }
}

both! {
    async fn a_merge_is_not_suggested_to_be_kept_for_whom_only_it_credits_and_who_declined(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let [mine, theirs] = two_picks(&app, &mut asha, bo.party, &mut cy).await;
        assert_eq!(became(&merge(&mut desk, mine, theirs, json!({})).await), (201, ""));
        decline(&app, &mut bo, mine).await;
        let card = card_of_declined(&mut desk, mine).await;
        assert_eq!(card["suggested"], json!([]), "that is for the merge to be taken apart");
        sound(&app).await;
    }
}

both! {
    async fn a_merge_is_suggested_without_the_minutes_of_who_declined_one_of_its_records(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let (a, b, c) = (asha.party, bo.party, cy.party);
        let mine = asha.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 90).minutes(b, 60).place(52.456, -1.89, 8.0).count("bags", 3);
        });
        cy.record(Kind::LitterPick, DAY, |r| {
            r.minutes(c, 80).minutes(a, 90).place(52.456, -1.89, 8.0).count("bags", 3);
        }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut cy).await;
        bo.sync().await.expect("synced");
        decline(&app, &mut bo, mine.expect("recorded")).await;
        let found = cards(&mut desk).await;
        let [card] = found.as_slice() else { panic!("one card: {found:?}") };
        assert_eq!(card["suggested"][0]["decision"], "merge", "{card}");
        take(&mut desk, card).await;
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await, balance(&mut cy, c).await), (90, 0, 80));
        sound(&app).await;
    }
}
