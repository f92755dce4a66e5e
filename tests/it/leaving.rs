//! Stories of phones with a daybook in which their person may not write: it holds up no other, and loses nothing.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::phone::{Barred, Owner, PUSH_CHANGES_MAX, PhoneError};
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::desk::{group, rebuilt_is_live};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";

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
        app.app.access_cache().invalidate_all(); // it is remembered for seconds, which do not pass here
        bilal.go_online();

        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, &report.barred), (1, &vec![book]), "{report:?}");
        assert_eq!(activity(&mut bilal, here).await["daybook_id"], json!(own));
        // He goes on, more than one request takes, and the group's keeps what he writes there.
        there.push(hours(&mut bilal, book));
        for _ in 0..=PUSH_CHANGES_MAX {
            hours(&mut bilal, own);
        }
        assert_eq!(bilal.sync().await.expect("synced").accepted, PUSH_CHANGES_MAX + 1);
        let waits = |code: &str| Barred { id: book, owner: Owner::Group(friends), unsent: 3, code: code.to_owned() };
        assert_eq!(bilal.barred(), [waits("not_found")]);
        let listed: Value = bilal.get("/v1/daybooks").await.expect("daybooks");
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "he has made no other: {listed}");
        asha.sync().await.expect("synced");
        assert_eq!(there.iter().filter_map(|id| asha.book(book).field(*id, "day")).count(), 0);
        // A phone that never learnt whose it is asks for it as its own, and is told that it is not.
        bilal.book(book).owner = Owner::Unknown;
        hours(&mut bilal, own);
        assert_eq!(bilal.sync().await.expect("synced").accepted, 1);
        assert_eq!(bilal.barred(), [Barred { owner: Owner::Unknown, ..waits("id_reused") }]);

        member(&mut desk, Method::PUT, friends, me).await;
        let report = bilal.sync().await.expect("synced");
        assert_eq!((report.accepted, report.barred, bilal.barred()), (3, vec![], vec![]), "back again");
        assert_eq!(bilal.book(book).owner, Owner::Group(friends));
        asha.sync().await.expect("synced");
        assert_eq!(there.iter().filter_map(|id| asha.book(book).field(*id, "day")).count(), 3);
        app.judge().await;
        rebuilt_is_live(&app).await;
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
