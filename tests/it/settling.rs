//! Stories of what phones disagree about, and how it is settled.

use automerge::{ROOT, ReadDoc as _};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{balance, became, decide, disagreed, post, rebuilt_is_live, told, undo};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";

/// How many values of somebody's minutes there are in a phone's own daybook.
fn values(phone: &mut TestPhone, id: ActivityId, party: PartyId) -> usize {
    let doc = &phone.own_book().doc;
    let (_, map) = doc.get(ROOT, id.to_string()).expect("read").expect("the record");
    doc.get_all(&map, format!("party/{party}")).expect("read").len()
}

both! {
    async fn what_phones_disagree_about_is_settled_and_holds_until_one_writes_it_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let (id, mut tablet) = disagreed(&app, &mut asha, DAY, &[]).await;

        let seen = activity(&mut desk, id).await;
        assert_eq!(seen["conflict"], "hard");
        let conflict = &seen["conflicts"][0];
        let named = conflict["operations"].as_array().expect("operations").clone();
        assert_eq!(named.len(), 2);
        let settles = |operations: &[Value], value: Value| {
            json!({ "settles": [{ "field": conflict["field"], "operations": operations, "value": value }] })
        };
        for bad in [settles(&named[..1], 75.into()), settles(&named, (-1).into()), settles(&named, "75".into())] {
            assert_eq!(became(&decide(&mut desk, id, "settle", bad).await), (409, "settlement_unfit"));
        }
        let settled = decide(&mut desk, id, "settle", settles(&named, 75.into())).await;
        assert_eq!(became(&settled), (201, ""));
        let seen = activity(&mut desk, id).await;
        assert_eq!((seen["conflict"].as_str(), &seen["posted"]), (Some("none"), &json!(0)));
        assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(75), ""));
        assert!(asha.verdicts[&id].settled.values().eq([&json!(75)]));
        rebuilt_is_live(&app).await;

        // An edit of something else leaves it settled; a phone that had not heard opens it again.
        asha.edit(id, |a| { a.note("By the canal."); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::Approved);
        tablet.edit(id, |a| { a.minutes(me, 85); }).expect("edited");
        post(&app, &mut tablet).await;
        assert_eq!(told(&tablet, id).0, Review::EditedAfterApproval);
        assert!(tablet.verdicts[&id].settled.is_empty(), "or a phone would write it over what is new");
        assert_eq!(balance(&mut asha, me).await, 75);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn no_decision_writes_into_a_daybook_and_a_phone_that_writes_what_was_settled_changes_nothing_else(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let (id, mut tablet) = disagreed(&app, &mut asha, DAY, &[]).await;
        post(&app, &mut asha).await;
        let heads = asha.own_book().doc.get_heads();
        let conflict = activity(&mut desk, id).await["conflicts"][0].clone();
        let settles = json!({ "settles": [{ "field": conflict["field"], "operations": conflict["operations"], "value": 80 }] });
        assert_eq!(became(&decide(&mut desk, id, "settle", settles).await), (201, ""));
        let approved = decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(became(&undo(&mut desk, id, &approved).await), (201, ""));
        assert_eq!(became(&decide(&mut desk, id, "reject", json!({ "reason": "Not there." })).await), (201, ""));
        assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
        post(&app, &mut asha).await;
        tablet.sync().await.expect("synced");
        for phone in [&mut asha, &mut tablet] {
            assert_eq!(phone.own_book().doc.get_heads(), heads, "the server wrote into the daybook");
        }

        // Her phone writes it under its own actor: the doubt is gone from the daybook too.
        assert_eq!(values(&mut asha, id, me), 2);
        let version = activity(&mut desk, id).await["judged_version"].as_i64().expect("a version");
        let settled = asha.verdicts[&id].settled.values().next().and_then(Value::as_i64).expect("minutes");
        asha.edit(id, |a| { a.minutes(me, settled); }).expect("edited");
        post(&app, &mut asha).await;
        let seen = activity(&mut desk, id).await;
        assert_eq!((seen["judged_version"].as_i64(), &seen["posted"], &seen["review"]), (Some(version + 1), &json!(80), &json!("approved")));
        assert_eq!(told(&asha, id), (Review::Approved, Some(80), ""));
        assert_eq!(balance(&mut asha, me).await, 80);
        assert_eq!(values(&mut asha, id, me), 1);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn where_it_was_is_settled_for_its_own_phones_exactly_and_for_others_about(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (a, b) = (asha.party, bo.party);
        let mut tablet = app.second_device(&mut asha, "A tablet").await;
        let id = asha.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 30).minutes(b, 30).place(52.45612, -1.89034, 8.0);
        }).expect("recorded");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        asha.edit(id, |r| { r.place(52.45678, -1.89034, 8.0); }).expect("edited");
        tablet.edit(id, |r| { r.place(52.45698, -1.89034, 8.0); }).expect("edited");
        asha.sync().await.expect("synced");
        post(&app, &mut tablet).await;
        let seen = activity(&mut desk, id).await;
        let said: Vec<Value> = seen["conflicts"].as_array().expect("conflicts").iter().map(|conflict| {
            let value = if conflict["field"] == "place.lat" { json!(52.45678) } else { conflict["values"][0]["value"].clone() };
            json!({ "field": conflict["field"], "operations": conflict["operations"], "value": value })
        }).collect();
        assert_eq!(became(&decide(&mut desk, id, "settle", json!({ "settles": said })).await), (201, ""));
        for phone in [&mut asha, &mut bo] {
            post(&app, phone).await;
        }
        assert_eq!(asha.verdicts[&id].settled["place.lat"], json!(52.45678));
        assert_eq!(bo.verdicts[&id].settled["place.lat"], json!(52.457));
        assert_eq!(bo.verdicts[&id].settled.get("place.accuracy_m"), None);
    }
}

both! {
    async fn a_conflict_is_settled_and_approved_at_once_and_undone_at_once(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let (id, _) = disagreed(&app, &mut asha, DAY, &[]).await;
        let conflict = activity(&mut desk, id).await["conflicts"][0].clone();
        let settles = json!({ "settles": [{
            "field": conflict["field"], "operations": conflict["operations"], "value": 80,
        }] });
        let approved = decide(&mut desk, id, "approve", settles).await;
        assert_eq!((became(&approved), balance(&mut asha, me).await), ((201, ""), 80));
        assert_eq!(became(&undo(&mut desk, id, &approved).await), (201, ""));
        assert_eq!((balance(&mut asha, me).await, activity(&mut desk, id).await["conflict"].as_str()), (0, Some("hard")));
        rebuilt_is_live(&app).await;
    }
}
