//! Stories of the rules that go by a peer's word, and by silence in the end.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::both;
use crate::support::desk::{balance, became, confirm, decide, group, post, rebuilt_is_live, rules, told};

const DAY: &str = "2026-11-20";
const DAY_MS: i64 = 86_400_000;

both! {
    async fn a_peers_word_approves_and_so_does_silence_in_the_end(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (a, b) = (asha.party, bo.party);
        rules(&mut desk, json!({ "mode": "peer", "silence_days": 3 })).await;
        let mut record = |day: &str| asha.record(Kind::Hours, day, |r| { r.minutes(a, 60); }).expect("recorded");
        let (confirmed, silent, disputed) = (record("2026-11-20"), record("2026-11-19"), record("2026-11-18"));
        let own = record("2026-11-17");
        post(&app, &mut asha).await;
        assert_eq!(balance(&mut asha, a).await, 0);
        // Nobody confirms for themselves: somebody else has to, or a person looks.
        asha.record(Kind::Hours, DAY, |r| { r.minutes(a, 0).put("confirms", own.to_string()); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, own), (Review::Received, None, "check_confirmation"));
        let word = bo.record(Kind::Hours, DAY, |r| { r.minutes(b, 0).put("confirms", confirmed.to_string()); }).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, word), (Review::Approved, Some(0), ""), "a word needs nobody's word in turn");
        assert_eq!(balance(&mut asha, a).await, 60);
        assert_eq!(became(&decide(&mut desk, disputed, "ask_for_changes", json!({ "reason": "Which street?" })).await), (201, ""));
        rebuilt_is_live(&app).await;

        app.pass(3 * DAY_MS - 1);
        app.judge().await;
        assert_eq!(activity(&mut asha, silent).await["review"], "received");
        app.pass(1);
        app.judge().await;
        assert_eq!(activity(&mut asha, silent).await["review"], "approved");
        assert_eq!(activity(&mut asha, disputed).await["review"], "needs_changes");
        assert_eq!(activity(&mut asha, own).await["review"], "received");
        assert_eq!(balance(&mut asha, a).await, 120);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_word_that_was_rejected_confirms_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (a, stranger) = (asha.party, asha.meet("Cy"));
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let mut record = |day: &str| {
            asha.record(Kind::Hours, day, |r| { r.minutes(a, 30).minutes(stranger, 30); }).expect("recorded")
        };
        let (kept, rejected) = (record("2026-11-17"), record("2026-11-18"));
        post(&app, &mut asha).await;
        let mut word = |of: ActivityId| {
            bo.record(Kind::Hours, DAY, |r| { r.put("confirms", of.to_string()); }).expect("recorded")
        };
        let (_, bad) = (word(kept), word(rejected));
        post(&app, &mut bo).await;
        let no = json!({ "reason": "Bo was away that day." });
        assert_eq!(became(&decide(&mut desk, bad, "reject", no).await), (201, ""));
        confirm(&mut desk, stranger).await;
        app.judge().await;
        assert_eq!(activity(&mut asha, kept).await["review"], "approved");
        assert_eq!(activity(&mut asha, rejected).await["review"], "received");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_groups_daybook_confirms_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let (_, book) = group(&mut desk, &mut asha, &[]).await;
        let own = asha.record(Kind::Hours, "2026-11-17", |r| { r.minutes(me, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        let word = json!({ "id": asha.uuid(), "daybook_id": book, "kind": "hours", "day": DAY, "confirms": own });
        let answer: Value = asha.post("/v1/activities", &json!({ "items": [word] })).await.expect("recorded");
        assert_eq!(answer["items"][0]["status"], 201, "{answer}");
        assert_eq!(answer["items"][0]["activity"]["recorded_by"], json!(me));
        app.judge().await;
        assert_eq!(activity(&mut asha, own).await["review"], "received");
        assert_eq!(balance(&mut asha, me).await, 0);
        rebuilt_is_live(&app).await;
    }
}
