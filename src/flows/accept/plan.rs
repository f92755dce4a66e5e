//! What becomes of the chunks of a push, decided purely from the facts of the daybook: accepted in causal
//! order, held ones admitted when what they wait for arrives, the rest refused or deferred.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::advice::{Deferral, advice};
use crate::domain::limits::{
    ACCEPT_CHANGES_MAX, ACCEPT_OPERATIONS_MAX, HELD_BYTES_MAX, HELD_CHANGES_MAX, HELD_LEFT_BYTES_MAX,
    HELD_LEFT_CHANGES_MAX, HELD_MISSING_SHOWN_MAX,
};
use crate::merge::admit::{Admission, Facts, HeldReason, admit};
use crate::merge::guard::{Checked, Chunk};
use crate::merge::intake::Taken;
use crate::merge::{Hash, RefusalCode};

/// What became of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Became {
    Accepted,
    Duplicate,
    Held(String),
    Deferred(Deferral),
    /// Code and detail.
    Refused(String, String),
}

/// A change that takes a position, in order.
#[derive(Debug)]
pub struct Accepted {
    pub change: Arc<Checked>,
    pub objects: Vec<u8>,
    /// It waited among the held ones.
    pub was_held: bool,
}

/// A change that waits.
#[derive(Debug, Clone)]
pub struct Held {
    pub change: Arc<Checked>,
    pub reason: HeldReason,
    /// Dependencies that are missing, that which it waits for first, and not more than are shown; nothing where
    /// it waits for something else, or for its turn.
    pub missing: Vec<Hash>,
}

/// What the daybook holds already, in all.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldTotals {
    pub changes: usize,
    pub bytes: u64,
}

/// A change that goes into quarantine.
#[derive(Debug, Clone)]
pub struct Refused {
    pub hash: Hash,
    pub code: RefusalCode,
    pub detail: String,
    pub bytes: Vec<u8>,
}

/// Everything that one accept does to a daybook.
#[derive(Debug, Default)]
pub struct Plan {
    pub accepted: Vec<Accepted>,
    /// New ones only.
    pub held: Vec<Held>,
    /// Held before, looked at again, and still held.
    pub still: Vec<Held>,
    /// Some of those held only wait for their turn: another transaction right after this one takes them.
    pub more: bool,
    /// Held, not looked at, and from now on only waiting for their turn.
    pub left: Vec<Vec<u8>>,
    /// Some of those still held wait for something else now.
    pub moves: bool,
    pub refused: Vec<Refused>,
    /// Held before, and now admitted or refused.
    pub released: Vec<Hash>,
    /// Only a document can tell whether this one may follow those accepted so far; the plan ends here.
    pub unverified: Option<Arc<Checked>>,
    became: HashMap<Hash, Became>,
    /// The request's chunks, by hash.
    order: Vec<Hash>,
    operations: u64,
}

impl Plan {
    /// The outcomes in the order of the request.
    pub fn outcomes(&self) -> impl Iterator<Item = (Hash, Became)> {
        self.order.iter().map(|hash| (*hash, self.became_of(hash)))
    }

    fn became_of(&self, hash: &Hash) -> Became {
        self.became.get(hash).cloned().unwrap_or(Became::Deferred(Deferral::TransactionFull))
    }

    /// Whether nothing is to be written.
    pub fn is_empty(&self) -> bool {
        self.accepted.is_empty()
            && self.held.is_empty()
            && self.refused.is_empty()
            && self.released.is_empty()
            && !self.moves
    }

    /// What is decided anew: accepted, held or refused in this plan.
    pub fn settled(&self) -> impl Iterator<Item = &Hash> {
        let accepted = self.accepted.iter().map(|accepted| &accepted.change.hash);
        let held = self.held.iter().map(|held| &held.change.hash);
        accepted.chain(held).chain(self.refused.iter().map(|refused| &refused.hash))
    }

    /// Operations of all accepted changes, expanded.
    pub fn operations(&self) -> u64 {
        self.operations
    }
}

/// One chunk of a push, looked at.
#[derive(Debug, Clone)]
pub enum Incoming {
    Change(Arc<Checked>),
    /// Refused without looking at the daybook.
    Refused(Arc<Refused>),
    /// Accepted before.
    Known(Hash),
    /// Not decoded: held or refused before, or too much for the request.
    Unread(Hash),
}

impl Incoming {
    /// The change, where it was decoded.
    pub fn change(&self) -> Option<&Arc<Checked>> {
        match self {
            Self::Change(change) => Some(change),
            Self::Refused(_) | Self::Known(_) | Self::Unread(_) => None,
        }
    }

    /// The hash of what may be among what is held.
    pub fn may_be_held(&self) -> Option<Hash> {
        self.change().map(|change| change.hash).or_else(|| self.unread())
    }

    /// The hash of what was not decoded and is not known to be accepted.
    pub fn unread(&self) -> Option<Hash> {
        match self {
            Self::Unread(hash) => Some(*hash),
            Self::Change(_) | Self::Refused(_) | Self::Known(_) => None,
        }
    }
}

impl From<Taken> for Incoming {
    fn from(taken: Taken) -> Self {
        match taken {
            Taken::Change(change) => Chunk::Change(change).into(),
            Taken::Refused { hash, code, detail, bytes } => {
                Self::Refused(Arc::new(Refused { hash, code, detail, bytes }))
            }
            Taken::Known(hash) => Self::Known(hash),
            Taken::Unread(hash) => Self::Unread(hash),
        }
    }
}

impl From<Chunk> for Incoming {
    fn from(chunk: Chunk) -> Self {
        match chunk {
            Chunk::Change(change) => Self::Change(Arc::new(*change)),
            Chunk::Refused { hash, code, detail, bytes } => {
                Self::Refused(Arc::new(Refused { hash, code, detail, bytes }))
            }
        }
    }
}

/// Decides about the chunks of a push, `held` being what the daybook holds already and may have its turn now,
/// out of `totals`. The facts afterwards know what was accepted. With `may_ask` false, what only a document
/// can tell is left for later.
#[must_use]
pub fn plan(
    facts: &mut Facts,
    chunks: &[Incoming],
    held: &[Arc<Checked>],
    totals: HeldTotals,
    may_ask: bool,
) -> Plan {
    let mut planner = Planner { totals, may_ask, ..Planner::default() };
    for change in held {
        let waiting = Waiting { change: change.clone(), reason: HeldReason::MissingDependency, old: true };
        planner.wait(facts, waiting);
    }
    planner.take_all(facts, chunks);
    planner.drain(facts);
    planner.finish(facts)
}

/// The same for chunks of somebody who has left the group whose daybook it is: nothing is accepted, and what is not
/// refused already is held until they are back.
#[must_use]
pub fn set_aside(facts: &mut Facts, chunks: &[Incoming], totals: HeldTotals) -> Plan {
    let mut planner = Planner { totals, has_left: true, ..Planner::default() };
    planner.take_all(facts, chunks);
    planner.finish(facts)
}

#[derive(Debug)]
struct Waiting {
    change: Arc<Checked>,
    reason: HeldReason,
    /// It has a row among the held ones.
    old: bool,
}

#[derive(Debug, Default)]
struct Planner {
    plan: Plan,
    /// By the first dependency that is missing.
    waiting: BTreeMap<Hash, Vec<Waiting>>,
    /// Nothing is missing but the operations in between.
    ahead: Vec<Waiting>,
    ready: VecDeque<Waiting>,
    totals: HeldTotals,
    full: Option<Deferral>,
    /// The document may be asked about a change.
    may_ask: bool,
    /// Whoever sends has left the group whose daybook it is.
    has_left: bool,
}

impl Planner {
    fn take_all(&mut self, facts: &mut Facts, chunks: &[Incoming]) {
        for chunk in chunks {
            match chunk {
                Incoming::Change(change) => self.take(facts, change.clone()),
                Incoming::Refused(refused) => {
                    self.plan.order.push(refused.hash);
                    facts.refused.insert(refused.hash, refused.code);
                    self.refuse((**refused).clone(), false);
                    self.release(facts, refused.hash);
                }
                Incoming::Known(hash) => {
                    self.plan.order.push(*hash);
                    self.plan.became.entry(*hash).or_insert(Became::Duplicate);
                }
                Incoming::Unread(hash) => self.take_unread(facts, *hash),
            }
        }
    }

    fn take(&mut self, facts: &mut Facts, change: Arc<Checked>) {
        let hash = change.hash;
        self.plan.order.push(hash);
        if facts.is_known(&hash) {
            self.plan.became.entry(hash).or_insert(Became::Duplicate);
        } else if facts.held.contains(&hash) {
            // It waits already, from an earlier push or from this one.
            let reason = HeldReason::MissingDependency.as_str().to_owned();
            self.plan.became.entry(hash).or_insert(Became::Held(reason));
        } else if self.has_left {
            self.keep(facts, change);
        } else if let Some(why) = self.full_for(&change).filter(|_| !is_refused(facts, &change)) {
            // What follows may build on this one, so it is sent again as well.
            self.full = Some(why);
            self.plan.became.entry(hash).or_insert(Became::Deferred(why));
        } else {
            self.decide(facts, Waiting { change, reason: HeldReason::MissingDependency, old: false });
            self.drain(facts);
        }
    }

    /// A change whose turn comes only when whoever sent it is back; what must not come in at all is refused now.
    fn keep(&mut self, facts: &mut Facts, change: Arc<Checked>) {
        let hash = change.hash;
        if is_refused(facts, &change) {
            let code = facts.refused.get(&hash).copied().unwrap_or(RefusalCode::OnRefused);
            facts.refused.insert(hash, code);
            let detail = advice(code).to_owned();
            self.refuse(Refused { hash, code, detail, bytes: change.bytes.clone() }, false);
        } else {
            facts.held.insert(hash);
            self.hold(facts, Waiting { change, reason: HeldReason::LeftGroup, old: false });
        }
    }

    /// A change that was not decoded: what is known of it by its hash, else it is sent again.
    fn take_unread(&mut self, facts: &Facts, hash: Hash) {
        self.plan.order.push(hash);
        let became = if facts.is_known(&hash) {
            Became::Duplicate
        } else if facts.held.contains(&hash) {
            Became::Held(HeldReason::MissingDependency.as_str().to_owned())
        } else if let Some(code) = facts.refused.get(&hash) {
            Became::Refused(code.as_str().to_owned(), advice(*code).to_owned())
        } else {
            let why = *self.full.get_or_insert(Deferral::RequestFull);
            Became::Deferred(why)
        };
        self.plan.became.entry(hash).or_insert(became);
    }

    /// Decides about a change once nothing is known to stand in its way.
    fn decide(&mut self, facts: &mut Facts, waiting: Waiting) {
        let Waiting { change, old, .. } = waiting;
        match admit(facts, &change) {
            Admission::Duplicate => {
                self.plan.became.insert(change.hash, Became::Duplicate);
            }
            Admission::Accept { objects } => {
                let hash = change.hash;
                self.plan.operations = self.plan.operations.saturating_add(change.operations());
                self.plan.became.insert(hash, Became::Accepted);
                if old {
                    self.plan.released.push(hash);
                }
                self.plan.accepted.push(Accepted { change, objects, was_held: old });
                self.release(facts, hash);
            }
            Admission::Unverified => {
                if self.may_ask && self.plan.unverified.is_none() {
                    self.plan.unverified = Some(change);
                } else if old {
                    // It has its turn in the next transaction, which may ask again.
                    let reason = HeldReason::MissingDependency;
                    self.ready.push_back(Waiting { change, reason, old });
                } else {
                    self.plan.became.insert(change.hash, Became::Deferred(Deferral::TransactionFull));
                }
                self.full = Some(Deferral::TransactionFull);
            }
            Admission::Held(reason) => self.hold(facts, Waiting { change, reason, old }),
            Admission::Refused(code) => {
                let hash = change.hash;
                let detail = advice(code).to_owned();
                self.refuse(Refused { hash, code, detail, bytes: change.bytes.clone() }, old);
                self.release(facts, hash);
            }
        }
    }

    fn hold(&mut self, facts: &mut Facts, waiting: Waiting) {
        let bytes = waiting.change.size();
        if !waiting.old {
            let (changes_max, bytes_max) = match self.has_left {
                true => (HELD_LEFT_CHANGES_MAX, HELD_LEFT_BYTES_MAX),
                false => (HELD_CHANGES_MAX, HELD_BYTES_MAX),
            };
            let changes_max = usize::try_from(changes_max).unwrap_or(usize::MAX);
            if self.totals.changes + 1 > changes_max || self.totals.bytes + bytes > bytes_max {
                facts.held.remove(&waiting.change.hash);
                self.plan.became.insert(waiting.change.hash, Became::Deferred(Deferral::HeldFull));
                return;
            }
            self.totals.changes += 1;
            self.totals.bytes += bytes;
        }
        self.plan.became.insert(waiting.change.hash, Became::Held(waiting.reason.as_str().to_owned()));
        self.wait(facts, waiting);
    }

    fn wait(&mut self, facts: &Facts, waiting: Waiting) {
        let known = |dep: &&Hash| !facts.is_known(dep);
        match waiting.change.deps.iter().find(known) {
            Some(missing) if !facts.refused.contains_key(missing) => {
                self.waiting.entry(*missing).or_default().push(waiting);
            }
            None if waiting.reason != HeldReason::MissingDependency => self.ahead.push(waiting),
            _ => self.ready.push_back(waiting),
        }
    }

    fn refuse(&mut self, refused: Refused, old: bool) {
        if old {
            self.plan.released.push(refused.hash);
        }
        let became = Became::Refused(refused.code.as_str().to_owned(), refused.detail.clone());
        self.plan.became.insert(refused.hash, became);
        self.plan.refused.push(refused);
    }

    /// What waited for this change is looked at again.
    fn release(&mut self, facts: &mut Facts, hash: Hash) {
        for waiting in self.waiting.remove(&hash).unwrap_or_default() {
            self.wait(facts, waiting);
        }
        // Only those whose turn may have come: there may be thousands, and this is done for every change.
        let may = |waiting: &mut Waiting| match waiting.reason {
            HeldReason::MissingDependency => true,
            HeldReason::StartOpAhead => waiting.change.start_op <= facts.max_op.saturating_add(1),
            HeldReason::Quota => facts.has_room(waiting.change.operations(), waiting.change.size()),
            HeldReason::LeftGroup => false,
        };
        self.ready.extend(self.ahead.extract_if(.., may));
    }

    /// Admits held changes while there is room.
    fn drain(&mut self, facts: &mut Facts) {
        while let Some(waiting) = self.ready.pop_front() {
            if self.full_for(&waiting.change).is_some() {
                self.ready.push_front(waiting);
                return;
            }
            self.decide(facts, waiting);
        }
    }

    /// Why this plan has no room for a change, if it has none.
    fn full_for(&self, change: &Checked) -> Option<Deferral> {
        let operations = self.plan.operations.saturating_add(change.operations());
        let is_full = self.plan.accepted.len() >= ACCEPT_CHANGES_MAX
            || (operations > ACCEPT_OPERATIONS_MAX && !self.plan.accepted.is_empty());
        self.full.or(is_full.then_some(Deferral::TransactionFull))
    }

    fn finish(mut self, facts: &Facts) -> Plan {
        self.plan.more = !self.ready.is_empty() && !self.plan.accepted.is_empty();
        let waiting = self.waiting.into_values().flatten().chain(self.ahead).chain(self.ready);
        for Waiting { change, reason, old } in waiting {
            // Whoever has left is waited for, whatever else is missing.
            let waits = reason != HeldReason::LeftGroup;
            let missing = change.deps.iter().filter(|dep| waits && !facts.is_known(dep));
            let missing = missing.take(HELD_MISSING_SHOWN_MAX).copied().collect();
            let held = Held { change, reason, missing };
            if old { self.plan.still.push(held) } else { self.plan.held.push(held) }
        }
        self.plan
    }
}

fn is_refused(facts: &Facts, change: &Checked) -> bool {
    facts.refused.contains_key(&change.hash) || change.deps.iter().any(|dep| facts.refused.contains_key(dep))
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
