//! Stories of the quarantine: an operator looks at what was refused, saves it, and heals a refusal that was the
//! server's mistake.

use std::ops::Range;

use axum::http::{Method, StatusCode};
use daybook::api::sync::{DaybookState, OutcomeKind};
use daybook::domain::activity::Kind;
use daybook::domain::ids::DaybookId;
use daybook::domain::limits::{QUARANTINE_BYTES_MAX, QUARANTINE_CHANGES_MAX, QUARANTINE_HASHES_MAX};
use daybook::store::entity::{daybook as daybook_row, refused_change as row};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
};
use serde_json::{Value, json};

use crate::support::app::{OPERATOR, activity};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

fn hash_of(bytes: &[u8]) -> [u8; 32] {
    automerge::Change::try_from(bytes).expect("a change").hash().0
}

async fn operator(app: &TestApp, method: Method, path: &str) -> (StatusCode, Value) {
    let token = format!("Bearer {OPERATOR}");
    let path = format!("/v1/neighbourhoods/{}/quarantine{path}", app.neighbourhood);
    app.request(method, &path, &[("authorization", &token)], "").await
}

async fn listed(app: &TestApp, query: &str) -> Vec<Value> {
    let (status, page) = operator(app, Method::GET, query).await;
    assert_eq!(status, 200, "{page}");
    page["items"].as_array().expect("items").clone()
}

async fn replay(app: &TestApp, phone: &TestPhone, hash: [u8; 32], query: &str) -> Value {
    let path = format!("/{}/{}/replay{query}", phone.own, hex::encode(hash));
    let (status, answer) = operator(app, Method::POST, &path).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Rows as an earlier version of the server left them: it refused a sound change.
async fn wrongly_refused(app: &TestApp, phone: &TestPhone, bytes: &[u8], code: &str) {
    let refused = row::Model {
        neighbourhood_id: app.neighbourhood.0,
        daybook_id: phone.own.0,
        hash: hash_of(bytes).to_vec(),
        code: code.to_owned(),
        detail: "by mistake".to_owned(),
        bytes: Some(bytes.to_vec()),
        bytes_count: i64::try_from(bytes.len()).expect("small"),
        grant_id: None,
        received_at_ms: app.app.now_ms(),
    };
    let refused = refused.into_active_model().reset_all();
    row::Entity::insert(refused).exec_without_returning(app.app.db().writer()).await.expect("written");
    let counted = daybook_row::Entity::update_many()
        .col_expr(daybook_row::Column::RefusedChanges, Expr::value(Some(1_i64)))
        .filter(daybook_row::Column::Id.eq(phone.own.0));
    counted.exec(app.app.db().writer()).await.expect("written");
}

both! {
    async fn an_operator_sees_and_saves_what_was_refused(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        let honest = wire::unsent(&mut asha);
        let gap = wire::forged(&honest[0], |change| change.seq = 7);
        wire::send_changes(&mut asha, own, &[b"no chunk".to_vec()]).await;
        app.pass(1_000);
        wire::send_changes(&mut asha, own, std::slice::from_ref(&gap)).await;
        let seen = listed(&app, "").await;
        let codes: Vec<&str> = seen.iter().filter_map(|item| item["code"].as_str()).collect();
        assert_eq!(codes, ["seq_gap", "unreadable"], "newest first");
        assert_eq!(seen[0]["hash"], hex::encode(hash_of(&gap)));
        assert_eq!((&seen[0]["size"], &seen[0]["has_bytes"]), (&json!(gap.len()), &json!(true)));
        assert_eq!(listed(&app, "?code=seq_gap").await, seen[..1]);
        assert_eq!(listed(&app, &format!("?daybook_id={own}")).await, seen);
        assert_eq!(listed(&app, &format!("?daybook_id={me}")).await, Vec::<Value>::new());
        let (_, first) = operator(&app, Method::GET, "?limit=1").await;
        let next = first["next"].as_str().expect("another page");
        assert_eq!(listed(&app, &format!("?limit=1&after={next}")).await, seen[1..]);

        let token = format!("Bearer {OPERATOR}");
        let path = format!("/v1/neighbourhoods/{}/quarantine/{own}/{}", app.neighbourhood, hex::encode(hash_of(&gap)));
        let (status, headers, bytes) = app.raw(Method::GET, &path, &[("authorization", &token)], "").await;
        assert_eq!((status.as_u16(), bytes), (200, gap));
        assert_eq!(headers["content-type"], "application/octet-stream");
        let bearer = wire::bearer(&app, &mut asha, "sync").await;
        let (status, _) = app.request(Method::GET, &path, &[("authorization", &bearer)], "").await;
        assert_eq!(status, 401, "it is the operator's alone");
    }
}

both! {
    async fn a_refusal_that_was_a_mistake_is_healed_with_all_that_builds_on_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let ids: Vec<_> = (0..3).map(|at| asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, at); }).expect("recorded")).collect();
        let changes = wire::unsent(&mut asha);
        wrongly_refused(&app, &asha, &changes[0], "seq_gap").await;
        let answer = wire::send_changes(&mut asha, own, &changes).await;
        let on_refused = (OutcomeKind::Refused, Some("on_refused"));
        assert_eq!(answer.state, DaybookState::Reload);
        assert_eq!(wire::outcomes(&answer), [(OutcomeKind::Refused, Some("seq_gap")), on_refused, on_refused]);
        assert!(asha.get::<Value>(&format!("/v1/activities/{}", ids[0])).await.is_err());

        assert_eq!(replay(&app, &asha, hash_of(&changes[0]), "").await["outcome"], "accepted");
        assert_eq!(listed(&app, "").await, Vec::<Value>::new(), "what builds on it came along");
        let again = wire::send_changes(&mut asha, own, &changes).await;
        assert_eq!(wire::outcomes(&again), vec![(OutcomeKind::Duplicate, None); 3]);
        asha.sync().await.expect("synced");
        for id in ids {
            wire::reads_as_the_document(&mut asha, id).await;
        }
        let path = format!("/{own}/{}/replay", hex::encode(hash_of(&changes[0])));
        assert_eq!(operator(&app, Method::POST, &path).await.0, 404, "it is no longer there");
    }
}

both! {
    async fn what_was_refused_rightly_is_refused_again_and_stays(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        let honest = wire::unsent(&mut asha);
        let gap = wire::forged(&honest[0], |change| change.seq = 7);
        wire::send_changes(&mut asha, own, std::slice::from_ref(&gap)).await;
        let before = listed(&app, "").await;
        app.pass(1_000);
        let answer = replay(&app, &asha, hash_of(&gap), "").await;
        assert_eq!((&answer["outcome"], &answer["code"]), (&json!("refused"), &json!("seq_gap")));
        assert_eq!(listed(&app, "").await, before);
    }
}

both! {
    async fn a_phone_that_has_reloaded_is_not_counted_twice(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let id = asha.record(Kind::LitterPick, "2026-11-20", |a| { a.minutes(me, 1).count("bags", 4); }).expect("recorded");
        let changes = wire::unsent(&mut asha);
        wrongly_refused(&app, &asha, &changes[0], "seq_gap").await;
        app.pass(1_000);
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.refused, report.reloads, report.accepted), (1, 1, 1));
        assert_eq!(activity(&mut asha, id).await["bags"], 4);
        let answer = replay(&app, &asha, hash_of(&changes[0]), "").await;
        assert_eq!((&answer["outcome"], &answer["activities"]), (&json!("superseded"), &json!([id])));
        assert_eq!(activity(&mut asha, id).await["bags"], 4);
        assert_eq!(listed(&app, "").await.len(), 1, "it stays where it is");
        // The operator may know better.
        assert_eq!(replay(&app, &asha, hash_of(&changes[0]), "?anyway=true").await["outcome"], "accepted");
        assert_eq!(activity(&mut asha, id).await["bags"], 8);
        let report = asha.sync().await.expect("synced");
        assert_eq!(report.refused, 0);
        let answer = wire::send_changes(&mut asha, own, &changes).await;
        assert_eq!(wire::outcomes(&answer), [(OutcomeKind::Duplicate, None)]);
    }
}

/// So many bytes that begin no chunk.
fn garbage(seed: u8, bytes: u64) -> Vec<u8> {
    vec![seed; usize::try_from(bytes).expect("small")]
}

/// Puts so many changes of one byte into the quarantine of a daybook, with these bytes or without.
async fn fill(app: &TestApp, daybook: DaybookId, places: Range<u64>, bytes: Option<Vec<u8>>) {
    let rows = places.map(|at| {
        let mut hash = vec![0; 32];
        hash[..8].copy_from_slice(&at.to_be_bytes());
        let row = row::Model {
            neighbourhood_id: app.neighbourhood.0,
            daybook_id: daybook.0,
            hash,
            code: "unreadable".to_owned(),
            detail: String::new(),
            bytes: bytes.clone(),
            bytes_count: 1,
            grant_id: None,
            received_at_ms: 0,
        };
        row.into_active_model().reset_all()
    });
    let rows: Vec<row::ActiveModel> = rows.collect();
    for part in rows.chunks(500) {
        let insert = row::Entity::insert_many(part.to_vec());
        insert.exec_without_returning(app.app.db().writer()).await.expect("written");
    }
}

both! {
    async fn as_many_refused_changes_keep_their_bytes_as_there_is_room_for(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        asha.sync().await.expect("synced");
        fill(&app, own, 0..QUARANTINE_CHANGES_MAX - 1, Some(vec![7])).await;
        // Those without bytes take no room of those with.
        fill(&app, own, QUARANTINE_CHANGES_MAX..QUARANTINE_CHANGES_MAX + 5, None).await;
        for (seed, kept) in [(1, 200), (2, 404)] {
            let answer = wire::send_changes(&mut asha, own, &[garbage(seed, 9)]).await;
            let hash = hex::encode(answer.outcomes[0].hash.0);
            assert_eq!(operator(&app, Method::GET, &format!("/{own}/{hash}")).await.0, kept, "the last with bytes, and the next");
        }
    }
}

both! {
    async fn the_quarantine_of_a_daybook_has_a_quota_and_the_reason_is_kept_beyond_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let half = QUARANTINE_BYTES_MAX / 2;
        for (seed, bytes) in [(1, half), (2, half), (3, 1)] {
            app.pass(1_000);
            wire::send_changes(&mut asha, own, &[garbage(seed, bytes)]).await;
        }
        let kept: Vec<_> = listed(&app, "").await.into_iter().map(|item| item["has_bytes"].clone()).collect();
        assert_eq!(kept, [json!(false), json!(true), json!(true)], "one byte past it only the reason is kept");
        let gone = listed(&app, "").await[0]["hash"].as_str().expect("hex").to_owned();
        assert_eq!(operator(&app, Method::GET, &format!("/{own}/{gone}")).await.0, 404);
        let hash: [u8; 32] = hex::decode(gone).expect("hex").try_into().expect("a hash");
        assert_eq!(replay(&app, &asha, hash, "").await["outcome"], "bytes_gone");

        fill(&app, own, 3..QUARANTINE_HASHES_MAX - 1, None).await;
        for (seed, there) in [(4, true), (5, false)] {
            let answer = wire::send_changes(&mut asha, own, &[garbage(seed, 9)]).await;
            assert_eq!(wire::outcomes(&answer), [(OutcomeKind::Refused, Some("unreadable"))], "answered all the same");
            let path = format!("/v1/daybooks/{own}/outcomes?hash={}", hex::encode(answer.outcomes[0].hash.0));
            let found: Value = asha.get(&path).await.expect("a page");
            assert_eq!(!found["items"].as_array().expect("items").is_empty(), there, "the last that is kept, and the next");
        }
    }
}
