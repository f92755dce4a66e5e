//! Stories of reading on: pages of changes, cursors of this and of another chain, verdicts.

use axum::http::Method;
use daybook::api::body::Form;
use daybook::api::sync::{DaybookAnswer, DaybookState, SyncAnswer};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::merge::cursor::Cursor;
use serde_json::Value;

use crate::support::{TestPhone, both};
use crate::wire;

/// Records and syncs, so many changes.
async fn recorded(phone: &mut TestPhone, records: usize) -> Vec<ActivityId> {
    let me = phone.party;
    let ids = (0..records).map(|_| {
        phone
            .record(Kind::Hours, "2026-11-20", |a| {
                a.minutes(me, 1);
            })
            .expect("recorded")
    });
    let ids = ids.collect();
    phone.sync().await.expect("synced");
    ids
}

async fn ask(phone: &mut TestPhone, cursor: Option<&str>, limit_bytes: Option<i64>) -> DaybookAnswer {
    let own = phone.own;
    let mut request = wire::request(vec![wire::push(own, &[])]);
    request.daybooks[0].cursor = cursor.map(str::to_owned);
    request.limit_bytes = limit_bytes;
    wire::send(phone, &request).await.daybooks.remove(0)
}

both! {
    async fn a_limit_cuts_the_answer_and_the_cursor_goes_on_where_it_ended(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 12).await;
        let whole = ask(&mut asha, None, None).await;
        assert_eq!((whole.changes.len(), whole.more), (13, false), "with the genesis change");
        for (limit, most) in [(1, 1), (600, 12)] {
            let (mut cursor, mut changes, mut pages) = (None, Vec::new(), 0);
            loop {
                let page = ask(&mut asha, cursor.as_deref(), Some(limit)).await;
                let bytes: usize = page.changes.iter().map(|change| change.0.len()).sum();
                assert!(page.changes.len() == 1 || bytes <= limit as usize, "{bytes}");
                assert!(page.changes.len() <= most && !page.changes.is_empty());
                assert_eq!(page.heads.is_some(), !page.more, "heads only with the last page");
                changes.extend(page.changes);
                cursor = page.cursor;
                pages += 1;
                if !page.more {
                    break;
                }
            }
            assert_eq!((&changes, &cursor), (&whole.changes, &whole.cursor));
            assert!(pages > 1 || limit == 1, "{pages}");
        }
    }
}

both! {
    async fn nothing_new_means_nothing_sent(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 2).await;
        let cursor = asha.own_book().cursor.clone();
        let answer = ask(&mut asha, cursor.as_deref(), None).await;
        assert_eq!((answer.state, answer.changes.len(), answer.more), (DaybookState::Ok, 0, false));
        assert_eq!((answer.heads, answer.cursor), (None, cursor), "heads come only where the cursor moved");
    }
}

/// The promise for one daybook in CBOR, in bytes of the request's and of the answer's body.
const NOTHING_NEW_BYTES_MAX: (usize, usize) = (160, 200);

both! {
    async fn nothing_new_is_told_in_a_few_bytes(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        asha.form = Form::Cbor;
        recorded(&mut asha, 20).await;
        app.judge().await;
        asha.sync().await.expect("synced");
        let quiet = asha.sync().await.expect("synced");
        assert_eq!((quiet.requests, quiet.verdicts_pending), (1, false));
        let (up, down) = NOTHING_NEW_BYTES_MAX;
        assert!(quiet.bytes_up <= up && quiet.bytes_down <= down, "{quiet:?}");
    }
}

both! {
    async fn a_cursor_of_another_chain_starts_again_and_loses_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let ids = recorded(&mut asha, 3).await;
        recorded(&mut bilal, 3).await;
        let whole = ask(&mut asha, None, None).await;
        let mine = Cursor::decode(&asha.own_book().cursor.clone().expect("a cursor")).expect("a cursor");
        let beyond = Cursor { position: mine.position + 5, ..mine };
        let before = Cursor { position: mine.position - 1, ..mine };
        let others = bilal.own_book().cursor.clone().expect("a cursor");
        let odd = [beyond.encode(), before.encode(), others, "no cursor".to_owned(), String::new(), "A".repeat(10_000)];
        for cursor in odd {
            let answer = ask(&mut asha, Some(&cursor), None).await;
            assert_eq!((answer.state, answer.more), (DaybookState::Restart, false), "{cursor:.30}");
            assert_eq!((&answer.changes, &answer.cursor), (&whole.changes, &whole.cursor), "{cursor:.30}");
            assert_eq!(answer.heads, whole.heads);
        }

        asha.own_book().cursor = Some(before.encode());
        let me = asha.party;
        asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.restarts, report.accepted), (1, 1));
        let own = asha.own;
        assert_eq!(wire::server_heads(&mut asha, own).await, wire::heads(&mut asha));
        wire::reads_as_the_document(&mut asha, ids[2]).await;
    }
}

async fn verdicts(phone: &mut TestPhone, after: Option<&str>) -> SyncAnswer {
    let mut request = wire::request(Vec::new());
    request.verdicts_after = after.map(str::to_owned);
    wire::send(phone, &request).await
}

both! {
    async fn verdicts_are_told_once_and_again_from_the_beginning_where_the_cursor_is_not_ours(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let ids = recorded(&mut asha, 2).await;
        recorded(&mut bilal, 1).await;
        assert!(verdicts(&mut asha, None).await.verdicts_pending, "the clerk has not been there yet");
        app.judge().await;
        let first = verdicts(&mut asha, None).await;
        assert!(!first.verdicts_pending && !first.verdicts_more);
        let mut told: Vec<_> = first.verdicts.iter().map(|verdict| verdict.activity_id).collect();
        told.sort();
        let mut expected = ids.clone();
        expected.sort();
        assert_eq!(told, expected, "her own, and nobody else's");

        let next = verdicts(&mut asha, Some(&first.verdicts_next)).await;
        assert_eq!((next.verdicts.len(), &next.verdicts_next), (0, &first.verdicts_next));
        let me = asha.party;
        asha.edit(ids[0], |a| { a.minutes(me, 7); }).expect("edited");
        asha.sync().await.expect("synced");
        app.judge().await;
        let news = verdicts(&mut asha, Some(&first.verdicts_next)).await;
        let versions: Vec<_> = news.verdicts.iter().map(|verdict| (verdict.activity_id, verdict.version)).collect();
        assert_eq!(versions, [(ids[0], 2)], "only the latest of what changed");
        let ours = Cursor::decode(&news.verdicts_next).expect("a cursor");
        let off = Cursor { chain: [1; 8], ..ours }.encode();
        for cursor in [off.as_str(), "no cursor", ""] {
            assert_eq!(verdicts(&mut asha, Some(cursor)).await.verdicts.len(), 2, "{cursor}");
        }
    }
}

both! {
    async fn a_list_goes_on_where_a_page_ended_and_takes_no_other_lists_cursor(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids = recorded(&mut asha, 5).await;
        let page: serde_json::Value = asha.get("/v1/activities?limit=2").await.expect("a page");
        let next = page["next"].as_str().expect("there is more").to_owned();
        let rest: serde_json::Value = asha.get(&format!("/v1/activities?limit=200&after={next}")).await.expect("a page");
        assert_eq!((page["items"].as_array().map(Vec::len), rest["items"].as_array().map(Vec::len)), (Some(2), Some(3)));
        assert_eq!(rest["next"], serde_json::Value::Null);
        let _ = ids;
        for path in ["/v1/accounts?after=", "/v1/activities?after=x"] {
            let path = if path.ends_with('=') { format!("{path}{next}") } else { path.to_owned() };
            let refused = asha.get::<serde_json::Value>(&path).await.expect_err("not of this list").to_string();
            assert!(refused.contains("400 cursor_invalid"), "{refused}");
        }
    }
}

both! {
    async fn the_link_to_the_next_page_keeps_the_filter(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for at in 0..5 {
            let kind = if at % 2 == 0 { Kind::Hours } else { Kind::Repair };
            asha.record(kind, "2026-11-20", |a| { a.minutes(me, 10 + at); }).expect("recorded");
        }
        asha.sync().await.expect("synced");
        let bearer = format!("Bearer {}", app.personal_token(&mut asha, "activities:read").await);
        let (mut path, mut found) = ("/v1/activities?kind=hours&limit=2&day_from=2026-11-01".to_owned(), Vec::new());
        loop {
            let (_, headers, body) = app.raw(Method::GET, &path, &[("authorization", &bearer)], "").await;
            let page: Value = serde_json::from_slice(&body).expect("a page");
            found.extend(page["items"].as_array().expect("items").iter().map(|item| item["kind"].clone()));
            let Some(link) = headers.get("link") else { break };
            path = link.to_str().expect("text").split(['<', '>']).nth(1).expect("an address").to_owned();
            assert!(path.contains("kind=hours") && path.matches("limit=").count() == 1, "{path}");
        }
        assert_eq!(found, ["hours"; 3]);
    }
}
