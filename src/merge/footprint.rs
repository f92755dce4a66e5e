//! Where each operation of an accepted change works and what it made, in a few bytes an operation.
//!
//! Kept in the change's row, it answers for later changes, without the document: does this operation
//! exist, in which object and under which key, and which activity does this object belong to.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::op::{Action, Actor, Hash, ObjId, ObjectKind, Op, OpId, OpKey};
use super::words::Word;
use crate::domain::ids::ActivityId;
use crate::domain::key::parse_activity_key;
use crate::domain::limits::CHANGE_OPERATIONS_MAX;

const VERSION: u8 = 1;

/// An object, as far as anybody needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    pub kind: ObjectKind,
    /// The root is 0, an activity's map is 1.
    pub depth: u32,
    /// The activity that it belongs to, if a key of the root above it names one.
    pub activity: Option<ActivityId>,
    /// The field of the activity that it is under, from depth 2.
    pub field: Option<Arc<str>>,
}

impl ObjectInfo {
    /// The document's root.
    #[must_use]
    pub fn root() -> Self {
        Self { kind: ObjectKind::Map, depth: 0, activity: None, field: None }
    }

    /// An object made in this one, under a key where this one has keys.
    #[must_use]
    pub fn child(&self, kind: ObjectKind, key: &OpKey) -> Self {
        let name = match key {
            OpKey::Map(key) => Some(key),
            OpKey::Head | OpKey::Element(_) => None,
        };
        let activity =
            if self.depth == 0 { name.and_then(|key| parse_activity_key(key)) } else { self.activity };
        let field = if self.depth == 1 { name.cloned() } else { self.field.clone() };
        Self { kind, depth: self.depth.saturating_add(1), activity, field }
    }
}

/// The place of an operation that others may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Slot {
    /// A value under a key.
    Key(Arc<str>),
    /// A new element of a list or text, named by the operation itself.
    Element,
    /// A new value of this element.
    Update(OpId),
    /// Nothing that can be named: a deletion. (Increments can: an edit of a text with a counter in it does.)
    Nothing,
}

/// One operation as later changes see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub obj: ObjId,
    pub slot: Slot,
    /// The object that it made.
    pub made: Option<ObjectInfo>,
}

/// Where a change stands in the graph of changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    /// Every change up to this position is in the past of this one (itself included).
    pub covers: u64,
    pub deps: Vec<Hash>,
}

/// The footprint of one change.
#[derive(Debug, Clone, Default)]
pub(super) struct Footprint {
    start_op: u64,
    containers: Vec<(ObjId, ObjectInfo)>,
    index: HashMap<ObjId, usize>,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    container: usize,
    slot: Slot,
    made: Option<ObjectKind>,
}

/// The stored form cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the objects of a change cannot be read: {0}")]
pub struct BadFootprint(&'static str);

impl Footprint {
    pub fn new(start_op: u64) -> Self {
        Self { start_op, ..Self::default() }
    }

    /// Adds the next operation, which works in this object.
    pub fn push(&mut self, op: &Op, info: &ObjectInfo) {
        let slot = match (&op.action, &op.key) {
            (Action::Delete, _) => Slot::Nothing,
            (_, OpKey::Map(key)) => Slot::Key(Arc::clone(key)),
            (_, OpKey::Head) => Slot::Element,
            (_, OpKey::Element(_)) if op.insert => Slot::Element,
            (_, OpKey::Element(element)) => Slot::Update(element.clone()),
        };
        let made = match op.action {
            Action::Make(kind) => Some(kind),
            _ => None,
        };
        let container = self.container(&op.obj, info);
        self.entries.push(Entry { container, slot, made });
    }

    fn container(&mut self, obj: &ObjId, info: &ObjectInfo) -> usize {
        if let Some(known) = self.index.get(obj) {
            return *known;
        }
        let at = self.containers.len();
        self.index.insert(obj.clone(), at);
        self.containers.push((obj.clone(), info.clone()));
        at
    }

    /// The operation with this counter, if the change has it.
    pub fn find(&self, counter: u64) -> Option<Found> {
        let at = usize::try_from(counter.checked_sub(self.start_op)?).ok()?;
        let entry = self.entries.get(at)?;
        let (obj, info) = self.containers.get(entry.container)?;
        let made = entry.made.map(|kind| match &entry.slot {
            Slot::Key(key) => info.child(kind, &OpKey::Map(Arc::clone(key))),
            Slot::Element | Slot::Update(_) | Slot::Nothing => info.child(kind, &OpKey::Head),
        });
        Some(Found { obj: obj.clone(), slot: entry.slot.clone(), made })
    }

    /// The stored form, with what later changes ask of the whole change.
    pub fn encode(&self, header: &Header) -> Vec<u8> {
        let mut wire = Wire { start_op: self.start_op, ..Wire::default() };
        let mut names = Interned::default();
        for (obj, info) in &self.containers {
            let id = match obj {
                ObjId::Root => None,
                ObjId::Id(id) => Some((names.actor(&id.actor), id.counter)),
            };
            let activity = info.activity.map(|activity| activity.0.into_bytes());
            let field = info.field.as_ref().map(|field| names.key(field));
            wire.containers.push(WireContainer { id, kind: info.kind, depth: info.depth, activity, field });
        }
        for (at, entry) in self.entries.iter().enumerate() {
            wire.push(entry, &mut names);
            if let Some(kind) = entry.made {
                wire.made.push((at as u64, kind));
            }
        }
        wire.actors = names.actors_in_order;
        wire.keys = names.keys_in_order;
        let mut bytes = vec![VERSION];
        // Writing plain data into memory has nothing to fail on; an empty form would be refused later.
        bytes.extend(postcard::to_stdvec(&(header, &wire)).unwrap_or_default());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, BadFootprint> {
        let (_, rest) = Header::split(bytes)?;
        let wire: Wire = postcard::from_bytes(rest).map_err(|_| BadFootprint("form"))?;
        wire.open()
    }
}

impl Header {
    /// Only the header of a stored form.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFootprint> {
        Self::split(bytes).map(|(header, _)| header)
    }

    fn split(bytes: &[u8]) -> Result<(Self, &[u8]), BadFootprint> {
        let (&[VERSION], body) = bytes.split_at_checked(1).ok_or(BadFootprint("empty"))? else {
            return Err(BadFootprint("version"));
        };
        postcard::take_from_bytes(body).map_err(|_| BadFootprint("form"))
    }
}

#[derive(Default)]
struct Interned {
    actors: HashMap<Actor, u32>,
    actors_in_order: Vec<Vec<u8>>,
    keys: HashMap<Arc<str>, u32>,
    keys_in_order: Vec<Word>,
}

impl Interned {
    fn actor(&mut self, actor: &Actor) -> u32 {
        let next = self.actors_in_order.len() as u32;
        *self.actors.entry(actor.clone()).or_insert_with(|| {
            self.actors_in_order.push(actor.as_bytes().to_vec());
            next
        })
    }

    fn key(&mut self, key: &Arc<str>) -> u32 {
        let next = self.keys_in_order.len() as u32;
        *self.keys.entry(Arc::clone(key)).or_insert_with(|| {
            self.keys_in_order.push(Word::of(key));
            next
        })
    }
}

#[derive(Default, Serialize, Deserialize)]
struct Wire {
    start_op: u64,
    actors: Vec<Vec<u8>>,
    keys: Vec<Word>,
    containers: Vec<WireContainer>,
    runs: Vec<WireRun>,
    /// The places, counted from the change's first operation, of those that made an object.
    made: Vec<(u64, ObjectKind)>,
}

#[derive(Serialize, Deserialize)]
struct WireContainer {
    id: Option<(u32, u64)>,
    kind: ObjectKind,
    depth: u32,
    activity: Option<[u8; 16]>,
    field: Option<u32>,
}

/// Consecutive operations in one container.
#[derive(Serialize, Deserialize)]
enum WireRun {
    Keys { container: u32, keys: Vec<u32> },
    Elements { container: u32, count: u64 },
    Update { container: u32, element: (u32, u64) },
    Nothing { container: u32, count: u64 },
}

impl Wire {
    fn push(&mut self, entry: &Entry, names: &mut Interned) {
        let here = entry.container as u32;
        let last = self.runs.last_mut();
        match (&entry.slot, last) {
            (Slot::Key(key), Some(WireRun::Keys { container, keys })) if *container == here => {
                keys.push(names.key(key));
            }
            (Slot::Element, Some(WireRun::Elements { container, count }))
            | (Slot::Nothing, Some(WireRun::Nothing { container, count }))
                if *container == here =>
            {
                *count = count.saturating_add(1);
            }
            (Slot::Key(key), _) => {
                let keys = vec![names.key(key)];
                self.runs.push(WireRun::Keys { container: here, keys });
            }
            (Slot::Element, _) => self.runs.push(WireRun::Elements { container: here, count: 1 }),
            (Slot::Nothing, _) => self.runs.push(WireRun::Nothing { container: here, count: 1 }),
            (Slot::Update(id), _) => {
                let element = (names.actor(&id.actor), id.counter);
                self.runs.push(WireRun::Update { container: here, element });
            }
        }
    }

    fn open(self) -> Result<Footprint, BadFootprint> {
        let actors: Vec<Actor> = self.actors.iter().map(|bytes| Actor::new(bytes)).collect();
        let keys = self.keys.into_iter().map(|word| word.key().ok_or(BadFootprint("word")));
        let keys = keys.collect::<Result<Vec<Arc<str>>, BadFootprint>>()?;
        let id = |(actor, counter): (u32, u64)| {
            let actor = actors.get(actor as usize).ok_or(BadFootprint("actor"))?;
            Ok(OpId { counter, actor: actor.clone() })
        };
        let key = |at: u32| keys.get(at as usize).cloned().ok_or(BadFootprint("key"));
        let mut footprint = Footprint::new(self.start_op);
        for container in self.containers {
            let obj = container.id.map_or(Ok(ObjId::Root), |named| id(named).map(ObjId::Id))?;
            let activity = container.activity.map(|id| ActivityId(uuid::Uuid::from_bytes(id)));
            let field = container.field.map(key).transpose()?;
            let info = ObjectInfo { kind: container.kind, depth: container.depth, activity, field };
            footprint.container(&obj, &info);
        }
        for run in self.runs {
            let (container, slots): (u32, Box<dyn Iterator<Item = Result<Slot, BadFootprint>>>) = match run {
                WireRun::Keys { container, keys } => {
                    (container, Box::new(keys.into_iter().map(|at| key(at).map(Slot::Key))))
                }
                WireRun::Elements { container, count } => (container, repeat(Slot::Element, count)?),
                WireRun::Nothing { container, count } => (container, repeat(Slot::Nothing, count)?),
                WireRun::Update { container, element } => {
                    (container, Box::new(std::iter::once(id(element).map(Slot::Update))))
                }
            };
            for slot in slots {
                footprint.entries.push(Entry { container: container as usize, slot: slot?, made: None });
            }
        }
        for (at, kind) in self.made {
            let at = usize::try_from(at).map_err(|_| BadFootprint("place"))?;
            footprint.entries.get_mut(at).ok_or(BadFootprint("place"))?.made = Some(kind);
        }
        Ok(footprint)
    }
}

type Slots<'a> = Box<dyn Iterator<Item = Result<Slot, BadFootprint>> + 'a>;

fn repeat<'a>(slot: Slot, count: u64) -> Result<Slots<'a>, BadFootprint> {
    if count > CHANGE_OPERATIONS_MAX {
        return Err(BadFootprint("count"));
    }
    let count = usize::try_from(count).map_err(|_| BadFootprint("count"))?;
    Ok(Box::new(std::iter::repeat_n(slot, count).map(Ok)))
}
