//! Stories of judgement: what the rules leave to people, and what people decide.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::both;
use crate::support::desk::{
    balance, became, confirm, decide, disagreed, item, post, send, statement, told, undo,
};

const DAY: &str = "2026-11-20";
const DAY_MS: i64 = 86_400_000;

both! {
    async fn every_doubt_waits_for_a_person_and_is_said_in_plain_words(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (me, other) = (asha.party, app.phone("Cy").await.party);
        let met = asha.meet("Bo");
        let morning = START_MS - DAY_MS;
        let mut hours = |day: &str, write: &dyn Fn(&mut daybook::phone::Entry<'_>)| {
            asha.record(Kind::Hours, day, |a| write(a)).expect("recorded")
        };
        hours("2026-11-18", &|a| { a.minutes(me, 60).started_at(morning - 2 * DAY_MS); });
        hours("2026-11-17", &|a| { a.minutes(me, 300); });
        hours("2026-11-16", &|a| { a.totals(2, 100).minutes(me, 60); });
        let occasion = hours("2026-11-15", &|a| { a.totals(2, 100).minutes(me, 60); });
        let doubtful = [
            ("unknown_party", hours("2026-11-19", &|a| { a.minutes(me, 60).minutes(met, 60); })),
            ("check_times", hours("2026-11-18", &|a| { a.minutes(me, 60).started_at(morning - 2 * DAY_MS + 59 * 60_000); })),
            ("day_minutes", hours("2026-11-17", &|a| { a.minutes(me, 181); })),
            ("occasion_total", hours("2026-11-14", &|a| { a.totals(3, 60 + 2 * 480 + 1).minutes(me, 60); })),
            ("unreadable_field", hours("2026-11-13", &|a| { a.minutes(me, 60).put("person_minutes", "many"); })),
            ("check_times", hours("2026-11-12", &|a| { a.minutes(me, 60).started_at(morning); })),
            ("check_share", hours("2026-11-15", &|a| { a.minutes(other, 41).part_of(occasion); })),
        ];
        post(&app, &mut asha).await;
        for (code, id) in doubtful {
            assert_eq!(told(&asha, id), (Review::Received, None, code));
            let words = &asha.verdicts[&id].reason.as_ref().expect("a reason").text;
            assert!(words.starts_with("We need to check ") && words.ends_with('.'), "{words}");
            assert_eq!(activity(&mut asha, id).await["posted"], 0);
        }
        // Only what was clean is posted.
        assert_eq!(balance(&mut asha, me).await, 60 + 300 + 60 + 60);
    }
}

both! {
    async fn two_values_that_matter_wait_until_a_phone_settles_them(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let (id, mut tablet) = disagreed(&app, &mut asha, DAY, &[]).await;
        assert_eq!(told(&tablet, id), (Review::Received, None, "hard_conflict"));
        let seen = activity(&mut tablet, id).await;
        assert_eq!(seen["conflicts"][0]["values"].as_array().map(Vec::len), Some(2));
        let refused = decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(became(&refused), (409, "conflict_unsettled"));

        asha.sync().await.expect("synced");
        asha.edit(id, |a| { a.minutes(me, 75); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(75), ""));
    }
}

both! {
    async fn a_party_that_becomes_known_lets_what_waits_be_judged_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, bo, cy) = (asha.party, asha.meet("Bo"), asha.meet("Cy"));
        let with_bo = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 30).minutes(bo, 40); }).expect("recorded");
        let with_cy = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 50).minutes(cy, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(balance(&mut asha, me).await, 0);

        confirm(&mut desk, bo).await;
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, with_bo), (Review::Approved, Some(70), ""));
        assert_eq!(told(&asha, with_cy).2, "unknown_party");

        // Cy gets a phone of his own: an invitation that names him.
        let body = json!({ "id": app.app.uuid(), "party_id": cy });
        let invitation: Value = desk.post("/v1/invitations", &body).await.expect("an invitation");
        let mut phone = app.new_phone("Cy");
        phone.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, with_cy), (Review::Approved, Some(110), ""));
        assert_eq!(balance(&mut asha, me).await, 80);
        assert_eq!(balance(&mut phone, cy).await, 60);
    }
}

both! {
    async fn a_correction_posts_the_difference_and_the_statement_shows_both(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(90), ""));

        let corrections = json!({ "minutes": { me.to_string(): 60 } });
        let silent = decide(&mut desk, id, "approve", json!({ "corrections": corrections })).await;
        assert_eq!(became(&silent), (422, "reason_required"));
        let reason = "You left at eleven.";
        let corrected = decide(&mut desk, id, "approve", json!({ "corrections": corrections, "reason": reason })).await;
        assert_eq!(became(&corrected), (201, ""));
        assert_eq!(statement(&mut asha, me).await, [(-30, 60), (90, 90)]);
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(60), "decided"));
        assert_eq!(asha.verdicts[&id].reason.as_ref().map(|reason| reason.text.as_str()), Some(reason));
        assert_eq!(activity(&mut asha, id).await["parties"][0]["minutes"], 90, "the daybook keeps what it says");

        let undone = undo(&mut desk, id, &corrected).await;
        assert_eq!(statement(&mut asha, me).await, [(30, 90), (-30, 60), (90, 90)]);
        undo(&mut desk, id, &undone).await;
        assert_eq!(statement(&mut asha, me).await[0], (-30, 60), "undone twice is done again");
    }
}

both! {
    async fn the_balance_is_what_the_last_decision_says(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, met) = (asha.party, asha.meet("Bo"));
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90).minutes(met, 1); }).expect("recorded");
        post(&app, &mut asha).await;
        let reason = json!({ "reason": "Nobody saw you there." });
        let approved = decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(balance(&mut asha, me).await, 90);
        undo(&mut desk, id, &approved).await;
        assert_eq!(balance(&mut asha, me).await, 0);
        decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(balance(&mut asha, me).await, 90);
        decide(&mut desk, id, "reject", reason).await;
        assert_eq!(balance(&mut asha, me).await, 0);
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, id), (Review::Rejected, None, "rejected"));
        decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(balance(&mut asha, me).await, 90);
        assert_eq!(statement(&mut asha, me).await, [(90, 90), (-90, 0), (90, 90), (-90, 0), (90, 90)]);
    }
}

both! {
    async fn what_is_counted_elsewhere_moves_nobodys_balance_and_is_told_with_its_reason(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90).put("programme", "canal"); }).expect("recorded");
        post(&app, &mut asha).await;
        let totals = async |desk: &mut crate::support::TestPhone, month: &str| {
            let path = format!("/v1/totals?by=month&day_from={month}-01&day_until={month}-28");
            let totals: Value = desk.get(&path).await.expect("totals");
            totals["items"].as_array().expect("rows").iter().filter_map(|row| row["minutes"].as_i64()).sum::<i64>()
        };
        assert_eq!((totals(&mut desk, "2026-11").await, totals(&mut desk, "2026-10").await), (90, 0));

        let to = json!({ "reclassification": { "day": "2026-10-20", "programme": "market" } });
        let silent = decide(&mut desk, id, "reclassify", to.clone()).await;
        assert_eq!(became(&silent), (422, "reason_required"));
        let mut with_reason = to;
        with_reason["reason"] = json!("You told us that it was in October.");
        let moved = decide(&mut desk, id, "reclassify", with_reason.clone()).await;
        assert_eq!(became(&moved), (201, ""));
        assert_eq!((totals(&mut desk, "2026-11").await, totals(&mut desk, "2026-10").await), (0, 90));
        assert_eq!(balance(&mut asha, me).await, 90);
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(90), "decided"));
        assert_eq!(asha.verdicts[&id].reason.as_ref().expect("a reason").text, "You told us that it was in October.");
        // Old lines out, new ones in: the statement shows both.
        assert_eq!(statement(&mut asha, me).await.iter().map(|(minutes, _)| *minutes).collect::<Vec<_>>(), [90, -90, 90]);

        let again = decide(&mut desk, id, "reclassify", with_reason).await;
        assert_eq!(became(&again), (409, "nothing_changes"));
        assert_eq!(became(&undo(&mut desk, id, &moved).await), (201, ""));
        assert_eq!((totals(&mut desk, "2026-11").await, totals(&mut desk, "2026-10").await), (90, 0));
    }
}

both! {
    async fn who_decides_about_what_has_changed_is_told_how_it_stands(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut desk, id).await;
        asha.edit(id, |a| { a.minutes(me, 95); }).expect("edited");
        asha.sync().await.expect("synced");
        let reason = json!({ "reason": "Not there." });
        let wanted = item(&mut desk, &seen, "reject", &reason);
        let refused = send(&mut desk, std::slice::from_ref(&wanted)).await.remove(0);
        assert_eq!(became(&refused), (409, "version_changed"));
        let version = activity(&mut desk, id).await["version"].clone();
        let mut present = refused["present"].clone();
        let decided = present["decided"].take();
        assert_eq!((&decided["step"], &decided["decided_by"]), (&json!("approve"), &Value::Null), "a rule did");
        let state = json!({ "activity_id": id, "version": version, "decision_seq": 1, "review": "edited_after_approval", "decided": null });
        assert_eq!(present, state);
        // The refusal wrote nothing: the version still waits for the clerk.
        assert_eq!(activity(&mut desk, id).await["judged_version"], 1);
        assert_eq!(app.judge().await, 1);

        let seen = activity(&mut desk, id).await;
        let first = item(&mut desk, &seen, "keep", &reason);
        let second = item(&mut desk, &seen, "reject", &reason);
        let outcomes = send(&mut desk, &[first, second]).await;
        assert_eq!(became(&outcomes[0]), (201, ""));
        assert_eq!(became(&outcomes[1]), (409, "version_changed"));
        let present = &outcomes[1]["present"];
        assert_eq!((&present["version"], &present["decision_seq"], &present["review"]), (&version, &json!(2), &json!("approved")));
        assert_eq!((&present["decided"]["step"], &present["decided"]["reason"]), (&json!("keep"), &json!("Not there.")));
        assert_eq!(balance(&mut asha, me).await, 90);
    }
}

both! {
    async fn a_decision_sent_again_is_answered_as_it_was(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut desk, id).await;
        let rejected = item(&mut desk, &seen, "reject", &json!({ "reason": "Not there." }));
        let first = send(&mut desk, std::slice::from_ref(&rejected)).await.remove(0);
        decide(&mut desk, id, "approve", json!({})).await;
        let again = send(&mut desk, std::slice::from_ref(&rejected)).await.remove(0);
        assert_eq!((became(&first), became(&again)), ((201, ""), (200, "")));
        assert_eq!(first["decision"], again["decision"]);
        assert_eq!(balance(&mut asha, me).await, 90, "the later decision stands");
        let mut other = rejected.clone();
        other["reason"] = json!("Another reason.");
        assert_eq!(became(&send(&mut desk, &[other]).await[0]), (409, "id_reused"));
        let stored: Value = desk.get(&format!("/v1/decisions/{}", first["id"].as_str().expect("an id"))).await.expect("it");
        assert_eq!(stored, first["decision"]);
    }
}

both! {
    async fn one_item_of_a_batch_never_holds_up_another(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let (dee, me, met) = (desk.party, asha.party, asha.meet("Bo"));
        let good = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 30).minutes(met, 10); }).expect("recorded");
        let own = asha.record(Kind::Hours, DAY, |a| { a.minutes(dee, 30).minutes(met, 10); }).expect("recorded");
        post(&app, &mut asha).await;
        let (seen_good, seen_own) = (activity(&mut desk, good).await, activity(&mut desk, own).await);
        let mut nowhere = seen_good.clone();
        nowhere["id"] = json!(app.app.uuid());
        let items = [
            item(&mut desk, &seen_own, "approve", &json!({})),
            item(&mut desk, &nowhere, "approve", &json!({})),
            item(&mut desk, &seen_good, "keep", &json!({ "reason": "As it was." })),
            item(&mut desk, &seen_good, "reject", &json!({ "reason": "  " })),
            item(&mut desk, &seen_good, "undo", &json!({ "decision_id": app.app.uuid() })),
            item(&mut desk, &seen_good, "approve", &json!({ "corrections": { "person_minutes": 5 }, "reason": "So." })),
            item(&mut desk, &seen_good, "approve", &json!({})),
        ];
        let outcomes = send(&mut desk, &items).await;
        let became: Vec<_> = outcomes.iter().map(became).collect();
        let expected = [
            (409, "own_credit"), (404, "not_found"), (409, "nothing_posted"), (422, "reason_required"),
            (404, "not_found"), (422, "field_invalid"), (201, ""),
        ];
        assert_eq!(became, expected);
        assert_eq!(balance(&mut asha, me).await, 30);
        assert_eq!(balance(&mut desk, dee).await, 0);
    }
}

both! {
    async fn the_ids_of_all_ones_phones_are_one_person(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let (me, also_me) = (asha.party, tablet.party);
        let long = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 300).minutes(also_me, 181); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, long), (Review::Received, None, "day_minutes"));
        asha.edit(long, |a| { a.minutes(also_me, 180); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, long), (Review::Approved, Some(480), ""));
        assert_eq!(statement(&mut asha, me).await, [(480, 480)], "one line, not two");
    }
}
