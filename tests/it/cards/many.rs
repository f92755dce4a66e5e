//! Stories of more that needs a person than one look gathers.

use chrono::{Days, NaiveDate};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::CARDS_ACTIVITIES_MAX;
use daybook::store::judgements::count_needing_a_person;
use serde_json::{Value, json};

use super::ids;
use crate::support::desk::{became, decide, post, rules};
use crate::support::{TestPhone, both};

/// The first card, how much waits, and how much of it was looked at.
async fn first(desk: &mut TestPhone) -> (Value, [u64; 2]) {
    let page: Value = desk.get("/v1/cards?limit=1").await.expect("cards");
    let counts = ["waiting", "looked_at"].map(|count| page[count].as_u64().expect("a count"));
    (page["items"][0].clone(), counts)
}

both! {
    async fn what_nobody_looked_at_is_told_and_comes_in_as_what_waits_longer_is_decided(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "coordinator", "audit_percent": 0 })).await;
        let page: Value = desk.get("/v1/cards").await.expect("cards");
        assert_eq!((&page["waiting"], &page["looked_at"]), (&json!(0), &json!(0)));
        let (me, most) = (asha.party, CARDS_ACTIVITIES_MAX);
        let first_day = NaiveDate::from_ymd_opt(2010, 1, 1).expect("a day");
        for at in 0..most {
            // Far apart: what is near each other is compared.
            let day = first_day + Days::new(3 * at);
            asha.record(Kind::Hours, &day.to_string(), |r| _ = r.minutes(me, 0)).expect("recorded");
        }
        post(&app, &mut asha).await;
        assert_eq!(first(&mut desk).await.1, [most, most]);
        // What comes later is at stake for more, and nobody sees it yet.
        app.pass(1_000);
        let late = asha.record(Kind::Hours, "2026-10-30", |r| _ = r.minutes(me, 400)).expect("recorded");
        post(&app, &mut asha).await;
        let (card, counts) = first(&mut desk).await;
        assert_eq!((card["minutes"].as_i64(), counts), (Some(0), [most + 1, most]));
        for (bound, counted) in [(most, most), (most + 1, most + 1), (most + 2, most + 1)] {
            let count = count_needing_a_person(app.app.db().read(), app.neighbourhood, bound);
            assert_eq!(count.await.expect("counted"), counted, "at most {bound}");
        }
        let oldest: Vec<ActivityId> = ids(&card, "needing");
        let rejected = decide(&mut desk, oldest[0], "reject", json!({ "reason": "Written twice." })).await;
        assert_eq!(became(&rejected), (201, ""));
        let (card, counts) = first(&mut desk).await;
        assert_eq!((ids(&card, "needing"), counts), (vec![late], [most, most]));
    }
}
