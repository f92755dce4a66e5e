//! Stories of closed periods: what was fixed stays, late work still posts, and the difference is shown.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::flows::rebuild::{Mode, rebuild};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::desk::{became, decide, post};
use crate::support::{TestApp, TestPhone, both};

/// Closes days under an id: status and answer.
async fn close(app: &TestApp, token: &str, id: Uuid, days: (&str, &str)) -> (u16, Value) {
    let body = json!({ "id": id, "day_from": days.0, "day_until": days.1 }).to_string();
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let (status, answer) = app.request(Method::POST, "/v1/periods", &headers, body).await;
    (status.as_u16(), answer)
}

async fn totals(phone: &mut TestPhone, query: &str) -> Vec<Value> {
    let page: Value = phone.get(&format!("/v1/periods{query}")).await.expect("periods");
    page["items"].as_array().expect("items").iter().map(|period| period["totals"].clone()).collect()
}

const OCTOBER: (&str, &str) = ("2026-10-01", "2026-10-31");
const NOVEMBER: (&str, &str) = ("2026-11-01", "2026-11-21");

both! {
    async fn what_a_closed_period_fixed_stays_and_late_work_is_shown_beside_it(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let token = app.personal_token(&mut desk, "manage").await;
        let (me, you) = (asha.party, bo.party);
        let picked = asha.record(Kind::Hours, "2026-10-31", |a| _ = a.minutes(me, 90)).expect("recorded");
        asha.record(Kind::Repair, "2026-11-01", |a| _ = a.minutes(me, 15)).expect("recorded");
        post(&app, &mut asha).await;
        let (status, closed) = close(&app, &token, app.app.uuid(), OCTOBER).await;
        assert_eq!(status, 201, "{closed}");
        let unchanged = |minutes: i64, activities: i64| {
            let restated = json!({ "minutes": minutes, "activities": activities, "difference": 0 });
            json!([{ "minutes": minutes, "activities": activities, "restated": restated }])
        };
        assert_eq!(totals(&mut desk, "").await, [unchanged(90, 1)]);

        // Late: Bo's October comes in only now; and Asha's is corrected.
        bo.record(Kind::Repair, "2026-10-02", |a| _ = a.minutes(you, 40)).expect("recorded");
        post(&app, &mut bo).await;
        let more = json!({ "corrections": { "minutes": { me.to_string(): 60 } }, "reason": "You left at eleven." });
        assert_eq!(became(&decide(&mut desk, picked, "approve", more).await).0, 201);
        let statement: Value = bo.get(&format!("/v1/accounts/{you}/statement")).await.expect("a statement");
        assert_eq!(statement["items"][0]["day"], "2026-10-02", "late work keeps its day");
        let restated = json!({ "minutes": 100, "activities": 2, "difference": 10 });
        assert_eq!(totals(&mut desk, "").await, [json!([{ "minutes": 90, "activities": 1, "restated": restated }])]);
        let by_kind = totals(&mut desk, "?by=kind").await;
        let expected = json!([
            { "kind": "hours", "minutes": 90, "activities": 1, "restated": { "minutes": 60, "activities": 1, "difference": -30 } },
            { "kind": "repair", "minutes": 0, "activities": 0, "restated": { "minutes": 40, "activities": 1, "difference": 40 } },
        ]);
        assert_eq!(by_kind, [expected]);
        let path = format!("/v1/periods/{}", closed["id"].as_str().expect("an id"));
        let alone: Value = desk.get(&format!("{path}?by=kind")).await.expect("a period");
        assert_eq!((&alone["totals"], &alone["journal_no"]), (&by_kind[0], &closed["journal_no"]));
        // A resident sees the own minutes in it.
        let own = json!([{ "minutes": 0, "activities": 0, "restated": { "minutes": 40, "activities": 1, "difference": 40 } }]);
        assert_eq!(totals(&mut bo, "").await, std::slice::from_ref(&own));
        assert_eq!(bo.get::<Value>(&path).await.expect("a period")["totals"], own);

        let (status, later) = close(&app, &token, app.app.uuid(), NOVEMBER).await;
        assert_eq!(status, 201, "{later}");
        assert_eq!(totals(&mut desk, "").await[0], unchanged(15, 1), "the last closed comes first");
        let first: Value = desk.get("/v1/periods?limit=1").await.expect("a page");
        let next = first["next"].as_str().expect("a further page");
        let second: Value = desk.get(&format!("/v1/periods?limit=1&after={next}")).await.expect("a page");
        let numbers = [&first, &second].map(|page| page["items"][0]["journal_no"].clone());
        assert_eq!(numbers, [later["journal_no"].clone(), closed["journal_no"].clone()]);
        let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared");
        assert!(rebuilt.is_same() && rebuilt.periods.rows == 2, "{rebuilt:#?}");
    }
}

both! {
    async fn a_period_is_closed_once_by_a_coordinator_and_shares_no_day(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let token = app.personal_token(&mut desk, "manage ledger:read reconcile").await;
        let id = app.app.uuid();
        let (status, closed) = close(&app, &token, id, OCTOBER).await;
        assert_eq!((status, closed["day_until"].as_str()), (201, Some(OCTOBER.1)), "{closed}");
        app.pass(60_000);
        assert_eq!(close(&app, &token, id, OCTOBER).await, (200, closed.clone()), "sent again");
        let problems = [
            (id, ("2026-10-01", "2026-10-30"), 409, "id_reused"),
            (app.app.uuid(), OCTOBER, 409, "period_overlaps"),
            (app.app.uuid(), ("2026-10-31", "2026-11-01"), 409, "period_overlaps"),
            (app.app.uuid(), ("2026-09-01", "2026-10-01"), 409, "period_overlaps"),
            (app.app.uuid(), ("2026-10-10", "2026-10-11"), 409, "period_overlaps"),
            (app.app.uuid(), ("2026-11-02", "2026-11-01"), 422, "field_invalid"),
            (app.app.uuid(), ("2026-11-01", "2026-11-22"), 422, "field_invalid"),
            (app.app.uuid(), ("2026-11-1", "2026-11-20"), 422, "field_invalid"),
        ];
        for (id, days, status, code) in problems {
            let (found, problem) = close(&app, &token, id, days).await;
            assert_eq!((found, problem["code"].as_str()), (status, Some(code)), "{days:?}");
        }
        let by_resident = app.personal_token(&mut asha, "ledger:read").await;
        assert_eq!(close(&app, &by_resident, app.app.uuid(), NOVEMBER).await.0, 403);
        // It is numbered, with what it says; what was refused is not.
        let page: Value = desk.get("/v1/journal/entries?limit=200").await.expect("entries");
        let entries = page["items"].as_array().expect("items").iter();
        let periods: Vec<&Value> = entries.filter(|entry| entry["kind"] == "period").collect();
        assert_eq!(periods.len(), 1);
        assert_eq!((&periods[0]["no"], &periods[0]["subject_id"]), (&closed["journal_no"], &json!(id)));
        let body: Value = serde_json::from_str(periods[0]["body"].as_str().expect("a body")).expect("JSON");
        assert_eq!(body, json!({ "day_from": OCTOBER.0, "day_until": OCTOBER.1, "closed_by": desk.party }));
        // The day after is free, up to today.
        assert_eq!(close(&app, &token, app.app.uuid(), NOVEMBER).await.0, 201);
    }
}

both! {
    async fn of_two_who_close_the_same_days_at_once_one_is_told_so(app: TestApp) {
        let other = app.another_replica().await;
        let mut desk = app.coordinator("Dee").await;
        let token = app.personal_token(&mut desk, "manage").await;
        let here = close(&app, &token, app.app.uuid(), OCTOBER);
        let there = close(&other, &token, app.app.uuid(), ("2026-10-15", "2026-11-15"));
        let (here, there) = tokio::join!(here, there);
        let mut found = [here.0, there.0];
        found.sort_unstable();
        assert_eq!(found, [201, 409], "{here:?} {there:?}");
    }
}
