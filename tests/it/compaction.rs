//! Stories of compaction: a snapshot takes the place of the bytes of older changes, and nobody loses anything.

mod phones;
mod sizes;

use std::collections::BTreeMap;

use automerge::Automerge;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId};
use daybook::domain::limits::{
    COMPACT_LOAD_BYTES_MAX, DOCUMENT_CHANGE_BYTES, DOCUMENT_LOAD_FACTOR, DOCUMENT_OPERATION_BYTES,
};
use daybook::flows::compact::{Compacted, compact};
use daybook::flows::rebuild::{Mode, rebuild};
use daybook::merge::compact::changes_of;
use daybook::store;
use daybook::store::changes::Of;
use daybook::store::entity::{activity, daybook as daybook_row, daybook_change, daybook_snapshot};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};

use crate::always;
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

impl TestApp {
    /// Compacts a daybook, whether or not it has grown enough.
    pub async fn compact(&self, daybook: DaybookId) -> Compacted {
        let of = Of { neighbourhood: self.neighbourhood, daybook };
        compact(&self.app, of).await.expect("the database answers")
    }

    /// Nothing that was accepted is missing, and derived rows are what they would be made again.
    async fn is_whole(&self) {
        always::holds(self).await.expect("what always holds");
        let rebuilt = rebuild(&self.app, self.neighbourhood, Mode::Compare).await.expect("rebuilt");
        assert!(rebuilt.is_same(), "{rebuilt:#?}");
    }
}

/// Records, one change each, and syncs.
async fn recorded(phone: &mut TestPhone, records: usize) -> Vec<ActivityId> {
    let ids = (0..records).map(|at| record(phone, at)).collect();
    phone.sync().await.expect("synced");
    ids
}

fn record(phone: &mut TestPhone, at: usize) -> ActivityId {
    let me = phone.party;
    let recorded = phone.record(Kind::LitterPick, "2026-11-20", |a| {
        a.minutes(me, 1).count("bags", 2).note(&format!("round {at}"));
    });
    recorded.expect("recorded")
}

async fn rows(app: &TestApp, daybook: DaybookId) -> Vec<daybook_change::Model> {
    let rows = daybook_change::Entity::find()
        .filter(daybook_change::Column::DaybookId.eq(daybook.0))
        .order_by_asc(daybook_change::Column::Position);
    rows.all(app.app.db().read()).await.expect("changes")
}

async fn row(app: &TestApp, daybook: DaybookId) -> daybook_row::Model {
    let row = store::daybooks::find(app.app.db().read(), app.neighbourhood, daybook).await;
    row.expect("read").expect("the daybook")
}

async fn snapshot(app: &TestApp, daybook: DaybookId) -> Option<daybook_snapshot::Model> {
    let of = Of { neighbourhood: app.neighbourhood, daybook };
    store::snapshots::find(app.app.db().read(), of).await.expect("read")
}

both! {
    async fn compaction_drops_bytes_and_nothing_else(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 30).await;
        let (own, before) = (asha.own, rows(&app, asha.own).await);
        let then = row(&app, own).await;
        assert_eq!(app.compact(own).await, Compacted::Done { position: 31 });
        assert_eq!(app.compact(own).await, Compacted::Nothing);

        let (after, snapshot) = (rows(&app, own).await, snapshot(&app, own).await.expect("a snapshot"));
        let gone = after.iter().take_while(|row| row.bytes.is_empty()).count();
        let kept: usize = after.iter().map(|row| row.bytes.len()).sum();
        assert!((20..31).contains(&gone) && kept <= snapshot.bytes.len() / 4, "{gone} gone, {kept} bytes kept");
        assert_eq!(snapshot.kept_from, after[gone].position);
        let one_more = kept + before[gone - 1].bytes.len();
        assert!(one_more > snapshot.bytes.len() / 4, "the newest that fit are kept");
        let document = Automerge::load(&snapshot.bytes).expect("Automerge loads it");
        assert_eq!(document.get_changes(&[]).len(), 31);
        let known = changes_of(&snapshot.bytes).expect("its changes");
        for (before, after) in before.iter().zip(&after) {
            let hash: [u8; 32] = before.hash.clone().try_into().expect("a hash");
            assert_eq!(known.get(&hash), Some(&before.bytes), "position {}", before.position);
            assert!(after.bytes.is_empty() || after.bytes == before.bytes);
            assert_eq!(&daybook_change::Model { bytes: before.bytes.clone(), ..after.clone() }, before);
        }
        let now = row(&app, own).await;
        assert_eq!(daybook_row::Model { compact_at_raw_bytes: None, ..now }, then, "a compaction is no change");
        app.judge().await;
        app.is_whole().await;
    }
}

/// Documents that were loaded for this reason.
fn loads(app: &TestApp, reason: &str) -> u64 {
    let text = app.app.metrics().text().expect("metrics");
    let name = format!("daybook_documents_loaded_total{{reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).expect("a counter").parse().expect("a number")
}

both! {
    async fn what_was_compacted_is_compacted_again_with_what_came_since(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        for round in 1..4 {
            recorded(&mut asha, 12).await;
            assert_eq!(app.compact(asha.own).await, Compacted::Done { position: 1 + 12 * round });
        }
        let snapshot = snapshot(&app, asha.own).await.expect("a snapshot");
        assert_eq!((snapshot.position, changes_of(&snapshot.bytes).expect("changes").len()), (37, 37));
        let gone = rows(&app, asha.own).await.iter().filter(|row| row.bytes.is_empty()).count();
        assert_eq!(i64::try_from(gone).expect("few"), snapshot.kept_from - 1);
        app.is_whole().await;
    }
}

both! {
    async fn a_text_is_edited_after_compaction_and_the_document_is_remembered(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids = recorded(&mut asha, 5).await;
        app.compact(asha.own).await;
        for (at, more) in [", twice", ", thrice", " in all"].into_iter().enumerate() {
            asha.edit(ids[1], |a| { a.note_more(more); }).expect("edited");
            if at == 1 {
                // A change that the document in memory does not have.
                record(&mut asha, 9);
            }
            asha.sync().await.expect("synced");
            wire::reads_as_the_document(&mut asha, ids[1]).await;
            assert_eq!(loads(&app, "splice"), 1, "the document stays in memory");
            if at == 1 {
                app.compact(asha.own).await;
            }
        }
        // What another replica accepts, this one's document has not.
        let other = app.another_replica().await;
        let mut tablet = other.second_device(&mut asha, "Asha's tablet").await;
        tablet.sync().await.expect("synced");
        tablet.edit(ids[1], |a| { a.note_more("!"); }).expect("edited");
        tablet.sync().await.expect("synced");
        asha.sync().await.expect("synced");
        asha.edit(ids[1], |a| { a.note_more("?"); }).expect("edited");
        asha.sync().await.expect("synced");
        wire::reads_as_the_document(&mut asha, ids[1]).await;
        assert_eq!((loads(&app, "splice"), loads(&other, "splice")), (1, 1));
        assert_eq!(asha.own_book().field(ids[1], "note").expect("a note").as_str(), Some("round 1, twice, thrice in all!?"));
        app.judge().await;
        app.is_whole().await;
    }
}

both! {
    async fn a_state_that_reads_otherwise_than_automerge_raises_the_alarm_and_drops_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let ids = recorded(&mut asha, 8).await;
        let (own, before) = (asha.own, rows(&app, asha.own).await);
        let db = app.app.db();
        let states: BTreeMap<ActivityId, Vec<u8>> = store::activities::states(db.read(), app.neighbourhood, own)
            .await.expect("states").into_iter().map(|(id, state)| (ActivityId(id), state)).collect();
        activity::Entity::update_many()
            .col_expr(activity::Column::State, Expr::value(states[&ids[0]].clone()))
            .filter(activity::Column::Id.eq(ids[3].0))
            .exec(db.writer()).await.expect("bent");
        let alarm = format!("reading {}", ids[3]);
        for _ in 0..2 {
            assert_eq!(app.compact(own).await, Compacted::Alarm(alarm.clone()));
        }
        assert_eq!((rows(&app, own).await, snapshot(&app, own).await), (before, None));
        let standing = store::daybooks::with_alarm(db.read(), app.neighbourhood).await.expect("alarms");
        assert_eq!(standing, [(own, alarm)]);
        assert_eq!(store::daybooks::to_compact(db.read(), 1, 10).await.expect("due"), [], "nobody tries again");
        record(&mut asha, 9);
        asha.sync().await.expect("synced");

        rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("rebuilt");
        assert_eq!(row(&app, own).await.compaction_alarm, None, "what was bent is right again");
        assert_eq!(app.compact(own).await, Compacted::Done { position: 10 });
        app.is_whole().await;
    }
}

both! {
    async fn what_would_take_too_much_memory_is_left_as_it_came(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 3).await;
        let (own, db) = (asha.own, app.app.db());
        // As a row says that many were accepted: to accept them takes hours here.
        let grown_past = async |most: u64| {
            let changes = u64::try_from(row(&app, own).await.position).expect("few") * DOCUMENT_CHANGE_BYTES;
            let fits = (COMPACT_LOAD_BYTES_MAX / DOCUMENT_LOAD_FACTOR - changes) / DOCUMENT_OPERATION_BYTES;
            daybook_row::Entity::update_many()
                .col_expr(daybook_row::Column::Operations, Expr::value(i64::try_from(fits + most).expect("fits")))
                .filter(daybook_row::Column::Id.eq(own.0))
                .exec(db.writer()).await.expect("updated");
        };
        grown_past(0).await;
        assert_eq!(app.compact(own).await, Compacted::Done { position: 4 });
        record(&mut asha, 4);
        asha.sync().await.expect("synced");
        grown_past(1).await;
        let (before, snapshot_before) = (rows(&app, own).await, snapshot(&app, own).await);
        for _ in 0..2 {
            assert_eq!(app.compact(own).await, Compacted::Alarm("too_large".into()));
        }
        assert_eq!((rows(&app, own).await, snapshot(&app, own).await), (before, snapshot_before));
        assert_eq!(store::daybooks::to_compact(db.read(), 1, 10).await.expect("due"), [], "nobody tries again");
        record(&mut asha, 5);
        asha.sync().await.expect("the phone goes on");
    }
}

both! {
    async fn an_activity_of_another_daybook_is_no_difference(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bilal = app.phone("Bilal").await;
        let ids = recorded(&mut asha, 3).await;
        bilal.edit(ids[0], |b| { b.kind(Kind::Hours).day("2026-11-20"); }).expect("written");
        bilal.sync().await.expect("synced");
        assert_eq!(app.compact(bilal.own).await, Compacted::Done { position: 2 });
        app.is_whole().await;
    }
}

both! {
    async fn a_daybook_is_compacted_once_it_has_grown_enough(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        recorded(&mut asha, 1).await;
        let (own, key) = (asha.own, (app.neighbourhood, asha.own));
        assert!(app.app.compaction().take().is_empty(), "far from the first");
        for (missing, rung) in [(1, false), (0, true)] {
            record(&mut asha, 1);
            let size: usize = wire::unsent(&mut asha).iter().map(Vec::len).sum();
            let due = row(&app, own).await.raw_bytes + i64::try_from(size).expect("small") + missing;
            daybook_row::Entity::update_many()
                .col_expr(daybook_row::Column::CompactAtRawBytes, Expr::value(due))
                .filter(daybook_row::Column::Id.eq(own.0))
                .exec(app.app.db().writer()).await.expect("set");
            asha.sync().await.expect("synced");
            assert_eq!(app.app.compaction().take().contains_key(&key), rung, "{missing} bytes are missing");
            let due = store::daybooks::to_compact(app.app.db().read(), i64::MAX, 10).await.expect("due");
            assert_eq!(due.contains(&key), rung);
        }
        let position = row(&app, own).await.position;
        assert_eq!(app.compact(own).await, Compacted::Done { position: u64::try_from(position).expect("few") });
        let now = row(&app, own).await;
        let next = now.raw_bytes + daybook::domain::limits::COMPACT_RAW_BYTES_MIN;
        assert_eq!(now.compact_at_raw_bytes, Some(next), "a small one waits for the least");
    }
}

both! {
    async fn pushes_while_compactions_run_lose_nothing(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let mut tablet = other.second_device(&mut asha, "Asha's tablet").await;
        let ids = recorded(&mut asha, 6).await;
        tablet.sync().await.expect("synced");
        let own = asha.own;
        let (mut done, mut behind) = (0, 0);
        for round in 0..12 {
            for phone in [&mut asha, &mut tablet] {
                for at in 0..4 {
                    record(phone, at);
                }
                phone.edit(ids[round % 6], |a| { a.note_more("."); }).expect("edited");
            }
            let (one, two, three, four) =
                tokio::join!(asha.sync(), tablet.sync(), app.compact(own), other.compact(own));
            behind += one.expect("synced").snapshots + two.expect("synced").snapshots;
            for outcome in [three, four] {
                assert!(!matches!(outcome, Compacted::Alarm(_)), "{outcome:?}");
                done += usize::from(matches!(outcome, Compacted::Done { .. }));
            }
            tokio::join!(app.judge(), other.judge());
        }
        assert!(done >= 6, "{done} compactions, {behind} phones behind");
        asha.sync().await.expect("synced");
        tablet.sync().await.expect("synced");
        asha.sync().await.expect("synced");
        assert_eq!(wire::heads(&mut asha), wire::heads(&mut tablet));
        assert_eq!(wire::server_heads(&mut asha, own).await, wire::heads(&mut asha));
        for id in ids {
            wire::reads_as_the_document(&mut asha, id).await;
        }
        app.judge().await;
        app.is_whole().await;
    }
}

both! {
    async fn of_two_replicas_that_compact_at_once_one_does(app: TestApp) {
        let other = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        for round in 0..6 {
            recorded(&mut asha, 8).await;
            let (one, two) = tokio::join!(app.compact(asha.own), other.compact(asha.own));
            let position = u64::try_from(row(&app, asha.own).await.position).expect("few");
            let done = Compacted::Done { position };
            assert!([&one, &two].contains(&&done), "round {round}: {one:?} and {two:?}");
            let loser = if one == done { two } else { one };
            assert!(matches!(loser, Compacted::Outrun | Compacted::Nothing), "round {round}: {loser:?}");
        }
        app.is_whole().await;
    }
}
