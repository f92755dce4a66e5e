//! The spine: accepts the changes of a push into one daybook, in one transaction under the daybook's lock.
//!
//! Chunks were looked at before (`merge::guard`); here the facts of the daybook are loaded, what becomes of
//! each change is decided (`plan`), the states of the activities are updated from the changes' own operations
//! (`merge::reduce`), versions are written where a reading changed, and all of it is committed. Where a text of
//! an earlier push was edited the document is loaded, outside of any transaction, and the accept starts again.

mod counted;
mod document;
mod facts;
mod plan;
mod readings;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::{ActivityId, DaybookId, GrantId, NeighbourhoodId};
use crate::merge::admit::Facts;
use crate::merge::guard::{Checked, Chunk};
use crate::merge::{ActivityState, Hash, RefusalCode};
use crate::metrics::{Flow, Laps, Phase};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::changes::Of;
use crate::store::entity::daybook;

pub(super) use facts::{hash, lookup, signed, unsigned};
pub use plan::Became;
pub(super) use readings::{Bringer, Readings};
pub(super) use rows::own_change;

use facts::Held;
use plan::{Incoming, Plan, plan};

/// How often an accept starts again because the daybook moved while the document was loaded.
const ATTEMPTS_MAX: usize = 12;
/// Changes of one accept that the document is asked about: each takes a while.
const PROOFS_MAX: usize = 4;

/// What an accept did.
#[derive(Debug)]
pub struct Accepted {
    /// One a chunk, in the order given.
    pub outcomes: Vec<ChunkOutcome>,
    /// Where the daybook stood before: position and chain.
    pub before: (i64, Vec<u8>),
    /// The daybook afterwards.
    pub row: daybook::Model,
    /// How many of its new positions this request's chunks took.
    pub taken: i64,
}

impl Accepted {
    /// Nothing was pushed into the daybook of this row.
    #[must_use]
    pub fn nothing(row: daybook::Model) -> Self {
        Self { outcomes: Vec::new(), before: (row.position, row.chain.clone()), row, taken: 0 }
    }
}

/// The outcome of one chunk, with the activities that it touches.
#[derive(Debug, Clone)]
pub struct ChunkOutcome {
    pub hash: Hash,
    pub became: Became,
    pub activities: Vec<ActivityId>,
}

impl ChunkOutcome {
    /// Whether the phone has to reload.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.became, Became::Refused(..))
    }
}

/// Everything an accept works with.
struct Accept<'a> {
    app: &'a App,
    of: Of,
    grant: Option<GrantId>,
    chunks: Vec<Incoming>,
    now_ms: i64,
}

/// States that needed the document, filled outside the transaction; good only for the same daybook and changes.
#[derive(Debug)]
struct Filled {
    revision: i64,
    accepted: Vec<Hash>,
    states: BTreeMap<ActivityId, ActivityState>,
}

enum Attempt {
    Done(Accepted),
    /// Other changes are held than were read.
    HeldMoved,
    /// Only the document can tell whether `change` may follow these.
    NeedsProof {
        accepted: Vec<Arc<Checked>>,
        change: Arc<Checked>,
    },
    NeedsDocument {
        revision: i64,
        accepted: Vec<Arc<Checked>>,
        states: BTreeMap<ActivityId, ActivityState>,
    },
}

/// Accepts into the daybook of this row, read before. Answers once everything is committed; sending the same
/// again changes nothing.
///
/// # Errors
/// [`FlowError::NotFound`], [`FlowError::Gone`], [`FlowError::Busy`]; nothing was written then.
pub async fn accept(
    app: &App,
    row: &daybook::Model,
    grant: Option<GrantId>,
    chunks: Vec<Chunk>,
) -> Result<Accepted, FlowError> {
    let neighbourhood = NeighbourhoodId(row.neighbourhood_id);
    let of = Of { neighbourhood, daybook: DaybookId(row.id) };
    let chunks = chunks.into_iter().map(Incoming::from).collect();
    let accept = Accept { app, of, grant, chunks, now_ms: app.now_ms() };
    let mut filled = None;
    let mut proofs = HashMap::new();
    let mut laps = Laps::start();
    let mut holds = row.held_changes.unwrap_or_default() > 0;
    for _ in 0..ATTEMPTS_MAX {
        let held = if holds { facts::held(app.db().read(), of).await? } else { Held::default() };
        match accept.attempt(&held, filled.take(), &proofs, &mut laps).await? {
            Attempt::Done(accepted) => {
                counted::count(app, &accepted.outcomes, &laps);
                if accepted.row.revision > row.revision {
                    app.bell().ring(neighbourhood);
                    if rows::is_to_compact(&accepted.row) {
                        app.compaction().ring((neighbourhood, of.daybook));
                    }
                }
                return Ok(accepted);
            }
            Attempt::HeldMoved => {
                holds = true;
                continue;
            }
            Attempt::NeedsProof { accepted, change } => {
                proofs.insert(change.hash, document::is_sound(app, of, &accepted, &change).await?);
            }
            Attempt::NeedsDocument { revision, accepted, states } => {
                let hashes = accepted.iter().map(|change| change.hash).collect();
                let states = document::filled(app, of, &accepted, states).await?;
                filled = Some(Filled { revision, accepted: hashes, states });
            }
        }
        laps.lap(Phase::Document);
    }
    Err(FlowError::Busy)
}

impl Accept<'_> {
    async fn attempt(
        &self,
        held: &Held,
        filled: Option<Filled>,
        proofs: &HashMap<Hash, bool>,
        laps: &mut Laps,
    ) -> Result<Attempt, FlowError> {
        let mut timing = self.app.metrics().database.transaction(Flow::Accept);
        let txn = timing.begin(self.app.db().begin()).await?;
        let row = store::daybooks::lock(&txn, self.of.neighbourhood, self.of.daybook).await?;
        let row = row.ok_or(FlowError::NotFound)?;
        if row.gone_at_ms.is_some() {
            return Err(FlowError::Gone);
        }
        let held_now = facts::held_now(&txn, self.of, &row).await?;
        if !held.is_of(&held_now) {
            return Ok(Attempt::HeldMoved);
        }
        let mut changes: Vec<&Checked> = held.changes.iter().map(|change| &**change).collect();
        changes.extend(self.chunks.iter().filter_map(|chunk| match chunk {
            Incoming::Change(change) => Some(&**change),
            Incoming::Refused(_) => None,
        }));
        let mut facts = facts::load(&txn, self.of, &row, held_now, &changes).await?;
        for (hash, sound) in proofs {
            if *sound {
                facts.verified.insert(*hash);
            } else {
                facts.refused.insert(*hash, RefusalCode::MarkOrder);
            }
        }
        laps.lap(Phase::Facts);
        let plan = plan(&mut facts, &self.chunks, &held.changes, proofs.len() < PROOFS_MAX);
        laps.lap(Phase::Plan);
        if let Some(change) = plan.unverified {
            let accepted = plan.accepted.into_iter().map(|accepted| accepted.change).collect();
            return Ok(Attempt::NeedsProof { accepted, change });
        }
        let mut readings = Readings::load(
            &txn,
            self.of,
            &row,
            plan.accepted.iter().map(|accepted| &*accepted.change),
            &lookup(&facts),
        )
        .await?;
        for accepted in &plan.accepted {
            readings.reduce(&accepted.change, &lookup(&facts));
        }
        let needed = readings.needing_document();
        if !needed.is_empty() {
            let accepted: Vec<Arc<Checked>> =
                plan.accepted.iter().map(|accepted| accepted.change.clone()).collect();
            match filled.filter(|filled| filled.fits(&row, &accepted)) {
                Some(filled) => readings.replace(filled.states),
                None => {
                    let states = readings.take(&needed);
                    return Ok(Attempt::NeedsDocument { revision: row.revision, accepted, states });
                }
            }
        }
        laps.lap(Phase::Reduce);
        let outcomes = self.outcomes(&plan, &facts, &readings);
        let before = (row.position, row.chain.clone());
        if plan.is_empty() {
            return Ok(Attempt::Done(Accepted { outcomes, before, row, taken: 0 }));
        }
        let admitted = plan.accepted.iter().filter(|accepted| accepted.was_held).count();
        let taken = signed(u64::try_from(plan.accepted.len() - admitted).unwrap_or(u64::MAX));
        let row = self.write(&txn, row, plan, held, &mut facts, readings).await?;
        laps.lap(Phase::Write);
        timing.commit(txn.commit()).await?;
        laps.lap(Phase::Commit);
        self.app.metrics().sync.admitted(admitted);
        Ok(Attempt::Done(Accepted { outcomes, before, row, taken }))
    }

    fn outcomes(&self, plan: &Plan, facts: &Facts, readings: &Readings) -> Vec<ChunkOutcome> {
        let sent: BTreeMap<Hash, &Arc<Checked>> = self
            .chunks
            .iter()
            .filter_map(|chunk| match chunk {
                Incoming::Change(change) => Some((change.hash, change)),
                Incoming::Refused(_) => None,
            })
            .collect();
        plan.outcomes()
            .map(|(hash, became)| {
                let change = sent.get(&hash).filter(|_| became == Became::Accepted);
                let touched = change.map(|change| crate::merge::touched(change, &lookup(facts)));
                let activities: BTreeSet<ActivityId> =
                    touched.into_iter().flatten().filter(|id| !readings.is_elsewhere(*id)).collect();
                ChunkOutcome { hash, became, activities: activities.into_iter().collect() }
            })
            .collect()
    }

    async fn write(
        &self,
        txn: &Transaction,
        row: daybook::Model,
        plan: Plan,
        held: &Held,
        facts: &mut Facts,
        readings: Readings,
    ) -> Result<daybook::Model, FlowError> {
        let mut batch = Batch::default();
        let merge_actor = self.app.random();
        let mut written = rows::changes(self, row, &plan, held, facts, merge_actor)?;
        rows::held_and_refused(self, txn, &plan, &mut written.row, &mut batch).await?;
        let bringer = Bringer { grant: self.grant, at_ms: self.now_ms };
        readings.write(txn, written.before, bringer, &mut batch).await?;
        let row = written.row.clone();
        rows::push(txn, written, &mut batch);
        batch.execute(txn).await?;
        Ok(row)
    }
}

impl Filled {
    fn fits(&self, row: &daybook::Model, accepted: &[Arc<Checked>]) -> bool {
        self.revision == row.revision
            && accepted.iter().map(|change| change.hash).eq(self.accepted.iter().copied())
    }
}

/// The heads of a daybook, as its row keeps them: 32 bytes each, one after the other.
#[must_use]
pub fn heads(bytes: &[u8]) -> Vec<Hash> {
    bytes.chunks_exact(32).filter_map(|chunk| chunk.try_into().ok()).collect()
}
