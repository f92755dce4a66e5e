//! Stories of daybooks as things: made, listed, downloaded in parts, shared by a group.

use automerge::AutoCommit;
use axum::http::header::{CONTENT_RANGE, ETAG, IF_NONE_MATCH, IF_RANGE, RANGE};
use axum::http::{HeaderMap, Method};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

async fn create(phone: &mut TestPhone, body: Value) -> Result<u16, String> {
    let bytes = body.to_string().into_bytes();
    let answer = phone.request(Method::POST, "/v1/daybooks", "application/json", bytes).await;
    answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

both! {
    async fn a_daybook_is_made_once_under_the_phones_own_id(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let id = DaybookId(asha.uuid());
        assert_eq!(create(&mut asha, json!({ "id": id })).await, Ok(201));
        assert_eq!(create(&mut asha, json!({ "id": id })).await, Ok(200));
        assert!(create(&mut bilal, json!({ "id": id })).await.is_err_and(|error| error.contains("409 id_reused")));
        let elsewhere = json!({ "id": DaybookId(asha.uuid()), "party_id": bilal.party });
        assert!(create(&mut asha, elsewhere).await.is_err_and(|error| error.contains("404 not_found")));
        let listed: Value = asha.get("/v1/daybooks").await.expect("daybooks");
        let ids: Vec<&str> = listed["items"].as_array().expect("items").iter().filter_map(|item| item["id"].as_str()).collect();
        assert_eq!(ids.len(), 2);
        assert!(ids.contains(&id.to_string().as_str()) && ids.contains(&asha.own.to_string().as_str()));
        assert!(listed["items"].as_array().expect("items").iter().all(|item| item["changes"] == 1), "each has its genesis change");
        let error = bilal.get::<Value>(&format!("/v1/daybooks/{id}")).await.expect_err("not his").to_string();
        assert!(error.contains("404 not_found"), "{error}");
    }
}

async fn download(
    app: &TestApp,
    token: &str,
    id: DaybookId,
    more: &[(&str, &str)],
) -> (u16, HeaderMap, Vec<u8>) {
    let headers = [&[("authorization", token)], more].concat();
    let (status, headers, bytes) = app.raw(Method::GET, &format!("/v1/daybooks/{id}"), &headers, "").await;
    (status.as_u16(), headers, bytes)
}

fn text(headers: &HeaderMap, name: impl axum::http::header::AsHeaderName) -> &str {
    headers.get(name).expect("the header").to_str().expect("text")
}

async fn recorded(app: &TestApp, records: usize) -> (TestPhone, String) {
    let mut asha = app.phone("Asha").await;
    let me = asha.party;
    for at in 0..records {
        asha.record(Kind::Hours, "2026-11-20", |a| {
            a.minutes(me, 1).note(&format!("number {at}"));
        })
        .expect("recorded");
    }
    asha.sync().await.expect("synced");
    let token = wire::bearer(app, &mut asha, "sync").await;
    (asha, token)
}

both! {
    async fn a_download_is_a_document_and_its_cursor_is_for_exactly_these_bytes(app: TestApp) {
        let (mut asha, token) = recorded(&app, 6).await;
        let own = asha.own;
        let (status, headers, bytes) = download(&app, &token, own, &[]).await;
        assert_eq!(status, 200);
        let mut document = AutoCommit::load(&bytes).expect("Automerge loads it");
        let mut heads: Vec<String> = document.get_heads().iter().map(|head| hex::encode(head.0)).collect();
        heads.sort();
        assert_eq!(heads, wire::server_heads(&mut asha, own).await);
        let mut request = wire::request(vec![wire::push(own, &[])]);
        request.daybooks[0].cursor = Some(text(&headers, "daybook-cursor").to_owned());
        let nothing = wire::send(&mut asha, &request).await.daybooks.remove(0);
        assert_eq!((nothing.changes.len(), nothing.more, nothing.heads), (0, false, None));

        let me = asha.party;
        asha.record(Kind::Hours, "2026-11-21", |a| { a.minutes(me, 1); }).expect("recorded");
        asha.sync().await.expect("synced");
        let news = wire::send(&mut asha, &request).await.daybooks.remove(0);
        assert_eq!(news.changes.len(), 1, "what came after the download, and nothing else");
        document.load_incremental(&news.changes[0].0).expect("applies");
        assert_eq!(document.get_heads().len(), news.heads.expect("heads").len());
    }
}

both! {
    async fn an_unchanged_daybook_is_not_sent_again(app: TestApp) {
        let (mut asha, token) = recorded(&app, 2).await;
        let (own, me) = (asha.own, asha.party);
        let (_, headers, bytes) = download(&app, &token, own, &[]).await;
        let etag = text(&headers, ETAG).to_owned();
        let (status, again, nothing) = download(&app, &token, own, &[(IF_NONE_MATCH.as_str(), &etag)]).await;
        assert_eq!((status, nothing.len(), text(&again, ETAG)), (304, 0, etag.as_str()));
        assert_eq!(text(&again, "daybook-cursor"), text(&headers, "daybook-cursor"));
        asha.record(Kind::Hours, "2026-11-21", |a| { a.minutes(me, 1); }).expect("recorded");
        asha.sync().await.expect("synced");
        let (status, changed, more) = download(&app, &token, own, &[(IF_NONE_MATCH.as_str(), &etag)]).await;
        assert_eq!((status, more.starts_with(&bytes)), (200, true));
        assert_ne!(text(&changed, ETAG), etag);
    }
}

both! {
    async fn a_cut_download_goes_on_where_it_was_cut_or_starts_again_where_the_bytes_changed(app: TestApp) {
        let (mut asha, token) = recorded(&app, 6).await;
        let (own, me) = (asha.own, asha.party);
        let (_, headers, whole) = download(&app, &token, own, &[]).await;
        let etag = text(&headers, ETAG).to_owned();
        let (length, cut) = (whole.len(), 300);
        assert_eq!(text(&headers, "accept-ranges"), "bytes");
        let range = |range: &str, if_range: &str| {
            let headers = [(RANGE.as_str().to_owned(), range.to_owned()), (IF_RANGE.as_str().to_owned(), if_range.to_owned())];
            let (app, token) = (&app, &token);
            async move {
                let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(_, value)| !value.is_empty()).collect();
                download(app, token, own, &headers).await
            }
        };
        let (status, headers, first) = range(&format!("bytes=0-{}", cut - 1), "").await;
        assert_eq!((status, text(&headers, CONTENT_RANGE).to_owned()), (206, format!("bytes 0-{}/{length}", cut - 1)));
        let (status, _, rest) = range(&format!("bytes={cut}-"), &etag).await;
        assert_eq!((status, [first, rest].concat()), (206, whole.clone()));
        let (status, _, tail) = range("bytes=-10", "").await;
        assert_eq!((status, tail.as_slice()), (206, &whole[length - 10..]));
        let (status, headers, _) = range(&format!("bytes={length}-"), "").await;
        assert_eq!((status, text(&headers, CONTENT_RANGE).to_owned()), (416, format!("bytes */{length}")));
        for ignored in ["bytes=0-1,4-5", "lines=0-1", "bytes=9-2", "bytes=99999999999999999999-"] {
            let (status, _, bytes) = range(ignored, "").await;
            assert_eq!((status, &bytes), (200, &whole), "{ignored}");
        }
        asha.record(Kind::Hours, "2026-11-21", |a| { a.minutes(me, 1); }).expect("recorded");
        asha.sync().await.expect("synced");
        let (status, headers, bytes) = range(&format!("bytes={cut}-"), &etag).await;
        assert_eq!(status, 200, "the bytes changed meanwhile");
        assert!(bytes.len() > length && text(&headers, ETAG) != etag);
    }
}

both! {
    async fn a_groups_daybook_is_written_by_its_members_and_by_nobody_else(app: TestApp) {
        let mut carol = app.coordinator("Carol").await;
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let mut eve = app.phone("Eve").await;
        let group = PartyId(carol.uuid());
        let body = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" });
        let _: Value = carol.post("/v1/parties", &body).await.expect("a group");
        for member in [asha.party, bilal.party] {
            let path = format!("/v1/parties/{group}/members/{member}");
            wire::call(&mut carol, Method::PUT, &path, &json!({ "capacity": "lay" })).await;
        }
        let shared = DaybookId(asha.uuid());
        assert_eq!(create(&mut asha, json!({ "id": shared, "party_id": group })).await, Ok(201));
        assert!(create(&mut eve, json!({ "id": shared, "party_id": group })).await.is_err_and(|error| error.contains("404")));

        let pick = ActivityId(asha.uuid());
        let (hers, his) = (asha.party, bilal.party);
        asha.edit_in(shared, pick, |a| { a.kind(Kind::LitterPick).day("2026-11-21").minutes(hers, 60).count("bags", 2); }).expect("recorded");
        asha.sync().await.expect("synced");
        bilal.book(shared);
        bilal.sync().await.expect("synced");
        bilal.edit_in(shared, pick, |a| { a.minutes(his, 50).count("bags", 3); }).expect("edited");
        bilal.sync().await.expect("synced");
        asha.sync().await.expect("synced");
        assert_eq!(asha.book(shared).doc.get_heads(), bilal.book(shared).doc.get_heads());
        let seen = activity(&mut asha, pick).await;
        assert_eq!((&seen["bags"], seen["parties"].as_array().map(Vec::len)), (&json!(5), Some(2)));
        assert_eq!(activity(&mut bilal, pick).await["party_id"], json!(group));

        let changes: Vec<Vec<u8>> = asha.book(shared).doc.get_changes(&[]).iter().map(|change| change.raw_bytes().to_vec()).collect();
        let answer = wire::send_changes(&mut eve, shared, &changes).await;
        assert_eq!(answer.state, daybook::api::sync::DaybookState::NotFound);
        assert!(eve.get::<Value>(&format!("/v1/activities/{pick}")).await.is_err());
    }
}
