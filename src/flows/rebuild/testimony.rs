//! Activities and versions again, from the changes of a daybook in the order and the accepts they came in.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::ConnectionTrait as _;

use super::super::FlowError;
use super::super::accept::{Bringer, Readings, fill_states, lookup, unsigned};
use super::{Rebuilt, backend};
use crate::domain::ids::{ActivityId, GrantId};
use crate::merge::admit::Facts;
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::{Actor, touched};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::changes::Of;
use crate::store::entity::{activity, activity_version, daybook, daybook_change};

/// Rows read at once.
const ROWS: u64 = 1_000;

/// Everything derived from a daybook's changes.
#[derive(Default)]
struct Derived {
    activities: BTreeMap<ActivityId, activity::Model>,
    versions: BTreeMap<(ActivityId, i64), activity_version::Model>,
}

/// Rebuilds one daybook and compares with its rows.
pub async fn rebuild(
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let changes = read(txn, of).await?;
    let stored = store::activities::of_daybook(txn, of.neighbourhood, of.daybook).await?;
    let mut derived = derive(txn, of, row, changes).await?;
    for version in store::activities::versions_of_daybook(txn, of.neighbourhood, of.daybook).await? {
        let key = (ActivityId(version.activity_id), version.version);
        let again = derived.versions.remove(&key);
        // What is numbered is the journal's to say.
        let again = again.map(|again| activity_version::Model { journal_no: version.journal_no, ..again });
        let same = again.as_ref() == Some(&version);
        rebuilt.versions.add(same, || format!("{} version {}", key.0, key.1));
        if let Some(again) = again.filter(|_| !same) {
            batch.push(store::activities::rewrite_version(backend(txn), again));
        }
    }
    let mut rows = Vec::new();
    for stored in stored {
        let again = derived.activities.remove(&ActivityId(stored.id));
        let same = again.as_ref() == Some(&stored);
        rebuilt.activities.add(same, || stored.id.to_string());
        rows.extend(again.filter(|_| !same));
    }
    for (id, missing) in derived.activities {
        rebuilt.activities.add(false, || format!("{id} was missing"));
        rows.push(missing);
    }
    for statement in store::activities::upsert(txn.get_database_backend(), rows) {
        txn.execute_raw(statement).await?;
    }
    for ((id, version), missing) in derived.versions {
        rebuilt.versions.add(false, || format!("{id} version {version} was missing"));
        batch.insert::<activity_version::Entity>(backend(txn), vec![missing]);
    }
    Ok(())
}

async fn read(txn: &Transaction, of: Of) -> Result<Vec<daybook_change::Model>, FlowError> {
    let mut changes: Vec<daybook_change::Model> = Vec::new();
    loop {
        let after = changes.last().map_or(0, |row| row.position);
        let rows = store::changes::rows_after(txn, of, after, ROWS).await?;
        if rows.is_empty() {
            return Ok(changes);
        }
        changes.extend(rows);
    }
}

/// Accept by accept, as it was then.
async fn derive(
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
    changes: Vec<daybook_change::Model>,
) -> Result<Derived, FlowError> {
    let mut facts = Facts::default();
    let mut derived = Derived::default();
    let mut readings = Readings::new(of, row.party_id, BTreeSet::new());
    let mut bytes: Vec<Vec<u8>> = Vec::new();
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
            bytes.push(row.bytes.clone());
        }
        let stale = readings.needing_document();
        if !stale.is_empty() {
            let states = readings.take(&stale);
            readings.replace(fill_states(bytes.clone(), states).await?);
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
    let bringer = Bringer { grant: first.admitted_grant_id.map(GrantId), at_ms: first.admitted_at_ms };
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
