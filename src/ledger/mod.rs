//! The judgement half, pure: what is decided about an activity, which lines follow from it, and what is
//! posted. No database, no clock, no randomness; everything comes in as an argument.
//!
//! One activity goes through here in this order:
//! 1. [`decide_lines`] turns a version into what an approval of it would freeze;
//! 2. [`doubts`] says whether a rule may approve it;
//! 3. [`take_up()`] (the clerk) or [`decide()`] (a person) gives a [`Step`]: the judgement afterwards and the
//!    decision to store;
//! 4. [`post`] compares target and posted, for the activity and for every occasion that the step names,
//!    and gives the transfers.

pub mod chain;
pub mod clean;
pub mod decide;
pub mod decision;
pub mod derived_id;
pub mod judgement;
pub mod lines;
pub mod take_up;
pub mod target;

#[cfg(test)]
mod tests;

pub use clean::{CleanFacts, Doubt, doubts};
pub use decide::{Ask, Decider, Refusal, Request, decide};
pub use decision::{By, DecisionStep, Snapshot, Step, StoredDecision, Undoes, apply};
pub use derived_id::{rule_decision_id, transfer_id};
pub use judgement::{Covered, Judgement, Mark, MarkKind};
pub use lines::{
    Asset, Capacity, CorrectionFault, Corrections, Decided, Figure, Heading, Line, LineContext, LineKey,
    decide_lines,
};
pub use take_up::{Changed, NewVersion, TakingUp, became_clean, take_up};
pub use target::{Posting, Transfer, difference, post, target};
