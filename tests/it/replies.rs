//! Stories of people who are named in others' records, and of what is said about a record.

use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::limits::{PARTIES_MAX, REPLIES_MAX, REPLY_CHARACTERS_MAX};
use daybook::domain::review::Review;
use daybook::phone::PhoneError;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::activity;
use crate::support::desk::{
    balance, became, cards, desk, drafts, entered, post, rebuilt_is_live, refused, send, told,
};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";

async fn say(phone: &mut TestPhone, id: ActivityId, mut body: Value) -> Result<Value, PhoneError> {
    if body["id"].is_null() {
        body["id"] = json!(phone.uuid());
    }
    phone.post(&format!("/v1/activities/{id}/replies"), &body).await
}

/// The needs of each card's records.
async fn needs(desk: &mut TestPhone) -> Vec<Value> {
    let found = cards(desk).await;
    let records = found.iter().flat_map(|card| card["activities"].as_array().expect("records").clone());
    records.map(|record| record["needs"].clone()).collect()
}

fn pick(asha: &mut TestPhone, bo: &TestPhone, minutes: i64) -> ActivityId {
    let (me, other) = (asha.party, bo.party);
    let recorded = asha.record(Kind::LitterPick, DAY, |r| {
        r.minutes(me, minutes).minutes(other, 60).place(52.456_789, -1.890_123, 8.0);
    });
    recorded.expect("recorded")
}

both! {
    async fn who_is_named_hears_of_it_and_may_say_that_they_were_not_part_of_it(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = desk(&app).await;
        let (me, other) = (asha.party, bo.party);
        let record = pick(&mut asha, &bo, 90);
        post(&app, &mut asha).await;
        bo.sync().await.expect("synced");
        let heard = &bo.verdicts[&record];
        let named = heard.named.as_ref().expect("named");
        assert_eq!((heard.review, heard.minutes), (Review::Approved, Some(60)));
        assert_eq!((named.by, named.kind.as_deref(), named.day.as_deref(), named.still), (asha.party, Some("litter_pick"), Some(DAY), true));
        assert!(asha.verdicts[&record].named.is_none(), "her own");
        // Read it, and not change it; where it was as the public sees it.
        let seen = activity(&mut bo, record).await;
        assert_eq!(seen["place"], json!({ "lat": 52.457, "lon": -1.89 }));
        let listed: Value = bo.get("/v1/activities?names_me=true").await.expect("a page");
        assert_eq!((listed["items"][0]["id"].clone(), listed["items"][0]["place"]["lat"].clone()), (json!(record), json!(52.457)));
        let versions = bo.get::<Value>(&format!("/v1/activities/{record}/versions")).await;
        assert_eq!(refused(versions), (404, "not_found".to_owned()));
        assert_eq!(refused(cy.get::<Value>(&format!("/v1/activities/{record}")).await), (404, "not_found".to_owned()));
        assert_eq!(refused(say(&mut cy, record, json!({ "text": "Hm." })).await), (404, "not_found".to_owned()));

        let decline = json!({ "id": bo.uuid(), "kind": "decline", "text": "I was away that day." });
        let said = say(&mut bo, record, decline.clone()).await.expect("said");
        assert_eq!(say(&mut bo, record, decline.clone()).await.expect("said before"), said);
        let silent = json!({ "id": decline["id"], "kind": "decline" });
        assert_eq!(refused(say(&mut bo, record, silent).await), (409, "id_reused".to_owned()));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, record), (Review::EditedAfterApproval, Some(150), "declined"));
        assert_eq!(balance(&mut bo, other).await, 60, "until a person decides");
        assert_eq!(asha.verdicts[&record].replies, 1);
        rebuilt_is_live(&app).await;

        let page: Value = desk.get("/v1/cards").await.expect("cards");
        let card = &page["items"][0];
        assert_eq!(card["activities"][0]["needs"], json!(["edited", "declined"]));
        assert_eq!(card["activities"][0]["replies"][0]["text"], "I was away that day.");
        let items = drafts(&mut desk, &card["suggested"][0]);
        assert_eq!(became(&send(&mut desk, &items).await[0]), (201, ""), "{items:?}");
        assert_eq!((balance(&mut asha, me).await, balance(&mut bo, other).await), (90, 0));
        bo.sync().await.expect("synced");
        assert_eq!((told(&bo, record).0, told(&bo, record).1), (Review::Approved, Some(0)));
        assert_eq!(needs(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn everybody_whom_a_record_names_hears_of_it_however_many_they_are(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (me, other) = (asha.party, bo.party);
        // As many as a record can name, and Bo's id is the last of them.
        let crowd = (1..).map(|number| PartyId(Uuid::from_u128(number))).take(PARTIES_MAX - 2);
        let id = asha.record(Kind::Hours, DAY, |r| {
            r.minutes(me, 1).minutes(other, 2);
            crowd.for_each(|party| _ = r.minutes(party, 1));
        }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(activity(&mut asha, id).await["parties"].as_array().map(Vec::len), Some(PARTIES_MAX));
        bo.sync().await.expect("synced");
        let heard = bo.verdicts.get(&id).expect("a verdict");
        let named = heard.named.as_ref().expect("named");
        assert_eq!((heard.review, named.by, named.still), (Review::Received, me, true));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_somebody_declines_waits_until_they_are_left_out_or_say_otherwise(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        desk(&app).await;
        // Nine hours are for a person to look at.
        let (first, second) = (pick(&mut asha, &bo, 540), ActivityId(asha.uuid()));
        let (me, other) = (asha.party, bo.party);
        asha.edit(second, |r| { r.kind(Kind::Hours).day("2026-11-18").minutes(me, 540).minutes(other, 30); }).expect("recorded");
        post(&app, &mut asha).await;
        for record in [first, second] {
            say(&mut bo, record, json!({ "kind": "decline" })).await.expect("said");
            asha.edit(record, |r| { r.minutes(me, 90); }).expect("edited");
        }
        post(&app, &mut asha).await;
        for record in [first, second] {
            assert_eq!(told(&asha, record), (Review::Received, None, "declined"));
        }
        asha.edit(first, |r| { r.minutes(other, 0); }).expect("edited");
        say(&mut bo, second, json!({ "kind": "accept", "text": "Oh, that." })).await.expect("said");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, first), (Review::Approved, Some(90), ""));
        assert_eq!(told(&asha, second), (Review::Approved, Some(120), ""));
        bo.sync().await.expect("synced");
        assert_eq!(bo.verdicts[&first].named.as_ref().map(|named| named.still), Some(false));
        assert_eq!(refused(bo.get::<Value>(&format!("/v1/activities/{first}")).await), (404, "not_found".to_owned()));
        assert_eq!(refused(say(&mut bo, first, json!({ "kind": "decline" })).await), (404, "not_found".to_owned()));
        rebuilt_is_live(&app).await;
        // Named again, they hear of it again.
        asha.edit(first, |r| { r.minutes(other, 20); }).expect("edited");
        post(&app, &mut asha).await;
        bo.sync().await.expect("synced");
        assert_eq!(bo.verdicts[&first].named.as_ref().map(|named| named.still), Some(true));
        assert_eq!(told(&asha, first).0, Review::EditedAfterApproval, "they said no to this one");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_a_resident_says_waits_for_an_answer_and_the_answer_reaches_the_phone(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = desk(&app).await;
        let record = pick(&mut asha, &bo, 90);
        post(&app, &mut asha).await;
        bo.sync().await.expect("synced");
        say(&mut asha, record, json!({ "text": "Was it not more?" })).await.expect("said");
        assert_eq!(needs(&mut desk).await, [json!(["reply"])]);
        let page: Value = desk.get("/v1/cards").await.expect("cards");
        assert_eq!(page["items"][0]["suggested"], json!([]), "words, and no decision");
        say(&mut desk, record, json!({ "text": "It is what you wrote." })).await.expect("said");
        assert_eq!(needs(&mut desk).await, Vec::<Value>::new());
        let page: Value = bo.get(&format!("/v1/activities/{record}/replies?limit=1")).await.expect("replies");
        assert_eq!((&page["items"][0]["text"], &page["items"][0]["at_desk"]), (&json!("It is what you wrote."), &json!(true)));
        assert!(page["next"].is_string());
        for phone in [&mut asha, &mut bo] {
            phone.sync().await.expect("synced");
            assert_eq!((told(phone, record).0, phone.verdicts[&record].replies), (Review::Approved, 2));
        }
        rebuilt_is_live(&app).await;
        // A decision is an answer too.
        let seen = activity(&mut desk, record).await;
        let reject = json!({
            "id": desk.uuid(), "activity_id": record, "version": seen["version"],
            "decision_seq": seen["decision_seq"], "step": "reject", "reason": "It rained.",
        });
        assert_eq!(became(&send(&mut desk, &[reject]).await[0]), (201, ""));
        say(&mut asha, record, json!({ "text": "It did not." })).await.expect("said");
        assert_eq!(needs(&mut desk).await, [json!(["reply"])]);
        let seen = activity(&mut desk, record).await;
        let approve = json!({
            "id": desk.uuid(), "activity_id": record, "version": seen["version"],
            "decision_seq": seen["decision_seq"], "step": "approve",
        });
        assert_eq!(became(&send(&mut desk, &[approve]).await[0]), (201, ""));
        assert_eq!(needs(&mut desk).await, Vec::<Value>::new());
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_reply_keeps_within_its_bounds(app: TestApp) {
        let (mut asha, bo) = (app.phone("Asha").await, app.phone("Bo").await);
        desk(&app).await;
        let record = pick(&mut asha, &bo, 90);
        // Before anybody has judged it.
        asha.sync().await.expect("synced");
        for (body, status, code) in [
            (json!({ "text": "x".repeat(REPLY_CHARACTERS_MAX + 1) }), 422, "field_invalid"),
            (json!({ "text": "  " }), 422, "field_invalid"),
            (json!({ "kind": "message" }), 422, "field_invalid"),
            (json!({ "text": "a\u{0}b" }), 422, "field_invalid"),
            (json!({ "text": "a", "colour": "red" }), 422, "field_invalid"),
            (json!({ "kind": "decline" }), 409, "not_named"),
        ] {
            assert_eq!(refused(say(&mut asha, record, body.clone()).await), (status, code.to_owned()), "{body}");
        }
        let nowhere = ActivityId(asha.uuid());
        assert_eq!(refused(say(&mut asha, nowhere, json!({ "text": "a" })).await), (404, "not_found".to_owned()));
        for _ in 0..REPLIES_MAX {
            say(&mut asha, record, json!({ "text": "ü".repeat(REPLY_CHARACTERS_MAX) })).await.expect("said");
        }
        assert_eq!(refused(say(&mut asha, record, json!({ "text": "a" })).await), (409, "too_many_replies".to_owned()));
        assert_eq!(activity(&mut asha, record).await["replies"], REPLIES_MAX);
    }
}

both! {
    async fn who_has_no_phone_is_recorded_for_and_hears_of_it_once_they_have_one(app: TestApp) {
        let (mut asha, mut desk) = (app.phone("Asha").await, desk(&app).await);
        let kim = entered(&mut desk, "resident", "Kim").await;
        let dee = desk.party;
        let record = desk.record(Kind::Hours, DAY, |r| { r.minutes(kim, 75); }).expect("recorded");
        post(&app, &mut desk).await;
        assert_eq!(told(&desk, record), (Review::Approved, Some(75), ""));
        assert_eq!(balance(&mut desk, kim).await, 75);
        // Both names are kept: who wrote it, and for whom.
        let seen = activity(&mut desk, record).await;
        assert_eq!((&seen["party_id"], &seen["parties"][0]["party_id"]), (&json!(dee), &json!(kim)));

        let invitation = json!({ "id": app.app.uuid(), "party_id": kim });
        let invitation: Value = desk.post("/v1/invitations", &invitation).await.expect("an invitation");
        let mut phone = app.new_phone("Kim");
        phone.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        phone.sync().await.expect("synced");
        let heard = &phone.verdicts[&record];
        assert_eq!((heard.review, heard.minutes), (Review::Approved, Some(75)));
        assert_eq!(heard.named.as_ref().map(|named| named.by), Some(dee));
        assert_eq!(balance(&mut phone, kim).await, 75);
        say(&mut phone, record, json!({ "kind": "decline" })).await.expect("said");
        asha.sync().await.expect("synced");
        assert!(!asha.verdicts.contains_key(&record), "no business of hers");
        desk.sync().await.expect("synced");
        assert_eq!(told(&desk, record).0, Review::EditedAfterApproval);
        rebuilt_is_live(&app).await;
    }
}
