//! Admits a change against the facts of its daybook (design: "Refused", "Held").
//!
//! The facts come from rows loaded in bulk; what [`references`] names is what there is to load. Accepting
//! a change updates the facts, so that the next change of the same transaction sees it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::footprint::{BadFootprint, Footprint, Found, Header, ObjectInfo, Slot};
use super::guard::Checked;
use super::op::{Action, Actor, Hash, ObjId, ObjectKind, Op, OpId, OpKey};
use super::refusal::RefusalCode;
use super::text::drafts;
use crate::domain::limits::OBJECT_DEPTH_MAX;

/// What the facts must know before these changes are admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The changes themselves and their dependencies: look up among accepted, refused and held.
    pub hashes: BTreeSet<Hash>,
    pub actors: BTreeSet<Actor>,
    /// Operations that these changes name and do not make: find the rows of accepted changes with this
    /// actor and `start_op` ≤ counter ≤ `max_op`. Those that are not found are left out.
    pub op_ids: BTreeSet<OpId>,
}

/// What to load for these changes. Leave out what is already accepted, or what it made is not loaded.
pub fn references<'a>(changes: impl IntoIterator<Item = &'a Checked> + Clone) -> References {
    let mut references = References::default();
    let mut made: HashMap<&Actor, Vec<(u64, u64)>> = HashMap::new();
    for change in changes.clone() {
        made.entry(&change.actor).or_default().push((change.start_op, change.max_op));
    }
    let here = |id: &OpId| {
        let ranges = made.get(&id.actor);
        ranges.is_some_and(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&id.counter)))
    };
    for change in changes {
        references.hashes.insert(change.hash);
        references.hashes.extend(&change.deps);
        references.actors.insert(change.actor.clone());
        for op in &change.ops {
            let mut want = |id: &OpId| {
                if !here(id) && !references.op_ids.contains(id) {
                    references.op_ids.insert(id.clone());
                }
            };
            if let ObjId::Id(id) = &op.obj {
                want(id);
            }
            if let OpKey::Element(id) = &op.key {
                want(id);
            }
            op.pred.iter().for_each(want);
        }
    }
    references
}

/// Where an actor stands: its last accepted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorLast {
    pub seq: u64,
    pub max_op: u64,
    pub position: u64,
}

/// An accepted change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    position: u64,
    max_op: u64,
    /// Every change up to this position is in its past (itself included).
    covers: u64,
}

/// A node of the graph of accepted changes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    position: u64,
    deps: Vec<Hash>,
}

/// What is known of a daybook, as far as [`references`] asks.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Refused changes, with the reason of each.
    pub refused: HashMap<Hash, RefusalCode>,
    pub held: HashSet<Hash>,
    pub actors: HashMap<Actor, ActorLast>,
    /// The last position of the daybook; 0 where it is empty.
    pub position: u64,
    /// The greatest operation counter of the daybook; 0 where it is empty.
    pub max_op: u64,
    /// Changes that [`Admission::Unverified`] asked about, and that `document::is_sound` found sound.
    pub verified: HashSet<Hash>,
    known: HashMap<Hash, Known>,
    graph: HashMap<Hash, Node>,
    rows: HashMap<Actor, BTreeMap<u64, Row>>,
    /// The past of the change accepted last, itself included: mostly the next one builds on it.
    latest: Option<(Hash, Past)>,
}

#[derive(Debug, Clone)]
struct Row {
    position: u64,
    footprint: Footprint,
}

/// Why a change waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HeldReason {
    /// A dependency is not accepted yet.
    MissingDependency,
    /// Its operations start above the daybook's greatest plus one.
    StartOpAhead,
}

impl HeldReason {
    /// The code as stored and as sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MissingDependency => "missing_dependency",
            Self::StartOpAhead => "start_op_ahead",
        }
    }
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Takes the next position, which is [`Facts::position`] now. `objects` goes into the change's row; the
    /// facts of later changes are read from it.
    Accept { objects: Vec<u8> },
    /// Accepted before.
    Duplicate,
    Held(HeldReason),
    /// Only a document can tell (a range of rich text over text of earlier changes). Outside of any
    /// transaction, ask `document::is_sound` with this change on top of the accepted ones; then add it to
    /// [`Facts::verified`], or refuse it as `mark_order`.
    Unverified,
    Refused(RefusalCode),
}

impl Facts {
    /// Facts of a daybook with this last position and greatest operation counter, nothing loaded yet.
    #[must_use]
    pub fn new(position: u64, max_op: u64) -> Self {
        Self { position, max_op, ..Self::default() }
    }

    /// Whether a change is accepted, as far as it was asked for.
    #[must_use]
    pub fn is_known(&self, hash: &Hash) -> bool {
        self.known.contains_key(hash)
    }

    /// Adds an accepted change that was asked for by its hash.
    ///
    /// # Errors
    /// Where the stored objects cannot be read.
    pub fn add_known(
        &mut self,
        hash: Hash,
        position: u64,
        max_op: u64,
        objects: &[u8],
    ) -> Result<(), BadFootprint> {
        let Header { covers, deps } = Header::decode(objects)?;
        self.known.insert(hash, Known { position, max_op, covers });
        self.graph.insert(hash, Node { position, deps });
        Ok(())
    }

    /// Adds an accepted change after the position that [`Facts::graph_after`] names.
    ///
    /// # Errors
    /// Where the stored objects cannot be read.
    pub fn add_node(&mut self, hash: Hash, position: u64, objects: &[u8]) -> Result<(), BadFootprint> {
        let deps = Header::decode(objects)?.deps;
        self.graph.insert(hash, Node { position, deps });
        Ok(())
    }

    /// Adds the row of an accepted change that holds an operation asked for.
    ///
    /// # Errors
    /// Where the stored objects cannot be read.
    pub fn add_row(
        &mut self,
        actor: &Actor,
        start_op: u64,
        position: u64,
        objects: &[u8],
    ) -> Result<(), BadFootprint> {
        let rows = self.rows.entry(actor.clone()).or_default();
        if let std::collections::btree_map::Entry::Vacant(row) = rows.entry(start_op) {
            row.insert(Row { position, footprint: Footprint::decode(objects)? });
        }
        Ok(())
    }

    /// The position after which the graph of accepted changes is needed, if it is: where one of these
    /// changes, in this order, does not build on everything before it. Ask once known changes are added.
    pub fn graph_after<'a>(&self, changes: impl IntoIterator<Item = &'a Checked>) -> Option<u64> {
        let mut covers: HashMap<Hash, u64> = HashMap::new();
        let mut position = self.position;
        let mut after: Option<u64> = None;
        for change in changes {
            if self.known.contains_key(&change.hash) {
                continue;
            }
            let of = |dep| self.known.get(dep).map(|known| known.covers).or_else(|| covers.get(dep).copied());
            let past = change.deps.iter().filter_map(of).max().unwrap_or(0);
            if past < position {
                after = Some(after.map_or(past, |after| after.min(past)));
            }
            let next = position.saturating_add(1);
            covers.insert(change.hash, if past == position { next } else { past });
            position = next;
        }
        // What is not stored yet is not there to load.
        after.filter(|after| *after < self.position)
    }

    /// The object that an operation made, if it exists and made one.
    #[must_use]
    pub fn object(&self, id: &OpId) -> Option<ObjectInfo> {
        self.find(id).and_then(|(_, found)| found.made)
    }

    fn find(&self, id: &OpId) -> Option<(u64, Found)> {
        let (_, row) = self.rows.get(&id.actor)?.range(..=id.counter).next_back()?;
        Some((row.position, row.footprint.find(id.counter)?))
    }

    fn accept(&mut self, change: &Checked, mut past: Past, footprint: Footprint) -> Vec<u8> {
        let position = self.position.saturating_add(1);
        past.add(position);
        let covers = past.covers;
        self.position = position;
        self.max_op = self.max_op.max(change.max_op);
        self.known.insert(change.hash, Known { position, max_op: change.max_op, covers });
        self.held.remove(&change.hash);
        self.graph.insert(change.hash, Node { position, deps: change.deps.clone() });
        let last = ActorLast { seq: change.seq, max_op: change.max_op, position };
        self.actors.insert(change.actor.clone(), last);
        self.latest = Some((change.hash, past));
        let objects = footprint.encode(&Header { covers, deps: change.deps.clone() });
        if !change.ops.is_empty() {
            let row = Row { position, footprint };
            self.rows.entry(change.actor.clone()).or_default().insert(change.start_op, row);
        }
        objects
    }
}

/// The changes that a change builds on, by position.
#[derive(Debug, Clone, Default)]
struct Past {
    /// All up to here.
    covers: u64,
    beyond: HashSet<u64>,
}

impl Past {
    /// The dependencies are known.
    fn of(facts: &Facts, deps: &[Hash]) -> Self {
        if let (Some((hash, past)), [dep]) = (&facts.latest, deps)
            && hash == dep
        {
            return past.clone();
        }
        let known = |dep| facts.known.get(dep);
        let covers = deps.iter().filter_map(known).map(|known| known.covers).max().unwrap_or(0);
        let mut past = Self { covers, beyond: HashSet::new() };
        let mut next: Vec<(u64, &Hash)> =
            deps.iter().filter_map(|dep| Some((known(dep)?.position, dep))).collect();
        while let Some((position, hash)) = next.pop() {
            if position <= covers || !past.beyond.insert(position) {
                continue;
            }
            let deps = facts.graph.get(hash).map(|node| node.deps.as_slice()).unwrap_or_default();
            next.extend(deps.iter().filter_map(|dep| Some((facts.graph.get(dep)?.position, dep))));
        }
        past.settle();
        past
    }

    fn contains(&self, position: u64) -> bool {
        position <= self.covers || self.beyond.contains(&position)
    }

    fn add(&mut self, position: u64) {
        self.beyond.insert(position);
        self.settle();
    }

    fn settle(&mut self) {
        while self.beyond.remove(&self.covers.saturating_add(1)) {
            self.covers = self.covers.saturating_add(1);
        }
    }
}

/// Decides about one change, in the order sent, and updates the facts.
pub fn admit(facts: &mut Facts, change: &Checked) -> Admission {
    if facts.known.contains_key(&change.hash) {
        return Admission::Duplicate;
    }
    match judge(facts, change) {
        Ok(Judged::Sound(past, footprint)) => {
            let objects = facts.accept(change, past, footprint);
            Admission::Accept { objects }
        }
        Ok(Judged::Unverified) => Admission::Unverified,
        Ok(Judged::Early(reason)) => {
            facts.held.insert(change.hash);
            Admission::Held(reason)
        }
        Err(code) => {
            facts.held.remove(&change.hash);
            facts.refused.insert(change.hash, code);
            Admission::Refused(code)
        }
    }
}

enum Judged {
    Sound(Past, Footprint),
    Unverified,
    Early(HeldReason),
}

fn judge(facts: &Facts, change: &Checked) -> Result<Judged, RefusalCode> {
    if let Some(code) = facts.refused.get(&change.hash) {
        return Err(*code);
    }
    if change.deps.iter().any(|dep| facts.refused.contains_key(dep)) {
        return Err(RefusalCode::OnRefused);
    }
    let last = facts.actors.get(&change.actor);
    let (last_seq, last_max) = last.map_or((0, 0), |last| (last.seq, last.max_op));
    // Not among the accepted, so what the actor has with this number is another change.
    if change.seq <= last_seq {
        return Err(RefusalCode::ActorFork);
    }
    let mut dependencies_max = 0;
    for dep in &change.deps {
        match facts.known.get(dep) {
            Some(known) => dependencies_max = dependencies_max.max(known.max_op),
            None => return Ok(Judged::Early(HeldReason::MissingDependency)),
        }
    }
    let past = Past::of(facts, &change.deps);
    // Automerge asserts that an actor's changes are applied in order, and itself orders changes by their
    // dependencies alone.
    let in_order = last.is_none_or(|last| past.contains(last.position));
    if change.seq > last_seq.saturating_add(1) || !in_order {
        return Err(RefusalCode::SeqGap);
    }
    if change.start_op <= dependencies_max.max(last_max) {
        return Err(RefusalCode::StartOpLow);
    }
    if change.ops.is_empty() && change.start_op != dependencies_max.saturating_add(1) {
        return Err(RefusalCode::StartOpGap);
    }
    if change.start_op > facts.max_op.saturating_add(1) {
        return Ok(Judged::Early(HeldReason::StartOpAhead));
    }
    let footprint = check_ops(facts, change, &past)?;
    if marks_in_order(&change.ops)? || facts.verified.contains(&change.hash) {
        Ok(Judged::Sound(past, footprint))
    } else {
        Ok(Judged::Unverified)
    }
}

/// Whether every range of rich text is known to begin before it ends; an error where one is known not to.
fn marks_in_order(ops: &[Op]) -> Result<bool, RefusalCode> {
    if !ops.iter().any(|op| op.action.is_mark()) {
        return Ok(true);
    }
    let drafts = drafts(ops);
    let by_id: HashMap<&OpId, &Op> = ops.iter().map(|op| (&op.id, op)).collect();
    if !drafts.values().all(|draft| draft.has_marks_in_order(|id| by_id.get(id).copied())) {
        return Err(RefusalCode::MarkOrder);
    }
    let mut known = true;
    let mut before: Option<&Op> = None;
    for op in ops {
        if op.action == Action::MarkEnd {
            // The end of a range is told from its beginning by its number alone.
            let begin = before.filter(|begin| begin.action == Action::MarkBegin && begin.obj == op.obj);
            let begin = begin.ok_or(RefusalCode::MarkOrder)?;
            let fresh = matches!(&op.obj, ObjId::Id(text) if drafts.contains_key(text));
            let right_after = op.key == OpKey::Element(begin.id.clone());
            // What is inserted first in a text stands before all that was there.
            let at_front = begin.key == OpKey::Head && op.key != OpKey::Head;
            known &= fresh || right_after || at_front;
        }
        before = Some(op);
    }
    Ok(known)
}

/// Every object, element and predecessor exists, in its place and in the change's past. Automerge would
/// panic on some of what is refused here, silently write documents that never load again from more of it,
/// and the rest would break a phone that takes the changes in another order.
fn check_ops(facts: &Facts, change: &Checked, past: &Past) -> Result<Footprint, RefusalCode> {
    let mut view = View { facts, past, own: &change.actor, footprint: Footprint::new(change.start_op) };
    for op in &change.ops {
        let info = view.object(op)?;
        view.check_key(op, &info)?;
        view.check_predecessors(op)?;
        if matches!(op.action, Action::Make(_)) && info.depth >= OBJECT_DEPTH_MAX {
            return Err(RefusalCode::TooDeep);
        }
        view.footprint.push(op, &info);
    }
    Ok(view.footprint)
}

/// The operations that the change builds on, and its own so far.
struct View<'a> {
    facts: &'a Facts,
    past: &'a Past,
    own: &'a Actor,
    footprint: Footprint,
}

impl View<'_> {
    fn find(&self, id: &OpId, by: &OpId) -> Option<Found> {
        if id.counter >= by.counter {
            return None;
        }
        let own = if id.actor == *self.own { self.footprint.find(id.counter) } else { None };
        let earlier = || self.facts.find(id).filter(|(position, _)| self.past.contains(*position));
        own.or_else(|| earlier().map(|(_, found)| found))
    }

    fn object(&self, op: &Op) -> Result<ObjectInfo, RefusalCode> {
        match &op.obj {
            ObjId::Root => Ok(ObjectInfo::root()),
            ObjId::Id(id) => {
                let made = self.find(id, &op.id).and_then(|found| found.made);
                // Automerge knows tables by name only, and panics on what works in one.
                made.filter(|info| info.kind != ObjectKind::Table).ok_or(RefusalCode::MissingObject)
            }
        }
    }

    fn check_key(&self, op: &Op, info: &ObjectInfo) -> Result<(), RefusalCode> {
        let fits = match (&op.key, info.kind.has_keys()) {
            (OpKey::Map(_), true) => !op.insert && !op.action.is_mark(),
            (OpKey::Head, false) => op.insert,
            (OpKey::Element(element), false) => {
                self.find(element, &op.id).is_some_and(|found| found.obj == op.obj && found.slot == Slot::Element)
            }
            (OpKey::Map(_), false) | (OpKey::Head | OpKey::Element(_), true) => false,
        };
        let inserts_nothing = op.insert && matches!(op.action, Action::Delete | Action::Increment(_));
        let loose_mark = op.action.is_mark() && !op.insert;
        if fits && !inserts_nothing && !loose_mark { Ok(()) } else { Err(RefusalCode::MissingElement) }
    }

    fn check_predecessors(&self, op: &Op) -> Result<(), RefusalCode> {
        let each_once = op.pred.is_sorted_by(|a, b| a < b);
        // A deletion is stored only as the successor of what it deletes.
        let deletes_nothing = matches!(op.action, Action::Delete | Action::Increment(_)) && op.pred.is_empty();
        if !each_once || deletes_nothing || (op.insert && !op.pred.is_empty()) {
            return Err(RefusalCode::MissingPredecessor);
        }
        let all_here = op.pred.iter().all(|pred| {
            let found = self.find(pred, &op.id);
            found.is_some_and(|found| found.obj == op.obj && same_place(&found.slot, pred, &op.key))
        });
        if all_here { Ok(()) } else { Err(RefusalCode::MissingPredecessor) }
    }
}

fn same_place(slot: &Slot, pred: &OpId, key: &OpKey) -> bool {
    match (slot, key) {
        (Slot::Key(theirs), OpKey::Map(ours)) => theirs == ours,
        (Slot::Element, OpKey::Element(element)) => pred == element,
        (Slot::Update(theirs), OpKey::Element(ours)) => theirs == ours,
        _ => false,
    }
}
