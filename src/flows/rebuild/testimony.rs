//! Activities and versions again, from the changes of a daybook in the order and the accepts they came in.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait as _;

use super::super::FlowError;
use super::super::accept::{Bringer, Readings, hash, lookup, unsigned};
use super::super::documents;
use super::{Difference, ROWS, Rebuilt, backend};
use crate::app::App;
use crate::domain::ids::{AccountId, ActivityId, GrantId};
use crate::merge::admit::Facts;
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::loaded::Loaded;
use crate::merge::{ActivityState, Actor, Hash, compact, touched};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::aliases::Holders;
use crate::store::changes::Of;
use crate::store::entity::{activity, activity_version, daybook, daybook_change};

/// Everything derived from a daybook's changes.
#[derive(Default)]
struct Derived {
    activities: BTreeMap<ActivityId, activity::Model>,
    versions: BTreeMap<(ActivityId, i64), activity_version::Model>,
}

/// Rebuilds one daybook and compares with its rows.
pub async fn rebuild(
    app: &App,
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let changes = read(app, txn, of, row).await?;
    let stored = store::activities::of_daybook(txn, of.neighbourhood, of.daybook).await?;
    let mut derived = derive(app, txn, of, row, changes).await?;
    let holders = Holders::read(txn, of.neighbourhood).await?;
    for version in store::activities::versions_of_daybook(txn, of.neighbourhood, of.daybook).await? {
        let key = (ActivityId(version.activity_id), version.version);
        let again = derived.versions.remove(&key);
        // What is numbered is the journal's to say; whose it was then may have become another's since.
        let again = again.map(|again| {
            let then = holders.holder(AccountId(version.party_id), i64::MAX).0 == again.party_id;
            let party_id = if then { version.party_id } else { again.party_id };
            activity_version::Model { journal_no: version.journal_no, party_id, ..again }
        });
        let difference = Difference::between(version.journal_no, named(key), again.as_ref(), Some(&version));
        if let Some(again) = again.filter(|_| difference.is_some()) {
            batch.push(store::activities::rewrite_version(backend(txn), again));
        }
        rebuilt.versions.add(difference);
    }
    let mut rows = Vec::new();
    for stored in stored {
        let again = derived.activities.remove(&ActivityId(stored.id));
        let about = format!("activity {}", stored.id);
        let difference = Difference::between(None, about, again.as_ref(), Some(&stored));
        rows.extend(again.filter(|_| difference.is_some()));
        rebuilt.activities.add(difference);
    }
    for (id, missing) in derived.activities {
        let about = format!("activity {id}");
        rebuilt.activities.add(Difference::between(None, about, Some(&missing), None));
        rows.push(missing);
    }
    for statement in store::activities::upsert(txn.get_database_backend(), &rows) {
        txn.execute_raw(statement).await?;
    }
    for (key, missing) in derived.versions {
        rebuilt.versions.add(Difference::between(None, named(key), Some(&missing), None));
        batch.insert::<activity_version::Entity>(backend(txn), vec![missing]);
    }
    if row.compaction_alarm.is_some() {
        // What differed is made again, so compaction may try again.
        let row = daybook::Model { compaction_alarm: None, ..row.clone() };
        batch.push(store::daybooks::update(backend(txn), row));
    }
    Ok(())
}

fn named((id, version): (ActivityId, i64)) -> String {
    format!("version {version} of activity {id}")
}

/// All changes of a daybook with their bytes: those that compaction let go of, from the snapshot.
async fn read(
    app: &App,
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
) -> Result<Vec<daybook_change::Model>, FlowError> {
    let mut changes: Vec<daybook_change::Model> = Vec::new();
    loop {
        let after = changes.last().map_or(0, |row| row.position);
        let rows = store::changes::rows_after(txn, of, after, ROWS).await?;
        if rows.is_empty() {
            break;
        }
        changes.extend(rows);
    }
    if changes.iter().all(|row| !row.bytes.is_empty()) {
        return Ok(changes);
    }
    let snapshot = store::snapshots::find(txn, of).await?;
    let bytes = snapshot.ok_or_else(|| FlowError::internal("changes without bytes and no snapshot"))?.bytes;
    let _room = app.room_to_load(documents::load_bytes(row)).await;
    documents::count(app, of, DocumentReason::Rebuild);
    let mut known = blocking(move || compact::changes_of(&bytes).map_err(FlowError::internal)).await?;
    for row in changes.iter_mut().filter(|row| row.bytes.is_empty()) {
        let bytes = known.remove(&hash(&row.hash)?);
        row.bytes = bytes.ok_or_else(|| FlowError::internal("the snapshot lacks a change"))?;
    }
    Ok(changes)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FlowError> + Send + 'static,
) -> Result<T, FlowError> {
    tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?
}

/// The document as far as it was needed: the changes since then wait.
#[derive(Default)]
struct Oracle {
    loaded: Option<Loaded>,
    waiting: Vec<(Hash, Vec<u8>)>,
}

impl Oracle {
    async fn fill(
        &mut self,
        mut states: BTreeMap<ActivityId, ActivityState>,
    ) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
        let (loaded, waiting) = (self.loaded.take(), std::mem::take(&mut self.waiting));
        let work = move || {
            let loaded = match loaded {
                Some(loaded) => loaded.extend(waiting),
                None => Loaded::open(None, waiting),
            };
            let loaded = loaded.map_err(FlowError::internal)?;
            loaded.fill(&mut states).map_err(FlowError::internal)?;
            Ok((loaded, states))
        };
        let (loaded, states) = blocking(work).await?;
        self.loaded = Some(loaded);
        Ok(states)
    }
}

/// Accept by accept, as it was then.
async fn derive(
    app: &App,
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
    changes: Vec<daybook_change::Model>,
) -> Result<Derived, FlowError> {
    let mut facts = Facts::default();
    let mut derived = Derived::default();
    let mut readings = Readings::new(of, row.party_id, BTreeSet::new());
    let mut oracle = Oracle::default();
    let mut elsewhere_known: BTreeSet<ActivityId> = BTreeSet::new();
    for accept in changes.chunk_by(|a, b| a.accept_no == b.accept_no) {
        for row in accept {
            let change = parsed(row)?;
            let (actor, start_op) = (Actor::new(&row.actor), unsigned(row.start_op));
            if !change.ops.is_empty() {
                facts
                    .add_row(&actor, start_op, unsigned(row.position), &row.objects)
                    .map_err(FlowError::internal)?;
            }
            let ids = touched(&change, &lookup(&facts));
            let new: BTreeSet<ActivityId> = ids.difference(&elsewhere_known).copied().collect();
            for owned in store::activities::of_ids(txn, of.neighbourhood, &new).await? {
                if owned.daybook_id != of.daybook.0 {
                    readings.leave(ActivityId(owned.id));
                }
            }
            elsewhere_known.extend(new);
            readings.reduce(&change, &lookup(&facts));
            oracle.waiting.push((change.hash, change.bytes));
        }
        let stale = readings.needing_document();
        if !stale.is_empty() {
            if oracle.loaded.is_none() {
                documents::count(app, of, DocumentReason::Rebuild);
            }
            let filled = oracle.fill(readings.take(&stale)).await?;
            readings.replace(filled);
        }
        keep(&mut derived, &mut readings, accept)?;
    }
    Ok(derived)
}

fn parsed(row: &daybook_change::Model) -> Result<Checked, FlowError> {
    match guard::inspect(&row.bytes).into_iter().next() {
        Some(Chunk::Change(change)) => Ok(*change),
        _ => Err(FlowError::internal(format!("the change at position {} cannot be read", row.position))),
    }
}

fn keep(
    derived: &mut Derived,
    readings: &mut Readings,
    accept: &[daybook_change::Model],
) -> Result<(), FlowError> {
    let Some(first) = accept.first() else { return Ok(()) };
    let before = first.position - 1;
    let bringer = Bringer {
        grant: first.admitted_grant_id.map(GrantId),
        at_ms: first.admitted_at_ms,
        skew_ms: first.admitted_skew_ms,
    };
    let rows = readings.rows(before, bringer)?;
    for version in &rows.versions {
        let id = ActivityId(version.activity_id);
        if let Some(older) = derived.versions.get_mut(&(id, version.version - 1)) {
            older.until_position = Some(before);
        }
        derived.versions.insert((id, version.version), version.clone());
    }
    derived.activities.extend(rows.activities.iter().map(|row| (ActivityId(row.id), row.clone())));
    readings.follow(&rows);
    Ok(())
}
