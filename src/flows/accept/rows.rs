//! The rows that an accept adds to a daybook: changes with position and chain, held ones, quarantine.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::super::FlowError;
use super::facts::{Brought, Held};
use super::plan::{Plan, Refused};
use super::readings::recorded_at_ms;
use super::{Accept, hash, heads, signed, unsigned};
use crate::domain::limits::{COMPACT_RAW_BYTES_MIN, HEADS_MAX, QUARANTINE_BYTES_MAX};
use crate::merge::admit::{Admission, Facts, admit};
use crate::merge::cursor::chain_next;
use crate::merge::guard::Checked;
use crate::merge::guard::{self, Chunk};
use crate::merge::{Hash, document};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
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
        let now = Brought { grant: accept.grant.map(|grant| grant.0), at_ms: accept.now_ms };
        let before = held.brought.get(&accepted.change.hash).filter(|_| accepted.was_held);
        book.add(accept, &accepted.change, accepted.objects.clone(), *before.unwrap_or(&now));
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
            admitted_grant_id: accept.grant.map(|grant| grant.0),
            admitted_at_ms: accept.now_ms,
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
        self.add(accept, &change, objects, Brought { grant: None, at_ms: accept.now_ms });
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
    plan: &Plan,
    row: &mut daybook::Model,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let backend = txn.get_database_backend();
    let count = |number: usize| signed(u64::try_from(number).unwrap_or(u64::MAX));
    let held_now = row.held_changes.unwrap_or_default() + count(plan.held.len()) - count(plan.released.len());
    row.held_changes = Some(held_now);
    if !plan.released.is_empty() {
        let hashes = plan.released.iter().map(|hash| hash.to_vec()).collect();
        batch.push(store::changes::delete_held(backend, accept.of, hashes));
    }
    let held = plan.held.iter().map(|(change, reason)| held_change::Model {
        neighbourhood_id: accept.of.neighbourhood.0,
        daybook_id: accept.of.daybook.0,
        hash: change.hash.to_vec(),
        reason: reason.as_str().to_owned(),
        bytes: change.bytes.clone(),
        bytes_count: signed(u64::try_from(change.bytes.len()).unwrap_or(u64::MAX)),
        grant_id: accept.grant.map(|grant| grant.0),
        received_at_ms: accept.now_ms,
    });
    batch.insert::<held_change::Entity>(backend, held.collect());
    if !plan.refused.is_empty() {
        // At most: one refused again is counted again, and costs a look that finds it.
        row.refused_changes = Some(row.refused_changes.unwrap_or_default() + count(plan.refused.len()));
        let mut room = QUARANTINE_BYTES_MAX
            .saturating_sub(unsigned(store::changes::quarantined_bytes(txn, accept.of).await?));
        let rows: Vec<_> =
            plan.refused.iter().map(|refused| quarantine(accept, refused, &mut room)).collect();
        for part in rows.chunks(400) {
            batch.push(store::changes::insert_refused(backend, part.to_vec()));
        }
    }
    Ok(())
}

fn quarantine(accept: &Accept<'_>, refused: &Refused, room: &mut u64) -> refused_change::Model {
    let bytes_count = u64::try_from(refused.bytes.len()).unwrap_or(u64::MAX);
    let fits = bytes_count <= *room;
    *room = if fits { *room - bytes_count } else { *room };
    refused_change::Model {
        neighbourhood_id: accept.of.neighbourhood.0,
        daybook_id: accept.of.daybook.0,
        hash: refused.hash.to_vec(),
        code: refused.code.as_str().to_owned(),
        detail: refused.detail.clone(),
        bytes: fits.then(|| refused.bytes.clone()),
        bytes_count: signed(bytes_count),
        grant_id: accept.grant.map(|grant| grant.0),
        received_at_ms: accept.now_ms,
    }
}
