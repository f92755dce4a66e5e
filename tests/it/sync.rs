//! Stories of phones that record offline and sync.

use daybook::domain::activity::Kind;
use serde_json::Value;

use crate::support::app::activity;
use crate::support::both;

both! {
    async fn what_was_recorded_offline_arrives_whole(app: TestApp) {
        let mut asha = app.new_phone("Asha");
        asha.go_offline();
        let me = asha.party;
        let pick = asha.record(Kind::LitterPick, "2026-11-14", |a| {
            a.minutes(me, 90).count("smoking.butts", 40).count("bags", 2).place(52.456, -1.89, 8.0).note("canal path");
        }).expect("recorded");
        let repair = asha.record(Kind::Repair, "2026-11-15", |a| {
            a.minutes(me, 45).put("repair.product", "Kettle").put("repair.status", "Fixed");
        }).expect("recorded");
        assert!(asha.sync().await.is_err(), "without signal nothing is sent");

        asha.go_online();
        let invitation = app.invitation(false).await;
        asha.enrol(&invitation).await.expect("enrolled");
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.accepted, report.held, report.refused), (2, 0, 0));

        let seen = activity(&mut asha, pick).await;
        assert_eq!(seen["kind"], "litter_pick");
        assert_eq!(seen["day"], "2026-11-14");
        assert_eq!(seen["parties"][0]["minutes"], 90);
        assert_eq!(seen["bags"], 2);
        assert_eq!(seen["place"]["lat"], 52.456);
        assert_eq!(seen["note"], "canal path");
        assert_eq!(activity(&mut asha, repair).await["repair"]["product"], "Kettle");
    }
}

both! {
    async fn sending_twice_changes_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 60); }).expect("recorded");
        let before = asha.own_book().clone();
        let first = asha.sync().await.expect("synced");
        assert_eq!(first.accepted, 1);
        app.judge().await;
        let account: Value = asha.get(&format!("/v1/accounts/{me}")).await.expect("an account");

        // The answer was lost: the phone stands where it stood before.
        asha.books.insert(before.id, before);
        let again = asha.sync().await.expect("synced");
        assert_eq!((again.accepted, again.duplicate), (0, 1));
        app.judge().await;
        assert_eq!(asha.get::<Value>(&format!("/v1/accounts/{me}")).await.expect("an account"), account);
        assert_eq!(account["contribution_minutes"], 60);
    }
}
