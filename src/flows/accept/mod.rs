//! The spine: accepts the changes of a push into one daybook, in one transaction under the daybook's lock.
//!
//! Chunks were looked at before (`merge::guard`); here the facts of the daybook are loaded, what becomes of
//! each change is decided (`plan`), the states of the activities are updated from the changes' own operations
//! (`merge::reduce`), versions are written where a reading changed, and all of it is committed. Where a text of
//! an earlier push was edited the document is loaded, outside of any transaction, and the accept starts again.

mod advice;
mod costs;
mod counted;
mod document;
mod facts;
mod left;
mod once;
mod plan;
mod readings;
mod reads;
mod rows;
mod turns;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::FlowError;
use crate::app::{App, Payer};
use crate::domain::held::expires_at_ms;
use crate::domain::ids::{ActivityId, DaybookId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::limits::FACTS_BYTES_FREE;
use crate::merge::admit::Facts;
use crate::merge::guard::Checked;
use crate::merge::{ActivityState, Hash, RefusalCode};
use crate::metrics::{Flow, Laps, Phase, Queue};
use crate::store;
use crate::store::Batch;
use crate::store::Transaction;
use crate::store::changes::Of;
use crate::store::entity::daybook;

pub use advice::Deferral;
pub(super) use facts::{Brought, hash, lookup, objects, signed, unsigned};
pub(super) use left::accept_from;
pub use once::Once;
pub use plan::{Became, Incoming};
pub(super) use readings::{Bringer, Readings};
pub(super) use rows::{Quarantine, own_change};

use costs::Shares;
use facts::{Asked, Held, Loaded};
use plan::{Plan, plan};

/// How often an accept starts again because the daybook moved while the document was loaded.
const ATTEMPTS_MAX: usize = 12;
/// Transactions in which one accept takes up what was held: as many as all that a daybook may hold needs.
const ROUNDS_MAX: usize = 64;
/// Hashes of chunks that were not decoded which are looked up; the others are sent again.
const UNREAD_LOOKED_UP_MAX: usize = 1_000;
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
    /// Whoever sent has left the group whose daybook it is: what they send is held until then, in milliseconds since
    /// 1970, and they are told nothing of the daybook.
    pub left_until_ms: Option<i64>,
}

impl Accepted {
    /// Nothing was pushed into the daybook of this row.
    #[must_use]
    pub fn nothing(row: daybook::Model) -> Self {
        let before = (row.position, row.chain.clone());
        Self { outcomes: Vec::new(), before, row, taken: 0, left_until_ms: None }
    }
}

/// The outcome of one chunk, with the activities that it touches.
#[derive(Debug, Clone)]
pub struct ChunkOutcome {
    pub hash: Hash,
    pub became: Became,
    pub activities: Vec<ActivityId>,
    /// Until when it is kept at least, where it is held.
    pub expires_at_ms: Option<i64>,
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
    bringer: Bringer,
    chunks: Vec<Incoming>,
    /// Changes out of quarantine that are looked at anew, with who brought them then.
    again: HashMap<Hash, Brought>,
    /// Something is held in the daybook, as far as is known.
    holds: bool,
    /// The daybook's revision as last read.
    revision: i64,
    once: Option<Once>,
    /// Who must be in the group whose daybook it is; where it is the sender's own, nobody.
    sender: Option<PartyId>,
}

/// What one transaction did.
struct Settled {
    accepted: Accepted,
    /// Held changes only wait for their turn.
    more: bool,
}

/// States that needed the document, filled outside the transaction; good only for the same daybook and changes.
#[derive(Debug)]
struct Filled {
    revision: i64,
    accepted: Vec<Hash>,
    states: BTreeMap<ActivityId, ActivityState>,
}

enum Attempt {
    Done(Box<Settled>),
    /// What is held is not what was read before the transaction.
    Moved,
    /// Only the document can tell whether `change` may follow these.
    NeedsProof {
        accepted: Vec<Arc<Checked>>,
        change: Arc<Checked>,
        payer: Option<Payer>,
    },
    NeedsDocument {
        revision: i64,
        accepted: Vec<Arc<Checked>>,
        states: BTreeMap<ActivityId, ActivityState>,
        payer: Option<Payer>,
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
    bringer: Bringer,
    chunks: Vec<Incoming>,
) -> Result<Accepted, FlowError> {
    run(Accept::new(app, row, bringer, chunks, HashMap::new())).await
}

/// The same for what is written once only.
///
/// # Errors
/// As [`accept`], and [`FlowError::IdReused`] if it is there already, [`FlowError::NoHub`] where its writer may not
/// write for others any more; nothing was written then.
pub(super) async fn accept_once(
    app: &App,
    row: &daybook::Model,
    bringer: Bringer,
    chunks: Vec<Incoming>,
    once: Once,
) -> Result<Accepted, FlowError> {
    let accept = Accept::new(app, row, bringer, chunks, HashMap::new());
    run(Accept { once: Some(once), ..accept }).await
}

/// Accepts changes out of quarantine once more, as if their refusal had never been.
pub(super) async fn accept_again(
    app: &App,
    row: &daybook::Model,
    grant: Option<GrantId>,
    chunks: Vec<Incoming>,
    again: HashMap<Hash, Brought>,
) -> Result<Accepted, FlowError> {
    let at_ms = app.now_in(NeighbourhoodId(row.neighbourhood_id));
    let bringer = Bringer { grant, payer: None, at_ms, skew_ms: None };
    run(Accept::new(app, row, bringer, chunks, again)).await
}

/// One transaction for the chunks, and as many more as held changes that these completed need.
async fn run(mut accept: Accept<'_>) -> Result<Accepted, FlowError> {
    let Settled { mut accepted, mut more } = accept.settle().await?;
    accept.chunks.clear();
    (accept.once, accept.sender) = (None, None);
    for _ in 0..ROUNDS_MAX {
        if !more {
            break;
        }
        accept.holds = true;
        match accept.settle().await {
            Ok(settled) => (accepted.row, more) = (settled.accepted.row, settled.more),
            Err(error) => {
                tracing::warn!(%error, "held changes wait for the next push");
                break;
            }
        }
    }
    Ok(accepted)
}

impl<'a> Accept<'a> {
    fn new(
        app: &'a App,
        row: &daybook::Model,
        bringer: Bringer,
        chunks: Vec<Incoming>,
        again: HashMap<Hash, Brought>,
    ) -> Self {
        let of = Of { neighbourhood: NeighbourhoodId(row.neighbourhood_id), daybook: DaybookId(row.id) };
        let holds = row.held_changes.unwrap_or_default() > 0;
        Self { app, of, bringer, chunks, again, holds, revision: row.revision, once: None, sender: None }
    }

    /// Who brought a change that is not held.
    fn brought(&self, hash: &Hash) -> Brought {
        let now = Brought { grant: self.bringer.grant.map(|grant| grant.0), at_ms: self.bringer.at_ms };
        self.again.get(hash).copied().unwrap_or(now)
    }

    /// One transaction, tried until nothing moved while Automerge was asked.
    async fn settle(&self) -> Result<Settled, FlowError> {
        let (app, of) = (self.app, self.of);
        let mut filled = None;
        let mut proofs = HashMap::new();
        let mut holds = self.holds;
        let mut laps = Laps::start();
        for _ in 0..ATTEMPTS_MAX {
            let held =
                if holds { facts::held(app.db().read(), of, &self.chunks).await? } else { Held::default() };
            match self.attempt(&held, filled.take(), &proofs, &mut laps).await? {
                Attempt::Done(settled) => {
                    counted::count(app, &settled.accepted.outcomes, &laps);
                    if settled.accepted.row.revision > self.revision {
                        app.bell().ring(of.neighbourhood);
                        if rows::is_to_compact(&settled.accepted.row) {
                            app.compaction().ring((of.neighbourhood, of.daybook));
                        }
                    }
                    return Ok(*settled);
                }
                Attempt::Moved => {
                    holds = true;
                    continue;
                }
                Attempt::NeedsProof { accepted, change, payer } => {
                    proofs.insert(change.hash, document::is_sound(app, of, payer, &accepted, &change).await?);
                }
                Attempt::NeedsDocument { revision, accepted, states, payer } => {
                    let hashes = accepted.iter().map(|change| change.hash).collect();
                    let states = document::filled(app, of, payer, &accepted, states).await?;
                    filled = Some(Filled { revision, accepted: hashes, states });
                }
            }
            laps.lap(Phase::Document);
        }
        Err(FlowError::Busy)
    }

    async fn attempt(
        &self,
        held: &Held,
        filled: Option<Filled>,
        proofs: &HashMap<Hash, bool>,
        laps: &mut Laps,
    ) -> Result<Attempt, FlowError> {
        let metrics = self.app.metrics();
        let (waiting, mut timing) =
            (metrics.queues.wait(Queue::Daybook), metrics.database.transaction(Flow::Accept));
        let txn = timing.begin(self.app.db().begin()).await?;
        let row = store::daybooks::lock(&txn, self.of.neighbourhood, self.of.daybook).await?;
        drop(waiting);
        let row = row.ok_or(FlowError::NotFound)?;
        if row.gone_at_ms.is_some() {
            return Err(FlowError::Gone);
        }
        if let Some(once) = &self.once {
            once.check(&txn, self.of).await?;
        }
        if !held.is_of(&row) {
            return Ok(Attempt::Moved);
        }
        if let Some(until_ms) = self.left_until(&txn, &row).await? {
            let accepted = self.set_aside(&txn, row, held, until_ms).await?;
            timing.commit(txn.commit()).await?;
            return Ok(Attempt::Done(Box::new(Settled { accepted, more: false })));
        }
        let Loaded { mut facts, loose, .. } = self.facts(&txn, &row, held, proofs).await?;
        laps.lap(Phase::Facts);
        let mut plan =
            plan(&mut facts, &self.chunks, &held.changes, held.totals(), proofs.len() < PROOFS_MAX);
        laps.lap(Phase::Plan);
        if let Some(change) = plan.unverified {
            let accepted = plan.accepted.into_iter().map(|accepted| accepted.change).collect();
            let payer = self.payer_of(held, &change.hash);
            return Ok(Attempt::NeedsProof { accepted, change, payer });
        }
        held.leave_over(&mut plan, &facts);
        let mut readings = Readings::load(
            &txn,
            self.of,
            &row,
            plan.accepted.iter().map(|accepted| &*accepted.change),
            &lookup(&facts),
        )
        .await?;
        let shares = self.reduce(&plan, held, &facts, &mut readings);
        let payer = shares.of_document();
        if let Some(needs) = document::texts(&row, &plan, &mut readings, filled, payer) {
            return Ok(needs);
        }
        laps.lap(Phase::Reduce);
        let outcomes = self.outcomes(&plan, held, &facts, &readings);
        let before = (row.position, row.chain.clone());
        let more = plan.more;
        if plan.is_empty() {
            let accepted = Accepted { outcomes, before, row, taken: 0, left_until_ms: None };
            return Ok(Attempt::Done(Box::new(Settled { accepted, more })));
        }
        let admitted = plan.accepted.iter().filter(|accepted| accepted.was_held).count();
        let taken = signed(u64::try_from(plan.accepted.len() - admitted).unwrap_or(u64::MAX));
        let (row, costs) = self.write(&txn, row, plan, held, &loose, &mut facts, (readings, &shares)).await?;
        laps.lap(Phase::Write);
        timing.commit(txn.commit()).await?;
        self.pay(costs);
        laps.lap(Phase::Commit);
        metrics.sync.admitted(admitted);
        let accepted = Accepted { outcomes, before, row, taken, left_until_ms: None };
        Ok(Attempt::Done(Box::new(Settled { accepted, more })))
    }

    /// What the daybook knows of the chunks and of what is held, with what a document told.
    async fn facts(
        &self,
        txn: &Transaction,
        row: &daybook::Model,
        held: &Held,
        proofs: &HashMap<Hash, bool>,
    ) -> Result<Loaded, FlowError> {
        // What is sent again while it waits is asked for by whoever sends it.
        let waiting = held.changes.iter().map(|change| (held.payers.get(&change.hash).copied(), &**change));
        let pushed =
            self.chunks.iter().filter_map(Incoming::change).map(|change| (self.bringer.payer, &**change));
        let asking: Vec<(Option<Payer>, &Checked)> = waiting.chain(pushed).collect();
        let unread: Vec<Hash> =
            self.chunks.iter().filter_map(Incoming::unread).take(UNREAD_LOOKED_UP_MAX).collect();
        let asked = Asked { unread: &unread, again: &self.again, pushes: self.bringer.payer };
        let mut loaded = facts::load(txn, self.of, row, held, &asking, asked).await?;
        let read = loaded.read.iter();
        self.pay(read.map(|(payer, bytes)| (*payer, bytes.saturating_sub(FACTS_BYTES_FREE))));
        for (hash, sound) in proofs {
            if *sound {
                loaded.facts.verified.insert(*hash);
            } else {
                loaded.facts.refused.insert(*hash, RefusalCode::MarkOrder);
            }
        }
        Ok(loaded)
    }

    /// Updates the states of all that the accepted changes touch. Answers who pays for it.
    fn reduce(&self, plan: &Plan, held: &Held, facts: &Facts, readings: &mut Readings) -> Shares {
        let mut shares = Shares::default();
        for accepted in &plan.accepted {
            let did = readings.reduce(&accepted.change, &lookup(facts));
            shares.add(self.payer_of(held, &accepted.change.hash), accepted.was_held, &did);
        }
        shares
    }

    fn outcomes(&self, plan: &Plan, held: &Held, facts: &Facts, readings: &Readings) -> Vec<ChunkOutcome> {
        let sent: BTreeMap<Hash, &Arc<Checked>> =
            self.chunks.iter().filter_map(Incoming::change).map(|change| (change.hash, change)).collect();
        plan.outcomes()
            .map(|(hash, became)| {
                let change = sent.get(&hash).filter(|_| became == Became::Accepted);
                let touched = change.map(|change| crate::merge::touched(change, &lookup(facts)));
                let activities: BTreeSet<ActivityId> =
                    touched.into_iter().flatten().filter(|id| !readings.is_elsewhere(*id)).collect();
                let (became, expires_at_ms) = self.until(hash, became, plan, held);
                ChunkOutcome { hash, became, activities: activities.into_iter().collect(), expires_at_ms }
            })
            .collect()
    }

    /// Of a held change, what it waits for and until when it is kept.
    fn until(&self, hash: Hash, became: Became, plan: &Plan, held: &Held) -> (Became, Option<i64>) {
        let Became::Held(reason) = became else { return (became, None) };
        let Some(row) = held.all.get(&hash) else {
            let received_at_ms = self.brought(&hash).at_ms;
            return (Became::Held(reason), Some(expires_at_ms(received_at_ms, None)));
        };
        let looked_at = plan.still.iter().any(|still| still.change.hash == hash);
        let reason = if looked_at { reason } else { row.reason.clone() };
        (Became::Held(reason), Some(expires_at_ms(row.received_at_ms, row.expires_at_ms)))
    }

    #[expect(clippy::too_many_arguments, reason = "all that one transaction writes, in one place")]
    async fn write(
        &self,
        txn: &Transaction,
        row: daybook::Model,
        plan: Plan,
        held: &Held,
        loose: &HashSet<Hash>,
        facts: &mut Facts,
        (readings, shares): (Readings, &Shares),
    ) -> Result<(daybook::Model, Vec<(Payer, u64)>), FlowError> {
        let mut batch = Batch::default();
        let merge_actor = self.app.random();
        let mut written = rows::changes(self, row, &plan, held, facts, merge_actor)?;
        let sets = rows::SetAside { plan: &plan, held, loose };
        rows::held_and_refused(self, txn, &sets, &mut written.row, &mut batch).await?;
        let costs = readings.write(txn, written.before, self.bringer, shares, &mut batch).await?;
        let row = written.row.clone();
        rows::push(txn, written, &mut batch);
        batch.execute(txn).await?;
        Ok((row, costs))
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
