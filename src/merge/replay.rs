//! A daybook in memory: takes changes as the server does, and compares its readings with Automerge's.
//!
//! Rebuilding and compaction check themselves with it, and so do the tests.

use std::collections::{BTreeMap, HashMap};

use automerge::Automerge;

use super::admit::{ActorLast, Admission, Facts, admit, references};
use super::document::{self, DocumentError};
use super::footprint::BadFootprint;
use super::guard::{self, Checked, Chunk};
use super::op::{Actor, Hash};
use super::reduce::{reduce, touched};
use super::refusal::RefusalCode;
use super::state::ActivityState;
use super::state_wire::BadState;
use crate::domain::ids::ActivityId;
use crate::domain::reading::Reading;

/// Why the comparison fails.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    State(#[from] BadState),
    #[error(transparent)]
    Objects(#[from] BadFootprint),
    #[error("activity {activity}: the state reads {state}, automerge reads {document}")]
    Differs { activity: ActivityId, state: String, document: String },
}

/// What a change's row keeps.
#[derive(Debug, Clone)]
struct Row {
    hash: Hash,
    actor: Actor,
    start_op: u64,
    max_op: u64,
    objects: Vec<u8>,
}

/// One daybook: rows of accepted changes by position, what is held or refused, and states as stored.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    rows: Vec<Row>,
    bytes: Vec<Vec<u8>>,
    /// The places of accepted changes among the rows.
    known: HashMap<Hash, usize>,
    refused: HashMap<Hash, RefusalCode>,
    held: Vec<Checked>,
    actors: HashMap<Actor, ActorLast>,
    max_op: u64,
    states: BTreeMap<ActivityId, Vec<u8>>,
}

impl Replay {
    /// Takes an entry as a phone sends it; one outcome per chunk, those of held changes that it completes
    /// after them.
    ///
    /// # Errors
    /// Where a stored state cannot be read, or the document lacks a text that a state has.
    pub fn push(&mut self, entry: &[u8]) -> Result<Vec<(Hash, Admission)>, ReplayError> {
        let mut outcomes = Vec::new();
        for chunk in guard::inspect(entry) {
            match chunk {
                Chunk::Change(change) => {
                    let outcome = self.take(&change)?;
                    outcomes.push((change.hash, outcome));
                }
                Chunk::Refused { hash, code, .. } => {
                    self.refused.insert(hash, code);
                    outcomes.push((hash, Admission::Refused(code)));
                }
            }
        }
        outcomes.extend(self.complete()?);
        Ok(outcomes)
    }

    /// Tries what is held until nothing moves.
    fn complete(&mut self) -> Result<Vec<(Hash, Admission)>, ReplayError> {
        let mut outcomes = Vec::new();
        loop {
            let held = std::mem::take(&mut self.held);
            let before = held.len();
            for change in held {
                let outcome = self.take(&change)?;
                if !matches!(outcome, Admission::Held(_)) {
                    outcomes.push((change.hash, outcome));
                }
            }
            if self.held.len() == before {
                return Ok(outcomes);
            }
        }
    }

    fn take(&mut self, change: &Checked) -> Result<Admission, ReplayError> {
        let mut facts = self.facts(change)?;
        let mut outcome = admit(&mut facts, change);
        if outcome == Admission::Unverified {
            if document::is_sound(self.bytes.iter().chain([&change.bytes])) {
                facts.verified.insert(change.hash);
            } else {
                facts.refused.insert(change.hash, RefusalCode::MarkOrder);
            }
            outcome = admit(&mut facts, change);
        }
        match &outcome {
            Admission::Accept { objects } => self.accept(change, objects, &facts)?,
            Admission::Held(_) if self.held.iter().all(|held| held.hash != change.hash) => {
                self.held.push(change.clone());
            }
            Admission::Refused(code) => {
                self.refused.insert(change.hash, *code);
            }
            Admission::Held(_) | Admission::Unverified | Admission::Duplicate => {}
        }
        Ok(outcome)
    }

    /// Only what the change asks for, as it would be loaded from rows.
    fn facts(&self, change: &Checked) -> Result<Facts, ReplayError> {
        let wanted = references([change]);
        let mut facts = Facts::new(position_of(self.rows.len()), self.max_op);
        for hash in &wanted.hashes {
            facts.refused.extend(self.refused.get(hash).map(|code| (*hash, *code)));
            if let Some((at, row)) = self.known.get(hash).and_then(|at| Some((*at, self.rows.get(*at)?))) {
                facts.add_known(*hash, position_of(at + 1), row.max_op, &row.objects)?;
            }
        }
        for actor in &wanted.actors {
            facts.actors.extend(self.actors.get(actor).map(|last| (actor.clone(), *last)));
        }
        for id in &wanted.op_ids {
            let holds =
                |row: &Row| row.actor == id.actor && (row.start_op..=row.max_op).contains(&id.counter);
            if let Some((at, row)) = self.rows.iter().enumerate().find(|(_, row)| holds(row)) {
                facts.add_row(&row.actor, row.start_op, position_of(at + 1), &row.objects)?;
            }
        }
        if let Some(after) = facts.graph_after([change]) {
            let rows = self.rows.iter().enumerate().map(|(at, row)| (position_of(at + 1), row));
            for (position, row) in rows.filter(|(position, _)| *position > after) {
                facts.add_node(row.hash, position, &row.objects)?;
            }
        }
        Ok(facts)
    }

    fn accept(&mut self, change: &Checked, objects: &[u8], facts: &Facts) -> Result<(), ReplayError> {
        let lookup = |id: &_| facts.object(id);
        let mut states = BTreeMap::new();
        for activity in touched(change, &lookup) {
            if let Some(stored) = self.states.get(&activity) {
                states.insert(activity, ActivityState::decode(stored)?);
            }
        }
        let reduced = reduce(&mut states, change, &lookup);
        self.known.insert(change.hash, self.rows.len());
        self.rows.push(Row {
            hash: change.hash,
            actor: change.actor.clone(),
            start_op: change.start_op,
            max_op: change.max_op,
            objects: objects.to_vec(),
        });
        self.bytes.push(change.bytes.clone());
        let position = position_of(self.rows.len());
        let last = ActorLast { seq: change.seq, max_op: change.max_op, position };
        self.actors.insert(change.actor.clone(), last);
        self.max_op = self.max_op.max(change.max_op);
        if !reduced.needs_document.is_empty() {
            let document = self.document()?;
            for state in states.values_mut() {
                document::fill(state, &document)?;
            }
        }
        self.states.extend(states.into_iter().map(|(activity, state)| (activity, state.encode())));
        Ok(())
    }

    /// The greatest operation counter.
    #[cfg(test)]
    pub(super) fn max_op(&self) -> u64 {
        self.max_op
    }

    /// The document of all accepted changes.
    ///
    /// # Errors
    /// As [`document::load`].
    pub fn document(&self) -> Result<Automerge, DocumentError> {
        document::load(&self.bytes)
    }

    /// The accepted changes as raw chunks, by position.
    #[must_use]
    pub fn accepted(&self) -> &[Vec<u8>] {
        &self.bytes
    }

    /// The states as stored, by activity.
    #[must_use]
    pub fn states(&self) -> &BTreeMap<ActivityId, Vec<u8>> {
        &self.states
    }

    /// Changes that wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What the states read.
    ///
    /// # Errors
    /// Where a stored state cannot be read.
    pub fn readings(&self) -> Result<BTreeMap<ActivityId, Reading>, BadState> {
        let read =
            |(id, stored): (&ActivityId, &Vec<u8>)| Ok((*id, ActivityState::decode(stored)?.reading()));
        self.states.iter().map(read).collect()
    }

    /// The states read what Automerge reads.
    ///
    /// # Errors
    /// The first activity that differs, or why the document cannot be read.
    pub fn compare(&self) -> Result<(), ReplayError> {
        compare(&self.readings()?, &document::read_all(&self.document()?)?)
    }
}

fn position_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Both know the same activities and read them alike.
///
/// # Errors
/// The first activity that differs.
pub fn compare(
    states: &BTreeMap<ActivityId, Reading>,
    document: &BTreeMap<ActivityId, Reading>,
) -> Result<(), ReplayError> {
    let show = |readings: &BTreeMap<ActivityId, Reading>, activity: &ActivityId| {
        readings.get(activity).map_or_else(|| "nothing".to_owned(), |reading| format!("{reading:?}"))
    };
    match states.keys().chain(document.keys()).find(|id| states.get(id) != document.get(id)) {
        None => Ok(()),
        Some(activity) => Err(ReplayError::Differs {
            activity: *activity,
            state: show(states, activity),
            document: show(document, activity),
        }),
    }
}
