//! Stories of much at once: a long backlog passes without waiting, a flood does not, and its neighbours do not
//! feel it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::{Request, Response};
use daybook::api::sync::{MetParty, OutcomeKind, SyncAnswer};
use daybook::app::{Random as _, SystemRandom};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{GrantId, PartyId};
use daybook::domain::limits::{GRANT_BYTES_BURST, GRANT_BYTES_PER_HOUR, MET_PARTY_BYTES};
use daybook::phone::{InProcess, NoAnswer, Phone, PhoneError, Transport};
use daybook::store;
use daybook::store::entity::access_grant;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::attacks::forge;
use crate::support::app::{PUBLIC_URL, activity};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

/// The grant of a phone's device.
pub async fn grant(app: &TestApp, phone: &TestPhone) -> GrantId {
    let db = app.app.db().read();
    let found = access_grant::Entity::find().filter(access_grant::Column::DeviceId.eq(phone.device.0));
    GrantId(found.one(db).await.expect("read").expect("a grant").id)
}

/// What a phone's grant may still push, in bytes.
pub async fn left(app: &TestApp, phone: &TestPhone) -> i64 {
    let budget = app.app.budget(grant(app, phone).await);
    budget.lock().expect("whole").left()
}

both! {
    async fn a_backlog_of_three_weeks_passes_without_waiting(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for at in 0..2_000 {
            let day = format!("2026-11-{:02}", 1 + at % 21);
            asha.record(Kind::Hours, &day, |a| { a.minutes(me, 30).put("minutes_source", "recalled"); }).expect("recorded");
        }
        let report = asha.sync().await.expect("synced without waiting");
        assert_eq!((report.accepted, report.held, report.refused), (2_000, 0, 0));
        assert!(report.stalled.is_empty() && report.requests <= 10, "{report:?}");
    }
}

both! {
    async fn who_pushes_more_than_the_budget_waits_and_loses_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let me = asha.party;
        let ids: Vec<_> = (0..3).map(|_| asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded")).collect();
        let pushed: usize = wire::unsent(&mut asha).iter().map(|bytes| bytes.len() + 256).sum();
        let budget = app.app.budget(grant(&app, &asha).await);
        // All but exactly what this push weighs, and then one byte less.
        let most = GRANT_BYTES_BURST - u64::try_from(pushed).expect("small");
        budget.lock().expect("whole").spend(most + 1, app.app.now_ms());
        let Err(PhoneError::Wait { seconds }) = asha.sync().await else { panic!("it has to wait") };
        assert_eq!(seconds, 1);
        assert_eq!(wire::unsent(&mut asha).len(), 3, "nothing is lost");
        assert!(asha.get::<serde_json::Value>(&format!("/v1/activities/{}", ids[0])).await.is_err(), "nor half written");
        let him = bilal.party;
        bilal.record(Kind::Hours, "2026-11-20", |a| { a.minutes(him, 5); }).expect("recorded");
        assert_eq!(bilal.sync().await.expect("synced").accepted, 1, "another phone does not wait");
        let nothing = wire::request(vec![wire::push(asha.own, &[])]);
        assert!(wire::send(&mut asha, &nothing).await.daybooks[0].outcomes.is_empty(), "pulling costs nothing");

        app.pass(1_000);
        const { assert!(GRANT_BYTES_PER_HOUR / 3_600 > 1) };
        assert_eq!(asha.sync().await.expect("synced").accepted, 3);
        assert_eq!(activity(&mut asha, ids[2]).await["kind"], "hours");
    }
}

both! {
    async fn operations_cost_the_budget_as_bytes_do(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let bomb = forge::nulls(&[7; 16], 20_000);
        let before = left(&app, &asha).await;
        let answer = wire::send_changes(&mut asha, own, std::slice::from_ref(&bomb)).await;
        assert_eq!(wire::outcomes(&answer), [(OutcomeKind::Accepted, None)]);
        let spent = before - left(&app, &asha).await;
        assert_eq!(spent, 20_000 + 256 + i64::try_from(bomb.len()).expect("small"));
    }
}

both! {
    async fn people_met_cost_the_budget_once_and_beyond_it_nobody_is_written(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let budget = app.app.budget(grant(&app, &asha).await);
        let party = |phone: &mut TestPhone| MetParty { id: PartyId(phone.uuid()), name: "Somebody".to_owned() };
        let mut met = wire::request(Vec::new());
        met.parties = (0..200).map(|_| party(&mut asha)).collect();
        let before = left(&app, &asha).await;
        wire::send(&mut asha, &met).await;
        let cost = i64::try_from(MET_PARTY_BYTES).expect("small");
        assert_eq!(before - left(&app, &asha).await, 200 * cost);
        wire::send(&mut asha, &met).await;
        assert_eq!(before - left(&app, &asha).await, 200 * cost, "who is known costs nothing");
        // Two hundred new ones on each of the days of three weeks are far from all of it.
        assert!(21 * 200 * cost < before / 10);

        let rest = u64::try_from(left(&app, &asha).await).expect("some");
        budget.lock().expect("whole").spend(rest, app.app.now_ms());
        wire::send(&mut asha, &met).await;
        met.parties.push(party(&mut asha));
        let new = met.parties[200].id;
        let answer: Result<SyncAnswer, PhoneError> = asha.post("/v1/sync", &met).await;
        let Err(PhoneError::Wait { seconds }) = answer else { panic!("it has to wait") };
        assert_eq!(seconds, 1);
        let found = async || store::parties::find(app.app.db().read(), app.neighbourhood, new).await.expect("read");
        assert_eq!(found().await, None);
        app.pass(1_000);
        wire::send(&mut asha, &met).await;
        assert!(found().await.is_some_and(|row| !row.known));
    }
}

both! {
    async fn a_flood_in_one_daybook_does_not_hold_up_its_neighbours(app: TestApp) {
        let mut flooder = app.phone("Flood").await;
        let mut asha = app.phone("Asha").await;
        let own = flooder.own;
        let (going, sent) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let flood = {
            let (going, sent) = (going.clone(), sent.clone());
            async move {
                let mut round = 0;
                while going.load(Ordering::SeqCst) {
                    // Each time another hundred thousand operations in few bytes, most of them beyond the budget.
                    let bombs: Vec<Vec<u8>> = (0..5_u32).map(|at| {
                        let mut actor = [5; 16];
                        actor[..4].copy_from_slice(&(round * 5 + at).to_be_bytes());
                        forge::nulls(&actor, 20_000)
                    }).collect();
                    wire::send_changes(&mut flooder, own, &bombs).await;
                    round += 1;
                    sent.fetch_add(1, Ordering::SeqCst);
                }
                flooder
            }
        };
        let flood = tokio::spawn(flood);
        while sent.load(Ordering::SeqCst) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let me = asha.party;
        for _ in 0..10 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded");
            let report = asha.sync().await.expect("synced");
            assert_eq!((report.accepted, report.requests), (1, 1));
        }
        assert!(!flood.is_finished(), "the flood is still going");
        going.store(false, Ordering::SeqCst);
        let mut flooder = flood.await.expect("answered to the end");
        let page: serde_json::Value = flooder.get("/v1/held?limit=1").await.expect("a page");
        assert_eq!(page["items"][0]["reason"]["code"], "quota", "what is beyond its daybook's budget waits");
    }
}

/// Reaches the router; says `busy` of every daybook as often as it is told to, and counts the pauses.
#[derive(Clone)]
struct Busy {
    inner: InProcess,
    times: Arc<AtomicUsize>,
    pauses: Arc<AtomicUsize>,
}

impl Transport for Busy {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let sync = request.uri().path() == "/v1/sync";
        let response = self.inner.send(request).await?;
        let left = self.times.load(Ordering::SeqCst);
        if !sync || left == 0 || !response.status().is_success() {
            return Ok(response);
        }
        self.times.store(left - 1, Ordering::SeqCst);
        Ok(response.map(|body| {
            let mut answer: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
            for daybook in answer["daybooks"].as_array_mut().expect("daybooks") {
                let id = &daybook["id"];
                *daybook =
                    serde_json::json!({ "id": id, "state": "busy", "more": false, "changes": [], "outcomes": [] });
            }
            answer.to_string().into_bytes()
        }))
    }

    async fn pause(&self, _: Duration) {
        self.pauses.fetch_add(1, Ordering::SeqCst);
    }
}

both! {
    async fn a_busy_server_is_asked_again_after_pauses_and_a_few_times_only(app: TestApp) {
        let times = Arc::new(AtomicUsize::new(3));
        let busy = Busy { inner: InProcess(app.router.clone()), times: times.clone(), pauses: Arc::default() };
        let random = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
        let mut phone = Phone::new("Asha", busy.clone(), PUBLIC_URL, app.phone_clock(), random).expect("a phone");
        phone.enrol(&app.invitation(false).await).await.expect("enrolled");
        let me = phone.party;
        phone.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded");
        let report = phone.sync().await.expect("synced");
        assert!(report.stalled.is_empty());
        assert_eq!((report.requests, busy.pauses.load(Ordering::SeqCst)), (4, 3));
        assert_eq!(report.accepted + report.duplicate, 1);

        times.store(usize::MAX, Ordering::SeqCst);
        phone.record(Kind::Hours, "2026-11-21", |a| { a.minutes(me, 5); }).expect("recorded");
        let report = phone.sync().await.expect("it gives up for now");
        assert_eq!((report.requests, &report.stalled), (6, &vec![phone.own]));
        times.store(0, Ordering::SeqCst);
        let report = phone.sync().await.expect("the next sync goes on");
        assert_eq!(report.duplicate + report.accepted, 1);
    }
}
