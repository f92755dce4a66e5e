//! Daybooks as documents: the stored bytes, and the few times that they are loaded.
//!
//! Stored are a snapshot, where compaction made one, and the changes after it. Nothing here locks anything:
//! whoever reads while a compaction lets go of bytes sees a change without any, and reads again.

use std::ops::Range;
use std::sync::Arc;

use sea_orm::ConnectionTrait;

use super::FlowError;
use super::accept::{hash, unsigned};
use crate::app::{App, Payer};
use crate::domain::limits::{
    CHANGE_BYTES_MAX, COMPACT_LOAD_BYTES_MAX, DOCUMENT_LOAD_FACTOR, DOCUMENT_OPERATION_BYTES,
    DOWNLOAD_PART_BYTES,
};
use crate::merge::Hash;
use crate::merge::guard::Checked;
use crate::merge::loaded::{self, Loaded};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::changes::{Of, Sent};
use crate::store::entity::{daybook, daybook_snapshot};
use crate::store::snapshots::Named;

/// Rows read at once.
const ROWS: u64 = 1_000;
/// How often reading starts again because a compaction was at it.
const READS_MAX: usize = 5;

/// The one place that knows of every load.
pub(super) fn count(app: &App, of: Of, reason: DocumentReason) {
    app.metrics().sync.document_loaded(reason);
    tracing::debug!(daybook = %of.daybook, reason = reason.as_str(), "a document is loaded");
}

/// What a load takes at its peak, so that big ones wait for each other.
pub(super) fn load_bytes(row: &daybook::Model) -> u64 {
    loaded::loaded_bytes(unsigned(row.operations), unsigned(row.position))
        .saturating_mul(DOCUMENT_LOAD_FACTOR)
}

/// Whether the memory is there to load a daybook for whoever pushes, edits or compacts. Where a text was left unread
/// because it is not, no compaction finds that Automerge reads it otherwise: a daybook never gets smaller.
pub(super) fn fits(row: &daybook::Model) -> bool {
    may_be_loaded(unsigned(row.operations), unsigned(row.position))
}

/// The same of a daybook with so many operations and changes.
pub(super) fn may_be_loaded(operations: u64, changes: u64) -> bool {
    loaded::loaded_bytes(operations, changes).saturating_mul(DOCUMENT_LOAD_FACTOR) <= COMPACT_LOAD_BYTES_MAX
}

/// What a load costs in the budget of a grant: what it takes, in operations, each of which costs a byte.
pub(super) fn weight(row: &daybook::Model) -> u64 {
    loaded::loaded_bytes(unsigned(row.operations), unsigned(row.position)) / DOCUMENT_OPERATION_BYTES
}

/// The document of a daybook as it stands now, from memory or loaded; a load is paid for, if anybody pays. Put it back
/// with [`keep`].
pub(super) async fn current(
    app: &App,
    of: Of,
    reason: DocumentReason,
    payer: Option<Payer>,
) -> Result<Loaded, FlowError> {
    if let Some(cached) = app.documents().take(of.neighbourhood, of.daybook)
        && let Some(loaded) = caught_up(app, of, cached).await?
    {
        return Ok(loaded);
    }
    let db = app.db().read();
    let row = store::daybooks::find(db, of.neighbourhood, of.daybook).await?.ok_or(FlowError::NotFound)?;
    let _room = app.room_to_load(load_bytes(&row)).await;
    if let Some(payer) = payer {
        app.spend(payer, weight(&row));
    }
    count(app, of, reason);
    let Stored { snapshot, changes } = stored(db, of).await?;
    let work = move || {
        Loaded::open(snapshot.map(of_row).transpose()?.as_ref(), with_hashes(changes)?)
            .map_err(FlowError::internal)
    };
    tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?
}

/// Remembers a document for the next who needs it.
pub(super) fn keep(app: &App, of: Of, loaded: Loaded) {
    app.documents().keep(of.neighbourhood, of.daybook, loaded);
}

/// A remembered document with what was accepted since, unless it holds anything else.
async fn caught_up(app: &App, of: Of, cached: Loaded) -> Result<Option<Loaded>, FlowError> {
    let db = app.db().read();
    let chain = store::changes::chain_at(db, of, cached.position()).await?;
    if chain.as_deref() != Some(cached.chain().as_slice()) {
        return Ok(None);
    }
    let Some(changes) = read_after(db, of, cached.position()).await? else { return Ok(None) };
    if changes.is_empty() {
        return Ok(Some(cached));
    }
    let changes = with_hashes(changes)?;
    let work = move || cached.extend(changes).map_err(FlowError::internal);
    tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?.map(Some)
}

/// A snapshot, where there is one, and the changes after it.
pub(super) struct Stored {
    pub snapshot: Option<daybook_snapshot::Model>,
    pub changes: Vec<Sent>,
}

/// Reads what is stored of a daybook.
pub(super) async fn stored(db: &impl ConnectionTrait, of: Of) -> Result<Stored, FlowError> {
    for _ in 0..READS_MAX {
        let snapshot = store::snapshots::find(db, of).await?;
        let after = snapshot.as_ref().map_or(0, |row| unsigned(row.position));
        if let Some(changes) = read_after(db, of, after).await? {
            return Ok(Stored { snapshot, changes });
        }
    }
    Err(FlowError::Busy)
}

/// All changes after a position; nothing where the bytes of one are gone.
async fn read_after(
    db: &impl ConnectionTrait,
    of: Of,
    mut after: u64,
) -> Result<Option<Vec<Sent>>, FlowError> {
    let mut changes: Vec<Sent> = Vec::new();
    loop {
        let rows = store::changes::after(db, of, after, ROWS).await?;
        let Some(last) = rows.last() else { return Ok(Some(changes)) };
        if rows.iter().any(|row| row.bytes.is_empty()) {
            return Ok(None);
        }
        after = unsigned(last.position);
        changes.extend(rows);
    }
}

/// A stored snapshot as the document's.
pub(super) fn of_row(row: daybook_snapshot::Model) -> Result<loaded::Base, FlowError> {
    Ok(loaded::Base { position: unsigned(row.position), chain: hash(&row.chain)?, bytes: row.bytes })
}

/// Changes as the document takes them.
pub(super) fn with_hashes(changes: Vec<Sent>) -> Result<Vec<(Hash, Vec<u8>)>, FlowError> {
    changes.into_iter().map(|row| Ok((hash(&row.hash)?, row.bytes))).collect()
}

/// The same of changes about to be accepted.
pub(super) fn about_to_be(accepted: &[Arc<Checked>]) -> Vec<(Hash, Vec<u8>)> {
    accepted.iter().map(|change| (change.hash, change.bytes.clone())).collect()
}

/// The bytes of a download, named.
#[derive(Debug, Clone)]
pub struct Download {
    pub row: daybook::Model,
    snapshot: Option<Named>,
    /// Where the last part ended among the changes.
    stopped: Option<Place>,
}

/// A place between two changes of a download.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Of the change before.
    position: u64,
    /// The byte that the next change begins with.
    at: u64,
}

impl Download {
    /// What a daybook's download is now.
    ///
    /// # Errors
    /// [`FlowError::NotFound`]; [`FlowError`] of the database.
    pub async fn of(app: &App, of: Of) -> Result<Self, FlowError> {
        let db = app.db().read();
        // The snapshot first: it never is ahead of a row that is read later.
        let snapshot = store::snapshots::named(db, of).await?;
        let row =
            store::daybooks::find(db, of.neighbourhood, of.daybook).await?.ok_or(FlowError::NotFound)?;
        Ok(Self { row, snapshot, stopped: None })
    }

    /// Names the bytes: the chain names the changes and their order, the snapshot's hash how they are stored.
    #[must_use]
    pub fn etag(&self) -> String {
        let chain = hex::encode(&self.row.chain);
        match &self.snapshot {
            Some(snapshot) => format!("\"{}-{chain}\"", hex::encode(&snapshot.hash)),
            None => format!("\"{chain}\""),
        }
    }

    /// How many bytes it has.
    #[must_use]
    pub fn bytes_count(&self) -> u64 {
        let (bytes, raw) = self.snapshot.as_ref().map_or((0, 0), |row| (row.bytes_count, row.raw_bytes));
        unsigned(bytes.saturating_add(self.row.raw_bytes.saturating_sub(raw)))
    }

    /// A part of the bytes; nothing where a compaction has changed them since, to be asked for anew. Waits until
    /// what it takes fits beside the documents that are loaded: together they stay within one bound.
    ///
    /// # Errors
    /// [`FlowError`] of the database.
    pub async fn part(
        &mut self,
        app: &App,
        of: Of,
        wanted: Range<u64>,
    ) -> Result<Option<Vec<u8>>, FlowError> {
        let _room = app.room_to_load(self.part_bytes(&wanted)).await;
        let mut bytes = Vec::new();
        let kept = self.snapshot_bytes();
        if let Some(snapshot) = self.snapshot.as_ref().filter(|_| wanted.start < kept) {
            let count = wanted.end.min(kept).saturating_sub(wanted.start);
            let (db, position) = (app.db().read(), snapshot.position);
            match store::changes::of_snapshot(db, of, position, wanted.start, count).await? {
                Some(stored) => bytes = stored,
                None => return Ok(None),
            }
        }
        if wanted.end > kept && !self.changes_part(app, of, &wanted, &mut bytes).await? {
            return Ok(None);
        }
        let whole = u64::try_from(bytes.len()).is_ok_and(|count| count == wanted.end - wanted.start);
        Ok(whole.then_some(bytes))
    }

    /// What building a part takes at its peak. SQLite has a whole snapshot in memory to cut a part out of it.
    fn part_bytes(&self, wanted: &Range<u64>) -> u64 {
        let snapshot = if wanted.start < self.snapshot_bytes() { self.snapshot_bytes() } else { 0 };
        let change = u64::try_from(CHANGE_BYTES_MAX).unwrap_or_default();
        let rows = if wanted.end > self.snapshot_bytes() { DOWNLOAD_PART_BYTES + change } else { 0 };
        snapshot.saturating_add(wanted.end.saturating_sub(wanted.start)).saturating_add(rows)
    }

    fn snapshot_bytes(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |row| unsigned(row.bytes_count))
    }

    /// Adds what a part has of the changes after the snapshot; says whether they all have their bytes.
    async fn changes_part(
        &mut self,
        app: &App,
        of: Of,
        wanted: &Range<u64>,
        bytes: &mut Vec<u8>,
    ) -> Result<bool, FlowError> {
        let (db, last) = (app.db().read(), unsigned(self.row.position));
        let Some(mut place) = self.place(app, of, wanted.start).await? else { return Ok(false) };
        while place.at < wanted.end && place.position < last {
            let to = last.min(place.position.saturating_add(ROWS));
            let most = DOWNLOAD_PART_BYTES.min(wanted.end - place.at);
            let rows = store::changes::within(db, of, place.position, to, most).await?;
            if rows.is_empty() || rows.iter().any(|row| row.bytes.is_empty()) {
                return Ok(false);
            }
            for row in rows {
                let end = place.at.saturating_add(u64::try_from(row.bytes.len()).unwrap_or_default());
                let of_row =
                    |at: u64| usize::try_from(at.clamp(place.at, end) - place.at).unwrap_or_default();
                let part = of_row(wanted.start)..of_row(wanted.end);
                bytes.extend_from_slice(row.bytes.get(part).unwrap_or_default());
                if end > wanted.end {
                    self.stopped = Some(place);
                    return Ok(true);
                }
                place = Place { position: unsigned(row.position), at: end };
            }
        }
        self.stopped = Some(place);
        Ok(true)
    }

    /// The last place between two changes that is not behind a byte: where the part before ended, or looked up.
    async fn place(&self, app: &App, of: Of, byte: u64) -> Result<Option<Place>, FlowError> {
        let first = Place {
            position: self.snapshot.as_ref().map_or(0, |row| unsigned(row.position)),
            at: self.snapshot_bytes(),
        };
        if byte <= first.at {
            return Ok(Some(first));
        }
        if let Some(stopped) = self.stopped.filter(|stopped| stopped.at <= byte) {
            return Ok(Some(stopped));
        }
        let (db, last) = (app.db().read(), unsigned(self.row.position));
        let holder = store::changes::holding(db, of, first.position, last, byte - first.at).await?;
        // Where a compaction has let go of the bytes of any of these, the sizes are not what they were.
        if store::snapshots::named(db, of).await?.map(|row| row.hash)
            != self.snapshot.as_ref().map(|row| row.hash.clone())
        {
            return Ok(None);
        }
        Ok(holder.map(|(position, ahead)| Place {
            position: unsigned(position).saturating_sub(1),
            at: first.at.saturating_add(unsigned(ahead)),
        }))
    }
}
