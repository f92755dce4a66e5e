//! Loads what a daybook knows, as far as a push asks, and the held changes that it may complete.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sea_orm::ConnectionTrait;

use super::super::FlowError;
use crate::domain::limits::HEADS_MAX;
use crate::merge::admit::{ActorLast, Facts, References, references};
use crate::merge::guard::{self, Checked, Chunk};
use crate::merge::{Actor, Hash, ObjectInfo, OpId, RefusalCode};
use crate::store;
use crate::store::changes::{Known, Of};
use crate::store::entity::{daybook, held_change};

/// The held changes of a daybook, read and parsed before any transaction begins: Automerge never runs inside
/// the writer.
#[derive(Debug, Default, Clone)]
pub struct Held {
    pub changes: Vec<Arc<Checked>>,
    /// Who brought each, and when.
    pub brought: HashMap<Hash, Brought>,
}

/// Who first delivered a change, and when the server received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brought {
    pub grant: Option<uuid::Uuid>,
    pub at_ms: i64,
}

impl Held {
    /// Whether these are the changes held now.
    pub fn is_of(&self, hashes: &BTreeSet<Hash>) -> bool {
        self.changes.len() == hashes.len() && self.changes.iter().all(|change| hashes.contains(&change.hash))
    }
}

/// Reads and parses the held changes.
pub async fn held(db: &impl ConnectionTrait, of: Of) -> Result<Held, FlowError> {
    let rows = store::changes::held(db, of).await?;
    tokio::task::spawn_blocking(move || parse(rows)).await.map_err(FlowError::internal)
}

/// The hashes of what is held now.
pub async fn held_now(
    db: &impl ConnectionTrait,
    of: Of,
    row: &daybook::Model,
) -> Result<BTreeSet<Hash>, FlowError> {
    if row.held_changes.unwrap_or_default() == 0 {
        return Ok(BTreeSet::new());
    }
    store::changes::held_hashes(db, of).await?.iter().map(|(bytes, _)| hash(bytes)).collect()
}

fn parse(rows: Vec<held_change::Model>) -> Held {
    let mut held = Held::default();
    for row in rows {
        let brought = Brought { grant: row.grant_id, at_ms: row.received_at_ms };
        for chunk in guard::inspect(&row.bytes) {
            if let Chunk::Change(change) = chunk {
                held.brought.insert(change.hash, brought);
                held.changes.push(Arc::new(*change));
            }
        }
    }
    held
}

/// Loads the facts for the changes of a push and the held ones, inside the transaction that holds the lock.
pub async fn load(
    db: &impl ConnectionTrait,
    of: Of,
    row: &daybook::Model,
    held: BTreeSet<Hash>,
    changes: &[&Checked],
) -> Result<Facts, FlowError> {
    let mut facts = Facts::new(unsigned(row.position), unsigned(row.max_op));
    let hashes = hashes(row, changes);
    for known in store::changes::known(db, of, &hashes, &numbers(changes)).await? {
        let Known { hash: bytes, actor, seq, max_op, position, objects, .. } = known;
        let (position, max_op) = (unsigned(position), unsigned(max_op));
        facts.add_known(hash(&bytes)?, position, max_op, &objects).map_err(FlowError::internal)?;
        let last = ActorLast { seq: unsigned(seq), max_op, position };
        let greatest = facts.actors.entry(Actor::new(&actor)).or_insert(last);
        if greatest.seq < last.seq {
            *greatest = last;
        }
    }
    if row.refused_changes.unwrap_or_default() > 0 {
        for (bytes, code, _) in store::changes::refused(db, of, &hashes).await? {
            let code = RefusalCode::parse(&code).unwrap_or(RefusalCode::OnRefused);
            facts.refused.insert(hash(&bytes)?, code);
        }
    }
    facts.held.extend(held);
    let new: Vec<&Checked> = changes.iter().copied().filter(|change| !facts.is_known(&change.hash)).collect();
    let wanted = references(new.iter().copied());
    if let Some(after) = facts.graph_after(new.iter().copied()) {
        for (position, bytes, objects) in store::changes::graph_after(db, of, after).await? {
            facts.add_node(hash(&bytes)?, unsigned(position), &objects).map_err(FlowError::internal)?;
        }
    }
    load_rows(db, of, &mut facts, &wanted).await?;
    Ok(facts)
}

/// The changes of the push, and what they depend on.
fn hashes(row: &daybook::Model, changes: &[&Checked]) -> Vec<Vec<u8>> {
    let mut hashes: BTreeSet<Hash> =
        changes.iter().flat_map(|change| change.deps.iter().chain([&change.hash])).copied().collect();
    let heads = super::heads(&row.heads);
    if heads.len() + changes.len() > HEADS_MAX {
        // The change that joins the heads depends on all of them.
        hashes.extend(heads);
    }
    hashes.iter().map(|hash| hash.to_vec()).collect()
}

/// The sequence numbers that tell where each actor stands: a change's own, if it is taken already, and the one
/// before it, which must be the actor's last.
fn numbers(changes: &[&Checked]) -> Vec<(Vec<u8>, Vec<i64>)> {
    let mut numbers: BTreeMap<&Actor, BTreeSet<i64>> = BTreeMap::new();
    for change in changes {
        let of_actor = numbers.entry(&change.actor).or_default();
        of_actor.insert(signed(change.seq));
        of_actor.insert(signed(change.seq.saturating_sub(1)));
    }
    let of_actors = numbers.into_iter();
    of_actors.map(|(actor, seqs)| (actor.as_bytes().to_vec(), seqs.into_iter().collect())).collect()
}

async fn load_rows(
    db: &impl ConnectionTrait,
    of: Of,
    facts: &mut Facts,
    wanted: &References,
) -> Result<(), FlowError> {
    let ranges = wanted.ranges().into_iter().map(|(actor, from, to)| (actor.as_bytes().to_vec(), from, to));
    for row in store::changes::covering(db, of, &ranges.collect::<Vec<_>>()).await? {
        let actor = Actor::new(&row.actor);
        facts
            .add_row(&actor, unsigned(row.start_op), unsigned(row.position), &row.objects)
            .map_err(FlowError::internal)?;
    }
    Ok(())
}

/// The objects that earlier changes made, by what the facts hold: what the reducer asks.
pub fn lookup(facts: &Facts) -> impl Fn(&OpId) -> Option<ObjectInfo> {
    |id| facts.object(id)
}

pub fn hash(bytes: &[u8]) -> Result<Hash, FlowError> {
    bytes.try_into().map_err(|_| FlowError::internal("a stored hash has not 32 bytes"))
}

pub fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

pub fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
