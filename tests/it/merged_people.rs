//! Stories of those whom a merge concerns although the record that stays never named them, and of those whom a record
//! credits and no longer names.

use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{
    balance, became, decide, desk, entered, join, merge, post, rebuilt_is_live, refused, sound, told,
    two_picks, undo,
};
use crate::support::{TestApp, TestPhone, both};

const DAY: &str = "2026-11-20";

/// A pick of Asha's, and one of Cy's with Ben, as [`two_picks`] says.
struct Two {
    asha: TestPhone,
    ben: TestPhone,
    cy: TestPhone,
    desk: TestPhone,
    ashas: ActivityId,
    cys: ActivityId,
}

async fn two(app: &TestApp) -> Two {
    let desk = desk(app).await;
    let (mut asha, ben) = (app.phone("Asha").await, app.phone("Ben").await);
    let mut cy = app.phone("Cy").await;
    let [ashas, cys] = two_picks(app, &mut asha, ben.party, &mut cy).await;
    Two { asha, ben, cy, desk, ashas, cys }
}

/// Whose record it is, what it gives, and whether it concerns the phone still, as a phone was last told of another's.
fn heard(phone: &TestPhone, id: ActivityId) -> (PartyId, Option<i64>, bool) {
    let verdict = phone.verdicts.get(&id).expect("a verdict");
    let named = verdict.named.as_ref().expect("somebody else's");
    (named.by, verdict.minutes, named.still)
}

async fn may_not_read(phone: &mut TestPhone, id: ActivityId) {
    let answer = phone.get::<Value>(&format!("/v1/activities/{id}")).await;
    assert_eq!(refused(answer), (404, "not_found".to_owned()));
}

both! {
    async fn whom_only_the_merged_record_names_is_told_what_it_counts_as_part_of_and_what_that_gives_them(app: TestApp) {
        let Two { asha, mut ben, mut cy, mut desk, ashas, cys } = two(&app).await;
        let mut di = app.phone("Di").await;
        ben.sync().await.expect("synced");
        assert_eq!(heard(&ben, cys), (cy.party, Some(60), true));
        assert!(!ben.verdicts.contains_key(&ashas), "no business of his");
        may_not_read(&mut ben, ashas).await;

        assert_eq!(became(&merge(&mut desk, ashas, cys, json!({})).await), (201, ""));
        let b = ben.party;
        assert_eq!(balance(&mut ben, b).await, 60);
        for (phone, minutes) in [(&mut ben, 60), (&mut cy, 80)] {
            phone.sync().await.expect("synced");
            assert_eq!(heard(phone, ashas), (asha.party, Some(minutes), true));
            let away = &phone.verdicts[&cys];
            assert_eq!((away.review, away.minutes, away.merged_into), (Review::Approved, None, Some(ashas)));
            assert_eq!(told(phone, ashas).2, "decided");
            // They may read it, and not where exactly it was.
            let seen = activity(phone, ashas).await;
            assert_eq!((&seen["members"], &seen["place"]["lat"]), (&json!([cys]), &json!(52.457)));
            let listed: Value = phone.get("/v1/activities?names_me=true").await.expect("a page");
            let ids: Vec<&Value> = listed["items"].as_array().expect("items").iter().map(|one| &one["id"]).collect();
            assert!(ids.contains(&&json!(ashas)), "{listed}");
        }
        assert!(cy.verdicts[&cys].named.is_none() && ben.verdicts[&cys].named.is_some());
        may_not_read(&mut di, ashas).await;
        rebuilt_is_live(&app).await;

        // Ben says that it was without him, of the record that counts.
        let decline = json!({ "id": ben.uuid(), "kind": "decline" });
        let _: Value = ben.post(&format!("/v1/activities/{ashas}/replies"), &decline).await.expect("said");
        ben.sync().await.expect("synced");
        assert_eq!(told(&ben, ashas).0, Review::EditedAfterApproval);

        assert_eq!(became(&decide(&mut desk, ashas, "unmerge", json!({})).await), (201, ""));
        for phone in [&mut ben, &mut cy] {
            phone.sync().await.expect("synced");
            assert_eq!(heard(phone, ashas), (asha.party, Some(0), false));
            assert_eq!(phone.verdicts[&cys].merged_into, None);
            may_not_read(phone, ashas).await;
        }
        assert_eq!((heard(&ben, cys), told(&cy, cys).1), ((cy.party, Some(60), true), Some(140)));
        // What he said of both is of the one that credits him by itself.
        assert_eq!((told(&ben, cys).0, told(&cy, cys).0), (Review::EditedAfterApproval, Review::EditedAfterApproval));
        rebuilt_is_live(&app).await;
        // Merged once more, it is theirs once more.
        assert_eq!(became(&merge(&mut desk, ashas, cys, json!({})).await), (201, ""));
        ben.sync().await.expect("synced");
        assert_eq!(heard(&ben, ashas), (asha.party, Some(60), true));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn whom_a_merge_gives_nothing_is_told_that_and_so_is_whom_a_member_names_later(app: TestApp) {
        let Two { asha, mut ben, mut cy, mut desk, ashas, cys } = two(&app).await;
        let (mut di, mut ed) = (app.phone("Di").await, app.phone("Ed").await);
        let (b, d, e) = (ben.party, di.party, ed.party);
        let none = json!({ "corrections": { "minutes": { b.to_string(): 0 } } });
        assert_eq!(became(&merge(&mut desk, ashas, cys, none).await), (201, ""));
        ben.sync().await.expect("synced");
        assert_eq!(heard(&ben, ashas), (asha.party, Some(0), true));
        assert_eq!(ben.verdicts[&cys].merged_into, Some(ashas));
        assert_eq!(activity(&mut ben, ashas).await["posted"], 170);
        rebuilt_is_live(&app).await;

        // The first edit sends the record that counts to a person, and the second finds it there.
        for (phone, party) in [(&mut di, d), (&mut ed, e)] {
            phone.sync().await.expect("synced");
            cy.edit(cys, |r| _ = r.minutes(party, 20)).expect("edited");
            post(&app, &mut cy).await;
            phone.sync().await.expect("synced");
            assert_eq!(heard(phone, ashas), (asha.party, Some(0), true));
            assert_eq!(phone.verdicts[&cys].merged_into, Some(ashas));
            assert_eq!(activity(phone, ashas).await["review"], "edited_after_approval");
            rebuilt_is_live(&app).await;
        }
        cy.edit(cys, |r| _ = r.minutes(e, 0)).expect("edited");
        post(&app, &mut cy).await;
        ed.sync().await.expect("synced");
        for id in [ashas, cys] {
            assert!(!heard(&ed, id).2, "neither is his business any more");
            may_not_read(&mut ed, id).await;
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn who_is_credited_hears_of_a_record_that_names_them_no_more_until_that_is_decided(app: TestApp) {
        let mut desk = desk(&app).await;
        let (mut asha, mut ben) = (app.phone("Asha").await, app.phone("Ben").await);
        let (a, b) = (asha.party, ben.party);
        let id = asha.record(Kind::Hours, DAY, |r| _ = r.minutes(a, 90).minutes(b, 60)).expect("recorded");
        post(&app, &mut asha).await;
        // Where a person decided no rule does.
        assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
        asha.edit(id, |r| _ = r.minutes(b, 0)).expect("edited");
        post(&app, &mut asha).await;
        ben.sync().await.expect("synced");
        assert_eq!(told(&ben, id).0, Review::EditedAfterApproval);
        assert_eq!((heard(&ben, id), balance(&mut ben, b).await), ((a, Some(60), true), 60));
        assert_eq!(activity(&mut ben, id).await["posted"], 150);
        rebuilt_is_live(&app).await;

        let approved = decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(became(&approved), (201, ""));
        ben.sync().await.expect("synced");
        assert_eq!((heard(&ben, id), balance(&mut ben, b).await), ((a, Some(0), false), 0));
        may_not_read(&mut ben, id).await;
        rebuilt_is_live(&app).await;
        // Taken back, his minutes are his again.
        assert_eq!(became(&undo(&mut desk, id, &approved).await), (201, ""));
        ben.sync().await.expect("synced");
        assert_eq!((heard(&ben, id), balance(&mut ben, b).await), ((a, Some(60), true), 60));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn one_person_whom_two_merged_records_name_by_two_ids_is_credited_once(app: TestApp) {
        let mut desk = desk(&app).await;
        let (mut asha, mut ben) = (app.phone("Asha").await, app.phone("Ben").await);
        let (a, b, hub) = (asha.party, ben.party, entered(&mut desk, "resident", "Ben K.").await);
        let first = asha.record(Kind::LitterPick, DAY, |r| _ = r.minutes(a, 30).minutes(hub, 60)).expect("recorded");
        let second = ben.record(Kind::LitterPick, "2026-11-19", |r| _ = r.minutes(b, 50)).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut ben).await;
        join(&mut desk, b, hub).await;
        assert_eq!(balance(&mut ben, b).await, 110);
        // What was approved says who he was then.
        assert_eq!(became(&merge(&mut desk, first, second, json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut ben, b).await), (30, 60));
        ben.sync().await.expect("synced");
        assert_eq!(heard(&ben, first), (a, Some(60), true));
        sound(&app).await;
    }
}
