//! Operations of a change, decoded once into words of our own.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The hash that names a change.
pub type Hash = [u8; 32];

/// An Automerge actor id; cheap to clone, ordered by its bytes as Automerge orders them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor(Arc<[u8]>);

impl Actor {
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// The name of one operation. The greatest (counter, actor) wins where values compete.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    pub counter: u64,
    pub actor: Actor,
}

impl fmt::Debug for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// `<counter>@<actor in hexadecimal>`, as Automerge writes object ids.
impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.counter, hex::encode(self.actor.as_bytes()))
    }
}

/// The object that an operation works in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjId {
    Root,
    Id(OpId),
}

/// The place within the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpKey {
    Map(Arc<str>),
    /// Before the first element; only for inserts.
    Head,
    /// After this element for inserts, else the element itself.
    Element(OpId),
}

/// The kinds of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ObjectKind {
    Map,
    List,
    Text,
    Table,
}

impl ObjectKind {
    /// Maps and tables have keys, lists and texts have elements.
    #[must_use]
    pub fn has_keys(self) -> bool {
        matches!(self, Self::Map | Self::Table)
    }
}

/// A value that is not an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    Null,
    Boolean(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(String),
    /// Milliseconds since 1970, UTC.
    Instant(i64),
    Bytes(Vec<u8>),
    /// What an Automerge counter starts at.
    Counter(i64),
    /// A type that this version of Automerge does not know.
    Other {
        type_code: u8,
        bytes: Vec<u8>,
    },
}

/// What an operation does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    Make(ObjectKind),
    Put(Scalar),
    Delete,
    Increment(i64),
    /// A range of rich text begins here.
    MarkBegin,
    /// The range that the operation before this one began ends here.
    MarkEnd,
}

impl Action {
    /// One end of a range of rich text.
    #[must_use]
    pub fn is_mark(&self) -> bool {
        matches!(self, Self::MarkBegin | Self::MarkEnd)
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    pub id: OpId,
    pub obj: ObjId,
    pub key: OpKey,
    pub action: Action,
    /// The operations that this one replaces.
    pub pred: Vec<OpId>,
    pub insert: bool,
}
