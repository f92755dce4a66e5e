//! Stories of residents who take their own records back.

use daybook::domain::activity::Kind;
use daybook::domain::review::Review;
use serde_json::json;

use crate::support::both;
use crate::support::desk::{balance, desk, join, post, rules, sound, told};

const DAY: &str = "2026-11-20";

both! {
    async fn who_became_one_with_another_takes_back_what_was_approved_before_alone(app: TestApp) {
        let (asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = desk(&app).await;
        let (me, other) = (asha.party, again.party);
        let id = again.record(Kind::Hours, DAY, |r| _ = r.minutes(other, 30)).expect("recorded");
        post(&app, &mut again).await;
        assert_eq!(told(&again, id), (Review::Approved, Some(30), ""));
        join(&mut desk, me, other).await;
        // What was approved says who she was then.
        again.edit(id, |r| _ = r.put("withdrawn", true)).expect("withdrawn");
        post(&app, &mut again).await;
        assert_eq!(told(&again, id).0, Review::Withdrawn);
        assert_eq!(balance(&mut desk, me).await, 0);
        sound(&app).await;
    }
}

both! {
    async fn whom_a_cap_left_nothing_is_somebody_else_when_a_record_is_taken_back(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0, "caps": { "person_day_minutes": 100 } })).await;
        let (a, b) = (asha.party, bo.party);
        bo.record(Kind::Hours, DAY, |r| _ = r.minutes(b, 100)).expect("recorded");
        post(&app, &mut bo).await;
        let id = asha.record(Kind::Repair, DAY, |r| _ = r.minutes(a, 30).minutes(b, 60)).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, id).0, told(&asha, id).1), (Review::Approved, Some(30)));
        asha.edit(id, |r| _ = r.put("withdrawn", true)).expect("withdrawn");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::EditedAfterApproval);
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (30, 100));
        sound(&app).await;
    }
}
