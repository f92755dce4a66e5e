//! Stories of phones with a daybook in which their person may not write: it holds up no other, and loses nothing.

use axum::http::Method;
use daybook::api::sync::{DaybookState, OutcomeKind};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::domain::limits::{ACCEPT_CHANGES_MAX, HELD_NOTICE_AFTER_MS, HELD_NOTICE_MS, LEFT_GROUP_DAYS};
use daybook::flows::held::{Swept, sweep};
use daybook::phone::{Barred, Owner, PUSH_CHANGES_MAX, PhoneError};
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{group, rebuilt_is_live};
use crate::support::{TestApp, TestPhone, both};
use crate::wire::{self, held, unsent_in};

const DAY: &str = "2026-11-20";
const ACCEPTED: (OutcomeKind, Option<&str>) = (OutcomeKind::Accepted, None);
const HELD: (OutcomeKind, Option<&str>) = (OutcomeKind::Held, Some("left_group"));

/// Puts somebody into a group, or takes them out of it.
async fn member(desk: &mut TestPhone, method: Method, group: PartyId, party: PartyId) {
    let path = format!("/v1/parties/{group}/members/{party}");
    let body = if method == Method::PUT { br#"{"capacity":"lay"}"#.to_vec() } else { Vec::new() };
    desk.request(method, &path, "application/json", body).await.expect("done");
}

/// Records ten minutes in a daybook of the phone's.
fn hours(phone: &mut TestPhone, book: DaybookId) -> ActivityId {
    let (me, id) = (phone.party, ActivityId(phone.uuid()));
    phone.edit_in(book, id, |entry| _ = entry.kind(Kind::Hours).day(DAY).minutes(me, 10)).expect("recorded");
    id
}

/// A group with Asha in it, and Bilal, who has left it with so many changes on his phone that nobody has.
struct Left {
    desk: TestPhone,
    asha: TestPhone,
    bilal: TestPhone,
    friends: PartyId,
    book: DaybookId,
    records: Vec<ActivityId>,
    changes: Vec<Vec<u8>>,
}

async fn left(app: &TestApp, changes: usize) -> Left {
    let mut desk = app.coordinator("Dee").await;
    let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
    let (friends, book) = group(&mut desk, &mut bilal, &[asha.party]).await;
    asha.book(book);
    hours(&mut bilal, book);
    for phone in [&mut bilal, &mut asha] {
        phone.sync().await.expect("synced");
    }
    let records = (0..changes).map(|_| hours(&mut bilal, book)).collect();
    member(&mut desk, Method::DELETE, friends, bilal.party).await;
    let changes = unsent_in(&mut bilal, book);
    Left { desk, asha, bilal, friends, book, records, changes }
}

/// Sets the clock that the phone writes by back: ids that it makes then come before its own daybook's.
fn back(phone: &mut TestPhone, minutes: i64) {
    phone.now_ms -= minutes * 60_000;
}

both! {
    async fn who_leaves_a_group_still_syncs_their_own_daybook(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
        back(&mut bilal, 1);
        let (friends, book) = group(&mut desk, &mut bilal, &[asha.party]).await;
        back(&mut bilal, -1);
        assert!(book < bilal.own, "the group's comes first in every request");
        let (own, me) = (bilal.own, bilal.party);
        hours(&mut bilal, book);
        assert_eq!(bilal.sync().await.expect("synced").accepted, 1);
        asha.book(book);
        bilal.go_offline();
        let mut there = vec![hours(&mut bilal, book), hours(&mut bilal, book)];
        let here = hours(&mut bilal, own);
        member(&mut desk, Method::DELETE, friends, me).await;
        bilal.go_online();

        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, report.held, &report.barred), (1, 2, &vec![book]), "{report:?}");
        assert_eq!(activity(&mut bilal, here).await["daybook_id"], json!(own));
        // He goes on, more than one request takes, and the server holds what he writes in the group's.
        there.push(hours(&mut bilal, book));
        for _ in 0..=PUSH_CHANGES_MAX {
            hours(&mut bilal, own);
        }
        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, report.held), (PUSH_CHANGES_MAX + 1, 1));
        let waits = |unsent, code: &str| {
            Barred { id: book, owner: Owner::Group(friends), unsent, held: 3, code: code.to_owned() }
        };
        assert_eq!(bilal.barred(), [waits(0, "left_group")]);
        assert_eq!(bilal.sync().await.expect("synced").requests, 1, "it is not sent again and again");
        let listed: Value = bilal.get("/v1/daybooks").await.expect("daybooks");
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "he has made no other: {listed}");
        asha.sync().await.expect("synced");
        assert_eq!(there.iter().filter_map(|id| asha.book(book).field(*id, "day")).count(), 0);
        // After a month the phone keeps what is unsent, and does not send it again and again.
        app.pass(i64::try_from(LEFT_GROUP_DAYS + 2).expect("small") * 86_400_000);
        there.push(hours(&mut bilal, book));
        assert_eq!(bilal.sync().await.expect("synced").held, 0);
        assert_eq!(bilal.barred(), [waits(1, "not_found")]);
        // A phone that never learnt whose it is asks for it as its own, and is told that it is not.
        bilal.book(book).owner = Owner::Unknown;
        hours(&mut bilal, own);
        assert_eq!(bilal.sync().await.expect("synced").accepted, 1);
        assert_eq!(bilal.barred(), [Barred { owner: Owner::Unknown, ..waits(1, "id_reused") }]);

        member(&mut desk, Method::PUT, friends, me).await;
        assert_eq!(held(&mut desk, "").await, Vec::<Value>::new(), "taken up at once");
        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, report.barred, bilal.barred()), (1, vec![], vec![]), "back again");
        assert_eq!(bilal.book(book).owner, Owner::Group(friends));
        asha.sync().await.expect("synced");
        assert_eq!(there.iter().filter_map(|id| asha.book(book).field(*id, "day")).count(), 4);
        app.judge().await;
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn the_work_of_who_has_left_waits_for_a_coordinator_who_sees_whose_it_is(app: TestApp) {
        let Left { mut desk, mut asha, mut bilal, friends, book, records, changes } = left(&app, 2).await;
        hours(&mut asha, book);
        asha.sync().await.expect("synced");
        for _ in 0..2 {
            let answer = wire::send_changes(&mut bilal, book, &changes).await;
            assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::NotFound, vec![HELD; 2]));
            assert!(answer.holds_until.is_some() && answer.outcomes[0].expires_at.is_some());
            // Nothing of the daybook is for him, though there is something new.
            assert_eq!((answer.changes.len(), answer.cursor, answer.heads), (0, None, None));
        }
        let path = format!("/v1/daybooks/{book}");
        assert!(bilal.get::<Value>(&format!("{path}/outcomes")).await.is_err());

        let seen = held(&mut desk, "").await;
        assert_eq!(seen.len(), 2);
        for item in &seen {
            assert_eq!((&item["reason"]["code"], &item["missing"]), (&json!("left_group"), &json!([])));
            assert_eq!((&item["brought_by"], &item["party_id"]), (&json!(bilal.party), &json!(friends)));
            let found: Value = desk.get(&format!("{path}/outcomes?hash={}", item["hash"].as_str().expect("hex"))).await.expect("a page");
            assert_eq!((&found["items"][0]["outcome"], &found["items"][0]["code"]), (&json!("held"), &json!("left_group")));
        }
        assert_eq!((held(&mut bilal, "").await, held(&mut asha, "").await), (seen.clone(), seen), "his own, and the group's");
        assert_eq!(held(&mut app.phone("Carol").await, "").await, Vec::<Value>::new());

        // What others do there does not take it up.
        hours(&mut asha, book);
        asha.sync().await.expect("synced");
        assert_eq!(held(&mut desk, "").await.len(), 2);
        // It counts, and he is not in the group: so the coordinator may decide.
        for method in [Method::PUT, Method::DELETE] {
            member(&mut desk, method, friends, bilal.party).await;
        }
        assert_eq!(held(&mut desk, "").await, Vec::<Value>::new());
        for id in records {
            assert_eq!(activity(&mut desk, id).await["daybook_id"], json!(book));
        }
        let again = wire::send_changes(&mut bilal, book, &changes).await;
        let duplicate = (OutcomeKind::Duplicate, None);
        assert_eq!((again.state, wire::outcomes(&again)), (DaybookState::NotFound, vec![duplicate; 2]));
        app.judge().await;
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_member_who_brings_the_work_of_who_has_left_takes_it_up(app: TestApp) {
        let Left { mut asha, mut bilal, book, changes, .. } = left(&app, 2).await;
        assert_eq!(wire::outcomes(&wire::send_changes(&mut bilal, book, &changes).await), [HELD; 2]);
        let answer = wire::send_changes(&mut asha, book, &changes).await;
        assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::Ok, vec![ACCEPTED; 2]));
        assert_eq!(held(&mut asha, "").await, Vec::<Value>::new());
    }
}

both! {
    async fn all_that_waited_for_somebody_is_taken_up_with_them_however_much_it_is(app: TestApp) {
        let count = 2 * ACCEPT_CHANGES_MAX + 40;
        let Left { mut desk, mut bilal, friends, book, changes, records, .. } = left(&app, count).await;
        // Later ones first, so that what was received first cannot go first.
        for part in changes.rchunks(200) {
            assert_eq!(wire::outcomes(&wire::send_changes(&mut bilal, book, part).await), vec![HELD; part.len()]);
        }
        member(&mut desk, Method::PUT, friends, bilal.party).await;
        assert_eq!(held(&mut desk, "").await, Vec::<Value>::new());
        assert_eq!(wire::every_activity(&mut bilal).await.len(), records.len() + 1);
    }
}

both! {
    async fn what_a_former_member_sends_is_held_as_long_as_it_says_and_not_longer(app: TestApp) {
        let Left { mut bilal, book, changes, .. } = left(&app, 2).await;
        let until = wire::send_changes(&mut bilal, book, &[]).await.holds_until.expect("he has left").0;
        app.pass(until - app.app.now_ms() - 1);
        let answer = wire::send_changes(&mut bilal, book, &changes[..1]).await;
        assert_eq!((wire::outcomes(&answer), answer.holds_until.map(|at| at.0)), (vec![HELD], Some(until)));
        app.pass(1);
        let answer = wire::send_changes(&mut bilal, book, &changes).await;
        assert_eq!((answer.state, answer.outcomes.len(), answer.holds_until), (DaybookState::NotFound, 0, None));
        // Who never was in the group is told no more than before.
        let mut carol = app.phone("Carol").await;
        let answer = wire::send_changes(&mut carol, book, &changes).await;
        assert_eq!((answer.state, answer.outcomes.len(), answer.holds_until), (DaybookState::NotFound, 0, None));
    }
}

both! {
    async fn the_work_of_who_has_left_expires_after_notice_and_comes_again_when_they_are_back(app: TestApp) {
        let Left { mut desk, mut bilal, friends, book, .. } = left(&app, 2).await;
        assert_eq!(bilal.sync().await.expect("synced").held, 2);
        for (wait, swept) in [(HELD_NOTICE_AFTER_MS, (2, 0)), (HELD_NOTICE_MS, (0, 2))] {
            app.pass(wait);
            let Swept { noticed, expired } = sweep(&app.app, app.neighbourhood).await.expect("swept");
            assert_eq!((noticed, expired), swept);
        }
        member(&mut desk, Method::PUT, friends, bilal.party).await;
        assert_eq!(bilal.sync().await.expect("synced").accepted, 2);
        assert_eq!(bilal.barred(), []);
        assert_eq!(unsent_in(&mut bilal, book), Vec::<Vec<u8>>::new());
    }
}

both! {
    async fn what_is_pushed_the_moment_after_leaving_is_held_whatever_the_replica_remembers(app: TestApp) {
        let other = app.another_replica().await;
        let mut desk = other.coordinator("Dee").await;
        let mut bilal = app.phone("Bilal").await;
        let (friends, book) = group(&mut desk, &mut bilal, &[]).await;
        bilal.book(book);
        for _ in 0..2 {
            bilal.sync().await.expect("synced");
        }
        hours(&mut bilal, book);
        let changes = unsent_in(&mut bilal, book);
        member(&mut desk, Method::DELETE, friends, bilal.party).await;
        let answer = wire::send_changes(&mut bilal, book, &changes).await;
        assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::NotFound, vec![HELD]));
    }
}

both! {
    async fn what_the_server_forgot_of_a_group_comes_back_as_the_groups(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bilal) = (app.phone("Asha").await, app.phone("Bilal").await);
        let (friends, _) = group(&mut desk, &mut asha, &[]).await;
        let lost = DaybookId(asha.uuid());
        for phone in [&mut asha, &mut bilal] {
            phone.book(lost).owner = Owner::Group(friends);
        }
        // Who is no member any more does not make it theirs.
        let (elsewhere, own) = (hours(&mut bilal, lost), bilal.own);
        let here = hours(&mut bilal, own);
        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, report.barred), (1, vec![lost]));
        assert_eq!(activity(&mut bilal, here).await["daybook_id"], json!(own));
        let id = hours(&mut asha, lost);
        assert_eq!(asha.sync().await.expect("synced").accepted, 1);
        assert_eq!(activity(&mut asha, id).await["daybook_id"], json!(lost));
        let me: Value = asha.get("/v1/me").await.expect("me");
        let made = me["daybooks"].as_array().expect("daybooks").iter().find(|one| one["id"] == json!(lost));
        assert_eq!(made.expect("it is there")["party_id"], json!(friends));
        member(&mut desk, Method::PUT, friends, bilal.party).await;
        bilal.sync().await.expect("synced");
        assert_eq!(activity(&mut bilal, elsewhere).await["daybook_id"], json!(lost));
    }
}

both! {
    async fn an_own_daybook_under_somebody_elses_id_holds_up_no_other_and_is_no_good_end(app: TestApp) {
        let (mut asha, mut mallory) = (app.phone("Asha").await, app.phone("Mallory").await);
        back(&mut mallory, 1);
        let taken = DaybookId(mallory.uuid());
        let _: Value = mallory.post("/v1/daybooks", &json!({ "id": taken })).await.expect("a daybook");
        let first = std::mem::replace(&mut asha.own, taken);
        assert!(taken < first);
        let (waits, here) = (hours(&mut asha, taken), hours(&mut asha, first));
        for _ in 0..2 {
            let ended = asha.sync().await;
            assert!(matches!(&ended, Err(PhoneError::OwnBarred { code }) if code == "id_reused"), "{ended:?}");
        }
        assert_eq!(activity(&mut asha, here).await["daybook_id"], json!(first));
        assert_eq!(asha.barred().iter().map(|barred| (barred.id, barred.unsent)).collect::<Vec<_>>(), [(taken, 1)]);
        assert!(asha.book(taken).field(waits, "day").is_some(), "it is kept");
    }
}
