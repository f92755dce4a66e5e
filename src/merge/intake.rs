//! Takes the entries of a push in, within bounds: every chunk is opened and weighed first, which expands
//! nothing; only then is decoded what the daybook does not know yet, and no more of it than one request may.

use std::collections::HashSet;

use super::chunk::{self, RawChange};
use super::guard::{self, Checked, Chunk};
use super::op::Hash;
use super::refusal::RefusalCode;
use crate::domain::limits::{
    DEPENDENCY_OPERATIONS, INLINE_BYTES_MAX, REQUEST_CHUNKS_MAX, REQUEST_ENTRIES_CHUNKS_MAX,
    REQUEST_INFLATED_BYTES_MAX, REQUEST_OPERATIONS_MAX, REQUEST_REFUSED_MAX,
};

/// What became of one chunk of a push before its daybook was asked.
#[derive(Debug, Clone)]
pub enum Taken {
    Change(Box<Checked>),
    Refused {
        /// The change's hash where it is known, else the SHA-256 of the bytes.
        hash: Hash,
        code: RefusalCode,
        detail: String,
        bytes: Vec<u8>,
    },
    /// Accepted before, so it was not decoded.
    Known(Hash),
    /// Held or refused before, or too much for this request: it was not decoded.
    Unread(Hash),
}

/// The entries of a push for one daybook, opened.
#[derive(Debug, Default)]
pub struct Opened {
    chunks: Vec<Sealed>,
    weight: u64,
    changes: usize,
}

#[derive(Debug)]
enum Sealed {
    Raw { raw: RawChange, weight: u64 },
    Done(Taken),
}

/// What is left of a request's room for decoding.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    operations: u64,
    inflated: usize,
    /// The first change of a request is always decoded, or a large one would never get in.
    first: bool,
}

impl Default for Room {
    fn default() -> Self {
        Self { operations: REQUEST_OPERATIONS_MAX, inflated: REQUEST_INFLATED_BYTES_MAX, first: true }
    }
}

impl Room {
    /// Operations that may still be decoded.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }
}

/// Whether opening these entries takes no time worth mentioning: few bytes, and none that inflate.
#[must_use]
pub fn is_small(entries: &[Vec<u8>]) -> bool {
    let bytes: usize = entries.iter().map(Vec::len).sum();
    bytes <= INLINE_BYTES_MAX && !entries.iter().any(|entry| holds_deflated(entry))
}

fn holds_deflated(entry: &[u8]) -> bool {
    let mut rest = entry;
    while let Some((first, after)) = chunk::split_first(rest) {
        if chunk::is_deflated(first) {
            return true;
        }
        rest = after;
    }
    false
}

impl Opened {
    /// Opens and weighs every chunk: checksums, sizes and run-lengths, as [`guard`] does; nothing is expanded.
    #[must_use]
    pub fn open(entries: &[Vec<u8>], room: &mut Room) -> Self {
        let mut opened = Self::default();
        let mut refused = 0;
        for entry in entries {
            let mut rest = entry.as_slice();
            while !rest.is_empty() {
                let full =
                    opened.chunks.len() >= REQUEST_ENTRIES_CHUNKS_MAX || refused >= REQUEST_REFUSED_MAX;
                let Some((first, after)) = chunk::split_first(rest).filter(|_| !full) else {
                    opened.chunks.push(Sealed::Done(whole(rest, full)));
                    refused += 1;
                    break;
                };
                rest = after;
                let sealed = seal(first, room);
                refused += usize::from(matches!(sealed, Sealed::Done(Taken::Refused { .. })));
                if let Sealed::Raw { weight, .. } = &sealed {
                    opened.weight = opened.weight.saturating_add(*weight);
                    opened.changes += 1;
                }
                opened.chunks.push(sealed);
            }
        }
        opened
    }

    /// Operations that decoding would expand, each dependency counted as some, and as one each predecessor beyond
    /// an operation's first.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Chunks that would be decoded.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// The hashes of what would be decoded.
    pub fn hashes(&self) -> impl Iterator<Item = Hash> {
        self.chunks.iter().filter_map(|sealed| match sealed {
            Sealed::Raw { raw, .. } => Some(raw.hash),
            Sealed::Done(_) => None,
        })
    }

    /// Decodes what is neither `known` (accepted before) nor `seen` (held or refused before), as far as there
    /// is room. After the first change without room nothing new is decoded: it may build on that one.
    #[must_use]
    pub fn decode(self, known: &HashSet<Hash>, seen: &HashSet<Hash>, room: &mut Room) -> Vec<Taken> {
        let mut taken = Vec::with_capacity(self.chunks.len());
        let (mut decoded, mut full) = (0, false);
        for sealed in self.chunks {
            taken.push(match sealed {
                Sealed::Done(done) => done,
                Sealed::Raw { raw, .. } if known.contains(&raw.hash) => Taken::Known(raw.hash),
                Sealed::Raw { raw, .. } if seen.contains(&raw.hash) => Taken::Unread(raw.hash),
                Sealed::Raw { raw, weight } => {
                    full |= decoded >= REQUEST_CHUNKS_MAX || (weight > room.operations && !room.first);
                    if full {
                        Taken::Unread(raw.hash)
                    } else {
                        decoded += 1;
                        room.operations = room.operations.saturating_sub(weight);
                        room.first = false;
                        guard::decoded(raw).into()
                    }
                }
            });
        }
        taken
    }
}

impl From<Chunk> for Taken {
    fn from(chunk: Chunk) -> Self {
        match chunk {
            Chunk::Change(change) => Self::Change(change),
            Chunk::Refused { hash, code, detail, bytes } => Self::Refused { hash, code, detail, bytes },
        }
    }
}

fn seal(bytes: &[u8], room: &mut Room) -> Sealed {
    let deflated = chunk::is_deflated(bytes);
    if deflated && room.inflated == 0 {
        return Sealed::Done(Taken::Unread(chunk::sha256(bytes)));
    }
    let opened = guard::open(bytes);
    if deflated {
        // What cannot be opened may have been inflated up to the limit.
        let inflated =
            opened.as_ref().map_or(crate::domain::limits::CHANGE_BYTES_MAX, |(raw, _)| raw.bytes.len());
        room.inflated = room.inflated.saturating_sub(inflated);
    }
    match opened {
        Ok((raw, measure)) => {
            let dependencies = measure.dependencies.saturating_mul(DEPENDENCY_OPERATIONS);
            Sealed::Raw { raw, weight: measure.operations.saturating_add(dependencies) }
        }
        Err(refused) => Sealed::Done(refused.into()),
    }
}

/// The rest of an entry as one: no chunk begins it, or there were too many before it.
fn whole(rest: &[u8], full: bool) -> Taken {
    let hash = chunk::sha256(rest);
    if full {
        return Taken::Unread(hash);
    }
    Taken::Refused {
        hash,
        code: RefusalCode::Unreadable,
        detail: chunk::NO_CHUNK.to_owned(),
        bytes: rest.to_vec(),
    }
}
