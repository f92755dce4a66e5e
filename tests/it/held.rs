//! Stories of changes that wait: shown with what they wait for, taken up when it comes, given notice and
//! expired when it never does; and of what became of every change, looked up later.

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjType, ROOT};
use axum::http::Method;
use daybook::api::sync::{DaybookState, OutcomeKind};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::{
    ACCEPT_CHANGES_MAX, DAYBOOK_OPERATIONS_BASE, HELD_NOTICE_AFTER_MS, HELD_NOTICE_MS,
    HELD_TAKEN_OPERATIONS_MAX,
};
use daybook::flows::held::{Swept, sweep};
use daybook::store::entity::daybook as row;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::support::{TestApp, TestPhone, both};
use crate::wire::{self, held};

const ACCEPTED: (OutcomeKind, Option<&str>) = (OutcomeKind::Accepted, None);
const HELD: (OutcomeKind, Option<&str>) = (OutcomeKind::Held, Some("missing_dependency"));

/// So many records, one change each, each on top of the one before; nothing is sent.
fn chain(phone: &mut TestPhone, records: usize) -> (Vec<ActivityId>, Vec<Vec<u8>>) {
    let me = phone.party;
    let ids = (0..records).map(|_| phone.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 1)));
    let ids = ids.collect::<Result<_, _>>().expect("recorded");
    (ids, wire::unsent(phone))
}

fn hash_of(bytes: &[u8]) -> String {
    hex::encode(automerge::Change::try_from(bytes).expect("a change").hash().0)
}

async fn outcome(phone: &mut TestPhone, hash: &str) -> Value {
    let path = format!("/v1/daybooks/{}/outcomes?hash={hash}", phone.own);
    let page: Value = phone.get(&path).await.expect("a page");
    let items = page["items"].as_array().expect("items");
    assert!(items.len() <= 1, "{items:?}");
    items.first().cloned().unwrap_or_default()
}

async fn swept(app: &TestApp) -> (u64, u64) {
    let Swept { noticed, expired } = sweep(&app.app, app.neighbourhood).await.expect("swept");
    (noticed, expired)
}

both! {
    async fn what_waits_is_shown_with_its_reason_to_its_resident_and_to_coordinators(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let mut carol = app.coordinator("Carol").await;
        let own = asha.own;
        let (_, changes) = chain(&mut asha, 4);
        for at in [2, 3] {
            let answer = wire::send_changes(&mut asha, own, &changes[at..=at]).await;
            assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::Ok, vec![HELD]));
            let until = daybook::domain::time::rfc3339(app.app.now_ms() + HELD_NOTICE_AFTER_MS + HELD_NOTICE_MS);
            assert_eq!(serde_json::to_value(answer.outcomes[0].expires_at).expect("JSON"), json!(until));
            app.pass(1_000);
        }
        let seen = held(&mut asha, "").await;
        assert_eq!(seen.len(), 2);
        // Newest first: each waits for the one before it.
        for (item, at) in seen.iter().zip([3, 2]) {
            assert_eq!(item["hash"], hash_of(&changes[at]));
            assert_eq!(item["missing"], json!([hash_of(&changes[at - 1])]));
            assert_eq!((&item["daybook_id"], &item["party_id"]), (&json!(own), &json!(asha.party)));
            assert_eq!((&item["reason"]["code"], &item["noticed"]), (&json!("missing_dependency"), &json!(false)));
            assert!(item["reason"]["text"].as_str().is_some_and(|text| text.contains("not arrived yet")));
            assert_eq!(item["size"], changes[at].len());
        }
        assert_eq!(held(&mut carol, "").await, seen, "a coordinator sees them too");
        assert_eq!(held(&mut carol, &format!("?daybook_id={own}")).await, seen);
        assert_eq!(held(&mut bilal, "").await, Vec::<Value>::new(), "another resident does not");
        assert!(bilal.get::<Value>(&format!("/v1/held?daybook_id={own}")).await.is_err());

        let page: Value = asha.get("/v1/held?limit=1").await.expect("a page");
        let next = page["next"].as_str().expect("another page");
        let second: Value = asha.get(&format!("/v1/held?limit=1&after={next}")).await.expect("a page");
        assert_eq!((&page["items"][0], &second["items"][0], &second["next"]), (&seen[0], &seen[1], &Value::Null));

        wire::send_changes(&mut asha, own, &changes[..2]).await;
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new(), "taken up when what they wait for came");
    }
}

both! {
    async fn what_is_held_expires_only_after_notice_and_sent_again_begins_anew(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, changes) = chain(&mut asha, 2);
        let late = hash_of(&changes[1]);
        wire::send_changes(&mut asha, own, &changes[1..]).await;
        app.pass(HELD_NOTICE_AFTER_MS - 1);
        assert_eq!(swept(&app).await, (0, 0));
        assert_eq!(wire::send_changes(&mut asha, own, &[]).await.expiring, None);
        app.pass(1);
        assert_eq!(swept(&app).await, (1, 0), "notice at the limit, and nothing is taken away");
        let until = daybook::domain::time::rfc3339(app.app.now_ms() + HELD_NOTICE_MS);
        let shown = &held(&mut asha, "").await[0];
        assert_eq!((&shown["noticed"], &shown["expires_at"]), (&json!(true), &json!(until)));
        assert_eq!(outcome(&mut asha, &late).await["expires_at"], until);
        let told = wire::send_changes(&mut asha, own, &[]).await.expiring.expect("every sync tells of it");
        assert_eq!(serde_json::to_value(told).expect("JSON"), json!({ "changes": 1, "first_at": until }));
        app.pass(HELD_NOTICE_MS - 1);
        assert_eq!(swept(&app).await, (0, 0));
        app.pass(1);
        assert_eq!((swept(&app).await, swept(&app).await), ((0, 1), (0, 0)));
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        assert_eq!(wire::send_changes(&mut asha, own, &[]).await.expiring, None);
        let expired = outcome(&mut asha, &late).await;
        assert_eq!((&expired["outcome"], &expired["code"]), (&json!("expired"), &json!("held_expired")));

        // It binds nobody: a change on top of it waits as before, and it waits itself again.
        let again = wire::send_changes(&mut asha, own, &changes[1..]).await;
        assert_eq!((again.state, wire::outcomes(&again)), (DaybookState::Ok, vec![HELD]));
        assert_eq!(outcome(&mut asha, &late).await["outcome"], "held");
        let both = wire::send_changes(&mut asha, own, &changes[..1]).await;
        assert_eq!(wire::outcomes(&both), [ACCEPTED]);
        assert_eq!(outcome(&mut asha, &late).await["outcome"], "accepted");
        asha.sync().await.expect("synced");
        wire::reads_as_the_document(&mut asha, ids[1]).await;
    }
}

both! {
    async fn an_expired_change_is_accepted_when_it_comes_with_what_it_waited_for(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, changes) = chain(&mut asha, 3);
        wire::send_changes(&mut asha, own, &changes[1..]).await;
        for _ in 0..2 {
            app.pass(HELD_NOTICE_AFTER_MS + HELD_NOTICE_MS);
            swept(&app).await;
        }
        assert_eq!(outcome(&mut asha, &hash_of(&changes[1])).await["outcome"], "expired");
        let answer = wire::send_changes(&mut asha, own, &changes).await;
        assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::Ok, vec![ACCEPTED; 3]));
        asha.sync().await.expect("synced");
        for id in ids {
            wire::reads_as_the_document(&mut asha, id).await;
        }
    }
}

both! {
    async fn a_phone_sends_again_by_itself_what_may_have_expired(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        // Where the server's document moves, a phone asks about what is held anyway: here it does not move.
        asha.sync().await.expect("synced");
        let (ids, changes) = chain(&mut asha, 2);
        let hashes: Vec<[u8; 32]> = asha.own_book().unsent().into_iter().map(|(hash, _)| hash).collect();
        // A phone that has lost its first change on the way, and believes that it is held.
        asha.own_book().held.insert(hashes[0], i64::MAX);
        assert_eq!(asha.sync().await.expect("synced").held, 1);
        assert_eq!(asha.sync().await.expect("synced").requests, 1, "it is not sent again and again");
        app.pass(HELD_NOTICE_AFTER_MS);
        swept(&app).await;
        assert_eq!(asha.sync().await.expect("synced").requests, 1);
        let first_ms = app.app.now_ms() + HELD_NOTICE_MS;
        assert_eq!(asha.own_book().expiring, Some((1, first_ms)), "the phone can show it");
        app.pass(HELD_NOTICE_MS);
        swept(&app).await;
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        assert_eq!(asha.sync().await.expect("synced").held, 1, "sent again");
        assert_eq!(held(&mut asha, "").await.len(), 1);
        asha.own_book().held.remove(&hashes[0]);
        assert_eq!(asha.sync().await.expect("synced").accepted, 1);
        assert_eq!(outcome(&mut asha, &hash_of(&changes[1])).await["outcome"], "accepted");
        wire::reads_as_the_document(&mut asha, ids[1]).await;
    }
}

both! {
    async fn all_that_waits_is_taken_up_at_once_however_much_it_is(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let count = 2 * ACCEPT_CHANGES_MAX + 40;
        let (_, changes) = chain(&mut asha, count);
        for part in changes[1..].chunks(200) {
            let answer = wire::send_changes(&mut asha, own, part).await;
            assert_eq!(wire::outcomes(&answer), vec![HELD; part.len()]);
        }
        let answer = wire::send_changes(&mut asha, own, &changes[..1]).await;
        assert_eq!(wire::outcomes(&answer), [ACCEPTED]);
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        assert_eq!(wire::every_activity(&mut asha).await.len(), count);
    }
}

/// So many records of a thousand operations each, written by as many actors on top of the same change.
fn fan(base: &[u8], records: u32) -> Vec<Vec<u8>> {
    let mut first = AutoCommit::new();
    first.load_incremental(base).expect("a change");
    let write = |at: u32| {
        let mut phone = first.fork().with_actor(at.to_be_bytes().repeat(4).into());
        let id = uuid::Uuid::from_u128(u128::from(at) + 1).to_string();
        let record = phone.put_object(ROOT, id, ObjType::Map).expect("put");
        phone.put(&record, "kind", "hours").expect("put");
        phone.put(&record, "day", "2026-11-20").expect("put");
        let note = phone.put_object(&record, "note", ObjType::Text).expect("put");
        phone.splice_text(&note, 0, 0, &"n".repeat(996)).expect("spliced");
        phone.get_last_local_change().expect("written").raw_bytes().to_vec()
    };
    (0..records).map(write).collect()
}

both! {
    async fn all_that_waits_for_one_change_is_taken_up_with_it_however_heavy_it_is(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (_, changes) = chain(&mut asha, 1);
        let base = changes.concat();
        let count = u32::try_from(2 * HELD_TAKEN_OPERATIONS_MAX / 1_000 + 5).expect("few");
        let fan = fan(&base, count);
        let last = changes.last().expect("one").clone();
        let before = &changes[..changes.len() - 1];
        if !before.is_empty() {
            wire::send_changes(&mut asha, own, before).await;
        }
        for part in fan.chunks(50) {
            let answer = wire::send_changes(&mut asha, own, part).await;
            assert_eq!(wire::outcomes(&answer), vec![HELD; part.len()]);
        }
        let answer = wire::send_changes(&mut asha, own, &[last]).await;
        assert_eq!(wire::outcomes(&answer), [ACCEPTED]);
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        assert_eq!(wire::every_activity(&mut asha).await.len(), 1 + fan.len());
    }
}

both! {
    async fn what_became_of_each_change_can_be_looked_up_later(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (_, changes) = chain(&mut asha, 4);
        let fork = wire::forged(&changes[0], |change| change.time += 1);
        for sent in [&changes[..2], &changes[3..], std::slice::from_ref(&fork)] {
            app.pass(1_000);
            wire::send_changes(&mut asha, own, sent).await;
        }
        let refused = outcome(&mut asha, &hash_of(&fork)).await;
        assert_eq!((&refused["outcome"], &refused["code"]), (&json!("refused"), &json!("actor_fork")));
        assert!(refused["detail"].as_str().is_some_and(|detail| detail.contains("reload")));
        let accepted = outcome(&mut asha, &hash_of(&changes[1])).await;
        assert_eq!((&accepted["outcome"], &accepted["position"]), (&json!("accepted"), &json!(3)));
        assert_eq!(outcome(&mut asha, &"0".repeat(64)).await, Value::Null, "what never came is not there");
        assert!(asha.get::<Value>(&format!("/v1/daybooks/{own}/outcomes?hash=ABC")).await.is_err());

        let (mut found, mut after) = (Vec::new(), String::new());
        loop {
            let page: Value = asha.get(&format!("/v1/daybooks/{own}/outcomes?limit=2{after}")).await.expect("a page");
            found.extend(page["items"].as_array().expect("items").iter().map(|item| item["outcome"].clone()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(found, ["refused", "held", "accepted", "accepted", "accepted"], "newest first, the genesis change last");
        let mut bilal = app.phone("Bilal").await;
        let path = format!("/v1/daybooks/{own}/outcomes");
        assert!(bilal.get::<Value>(&path).await.is_err());
        let seen: Value = app.coordinator("Carol").await.get(&path).await.expect("a coordinator reads it too");
        assert_eq!(seen["items"].as_array().map(Vec::len), Some(5));
    }
}

/// So many operations in few bytes, on top of nothing.
fn dense(phone: &mut TestPhone, operations: usize) -> Vec<u8> {
    let mut doc = automerge::AutoCommit::new().with_actor(automerge::ActorId::from(phone.random::<16>()));
    let list = doc.put_object(automerge::ROOT, "list", automerge::ObjType::List).expect("put");
    (1..operations).for_each(|at| doc.insert(&list, at - 1, ()).expect("inserted"));
    doc.get_last_local_change().expect("a change").raw_bytes().to_vec()
}

/// Makes the daybook look as if so many operations had been accepted in it.
async fn grown(app: &TestApp, phone: &TestPhone, operations: i64) {
    let update = row::Entity::update_many().col_expr(row::Column::Operations, Expr::value(operations));
    let update = update.filter(row::Column::Id.eq(phone.own.0));
    update.exec(app.app.db().writer()).await.expect("written");
}

async fn raw_bytes(app: &TestApp, phone: &TestPhone) -> i64 {
    let found = row::Entity::find().filter(row::Column::Id.eq(phone.own.0)).one(app.app.db().read());
    found.await.expect("read").expect("a daybook").raw_bytes
}

both! {
    async fn a_daybook_has_a_budget_of_operations_and_what_is_beyond_waits(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let base = i64::try_from(DAYBOOK_OPERATIONS_BASE).expect("small");
        let (fits, over) = (dense(&mut asha, 1_000), dense(&mut asha, 1_000));
        let size = i64::try_from(fits.len()).expect("small");
        assert!(size < 500, "{size} bytes");

        let at_the_limit = base + raw_bytes(&app, &asha).await + size - 1_000;
        grown(&app, &asha, at_the_limit + 1).await;
        let quota = (OutcomeKind::Held, Some("quota"));
        let answer = wire::send_changes(&mut asha, own, std::slice::from_ref(&over)).await;
        assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::Ok, vec![quota]), "one past it");
        let shown = &held(&mut asha, "").await[0];
        assert_eq!((&shown["reason"]["code"], &shown["operations"]), (&json!("quota"), &json!(1_000)));
        assert_eq!(shown["missing"], json!([]));
        let again = wire::send_changes(&mut asha, own, std::slice::from_ref(&over)).await;
        assert_eq!(wire::outcomes(&again), [quota]);

        grown(&app, &asha, at_the_limit).await;
        let answer = wire::send_changes(&mut asha, own, std::slice::from_ref(&fits)).await;
        assert_eq!(wire::outcomes(&answer), [ACCEPTED], "at the limit");
        assert_eq!(held(&mut asha, "").await.len(), 1, "and then it is full");

        // Honest records bring more bytes than operations: they always get in, and make room for what waits.
        let me = asha.party;
        let id = asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 30).note(&"n".repeat(30)); }).expect("recorded");
        asha.edit(id, |a| { a.put("programme", "p".repeat(1_500).as_str()); }).expect("edited");
        assert_eq!(asha.sync().await.expect("synced").accepted, 2);
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        assert_eq!(outcome(&mut asha, &hash_of(&over)).await["outcome"], "accepted");
    }
}

both! {
    async fn any_replica_may_sweep_and_a_push_at_the_same_time_loses_nothing(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, changes) = chain(&mut asha, 40);
        wire::send_changes(&mut asha, own, &changes[1..]).await;
        app.pass(HELD_NOTICE_AFTER_MS);
        swept(&other).await;
        app.pass(HELD_NOTICE_MS);
        let request = wire::request(vec![wire::push(own, &changes)]);
        let (answer, one, two) = tokio::join!(wire::send(&mut asha, &request), swept(&app), swept(&other));
        // Whoever was first: afterwards everything is in, once.
        assert!(one.1 + two.1 <= 39, "{one:?} {two:?}");
        if wire::outcomes(&answer.daybooks[0]) != vec![ACCEPTED; 40] {
            let again = wire::send_changes(&mut asha, own, &changes).await;
            assert!(again.outcomes.iter().all(|outcome| outcome.code.is_none()));
        }
        assert_eq!(wire::every_activity(&mut asha).await.len(), ids.len());
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
        let path = format!("/v1/neighbourhoods/{}/quarantine", app.neighbourhood);
        let headers = [("authorization", format!("Bearer {}", crate::support::app::OPERATOR))];
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (_, left) = app.request(Method::GET, &path, &headers, "").await;
        assert_eq!(left["items"], json!([]), "nothing is left in quarantine of what was accepted");
    }
}
