//! Stories of several processes of the server on one database, at the same time.

use std::time::Duration;

use daybook::domain::activity::Kind;
use daybook::flows::judge;
use daybook::phone::Entry;
use serde_json::json;

use crate::always;
use crate::support::app::activity;
use crate::support::both;
use crate::support::desk::{balance, became, item, post, send};

/// However busy the machine is; the clerk looks every second.
const JUDGED_WITHIN: Duration = Duration::from_secs(30);

both! {
    async fn of_two_who_decide_differently_at_once_one_wins(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let (mut dee, mut eve) = (app.coordinator("Dee").await, other.coordinator("Eve").await);
        let (me, met) = (asha.party, asha.meet("Bo"));
        let mut won = [0, 0];
        for round in 0..10 {
            let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 10).minutes(met, 1); });
            let id = id.expect("recorded");
            // Half of the rounds the clerk has not been there yet.
            if round % 2 == 0 { post(&app, &mut asha).await } else { asha.sync().await.map(|_| ()).expect("synced") }
            let seen = activity(&mut dee, id).await;
            let approve = item(&mut dee, &seen, "approve", &json!({}));
            let reject = item(&mut eve, &seen, "reject", &json!({ "reason": "Not there." }));
            let (approve, reject) = ([approve], [reject]);
            let (one, two) = tokio::join!(send(&mut dee, &approve), send(&mut eve, &reject));
            let outcomes = [&one[0], &two[0]];
            let winner = outcomes.iter().position(|outcome| became(outcome) == (201, "")).expect("a winner");
            won[winner] += 1;
            let loser = outcomes[1 - winner];
            assert_eq!(became(loser), (409, "version_changed"));
            let review = ["approved", "rejected"][winner];
            let decision = &outcomes[winner]["decision"];
            // Whoever lost sees what was decided, by whom and why.
            let (step, by) = if winner == 0 { ("approve", dee.party) } else { ("reject", eve.party) };
            let mut decided = json!({ "id": decision["id"], "step": step, "decided_by": by, "decided_at": decision["decided_at"] });
            if winner == 1 {
                decided["reason"] = json!("Not there.");
            }
            let present = json!({
                "activity_id": id, "version": seen["version"], "decision_seq": 1, "review": review, "decided": decided,
            });
            assert_eq!(loser["present"], present);
            assert_eq!(activity(&mut dee, id).await["review"], review);
        }
        assert_eq!(balance(&mut asha, me).await, 10 * won[0]);
        assert_eq!(won[0] + won[1], 10);
        always::holds(&app).await.expect("what always holds");
    }
}

both! {
    async fn two_phones_of_one_resident_push_at_once_through_two_replicas(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let mut tablet = other.second_device(&mut asha, "Asha's tablet").await;
        let me = asha.party;
        let shared = asha.record(Kind::LitterPick, "2026-11-20", |a| { a.minutes(me, 60); }).expect("recorded");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        for _ in 0..5 {
            for phone in [&mut asha, &mut tablet] {
                for day in ["2026-11-18", "2026-11-19"] {
                    // Of one product each: what says the same would be taken for one.
                    let product = format!("Kettle {}", phone.uuid());
                    let write = |a: &mut Entry<'_>| { a.minutes(me, 1).put("repair.product", product); };
                    phone.record(Kind::Repair, day, write).expect("recorded");
                }
                phone.edit(shared, |a| { a.count("bags", 1); }).expect("edited");
            }
            let (one, two) = tokio::join!(asha.sync(), tablet.sync());
            assert_eq!((one.expect("synced").accepted, two.expect("synced").accepted), (3, 3));
            tokio::join!(app.judge(), other.judge());
        }
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        app.judge().await;
        assert_eq!(asha.own_book().doc.get_heads(), tablet.own_book().doc.get_heads());
        assert_eq!(activity(&mut asha, shared).await["bags"], 10);
        assert_eq!(balance(&mut asha, me).await, 60 + 20);
        always::holds(&app).await.expect("what always holds");
    }
}

both! {
    async fn clerks_of_several_replicas_judge_everything_once(app: TestApp) {
        let (second, third) = (app.another_replica().await, app.another_replica().await);
        let mut dee = third.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let mut ids = Vec::new();
        for minutes in 0..150 {
            let day = format!("2026-{:02}-{:02}", 6 + minutes / 30, 1 + minutes % 30);
            ids.push(asha.record(Kind::Hours, &day, |a| { a.minutes(me, 1 + minutes % 7); }).expect("recorded"));
        }
        asha.sync().await.expect("synced");
        let seen = activity(&mut dee, ids[140]).await;
        let reject = [item(&mut dee, &seen, "reject", &json!({ "reason": "Not there." }))];
        let clerks = async {
            let (one, two, three) = tokio::join!(app.judge(), second.judge(), third.judge());
            one + two + three
        };
        let (taken, outcomes) = tokio::join!(clerks, send(&mut dee, &reject));
        // Whoever found the tip locked left; what came up since is for the next round.
        let taken = taken + app.judge().await;
        let decided = became(&outcomes[0]);
        assert!([(201, ""), (409, "version_changed")].contains(&decided), "{decided:?}");
        assert!((149..=151).contains(&taken), "{taken} versions and dues");
        let minutes: i64 = (0..150).map(|minutes| 1 + minutes % 7).sum();
        let rejected = if decided.0 == 201 { 1 } else { 0 };
        assert_eq!(balance(&mut asha, me).await, minutes - rejected);
        always::holds(&app).await.expect("what always holds");
    }
}

both! {
    async fn what_a_replica_left_behind_is_judged_by_another(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 10); }).expect("recorded");
        asha.sync().await.expect("synced");
        // The bell was rung in a process whose clerk is not there any more.
        let clerk = tokio::spawn(judge::clerk(other.app.clone()));
        let judged = async {
            while activity(&mut asha, id).await["review"] != "approved" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(JUDGED_WITHIN, judged).await.expect("the other replica's clerk looks by itself");
        other.app.drain();
        clerk.await.expect("the clerk ends");
        always::holds(&app).await.expect("what always holds");
    }
}
