//! Stories of the audit trail: every decision says who, when, why, and what it moved.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{as_seen, became, decide, item, merge, post, statement, undo};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";

/// A line as a decision tells it.
fn line(activity: ActivityId, account: impl std::fmt::Display, minutes: i64) -> Value {
    json!({
        "activity_id": activity, "account_id": account.to_string(), "asset": "contribution",
        "minutes": minutes, "day": DAY,
    })
}

/// The decisions about a record, newest first; each is the same where it is read alone.
async fn decided(desk: &mut TestPhone, id: ActivityId) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/v1/decisions?activity_id={id}&limit=2{after}");
        let page: Value = desk.get(&path).await.expect("decisions");
        all.extend(page["items"].as_array().expect("items").clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    for one in &all {
        let path = format!("/v1/decisions/{}", one["id"].as_str().expect("an id"));
        assert_eq!(desk.get::<Value>(&path).await.expect("the decision"), *one);
    }
    all
}

/// The lines that a decision or its outcome tells.
fn moved(told: &Value) -> Vec<Value> {
    let decision = if told["decision"].is_object() { &told["decision"] } else { told };
    decision["moved"].as_array().expect("lines").clone()
}

both! {
    async fn a_decision_says_what_it_moved_wherever_it_is_shown(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(me, 90); }).expect("recorded");
        let other = asha.record(Kind::Hours, "2026-11-10", |a| { a.minutes(me, 10); }).expect("recorded");
        post(&app, &mut asha).await;
        let corrections = json!({ "minutes": { me.to_string(): 60 } });
        let corrected = decide(&mut desk, id, "approve", json!({ "corrections": corrections, "reason": "Till eleven." })).await;
        assert_eq!(moved(&corrected), [line(id, me, -30)]);
        let asked = decide(&mut desk, id, "ask_for_changes", json!({ "reason": "Which street?" })).await;
        assert_eq!((became(&asked), moved(&asked)), ((201, ""), Vec::<Value>::new()));
        let rejected = decide(&mut desk, id, "reject", json!({ "reason": "Not there." })).await;
        assert_eq!(moved(&rejected), [line(id, me, -60)]);
        // What others decide meanwhile is not in it.
        decide(&mut desk, other, "reject", json!({ "reason": "Not there." })).await;
        let undone = undo(&mut desk, id, &rejected).await;
        assert_eq!(moved(&undone), [line(id, me, 60)]);
        let elsewhere = json!({ "reclassification": { "day": "2026-11-12" }, "reason": "On Thursday." });
        let reclassified = decide(&mut desk, id, "reclassify", elsewhere).await;
        let days: Vec<(Value, Value)> = moved(&reclassified).iter().map(|line| (line["day"].clone(), line["minutes"].clone())).collect();
        assert_eq!(days, [(json!("2026-11-12"), json!(60)), (json!(DAY), json!(-60))]);

        let all = decided(&mut desk, id).await;
        let steps: Vec<&str> = all.iter().filter_map(|one| one["step"].as_str()).collect();
        assert_eq!(steps, ["reclassify", "undo", "reject", "ask_for_changes", "approve", "approve"]);
        for (told, stored) in [&reclassified, &undone, &rejected, &asked, &corrected].iter().zip(&all) {
            assert_eq!(told["decision"], *stored);
        }
        // The rule's decision too.
        assert_eq!((all[5].get("decided_by"), moved(&all[5])), (None, vec![line(id, me, 90)]));
        let posted: i64 = all.iter().flat_map(moved).filter_map(|line| line["minutes"].as_i64()).sum();
        assert_eq!(statement(&mut desk, me).await[0].1, posted);
    }
}

both! {
    async fn what_a_part_gets_comes_out_of_its_occasion_by_the_same_decision(app: TestApp) {
        let (mut asha, mut di) = (app.phone("Asha").await, app.phone("Di").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, claimant, holding) = (asha.party, di.party, app.neighbourhood);
        let occasion = asha.record(Kind::LitterPick, DAY, |a| { a.totals(3, 270).minutes(me, 90); }).expect("recorded");
        post(&app, &mut asha).await;
        let mut whole = moved(&decided(&mut desk, occasion).await[0]);
        whole.sort_by_key(|line| line["minutes"].as_i64());
        assert_eq!(whole, [line(occasion, me, 90), line(occasion, holding, 180)]);

        let part = di.record(Kind::LitterPick, DAY, |a| { a.minutes(claimant, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut di).await;
        let taken = decided(&mut desk, part).await;
        assert_eq!(moved(&taken[0]), [line(part, claimant, 90), line(occasion, holding, -90)]);
        let rejected = decide(&mut desk, part, "reject", json!({ "reason": "Not there." })).await;
        assert_eq!(moved(&rejected), [line(part, claimant, -90), line(occasion, holding, 90)]);
        assert_eq!(decided(&mut desk, occasion).await.len(), 1, "nobody decided about the occasion");
    }
}

both! {
    async fn a_merge_and_its_undoing_say_what_they_moved_for_every_record(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (a, b) = (asha.party, bo.party);
        let mine = asha.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 90); }).expect("recorded");
        let theirs = bo.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 100).minutes(b, 100); }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        assert_eq!(became(&decide(&mut desk, theirs, "approve", json!({})).await), (201, ""));
        let both = |minutes: i64| {
            let mut parties = [a, b];
            parties.sort_unstable();
            parties.map(|party| line(theirs, party, minutes))
        };

        let chosen = json!({ "corrections": { "minutes": { a.to_string(): 90 } } });
        let merged = merge(&mut desk, mine, theirs, chosen).await;
        assert_eq!(became(&merged), (201, ""));
        let away = both(-100);
        assert_eq!(moved(&merged), [away.as_slice(), &[line(mine, b, 100)]].concat());
        assert_eq!(decided(&mut desk, mine).await[0], merged["decision"]);
        // The decision that is about the member has its part.
        assert_eq!(moved(&decided(&mut desk, theirs).await[0]), away);

        let unmerged = decide(&mut desk, mine, "unmerge", json!({})).await;
        let back = both(100);
        assert_eq!(moved(&unmerged), [back.as_slice(), &[line(mine, b, -100)]].concat());
        assert_eq!(decided(&mut desk, mine).await[0], unmerged["decision"]);
        assert_eq!(moved(&decided(&mut desk, theirs).await[0]), back);
    }
}

/// The lines that the decisions of a batch tell, in its order; each has some.
fn all_moved(answer: &Value) -> Vec<Value> {
    let outcomes = answer["items"].as_array().expect("outcomes");
    assert!(outcomes.iter().all(|outcome| !moved(outcome).is_empty()), "{answer}");
    outcomes.iter().flat_map(moved).collect()
}

both! {
    async fn each_decision_of_a_batch_says_what_it_moved_itself(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let mut hours = |day: &str, minutes: i64| asha.record(Kind::Hours, day, |a| { a.minutes(me, minutes); }).expect("recorded");
        let pairs = [[hours("2026-11-17", 30), hours("2026-11-17", 40)], [hours("2026-11-18", 50), hours("2026-11-18", 60)]];
        post(&app, &mut asha).await;
        let mut items = Vec::new();
        for [into, member] in pairs {
            let (into, member) = (activity(&mut desk, into).await, activity(&mut desk, member).await);
            items.push(item(&mut desk, &into, "merge", &json!({ "reason": "One.", "members": [as_seen(&member)] })));
        }
        let seen: Value = desk.post("/v1/decisions/preview", &json!({ "items": items })).await.expect("a preview");
        let body = json!({ "items": items, "token": seen["token"] });
        let done: Value = desk.post("/v1/decisions", &body).await.expect("done");
        assert_eq!(json!(all_moved(&done)), seen["effects"]["transfers"], "what was shown");
        for (outcome, pair) in done["items"].as_array().expect("outcomes").iter().zip(pairs) {
            let own = pair.map(|id| json!(id));
            assert!(moved(outcome).iter().all(|line| own.contains(&line["activity_id"])), "{outcome}");
        }
        let again: Value = desk.post("/v1/decisions", &body).await.expect("again");
        assert_eq!(all_moved(&again), all_moved(&done));

        let back: Value = desk.post("/v1/decisions/preview", &json!({ "undo_batch": done["batch_id"] })).await.expect("a preview");
        let body = json!({ "items": back["decisions"], "token": back["token"] });
        let undone: Value = desk.post("/v1/decisions", &body).await.expect("taken back");
        assert_eq!(json!(all_moved(&undone)), back["effects"]["transfers"]);
    }
}
