//! What phones see of a compaction: a download in place of changes.

use std::time::Duration;

use automerge::ReadDoc as _;
use axum::http::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, Method};
use daybook::api::sync::{DaybookAnswer, DaybookState};
use daybook::flows::compact::Compacted;
use daybook::merge::cursor::Cursor;
use sea_orm::ConnectionTrait as _;

use super::{loads, record, recorded, row, rows, snapshot};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

/// Characters of a value that does not get smaller.
const NOISE: usize = 1_900;

async fn ask(phone: &mut TestPhone, cursor: Option<String>, changes: &[Vec<u8>]) -> DaybookAnswer {
    let own = phone.own;
    let mut request = wire::request(vec![wire::push(own, changes)]);
    request.daybooks[0].cursor = cursor;
    wire::send(phone, &request).await.daybooks.remove(0)
}

both! {
    async fn a_phone_behind_the_snapshot_catches_up_and_pushes_what_it_has(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        let ids = recorded(&mut asha, 3).await;
        tablet.sync().await.expect("synced");
        tablet.edit(ids[0], |a| { a.count("bags", 3); }).expect("edited");
        let hers = record(&mut tablet, 77);
        recorded(&mut asha, 25).await;
        app.compact(asha.own).await;
        record(&mut asha, 78);
        asha.sync().await.expect("synced");

        let report = tablet.sync().await.expect("synced");
        assert_eq!((report.snapshots, report.accepted, report.restarts, report.reloads), (1, 2, 0, 0));
        assert_eq!(asha.sync().await.expect("synced").snapshots, 0, "who is not behind gets changes");
        let own = asha.own;
        assert_eq!(wire::heads(&mut asha), wire::heads(&mut tablet));
        assert_eq!(wire::server_heads(&mut asha, own).await, wire::heads(&mut asha));
        for id in [ids[0], hers] {
            wire::reads_as_the_document(&mut asha, id).await;
        }
        assert_eq!(tablet.sync().await.expect("synced").requests, 1, "there is nothing more to say");
        app.is_whole().await;
    }
}

both! {
    async fn a_blank_phone_gets_the_stored_bytes_and_goes_on_from_there(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids = recorded(&mut asha, 20).await;
        app.compact(asha.own).await;
        record(&mut asha, 78);
        asha.sync().await.expect("synced");
        let mut blank = app.second_device(&mut asha, "Asha's new phone").await;
        let own = asha.own;
        let answer = ask(&mut blank, None, &[]).await;
        let link = answer.snapshot.expect("a snapshot");
        assert_eq!((answer.state, answer.more, answer.heads), (DaybookState::Ok, true, None));
        assert_eq!((answer.cursor, answer.changes.len()), (None, 0));
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let (status, headers, bytes) = download(&app, &token, &link.url, &[]).await;
        assert_eq!((status, bytes.len() as u64), (200, link.bytes));
        assert_eq!(text(&headers, ETAG), link.etag);

        let report = blank.sync().await.expect("synced");
        assert_eq!((report.snapshots, report.accepted, report.requests), (1, 0, 3));
        assert_eq!(wire::heads(&mut blank), wire::heads(&mut asha));
        assert_eq!(wire::server_heads(&mut blank, own).await, wire::heads(&mut blank));
        let cursor = blank.own_book().cursor.clone();
        let nothing = ask(&mut blank, cursor, &[]).await;
        assert_eq!((nothing.changes.len(), nothing.more, nothing.snapshot, nothing.heads), (0, false, None, None));
        wire::reads_as_the_document(&mut blank, ids[19]).await;
        assert_eq!(["splice", "proof", "counter", "rebuild"].map(|reason| loads(&app, reason)), [0; 4]);
        assert_eq!(loads(&app, "compaction"), 1, "the phone itself costs no load");
    }
}

both! {
    async fn a_cursor_gets_changes_as_long_as_they_are_kept(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 30).await;
        let all = rows(&app, asha.own).await;
        app.compact(asha.own).await;
        let kept_from = usize::try_from(snapshot(&app, asha.own).await.expect("a snapshot").kept_from).expect("few");
        let cursor = |position: usize| {
            let chain = all[position - 1].chain.clone().try_into().expect("a chain");
            Some(Cursor::at(position as u64, &chain).encode())
        };
        let answer = ask(&mut asha, cursor(kept_from - 1), &[]).await;
        let kept: Vec<_> = all[kept_from - 1..].iter().map(|row| row.bytes.clone()).collect();
        assert_eq!(answer.changes.into_iter().map(|bytes| bytes.0).collect::<Vec<_>>(), kept);
        assert_eq!((answer.snapshot, answer.more), (None, false));
        let answer = ask(&mut asha, cursor(kept_from - 2), &[]).await;
        assert_eq!((answer.changes.len(), answer.more, answer.cursor), (0, true, cursor(kept_from - 2)));
        assert!(answer.snapshot.is_some() && answer.state == DaybookState::Ok);

        // What the phone has sent itself, it is not sent again, and needs no bytes for.
        let own: Vec<_> = all[kept_from - 2..].iter().map(|row| row.bytes.clone()).collect();
        let answer = ask(&mut asha, cursor(kept_from - 2), &own).await;
        assert_eq!((answer.changes.len(), answer.more, answer.snapshot), (0, false, None));
        assert_eq!((answer.outcomes.len(), answer.cursor), (own.len(), cursor(all.len())));

        let restart = ask(&mut asha, Some("no cursor".to_owned()), &[]).await;
        assert_eq!((restart.state, restart.cursor, restart.more), (DaybookState::Restart, None, true));
        assert!(restart.snapshot.is_some());
        let before = asha.own_book().clone();
        asha.own_book().cursor = Some("no cursor".to_owned());
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.restarts, report.snapshots), (1, 1));
        assert_eq!(asha.own_book().cursor, before.cursor);
    }
}

both! {
    async fn a_phone_that_is_behind_and_has_a_refused_change_recovers(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids = recorded(&mut asha, 4).await;
        let copy = asha.own_book().clone();
        let lost = record(&mut asha, 1);
        asha.sync().await.expect("synced");
        recorded(&mut asha, 25).await;
        app.compact(asha.own).await;
        // The old copy goes on under the same actor: a fork.
        let mut twin = app.second_device(&mut asha, "The copy").await;
        twin.books.insert(copy.id, copy);
        let hers = record(&mut twin, 2);
        let report = twin.sync().await.expect("synced");
        assert_eq!((report.refused, report.reloads), (1, 1), "{report:?}");
        asha.sync().await.expect("synced");
        assert_eq!(wire::heads(&mut asha), wire::heads(&mut twin));
        for id in [ids[0], lost, hers] {
            wire::reads_as_the_document(&mut twin, id).await;
        }
        app.judge().await;
        app.is_whole().await;
    }
}

/// Activities with a value that no compression makes smaller.
async fn noisy(phone: &mut TestPhone, records: usize) {
    for at in 0..records {
        let noise = hex::encode(phone.random::<{ NOISE / 2 }>());
        let id = record(phone, at);
        phone
            .edit(id, |a| {
                a.put("repair.product", noise);
            })
            .expect("edited");
    }
    phone.sync().await.expect("synced");
}

both! {
    async fn a_cut_download_goes_on_where_it_was_cut_and_begins_again_where_the_bytes_changed(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        noisy(&mut asha, 340).await;
        assert!(matches!(app.compact(asha.own).await, Compacted::Done { .. }));
        let whole = snapshot(&app, asha.own).await.expect("a snapshot").bytes.len();
        assert!(whole > 300_000, "{whole} bytes are more than one part");
        let mut unlucky = wire::unlucky_phone(&app, "Asha's new phone");
        let body = serde_json::json!({ "id": app.app.uuid(), "party_id": asha.party });
        let invitation: serde_json::Value = asha.post("/v1/invitations", &body).await.expect("an invitation");
        unlucky.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        unlucky.own = asha.own;
        unlucky.book(asha.own);
        // The sync, its first part, and the second part lost.
        for changed in [false, true] {
            unlucky.own_book().download = None;
            unlucky.own_book().cursor = None;
            unlucky.session.transport.lose_after(2);
            unlucky.sync().await.expect_err("the signal went");
            assert!(unlucky.own_book().download.is_some(), "the first part is kept");
            assert_eq!(unlucky.own_book().cursor, None, "and nothing is merged");
            if changed {
                record(&mut asha, 1);
                asha.sync().await.expect("synced");
            }
            let report = unlucky.sync().await.expect("synced");
            assert_eq!(report.snapshots, 1);
            let again = report.bytes_down > whole;
            assert_eq!(again, changed, "{} bytes down", report.bytes_down);
            assert_eq!(wire::heads(&mut unlucky), wire::heads(&mut asha));
        }
        assert_eq!(unlucky.own_book().doc.length(automerge::ROOT), 341);
    }
}

async fn download(
    app: &TestApp,
    token: &str,
    path: &str,
    more: &[(&str, &str)],
) -> (u16, HeaderMap, Vec<u8>) {
    let headers = [&[("authorization", token)], more].concat();
    let (status, headers, bytes) = app.raw(Method::GET, path, &headers, "").await;
    (status.as_u16(), headers, bytes)
}

fn text(headers: &HeaderMap, name: impl axum::http::header::AsHeaderName) -> &str {
    headers.get(name).expect("the header").to_str().expect("text")
}

both! {
    async fn compaction_changes_the_stored_bytes_and_their_name_and_not_the_cursor(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 20).await;
        let token = wire::bearer(&app, &mut asha, "sync").await;
        let path = format!("/v1/daybooks/{}", asha.own);
        let (_, before, raw) = download(&app, &token, &path, &[]).await;
        app.compact(asha.own).await;
        let old = text(&before, ETAG);
        let (status, after, stored) = download(&app, &token, &path, &[(IF_NONE_MATCH.as_str(), old)]).await;
        assert_eq!(status, 200, "the bytes are others");
        assert_ne!(text(&after, ETAG), old);
        assert_eq!(text(&after, "daybook-cursor"), text(&before, "daybook-cursor"));
        assert!(stored.len() < raw.len());
        assert_eq!(stored, snapshot(&app, asha.own).await.expect("a snapshot").bytes);
        let (status, _, whole) = download(&app, &token, &path, &[(RANGE.as_str(), "bytes=100-"), (IF_RANGE.as_str(), old)]).await;
        assert_eq!((status, &whole), (200, &stored), "a cut download begins again");
        let new = text(&after, ETAG);
        let (status, headers, tail) = download(&app, &token, &path, &[(RANGE.as_str(), "bytes=100-"), (IF_RANGE.as_str(), new)]).await;
        assert_eq!((status, tail.as_slice()), (206, &stored[100..]));
        assert_eq!(text(&headers, CONTENT_RANGE), format!("bytes 100-{}/{}", stored.len() - 1, stored.len()));
        let (status, ..) = download(&app, &token, &path, &[(IF_NONE_MATCH.as_str(), new)]).await;
        assert_eq!(status, 304);

        record(&mut asha, 5);
        asha.sync().await.expect("synced");
        let encoded = [("accept-encoding", "br, gzip, zstd")];
        let (_, headers, more) = download(&app, &token, &path, &encoded).await;
        assert_eq!(headers.get("content-encoding"), None, "stored bytes go out as they are");
        assert!(more.starts_with(&stored) && text(&headers, ETAG) != new);
        let mut document = automerge::AutoCommit::load(&more).expect("a snapshot and a change after it are a document");
        let heads: Vec<String> = document.get_heads().iter().map(|head| hex::encode(head.0)).collect();
        assert_eq!(heads, wire::heads(&mut asha));
    }
}

both! {
    async fn every_write_to_a_daybook_waits_for_its_lock(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 4).await;
        let own = asha.own;
        let [first, second] = [1, 2].map(|at| {
            record(&mut asha, at);
            wire::unsent(&mut asha).pop().expect("a change")
        });
        let forked = wire::forged(&first, |change| change.time += 1);
        let pushes: [(&str, Vec<u8>); 3] = [("held", second), ("accepted", first), ("refused", forked)];
        for (expected, change) in pushes {
            let locked = app.app.db().begin().await.expect("a transaction");
            daybook::store::daybooks::lock(&locked, app.neighbourhood, own).await.expect("locked");
            let revision = row(&app, own).await.revision;
            let changes = [change];
            let push = wire::send_changes(&mut asha, own, &changes);
            let mut push = std::pin::pin!(push);
            tokio::time::timeout(Duration::from_millis(150), &mut push).await.expect_err("it waits");
            assert_eq!(row(&app, own).await.revision, revision);
            locked.rollback().await.expect("let go");
            let answer = push.await;
            let outcome = serde_json::to_value(answer.outcomes[0].outcome).expect("a word");
            assert_eq!(outcome, expected);
            assert!(row(&app, own).await.revision > revision);
        }
        // What is written while a compaction waits stays: it reads the row under the lock, not before.
        let locked = app.app.db().begin().await.expect("a transaction");
        let held = daybook::store::daybooks::lock(&locked, app.neighbourhood, own).await.expect("locked");
        let mut held = held.expect("the daybook");
        let mut compaction = std::pin::pin!(app.compact(own));
        tokio::time::timeout(Duration::from_millis(500), &mut compaction).await.expect_err("it waits");
        assert_eq!(snapshot(&app, own).await, None);
        held.revision += 7;
        let revision = held.revision;
        let update = daybook::store::daybooks::update(app.app.db().backend(), held);
        locked.execute_raw(update).await.expect("written");
        locked.commit().await.expect("committed");
        assert!(matches!(compaction.await, Compacted::Done { .. }));
        assert_eq!(row(&app, own).await.revision, revision);
    }
}
