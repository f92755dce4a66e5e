//! Compaction: one document chunk in place of many changes, built and proved before anything is dropped.
//!
//! A snapshot is good where Automerge loads it again with the heads and the changes that the daybook has, gives
//! every change back with the bytes that its hash names, and reads every activity as its state does. The bytes
//! of two snapshots of one document may differ (they depend on the order of arrival) and are never compared.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sha2::{Digest, Sha256};

use super::document::{self, DocumentError};
use super::op::Hash;
use super::state::ActivityState;
use super::state_wire::BadState;
use crate::domain::ids::ActivityId;

/// Everything that a daybook holds, as of one moment.
#[derive(Debug, Default)]
pub struct Source {
    /// The snapshot there is: `save()` of an earlier compaction.
    pub snapshot: Option<Vec<u8>>,
    /// Raw chunks of the changes after it, with their hashes, in order.
    pub changes: Vec<(Hash, Vec<u8>)>,
    /// All accepted changes, those in the snapshot included.
    pub hashes: HashSet<Hash>,
    pub heads: BTreeSet<Hash>,
    /// The stored state of each of its activities.
    pub states: BTreeMap<ActivityId, Vec<u8>>,
}

/// A snapshot that was proved.
#[derive(Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub bytes: Vec<u8>,
    /// SHA-256 of the bytes.
    pub hash: Hash,
    /// Activities that the document reads and no state was given for: another daybook must own their ids.
    pub without_state: BTreeSet<ActivityId>,
}

/// Why a snapshot may not stand in for the changes. Says nothing of what residents wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompactError {
    #[error("no document: {0}")]
    Document(#[from] DocumentError),
    #[error(transparent)]
    State(#[from] BadState),
    #[error("the snapshot has other heads than the daybook")]
    Heads,
    #[error("the snapshot has other changes than the daybook")]
    Changes,
    #[error("a change comes back with other bytes")]
    Bytes,
    #[error("activity {0} reads otherwise than its state")]
    Reading(ActivityId),
    #[error("the document would take too much memory")]
    TooLarge,
}

impl CompactError {
    /// A stable word for the alarm.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Document(_) => "document",
            Self::State(_) => "state",
            Self::Heads => "heads",
            Self::Changes => "changes",
            Self::Bytes => "bytes",
            Self::Reading(_) => "reading",
            Self::TooLarge => "too_large",
        }
    }
}

/// Builds a snapshot and proves it.
///
/// # Errors
/// [`CompactError`] if it may not stand in for the changes.
pub fn compact(source: &Source) -> Result<Snapshot, CompactError> {
    let bytes = save(source)?;
    let again = document::open(&bytes, NO_CHANGES)?;
    let heads: BTreeSet<Hash> = again.get_heads().into_iter().map(|head| head.0).collect();
    if heads != source.heads {
        return Err(CompactError::Heads);
    }
    let (readings, changes) = document::read_with_changes(&again)?;
    drop(again);
    // The hashes are those of the bytes that came back, so that equal sets are equal bytes.
    if changes.len() != source.hashes.len() || !changes.keys().all(|hash| source.hashes.contains(hash)) {
        return Err(CompactError::Changes);
    }
    if source.changes.iter().any(|(hash, bytes)| changes.get(hash) != Some(bytes)) {
        return Err(CompactError::Bytes);
    }
    for (activity, stored) in &source.states {
        if readings.get(activity) != Some(&ActivityState::decode(stored)?.reading()) {
            return Err(CompactError::Reading(*activity));
        }
    }
    let without_state = readings.into_keys().filter(|id| !source.states.contains_key(id)).collect();
    Ok(Snapshot { hash: Sha256::digest(&bytes).into(), bytes, without_state })
}

/// Something panicked outside of Automerge.
pub const PANICKED: DocumentError = DocumentError::Panicked;

const NO_CHANGES: [&[u8]; 0] = [];

/// The document is gone when its bytes are there, so that two are never in memory at once.
fn save(source: &Source) -> Result<Vec<u8>, DocumentError> {
    let changes = source.changes.iter().map(|(_, bytes)| bytes);
    let document = match &source.snapshot {
        Some(snapshot) => document::open(snapshot, changes)?,
        None => document::load(changes)?,
    };
    document::guarded(|| Ok(document.save()))
}

/// The changes that a snapshot stands in for, each with the bytes that it was accepted with.
///
/// # Errors
/// Where Automerge cannot load the snapshot.
pub fn changes_of(snapshot: &[u8]) -> Result<HashMap<Hash, Vec<u8>>, DocumentError> {
    let document = document::open(snapshot, NO_CHANGES)?;
    document::guarded(|| {
        let changes = document.get_changes(&[]).into_iter();
        Ok(changes.map(|change| (change.hash().0, change.raw_bytes().to_vec())).collect())
    })
}
