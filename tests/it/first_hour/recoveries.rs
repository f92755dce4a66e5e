//! What the example phone in TypeScript does where all does not go its way.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ROOT};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::domain::activity::Kind;
use daybook::flows::compact::Compacted;
use daybook::merge::cursor::Cursor;
use serde_json::{Value, json};

use super::programs::{PHONE, activities, first_hour, id, ids};
use super::{NO_WAIT, OFFLINE};
use crate::support::app::Backend;

/// The file of a phone whose document has one change, of this actor.
fn file(actor: &[u8], id: &str) -> Value {
    let mut document = AutoCommit::new().with_actor(ActorId::from(actor));
    let activity = document.put_object(ROOT, id, ObjType::Map).expect("a map");
    document.put(&activity, "kind", "hours").expect("written");
    document.put(&activity, "day", "2026-11-20").expect("written");
    let document = URL_SAFE_NO_PAD.encode(document.save());
    json!({
        "cursor": null, "heads": [], "verdictsAfter": null, "daybook": null, "party": null, "unclaimed": {},
        "document": document,
    })
}

/// The activities of a phone's document.
fn written(file: &Value) -> Vec<String> {
    use automerge::ReadDoc as _;
    let bytes = URL_SAFE_NO_PAD.decode(file["document"].as_str().expect("a document")).expect("base64url");
    AutoCommit::load(&bytes).expect("loads").keys(ROOT).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_that_went_two_ways_writes_anew_what_was_refused() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let (one, other) = (app.app.uuid().to_string(), app.app.uuid().to_string());
    developer.keep(PHONE, &file(&[7; 16], &one));
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    assert_eq!(id(&printed, "accepted"), one);
    // A copy of the phone as it was, which has written something else under the same actor.
    developer.keep(PHONE, &file(&[7; 16], &other));
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    assert!(printed.contains(" (actor_fork: "), "{printed}");
    assert_eq!((ids(&printed, "refused").len(), id(&printed, "accepted")), (1, other.as_str()), "{printed}");
    let mut both = vec![one, other.clone()];
    both.sort();
    assert_eq!(written(&developer.kept(PHONE)), both);
    assert_eq!(written(&developer.kept("daybook-phone.json.before-reload")), [other]);
    let mut read: Vec<String> = activities(&mut asha).await.iter().map(|one| one["id"].to_string()).collect();
    read.sort();
    assert_eq!(read, both.iter().map(|id| json!(id).to_string()).collect::<Vec<_>>());
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    assert_eq!(ids(&printed, "accepted").len() + ids(&printed, "refused").len(), 0, "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daybook_that_is_not_there_is_created_and_a_cursor_of_another_chain_begins_anew() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let daybook = app.app.uuid();
    let stored = developer.typescript("record.ts", &["--minutes", "5", OFFLINE]).await.well();
    let mut phone = developer.kept(PHONE);
    phone["daybook"] = json!(daybook);
    developer.keep(PHONE, &phone);
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    let first = id(&stored, "stored");
    assert_eq!(ids(&printed, "accepted"), [first; 2], "{printed}");
    assert_eq!(activities(&mut asha).await[0]["daybook_id"], json!(daybook));

    developer.typescript("record.ts", &["--minutes", "6", OFFLINE]).await.well();
    let mut phone = developer.kept(PHONE);
    let there = phone["cursor"].as_str().expect("a cursor").to_owned();
    let position = Cursor::decode(&there).expect("a cursor").position;
    phone["cursor"] = json!(Cursor { position, chain: [0; 8] }.encode());
    developer.keep(PHONE, &phone);
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    assert!(ids(&printed, "accepted").len() == 1 && ids(&printed, "refused").is_empty(), "{printed}");
    assert!(printed.contains("\nstarting again: "), "{printed}");
    assert_eq!(activities(&mut asha).await.len(), 2);
    let cursor = developer.kept(PHONE)["cursor"].as_str().and_then(Cursor::decode);
    assert_eq!(cursor.expect("a cursor").position, position + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_phone_behind_a_snapshot_catches_up_and_sends_what_it_has() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let me = asha.party;
    developer.typescript("record.ts", &["--minutes", "5", NO_WAIT]).await.well();
    for at in 0..30 {
        let recorded = asha.record(Kind::LitterPick, "2026-11-20", |a| {
            a.minutes(me, 1).count("bags", 2).note(&format!("round {at}"));
        });
        recorded.expect("recorded");
    }
    asha.sync().await.expect("synced");
    assert!(matches!(app.compact(asha.own).await, Compacted::Done { .. }));
    let printed = developer.typescript("record.ts", &["--minutes", "7", NO_WAIT]).await.well();
    assert!(printed.contains("\ncatching up: "), "{printed}");
    assert_eq!(id(&printed, "accepted"), id(&printed, "stored"));
    assert_eq!(written(&developer.kept(PHONE)).len(), 32);
    assert_eq!(activities(&mut asha).await.len(), 32);
}
