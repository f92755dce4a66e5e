//! The one door for bytes of changes: judges each chunk of an entry without any context.
//!
//! What passes is decoded once into [`Checked`]. Nothing here panics: sizes are measured before
//! Automerge sees a byte (`columns`), and Automerge runs under `catch_unwind`.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use automerge::legacy::{ElementId, Key, ObjectId, Op as LegacyOp, OpId as LegacyId, OpType};
use automerge::{Change, ExpandedChange, ObjType, ScalarValue};

use super::chunk::{self, RawChange};
use super::columns::{self, Measure};
use super::op::{Action, Actor, Hash, ObjId, ObjectKind, Op, OpId, OpKey, Scalar};
use super::refusal::RefusalCode;

/// The dependencies that a change's bytes name, read without decoding it; nothing where they cannot be.
#[must_use]
pub fn dependencies(bytes: &[u8]) -> Vec<Hash> {
    let Ok(raw) = chunk::open(bytes) else { return Vec::new() };
    columns::dependencies(raw.bytes.get(raw.body_at..).unwrap_or_default()).unwrap_or_default()
}

/// Chunks of one entry that are refused one by one; what follows is refused as a whole. An entry of
/// nothing but ten-byte chunks must not become a million outcomes.
const REFUSED_PER_ENTRY_MAX: usize = 1_024;

/// A change that may be admitted where its context allows it.
#[derive(Debug, Clone)]
pub struct Checked {
    pub hash: Hash,
    pub actor: Actor,
    /// The change's number within its actor, from 1.
    pub seq: u64,
    pub start_op: u64,
    /// The greatest operation counter; `start_op - 1` where the change is empty.
    pub max_op: u64,
    /// Sorted, each once.
    pub deps: Vec<Hash>,
    /// Seconds since 1970 as the phone says; anything, 0 where it says nothing.
    pub time_s: i64,
    pub message: Option<String>,
    /// An author is stated (only in an actor's first change).
    pub author: Option<Vec<u8>>,
    /// The raw chunk, of type 1.
    pub bytes: Vec<u8>,
    /// In order; the n-th has the counter `start_op + n`.
    pub ops: Vec<Op>,
    /// Counted once: this is asked again and again.
    operations: u64,
}

impl Checked {
    /// How many operations it counts as: each predecessor beyond an operation's first is one more, since each
    /// is looked up, and kept in the document. `columns` says the same of it before it is decoded.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.bytes.len()).unwrap_or(u64::MAX)
    }
}

/// What became of one chunk of an entry.
#[derive(Debug, Clone)]
pub enum Chunk {
    Change(Box<Checked>),
    Refused {
        /// The change's hash where it is known, else the SHA-256 of the bytes.
        hash: Hash,
        code: RefusalCode,
        /// For the developer of the client; never shown to residents.
        detail: String,
        /// The chunk as sent, or inflated.
        bytes: Vec<u8>,
    },
}

/// Judges an entry, which may hold several concatenated chunks. A broken chunk hides the ones after it
/// only where its length cannot be known.
#[must_use]
pub fn inspect(entry: &[u8]) -> Vec<Chunk> {
    chunks(entry).collect()
}

/// As [`inspect`], one chunk at a time.
pub fn chunks(entry: &[u8]) -> impl Iterator<Item = Chunk> + '_ {
    let mut rest = entry;
    let mut refused: usize = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let split = chunk::split_first(rest).filter(|_| refused < REFUSED_PER_ENTRY_MAX);
        let Some((first, after)) = split else {
            let whole = std::mem::take(&mut rest);
            return Some(refuse(
                chunk::sha256(whole),
                RefusalCode::Unreadable,
                chunk::NO_CHUNK.to_owned(),
                whole,
            ));
        };
        rest = after;
        let chunk = judge(first);
        if matches!(chunk, Chunk::Refused { .. }) {
            refused = refused.saturating_add(1);
        }
        Some(chunk)
    })
}

fn judge(bytes: &[u8]) -> Chunk {
    let (raw, _) = match open(bytes) {
        Ok(opened) => opened,
        Err(refused) => return refused,
    };
    decoded(raw)
}

/// Opens one chunk up to its checksum and measures it; nothing is expanded.
pub(super) fn open(bytes: &[u8]) -> Result<(RawChange, Measure), Chunk> {
    let raw = chunk::open(bytes).map_err(|bad| refuse(bad.hash, bad.code, bad.detail, bytes))?;
    let body = raw.bytes.get(raw.body_at..).unwrap_or_default();
    match columns::measure(body, raw.bytes.len()) {
        Ok(measure) => Ok((raw, measure)),
        Err((code, detail)) => Err(refuse(raw.hash, code, detail, bytes)),
    }
}

/// Decodes a chunk that [`open`] let through.
pub(super) fn decoded(raw: RawChange) -> Chunk {
    match checked(&raw) {
        Ok((expanded, deps)) => Chunk::Change(Box::new(convert(raw, expanded, deps))),
        Err((code, detail)) => Chunk::Refused { hash: raw.hash, code, detail, bytes: raw.bytes },
    }
}

fn refuse(hash: Hash, code: RefusalCode, detail: String, bytes: &[u8]) -> Chunk {
    Chunk::Refused { hash, code, detail, bytes: bytes.to_vec() }
}

/// Decodes, and what no context is needed for; the dependencies come sorted.
fn checked(raw: &RawChange) -> Result<(ExpandedChange, Vec<Hash>), (RefusalCode, String)> {
    // Automerge panics on some of what decodes; whatever it had built is dropped with the panic.
    let expanded = catch_unwind(AssertUnwindSafe(|| decode(raw)))
        .unwrap_or_else(|_| Err((RefusalCode::Unreadable, "decoding panicked".to_owned())))?;
    let stated = expanded.deps.iter().map(|dep| dep.0).collect::<Vec<Hash>>();
    if !stated.is_sorted_by(|a, b| a < b) {
        return Err((RefusalCode::NotCanonical, "order of dependencies".to_owned()));
    }
    if expanded.seq == 0 {
        return Err((RefusalCode::SeqGap, "sequence 0".to_owned()));
    }
    if expanded.author.is_some() && expanded.seq != 1 {
        return Err((RefusalCode::AuthorMisplaced, format!("sequence {}", expanded.seq)));
    }
    Ok((expanded, stated))
}

fn decode(raw: &RawChange) -> Result<ExpandedChange, (RefusalCode, String)> {
    let change = Change::try_from(raw.bytes.as_slice())
        .map_err(|error| (RefusalCode::Unreadable, error.to_string()))?;
    let expanded = change.decode();
    let again = Change::from(expanded.clone());
    if again.hash().0 != raw.hash || again.raw_bytes() != raw.bytes {
        return Err((RefusalCode::NotCanonical, "encodes to other bytes".to_owned()));
    }
    Ok(expanded)
}

fn convert(raw: RawChange, expanded: ExpandedChange, deps: Vec<Hash>) -> Checked {
    let start_op = expanded.start_op.get();
    let actor = Actor::new(expanded.actor_id.to_bytes());
    let mut names = Names { own: actor.clone(), actors: HashMap::new(), keys: HashMap::new() };
    let mut counter = start_op;
    let mut ops = Vec::with_capacity(expanded.operations.len());
    for op in expanded.operations {
        let id = OpId { counter, actor: actor.clone() };
        ops.push(names.op(id, op));
        // `measure` bounds the last counter.
        counter = counter.saturating_add(1);
    }
    let counted: usize = ops.iter().map(|op| op.pred.len().max(1)).sum();
    Checked {
        operations: u64::try_from(counted).unwrap_or(u64::MAX),
        hash: raw.hash,
        actor,
        seq: expanded.seq,
        start_op,
        max_op: counter.saturating_sub(1),
        deps,
        time_s: expanded.time,
        message: expanded.message,
        author: expanded.author.map(|author| author.as_bytes().to_vec()),
        bytes: raw.bytes,
        ops,
    }
}

/// Shares actors and keys between the operations of a change.
struct Names {
    /// The change's own: most of what operations name.
    own: Actor,
    actors: HashMap<Vec<u8>, Actor>,
    keys: HashMap<String, Arc<str>>,
}

impl Names {
    fn actor(&mut self, bytes: &[u8]) -> Actor {
        if self.own.as_bytes() == bytes {
            return self.own.clone();
        }
        if let Some(actor) = self.actors.get(bytes) {
            return actor.clone();
        }
        let actor = Actor::new(bytes);
        self.actors.insert(bytes.to_vec(), actor.clone());
        actor
    }

    fn key(&mut self, key: &str) -> Arc<str> {
        if let Some(known) = self.keys.get(key) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = Arc::from(key);
        self.keys.insert(key.to_owned(), Arc::clone(&shared));
        shared
    }

    fn id(&mut self, id: &LegacyId) -> OpId {
        OpId { counter: id.counter(), actor: self.actor(id.actor().to_bytes()) }
    }

    fn op(&mut self, id: OpId, op: LegacyOp) -> Op {
        let obj = match &op.obj {
            ObjectId::Root => ObjId::Root,
            ObjectId::Id(id) => ObjId::Id(self.id(id)),
        };
        let key = match &op.key {
            Key::Map(key) => OpKey::Map(self.key(key)),
            Key::Seq(ElementId::Head) => OpKey::Head,
            Key::Seq(ElementId::Id(id)) => OpKey::Element(self.id(id)),
        };
        let pred = op.pred.iter().map(|id| self.id(id)).collect();
        Op { id, obj, key, action: action(op.action), pred, insert: op.insert }
    }
}

fn action(action: OpType) -> Action {
    match action {
        OpType::Make(kind) => Action::Make(object_kind(kind)),
        OpType::Delete => Action::Delete,
        OpType::Increment(by) => Action::Increment(by),
        OpType::Put(value) => Action::Put(scalar(value)),
        OpType::MarkBegin(_) => Action::MarkBegin,
        OpType::MarkEnd(_) => Action::MarkEnd,
    }
}

fn object_kind(kind: ObjType) -> ObjectKind {
    match kind {
        ObjType::Map => ObjectKind::Map,
        ObjType::Table => ObjectKind::Table,
        ObjType::List => ObjectKind::List,
        ObjType::Text => ObjectKind::Text,
    }
}

pub(super) fn scalar(value: ScalarValue) -> Scalar {
    match value {
        ScalarValue::Null => Scalar::Null,
        ScalarValue::Boolean(value) => Scalar::Boolean(value),
        ScalarValue::Int(value) => Scalar::Integer(value),
        ScalarValue::Uint(value) => Scalar::Unsigned(value),
        ScalarValue::F64(value) => Scalar::Float(value),
        ScalarValue::Str(value) => Scalar::Text(value.to_string()),
        ScalarValue::Timestamp(at_ms) => Scalar::Instant(at_ms),
        ScalarValue::Bytes(bytes) => Scalar::Bytes(bytes),
        ScalarValue::Counter(counter) => Scalar::Counter(i64::from(&counter)),
        ScalarValue::Unknown { type_code, bytes } => Scalar::Other { type_code, bytes },
    }
}
