//! `cursors.json`: a daybook page by page, with the cursor after each, and cursors that lie beside its chain.

use daybook::api::sync::{DaybookAnswer, DaybookState};
use daybook::domain::ids::DaybookId;
use daybook::merge::cursor::{CHAIN_START, Cursor, chain_next};
use serde_json::{Value, json};

use super::stage::{Stage, daybook};
use super::writer::{base64url, changes, create, joined, recorded};
use crate::support::TestPhone;
use crate::wire::{push, request, send, send_changes};

/// Sizes of an answer: one change at a time, some, and all.
const LIMITS: [i64; 3] = [1, 400, 100_000];

async fn ask(phone: &mut TestPhone, id: DaybookId, cursor: Option<&str>, limit: i64) -> DaybookAnswer {
    let mut request = request(vec![push(id, &[])]);
    request.daybooks[0].cursor = cursor.map(str::to_owned);
    request.limit_bytes = Some(limit);
    send(phone, &request).await.daybooks.remove(0)
}

fn page(after: Option<&str>, limit: i64, answer: &DaybookAnswer) -> Value {
    let bytes: Vec<Vec<u8>> = answer.changes.iter().map(|change| change.0.clone()).collect();
    let mut told = json!({
        "after": after, "limit_bytes": limit, "state": answer.state, "changes": base64url(&bytes),
        "cursor": answer.cursor, "more": answer.more,
    });
    if let Some(heads) = &answer.heads {
        let mut heads: Vec<String> = heads.iter().map(|head| hex::encode(head.0)).collect();
        heads.sort();
        told["heads"] = json!(heads);
    }
    told
}

/// The file.
pub async fn told() -> Value {
    let stage = Stage::start().await;
    let mut phone = stage.phone("Asha").await;
    let id = daybook(&mut phone).await;
    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    for people in 1..=3 {
        automerge::transaction::Transactable::put(&mut one, &map, "people", people).expect("puts");
        one.commit();
        create(&mut two, &format!("01a1fd8c-6900-7e20-b8c4-51f09d3a20{people:02}"));
    }
    one.merge(&mut two).expect("merges");
    send_changes(&mut phone, id, &changes(&mut one)).await;

    let whole = ask(&mut phone, id, None, LIMITS[2]).await;
    let mut chain = CHAIN_START;
    let mut positions = Vec::new();
    for (position, bytes) in (1..).zip(&whole.changes) {
        let hash = automerge::Change::try_from(bytes.0.as_slice()).expect("a change").hash();
        chain = chain_next(&chain, &hash.0);
        let cursor = Cursor::at(position, &chain).encode();
        positions.push(json!({
            "position": position, "hash": hash.to_string(), "chain": hex::encode(chain), "cursor": cursor,
        }));
    }
    assert_eq!(positions.last().map(|last| &last["cursor"]), Some(&json!(whole.cursor)));

    let mut pages = Vec::new();
    for limit in LIMITS {
        let mut cursor: Option<String> = None;
        loop {
            let answer = ask(&mut phone, id, cursor.as_deref(), limit).await;
            pages.push(page(cursor.as_deref(), limit, &answer));
            cursor = answer.cursor;
            if !answer.more {
                break;
            }
        }
    }
    let quiet = ask(&mut phone, id, whole.cursor.as_deref(), LIMITS[2]).await;
    pages.push(page(whole.cursor.as_deref(), LIMITS[2], &quiet));
    let checks = checks(&mut phone, id, &positions).await;
    json!({ "chain_start": hex::encode(CHAIN_START), "changes": positions, "pages": pages, "checks": checks })
}

/// Cursors, and whether the server goes on from there.
async fn checks(phone: &mut TestPhone, id: DaybookId, positions: &[Value]) -> Vec<Value> {
    let at = |position: usize| positions[position - 1]["cursor"].as_str().expect("a cursor").to_owned();
    let decoded = |position: usize| Cursor::decode(&at(position)).expect("a cursor");
    let last = positions.len();
    let asked = [
        ("the third change", at(3), DaybookState::Ok),
        ("the last change", at(last), DaybookState::Ok),
        ("before the first change", Cursor::at(0, &CHAIN_START).encode(), DaybookState::Ok),
        (
            "a position with the chain of another",
            Cursor { position: 2, ..decoded(3) }.encode(),
            DaybookState::Restart,
        ),
        ("beyond the last change", Cursor { position: 99, ..decoded(3) }.encode(), DaybookState::Restart),
        (
            "the chain of a server that was restored",
            Cursor { chain: [7; 8], ..decoded(3) }.encode(),
            DaybookState::Restart,
        ),
        ("not a cursor", "no cursor".to_owned(), DaybookState::Restart),
        ("empty", String::new(), DaybookState::Restart),
    ];
    let mut told = Vec::new();
    for (says, cursor, state) in asked {
        let answer = ask(phone, id, Some(&cursor), LIMITS[2]).await;
        assert_eq!(answer.state, state, "{says}");
        told.push(json!({
            "says": says, "cursor": cursor, "state": state, "changes_after": answer.changes.len(),
        }));
    }
    told
}
