//! Compaction: behind the answers, one daybook at a time, a snapshot takes the place of the bytes of older changes.
//!
//! It is built and proved outside of any transaction, from what is stored as of one moment, and put in place
//! under the daybook's lock. That the daybook has moved on meanwhile is no harm: changes are only ever added, so
//! what was proved of the first so many stays true, and a busy daybook does not starve. Only where another
//! replica put a snapshot in place first is this one let go. A snapshot that cannot be proved drops nothing: the
//! daybook's alarm stands, and nobody tries again until it is rebuilt.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sea_orm::ConnectionTrait;

use super::FlowError;
use super::accept::{hash, heads, signed, unsigned};
use super::documents::{self, Stored};
use crate::app::App;
use crate::domain::ids::ActivityId;
use crate::domain::limits::{
    COMPACT_CHANGES_MAX, COMPACT_KEPT_PART, COMPACT_RAW_BYTES_MIN, COMPACT_RAW_PART, DOCUMENT_LOADS_BYTES_MAX,
};
use crate::merge::compact::{self, CompactError, Snapshot, Source};
use crate::metrics::{CompactionEnd, DocumentReason, Flow};
use crate::store;
use crate::store::Batch;
use crate::store::changes::Of;
use crate::store::entity::{daybook, daybook_snapshot};

/// How often to look for what has grown without having been rung for: after a crash, or on another replica.
const TICK: Duration = Duration::from_secs(300);
/// From a ring to the work, so that a first sync in many parts is compacted once and not once a part.
const PAUSE: Duration = Duration::from_secs(3);
/// Daybooks of one look.
const LOOK_MAX: u64 = 1_000;

/// What a compaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compacted {
    /// There was nothing new to compact.
    Nothing,
    /// A snapshot of the changes up to here is in place.
    Done { position: u64 },
    /// Another replica was faster, or the daybook is gone.
    Outrun,
    /// Nothing was dropped, and nothing will be until the daybook is rebuilt.
    Alarm(String),
}

/// Works until the process drains, at most half of the time.
pub async fn compactor(app: App) {
    look(&app).await;
    while !app.is_draining() {
        if tokio::time::timeout(TICK, app.compaction().rung()).await.is_err() {
            look(&app).await;
        }
        tokio::time::sleep(PAUSE).await;
        for (neighbourhood, daybook) in app.compaction().take().into_keys() {
            if app.is_draining() {
                return;
            }
            let began = Instant::now();
            if let Err(error) = compact(&app, Of { neighbourhood, daybook }).await {
                tracing::warn!(%error, %daybook, "a daybook could not be compacted now");
            }
            tokio::time::sleep(began.elapsed()).await;
        }
    }
}

/// Rings for every daybook that has grown enough.
async fn look(app: &App) {
    match store::daybooks::to_compact(app.db().read(), COMPACT_RAW_BYTES_MIN, LOOK_MAX).await {
        Ok(found) => found.into_iter().for_each(|daybook| app.compaction().ring(daybook)),
        Err(error) => tracing::warn!(%error, "cannot look for daybooks to compact"),
    }
}

/// Compacts a daybook, whether or not it has grown enough.
///
/// # Errors
/// [`FlowError`] of the database; nothing was dropped then that the snapshot in place does not have.
pub async fn compact(app: &App, of: Of) -> Result<Compacted, FlowError> {
    let began = Instant::now();
    let compacted = prove_and_put(app, of).await;
    let end = match &compacted {
        Ok(Compacted::Done { .. }) => CompactionEnd::Done,
        Ok(Compacted::Nothing) => CompactionEnd::Nothing,
        Ok(Compacted::Outrun) => CompactionEnd::Outrun,
        Ok(Compacted::Alarm(_)) => CompactionEnd::Alarm,
        Err(_) => CompactionEnd::Failed,
    };
    app.metrics().compaction.ended(end, began.elapsed());
    compacted
}

async fn prove_and_put(app: &App, of: Of) -> Result<Compacted, FlowError> {
    let row = store::daybooks::find(app.db().read(), of.neighbourhood, of.daybook).await?;
    let Some(row) = row.filter(|row| row.gone_at_ms.is_none()) else { return Ok(Compacted::Outrun) };
    if let Some(alarm) = row.compaction_alarm {
        return Ok(Compacted::Alarm(alarm));
    }
    if !documents::fits(&row) {
        return alarm(app, of, &CompactError::TooLarge).await;
    }
    // Never all of the room: who waits for an answer goes on beside it.
    let room = app.room_to_load(documents::load_bytes(&row).min(DOCUMENT_LOADS_BYTES_MAX / 2)).await;
    let Some((moment, source)) = read(app, of).await? else { return Ok(Compacted::Nothing) };
    documents::count(app, of, DocumentReason::Compaction);
    let proved = tokio::task::spawn_blocking(move || compact::compact(&source)).await;
    drop(room);
    match proved {
        Ok(Ok(snapshot)) => match owned_elsewhere(app, of, &snapshot.without_state).await? {
            None => put(app, of, moment, snapshot).await,
            Some(activity) => alarm(app, of, &CompactError::Reading(activity)).await,
        },
        Ok(Err(error)) => alarm(app, of, &error).await,
        Err(_) => alarm(app, of, &CompactError::Document(compact::PANICKED)).await,
    }
}

/// What the snapshot is made of, beside its bytes.
struct Moment {
    row: daybook::Model,
    /// Position of the snapshot that there was.
    before: Option<i64>,
    kept_from: i64,
    /// Positions and sizes of the changes since.
    sizes: Vec<(i64, usize)>,
}

/// Everything stored of a daybook, as of one moment; nothing where the snapshot has it all.
async fn read(app: &App, of: Of) -> Result<Option<(Moment, Source)>, FlowError> {
    let txn = app.db().begin_reading().await?;
    let Some(row) = store::daybooks::find(&txn, of.neighbourhood, of.daybook).await? else { return Ok(None) };
    let Stored { snapshot, changes } = documents::stored(&txn, of).await?;
    if changes.is_empty() {
        return Ok(None);
    }
    let hashes = store::changes::hashes(&txn, of, row.position).await?;
    let states = store::activities::states(&txn, of.neighbourhood, of.daybook).await?;
    txn.commit().await?;
    let moment = Moment {
        before: snapshot.as_ref().map(|row| row.position),
        kept_from: snapshot.as_ref().map_or(1, |row| row.kept_from),
        sizes: changes.iter().map(|row| (row.position, row.bytes.len())).collect(),
        row,
    };
    let source = Source {
        snapshot: snapshot.map(|row| row.bytes),
        changes: documents::with_hashes(changes)?,
        hashes: hashes.iter().map(|bytes| hash(bytes)).collect::<Result<_, _>>()?,
        heads: heads(&moment.row.heads).into_iter().collect(),
        states: states.into_iter().map(|(id, state)| (ActivityId(id), state)).collect::<BTreeMap<_, _>>(),
    };
    Ok(Some((moment, source)))
}

/// One of these activities that no other daybook owns, if there is one.
async fn owned_elsewhere(
    app: &App,
    of: Of,
    ids: &BTreeSet<ActivityId>,
) -> Result<Option<ActivityId>, FlowError> {
    let rows = store::activities::of_ids(app.db().read(), of.neighbourhood, ids).await?;
    let elsewhere = rows.iter().filter(|row| row.daybook_id != of.daybook.0);
    let elsewhere: BTreeSet<ActivityId> = elsewhere.map(|row| ActivityId(row.id)).collect();
    Ok(ids.iter().find(|id| !elsewhere.contains(id)).copied())
}

/// Puts a snapshot in place, and lets go of the bytes that it stands in for.
async fn put(app: &App, of: Of, moment: Moment, snapshot: Snapshot) -> Result<Compacted, FlowError> {
    let Moment { row: then, before, kept_from, sizes } = moment;
    let size = signed(u64::try_from(snapshot.bytes.len()).unwrap_or(u64::MAX));
    let keep = keep_from(&sizes, snapshot.bytes.len() / COMPACT_KEPT_PART).max(kept_from);
    let mut timing = app.metrics().database.transaction(Flow::Compact);
    let txn = timing.begin(app.db().begin()).await?;
    let row = store::daybooks::lock(&txn, of.neighbourhood, of.daybook).await?;
    let Some(mut row) = row.filter(|row| row.gone_at_ms.is_none()) else { return Ok(Compacted::Outrun) };
    let now = store::snapshots::named(&txn, of).await?.map(|named| named.position);
    let chain = store::changes::chain_at(&txn, of, unsigned(then.position)).await?;
    if now != before || chain.as_ref() != Some(&then.chain) {
        return Ok(Compacted::Outrun);
    }
    let grown = size.max(then.raw_bytes / COMPACT_RAW_PART).max(COMPACT_RAW_BYTES_MIN);
    row.compact_at_raw_bytes = Some(then.raw_bytes.saturating_add(grown));
    let mut batch = Batch::default();
    let put = daybook_snapshot::Model {
        neighbourhood_id: of.neighbourhood.0,
        daybook_id: of.daybook.0,
        position: then.position,
        chain: then.chain,
        heads: then.heads,
        raw_bytes: then.raw_bytes,
        kept_from,
        made_at_ms: app.now_ms(),
        bytes_count: size,
        hash: snapshot.hash.to_vec(),
        bytes: snapshot.bytes,
    };
    batch.push(store::snapshots::put(txn.get_database_backend(), put));
    batch.push(store::daybooks::update(txn.get_database_backend(), row));
    batch.execute(&txn).await?;
    timing.commit(txn.commit()).await?;
    tracing::info!(daybook = %of.daybook, changes = then.position, bytes = size, "compacted");
    let_go(app, of, then.position, kept_from, keep).await?;
    Ok(Compacted::Done { position: unsigned(then.position) })
}

/// The first of the newest changes that are no larger than this together; the one after them all if none is.
fn keep_from(sizes: &[(i64, usize)], room: usize) -> i64 {
    let mut from = sizes.last().map_or(1, |(position, _)| position.saturating_add(1));
    let mut taken: usize = 0;
    for (position, size) in sizes.iter().rev() {
        taken = taken.saturating_add(*size);
        if taken > room {
            break;
        }
        from = *position;
    }
    from
}

/// Lets go of bytes, some at a time, so that nobody waits long for the daybook or, on SQLite, for the writer.
/// What a crash leaves is let go of at the next compaction.
async fn let_go(app: &App, of: Of, position: i64, mut from: i64, keep: i64) -> Result<(), FlowError> {
    while from < keep {
        let to = keep.min(from.saturating_add(COMPACT_CHANGES_MAX));
        let mut timing = app.metrics().database.transaction(Flow::Compact);
        let txn = timing.begin(app.db().begin()).await?;
        let row = store::daybooks::lock(&txn, of.neighbourhood, of.daybook).await?;
        let now = store::snapshots::named(&txn, of).await?.map(|named| named.position);
        if row.is_none() || now != Some(position) {
            return Ok(());
        }
        let mut batch = Batch::default();
        store::snapshots::let_go(txn.get_database_backend(), of, from, to)
            .into_iter()
            .for_each(|statement| batch.push(statement));
        batch.execute(&txn).await?;
        timing.commit(txn.commit()).await?;
        app.metrics().compaction.let_go(to.saturating_sub(from));
        from = to;
    }
    Ok(())
}

/// Raises the alarm: nothing is dropped, and nobody tries again until the daybook is rebuilt.
async fn alarm(app: &App, of: Of, error: &CompactError) -> Result<Compacted, FlowError> {
    tracing::error!(daybook = %of.daybook, code = error.code(), "no snapshot takes the place of changes here");
    let told = match error {
        CompactError::Reading(activity) => format!("{} {activity}", error.code()),
        _ => error.code().to_owned(),
    };
    let mut timing = app.metrics().database.transaction(Flow::Compact);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut row) = store::daybooks::lock(&txn, of.neighbourhood, of.daybook).await? else {
        return Ok(Compacted::Outrun);
    };
    row.compaction_alarm = Some(told.clone());
    txn.execute_raw(store::daybooks::update(txn.get_database_backend(), row)).await?;
    timing.commit(txn.commit()).await?;
    Ok(Compacted::Alarm(told))
}
