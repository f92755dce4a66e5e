//! Stories of much that is stored: what is in memory for an answer is about what was asked for, downloads wait for each
//! other, and a daybook that cannot be read fails alone.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_RANGE, RANGE};
use axum::http::{Method, Request, StatusCode};
use daybook::api::sync::{DaybookAnswer, DaybookState, OutcomeKind};
use daybook::domain::activity::Kind;
use daybook::domain::ids::DaybookId;
use daybook::domain::limits::{DOWNLOAD_PART_BYTES, SYNC_READ_BYTES_MIN};
use daybook::flows::documents::Download;
use daybook::store;
use daybook::store::changes::Of;
use daybook::store::entity::{daybook as daybook_row, daybook_change, daybook_snapshot};
use futures_util::StreamExt as _;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _, Statement};
use serde_json::json;
use tower::ServiceExt as _;

use crate::support::{Backend, TestApp, TestPhone, both};
use crate::wire;

/// Columns of `daybook_change` but `chain`.
const COLUMNS: &str = "neighbourhood_id, daybook_id, position, hash, actor, seq, start_op, max_op, bytes, objects, \
     recorded_at_ms, grant_id, received_at_ms, accept_no, admitted_grant_id, admitted_at_ms, admitted_skew_ms";

/// From now on the database fails whenever it is to give the chain of this change; its other columns it gives.
async fn unreadable(app: &TestApp, daybook: DaybookId, position: i64) {
    let db = app.app.db().writer();
    if app.backend == Backend::Sqlite {
        let sql = "UPDATE daybook_change SET chain = 5 WHERE daybook_id = ? AND position = ?";
        let values = [daybook.0.into(), position.into()];
        let broken = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
        assert_eq!(db.execute_raw(broken).await.expect("updated").rows_affected(), 1);
        return;
    }
    let new = COLUMNS.split(", ").map(|column| format!("NEW.{column}")).collect::<Vec<_>>().join(", ");
    let chain = format!(
        "CASE WHEN daybook_id = '{}' AND position = {position}
         THEN decode(position::text || 'z', 'hex') ELSE chain END",
        daybook.0
    );
    for sql in [
        "ALTER TABLE daybook_change RENAME TO daybook_change_kept".to_owned(),
        format!("CREATE VIEW daybook_change AS SELECT {COLUMNS}, {chain} AS chain FROM daybook_change_kept"),
        format!(
            "CREATE RULE kept AS ON INSERT TO daybook_change DO INSTEAD
             INSERT INTO daybook_change_kept ({COLUMNS}, chain) VALUES ({new}, NEW.chain)"
        ),
    ] {
        db.execute_unprepared(&sql).await.expect("changed");
    }
}

/// So many bytes that no other seed gives.
fn noise(seed: u32, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(|_| next(&mut state)).collect()
}

async fn put_bytes(app: &TestApp, daybook: DaybookId, position: i64, bytes: Vec<u8>) {
    let updated = daybook_change::Entity::update_many()
        .col_expr(daybook_change::Column::Bytes, Expr::value(bytes))
        .filter(daybook_change::Column::DaybookId.eq(daybook.0))
        .filter(daybook_change::Column::Position.eq(position))
        .exec(app.app.db().writer());
    assert_eq!(updated.await.expect("updated").rows_affected, 1);
}

/// A phone whose daybook has changes of these sizes: what they say nobody reads here.
async fn with_changes_of(app: &TestApp, sizes: &[usize]) -> (TestPhone, Vec<Vec<u8>>) {
    let mut asha = app.phone("Asha").await;
    let (own, me) = (asha.own, asha.party);
    for _ in 1..sizes.len() {
        let recorded = asha.record(Kind::Hours, "2026-11-20", |a| {
            a.minutes(me, 5);
        });
        recorded.expect("recorded");
    }
    asha.sync().await.expect("synced");
    let mut all = Vec::new();
    for (position, size) in (1..).zip(sizes) {
        let bytes = noise(u32::try_from(position).expect("few"), *size);
        put_bytes(app, own, position, bytes.clone()).await;
        all.push(bytes);
    }
    let raw_bytes = i64::try_from(sizes.iter().sum::<usize>()).expect("few");
    daybook_row::Entity::update_many()
        .col_expr(daybook_row::Column::RawBytes, Expr::value(raw_bytes))
        .filter(daybook_row::Column::Id.eq(own.0))
        .exec(app.app.db().writer())
        .await
        .expect("updated");
    (asha, all)
}

/// A snapshot of any bytes in the place of the first two changes.
async fn put_snapshot(app: &TestApp, daybook: DaybookId, raw_bytes: usize, bytes: Vec<u8>) {
    let row = daybook_snapshot::Model {
        neighbourhood_id: app.neighbourhood.0,
        daybook_id: daybook.0,
        position: 2,
        chain: vec![2; 32],
        heads: vec![2; 32],
        raw_bytes: i64::try_from(raw_bytes).expect("few"),
        kept_from: 3,
        made_at_ms: 0,
        bytes_count: i64::try_from(bytes.len()).expect("few"),
        hash: vec![2; 32],
        bytes,
    };
    let db = app.app.db();
    db.writer().execute_raw(store::snapshots::put(db.backend(), row)).await.expect("put");
    put_bytes(app, daybook, 1, Vec::new()).await;
    put_bytes(app, daybook, 2, Vec::new()).await;
}

async fn another_book(phone: &mut TestPhone) -> DaybookId {
    let id = DaybookId(phone.uuid());
    let body = json!({ "id": id }).to_string().into_bytes();
    phone.request(Method::POST, "/v1/daybooks", "application/json", body).await.expect("made");
    id
}

async fn ask(phone: &mut TestPhone, limit_bytes: Option<i64>) -> DaybookAnswer {
    let mut request = wire::request(vec![wire::push(phone.own, &[])]);
    request.limit_bytes = limit_bytes;
    wire::send(phone, &request).await.daybooks.remove(0)
}

/// Status, `Content-Range` and bytes of one range.
async fn range(app: &TestApp, token: &str, id: DaybookId, range: &str) -> (StatusCode, String, Vec<u8>) {
    let headers = [("authorization", token), (RANGE.as_str(), range)];
    let (status, headers, bytes) = app.raw(Method::GET, &format!("/v1/daybooks/{id}"), &headers, "").await;
    let which = headers.get(CONTENT_RANGE).map(|value| value.to_str().expect("text").to_owned());
    (status, which.unwrap_or_default(), bytes)
}

both! {
    async fn who_asks_for_little_has_little_read(app: TestApp) {
        const { assert!(SYNC_READ_BYTES_MIN < 300_000) };
        let (mut asha, all) = with_changes_of(&app, &[300_000; 4]).await;
        // The fourth gives an error to whoever reads it.
        unreadable(&app, asha.own, 4).await;
        for (limit, expected) in [(1, 1), (700_000, 2)] {
            let answer = ask(&mut asha, Some(limit)).await;
            let changes: Vec<Vec<u8>> = answer.changes.into_iter().map(|bytes| bytes.0).collect();
            assert_eq!((answer.state, answer.more, changes.len()), (DaybookState::Ok, true, expected));
            assert_eq!(changes, all[..expected]);
        }
        assert_eq!(ask(&mut asha, None).await.state, DaybookState::Busy, "a MiB has room for it");
    }
}

both! {
    async fn a_limit_is_for_all_daybooks_together_and_nothing_is_left_out(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let other = another_book(&mut asha).await;
        for _ in 0..2 {
            asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded");
        }
        asha.sync().await.expect("synced");
        let mut request = wire::request(vec![wire::push(own, &[]), wire::push(other, &[])]);
        let whole: Vec<_> = wire::send(&mut asha, &request).await.daybooks.into_iter().map(|one| one.changes).collect();
        assert_eq!([whole[0].len(), whole[1].len()], [3, 1]);
        request.limit_bytes = Some(1);
        let mut found = vec![Vec::new(), Vec::new()];
        for left in (0..4).rev() {
            let answer = wire::send(&mut asha, &request).await.daybooks;
            assert_eq!(answer.iter().map(|one| one.changes.len()).sum::<usize>(), 1, "one in the whole answer");
            assert_eq!(answer.iter().any(|one| one.more), left > 0);
            for (at, one) in answer.into_iter().enumerate() {
                found[at].extend(one.changes);
                request.daybooks[at].cursor = one.cursor;
            }
        }
        assert_eq!(found, whole);
    }
}

both! {
    async fn a_daybook_that_cannot_be_read_is_busy_and_holds_up_no_other(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let broken = another_book(&mut asha).await;
        let last = another_book(&mut asha).await;
        unreadable(&app, broken, 1).await;
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 5); }).expect("recorded");
        let changes = wire::unsent(&mut asha);
        let request = wire::request(vec![wire::push(own, &changes), wire::push(broken, &[]), wire::push(last, &[])]);
        for outcome in [OutcomeKind::Accepted, OutcomeKind::Duplicate] {
            let answer = wire::send(&mut asha, &request).await;
            let states: Vec<_> = answer.daybooks.iter().map(|one| one.state).collect();
            assert_eq!(states, [DaybookState::Ok, DaybookState::Busy, DaybookState::Ok]);
            assert_eq!(wire::outcomes(&answer.daybooks[0]), [(outcome, None)]);
            let busy = &answer.daybooks[1];
            assert!(busy.changes.is_empty() && busy.cursor.is_none() && busy.heads.is_none() && !busy.more);
            assert_eq!(answer.daybooks[2].changes.len(), 1, "its genesis change");
        }
    }
}

both! {
    async fn a_download_waits_until_there_is_memory_for_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let path = format!("/v1/daybooks/{}", asha.own);
        for more in [None, Some((RANGE.as_str(), "bytes=0-9"))] {
            let all = app.app.room_to_load(u64::MAX).await.expect("all of it");
            let headers: Vec<_> = [("authorization", token.as_str())].into_iter().chain(more).collect();
            let mut download = pin!(app.raw(Method::GET, &path, &headers, ""));
            tokio::time::timeout(Duration::from_millis(200), &mut download).await.expect_err("it waits");
            drop(all);
            let (status, _, bytes) = download.await;
            assert!(status.is_success() && !bytes.is_empty(), "{status}");
        }
    }
}

both! {
    async fn a_large_download_comes_in_parts_and_each_byte_is_where_it_was(app: TestApp) {
        let sizes = [700_000, 400_000, 1_000_000, 300_000, 900_000];
        let (mut asha, mut all) = with_changes_of(&app, &sizes).await;
        let (own, token) = (asha.own, wire::bearer(&app, &mut asha, "sync").await);
        for snapshot in [false, true] {
            if snapshot {
                let bytes = noise(99, 1_500_000);
                put_snapshot(&app, own, sizes[0] + sizes[1], bytes.clone()).await;
                all.splice(..2, [bytes]);
            }
            let whole = all.concat();
            let length = whole.len();
            assert!(length > 3 * usize::try_from(DOWNLOAD_PART_BYTES).expect("small"));
            let headers = [("authorization", token.as_str())];
            let (status, headers, bytes) = app.raw(Method::GET, &format!("/v1/daybooks/{own}"), &headers, "").await;
            assert_eq!((status, headers["content-length"].to_str().ok()), (StatusCode::OK, Some(length.to_string().as_str())));
            assert!(bytes == whole, "{} bytes of {length}", bytes.len());
            // Inside of one change, over one border and over several, to the very end, and the last byte alone.
            for (first, last) in [(0, 9), (699_990, 700_010), (1_400_000, 1_600_000), (5, length - 5), (2_450_000, length - 1), (length - 1, length - 1)] {
                let (status, which, part) = range(&app, &token, own, &format!("bytes={first}-{last}")).await;
                assert_eq!((status, which), (StatusCode::PARTIAL_CONTENT, format!("bytes {first}-{last}/{length}")));
                assert!(part == whole[first..=last], "{first} to {last}: {} bytes", part.len());
            }
            let (status, which, _) = range(&app, &token, own, &format!("bytes={length}-")).await;
            assert_eq!((status, which), (StatusCode::RANGE_NOT_SATISFIABLE, format!("bytes */{length}")));
        }
    }
}

both! {
    async fn of_stored_changes_a_range_reads_those_that_it_is_in(app: TestApp) {
        let (mut asha, all) = with_changes_of(&app, &[700_000, 400_000, 1_000_000, 300_000, 900_000]).await;
        let (own, token) = (asha.own, wire::bearer(&app, &mut asha, "sync").await);
        unreadable(&app, own, 1).await;
        let (status, _, part) = range(&app, &token, own, "bytes=800000-1199999").await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        assert!(part == all.concat()[800_000..1_200_000]);
        let (status, ..) = range(&app, &token, own, "bytes=0-9").await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "this one is in it");
    }
}

both! {
    async fn a_download_whose_bytes_change_meanwhile_ends_early(app: TestApp) {
        let (mut asha, all) = with_changes_of(&app, &[700_000, 400_000, 1_000_000]).await;
        let (own, token) = (asha.own, wire::bearer(&app, &mut asha, "sync").await);
        let request = Request::get(format!("/v1/daybooks/{own}")).header("authorization", &token);
        let request = request.body(Body::empty()).expect("a request");
        let response = app.router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let mut body = response.into_body().into_data_stream();
        let mut taken = body.next().await.expect("a part").expect("bytes").to_vec();
        put_snapshot(&app, own, 1_100_000, noise(99, 1_000)).await;
        put_bytes(&app, own, 3, Vec::new()).await;
        let mut cut = false;
        while let Some(part) = body.next().await {
            match part {
                Ok(bytes) => taken.extend_from_slice(&bytes),
                Err(_) => cut = true,
            }
        }
        assert!(cut, "{} bytes", taken.len());
        assert!(all.concat().starts_with(&taken), "what did come is right");
    }
}

both! {
    async fn no_part_is_given_of_bytes_that_a_compaction_has_changed(app: TestApp) {
        let (asha, _) = with_changes_of(&app, &[500, 500, 500, 500]).await;
        let of = Of { neighbourhood: app.neighbourhood, daybook: asha.own };
        let mut download = Download::of(&app.app, of).await.expect("read");
        put_snapshot(&app, asha.own, 1_000, noise(99, 900)).await;
        for wanted in [0..10, 1_200..1_300, 1_990..2_000] {
            assert_eq!(download.part(&app.app, of, wanted).await.expect("read"), None);
        }
        let mut download = Download::of(&app.app, of).await.expect("read");
        let end = download.bytes_count();
        assert_eq!(end, 900 + 1_000);
        let part = download.part(&app.app, of, end - 10..end).await.expect("read");
        assert_eq!(part.as_deref(), Some(&noise(4, 500)[490..]));
    }
}
