//! Stories of rules that are tried out: what they would post, and what silence would approve.

use daybook::domain::activity::Kind;
use daybook::domain::time::rfc3339;
use serde_json::{Value, json};

use crate::support::app::START_MS;
use crate::support::both;
use crate::support::desk::{post, rules};

const DAY_MS: i64 = 86_400_000;

both! {
    async fn a_dry_run_shows_what_caps_would_take_and_when_silence_would_approve(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        let pack: Value = desk.get("/v1/rules").await.expect("the rules");
        let now = json!({ "approves": false, "minutes": 60, "reasons": [] });
        let due_at = rfc3339(START_MS + 3 * DAY_MS);
        for (field, value, then) in [
            ("caps", json!({ "person_day_minutes": 30 }), json!({ "approves": false, "minutes": 30, "reasons": [] })),
            ("silence_days", json!(3), json!({ "approves": false, "due_at": due_at, "minutes": 60, "reasons": [] })),
            ("mode", json!("auto"), json!({ "approves": true, "minutes": 60, "reasons": [] })),
        ] {
            let mut other = pack.clone();
            other[field] = value;
            let tried: Value = desk.post("/v1/rules/dry-run", &other).await.expect("tried");
            assert_eq!(tried["differing"], json!([{ "activity_id": id, "now": now, "then": then }]), "{field}");
        }
        app.pass(3 * DAY_MS);
        let mut silent = pack;
        silent["silence_days"] = json!(3);
        let tried: Value = desk.post("/v1/rules/dry-run", &silent).await.expect("tried");
        let then = json!({ "approves": true, "minutes": 60, "reasons": [] });
        assert_eq!((&tried["would_be_approved"], &tried["differing"][0]["then"]), (&json!(1), &then));
    }
}
