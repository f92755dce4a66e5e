//! Documents in memory, each as its daybook stood at a position, and the cache of them.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use automerge::{Automerge, ReadDoc as _};
use moka::sync::Cache;

use super::as_of;
use super::cursor::{CHAIN_START, chain_next};
use super::document::{self, DocumentError};
use super::op::Hash;
use super::state::ActivityState;
use super::write::Edit;
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId};
use crate::domain::limits::{DOCUMENT_CHANGE_BYTES, DOCUMENT_OPERATION_BYTES, DOCUMENT_RECEIVED_BYTES_MAX};

/// A document with exactly the changes up to a position of its daybook.
///
/// The chain names these changes, so a document that was extended by changes that were not committed in the end
/// meets no row with its chain, and is of no use to anybody: nothing else has to be kept track of.
#[derive(Debug)]
pub struct Loaded {
    position: u64,
    chain: Hash,
    /// Bytes of the changes that it got one by one.
    received: u64,
    document: Automerge,
}

/// What a document begins with: a snapshot.
#[derive(Debug)]
pub struct Base {
    pub position: u64,
    pub chain: Hash,
    pub bytes: Vec<u8>,
}

impl Loaded {
    /// A document of nobody's daybook.
    #[cfg(test)]
    pub(super) fn of(document: Automerge) -> Self {
        Self { position: 0, chain: CHAIN_START, received: 0, document }
    }

    /// Loads a document from a snapshot, where there is one, and the changes after it.
    ///
    /// # Errors
    /// Where Automerge refuses, panics, or lacks a dependency.
    pub fn open(
        snapshot: Option<&Base>,
        changes: impl IntoIterator<Item = (Hash, Vec<u8>)>,
    ) -> Result<Self, DocumentError> {
        let empty: [&[u8]; 0] = [];
        let loaded = match snapshot {
            Some(Base { position, chain, bytes }) => {
                let document = document::open(bytes, empty)?;
                Self { position: *position, chain: *chain, received: 0, document }
            }
            None => Self { position: 0, chain: CHAIN_START, received: 0, document: document::load(empty)? },
        };
        loaded.extend(changes)
    }

    /// The document with further changes, in their order.
    ///
    /// # Errors
    /// As [`Loaded::open`]; the document is lost.
    pub fn extend(self, changes: impl IntoIterator<Item = (Hash, Vec<u8>)>) -> Result<Self, DocumentError> {
        let Self { mut position, mut chain, mut received, document } = self;
        let note = |(hash, bytes): (Hash, Vec<u8>)| {
            position = position.saturating_add(1);
            chain = chain_next(&chain, &hash);
            received = received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            bytes
        };
        let bytes: Vec<Vec<u8>> = changes.into_iter().map(note).collect();
        let document = if bytes.is_empty() { document } else { document::extend(document, bytes)? };
        Ok(Self { position, chain, received, document })
    }

    /// Changes in it.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The chain at its position.
    #[must_use]
    pub fn chain(&self) -> &Hash {
        &self.chain
    }

    /// Fills the texts that the reducer left to the document.
    ///
    /// # Errors
    /// Where the document lacks a text of a state.
    pub fn fill(&self, states: &mut BTreeMap<ActivityId, ActivityState>) -> Result<(), DocumentError> {
        states.values_mut().try_for_each(|state| document::fill(state, &self.document))
    }

    /// Whether Automerge can apply a change on top, and load again what it saves then.
    #[must_use]
    pub fn is_sound_with(&self, change: &[u8]) -> bool {
        let copy = document::guarded(|| Ok(self.document.clone()));
        let with_it = copy.and_then(|document| document::extend(document, [change]));
        with_it.is_ok_and(|document| document::saves_soundly(&document))
    }

    /// A change that writes in an activity as of the changes that are `known`, whatever came after them: its hash and
    /// its bytes.
    ///
    /// # Errors
    /// Where the document lacks one of them, or Automerge refuses or panics.
    pub fn edit_as_of(
        &self,
        known: &HashSet<Hash>,
        actor: &[u8],
        time_s: i64,
        edit: &Edit<'_>,
    ) -> Result<(Hash, Vec<u8>), DocumentError> {
        as_of::edit(&self.document, known, actor, time_s, edit)
    }

    /// What it takes in memory, as an estimate.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let stats = self.document.stats();
        loaded_bytes(stats.num_ops, stats.num_changes)
    }

    /// A document that got a large history change by change stays as large as that was, so it is let go.
    fn is_bloated(&self) -> bool {
        self.received > DOCUMENT_RECEIVED_BYTES_MAX
    }
}

/// What a document of so many operations and changes takes in memory, as an estimate.
#[must_use]
pub fn loaded_bytes(operations: u64, changes: u64) -> u64 {
    let operations = operations.saturating_mul(DOCUMENT_OPERATION_BYTES);
    operations.saturating_add(changes.saturating_mul(DOCUMENT_CHANGE_BYTES))
}

type Key = (NeighbourhoodId, DaybookId);

/// Taken by whoever works with it, and put back.
#[derive(Debug)]
struct Slot {
    bytes: u32,
    loaded: Mutex<Option<Loaded>>,
}

/// Documents that may be needed again, at most so many bytes of them.
#[derive(Debug)]
pub struct Documents(Cache<Key, Arc<Slot>>);

impl Documents {
    /// A cache of at most so many bytes, as [`Loaded::bytes`] estimates them.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        let cache = Cache::builder().weigher(|_: &Key, slot: &Arc<Slot>| slot.bytes).max_capacity(bytes_max);
        Self(cache.build())
    }

    /// Takes the document of a daybook out: one works with it at a time, whoever comes second loads it.
    #[must_use]
    pub fn take(&self, neighbourhood: NeighbourhoodId, daybook: DaybookId) -> Option<Loaded> {
        let slot = self.0.remove(&(neighbourhood, daybook))?;
        slot.loaded.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Puts a document in, unless it is larger than what it holds.
    pub fn keep(&self, neighbourhood: NeighbourhoodId, daybook: DaybookId, loaded: Loaded) {
        if loaded.is_bloated() {
            return;
        }
        let bytes = u32::try_from(loaded.bytes()).unwrap_or(u32::MAX);
        let slot = Slot { bytes, loaded: Mutex::new(Some(loaded)) };
        self.0.insert((neighbourhood, daybook), Arc::new(slot));
    }

    /// What all documents take, as an estimate.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.run_pending_tasks();
        self.0.weighted_size()
    }
}
