//! Stories of the journal: anybody checks its chain, and whoever may read an entry checks what it commits to, with
//! nothing but what the reference says.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::desk::{decide, post, refused, undo};
use crate::support::{TestApp, TestPhone, both};

/// SHA-256 over parts.
fn sha(parts: &[&[u8]]) -> [u8; 32] {
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

/// HMAC-SHA-256 as RFC 2104 has it, for a key shorter than a block.
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let padded =
        |pad: u8| -> Vec<u8> { (0..64).map(|at| key.get(at).copied().unwrap_or_default() ^ pad).collect() };
    sha(&[&padded(0x5c), &sha(&[&padded(0x36), message])])
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry[key].as_str().unwrap_or_default()
}

fn bytes(entry: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(entry, key)).expect("hex")
}

/// What an entry commits to, as the reference says it.
fn commitment(entry: &Value) -> Vec<u8> {
    let at = chrono::DateTime::parse_from_rfc3339(text(entry, "at")).expect("an instant");
    let mut message = entry["no"].as_i64().expect("a number").to_be_bytes().to_vec();
    for part in [
        text(entry, "kind").as_bytes(),
        text(entry, "subject_id").as_bytes(),
        b"activity",
        text(entry, "activity_id").as_bytes(),
        b"at_ms",
        &at.timestamp_millis().to_be_bytes(),
        b"body",
        text(entry, "body").as_bytes(),
    ] {
        message.extend((part.len() as u64).to_be_bytes());
        message.extend(part);
    }
    hmac(&bytes(entry, "salt"), &message).to_vec()
}

/// Follows the chain over all entries, and opens those that can be; answers the last link.
fn verify(neighbourhood: &str, entries: &[Value]) -> Vec<u8> {
    let id = hex::decode(neighbourhood.replace('-', "")).expect("hex");
    let mut link = sha(&[b"daybook journal 1\0", &id]).to_vec();
    for (entry, no) in entries.iter().zip(1..) {
        assert_eq!(entry["no"], no, "no gaps");
        link = sha(&[&link, &bytes(entry, "commitment")]).to_vec();
        assert_eq!(bytes(entry, "chain"), link, "{entry}");
        if entry["salt"].is_string() {
            assert_eq!(bytes(entry, "commitment"), commitment(entry), "{entry}");
        }
    }
    link
}

/// The whole list, page by page along its links.
async fn entries(phone: &mut TestPhone, path: &str) -> Vec<Value> {
    let (mut path, mut entries) = (path.to_owned(), Vec::new());
    loop {
        let answer = phone.request(Method::GET, &path, "", Vec::new()).await.expect("a page");
        let page: Value = serde_json::from_slice(answer.body()).expect("JSON");
        entries.extend(page["items"].as_array().expect("items").iter().cloned());
        let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        assert_eq!(link.is_some(), page["next"].is_string());
        let Some(link) = link else { return entries };
        path = link.split_once('>').expect("a link").0.trim_start_matches('<').to_owned();
    }
}

/// Asha records an hour, Dee rejects it and takes that back, and puts new rules; Bo records too.
async fn some_days(app: &TestApp) -> (TestPhone, TestPhone, TestPhone, [ActivityId; 2]) {
    let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
    let mut desk = app.coordinator("Dee").await;
    let (me, you) = (asha.party, bo.party);
    let hours = asha.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 60)).expect("recorded");
    let repair = bo.record(Kind::Repair, "2026-11-19", |a| _ = a.minutes(you, 45)).expect("recorded");
    post(app, &mut asha).await;
    post(app, &mut bo).await;
    app.pass(60_000);
    let rejected = decide(&mut desk, hours, "reject", json!({ "reason": "Not there." })).await;
    undo(&mut desk, hours, &rejected).await;
    let mut pack: Value = desk.get("/v1/rules").await.expect("the rules");
    pack["version"] = json!(2);
    let body = pack.to_string().into_bytes();
    desk.request(Method::PUT, "/v1/rules", "application/json", body).await.expect("new rules");
    (asha, bo, desk, [hours, repair])
}

both! {
    async fn a_stranger_checks_the_whole_chain_with_nothing_but_the_answers(app: TestApp) {
        let (_, _, mut desk, _) = some_days(&app).await;
        let here: Value = desk.get("/v1/neighbourhood").await.expect("the neighbourhood");
        let mut all = entries(&mut desk, "/v1/journal/entries?limit=4").await;
        assert!(all.len() > 12 && all.iter().all(|entry| entry["salt"].is_string()), "{all:?}");
        let end = verify(text(&here, "id"), &all);
        let db = app.app.db().read();
        let tip = daybook::store::ledger::find_tip(db, app.neighbourhood).await.expect("read").expect("a tip");
        assert_eq!((i64::try_from(all.len()).expect("few"), end), (tip.journal_no, tip.chain));
        for kind in ["device_enrolled", "version", "decision", "transfer", "rules"] {
            assert!(all.iter().any(|entry| entry["kind"] == kind), "no {kind}");
        }
        // One letter of one body is seen.
        let body = text(&all[7], "body").replacen('0', "1", 1);
        all[7]["body"] = json!(format!("{body} "));
        assert_ne!(bytes(&all[7], "commitment"), commitment(&all[7]));
    }
}

both! {
    async fn a_resident_follows_the_chain_and_opens_only_the_own_entries(app: TestApp) {
        let (mut asha, mut bo, mut desk, [hours, repair]) = some_days(&app).await;
        let all = entries(&mut desk, "/v1/journal/entries").await;
        let here: Value = asha.get("/v1/neighbourhood").await.expect("the neighbourhood");
        for (phone, own) in [(&mut asha, hours), (&mut bo, repair)] {
            let seen = entries(phone, "/v1/journal/entries?limit=5").await;
            verify(text(&here, "id"), &seen);
            assert_eq!(seen.len(), all.len());
            for (seen, whole) in seen.iter().zip(&all) {
                // What was decided names others too: a resident hears of it by verdict.
                if whole["activity_id"] == own.to_string() && whole["kind"] != "decision" {
                    assert_eq!(seen, whole);
                    continue;
                }
                let keys: Vec<&str> = seen.as_object().expect("an object").keys().map(String::as_str).collect();
                assert_eq!(keys, ["chain", "commitment", "no"], "{seen}");
            }
            assert!(seen.iter().any(|entry| entry["salt"].is_string()));
        }
    }
}

both! {
    async fn the_entries_of_an_activity_are_for_whoever_may_read_it(app: TestApp) {
        let (mut asha, mut bo, mut desk, [hours, _]) = some_days(&app).await;
        let all = entries(&mut desk, "/v1/journal/entries").await;
        let expected: Vec<&Value> = all.iter().filter(|entry| entry["activity_id"] == hours.to_string()).collect();
        assert!(expected.len() >= 5, "{expected:?}");
        let path = format!("/v1/journal/entries?activity_id={hours}");
        for phone in [&mut asha, &mut desk] {
            let found = entries(phone, &format!("{path}&limit=2")).await;
            let numbers = |of: &[&Value]| of.iter().map(|entry| entry["no"].clone()).collect::<Vec<_>>();
            assert_eq!(numbers(&found.iter().collect::<Vec<_>>()), numbers(&expected));
        }
        assert_eq!(refused(bo.get::<Value>(&path).await), (404, "not_found".to_owned()));
        // A cursor of all entries is none of these.
        let page: Value = asha.get("/v1/journal/entries?limit=1").await.expect("a page");
        let moved = format!("{path}&after={}", text(&page, "next"));
        assert_eq!(refused(asha.get::<Value>(&moved).await), (400, "cursor_invalid".to_owned()));
    }
}

both! {
    async fn a_group_opens_what_is_in_its_daybook(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (group, shared) = (desk.uuid(), daybook::domain::ids::DaybookId(asha.uuid()));
        let body = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" });
        let _: Value = desk.post("/v1/parties", &body).await.expect("a group");
        for member in [asha.party, bo.party] {
            let path = format!("/v1/parties/{group}/members/{member}");
            let body = br#"{"capacity":"lay"}"#.to_vec();
            desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
        }
        let body = json!({ "id": shared, "party_id": group });
        let _: Value = asha.post("/v1/daybooks", &body).await.expect("a daybook");
        asha.book(shared);
        asha.sync().await.expect("synced");
        let (own, me) = (asha.own, asha.party);
        asha.own = shared;
        let id = asha.record(Kind::LitterPick, "2026-11-20", |a| _ = a.minutes(me, 30)).expect("recorded");
        asha.own = own;
        post(&app, &mut asha).await;
        let found = entries(&mut bo, &format!("/v1/journal/entries?activity_id={id}")).await;
        assert!(found.iter().any(|entry| entry["kind"] == "version" && entry["salt"].is_string()), "{found:?}");
    }
}
