//! What is known of a daybook when changes are admitted: loaded in bulk from rows, as far as these changes
//! ask, and kept current while they are accepted one after the other.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::footprint::{BadFootprint, Footprint, Found, Header, ObjectInfo};
use super::guard::Checked;
use super::op::{Actor, Hash, ObjId, OpId, OpKey};
use super::refusal::RefusalCode;
use crate::domain::limits::DAYBOOK_OPERATIONS_BASE;

/// What the facts must know before these changes are admitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// The changes themselves and their dependencies: look up among accepted, refused and held.
    pub hashes: BTreeSet<Hash>,
    pub actors: BTreeSet<Actor>,
    /// Operations that a change names and does not make itself: find the rows of accepted changes with
    /// this actor and `start_op` ≤ counter ≤ `max_op`. Those that are not found are left out.
    pub op_ids: BTreeSet<OpId>,
}

impl References {
    /// The operations as ranges of counters: find the rows of accepted changes with this actor, `start_op` ≤ to
    /// and `max_op` ≥ from. Close ones are joined, so some rows may be more than was asked for; deleting a text
    /// of a thousand letters is one range.
    #[must_use]
    pub fn ranges(&self) -> Ranges {
        let mut ranges = Ranges::default();
        // By counter first, so those of each actor come in order.
        for id in &self.op_ids {
            let of_actor = ranges.0.entry(id.actor.clone()).or_default();
            match of_actor.last_mut() {
                Some((_, to)) if id.counter.saturating_sub(*to) <= JOINED_MAX => *to = id.counter,
                _ => of_actor.push((id.counter, id.counter)),
            }
        }
        ranges
    }

    /// The operations one by one, of each actor.
    #[must_use]
    pub fn named(&self) -> Named {
        let mut named = Named::default();
        // By counter first, so those of each actor come in order.
        for id in &self.op_ids {
            named.0.entry(id.actor.clone()).or_default().push(id.counter);
        }
        named
    }
}

/// Operation counters that changes name, by actor and in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named(HashMap<Actor, Vec<u64>>);

impl Named {
    /// Those of an actor from here on.
    fn starting_at(&self, actor: &Actor, start_op: u64) -> &[u64] {
        let of_actor = self.0.get(actor).map(Vec::as_slice).unwrap_or_default();
        of_actor.get(of_actor.partition_point(|counter| *counter < start_op)..).unwrap_or_default()
    }
}

/// Ranges of operation counters by actor, ends included, in order and apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranges(BTreeMap<Actor, Vec<(u64, u64)>>);

impl Ranges {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.values().map(Vec::len).sum()
    }

    /// Each with its actor, its first and its last counter.
    pub fn iter(&self) -> impl Iterator<Item = (&Actor, u64, u64)> {
        self.0.iter().flat_map(|(actor, of_actor)| of_actor.iter().map(move |(from, to)| (actor, *from, *to)))
    }

    /// Whether one of them overlaps the operations of a change; an empty change has none.
    #[must_use]
    pub fn overlap(&self, actor: &Actor, start_op: u64, max_op: u64) -> bool {
        let Some(of_actor) = self.0.get(actor) else { return false };
        let next = of_actor.get(of_actor.partition_point(|(_, to)| *to < start_op));
        start_op <= max_op && next.is_some_and(|(from, _)| *from <= max_op)
    }
}

/// Counters this close are one range.
const JOINED_MAX: u64 = 16;

/// What to load for these changes. Leave out what is already accepted.
///
/// What another of these changes claims to make is asked for all the same: it may be a fork of an
/// accepted one, and must not hide it.
pub fn references<'a>(changes: impl IntoIterator<Item = &'a Checked>) -> References {
    let mut references = References::default();
    for change in changes {
        references.hashes.insert(change.hash);
        references.hashes.extend(&change.deps);
        references.actors.insert(change.actor.clone());
        for op in &change.ops {
            let mut want = |id: &OpId| {
                let own = id.actor == change.actor && (change.start_op..=change.max_op).contains(&id.counter);
                if !own && !references.op_ids.contains(id) {
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
pub(super) struct Known {
    position: u64,
    pub max_op: u64,
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
    /// Operations accepted so far, and what they may be: [`DAYBOOK_OPERATIONS_BASE`] and one per byte accepted.
    pub operations: u64,
    pub raw_bytes: u64,
    /// Changes that `Admission::Unverified` asked about, and that `document::is_sound` found sound.
    pub verified: HashSet<Hash>,
    pub(super) known: HashMap<Hash, Known>,
    graph: HashMap<Hash, Node>,
    rows: HashMap<Actor, BTreeMap<u64, Row>>,
    /// The past of the change accepted last, itself included: mostly the next one builds on it.
    latest: Option<(Hash, Past)>,
}

#[derive(Debug, Clone)]
struct Row {
    position: u64,
    operations: Operations,
}

/// What is known of the operations of an accepted change.
#[derive(Debug, Clone)]
enum Operations {
    All(Footprint),
    /// Only those that are asked about: a change of a few bytes may name one in each of a hundred changes that have
    /// hundreds of thousands.
    Named(HashMap<u64, Found>),
}

impl Operations {
    fn find(&self, counter: u64) -> Option<Found> {
        match self {
            Self::All(footprint) => footprint.find(counter),
            Self::Named(found) => found.get(&counter).cloned(),
        }
    }
}

impl Facts {
    /// Facts of a daybook with this last position and greatest operation counter, nothing loaded yet.
    #[must_use]
    pub fn new(position: u64, max_op: u64) -> Self {
        Self { position, max_op, ..Self::default() }
    }

    /// Whether the daybook's budget has room for a change of so many operations and bytes. One that brings at
    /// least a byte for each operation always fits: it leaves the room as it is.
    #[must_use]
    pub fn has_room(&self, operations: u64, bytes: u64) -> bool {
        let total = self.operations.saturating_add(operations);
        let most = DAYBOOK_OPERATIONS_BASE.saturating_add(self.raw_bytes).saturating_add(bytes);
        operations <= bytes || total <= most
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
        if let Entry::Vacant(row) = rows.entry(start_op) {
            row.insert(Row { position, operations: Operations::All(Footprint::decode(objects)?) });
        }
        Ok(())
    }

    /// The same, with nothing but the operations that are named: all that will be asked about.
    ///
    /// # Errors
    /// Where the stored objects cannot be read.
    pub fn add_named(
        &mut self,
        actor: &Actor,
        start_op: u64,
        position: u64,
        objects: &[u8],
        named: &Named,
    ) -> Result<(), BadFootprint> {
        let rows = self.rows.entry(actor.clone()).or_default();
        if let Entry::Vacant(row) = rows.entry(start_op) {
            let footprint = Footprint::decode(objects)?;
            let counters = named.starting_at(actor, start_op).iter();
            let found = counters.map_while(|counter| Some((*counter, footprint.find(*counter)?))).collect();
            row.insert(Row { position, operations: Operations::Named(found) });
        }
        Ok(())
    }

    /// The position after which the graph of accepted changes is needed, if it is: where one of these
    /// changes does not build on everything stored. Ask once known changes are added; the order of the
    /// changes does not matter, those that wait for others included.
    pub fn graph_after<'a>(&self, changes: impl IntoIterator<Item = &'a Checked>) -> Option<u64> {
        let new = changes.into_iter().filter(|change| !self.known.contains_key(&change.hash));
        let new: HashMap<Hash, &Checked> = new.map(|change| (change.hash, change)).collect();
        let mut covers: HashMap<Hash, Option<u64>> =
            self.known.iter().map(|(hash, known)| (*hash, Some(known.covers))).collect();
        let mut next: Vec<&Checked> = new.values().copied().collect();
        while let Some(change) = next.last().copied() {
            let unsettled = change.deps.iter().filter(|dep| !covers.contains_key(*dep));
            let before: Vec<&Checked> = unsettled.filter_map(|dep| new.get(dep).copied()).collect();
            if before.is_empty() {
                // Where a dependency is nowhere, the change has to wait, whatever it builds on.
                let past = change.deps.iter().map(|dep| covers.get(dep).copied().flatten());
                let past = past.collect::<Option<Vec<u64>>>().map(|past| past.into_iter().max().unwrap_or(0));
                covers.insert(change.hash, past);
                next.pop();
            } else {
                next.extend(before);
            }
        }
        let least = new.keys().filter_map(|hash| covers.get(hash).copied().flatten()).min();
        least.filter(|after| *after < self.position)
    }

    /// The object that an operation made, if it exists and made one.
    #[must_use]
    pub fn object(&self, id: &OpId) -> Option<ObjectInfo> {
        self.find(id).and_then(|(_, found)| found.made)
    }

    pub(super) fn find(&self, id: &OpId) -> Option<(u64, Found)> {
        let (_, row) = self.rows.get(&id.actor)?.range(..=id.counter).next_back()?;
        Some((row.position, row.operations.find(id.counter)?))
    }

    pub(super) fn accept(&mut self, change: &Checked, mut past: Past, footprint: Footprint) -> Vec<u8> {
        let position = self.position.saturating_add(1);
        past.add(position);
        let covers = past.covers;
        self.position = position;
        self.max_op = self.max_op.max(change.max_op);
        self.operations = self.operations.saturating_add(change.operations());
        self.raw_bytes = self.raw_bytes.saturating_add(change.size());
        self.known.insert(change.hash, Known { position, max_op: change.max_op, covers });
        self.held.remove(&change.hash);
        self.graph.insert(change.hash, Node { position, deps: change.deps.clone() });
        let last = ActorLast { seq: change.seq, max_op: change.max_op, position };
        self.actors.insert(change.actor.clone(), last);
        self.latest = Some((change.hash, past));
        let objects = footprint.encode(&Header { covers, deps: change.deps.clone() });
        if !change.ops.is_empty() {
            let row = Row { position, operations: Operations::All(footprint) };
            self.rows.entry(change.actor.clone()).or_default().insert(change.start_op, row);
        }
        objects
    }
}

/// The changes that a change builds on, by position.
#[derive(Debug, Clone, Default)]
pub(super) struct Past {
    /// All up to here.
    covers: u64,
    beyond: HashSet<u64>,
}

impl Past {
    /// The dependencies are known.
    pub fn of(facts: &Facts, deps: &[Hash]) -> Self {
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

    pub fn contains(&self, position: u64) -> bool {
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
