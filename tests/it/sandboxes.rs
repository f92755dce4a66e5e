//! Stories of neighbourhoods to try things in, whose clock is moved.

use axum::http::Method;
use daybook::app::{Clock as _, Random as _, SystemRandom};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::SANDBOX_AHEAD_MS_MAX;
use daybook::domain::review::Review;
use daybook::domain::time::rfc3339;
use daybook::flows::sandbox;
use daybook::phone::{InProcess, Phone, PhoneError};
use serde_json::{Value, json};

use crate::support::app::{PUBLIC_URL, START_MS, activity};
use crate::support::desk::{balance, post, rebuilt_is_live, refused, rules, told};
use crate::support::{TestPhone, both};

const DAY_MS: i64 = 86_400_000;

async fn put(desk: &mut TestPhone, to_ms: i64) -> Result<Value, PhoneError> {
    let body = json!({ "now": rfc3339(to_ms) }).to_string().into_bytes();
    let answer = desk.request(Method::PUT, "/v1/neighbourhood/clock", "application/json", body).await?;
    Ok(serde_json::from_slice(answer.body()).expect("JSON"))
}

async fn moved(desk: &mut TestPhone, to_ms: i64) -> Value {
    put(desk, to_ms).await.expect("moved")
}

async fn not_moved(desk: &mut TestPhone, to_ms: i64) -> (u16, String) {
    refused(put(desk, to_ms).await)
}

/// How many days off the phone's clock was that brought the newest version of an activity; nothing where it was not.
async fn skew_days(phone: &mut TestPhone, id: ActivityId) -> Option<i64> {
    let versions: Value = phone.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
    versions["items"][0]["skew_ms"].as_i64().map(|skew_ms| (skew_ms + DAY_MS / 2) / DAY_MS)
}

both! {
    async fn what_comes_with_time_comes_when_the_clock_is_moved_and_tokens_live_on(app: TestApp) {
        let app = app.into_sandbox().await;
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        rules(&mut desk, json!({ "mode": "peer", "silence_days": 3, "audit_percent": 0 })).await;
        // Good for a day of the machine's.
        let token = app.personal_token(&mut asha, "activities:read").await;
        let silent = asha.record(Kind::Hours, "2026-11-20", |r| { r.minutes(me, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, silent).0, Review::Received);

        let seen = moved(&mut desk, START_MS + 2 * DAY_MS).await;
        assert!(seen["sandbox_now"].as_str() >= Some(rfc3339(START_MS + 2 * DAY_MS).as_str()), "{seen}");
        app.judge().await;
        assert_eq!(activity(&mut asha, silent).await["review"], "received");
        moved(&mut desk, START_MS + 4 * DAY_MS).await;
        app.judge().await;
        assert_eq!(activity(&mut asha, silent).await["review"], "approved");
        assert_eq!(balance(&mut asha, me).await, 60);

        // What is recorded now is received then.
        let later = asha.record(Kind::Hours, "2026-11-25", |r| { r.minutes(me, 30); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, later).await;
        assert!(seen["received_at"].as_str() >= Some(rfc3339(START_MS + 4 * DAY_MS).as_str()), "{seen}");
        // Phones go by the machine's clock or by that of the neighbourhood: neither is wrong.
        assert_eq!(skew_days(&mut asha, later).await, None);
        for (name, days, skew) in [("Bo", 4, None), ("Carol", 30, Some(26))] {
            let clock = app.clock.clone();
            let ahead = Box::new(move || clock.now_ms() + days * DAY_MS);
            let random = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
            let mut phone = Phone::new(name, InProcess(app.router.clone()), PUBLIC_URL, ahead, random).expect("a phone");
            phone.enrol(&app.invitation(false).await).await.expect("enrolled");
            let party = phone.party;
            let id = phone.record(Kind::Hours, "2026-11-25", |r| { r.minutes(party, 20 + days); }).expect("recorded");
            post(&app, &mut phone).await;
            assert_eq!(skew_days(&mut phone, id).await, skew, "{name}");
        }
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let (status, _) = app.request(Method::GET, "/v1/activities", &headers, "").await;
        assert_eq!(status, 200);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_clock_never_goes_back_and_other_replicas_follow(app: TestApp) {
        let app = app.into_sandbox().await;
        let other = app.another_replica().await;
        let mut desk = app.coordinator("Dee").await;
        moved(&mut desk, START_MS + 2 * DAY_MS).await;
        let ahead = app.app.sandboxes().ahead_ms(app.neighbourhood).expect("a sandbox");
        for earlier in [START_MS + DAY_MS, START_MS - DAY_MS, 0] {
            moved(&mut desk, earlier).await;
            assert_eq!(app.app.sandboxes().ahead_ms(app.neighbourhood), Some(ahead));
        }
        assert_eq!(other.app.now_in(app.neighbourhood), other.app.now_ms());
        sandbox::look(&other.app).await.expect("looked");
        assert_eq!(other.app.sandboxes().ahead_ms(app.neighbourhood), Some(ahead));
    }
}

both! {
    async fn the_clock_of_a_real_neighbourhood_is_everybodys(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        assert_eq!(not_moved(&mut desk, START_MS + DAY_MS).await, (409, "not_a_sandbox".to_owned()));
        assert_eq!(app.app.now_in(app.neighbourhood), app.app.now_ms());
    }
}

both! {
    async fn a_clock_is_moved_by_coordinators_and_at_most_ten_years_ahead(app: TestApp) {
        let app = app.into_sandbox().await;
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        assert_eq!(not_moved(&mut asha, START_MS).await.0, 403);
        let most = app.app.now_ms() + SANDBOX_AHEAD_MS_MAX;
        assert_eq!(not_moved(&mut desk, most + DAY_MS).await, (422, "field_invalid".to_owned()));
        moved(&mut desk, most).await;
    }
}
