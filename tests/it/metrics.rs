//! Stories of what is counted: on a port of its own, each thing once, and no document loaded without need.

pub mod scrape;

use std::pin::pin;

use axum::http::{Method, StatusCode};
use daybook::domain::activity::Kind;
use daybook::domain::limits::SHARE_LOOK_MS;
use daybook::domain::share::{LATELY_MS, RECORDS_MIN};
use daybook::merge::RefusalCode;
use daybook::metrics::Flow;

use crate::support::desk::{decide, post};
use crate::support::{Backend, TestApp, TestPhone, both};
use crate::wire;
use scrape::{Scrape, parse};

fn outcome(outcome: &str) -> String {
    format!("daybook_changes_total{{outcome=\"{outcome}\"}}")
}

fn refused(code: &str) -> String {
    format!("daybook_changes_refused_total{{code=\"{code}\"}}")
}

fn loaded(reason: &str) -> String {
    format!("daybook_documents_loaded_total{{reason=\"{reason}\"}}")
}

fn moved(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
    let mut expected: Vec<_> = expected.iter().map(|(name, by)| ((*name).to_owned(), *by)).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    expected
}

both! {
    async fn a_sync_moves_exactly_these_counters(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        asha.sync().await.expect("synced");
        let ids: Vec<_> = (60..63).map(|minutes| {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, minutes); }).expect("recorded")
        }).collect();
        let bytes: usize = wire::unsent(&mut asha).iter().map(Vec::len).sum();
        let bytes = f64::from(u32::try_from(bytes).expect("few"));
        let before = Scrape::of(&app).await;
        asha.sync().await.expect("synced");
        let synced = Scrape::of(&app).await;
        let every_sync = [
            ("daybook_http_requests_total{route=\"/v1/sync\",method=\"POST\",class=\"2xx\"}", 1.0),
            ("daybook_http_request_duration_seconds_count{route=\"/v1/sync\",method=\"POST\"}", 1.0),
            ("daybook_sync_duration_seconds_count", 1.0),
            ("daybook_sync_daybook_duration_seconds_count{state=\"ok\"}", 1.0),
        ];
        let mut expected = every_sync.to_vec();
        expected.extend([
            ("daybook_changes_total{outcome=\"accepted\"}", 3.0),
            ("daybook_sync_received_bytes_total", bytes),
            ("daybook_accept_phase_duration_seconds_count{phase=\"guard\"}", 1.0),
            ("daybook_accept_phase_duration_seconds_count{phase=\"facts\"}", 1.0),
            ("daybook_accept_phase_duration_seconds_count{phase=\"plan\"}", 1.0),
            ("daybook_accept_phase_duration_seconds_count{phase=\"reduce\"}", 1.0),
            ("daybook_accept_phase_duration_seconds_count{phase=\"write\"}", 1.0),
            ("daybook_accept_phase_duration_seconds_count{phase=\"commit\"}", 1.0),
            ("daybook_database_begin_wait_seconds_count{flow=\"accept\"}", 1.0),
            ("daybook_database_transaction_duration_seconds_count{flow=\"accept\"}", 1.0),
            ("daybook_database_commit_duration_seconds_count{flow=\"accept\"}", 1.0),
        ]);
        assert_eq!(synced.moved_since(&before), moved(&expected));
        assert_eq!(synced.value("daybook_clerk_rung"), 1.0);
        assert_eq!(synced.value("daybook_http_requests_in_flight"), 0.0);

        app.pass(90_000);
        app.judge().await;
        let judged = Scrape::of(&app).await;
        assert_eq!(judged.moved_since(&synced), moved(&[
            ("daybook_clerk_rounds_total{end=\"judged\"}", 1.0),
            ("daybook_clerk_lag_seconds_count", 1.0),
            ("daybook_versions_judged_total", 3.0),
            ("daybook_activities_judged_total{review=\"approved\"}", 3.0),
            ("daybook_decisions_total{by=\"rule\"}", 3.0),
            ("daybook_postings_total", 3.0),
            ("daybook_database_begin_wait_seconds_count{flow=\"judge\"}", 1.0),
            ("daybook_database_transaction_duration_seconds_count{flow=\"judge\"}", 1.0),
            ("daybook_database_commit_duration_seconds_count{flow=\"judge\"}", 1.0),
        ]));
        assert_eq!(judged.value("daybook_clerk_lag_seconds_sum"), 90.0);

        // The verdicts, and nothing new: no transaction begins.
        asha.sync().await.expect("synced");
        let quiet = Scrape::of(&app).await;
        assert_eq!(quiet.moved_since(&judged), moved(&every_sync));

        let mut dee = app.coordinator("Dee").await;
        let before = Scrape::of(&app).await;
        decide(&mut dee, ids[0], "reject", serde_json::json!({ "reason": "Not there." })).await;
        let decided = Scrape::of(&app).await;
        let of = |name: &str| decided.value(name) - before.value(name);
        assert_eq!(of("daybook_decisions_total{by=\"person\"}"), 1.0);
        assert_eq!(of("daybook_activities_judged_total{review=\"rejected\"}"), 1.0);
        assert_eq!(of("daybook_postings_total"), 1.0);
        assert_eq!(of("daybook_database_commit_duration_seconds_count{flow=\"decide\"}"), 1.0);
    }
}

both! {
    async fn what_became_of_changes_is_counted_by_reason_and_code(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let fresh = Scrape::of(&app).await;
        for code in RefusalCode::ALL {
            assert_eq!(fresh.value(&refused(code.as_str())), 0.0, "{code:?} stands at zero before it comes");
        }
        for _ in 0..3 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        }
        let honest = wire::unsent(&mut asha);
        let answer = wire::send_changes(&mut asha, own, &honest[1..2]).await;
        assert_eq!(wire::outcomes(&answer)[0].1, Some("missing_dependency"));
        let held = Scrape::of(&app).await;
        assert_eq!(held.value(&outcome("held")), 1.0);
        assert_eq!(held.value("daybook_changes_held_total{reason=\"missing_dependency\"}"), 1.0);

        wire::send_changes(&mut asha, own, &honest[..1]).await;
        let admitted = Scrape::of(&app).await;
        assert_eq!(admitted.value(&outcome("accepted")), 1.0);
        assert_eq!(admitted.value(&outcome("admitted")), 1.0);

        let gap = wire::forged(&honest[2], |change| change.seq = 9);
        let sent = [honest[0].clone(), gap, b"no chunk".to_vec(), b"nor this".to_vec()];
        wire::send_changes(&mut asha, own, &sent).await;
        let after = Scrape::of(&app).await;
        assert_eq!(after.value(&outcome("duplicate")), 1.0);
        assert_eq!(after.value(&outcome("refused")), 3.0);
        assert_eq!(after.value(&refused("seq_gap")), 1.0);
        assert_eq!(after.value(&refused("unreadable")), 2.0);
        assert_eq!(after.sum("daybook_changes_refused_total"), 3.0);
        assert_eq!(after.value("daybook_sync_daybook_duration_seconds_count{state=\"reload\"}"), 1.0);
    }
}

both! {
    async fn only_a_splice_in_a_text_of_an_earlier_push_loads_the_document(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        let id = asha.record(Kind::LitterPick, "2026-11-20", |a| {
            a.minutes(me, 60).count("bags", 2).note("By the canal.");
        }).expect("recorded");
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.minutes(me, 70).count("bags", 1).note("Along the canal."); }).expect("edited");
        post(&app, &mut asha).await;
        asha.restart();
        asha.edit(id, |a| { a.minutes(me, 75); }).expect("edited");
        post(&app, &mut asha).await;
        asha.sync().await.expect("synced");
        assert_eq!(Scrape::of(&app).await.sum("daybook_documents_loaded_total"), 0.0);

        asha.edit(id, |a| { a.note_more(" And the towpath."); }).expect("edited");
        post(&app, &mut asha).await;
        let scrape = Scrape::of(&app).await;
        assert_eq!(scrape.value(&loaded("splice")), 1.0);
        assert_eq!(scrape.sum("daybook_documents_loaded_total"), 1.0);
        let asked = "daybook_accept_phase_duration_seconds_count{phase=\"document\"}";
        assert_eq!(scrape.value(asked), 1.0);
    }
}

both! {
    async fn operators_see_in_how_many_neighbourhoods_the_share_of_automatic_approvals_has_drifted(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let me = asha.party;
        let drifted = async || Scrape::of(&app).await.value("daybook_automatic_share_drifted");
        // Twenty records of which a rule approves all, and a week later none, since a person has to.
        for (minutes, expected) in [(30, 0.0), (500, 1.0)] {
            let ids: Vec<_> = (1..=RECORDS_MIN).map(|day| {
                let day = format!("2026-{}-{day:02}", if minutes == 30 { 11 } else { 10 });
                asha.record(Kind::Hours, &day, |a| { a.minutes(me, minutes); }).expect("recorded")
            }).collect();
            post(&app, &mut asha).await;
            for id in ids.iter().filter(|_| minutes == 500) {
                decide(&mut desk, *id, "approve", serde_json::json!({})).await;
            }
            assert_eq!(drifted().await, 0.0, "nobody has looked since");
            let later = |asha: &mut TestPhone, desk: &mut TestPhone, ms: i64| {
                (asha.now_ms, desk.now_ms) = (asha.now_ms + ms, desk.now_ms + ms);
                app.pass(ms);
            };
            later(&mut asha, &mut desk, SHARE_LOOK_MS);
            asha.record(Kind::Hours, "2026-09-01", |a| { a.minutes(me, 1); }).expect("recorded");
            post(&app, &mut asha).await;
            assert_eq!(drifted().await, expected);
            later(&mut asha, &mut desk, LATELY_MS);
        }
    }
}

both! {
    async fn what_is_set_aside_is_counted_when_somebody_looks_at_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        for _ in 0..3 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        }
        let changes = wire::unsent(&mut asha);
        let sent = [changes[1].clone(), changes[2].clone(), b"no chunk".to_vec()];
        wire::send_changes(&mut asha, own, &sent).await;
        daybook::flows::held::sweep_all(&app.app).await.expect("looked");
        let scrape = Scrape::of(&app).await;
        assert_eq!((scrape.value("daybook_held"), scrape.value("daybook_quarantined")), (2.0, 1.0));
    }
}

/// Polls a future once: it waits.
async fn waits(future: impl Future<Output = impl Sized>) {
    tokio::select! {
        biased;
        _ = future => panic!("it does not wait"),
        () = async {} => {}
    }
}

#[tokio::test]
async fn who_waits_is_counted_as_long_as_they_do() {
    let app = TestApp::start(Backend::Sqlite).await;
    let mut asha = app.phone("Asha").await;
    asha.record(Kind::Hours, "2026-11-20", |_| {}).expect("recorded");
    let of = |scrape: &Scrape, queue| scrape.value(&format!("daybook_waiting{{queue=\"{queue}\"}}"));
    let waiting =
        |scrape: &Scrape| ["write", "daybook", "heavy_push", "document"].map(|queue| of(scrape, queue));
    assert_eq!(waiting(&Scrape::of(&app).await), [0.0; 4]);
    let server = &app.app;
    let (all, turn) = (server.room_to_load(u64::MAX).await, server.heavy_turn().await);
    let writes = server.db().begin().await.expect("a transaction");
    {
        let mut timing = server.metrics().database.transaction(Flow::Manage);
        let mut document = pin!(server.room_to_load(1));
        let mut heavy = pin!(server.heavy_turn());
        let mut write = pin!(timing.begin(server.db().begin()));
        waits(document.as_mut()).await;
        waits(heavy.as_mut()).await;
        waits(write.as_mut()).await;
        assert_eq!(waiting(&Scrape::of(&app).await), [1.0, 0.0, 1.0, 1.0]);
    }
    assert_eq!(waiting(&Scrape::of(&app).await), [0.0; 4], "they went away");
    let mut sync = pin!(asha.sync());
    let is_seen = async {
        while of(&Scrape::of(&app).await, "daybook") < 1.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        synced = &mut sync => panic!("{synced:?} while somebody else writes"),
        () = is_seen => {}
    }
    drop((all, turn, writes));
    assert_eq!(sync.await.expect("synced").accepted, 1);
    assert_eq!(waiting(&Scrape::of(&app).await), [0.0; 4]);
}

#[tokio::test]
async fn refused_tokens_and_proofs_are_counted_by_code() {
    let app = TestApp::start(Backend::Sqlite).await;
    let before = Scrape::of(&app).await;
    app.request(Method::GET, "/v1/me", &[], "").await;
    app.request(Method::GET, "/v1/me", &[("authorization", "Bearer nonsense")], "").await;
    app.request(Method::GET, "/v1/nowhere/at/all", &[], "").await;
    let after = Scrape::of(&app).await;
    let problem = |code: &str| {
        let name = format!("daybook_http_problems_total{{code=\"{code}\"}}");
        after.value(&name) - before.value(&name)
    };
    assert_eq!((problem("token_missing"), problem("token_invalid"), problem("not_found")), (1.0, 1.0, 1.0));
    assert_eq!(problem("dpop_invalid"), 0.0, "it stands at zero before it comes");
    let requests = |route: &str| {
        after.value(&format!("daybook_http_requests_total{{route=\"{route}\",method=\"GET\",class=\"4xx\"}}"))
    };
    assert_eq!((requests("/v1/me"), requests("unmatched")), (2.0, 1.0));
}

#[tokio::test]
async fn the_public_port_does_not_serve_metrics() {
    let app = TestApp::start(Backend::Sqlite).await;
    let (status, body) = app.request(Method::GET, "/metrics", &[], "").await;
    assert_eq!((status, &body["code"]), (StatusCode::NOT_FOUND, &"not_found".into()));
    let scrape = Scrape::of(&app).await;
    assert!(scrape.value("process_resident_memory_bytes") > 1_000_000.0);
    assert!(scrape.value("process_open_fds") > 0.0 && scrape.value("process_threads") > 0.0);
    assert!(scrape.value("process_cpu_seconds_total") > 0.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(scrape.value(&format!("daybook_build_info{{version=\"{version}\"}}")), 1.0);
    assert!(scrape.value("daybook_database_connections{pool=\"write\"}") > 0.0);
    let in_use = scrape.value("daybook_database_connections_in_use{pool=\"write\"}");
    assert!(in_use <= scrape.value("daybook_database_connections{pool=\"write\"}"));
}

#[test]
fn text_that_is_not_open_metrics_is_found() {
    let good = "# HELP a_total x\n# TYPE a counter\na_total 1\n# EOF\n".replace("HELP a_total", "HELP a");
    assert!(parse(&good).is_ok());
    for (from, to) in [
        ("# EOF\n", ""),
        ("a_total 1", "a 1"),
        ("a_total 1", "a_total -1"),
        ("a_total 1", "a_total 1\na_total 1"),
        ("a_total 1", "b_total 1"),
        ("a_total 1", "a_total one"),
        ("# TYPE a counter", "# TYPE a counter\n# UNIT a seconds"),
        ("# EOF\n", "# TYPE b histogram\nb_bucket{le=\"1\"} 2\nb_bucket{le=\"+Inf\"} 1\nb_count 1\n# EOF\n"),
        ("# EOF\n", "# TYPE b histogram\nb_bucket{le=\"1\"} 2\nb_count 2\n# EOF\n"),
    ] {
        assert!(parse(&good.replacen(from, to, 1)).is_err(), "{from} → {to}");
    }
}
