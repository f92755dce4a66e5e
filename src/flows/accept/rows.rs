//! The rows that an accept adds to a daybook: changes with position and chain, held ones, quarantine.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use sea_orm::{ConnectionTrait, DbBackend};

use super::super::FlowError;
use super::facts::{Brought, Held};
use super::plan::{self, Plan, Refused};
use super::readings::recorded_at_ms;
use super::{Accept, hash, heads, signed, unsigned};
use crate::domain::limits::{
    COMPACT_RAW_BYTES_MIN, HEADS_MAX, QUARANTINE_BYTES_MAX, QUARANTINE_CHANGES_MAX, QUARANTINE_HASHES_MAX,
};
use crate::merge::admit::{Admission, Facts, HeldReason, admit};
use crate::merge::cursor::chain_next;
use crate::merge::guard::Checked;
use crate::merge::guard::{self, Chunk};
use crate::merge::{Hash, document};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::changes::Of;
use crate::store::entity::{daybook, daybook_change, held_change, refused_change};

/// The daybook after an accept, with its new change rows.
pub struct Written {
    /// The daybook's position before.
    pub before: i64,
    pub row: daybook::Model,
    changes: Vec<daybook_change::Model>,
}

/// Whether the changes since a daybook's snapshot have grown enough.
pub fn is_to_compact(row: &daybook::Model) -> bool {
    let due = row.compact_at_raw_bytes.unwrap_or(COMPACT_RAW_BYTES_MIN);
    row.raw_bytes >= due && row.compaction_alarm.is_none()
}

/// Gives each accepted change its position and chain, and joins the heads where there are too many.
pub fn changes(
    accept: &Accept<'_>,
    row: daybook::Model,
    plan: &Plan,
    held: &Held,
    facts: &mut Facts,
    merge_actor: [u8; 16],
) -> Result<Written, FlowError> {
    let mut book = Book {
        before: row.position,
        heads: heads(&row.heads).into_iter().collect(),
        chain: hash(&row.chain)?,
        row,
        changes: Vec::new(),
    };
    for accepted in &plan.accepted {
        let hash = &accepted.change.hash;
        let before = held.brought(hash).filter(|_| accepted.was_held);
        let brought = before.unwrap_or_else(|| accept.brought(hash));
        book.add(accept, &accepted.change, accepted.objects.clone(), brought);
    }
    book.row.operations += signed(plan.operations());
    if book.heads.len() > HEADS_MAX {
        book.join_heads(accept, facts, merge_actor)?;
    }
    if !plan.is_empty() {
        book.row.revision += 1;
    }
    book.row.heads = book.heads.iter().flatten().copied().collect();
    book.row.chain = book.chain.to_vec();
    Ok(Written { before: book.before, row: book.row, changes: book.changes })
}

struct Book {
    before: i64,
    row: daybook::Model,
    heads: BTreeSet<Hash>,
    chain: Hash,
    changes: Vec<daybook_change::Model>,
}

impl Book {
    fn add(&mut self, accept: &Accept<'_>, change: &Checked, objects: Vec<u8>, brought: Brought) {
        for dep in &change.deps {
            self.heads.remove(dep);
        }
        self.heads.insert(change.hash);
        self.chain = chain_next(&self.chain, &change.hash);
        self.row.position += 1;
        self.row.max_op = self.row.max_op.max(signed(change.max_op));
        self.row.raw_bytes += signed(u64::try_from(change.bytes.len()).unwrap_or(u64::MAX));
        self.changes.push(daybook_change::Model {
            neighbourhood_id: accept.of.neighbourhood.0,
            daybook_id: accept.of.daybook.0,
            position: self.row.position,
            hash: change.hash.to_vec(),
            actor: change.actor.as_bytes().to_vec(),
            seq: signed(change.seq),
            start_op: signed(change.start_op),
            max_op: signed(change.max_op),
            chain: self.chain.to_vec(),
            bytes: change.bytes.clone(),
            objects,
            recorded_at_ms: recorded_at_ms(change),
            grant_id: brought.grant,
            received_at_ms: brought.at_ms,
            accept_no: self.row.revision + 1,
            admitted_grant_id: accept.bringer.grant.map(|grant| grant.0),
            admitted_at_ms: accept.bringer.at_ms,
            admitted_skew_ms: accept.bringer.skew_ms,
        });
    }

    /// An empty change on top of all heads: otherwise every later change would name them all.
    fn join_heads(
        &mut self,
        accept: &Accept<'_>,
        facts: &mut Facts,
        actor: [u8; 16],
    ) -> Result<(), FlowError> {
        let heads: Vec<Hash> = self.heads.iter().copied().collect();
        let start_op = unsigned(self.row.max_op) + 1;
        let (_, bytes) = document::merge_change(actor, &heads, start_op);
        let (change, objects) = own_change(facts, &bytes)?;
        self.add(accept, &change, objects, Brought { grant: None, at_ms: accept.bringer.at_ms });
        Ok(())
    }
}

/// A change that the server makes goes through the same door as a phone's.
pub fn own_change(facts: &mut Facts, bytes: &[u8]) -> Result<(Checked, Vec<u8>), FlowError> {
    match guard::inspect(bytes).into_iter().next() {
        Some(Chunk::Change(change)) => match admit(facts, &change) {
            Admission::Accept { objects } => Ok((*change, objects)),
            other => Err(FlowError::internal(format!("a change of our own is not admitted: {other:?}"))),
        },
        _ => Err(FlowError::internal("a change of our own is refused")),
    }
}

/// Puts the daybook and its changes into the batch, the changes first.
pub fn push(txn: &Transaction, written: Written, batch: &mut Batch) {
    let backend = txn.get_database_backend();
    batch.insert::<daybook_change::Entity>(backend, written.changes);
    batch.push(store::daybooks::update(backend, written.row));
}

/// Puts what is held and what is refused into the batch, and takes out what was released.
pub async fn held_and_refused(
    accept: &Accept<'_>,
    txn: &Transaction,
    sets: &SetAside<'_>,
    row: &mut daybook::Model,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let SetAside { plan, held, loose } = *sets;
    let backend = txn.get_database_backend();
    let count = |number: usize| signed(u64::try_from(number).unwrap_or(u64::MAX));
    let held_now = row.held_changes.unwrap_or_default() + count(plan.held.len()) - count(plan.released.len());
    row.held_changes = Some(held_now);
    if !plan.released.is_empty() {
        let hashes = plan.released.iter().map(|hash| hash.to_vec()).collect();
        batch.push(store::changes::delete_held(backend, accept.of, hashes));
    }
    batch.insert::<held_change::Entity>(backend, plan.held.iter().map(|new| held_row(accept, new)).collect());
    still_held(accept, backend, plan, held, batch);
    let settled = plan.settled().filter(|hash| loose.contains(*hash)).map(|hash| hash.to_vec());
    let settled: Vec<Vec<u8>> = settled.collect();
    let mut refused_now = row.refused_changes.unwrap_or_default() - count(settled.len());
    if !settled.is_empty() {
        batch.push(store::quarantine::delete(backend, accept.of, settled));
    }
    if !plan.refused.is_empty() {
        let mut quarantine = Quarantine::of(txn, accept.of).await?;
        let rows = plan.refused.iter().filter_map(|refused| quarantine.take(refused_row(accept, refused)));
        let rows: Vec<refused_change::Model> = rows.collect();
        // At most: one refused again is counted again, and costs a look that finds it.
        refused_now += count(rows.len());
        for part in rows.chunks(400) {
            batch.push(store::changes::insert_refused(backend, part.to_vec()));
        }
    }
    row.refused_changes = Some(refused_now);
    Ok(())
}

/// What a plan sets aside: holds, releases, refuses, and takes out of quarantine.
pub struct SetAside<'a> {
    pub plan: &'a Plan,
    pub held: &'a Held,
    /// In quarantine, and decided anew.
    pub loose: &'a HashSet<Hash>,
}

fn held_row(accept: &Accept<'_>, held: &plan::Held) -> held_change::Model {
    let change = &held.change;
    let brought = accept.brought(&change.hash);
    held_change::Model {
        neighbourhood_id: accept.of.neighbourhood.0,
        daybook_id: accept.of.daybook.0,
        hash: change.hash.to_vec(),
        reason: held.reason.as_str().to_owned(),
        bytes: change.bytes.clone(),
        bytes_count: signed(change.size()),
        grant_id: brought.grant,
        received_at_ms: brought.at_ms,
        waits_for: waits_for(&held.missing),
        start_op: Some(signed(change.start_op)),
        operations: Some(signed(change.operations())),
        expires_at_ms: None,
    }
}

/// Why a change is held, and what it waits for as its row keeps it.
type WaitsFor<'a> = (&'a str, Option<Vec<u8>>);

/// What was looked at and waits on may wait for something else now.
fn still_held(accept: &Accept<'_>, backend: DbBackend, plan: &Plan, held: &Held, batch: &mut Batch) {
    let mut moved: BTreeMap<WaitsFor<'_>, Vec<Vec<u8>>> = BTreeMap::new();
    for still in plan.still.iter().filter(|still| held.moves(still)) {
        let to = (still.reason.as_str(), waits_for(&still.missing));
        moved.entry(to).or_default().push(still.change.hash.to_vec());
    }
    if !plan.left.is_empty() {
        let turn = (HeldReason::MissingDependency.as_str(), None);
        moved.entry(turn).or_default().extend(plan.left.iter().cloned());
    }
    for ((reason, waits_for), hashes) in moved {
        batch.push(store::held::update_waits(backend, accept.of, hashes, reason, waits_for));
    }
}

/// As the row keeps them: 32 bytes each, one after the other.
pub fn waits_for(missing: &[Hash]) -> Option<Vec<u8>> {
    (!missing.is_empty()).then(|| missing.concat())
}

/// The room that is left in a daybook's quarantine.
pub struct Quarantine {
    /// Rows, with bytes or without.
    hashes: u64,
    /// Rows with bytes.
    changes: u64,
    bytes: u64,
}

impl Quarantine {
    pub async fn of(db: &impl ConnectionTrait, of: Of) -> Result<Self, FlowError> {
        let there = store::quarantine::totals(db, of).await?;
        Ok(Self {
            hashes: QUARANTINE_HASHES_MAX.saturating_sub(unsigned(there.hashes)),
            changes: QUARANTINE_CHANGES_MAX.saturating_sub(unsigned(there.changes)),
            bytes: QUARANTINE_BYTES_MAX.saturating_sub(unsigned(there.bytes)),
        })
    }

    /// Takes a change in: without its bytes where there are too many of either, and not at all where there are far too
    /// many. Whoever sends such a one again is told the same, but what builds on it waits for it in vain.
    pub fn take(&mut self, mut row: refused_change::Model) -> Option<refused_change::Model> {
        self.hashes = self.hashes.checked_sub(1)?;
        let room = self.changes.checked_sub(1).zip(self.bytes.checked_sub(unsigned(row.bytes_count)));
        match room {
            Some(left) => (self.changes, self.bytes) = left,
            None => row.bytes = None,
        }
        Some(row)
    }
}

fn refused_row(accept: &Accept<'_>, refused: &Refused) -> refused_change::Model {
    let brought = accept.brought(&refused.hash);
    refused_change::Model {
        neighbourhood_id: accept.of.neighbourhood.0,
        daybook_id: accept.of.daybook.0,
        hash: refused.hash.to_vec(),
        code: refused.code.as_str().to_owned(),
        detail: refused.detail.clone(),
        bytes: Some(refused.bytes.clone()),
        bytes_count: signed(u64::try_from(refused.bytes.len()).unwrap_or(u64::MAX)),
        grant_id: brought.grant,
        received_at_ms: brought.at_ms,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn refused(bytes: usize) -> refused_change::Model {
        refused_change::Model {
            neighbourhood_id: Uuid::nil(),
            daybook_id: Uuid::nil(),
            hash: vec![1; 32],
            code: "unreadable".to_owned(),
            detail: String::new(),
            bytes: Some(vec![0; bytes]),
            bytes_count: i64::try_from(bytes).expect("small"),
            grant_id: None,
            received_at_ms: 0,
        }
    }

    #[test]
    fn beyond_its_room_the_quarantine_keeps_the_hash_and_beyond_far_more_nothing() {
        let kept = |room: &mut Quarantine, bytes| room.take(refused(bytes)).map(|row| row.bytes.is_some());
        let mut room = Quarantine { hashes: 4, changes: 2, bytes: 10 };
        assert_eq!(kept(&mut room, 11), Some(false), "one byte past");
        assert_eq!([kept(&mut room, 5), kept(&mut room, 5)], [Some(true); 2], "at both");
        assert_eq!(
            [kept(&mut room, 0), kept(&mut room, 0)],
            [Some(false), None],
            "one change past, and one hash"
        );
    }
}
