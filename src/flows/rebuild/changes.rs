//! The changes of a daybook, which all testimony is made of: each is the next one, is what its hash names, and goes on
//! from the chain before it; the daybook's row and its snapshot are what they come to.

use std::collections::BTreeSet;

use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};

use super::super::FlowError;
use super::super::accept::{hash, signed};
use super::super::documents;
use super::tables::{Mending, Wrong};
use super::{Difference, ROWS, Rebuilt, backend};
use crate::app::App;
use crate::merge::cursor::{CHAIN_START, chain_next};
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::{Hash, compact};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::Transaction;
use crate::store::changes::Of;
use crate::store::entity::{daybook, daybook_change, daybook_snapshot};

/// Why nothing can be made of a daybook.
pub enum Unsound {
    /// What it is made of is not what it was.
    Differs(Box<Difference>),
    Failed(FlowError),
}

impl From<FlowError> for Unsound {
    fn from(error: FlowError) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for Unsound {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

pub fn differs(about: String, expected: &str, found: &str) -> Unsound {
    let (expected, found) = (expected.to_owned(), found.to_owned());
    Unsound::Differs(Box::new(Difference { journal_no: None, about, expected, found }))
}

/// What is stored of a daybook: its changes with their bytes, those that compaction let go of from the snapshot.
pub struct Stored {
    pub changes: Vec<daybook_change::Model>,
    pub snapshot: Option<daybook_snapshot::Model>,
}

impl Stored {
    /// Reads them all.
    pub async fn read(app: &App, txn: &Transaction, of: Of, row: &daybook::Model) -> Result<Self, Unsound> {
        let mut changes: Vec<daybook_change::Model> = Vec::new();
        loop {
            let after = changes.last().map_or(0, |row| row.position);
            let rows = store::changes::rows_after(txn, of, after, ROWS).await?;
            if rows.is_empty() {
                break;
            }
            changes.extend(rows);
        }
        let snapshot = store::snapshots::find(txn, of).await?;
        let stored = Self { changes, snapshot };
        stored.with_bytes(app, of, row).await
    }

    async fn with_bytes(mut self, app: &App, of: Of, row: &daybook::Model) -> Result<Self, Unsound> {
        let about = format!("snapshot of daybook {}", of.daybook);
        let Some(snapshot) = &self.snapshot else {
            let let_go = self.changes.iter().any(|row| row.bytes.is_empty());
            return if let_go { Err(differs(about, "a row", "none")) } else { Ok(self) };
        };
        let bytes = snapshot.bytes.clone();
        let _room = app.room_to_load(documents::load_bytes(row)).await;
        documents::count(app, of, DocumentReason::Rebuild);
        let known = tokio::task::spawn_blocking(move || compact::changes_of(&bytes)).await;
        let Ok(mut known) = known.map_err(FlowError::internal)? else {
            return Err(differs(about, "the changes in it", "bytes that cannot be read"));
        };
        for row in self.changes.iter_mut().filter(|row| row.position <= snapshot.position) {
            let bytes = known.remove(&hash(&row.hash)?);
            match bytes {
                Some(bytes) if row.bytes.is_empty() => row.bytes = bytes,
                Some(_) => {}
                None => {
                    let expected = format!("the change at position {}", row.position);
                    return Err(differs(about, &expected, "none"));
                }
            }
        }
        if known.is_empty() { Ok(self) } else { Err(differs(about, "no other changes", "some")) }
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// What the changes of a daybook come to, as far as they were followed.
#[derive(Clone)]
pub struct Book {
    position: i64,
    chain: Hash,
    heads: BTreeSet<Hash>,
    max_op: i64,
    raw_bytes: i64,
}

impl Book {
    /// Before the first change.
    pub fn new() -> Self {
        Self { position: 0, chain: CHAIN_START, heads: BTreeSet::new(), max_op: 0, raw_bytes: 0 }
    }

    /// The next change, read from its row.
    pub fn follow(&mut self, row: &daybook_change::Model) -> Result<Checked, Unsound> {
        let about = || format!("change {} of daybook {}", row.position, row.daybook_id);
        let Some(Chunk::Change(change)) = guard::inspect(&row.bytes).into_iter().next() else {
            return Err(differs(about(), "a change", "bytes that cannot be read"));
        };
        self.chain = chain_next(&self.chain, &change.hash);
        self.position += 1;
        for dep in &change.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(change.hash);
        self.max_op = self.max_op.max(signed(change.max_op));
        self.raw_bytes += signed(change.size());
        let again = daybook_change::Model {
            position: self.position,
            hash: change.hash.to_vec(),
            actor: change.actor.as_bytes().to_vec(),
            seq: signed(change.seq),
            start_op: signed(change.start_op),
            max_op: signed(change.max_op),
            chain: self.chain.to_vec(),
            ..row.clone()
        };
        match Difference::between(None, about(), Some(&again), Some(row)) {
            Some(difference) => Err(Unsound::Differs(Box::new(difference))),
            None => Ok(*change),
        }
    }

    fn heads(&self) -> Vec<u8> {
        self.heads.iter().flatten().copied().collect()
    }

    /// Compares the daybook's row: another end of the changes is another daybook, all else follows from them.
    pub fn compare(
        &self,
        txn: &Transaction,
        row: &daybook::Model,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), Unsound> {
        let about = format!("daybook {}", row.id);
        let end = daybook::Model { position: self.position, chain: self.chain.to_vec(), ..row.clone() };
        if let Some(difference) = Difference::between(None, about.clone(), Some(&end), Some(row)) {
            return Err(Unsound::Differs(Box::new(difference)));
        }
        let again = daybook::Model {
            heads: self.heads(),
            max_op: self.max_op,
            raw_bytes: self.raw_bytes,
            // What differed is made again, so compaction may try again.
            compaction_alarm: None,
            ..end
        };
        // That compaction stopped is no difference.
        let alarmed = daybook::Model { compaction_alarm: row.compaction_alarm.clone(), ..again.clone() };
        let difference = Difference::between(None, about, Some(&alarmed), Some(row));
        if difference.is_some() || row.compaction_alarm.is_some() {
            mending.first.rewrite::<daybook::Entity>(backend(txn), &[again]);
        }
        rebuilt.daybooks.add(difference);
        Ok(())
    }

    /// Compares the snapshot, whose last change this is; that these changes are in it and no others was seen before.
    pub fn compare_snapshot(
        &self,
        txn: &Transaction,
        row: daybook_snapshot::Model,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) {
        let again = daybook_snapshot::Model {
            position: self.position,
            chain: self.chain.to_vec(),
            heads: self.heads(),
            raw_bytes: self.raw_bytes,
            bytes_count: i64::try_from(row.bytes.len()).unwrap_or(i64::MAX),
            hash: digest(&row.bytes),
            ..row.clone()
        };
        let named = (None, format!("snapshot of daybook {}", row.daybook_id));
        let mut wrong = Wrong::<daybook_snapshot::Entity>::default();
        wrong.compare(named, Some(again), Some(row), &mut rebuilt.snapshots);
        wrong.replace(backend(txn), mending);
    }
}
