//! Stories of records that change after they were judged: edits, withdrawals, changes asked for.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::json;

use crate::support::app::activity;
use crate::support::both;
use crate::support::desk::{balance, became, decide, post, statement, told};

const DAY: &str = "2026-11-20";

both! {
    async fn an_approval_goes_along_with_what_does_not_matter(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 90).count("bags", 1); }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.note("By the canal.").put("mood", "good"); }).expect("edited");
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, id).await;
        assert_eq!((&seen["review"], &seen["judged_version"]), (&json!("approved"), &json!(2)));
        assert_eq!(seen["decision_seq"], 1, "nothing was decided anew");

        asha.edit(id, |a| { a.count("bags", 1); }).expect("edited");
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, id).await;
        assert_eq!(seen["review"], "approved", "a rule decides again on what raises no minutes");
        assert_eq!(seen["decision_seq"], 2);

        // Once a person decided, every figure goes back to a person.
        decide(&mut desk, id, "approve", json!({})).await;
        asha.edit(id, |a| { a.count("bags", 1); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::EditedAfterApproval);
        assert_eq!(statement(&mut asha, me).await, [(90, 90)], "what was posted stands");
    }
}

both! {
    async fn an_edit_of_minutes_waits_and_what_was_posted_stands(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.minutes(me, 100); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, id).0, told(&asha, id).1), (Review::EditedAfterApproval, Some(90)));
        assert_eq!(balance(&mut asha, me).await, 90);
        let kept = decide(&mut desk, id, "keep", json!({ "reason": "You left at half past." })).await;
        assert_eq!(became(&kept), (201, ""));
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, id), (Review::Approved, Some(90), "decided"));
        asha.edit(id, |a| { a.minutes(me, 95); }).expect("edited");
        post(&app, &mut asha).await;
        decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(statement(&mut asha, me).await, [(5, 95), (90, 90)]);
    }
}

both! {
    async fn fewer_minutes_are_approved_by_rule_and_the_difference_goes_back(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.minutes(me, 80); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(80), "fewer_minutes"));
        assert_eq!(statement(&mut asha, me).await, [(-10, 80), (90, 90)]);
    }
}

both! {
    async fn a_record_goes_back_to_the_phone_and_comes_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let asked = decide(&mut desk, id, "ask_for_changes", json!({ "reason": "Which day was it?" })).await;
        assert_eq!(became(&asked), (201, ""));
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, id), (Review::NeedsChanges, Some(90), "needs_changes"));
        assert_eq!(asha.verdicts[&id].reason.as_ref().expect("a reason").text, "Which day was it?");
        // Whatever comes back is the answer, and goes to a person.
        asha.edit(id, |a| { a.note("The Friday."); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::EditedAfterApproval);
        assert_eq!(balance(&mut asha, me).await, 90);
    }
}

both! {
    async fn taking_a_record_back_takes_its_minutes_back_with_a_reason(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.withdraw(); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Withdrawn, None, "withdrawn"));
        assert!(!asha.verdicts[&id].reason.as_ref().expect("a reason").text.is_empty());
        assert_eq!(statement(&mut asha, me).await, [(-90, 0), (90, 90)]);

        asha.edit(id, |a| { a.put("withdrawn", false); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::Received, "a person looks");
        assert_eq!(balance(&mut asha, me).await, 0);
        decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(balance(&mut asha, me).await, 90);
    }
}

both! {
    async fn what_names_others_is_not_taken_back_without_a_person(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, bo.party);
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90).minutes(other, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.withdraw(); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, id).0, told(&asha, id).1), (Review::EditedAfterApproval, Some(150)));
        assert_eq!((balance(&mut asha, me).await, balance(&mut bo, other).await), (90, 60));
        decide(&mut desk, id, "reject", json!({ "reason": "Taken back." })).await;
        assert_eq!((balance(&mut asha, me).await, balance(&mut bo, other).await), (0, 0));
    }
}

both! {
    async fn the_reason_of_a_decision_is_not_lost_when_the_clerk_looks_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        asha.sync().await.expect("synced");
        // The coordinator is faster than the clerk.
        let more = json!({ "corrections": { "minutes": { me.to_string(): 60 } }, "reason": "You left at eleven." });
        let decided = decide(&mut desk, id, "approve", more).await;
        assert_eq!(became(&decided), (201, ""));
        app.judge().await;
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, id), (Review::Approved, Some(60), "decided"));
        assert_eq!(statement(&mut asha, me).await, [(60, 60)]);
    }
}
