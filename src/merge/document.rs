//! Automerge documents: the oracle that reads as the reducer must, and the changes the server makes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{
    ActorId, Automerge, Change, ChangeHash, ExpandedChange, ObjId as ExId, ObjType, ROOT, ReadDoc,
    Value as AmValue,
};

use super::guard::{self, Checked, Chunk};
use super::op::{Action, Actor, Hash, ObjId, Op, OpId, OpKey, Scalar};
use super::state::{self, ActivityState};
use super::visible::{self, Visible};
use crate::domain::ids::ActivityId;
use crate::domain::key::parse_activity_key;
use crate::domain::limits::{NOTE_CHARACTERS_MAX, TEXT_CHARACTERS_MAX};
use crate::domain::reading::{Field, Reading, Unreadable};

/// Why a document cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("automerge refused: {0}")]
    Refused(String),
    #[error("automerge panicked")]
    Panicked,
    #[error("changes are missing")]
    Incomplete,
    #[error("the document lacks what the state has: {0}")]
    Differs(String),
}

/// Builds a document from the raw chunks of accepted changes, in any order.
///
/// # Errors
/// Where Automerge refuses or panics, or a dependency is missing.
pub fn load(changes: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Result<Automerge, DocumentError> {
    extend(Automerge::new(), changes)
}

/// As [`load`], from a snapshot (`save()`) and the changes after it.
///
/// # Errors
/// As [`load`].
pub fn open(
    snapshot: &[u8],
    changes: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<Automerge, DocumentError> {
    let document =
        guarded(|| Automerge::load(snapshot).map_err(|error| DocumentError::Refused(error.to_string())))?;
    extend(document, changes)
}

/// Adds changes to a document.
///
/// # Errors
/// As [`load`]; the document is lost, since Automerge may have left it half changed.
pub fn extend(
    mut document: Automerge,
    changes: impl IntoIterator<Item = impl AsRef<[u8]>>,
) -> Result<Automerge, DocumentError> {
    guarded(|| {
        let read =
            |bytes: &[u8]| Change::try_from(bytes).map_err(|error| DocumentError::Refused(error.to_string()));
        let changes = changes.into_iter().map(|bytes| read(bytes.as_ref())).collect::<Result<Vec<_>, _>>()?;
        document.apply_changes(changes).map_err(|error| DocumentError::Refused(error.to_string()))?;
        if document.get_missing_deps(&[]).is_empty() { Ok(document) } else { Err(DocumentError::Incomplete) }
    })
}

/// Automerge can apply these changes, and load again what it saves of them.
#[must_use]
pub fn is_sound(changes: impl IntoIterator<Item = impl AsRef<[u8]>>) -> bool {
    load(changes).is_ok_and(|document| saves_soundly(&document))
}

/// Automerge loads again what it saves of this document.
#[must_use]
pub(super) fn saves_soundly(document: &Automerge) -> bool {
    let sound = || Ok(Automerge::load(&document.save())?.get_heads() == document.get_heads());
    guarded(|| sound().map_err(|error: automerge::AutomergeError| DocumentError::Refused(error.to_string())))
        .unwrap_or(false)
}

/// Whatever the closure had built is dropped with its panic.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, DocumentError>) -> Result<T, DocumentError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(DocumentError::Panicked))
}

/// The empty change that a daybook starts with.
#[must_use]
pub fn genesis(actor: [u8; 16]) -> (Hash, Vec<u8>) {
    merge_change(actor, &[], 1)
}

/// An empty change on top of these heads, by an actor drawn afresh. `start_op` is the daybook's greatest
/// operation counter plus one.
#[must_use]
pub fn merge_change(actor: [u8; 16], heads: &[Hash], start_op: u64) -> (Hash, Vec<u8>) {
    let change = Change::from(ExpandedChange {
        operations: Vec::new(),
        actor_id: ActorId::from(actor),
        hash: None,
        seq: 1,
        start_op: NonZeroU64::new(start_op).unwrap_or(NonZeroU64::MIN),
        time: 0,
        message: None,
        deps: heads.iter().copied().map(ChangeHash).collect(),
        extra_bytes: Vec::new(),
        author: None,
    });
    (change.hash().0, change.raw_bytes().to_vec())
}

/// A text that Automerge says is longer is longer than any field allows, whether it counts characters or their bytes.
const LETTERS_READ_MAX: usize = 4 * max(NOTE_CHARACTERS_MAX, TEXT_CHARACTERS_MAX);

const fn max(one: usize, other: usize) -> usize {
    if one > other { one } else { other }
}

/// Fills the texts of a state that the reducer left to the document, which must hold exactly the changes
/// that the state was reduced from.
///
/// # Errors
/// Where the document lacks a text of the state.
pub fn fill(state: &mut ActivityState, document: &Automerge) -> Result<(), DocumentError> {
    for value in state.maps.values_mut().flat_map(BTreeMap::values_mut).flatten() {
        if !value.stale {
            continue;
        }
        let differs = |error| DocumentError::Differs(format!("{}: {error}", value.id));
        let text = guarded(|| {
            let object = object(document, &value.id)?;
            // Nobody goes through a million letters again for each one that is added.
            if document.length(&object) > LETTERS_READ_MAX {
                return Ok(Visible::TooLong);
            }
            let text = document.text(object).map_err(|error| DocumentError::Refused(error.to_string()))?;
            Ok(Visible::text(text))
        });
        value.value = text.map_err(differs)?;
        value.stale = false;
    }
    Ok(())
}

fn object(document: &Automerge, id: &OpId) -> Result<ExId, DocumentError> {
    let found = document.import(&id.to_string());
    found.map(|(object, _)| object).map_err(|error| DocumentError::Refused(error.to_string()))
}

/// Reads every activity through Automerge's own view of the document, by the same rules as the states.
///
/// # Errors
/// Where Automerge panics or its changes do not pass the guard.
pub fn read_all(document: &Automerge) -> Result<BTreeMap<ActivityId, Reading>, DocumentError> {
    Ok(read_with_changes(document)?.0)
}

/// The readings of a document, and the raw chunk of each of its changes by the hash of its bytes.
pub(super) type WithChanges = (BTreeMap<ActivityId, Reading>, HashMap<Hash, Vec<u8>>);

/// As [`read_all`], with the changes.
///
/// # Errors
/// As [`read_all`].
pub(super) fn read_with_changes(document: &Automerge) -> Result<WithChanges, DocumentError> {
    guarded(|| {
        let mut history = History::read(document)?;
        let changes = std::mem::take(&mut history.changes);
        let mut readings = BTreeMap::new();
        for (activity, root_key) in &history.activities {
            readings.insert(*activity, read_one(document, &history, *activity, root_key)?);
        }
        Ok((readings, changes))
    })
}

/// What `get_all` cannot say: what once was in the root, which maps deletions named, and what counters
/// are made of.
#[derive(Default)]
struct History {
    activities: BTreeMap<ActivityId, String>,
    deleted: BTreeMap<ActivityId, BTreeSet<OpId>>,
    maps: BTreeSet<OpId>,
    starts: HashMap<OpId, i64>,
    increments: HashMap<OpId, BTreeMap<OpId, i64>>,
    changes: HashMap<Hash, Vec<u8>>,
}

impl History {
    fn read(document: &Automerge) -> Result<Self, DocumentError> {
        let mut history = Self::default();
        for change in document.get_changes(&[]) {
            for chunk in guard::inspect(change.raw_bytes()) {
                match chunk {
                    Chunk::Change(change) => {
                        history.add(&change);
                        history.changes.insert(change.hash, change.bytes);
                    }
                    Chunk::Refused { code, detail, .. } => {
                        return Err(DocumentError::Refused(format!("{}: {detail}", code.as_str())));
                    }
                }
            }
        }
        Ok(history)
    }

    fn add(&mut self, change: &Checked) {
        for op in &change.ops {
            match &op.action {
                Action::Put(Scalar::Counter(start)) => {
                    self.starts.insert(op.id.clone(), *start);
                }
                Action::Increment(by) => {
                    for pred in &op.pred {
                        self.increments.entry(pred.clone()).or_default().insert(op.id.clone(), *by);
                    }
                }
                _ => {}
            }
            if let (ObjId::Root, OpKey::Map(key)) = (&op.obj, &op.key)
                && let Some(activity) = parse_activity_key(key)
            {
                self.add_root(activity, key, op);
            }
        }
    }

    fn add_root(&mut self, activity: ActivityId, key: &str, op: &Op) {
        self.activities.insert(activity, key.to_owned());
        match op.action {
            Action::Make(super::op::ObjectKind::Map) => {
                self.maps.insert(op.id.clone());
            }
            Action::Delete => {
                let maps = op.pred.iter().filter(|pred| self.maps.contains(pred));
                self.deleted.entry(activity).or_default().extend(maps.cloned());
            }
            _ => {}
        }
    }

    fn counter(&self, id: &OpId) -> i128 {
        let start = self.starts.get(id).copied().map_or(0, i128::from);
        let increments = self.increments.get(id).into_iter().flat_map(BTreeMap::values);
        increments.fold(start, |sum, by| sum.saturating_add(i128::from(*by)))
    }

    /// Starts and increments of these counters, each once.
    fn proposal(&self, counters: &[&OpId]) -> i128 {
        let starts = counters.iter().filter_map(|id| self.starts.get(id)).copied();
        let increments: BTreeMap<&OpId, &i64> =
            counters.iter().filter_map(|id| self.increments.get(id)).flatten().collect();
        starts.chain(increments.into_values().copied()).fold(0, |sum, by| sum.saturating_add(i128::from(by)))
    }
}

fn read_one(
    document: &Automerge,
    history: &History,
    activity: ActivityId,
    root_key: &str,
) -> Result<Reading, DocumentError> {
    let visible =
        document.get_all(ROOT, root_key).map_err(|error| DocumentError::Refused(error.to_string()))?;
    let is_map = |value: &AmValue<'_>| matches!(value, AmValue::Object(ObjType::Map));
    let mut maps: Vec<ExId> =
        visible.iter().filter(|(value, _)| is_map(value)).map(|(_, id)| id.clone()).collect();
    if maps.is_empty() && !visible.is_empty() {
        let unreadable = Some(Unreadable::NotAMap);
        return Ok(Reading { unreadable, ..Reading::default() });
    }
    if visible.is_empty() {
        for id in history.deleted.get(&activity).into_iter().flatten() {
            maps.push(object(document, id)?);
        }
    }
    let keys: BTreeSet<String> = maps.iter().flat_map(|map| document.keys(map)).collect();
    let mut fields = BTreeMap::new();
    for key in keys.into_iter().filter(|key| key.len() <= visible::KEY_BYTES_MAX) {
        if let Some(field) = read_field(document, history, &maps, &key)? {
            fields.insert(key, field);
        }
    }
    Ok(state::finish(fields, visible.is_empty()))
}

fn read_field(
    document: &Automerge,
    history: &History,
    maps: &[ExId],
    key: &str,
) -> Result<Option<Field>, DocumentError> {
    let refused = |error: automerge::AutomergeError| DocumentError::Refused(error.to_string());
    let mut values: BTreeMap<OpId, Visible> = BTreeMap::new();
    for map in maps {
        for (value, id) in document.get_all(map, key).map_err(refused)? {
            let ExId::Id(counter, actor, _) = &id else { continue };
            let op_id = OpId { counter: *counter, actor: Actor::new(actor.to_bytes()) };
            let visible = match value {
                AmValue::Object(ObjType::Text) => Visible::text(document.text(&id).map_err(refused)?),
                AmValue::Object(_) => Visible::Nested,
                AmValue::Scalar(scalar) => match guard::scalar(scalar.into_owned()) {
                    Scalar::Counter(shown) => counter_value(shown, history.counter(&op_id)),
                    scalar => Visible::scalar(scalar),
                },
            };
            values.insert(op_id, visible);
        }
    }
    let counters: Vec<&OpId> =
        values.iter().filter(|(_, value)| matches!(value, Visible::Counter(_))).map(|(id, _)| id).collect();
    let proposal = history.proposal(&counters);
    Ok(visible::field(key, &values.values().rev().collect::<Vec<_>>(), proposal))
}

/// What Automerge shows, unless its 64 bits have wrapped.
fn counter_value(shown: i64, exact: i128) -> Visible {
    Visible::Counter(if i64::try_from(exact).is_ok() { i128::from(shown) } else { exact })
}
