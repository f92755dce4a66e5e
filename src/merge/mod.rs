//! Automerge, and nothing else: bytes in, bytes and readings out. No clock, no database.
//!
//! A change passes through [`guard`] (context-free), [`admit`] (against the facts of its daybook) and
//! [`reduce()`] into the states of activities ([`ActivityState`]), from which readings come; [`document`]
//! reads the same through Automerge itself.

pub mod admit;
mod as_of;
mod chunk;
mod columns;
pub mod compact;
mod crowd;
pub mod cursor;
pub mod document;
mod facts;
mod footprint;
pub mod guard;
pub mod intake;
pub mod loaded;
mod op;
mod reduce;
mod refusal;
pub mod replay;
mod state;
mod state_wire;
mod text;
mod visible;
mod words;
pub mod write;

#[cfg(test)]
mod tests;

pub use footprint::{BadFootprint, ObjectInfo};
pub use op::{Action, Actor, Hash, ObjId, ObjectKind, Op, OpId, OpKey, Scalar};
pub use reduce::{Reduced, reduce, touched};
pub use refusal::RefusalCode;
pub use state::ActivityState;
pub use state_wire::BadState;
