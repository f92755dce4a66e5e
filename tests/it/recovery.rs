//! Stories of phones that lost something: everything, some weeks, an answer, or the agreement with the server.

use std::collections::BTreeSet;

use automerge::transaction::Transactable as _;
use automerge::{ObjType, ScalarValue};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::{CHANGE_BYTES_MAX, OBJECT_DEPTH_MAX};
use daybook::phone::{Phone, PhoneError, Transport};
use serde_json::Value;

use crate::support::app::activity;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

fn hours<T: Transport>(phone: &mut Phone<T>, day: &str, minutes: i64) -> ActivityId {
    let me = phone.party;
    phone
        .record(Kind::Hours, day, |a| {
            a.minutes(me, minutes);
        })
        .expect("recorded")
}

async fn account(app: &TestApp, phone: &mut TestPhone) -> i64 {
    app.judge().await;
    let party = phone.party;
    let account: Value = phone.get(&format!("/v1/accounts/{party}")).await.expect("an account");
    account["contribution_minutes"].as_i64().expect("minutes")
}

both! {
    async fn a_blank_device_restores_everything(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids: Vec<_> = (0..5).map(|at| hours(&mut asha, "2026-11-20", 10 + at)).collect();
        asha.edit(ids[0], |a| { a.note("read to the children"); }).expect("edited");
        asha.sync().await.expect("synced");
        let mut blank = app.second_device(&mut asha, "Asha's new phone").await;
        assert_eq!(blank.own_book().cursor, None);
        blank.sync().await.expect("synced");
        assert_eq!(wire::heads(&mut blank), wire::heads(&mut asha));
        for id in ids {
            wire::reads_as_the_document(&mut blank, id).await;
        }
        assert_eq!(account(&app, &mut asha).await, 60);
    }
}

both! {
    async fn a_phone_restored_from_an_old_copy_goes_on(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let first = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        let copy = asha.own_book().clone();
        let second = hours(&mut asha, "2026-11-19", 20);
        asha.sync().await.expect("synced");

        asha.books.insert(copy.id, copy);
        asha.restart();
        let third = hours(&mut asha, "2026-11-20", 30);
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.refused, report.reloads, report.accepted), (0, 0, 1));
        let own = asha.own;
        assert_eq!(wire::server_heads(&mut asha, own).await, wire::heads(&mut asha));
        for id in [first, second, third] {
            wire::reads_as_the_document(&mut asha, id).await;
        }
        assert_eq!(account(&app, &mut asha).await, 60);
    }
}

both! {
    async fn two_copies_of_a_phone_that_write_under_one_actor_lose_nothing_and_count_nothing_twice(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let shared = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        let mut copy = app.second_device(&mut asha, "The copy").await;
        let (party, own) = (asha.party, asha.own_book().clone());
        copy.books.insert(own.id, own);

        hours(&mut asha, "2026-11-19", 20);
        copy.edit(shared, |a| { a.note("from the copy"); }).expect("edited");
        let id = copy.record(Kind::Hours, "2026-11-20", |a| { a.minutes(party, 30); }).expect("recorded");
        assert_eq!(asha.sync().await.expect("synced").refused, 0);
        let report = copy.sync().await.expect("synced");
        assert!(report.refused > 0 && report.reloads > 0, "{report:?}");
        asha.sync().await.expect("synced");

        assert_eq!(wire::heads(&mut copy), wire::heads(&mut asha));
        wire::reads_as_the_document(&mut asha, id).await;
        assert_eq!(activity(&mut asha, shared).await["note"], "from the copy");
        assert_eq!(account(&app, &mut asha).await, 60);
        let again = copy.sync().await.expect("synced");
        assert_eq!((again.requests, again.refused), (1, 0), "the two agree now");
    }
}

/// Nests maps deeper than any server takes. Automerge itself is content with it.
fn nest_too_deep<T: Transport>(phone: &mut Phone<T>, id: ActivityId) {
    let now_ms = phone.now_ms;
    let book = phone.own_book();
    let mut map = book.activity(id).expect("a map");
    book.doc.put(&map, "minutes_source", "recalled").expect("put");
    for _ in 0..OBJECT_DEPTH_MAX {
        map = book.doc.put_object(&map, "inner", ObjType::Map).expect("a map");
    }
    book.commit(now_ms);
}

both! {
    async fn a_refused_change_and_what_builds_on_it_are_written_anew(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        nest_too_deep(&mut asha, id);
        let me = asha.party;
        let later = hours(&mut asha, "2026-11-19", 20);
        asha.edit(id, |a| { a.minutes(me, 15).note("after the refused one"); }).expect("edited");

        let report = asha.sync().await.expect("synced");
        assert_eq!((report.refused, report.reloads), (3, 1), "the change and the two on top of it");
        let view = activity(&mut asha, id).await;
        assert_eq!((&view["minutes_source"], &view["note"]), (&"recalled".into(), &"after the refused one".into()));
        wire::reads_as_the_document(&mut asha, later).await;
        assert_eq!(account(&app, &mut asha).await, 35);
        let again = asha.sync().await.expect("synced");
        assert_eq!((again.requests, again.refused), (1, 0), "the refusal is over");
    }
}

both! {
    async fn a_reload_that_was_cut_is_done_by_the_next_sync(app: TestApp) {
        let mut asha = wire::unlucky_phone(&app, "Asha");
        asha.enrol(&app.invitation(false).await).await.expect("enrolled");
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        nest_too_deep(&mut asha, id);
        let later = hours(&mut asha, "2026-11-19", 20);
        asha.session.transport.lose_after(1);
        assert!(matches!(asha.sync().await, Err(PhoneError::NoAnswer(_))), "the download is cut");
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.reloads, report.refused), (1, 0));
        let seen: Value = asha.get(&format!("/v1/activities/{later}")).await.expect("the activity");
        assert_eq!(seen["day"], "2026-11-19");
    }
}

both! {
    async fn a_field_that_no_server_takes_is_set_aside_and_silences_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        asha.edit(id, |a| {
            a.put("picture", ScalarValue::Bytes(vec![7; CHANGE_BYTES_MAX])).put("minutes_source", "recalled");
        })
        .expect("edited");
        let later = hours(&mut asha, "2026-11-19", 20);

        let report = asha.sync().await.expect("synced");
        // As it was, in a reload's change, alone in one.
        assert_eq!((report.reloads, report.aside), (3, 1));
        let unit = (id.to_string(), Some("picture".to_owned()));
        assert_eq!(asha.own_book().aside.get(&unit).map(String::as_str), Some("change_too_large"));
        assert_eq!(activity(&mut asha, id).await["minutes_source"], "recalled");
        wire::reads_as_the_document(&mut asha, later).await;
        let again = asha.sync().await.expect("synced");
        assert_eq!((again.requests, again.reloads), (1, 0), "the refusal is over");
        hours(&mut asha, "2026-11-20", 30);
        assert_eq!(asha.sync().await.expect("synced").accepted, 1);
        assert_eq!(account(&app, &mut asha).await, 60);
    }
}

async fn bags(phone: &mut TestPhone, id: ActivityId) -> Value {
    let view = activity(phone, id).await;
    view["tallies"].as_array().expect("tallies")[0]["count"].clone()
}

both! {
    async fn two_programs_that_count_in_one_register_both_count(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.edit(id, |a| { a.count("bags", 3); }).expect("counted");
        asha.sync().await.expect("synced");
        let mut copy = app.second_device(&mut asha, "The copy").await;
        let own = asha.own_book().clone();
        copy.books.insert(own.id, own);
        copy.register = asha.register.clone();

        asha.edit(id, |a| { a.count("bags", 1); }).expect("counted");
        copy.edit(id, |a| { a.count("bags", 2); }).expect("counted");
        asha.sync().await.expect("synced");
        assert_eq!(copy.sync().await.expect("synced").reloads, 1);
        assert_eq!(bags(&mut asha, id).await, 6);
        assert_ne!(copy.register, asha.register, "from now on each counts in one of its own");
        for phone in [&mut asha, &mut copy] {
            phone.edit(id, |a| { a.count("bags", 1); }).expect("counted");
        }
        for phone in [&mut asha, &mut copy] {
            assert_eq!(phone.sync().await.expect("synced").refused, 0);
        }
        assert_eq!(bags(&mut asha, id).await, 8);
    }
}

both! {
    async fn what_a_reload_had_not_seen_stays_a_conflict(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        tablet.sync().await.expect("synced");
        tablet.edit(id, |a| { a.put("minutes_source", "clocked"); }).expect("edited");
        tablet.sync().await.expect("synced");

        nest_too_deep(&mut asha, id);
        assert_eq!(asha.sync().await.expect("synced").reloads, 1);
        let view = activity(&mut asha, id).await;
        let values = view["conflicts"][0]["values"].as_array().expect("values");
        let values: BTreeSet<&str> = values.iter().filter_map(|value| value["value"].as_str()).collect();
        assert_eq!(values, BTreeSet::from(["clocked", "recalled"]), "{view}");
    }
}

both! {
    async fn a_copy_from_before_a_reload_writes_the_same_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let id = hours(&mut asha, "2026-11-18", 10);
        asha.sync().await.expect("synced");
        nest_too_deep(&mut asha, id);
        asha.edit(id, |a| { a.count("bags", 3).note("two gates"); }).expect("edited");
        let copy = asha.own_book().clone();
        assert_eq!(asha.sync().await.expect("synced").reloads, 1);
        asha.edit(id, |a| { a.count("bags", 1).note_more(", both open"); }).expect("edited");
        asha.sync().await.expect("synced");

        asha.books.insert(copy.id, copy);
        asha.restart();
        let report = asha.sync().await.expect("synced");
        assert_eq!((report.reloads, report.accepted), (1, 0), "the server has the very same already");
        assert_eq!(bags(&mut asha, id).await, 4);
        assert_eq!(activity(&mut asha, id).await["note"], "two gates, both open");
    }
}

both! {
    async fn three_weeks_of_records_arrive_in_parts_over_a_network_that_loses_answers(app: TestApp) {
        const RECORDS: i64 = 2_000;
        let mut asha = wire::unlucky_phone(&app, "Asha");
        asha.enrol(&app.invitation(false).await).await.expect("enrolled");
        asha.go_offline();
        // Three weeks ago; a record from the future would wait for a person.
        asha.now_ms -= RECORDS * 900_000;
        let me = asha.party;
        let mut ids = BTreeSet::new();
        for at in 0..RECORDS {
            let day = format!("2026-11-{:02}", 1 + at % 21);
            asha.now_ms += 900_000;
            // Records of one day that say the same would be taken for one.
            let product = format!("Kettle {at}");
            ids.insert(asha.record(Kind::Repair, &day, |a| { a.minutes(me, 2).put("repair.product", product); }).expect("recorded"));
        }
        asha.go_online();
        asha.session.transport.lose_every(3);
        let (mut cuts, mut rounds) = (0, 0);
        loop {
            rounds += 1;
            assert!(rounds < 100, "it comes to an end");
            match asha.sync().await {
                Ok(_) => break,
                Err(PhoneError::NoAnswer(_)) => cuts += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert!(cuts >= 2, "answers were lost: {cuts}");
        asha.session.transport.lose_every(0);
        asha.sync().await.expect("synced");
        app.judge().await;
        let seen: BTreeSet<String> = wire::every_activity(&mut asha)
            .await
            .iter()
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect();
        assert_eq!(seen, ids.iter().map(ToString::to_string).collect());
        let account: Value = asha.get(&format!("/v1/accounts/{me}")).await.expect("an account");
        assert_eq!(account["contribution_minutes"], 2 * RECORDS);
    }
}
