//! Stories of changes that no honest phone sends, and of honest ones that come in an odd order: each is
//! answered by itself, and nothing else is held up.

use std::num::NonZeroU64;

use automerge::ChangeHash;
use daybook::api::sync::{DaybookState, OutcomeKind};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId};
use daybook::domain::limits::{ACCEPT_CHANGES_MAX, HEADS_MAX, PARTIES_MAX};
use daybook::phone::Book;
use daybook::store::entity::daybook as row;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};

use crate::support::app::activity;
use crate::support::{TestPhone, both};
use crate::wire;

/// So many records, one change each, each on top of the one before; nothing is sent.
fn chain(phone: &mut TestPhone, records: usize) -> (Vec<ActivityId>, Vec<Vec<u8>>) {
    let me = phone.party;
    let ids = (0..records).map(|_| {
        phone
            .record(Kind::Hours, "2026-11-20", |a| {
                a.minutes(me, 1);
            })
            .expect("recorded")
    });
    let ids = ids.collect();
    (ids, wire::unsent(phone))
}

const ACCEPTED: (OutcomeKind, Option<&str>) = (OutcomeKind::Accepted, None);
const HELD: (OutcomeKind, Option<&str>) = (OutcomeKind::Held, Some("missing_dependency"));

fn refused(code: &str) -> (OutcomeKind, Option<&str>) {
    (OutcomeKind::Refused, Some(code))
}

both! {
    async fn a_dangerous_change_is_refused_with_its_reason_and_the_rest_is_accepted(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, honest) = chain(&mut asha, 2);
        let other_actor = |change: &mut automerge::ExpandedChange| change.actor_id = automerge::ActorId::from([9; 16]);
        let gap = wire::forged(&honest[1], |change| change.seq = 7);
        let low = wire::forged(&honest[1], |change| { other_actor(change); change.seq = 1; change.start_op = NonZeroU64::MIN; });
        let predecessor = wire::forged(&honest[1], |change| {
            other_actor(change);
            change.seq = 1;
            let nobody = automerge::legacy::OpId::new(1, &automerge::ActorId::from([8; 16]));
            change.operations[0].pred = vec![nobody].into();
        });
        let fork = wire::forged(&honest[1], |change| change.time += 1);
        let on_fork = wire::forged(&honest[1], |change| {
            other_actor(change);
            change.seq = 1;
            change.start_op = NonZeroU64::new(1_000).expect("not 0");
            change.deps = vec![ChangeHash(hash_of(&fork))];
        });
        let mut document = asha.own_book().doc.clone();
        let sent = [honest[0].clone(), honest[1].clone(), gap, low, predecessor, fork, on_fork, document.save(), b"no chunk".to_vec()];
        let answer = wire::send_changes(&mut asha, own, &sent).await;
        assert_eq!(answer.state, DaybookState::Reload);
        let codes = ["seq_gap", "start_op_low", "missing_predecessor", "actor_fork", "on_refused", "chunk_type", "unreadable"];
        let mut expected = vec![ACCEPTED, ACCEPTED];
        expected.extend(codes.map(refused));
        assert_eq!(wire::outcomes(&answer), expected);
        assert!(answer.outcomes[2..].iter().all(|outcome| outcome.detail.as_ref().is_some_and(|text| !text.is_empty())));
        assert_eq!(answer.outcomes[0].activities, [ids[0]]);

        let again = wire::send_changes(&mut asha, own, &sent).await;
        expected[..2].fill((OutcomeKind::Duplicate, None));
        assert_eq!(wire::outcomes(&again), expected, "sending again changes nothing");
        assert_eq!(again.cursor, answer.cursor);
        asha.sync().await.expect("synced");
        for id in ids {
            wire::reads_as_the_document(&mut asha, id).await;
        }
    }
}

fn hash_of(bytes: &[u8]) -> [u8; 32] {
    automerge::Change::try_from(bytes).expect("a change").hash().0
}

both! {
    async fn a_change_whose_dependency_is_refused_later_is_refused_with_it(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (_, honest) = chain(&mut asha, 3);
        let gap = wire::forged(&honest[1], |change| change.seq = 7);
        let child = wire::forged(&honest[2], |change| change.deps = vec![ChangeHash(hash_of(&gap))]);
        let held = wire::send_changes(&mut asha, own, &[honest[0].clone(), child.clone()]).await;
        assert_eq!((held.state, wire::outcomes(&held)), (DaybookState::Ok, vec![ACCEPTED, HELD]));
        let answer = wire::send_changes(&mut asha, own, &[gap]).await;
        assert_eq!(wire::outcomes(&answer), [refused("seq_gap")]);
        let again = wire::send_changes(&mut asha, own, &[child]).await;
        assert_eq!((again.state, wire::outcomes(&again)), (DaybookState::Reload, vec![refused("on_refused")]));
    }
}

both! {
    async fn changes_in_the_wrong_order_wait_for_what_they_build_on(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, changes) = chain(&mut asha, 3);
        for at in [2, 1] {
            let answer = wire::send_changes(&mut asha, own, &changes[at..=at]).await;
            assert_eq!((answer.state, wire::outcomes(&answer)), (DaybookState::Ok, vec![HELD]));
        }
        let other = app.second_device(&mut asha, "Asha's tablet").await;
        let mut other = other;
        other.sync().await.expect("synced");
        assert_eq!(other.own_book().field(ids[2], "day"), None, "what is held is not passed on");
        assert!(asha.get::<Value>(&format!("/v1/activities/{}", ids[2])).await.is_err(), "nor read");

        let answer = wire::send_changes(&mut asha, own, &changes[..1]).await;
        assert_eq!(wire::outcomes(&answer), [ACCEPTED]);
        let again = wire::send_changes(&mut asha, own, &changes).await;
        assert_eq!(wire::outcomes(&again), vec![(OutcomeKind::Duplicate, None); 3]);
        other.sync().await.expect("synced");
        asha.sync().await.expect("synced");
        assert_eq!(wire::heads(&mut other), wire::heads(&mut asha));
        for id in ids {
            wire::reads_as_the_document(&mut other, id).await;
        }
    }
}

both! {
    async fn within_one_request_the_order_does_not_matter(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (_, mut changes) = chain(&mut asha, 4);
        changes.reverse();
        let together = [changes[..2].concat(), changes[2..].concat()];
        let answer = wire::send_changes(&mut asha, own, &together).await;
        assert_eq!(wire::outcomes(&answer), vec![ACCEPTED; 4], "an entry may hold several changes");
        assert_eq!(answer.heads.map(|heads| heads.len()), Some(2), "the genesis change is the other one");
    }
}

both! {
    async fn what_is_beyond_one_transaction_is_deferred_and_sent_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (ids, changes) = chain(&mut asha, ACCEPT_CHANGES_MAX + 44);
        let answer = wire::send_changes(&mut asha, own, &changes).await;
        let mut expected = vec![ACCEPTED; ACCEPT_CHANGES_MAX];
        expected.extend([(OutcomeKind::Deferred, Some("transaction_full")); 44]);
        assert_eq!(wire::outcomes(&answer), expected);
        let rest = wire::send_changes(&mut asha, own, &changes[ACCEPT_CHANGES_MAX..]).await;
        assert_eq!(wire::outcomes(&rest), vec![ACCEPTED; 44]);
        assert_eq!(wire::every_activity(&mut asha).await.len(), ids.len());
    }
}

both! {
    async fn more_heads_than_a_phone_should_carry_are_joined_at_once(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (own, me) = (asha.own, asha.party);
        // The genesis change is a head as well until somebody builds on it.
        for (count, heads) in [(HEADS_MAX - 1, HEADS_MAX), (1, 1)] {
            let changes: Vec<Vec<u8>> = (0..count).map(|_| {
                let actor = asha.random();
                let mut apart = Book::new(own, actor);
                std::mem::swap(asha.own_book(), &mut apart);
                asha.record(Kind::Hours, "2026-11-20", |a| { a.minutes(me, 1); }).expect("recorded");
                std::mem::swap(asha.own_book(), &mut apart);
                apart.doc.save_incremental()
            }).collect();
            let answer = wire::send_changes(&mut asha, own, &changes).await;
            assert_eq!(wire::outcomes(&answer), vec![ACCEPTED; count]);
            assert_eq!(answer.heads.map(|heads| heads.len()), Some(heads));
        }
        asha.sync().await.expect("synced");
        let head = asha.own_book().doc.get_heads()[0];
        let joined = asha.own_book().doc.get_change_by_hash(&head).expect("the server's change");
        assert_eq!((joined.deps().len(), joined.len()), (HEADS_MAX + 1, 0), "empty, on top of all of them");
        assert_eq!(wire::every_activity(&mut asha).await.len(), HEADS_MAX);
    }
}

both! {
    async fn a_daybook_that_is_not_there_or_gone_or_anothers_holds_up_no_other(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let (ids, changes) = chain(&mut asha, 1);
        let gone = DaybookId(asha.uuid());
        let _: Value = asha.post("/v1/daybooks", &serde_json::json!({ "id": gone })).await.expect("created");
        row::Entity::update_many()
            .col_expr(row::Column::GoneAtMs, Expr::value(Some(1_i64)))
            .filter(row::Column::Id.eq(gone.0))
            .exec(app.app.db().writer())
            .await
            .expect("erased");
        let unknown = DaybookId(asha.uuid());
        let asked = [unknown, bilal.own, gone, asha.own];
        let request = wire::request(asked.iter().map(|id| wire::push(*id, &changes)).collect());
        let answer = wire::send(&mut asha, &request).await;
        let states: Vec<_> = answer.daybooks.iter().map(|daybook| (daybook.id, daybook.state)).collect();
        let expected = [DaybookState::NotFound, DaybookState::NotFound, DaybookState::Gone, DaybookState::Ok];
        assert_eq!(states, asked.into_iter().zip(expected).collect::<Vec<_>>());
        assert!(answer.daybooks[..3].iter().all(|daybook| daybook.outcomes.is_empty() && daybook.changes.is_empty()));
        assert_eq!(wire::outcomes(&answer.daybooks[3]), [ACCEPTED]);
        assert_eq!(activity(&mut asha, ids[0]).await["kind"], "hours");
        bilal.sync().await.expect("synced");
        assert_eq!(bilal.own_book().field(ids[0], "day"), None);

        asha.book(gone);
        let report = asha.sync().await.expect("synced");
        assert_eq!(report.gone, [gone], "the phone is told, and goes on");
        assert!(asha.get::<Value>(&format!("/v1/daybooks/{gone}")).await.is_err_and(|error| error.to_string().contains("410")));
    }
}

both! {
    async fn a_server_that_forgot_a_daybook_gets_it_again(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let lost = DaybookId(asha.uuid());
        let me = asha.party;
        let id = ActivityId(asha.uuid());
        asha.edit_in(lost, id, |a| { a.kind(Kind::Hours).day("2026-11-20").minutes(me, 5); }).expect("recorded");
        asha.book(lost).cursor = Some("AAAAAAAAAAAAAAAAAAA".to_owned());
        let report = asha.sync().await.expect("synced");
        assert_eq!(report.accepted, 1);
        assert_eq!(activity(&mut asha, id).await["daybook_id"], lost.to_string());
    }
}

both! {
    async fn records_that_name_a_crowd_hold_up_no_other(app: TestApp) {
        let (mut eve, mut asha) = (app.phone("Eve").await, app.phone("Asha").await);
        let token = wire::bearer(&app, &mut eve, "activities:read activities:write").await;
        let naming = |count: usize| {
            let minutes = |_| json!({ "party_id": app.app.uuid(), "minutes": 1 });
            let parties: Vec<Value> = (0..count).map(minutes).collect();
            json!({ "id": app.app.uuid(), "kind": "hours", "day": "2026-11-20", "parties": parties })
        };
        // Together more than a statement takes values.
        let together: Vec<Value> = (0..98).map(|_| naming(340)).chain([naming(PARTIES_MAX), naming(PARTIES_MAX + 1)]).collect();
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let body = json!({ "items": together }).to_string();
        let (status, told) = app.request(axum::http::Method::POST, "/v1/activities", &headers, body).await;
        let items = told["items"].as_array().expect("items");
        assert!(status == 200 && items.iter().all(|item| item["status"] == 201), "nothing of a meaning is refused: {told}");
        let me = asha.party;
        let honest = asha.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 30)).expect("recorded");
        asha.sync().await.expect("synced");
        app.judge().await;
        assert_eq!(activity(&mut asha, honest).await["review"], "approved");
        for (at, unreadable) in [(97, Value::Null), (98, Value::Null), (99, json!("too_many_parties"))] {
            let id = together[at]["id"].as_str().expect("an id").parse().expect("an id");
            let seen = activity(&mut eve, id).await;
            assert_eq!((&seen["review"], &seen["unreadable"]), (&json!("received"), &unreadable), "{at}");
        }
        crate::support::desk::rebuilt_is_live(&app).await;
    }
}
