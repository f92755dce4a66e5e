//! The first hour of a developer: the examples do what they say, against a server that listens.

mod generated;
mod programs;
mod recoveries;
mod stub;

use daybook::domain::ids::DaybookId;
use daybook::domain::limits::GRANT_BYTES_BURST;
use daybook::store::entity::daybook as row;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use self::programs::{OUTBOX, PHONE, activities, first_hour, id, ids};
use crate::support::app::{Backend, activity};

const OFFLINE: &str = "--offline";
const NO_WAIT: &str = "--no-wait";

/// Recorded offline in both languages, sent, sent again from old copies of the files; and read by each other.
async fn what_is_recorded_offline_arrives_once_and_is_read_by_all(backend: Backend) {
    let (app, mut asha, developer) = first_hour(backend).await;
    let note = "Along the canal, ü 👪";
    let arguments = ["--minutes", "40", "--bags", "2", "--note", note, "--day", "2026-11-20", OFFLINE];
    let printed = developer.python(&arguments).await.well();
    let first = id(&printed, "stored").to_owned();
    assert!(printed.ends_with("\n1 in the outbox\n"), "{printed}");
    let arguments = ["--minutes", "25", "--bags", "1", "--day", "2026-11-20", OFFLINE];
    let printed = developer.typescript("record.ts", &arguments).await.well();
    let second = id(&printed, "stored").to_owned();
    assert!(activities(&mut asha).await.is_empty(), "offline means offline");
    let (outbox, phone) = (developer.kept(OUTBOX), developer.kept(PHONE));
    assert_eq!(outbox["waiting"][0]["id"], json!(first));

    let printed = developer.python(&[]).await.well();
    assert!(printed.starts_with("you are Asha, in Balsall Heath\n"), "{printed}");
    assert_eq!(id(&printed, "recorded"), first);
    assert!(printed.ends_with("\n0 in the outbox, 0 set aside\n"), "{printed}");
    let printed = developer.typescript("record.ts", &[]).await.well();
    assert_eq!(
        ids(&printed, "accepted"),
        [second.as_str(); 2],
        "the record, and whose minutes they are: {printed}"
    );
    assert!(printed.contains(&format!("\nverdict {second}: approved; 25 minutes\n")), "{printed}");
    assert!(printed.contains(&format!("\n{first}  2026-11-20  litter_pick  40 min  {note}\n")), "{printed}");

    // The answers were lost: the same goes out again, and the phone starts from its backup.
    developer.keep(OUTBOX, &outbox);
    developer.keep(PHONE, &phone);
    assert_eq!(id(&developer.python(&[]).await.well(), "recorded before"), first);
    let printed = developer.typescript("record.ts", &[NO_WAIT]).await.well();
    assert_eq!(
        (ids(&printed, "duplicate").len(), id(&printed, "accepted")),
        (1, second.as_str()),
        "{printed}"
    );
    let quiet =
        [developer.typescript("record.ts", &[NO_WAIT]).await.well(), developer.python(&[]).await.well()];
    for quiet in quiet {
        let said =
            ["accepted", "duplicate", "recorded", "recorded before"].map(|word| ids(&quiet, word).len());
        assert_eq!(said, [0; 4], "nothing is left to send: {quiet}");
    }
    let printed = developer.python(&["--page-size", "1"]).await.well();
    let listed: Vec<&str> = printed.lines().filter(|line| line.contains("  litter_pick  ")).collect();
    let expected = [
        format!("{second}  2026-11-20  litter_pick  25 min  approved"),
        format!("{first}  2026-11-20  litter_pick  40 min  approved  {note}"),
    ];
    assert_eq!(listed, expected, "page by page");

    app.judge().await;
    assert_eq!(activities(&mut asha).await.len(), 2);
    for (id, minutes, bags) in [(&first, 40, 2), (&second, 25, 1)] {
        let seen = activity(&mut asha, id.parse().expect("an id")).await;
        assert_eq!((&seen["daybook_id"], &seen["conflicts"]), (&json!(asha.own), &json!([])));
        assert_eq!((&seen["bags"], &seen["posted"]), (&json!(bags), &json!(minutes)), "{seen}");
        assert_eq!(seen["parties"], json!([{ "party_id": asha.party, "minutes": minutes }]));
        assert_eq!((&seen["unknown"], &seen["unreadable_fields"]), (&json!({}), &json!({})));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_offline_arrives_once_and_is_read_by_all_on_sqlite() {
    what_is_recorded_offline_arrives_once_and_is_read_by_all(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_recorded_offline_arrives_once_and_is_read_by_all_on_postgres() {
    what_is_recorded_offline_arrives_once_and_is_read_by_all(Backend::Postgres).await;
}

/// One outbox with every item that the server does not take, and one between them that it does.
async fn every_outcome_has_its_place(backend: Backend) {
    let (app, mut asha, developer) = first_hour(backend).await;
    let uuid = || app.app.uuid();
    let gone = DaybookId(uuid());
    let _: Value = asha.post("/v1/daybooks", &json!({ "id": gone })).await.expect("a daybook");
    row::Entity::update_many()
        .col_expr(row::Column::GoneAtMs, Expr::value(Some(1_i64)))
        .filter(row::Column::Id.eq(gone.0))
        .exec(app.app.db().writer())
        .await
        .expect("erased");
    let printed = developer.python(&["--minutes", "10"]).await.well();
    let taken = id(&printed, "recorded").to_owned();
    let item = |more: Value| {
        let mut item = json!({ "id": uuid(), "kind": "hours", "day": "2026-11-20", "parties": [] });
        item.as_object_mut().expect("an item").extend(more.as_object().expect("more").clone());
        item
    };
    let unreadable = item(json!({ "weather": "rain" }));
    let elsewhere = item(json!({ "daybook_id": uuid() }));
    let erased = item(json!({ "daybook_id": gone }));
    let reused = item(json!({ "id": taken, "note": "Something else." }));
    let misfit = item(json!({ "parties": [{ "party_id": asha.party, "minutes": 1_441 }] }));
    let good = item(json!({ "note": "Between them all." }));
    let mut outbox = developer.kept(OUTBOX);
    outbox["waiting"] = json!([unreadable, elsewhere, erased, good, reused, misfit]);
    developer.keep(OUTBOX, &outbox);
    let printed = developer.python(&[]).await.well();
    assert_eq!(id(&printed, "recorded"), good["id"]);
    assert_eq!(id(&printed, "erased"), erased["id"]);
    let kept = developer.kept(OUTBOX);
    let aside = kept["aside"].as_array().expect("set aside").iter();
    let aside: Vec<(&Value, &Value, &Value)> =
        aside.map(|one| (&one["item"], &one["outcome"]["status"], &one["outcome"]["code"])).collect();
    let expected = [
        (&unreadable, &json!(422), &json!("field_invalid")),
        (&elsewhere, &json!(404), &json!("not_found")),
        (&reused, &json!(409), &json!("id_reused")),
        (&misfit, &json!(422), &json!("field_invalid")),
    ];
    assert_eq!(aside, expected, "{printed}");
    assert!(printed.contains("/weather: unknown_field\n"), "{printed}");
    assert!(printed.contains("/parties/0/minutes: out_of_range\n"), "{printed}");
    assert_eq!(kept["waiting"], json!([]));
    assert_eq!(activities(&mut asha).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_has_its_place_on_sqlite() {
    every_outcome_has_its_place(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_outcome_has_its_place_on_postgres() {
    every_outcome_has_its_place(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_sent_too_much_keeps_the_rest_for_later() {
    let (app, mut asha, developer) = first_hour(Backend::Sqlite).await;
    let me: Value = asha.get("/v1/grants").await.expect("grants");
    let script = me["items"].as_array().expect("grants").iter().find(|grant| grant["name"] == "script");
    let grant = script.expect("the developer's")["id"].as_str().expect("an id").parse().expect("an id");
    let budget = app.app.budget(grant);
    // Enough for the first, and not for two.
    budget.lock().expect("whole").spend(GRANT_BYTES_BURST - 600, app.app.now_ms());
    let stored = developer.python(&["--minutes", "10", OFFLINE]).await.well();
    let ran = developer.python(&["--minutes", "20"]).await;
    assert_eq!((ran.status, id(&ran.printed, "recorded")), (1, id(&stored, "stored")));
    let waits = id(&ran.printed, "later").to_owned();
    assert!(ran.printed.ends_with("\n1 in the outbox, 0 set aside\n"), "{}", ran.printed);
    let ran = developer.python(&[]).await;
    assert_eq!(ran.status, 1, "{}", ran.printed);
    assert!(ran.printed.contains("the server asked for patience: 1 wait"), "{}", ran.printed);
    app.pass(60_000);
    let mut outbox = developer.kept(OUTBOX);
    outbox["not_before"] = json!(0);
    developer.keep(OUTBOX, &outbox);
    assert_eq!(id(&developer.python(&[]).await.well(), "recorded"), waits);
    assert_eq!(activities(&mut asha).await.len(), 2);
}
