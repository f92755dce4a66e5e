//! Stories of few bytes that would cost much: whoever sends them pays, however many grants they have, and what nobody
//! could pay for is not done.

use automerge::marks::{ExpandMark, Mark};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc as _};
use axum::http::Method;
use daybook::api::sync::OutcomeKind;
use daybook::app::Payer;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, GrantId};
use daybook::domain::limits::{
    ACTIVITY_BYTES_FREE, CHUNK_BYTES, COMPACT_LOAD_BYTES_MAX, DOCUMENT_CHANGE_BYTES, DOCUMENT_LOAD_FACTOR,
    DOCUMENT_OPERATION_BYTES, FACTS_BYTES_FREE, GRANT_BYTES_BURST, PARTY_GRANTS,
};
use daybook::phone::PhoneError;
use daybook::store;
use daybook::store::entity::{daybook as daybook_row, daybook_change};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::floods::left;
use crate::metrics::scrape::Scrape;
use crate::support::app::activity;
use crate::support::desk::group;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const DAY: &str = "2026-11-20";
const ACCEPTED: (OutcomeKind, Option<&str>) = (OutcomeKind::Accepted, None);

async fn row(app: &TestApp, daybook: DaybookId) -> daybook_row::Model {
    let found = daybook_row::Entity::find().filter(daybook_row::Column::Id.eq(daybook.0));
    found.one(app.app.db().read()).await.expect("read").expect("a daybook")
}

/// As a row says that so many operations were accepted: to accept them takes hours here.
async fn with_operations(app: &TestApp, daybook: DaybookId, operations: u64) {
    let operations = i64::try_from(operations).expect("fits");
    daybook_row::Entity::update_many()
        .col_expr(daybook_row::Column::Operations, Expr::value(operations))
        .filter(daybook_row::Column::Id.eq(daybook.0))
        .exec(app.app.db().writer())
        .await
        .expect("updated");
}

/// As large as a daybook may be that is loaded, and so many operations more.
async fn grown_past(app: &TestApp, daybook: DaybookId, more: u64) {
    let changes = u64::try_from(row(app, daybook).await.position).expect("few") * DOCUMENT_CHANGE_BYTES;
    let fits = (COMPACT_LOAD_BYTES_MAX / DOCUMENT_LOAD_FACTOR - changes) / DOCUMENT_OPERATION_BYTES;
    with_operations(app, daybook, fits + more).await;
}

async fn loads(app: &TestApp) -> f64 {
    Scrape::of(app).await.sum("daybook_documents_loaded_total")
}

/// A record with a note, synced.
async fn noted(asha: &mut TestPhone, note: &str) -> ActivityId {
    let me = asha.party;
    let id = asha.record(Kind::Hours, DAY, |a| {
        a.minutes(me, 30).note(note);
    });
    asha.sync().await.expect("synced");
    id.expect("recorded")
}

/// Adds to the note, and syncs.
async fn note_more(asha: &mut TestPhone, id: ActivityId, text: &str) {
    asha.edit(id, |a| {
        a.note_more(text);
    })
    .expect("edited");
    assert_eq!(asha.sync().await.expect("synced").accepted, 1);
}

/// What was written last, alone in a change, and what sending it costs for its bytes and operations, about.
fn last_change(doc: &mut AutoCommit) -> (Vec<u8>, i64) {
    let bytes = doc.get_last_local_change().expect("a change").raw_bytes().to_vec();
    let operations = Change::try_from(bytes.as_slice()).expect("a change").len();
    let costs = bytes.len() + CHUNK_BYTES + operations;
    (bytes, i64::try_from(costs).expect("small"))
}

/// What looking up its dependencies costs at most, where a change has few.
const DEPENDENCIES: i64 = 64;

both! {
    async fn a_small_edit_of_a_large_activity_costs_what_it_rewrites(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let mut costs = Vec::new();
        for keys in [0, 40] {
            let id = asha.record(Kind::Hours, DAY, |a| {
                for at in 0..keys {
                    a.put(&format!("weather {at}"), "w".repeat(1_000));
                }
            }).expect("recorded");
            asha.sync().await.expect("synced");
            asha.edit(id, |a| { a.minutes(me, 5); }).expect("edited");
            let (change, paid) = last_change(&mut asha.own_book().doc);
            let before = left(&app, &asha).await;
            assert_eq!(wire::outcomes(&wire::send_changes(&mut asha, own, &[change]).await), [ACCEPTED]);
            let beyond = before - left(&app, &asha).await - paid;
            let db = app.app.db().read();
            let activity = store::activities::find(db, app.neighbourhood, id).await.expect("read").expect("there");
            let version = store::activities::version(db, app.neighbourhood, id, activity.version).await.expect("read").expect("there");
            let written = activity.state.len() + activity.reading.len() + version.reading.len() + version.changed.len();
            let beyond_free = i64::try_from(written.saturating_sub(ACTIVITY_BYTES_FREE)).expect("small");
            assert!((0..=DEPENDENCIES).contains(&(beyond - beyond_free)), "{keys}: {beyond}, and {beyond_free} are written");
            costs.push(beyond_free);
        }
        assert!(costs[0] == 0 && costs[1] > 90_000, "{costs:?}");
    }
}

both! {
    async fn a_change_that_touches_many_activities_pays_for_a_row_each(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        for touched in [1, 50] {
            let ids: Vec<String> = (0..touched).map(|_| asha.uuid().to_string()).collect();
            let doc = &mut asha.own_book().doc;
            for id in &ids {
                let map = doc.put_object(ROOT, id, ObjType::Map).expect("put");
                doc.put(&map, "kind", "hours").expect("put");
                doc.put(&map, "day", DAY).expect("put");
            }
            let (change, paid) = last_change(doc);
            let before = left(&app, &asha).await;
            assert_eq!(wire::outcomes(&wire::send_changes(&mut asha, own, &[change]).await), [ACCEPTED]);
            let beyond = before - left(&app, &asha).await - paid - (touched - 1) * i64::try_from(CHUNK_BYTES).expect("small");
            assert!((0..=DEPENDENCIES).contains(&beyond), "{touched}: {beyond}");
        }
    }
}

both! {
    async fn what_waited_and_comes_in_with_anothers_push_is_paid_for_by_who_brought_it(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut ann, mut mallory) = (app.phone("Ann").await, app.phone("Mallory").await);
        let (_, book) = group(&mut desk, &mut ann, &[mallory.party]).await;
        let (heavy, light) = (ActivityId(mallory.uuid()), ActivityId(ann.uuid()));
        mallory.sync().await.expect("synced");
        mallory.edit_in(book, heavy, |a| {
            a.kind(Kind::Hours).day(DAY).note("Along");
            (0..40).for_each(|at| _ = a.put(&format!("weather {at}"), "w".repeat(1_000)));
        }).expect("recorded");
        mallory.sync().await.expect("synced");
        ann.book(book);
        ann.sync().await.expect("synced");
        with_operations(&app, book, 100_000).await;
        // A few bytes: they need the document, have much rewritten, and wait for somebody to write one operation more.
        mallory.edit_in(book, heavy, |a| _ = a.note_more("!")).expect("edited");
        let (small, _) = last_change(&mut mallory.book(book).doc);
        let small = wire::forged(&small, |change| change.start_op = change.start_op.saturating_add(1));
        let answer = wire::send_changes(&mut mallory, book, &[small]).await;
        assert_eq!(wire::outcomes(&answer), [(OutcomeKind::Held, Some("start_op_ahead"))]);
        let me = ann.party;
        ann.edit_in(book, light, |a| _ = a.kind(Kind::Hours).day(DAY).minutes(me, 5)).expect("recorded");
        let (change, paid) = last_change(&mut ann.book(book).doc);
        let before = [left(&app, &ann).await, left(&app, &mallory).await];
        assert_eq!(wire::outcomes(&wire::send_changes(&mut ann, book, &[change]).await), [ACCEPTED]);
        assert_eq!(activity(&mut ann, heavy).await["note"], "Along!", "it came in");
        let after = [left(&app, &ann).await, left(&app, &mallory).await];
        let beyond = before[0] - after[0] - paid;
        assert!((0..=DEPENDENCIES).contains(&beyond), "{beyond} beyond hers");
        assert!(before[1] - after[1] > 190_000, "{} for the load and what is rewritten", before[1] - after[1]);
    }
}

both! {
    async fn a_person_who_has_pushed_with_many_grants_waits_with_the_next_one(app: TestApp) {
        let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
        for phone in [&mut asha, &mut bilal] {
            let me = phone.party;
            phone.record(Kind::Hours, DAY, |a| { a.minutes(me, 5); }).expect("recorded");
        }
        let spend = |bytes| app.app.spend(Payer { grant: GrantId(app.app.uuid()), party: asha.party }, bytes);
        (0..PARTY_GRANTS).for_each(|_| spend(GRANT_BYTES_BURST));
        spend(1);
        let Err(PhoneError::Wait { seconds }) = asha.sync().await else { panic!("it has to wait") };
        assert_eq!(seconds, 1);
        assert_eq!(bilal.sync().await.expect("another person does not wait").accepted, 1);
        app.pass(1_000);
        assert_eq!(asha.sync().await.expect("synced").accepted, 1, "nothing is lost");
    }
}

both! {
    async fn who_never_builds_on_what_is_there_pays_for_having_it_read_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let writer = |actor: u8| AutoCommit::new().with_actor(ActorId::from([actor; 16]));
        let (mut one, mut other) = (writer(1), writer(2));
        let mut beyond = Vec::new();
        for key in ["a", "b"] {
            one.put(ROOT, key, 1).expect("put");
            let (change, paid) = last_change(&mut one);
            let before = left(&app, &asha).await;
            assert_eq!(wire::outcomes(&wire::send_changes(&mut asha, own, &[change]).await), [ACCEPTED]);
            beyond.push(before - left(&app, &asha).await - paid);
            if key == "a" {
                // What is kept of it names all its keys.
                (0..1_000).for_each(|at| other.put(ROOT, format!("{at:0>300}"), 1).expect("put"));
                let (change, _) = last_change(&mut other);
                assert_eq!(wire::outcomes(&wire::send_changes(&mut asha, own, &[change]).await), [ACCEPTED]);
            }
        }
        let rows = daybook_change::Entity::find().filter(daybook_change::Column::DaybookId.eq(own.0));
        let rows = rows.all(app.app.db().read()).await.expect("read");
        // The last one read all before it, and the one that it is built on by its hash and by its number as well.
        let before = rows.iter().filter(|row| row.actor != [1; 16] || row.seq == 1);
        let built_on = rows.iter().filter(|row| row.actor == [1; 16] && row.seq == 1);
        let read: usize = before.chain(built_on.clone()).chain(built_on).map(|row| row.objects.len()).sum();
        let read = i64::try_from(read).expect("small") - i64::try_from(FACTS_BYTES_FREE).expect("small");
        assert!(read > 30_000 && (0..=DEPENDENCIES).contains(&(beyond[1] - read)), "{beyond:?}, {read}");
        assert!((0..=DEPENDENCIES).contains(&beyond[0]), "{beyond:?}");
    }
}

both! {
    async fn a_document_that_is_loaded_is_paid_for_and_one_in_memory_is_not(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = noted(&mut asha, "Along").await;
        with_operations(&app, asha.own, 100_000).await;
        let changes = u64::try_from(row(&app, asha.own).await.position).expect("few");
        let weight = 100_000 + changes * DOCUMENT_CHANGE_BYTES / DOCUMENT_OPERATION_BYTES;
        let mut costs = Vec::new();
        for text in [" the", " two"] {
            let before = left(&app, &asha).await;
            note_more(&mut asha, id, text).await;
            costs.push(before - left(&app, &asha).await);
        }
        assert_eq!(loads(&app).await, 1.0);
        let more = costs[0] - costs[1] - i64::try_from(weight).expect("small");
        assert!(more.abs() <= DEPENDENCIES && costs[1] < 1_000, "{costs:?}, a load is {weight}");
    }
}

both! {
    async fn a_note_edited_in_a_daybook_too_large_to_load_is_unreadable_until_it_is_written_anew(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let id = noted(&mut asha, "Along").await;
        grown_past(&app, own, 0).await;
        note_more(&mut asha, id, " the canal").await;
        assert_eq!(activity(&mut asha, id).await["note"], "Along the canal", "at the limit");
        let loaded = loads(&app).await;
        for text in [", again", " and again"] {
            grown_past(&app, own, 1).await;
            note_more(&mut asha, id, text).await;
            let seen = activity(&mut asha, id).await;
            assert_eq!((&seen["note"], &seen["unreadable_fields"]["note"]), (&Value::Null, &json!("too_large")), "{seen}");
            assert_eq!(seen["parties"][0]["minutes"], 30, "all else is read");
        }
        asha.edit(id, |a| { a.note("All of it"); }).expect("edited");
        asha.sync().await.expect("synced");
        assert_eq!(activity(&mut asha, id).await["note"], "All of it");
        assert_eq!(loads(&app).await, loaded, "none is loaded");
    }
}

both! {
    async fn what_only_a_document_can_prove_is_refused_where_it_is_too_large_to_load_and_costs_two_loads_else(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let id = noted(&mut asha, "Along the canal").await;
        let most = i64::try_from(COMPACT_LOAD_BYTES_MAX / DOCUMENT_LOAD_FACTOR / DOCUMENT_OPERATION_BYTES).expect("small");
        for (more, expected) in [(0, ACCEPTED), (1, (OutcomeKind::Refused, Some("mark_order")))] {
            let change = marked(&mut asha, id, 1 + usize::try_from(more).expect("few"));
            grown_past(&app, own, more).await;
            let before = left(&app, &asha).await;
            let answer = wire::send_changes(&mut asha, own, &[change]).await;
            assert_eq!(wire::outcomes(&answer), [expected]);
            let says = answer.outcomes[0].detail.as_deref().is_some_and(|detail| detail.ends_with("without rich text"));
            assert_eq!(says, more == 1, "or the same would be written after each reload: {answer:?}");
            let loads = (before - left(&app, &asha).await) / (most - 1_000);
            assert_eq!(loads, if more == 0 { 2 } else { 0 });
        }
    }
}

/// A change that makes four letters of the note bold, from here on.
fn marked(phone: &mut TestPhone, id: ActivityId, from: usize) -> Vec<u8> {
    let doc = &mut phone.own_book().doc;
    let inner =
        |doc: &AutoCommit, obj: &ObjId, key: &str| doc.get(obj, key).expect("reads").expect("there").1;
    let map = inner(doc, &ROOT, &id.to_string());
    let note = inner(doc, &map, "note");
    doc.mark(&note, Mark::new("bold".to_owned(), true, from, from + 4), ExpandMark::None).expect("marked");
    last_change(doc).0
}

both! {
    async fn an_edit_of_an_older_version_of_a_daybook_too_large_to_load_is_refused_and_one_of_the_newest_is_not(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        let token = wire::bearer(&app, &mut asha, "activities:read activities:write").await;
        let id = noted(&mut asha, "Along").await;
        let older = activity(&mut asha, id).await["version"].clone();
        asha.edit(id, |a| { a.minutes(me, 45); }).expect("edited");
        asha.sync().await.expect("synced");
        let newest = activity(&mut asha, id).await["version"].clone();
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let edit = async |version: &Value| {
            let body = json!({ "change_id": app.app.uuid(), "base_version": version, "set": { "grade.before": "D" } });
            let (status, answer) = app.request(Method::PATCH, &format!("/v1/activities/{id}"), &headers, body.to_string()).await;
            (status.as_u16(), answer)
        };
        grown_past(&app, own, 1).await;
        let (status, told) = edit(&older).await;
        assert_eq!((status, &told["code"]), (409, &json!("refused")), "{told}");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.starts_with("too_large: ")), "{told}");
        assert_eq!(edit(&newest).await.0, 200);
        grown_past(&app, own, 0).await;
        assert_eq!(edit(&older).await.0, 200, "at the limit");
    }
}
