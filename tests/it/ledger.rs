//! Stories of the ledger: what is clean posts by rule, people decide the rest.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::Value;

use crate::support::{TestApp, both};

both! {
    async fn clean_hours_reach_the_ledger_and_the_phone_is_told(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 75); }).expect("recorded");
        assert!(asha.sync().await.expect("synced").verdicts_pending);
        app.judge().await;
        asha.sync().await.expect("synced");
        let verdict = asha.verdicts.get(&id).expect("a verdict");
        assert_eq!((verdict.review, verdict.minutes), (Review::Approved, Some(75)));
        let totals: Value = asha.get("/v1/totals?by=kind,month").await.expect("totals");
        assert_eq!(totals["items"][0]["minutes"], 75);
        assert_eq!(totals["items"][0]["month"], "2026-11");
        assert_eq!(totals["items"][0]["kind"], "hours");
        let by_party: Value = asha.get("/v1/totals?by=party").await.expect("totals");
        assert_eq!(by_party["items"][0]["party_id"], me.to_string());
    }
}
