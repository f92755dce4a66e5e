//! Stories of several phones that write in one daybook: what they wrote at once merges or shows both values.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::always;
use crate::support::app::activity;
use crate::support::desk::confirm;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

/// Two devices of one resident that both have an activity, and its id.
async fn pair(app: &TestApp, name: &str) -> (TestPhone, TestPhone, daybook::domain::ids::ActivityId) {
    let mut first = app.phone(name).await;
    let me = first.party;
    let id = first
        .record(Kind::LitterPick, "2026-11-14", |a| {
            a.minutes(me, 60).count("smoking.butts", 10);
        })
        .expect("recorded");
    first.sync().await.expect("synced");
    let mut second = app.second_device(&mut first, &format!("{name}'s tablet")).await;
    second.sync().await.expect("synced");
    (first, second, id)
}

fn conflict<'v>(seen: &'v Value, field: &str) -> &'v Vec<Value> {
    let conflicts = seen["conflicts"].as_array().expect("conflicts");
    let found =
        conflicts.iter().find(|conflict| conflict["field"] == field).expect("the field is in conflict");
    found["values"].as_array().expect("values")
}

both! {
    async fn edits_made_at_once_merge_and_the_order_of_syncing_does_not_matter(app: TestApp) {
        let mut seen = Vec::new();
        for second_first in [false, true] {
            let (mut first, mut second, id) = pair(&app, "Asha").await;
            let me = first.party;
            first.now_ms += 3_600_000;
            second.now_ms += 7_200_000;
            first.edit(id, |a| { a.minutes(me, 90).put("grade.before", "C").count("smoking.butts", 40); }).expect("edited");
            second.edit(id, |a| { a.minutes(me, 100).place(52.45, -1.88, 5.0).count("smoking.butts", 25); }).expect("edited");
            if second_first { second.sync().await.expect("synced"); }
            first.sync().await.expect("synced");
            second.sync().await.expect("synced");
            first.sync().await.expect("synced");

            assert_eq!(wire::heads(&mut first), wire::heads(&mut second));
            let own = first.own;
            assert_eq!(wire::server_heads(&mut first, own).await, wire::heads(&mut first));
            wire::reads_as_the_document(&mut first, id).await;
            let mut view = activity(&mut second, id).await;
            assert_eq!((&view["grade"]["before"], &view["place"]["lat"]), (&json!("C"), &json!(52.45)));
            assert_eq!(view["tallies"][0]["count"], 75, "10 and 40 on one phone, 25 on the other");
            assert_eq!(view["conflict"], "hard");
            let values = conflict(&view, &format!("party/{me}")).clone();
            let expected = [(90, &first), (100, &second)];
            assert_eq!(values.len(), 2);
            for (minutes, phone) in expected {
                let value = values.iter().find(|value| value["value"] == minutes).expect("both values survive");
                assert_eq!(value["device_id"], phone.device.to_string());
                let recorded_at = daybook::domain::time::rfc3339(phone.now_ms / 1_000 * 1_000);
                assert_eq!(value["recorded_at"], recorded_at);
                assert_eq!(value["received_at"], "2026-11-21T10:00:00.000Z");
            }
            seen.push(view["tallies"].take().as_array().expect("tallies").len());
        }
        assert_eq!(seen[0], seen[1]);
    }
}

both! {
    async fn every_value_in_conflict_says_when_it_happened_as_far_as_anybody_can_tell(app: TestApp) {
        let (mut first, mut second, id) = pair(&app, "Asha").await;
        let me = first.party;
        let minutes = format!("party/{me}");
        let (ten, eleven) = ("2026-11-14T10:00:00.000Z", "2026-11-14T11:00:00.000Z");
        let started = |seen: &Value, field: &str| {
            let values = conflict(seen, field).iter().map(|value| value["occurred"].as_str().unwrap_or("nobody knows").to_owned());
            values.collect::<std::collections::BTreeSet<String>>().into_iter().collect::<Vec<_>>()
        };
        first.edit(id, |a| { a.minutes(me, 90); }).expect("edited");
        second.edit(id, |a| { a.minutes(me, 100); }).expect("edited");
        first.sync().await.expect("synced");
        second.sync().await.expect("synced");
        let seen = activity(&mut second, id).await;
        assert_eq!(started(&seen, &minutes), ["nobody knows"], "a day alone");
        first.sync().await.expect("synced");
        // Both say it, and each another time.
        let ten_ms = chrono::DateTime::parse_from_rfc3339(ten).expect("a time").timestamp_millis();
        first.edit(id, |a| { a.started_at(ten_ms); }).expect("edited");
        first.sync().await.expect("synced");
        let seen = activity(&mut first, id).await;
        assert_eq!((&seen["occurred"], started(&seen, &minutes)), (&json!(ten), vec![ten.to_owned()]));
        second.edit(id, |a| { a.started_at(ten_ms + 3_600_000); }).expect("edited");
        second.sync().await.expect("synced");
        let seen = activity(&mut second, id).await;
        assert_eq!(started(&seen, "started_at"), [ten, eleven]);
        assert_eq!(started(&seen, &minutes), ["nobody knows"]);
    }
}

both! {
    async fn a_dispute_about_what_matters_to_nobody_is_soft_and_still_approved(app: TestApp) {
        let (mut first, mut second, id) = pair(&app, "Asha").await;
        first.edit(id, |a| { a.put("minutes_source", "clocked"); }).expect("edited");
        second.edit(id, |a| { a.put("minutes_source", "estimated"); }).expect("edited");
        second.sync().await.expect("synced");
        first.sync().await.expect("synced");
        app.judge().await;
        let view = activity(&mut first, id).await;
        assert_eq!((&view["conflict"], &view["review"]), (&json!("soft"), &json!("approved")));
        assert_eq!(conflict(&view, "minutes_source").len(), 2);
    }
}

both! {
    async fn writing_over_both_values_ends_the_conflict(app: TestApp) {
        let (mut first, mut second, id) = pair(&app, "Asha").await;
        let me = first.party;
        first.edit(id, |a| { a.minutes(me, 90); }).expect("edited");
        second.edit(id, |a| { a.minutes(me, 100); }).expect("edited");
        second.sync().await.expect("synced");
        first.sync().await.expect("synced");
        app.judge().await;
        let disputed = activity(&mut first, id).await;
        assert_eq!((&disputed["conflict"], &disputed["posted"]), (&json!("hard"), &json!(0)));
        first.edit(id, |a| { a.minutes(me, 95); }).expect("edited");
        first.sync().await.expect("synced");
        app.judge().await;
        let view = activity(&mut first, id).await;
        assert_eq!((&view["conflict"], &view["conflicts"], &view["posted"]), (&json!("none"), &json!([]), &json!(95)));
        wire::reads_as_the_document(&mut first, id).await;
    }
}

both! {
    async fn a_note_is_written_by_two_at_once_into_a_text_of_an_earlier_push(app: TestApp) {
        let (mut first, mut second, id) = pair(&app, "Asha").await;
        first.edit(id, |a| { a.note("canal path"); }).expect("edited");
        first.sync().await.expect("synced");
        second.sync().await.expect("synced");
        first.edit(id, |a| { a.note_more(", both banks"); }).expect("edited");
        second.edit(id, |a| { a.note_more(" and the bridge"); }).expect("edited");
        second.sync().await.expect("synced");
        first.sync().await.expect("synced");
        second.sync().await.expect("synced");
        wire::reads_as_the_document(&mut first, id).await;
        wire::reads_as_the_document(&mut second, id).await;
        let view = activity(&mut first, id).await;
        let note = view["note"].as_str().expect("a note");
        assert!(note.starts_with("canal path"), "{note}");
        assert!(note.contains(", both banks") && note.contains(" and the bridge"), "{note}");
        assert_eq!(view["conflict"], "none");
        let versions: Value = first.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
        assert_eq!(versions["items"].as_array().expect("items").len(), 4, "record, note, and one for each addition");
    }
}

both! {
    async fn two_notes_begun_at_once_are_both_kept(app: TestApp) {
        let (mut first, mut second, id) = pair(&app, "Asha").await;
        first.edit(id, |a| { a.note("canal path"); }).expect("edited");
        second.edit(id, |a| { a.note("by the bridge"); }).expect("edited");
        first.sync().await.expect("synced");
        second.sync().await.expect("synced");
        first.sync().await.expect("synced");
        let view = activity(&mut first, id).await;
        assert_eq!(view["conflict"], "soft");
        let notes: std::collections::BTreeSet<&str> =
            conflict(&view, "note").iter().filter_map(|value| value["value"].as_str()).collect();
        assert_eq!(notes, ["by the bridge", "canal path"].into());
        wire::reads_as_the_document(&mut first, id).await;
    }
}

both! {
    async fn somebody_met_offline_is_unknown_until_a_coordinator_confirms(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let mut asha = app.phone("Asha").await;
        asha.go_offline();
        let bilal = asha.meet("Bilal");
        let me = asha.party;
        let id = asha.record(Kind::StreetFix, "2026-11-20", |a| { a.minutes(me, 30).minutes(bilal, 30); }).expect("recorded");
        asha.go_online();
        asha.sync().await.expect("synced");
        app.judge().await;
        asha.sync().await.expect("synced");
        let verdict = asha.verdicts.get(&id).expect("a verdict");
        assert_eq!((verdict.review, verdict.minutes), (Review::Received, None));
        let path = format!("/v1/parties/{bilal}");
        let met: Value = carol.get(&path).await.expect("the party");
        assert_eq!((&met["name"], &met["known"]), (&json!("Bilal"), &json!(false)));

        confirm(&mut carol, bilal).await;
        app.judge().await;
        asha.sync().await.expect("synced");
        let verdict = asha.verdicts.get(&id).expect("a verdict");
        assert_eq!((verdict.review, verdict.minutes), (Review::Approved, Some(60)));
        let account: Value = carol.get(&format!("/v1/accounts/{bilal}")).await.expect("an account");
        assert_eq!(account["contribution_minutes"], 30);
    }
}

both! {
    async fn an_id_that_another_daybook_brought_first_is_kept_and_never_read_or_posted(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let (hers, his) = (asha.party, bilal.party);
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(hers, 40); }).expect("recorded");
        asha.sync().await.expect("synced");
        bilal.edit(id, |a| { a.kind(Kind::Hours).day("2026-11-19").minutes(his, 400); }).expect("recorded");
        let own = bilal.own;
        let changes = wire::unsent(&mut bilal);
        let answer = wire::send_changes(&mut bilal, own, &changes).await;
        assert_eq!(answer.outcomes.len(), 1);
        assert_eq!(answer.outcomes[0].outcome, daybook::api::sync::OutcomeKind::Accepted);
        assert_eq!(answer.outcomes[0].activities, vec![]);
        app.judge().await;

        assert_eq!(activity(&mut asha, id).await["parties"][0]["party_id"], hers.to_string());
        assert!(bilal.get::<Value>(&format!("/v1/activities/{id}")).await.is_err(), "it is not his");
        let versions: Value = asha.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
        assert_eq!(versions["items"].as_array().expect("items").len(), 1);
        let account: Value = bilal.get(&format!("/v1/accounts/{his}")).await.expect("an account");
        assert_eq!(account["contribution_minutes"], 0);
        let mut blank = app.second_device(&mut bilal, "Bilal's tablet").await;
        blank.sync().await.expect("synced");
        assert!(blank.own_book().field(id, "day").is_some(), "his own daybook keeps it");
    }
}

both! {
    async fn a_text_that_a_database_cannot_hold_makes_one_field_unreadable_and_holds_nobody_up(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let odd = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 10).put("programme", "a\u{0}b").put("\u{0}", "\u{0}").note("\u{0}"); }).expect("recorded");
        let kindless = asha.record(Kind::Hours, "2026-11-20", |a| { a.put("kind", "ho\u{0}urs").put("day", "2026\u{0}"); }).expect("recorded");
        let plain = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 20); }).expect("recorded");
        let report = asha.sync().await.expect("synced");
        assert_eq!(report.accepted, 3);
        app.judge().await;
        let view = activity(&mut asha, odd).await;
        assert_eq!((&view["unreadable_fields"]["programme"], &view["review"]), (&json!("out_of_range"), &json!("received")));
        assert_eq!(activity(&mut asha, kindless).await["unreadable"], "kind_missing");
        assert_eq!(activity(&mut asha, plain).await["posted"], 20);
        wire::reads_as_the_document(&mut asha, odd).await;
    }
}

both! {
    async fn of_two_daybooks_that_bring_the_same_activities_at_once_each_activity_belongs_to_one(app: TestApp) {
        let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
        let (hers, his, me) = (asha.own_book().id, bilal.own_book().id, asha.party);
        for round in 0..6 {
            let day = format!("2026-11-{:02}", 10 + round);
            let ids: Vec<_> = (0..2)
                .map(|_| asha.record(Kind::Hours, &day, |a| { a.minutes(me, 10); }).expect("recorded"))
                .collect();
            let changes = wire::unsent(&mut asha);
            let (one, two) = tokio::join!(
                wire::send_changes(&mut asha, hers, &changes),
                wire::send_changes(&mut bilal, his, &changes)
            );
            let mut claimed: Vec<_> = [&one, &two]
                .into_iter()
                .flat_map(|answer| &answer.outcomes)
                .flat_map(|outcome| outcome.activities.iter().copied())
                .filter(|id| ids.contains(id))
                .collect();
            let count = claimed.len();
            claimed.sort();
            claimed.dedup();
            assert_eq!((claimed.len(), count), (2, 2), "{one:?} {two:?}");
            app.judge().await;
        }
        always::holds(&app).await.expect("what always holds");
    }
}
