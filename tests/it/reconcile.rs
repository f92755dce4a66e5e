//! Stories of reconciling: records merged, two people needed, rules.

use daybook::domain::activity::Kind;
use daybook::domain::limits::{MERGE_MEMBERS_MAX, SETTLEMENTS_MAX};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::both;
use crate::support::desk::{
    as_seen, balance, became, decide, item, merge, post, put_rules as put, rebuilt_is_live, refused, rules,
    send, statement, told, undo,
};

const DAY: &str = "2026-11-20";
const DAY_MS: i64 = 86_400_000;

both! {
    async fn two_records_of_one_pick_count_once_until_they_are_unmerged(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (a, b) = (asha.party, bo.party);
        let mine = asha.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 90).count("smoking.butts", 40);
        }).expect("recorded");
        let theirs = bo.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 100).minutes(b, 100).count("smoking.butts", 40);
        }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, theirs), (Review::Received, None, "check_counted_once"));
        assert_eq!(became(&decide(&mut desk, theirs, "approve", json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (190, 100));

        assert_eq!(became(&merge(&mut desk, mine, mine, json!({})).await), (409, "members_unfit"));
        assert_eq!(became(&merge(&mut desk, mine, theirs, json!({ "reason": null })).await), (422, "reason_required"));
        let stranger = json!({ "corrections": { "minutes": { desk.party.to_string(): 5 } } });
        assert_eq!(became(&merge(&mut desk, mine, theirs, stranger).await), (422, "field_invalid"));
        let chosen = json!({ "corrections": { "minutes": { a.to_string(): 90 } } });
        let merged = merge(&mut desk, mine, theirs, chosen).await;
        assert_eq!(became(&merged), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        let (into, away) = (activity(&mut desk, mine).await, activity(&mut desk, theirs).await);
        assert_eq!((&into["members"], &away["merged_into"]), (&json!([theirs]), &json!(mine)));
        assert_eq!((&into["posted"], &away["posted"]), (&json!(190), &json!(0)));
        rebuilt_is_live(&app).await;

        // Decisions about the member are made on the canonical one, and a merge is no decision to undo.
        assert_eq!(became(&decide(&mut desk, theirs, "approve", json!({})).await), (409, "merged_away"));
        assert_eq!(became(&decide(&mut desk, mine, "reject", json!({ "reason": "No." })).await), (409, "merged"));
        assert_eq!(became(&undo(&mut desk, mine, &merged).await), (409, "undo_blocked"));

        // Bo edits what was merged away: Asha's record goes to a person, and what was posted stands.
        bo.edit(theirs, |r| { r.minutes(b, 110); }).expect("edited");
        post(&app, &mut bo).await;
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, mine).0, Review::EditedAfterApproval);
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 100));
        rebuilt_is_live(&app).await;

        assert_eq!(became(&decide(&mut desk, mine, "unmerge", json!({})).await), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (190, 100));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, mine), (Review::Approved, Some(90), "unmerged"), "Bo's are no longer counted here");
        assert_eq!(became(&decide(&mut desk, mine, "unmerge", json!({})).await), (409, "not_merged"));
        assert_eq!(statement(&mut bo, b).await[..2], [(-100, 100), (100, 200)], "the member's own, and the cluster's back");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn whoever_merges_what_has_changed_is_told_which_one(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let mut record = |minutes| asha.record(Kind::Hours, DAY, |a| { a.minutes(me, minutes); }).expect("recorded");
        let (one, other) = (record(30), record(40));
        post(&app, &mut asha).await;
        let (one_seen, other_seen) = (activity(&mut desk, one).await, activity(&mut desk, other).await);
        asha.edit(other, |a| { a.minutes(me, 35); }).expect("edited");
        asha.sync().await.expect("synced");
        let more = json!({ "reason": "The same.", "members": [as_seen(&other_seen)] });
        let item = item(&mut desk, &one_seen, "merge", &more);
        let outcome = send(&mut desk, &[item]).await.remove(0);
        assert_eq!(became(&outcome), (409, "version_changed"));
        assert_eq!(outcome["present"]["activity_id"], json!(other));
    }
}

both! {
    async fn minutes_above_the_threshold_need_another_persons_approval(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut dee = app.coordinator("Dee").await;
        let mut eve = app.coordinator("Eve").await;
        let me = asha.party;
        rules(&mut dee, json!({ "second_person_above_minutes": 100 })).await;
        let mut record = |minutes| asha.record(Kind::Hours, DAY, |a| { a.minutes(me, minutes); }).expect("recorded");
        let (little, much) = (record(100), record(101));
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, little).0, told(&asha, much)), (Review::Approved, (Review::Received, None, "two_people")));
        let first = decide(&mut dee, much, "approve", json!({})).await;
        assert_eq!((became(&first), first["decision"]["step"].as_str()), ((201, ""), Some("first_approval")));
        assert_eq!(balance(&mut asha, me).await, 100);
        assert_eq!(became(&decide(&mut dee, much, "approve", json!({})).await), (409, "second_person"));
        rebuilt_is_live(&app).await;
        assert_eq!(became(&decide(&mut eve, much, "approve", json!({})).await), (201, ""));
        assert_eq!(balance(&mut asha, me).await, 201);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_record_that_counts_for_less_says_why(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let (a, b) = (asha.party, bo.party);
        let id = asha.record(Kind::Hours, DAY, |r| { r.minutes(a, 90).minutes(b, 90); }).expect("recorded");
        for (minutes, why) in [(90, ""), (60, "fewer_minutes"), (60, "fewer_minutes")] {
            asha.edit(id, |r| { r.minutes(b, minutes).note(&format!("{minutes}")); }).expect("edited");
            post(&app, &mut asha).await;
            post(&app, &mut bo).await;
            assert_eq!(told(&asha, id), (Review::Approved, Some(90 + minutes), why));
            assert_eq!(told(&bo, id), (Review::Approved, Some(minutes), why));
            rebuilt_is_live(&app).await;
        }
    }
}

both! {
    async fn chance_shows_automatic_approvals_to_a_person_who_ends_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        for (percent, minutes, audited) in [(100, 10, true), (0, 11, false)] {
            rules(&mut desk, json!({ "audit_percent": percent })).await;
            let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, minutes); }).expect("recorded");
            post(&app, &mut asha).await;
            assert_eq!(told(&asha, id), (Review::Approved, Some(minutes), ""), "what is posted stands meanwhile");
            assert_eq!(activity(&mut desk, id).await["audit"].as_bool().unwrap_or_default(), audited);
            assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
            assert_eq!(activity(&mut desk, id).await["audit"], Value::Null);
            rebuilt_is_live(&app).await;
        }
    }
}

both! {
    async fn rules_follow_on_each_other_and_judge_nothing_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let before = asha.record(Kind::Hours, "2026-11-19", |a| { a.minutes(me, 300); }).expect("recorded");
        post(&app, &mut asha).await;
        let first: Value = asha.get("/v1/rules").await.expect("the rules");
        let second = rules(&mut desk, json!({ "person_day_minutes_max": 200, "report_items_threshold": 5 })).await;
        assert_eq!(put(&mut desk, &second).await.expect("again"), second);
        let mut rival = second.clone();
        rival["audit_percent"] = 50.into();
        assert_eq!(refused(put(&mut desk, &rival).await), (409, "version_changed".to_owned()));
        rival["version"] = 3.into();
        rival["audit_percent"] = 101.into();
        assert_eq!(refused(put(&mut desk, &rival).await), (422, "field_invalid".to_owned()));
        assert_eq!(refused(put(&mut asha, &rival).await).0, 403);
        let again: Value = asha.get("/v1/rules/1").await.expect("the first");
        assert_eq!(again, first);
        for path in ["/v1/rules/3", "/v1/rules/first"] {
            assert_eq!(refused(asha.get::<Value>(path).await), (404, "not_found".to_owned()));
        }
        let compared: Value = asha.get("/v1/rules/2/changes").await.expect("compared");
        assert_eq!((&compared["since"], &compared["put_by"]), (&json!(1), &json!(desk.party)));
        let changes = json!([
            { "pointer": "/person_day_minutes_max", "before": 480, "after": 200 },
            { "pointer": "/report_items_threshold", "before": 0, "after": 5 },
        ]);
        assert_eq!(compared["changes"], changes);
        for path in ["/v1/rules/1/changes", "/v1/rules/2/changes?since=2"] {
            let compared: Value = asha.get(path).await.expect("compared");
            assert_eq!(compared["changes"], json!([]), "{path}");
        }
        for path in ["/v1/rules/3/changes", "/v1/rules/1/changes?since=3", "/v1/rules/0/changes", "/v1/rules/1/changes?since=0", "/v1/rules/1/changes?since=-1"] {
            assert_eq!(refused(asha.get::<Value>(path).await), (404, "not_found".to_owned()), "{path}");
        }
        let after = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 201); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, before).0, told(&asha, after).2), (Review::Approved, "day_minutes"));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn one_decision_settles_a_hundred_fields_and_merges_twenty_records_at_most(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 30); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut desk, id).await;
        let settles = |count: usize| json!({ "settles": vec![json!({ "field": "people", "operations": [], "value": 1 }); count] });
        let unknown = json!({ "activity_id": "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77", "version": "1-5bb5a4c5", "decision_seq": 0 });
        let members = |count: usize| json!({ "reason": "One.", "members": vec![unknown.clone(); count] });
        for (step, most, past, became_at_it) in [
            ("settle", settles(SETTLEMENTS_MAX), settles(SETTLEMENTS_MAX + 1), (409, "settlement_unfit")),
            ("merge", members(MERGE_MEMBERS_MAX), members(MERGE_MEMBERS_MAX + 1), (404, "not_found")),
        ] {
            assert_eq!(became(&decide(&mut desk, id, step, most).await), became_at_it);
            let item = item(&mut desk, &seen, step, &past);
            let outcome = send(&mut desk, &[item]).await.remove(0);
            assert_eq!((became(&outcome), &outcome["errors"][0]["code"]), ((422, "field_invalid"), &json!("count")));
        }
    }
}

both! {
    async fn whoever_may_not_see_places_exactly_sees_no_exact_one_in_a_conflict_either(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let me = asha.party;
        let id = asha.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 60).place(52.45631, -1.88932, 5.0); }).expect("recorded");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        asha.edit(id, |a| { a.put("place.lat", 52.45671); }).expect("edited");
        tablet.edit(id, |a| { a.put("place.lat", 52.45689); }).expect("edited");
        asha.sync().await.expect("synced");
        post(&app, &mut tablet).await;
        let exact = activity(&mut desk, id).await;
        assert_eq!(exact["conflicts"][0]["field"], "place.lat");
        let operations = exact["conflicts"][0]["operations"].clone();
        let token = app.personal_token(&mut desk, "activities:read reconcile").await;
        let bearer = format!("Bearer {token}");
        let coarse = async |path: &str| {
            app.request(axum::http::Method::GET, path, &[("authorization", &bearer)], "").await.1.to_string()
        };
        let (one, card) = (format!("/v1/activities/{id}"), "/v1/cards".to_owned());
        for path in [&one, &card] {
            let seen = coarse(path).await;
            assert!(seen.contains("52.457") && !seen.contains("52.4567") && !seen.contains("52.4568"), "{seen}");
        }
        let settles = json!({ "settles": [{ "field": "place.lat", "operations": operations, "value": 52.45671 }] });
        assert_eq!(became(&decide(&mut desk, id, "settle", settles).await), (201, ""));
        let seen = coarse(&one).await;
        assert!(seen.contains("\"settled\":{\"place.lat\":52.457}") && !seen.contains("52.4567"), "{seen}");
    }
}

both! {
    async fn how_far_apart_two_records_are_is_for_who_sees_places_exactly(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, bo.party);
        asha.record(Kind::LitterPick, DAY, |a| {
            a.minutes(me, 60).minutes(other, 60).started_at(START_MS - DAY_MS).place(52.45631, -1.88932, 5.0);
        }).expect("recorded");
        let id = bo.record(Kind::LitterPick, DAY, |a| {
            a.minutes(other, 60).started_at(START_MS - DAY_MS).place(52.45671, -1.88932, 5.0);
        }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        let token = app.personal_token(&mut desk, "activities:read reconcile ledger:read").await;
        let bearer = format!("Bearer {token}");
        for path in ["/v1/suspicions", "/v1/cards", "/v1/journal/entries?limit=200", &format!("/v1/activities/{id}/versions")] {
            let exact: Value = desk.get(path).await.expect("an answer");
            let coarse = app.request(axum::http::Method::GET, path, &[("authorization", &bearer)], "").await.1.to_string();
            let telling = ["m apart", "distance_m\":4", "distance_m\\\":4", "accuracy_m\":", "52.4567", "reading_hash"];
            let told = |text: &str| telling.iter().filter(|telling| text.contains(**telling)).count();
            assert!(told(&exact.to_string()) > 0, "{path}: {exact}");
            assert_eq!(told(&coarse), 0, "{path}: {coarse}");
        }
    }
}

both! {
    async fn a_share_of_automatic_approvals_that_moves_raises_an_alarm(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let me = asha.party;
        for day in 1..=20 {
            asha.record(Kind::Hours, &format!("2026-11-{day:02}"), |a| { a.minutes(me, 30 + day); }).expect("recorded");
        }
        post(&app, &mut asha).await;
        let share: Value = desk.get("/v1/rules/share").await.expect("the share");
        assert_eq!(share["lately"], json!({ "records": 20, "by_rule": 20, "percent": 100 }));
        assert_eq!((&share["before"]["records"], &share["alarm"]), (&json!(0), &json!(false)));
        for phone in [&mut asha, &mut desk] {
            phone.now_ms += 8 * DAY_MS;
        }
        app.pass(8 * DAY_MS);
        let mut recorded = Vec::new();
        for day in 1..=20 {
            // More than a rule approves, for the fifth of them.
            let minutes = if day % 5 == 0 { 500 } else { 30 } + day;
            let id = asha.record(Kind::Repair, &format!("2026-10-{day:02}"), |a| { a.minutes(me, minutes); });
            recorded.push((day, id.expect("recorded")));
        }
        post(&app, &mut asha).await;
        let undecided: Value = desk.get("/v1/rules/share").await.expect("the share");
        assert_eq!((&undecided["lately"]["records"], &undecided["alarm"]), (&json!(16), &json!(false)));
        for (_, id) in recorded.iter().filter(|(day, _)| day % 5 == 0) {
            assert_eq!(became(&decide(&mut desk, *id, "approve", json!({})).await), (201, ""));
        }
        let share: Value = desk.get("/v1/rules/share").await.expect("the share");
        assert_eq!(share["lately"], json!({ "records": 20, "by_rule": 16, "percent": 80 }));
        assert_eq!((&share["before"]["percent"], &share["alarm"]), (&json!(100), &json!(true)));
        rules(&mut desk, json!({ "share_drift_percent": 20 })).await;
        let share: Value = desk.get("/v1/rules/share").await.expect("the share");
        assert_eq!((&share["share_drift_percent"], &share["alarm"]), (&json!(20), &json!(false)));
    }
}

both! {
    async fn rules_are_tried_on_past_records_before_they_are_put_in_force(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let mut pack: Value = desk.get("/v1/rules").await.expect("the rules");
        (pack["version"], pack["person_day_minutes_max"]) = (2.into(), 300.into());
        pack["thresholds"]["minutes_max"]["hours"] = 300.into();
        put(&mut desk, &pack).await.expect("put");
        let mut record = |day: &str, minutes: i64| asha.record(Kind::Hours, day, |a| { a.minutes(me, minutes); }).expect("recorded");
        record("2026-11-17", 60);
        let long = record("2026-11-18", 200);
        let high = record("2026-11-19", 480);
        post(&app, &mut asha).await;
        let same: Value = desk.post("/v1/rules/dry-run", &pack).await.expect("tried");
        assert_eq!(same, json!({ "records": 3, "approved": 2, "would_be_approved": 2, "changes": [], "differing": [] }));
        pack["thresholds"]["minutes_max"]["hours"] = 199.into();
        let tried: Value = desk.post("/v1/rules/dry-run", &pack).await.expect("tried");
        let changed = json!([{ "pointer": "/thresholds/minutes_max/hours", "before": 300, "after": 199 }]);
        assert_eq!(tried["changes"], changed);
        let stays = json!({ "approves": true, "minutes": 200, "reasons": [] });
        let waits = json!({ "approves": false, "minutes": 200, "reasons": ["check_figures"] });
        assert_eq!(tried["differing"], json!([{ "activity_id": long, "now": stays, "then": waits }]));
        pack["thresholds"]["minutes_max"]["hours"] = 1_000.into();
        pack["person_day_minutes_max"] = 480.into();
        let tried: Value = desk.post("/v1/rules/dry-run", &pack).await.expect("tried");
        assert_eq!((&tried["would_be_approved"], &tried["differing"][0]["activity_id"]), (&json!(3), &json!(high)));
        pack["mode"] = "coordinator".into();
        let tried: Value = desk.post("/v1/rules/dry-run", &pack).await.expect("tried");
        assert_eq!(tried["would_be_approved"], 0);
        pack["thresholds"]["near_m"] = 250.into();
        assert_eq!(refused(desk.post::<Value>("/v1/rules/dry-run", &pack).await), (422, "field_invalid".to_owned()));
        // Nothing came of it.
        assert_eq!((balance(&mut asha, me).await, told(&asha, high).0), (260, Review::Received));
        rebuilt_is_live(&app).await;
    }
}
