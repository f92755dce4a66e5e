//! The judgement half, pure: what is decided about an activity, which lines follow from it, and what is
//! posted. No database, no clock, no randomness; everything comes in as an argument.
//!
//! One activity goes through here in this order:
//! 1. [`decide_lines`] turns a version into what an approval of it would freeze;
//! 2. [`doubts`] says whether a rule may approve it;
//! 3. [`take_up()`] (the clerk) or [`decide()`] (a person) gives a [`Step`]: the judgement afterwards and the
//!    decision to store; [`merge()`] and [`unmerge()`] give a decision for each of several activities;
//! 4. [`post`] compares target and posted, for the activity and for every occasion that the step names,
//!    and gives the transfers.

pub mod apply;
pub mod capped;
pub mod chain;
mod clean;
pub mod closing;
pub mod cluster;
pub mod confirm;
pub mod decide;
pub mod decision;
pub mod derived_id;
pub mod judgement;
pub mod lines;
pub mod reply;
pub mod settle;
pub mod take_up;
pub mod target;

#[cfg(test)]
mod tests;

pub use apply::apply;
pub use clean::{CleanFacts, Doubt, doubts};
pub use closing::{Cause, Leg, Remainder, legs};
pub use cluster::{
    ClusterRefusal, Decisions, MergeRequest, Seen, UnmergeRequest, member_edited, merge, merged_lines,
    unmerge,
};
pub use confirm::is_confirmed;
pub use decide::{Ask, Decider, Refusal, Request, decide};
pub use decision::{By, DecisionStep, Snapshot, Step, StoredDecision, Undoes};
pub use derived_id::{leg_id, member_decision_id, rule_decision_id, transfer_id};
pub use judgement::{Apart, Covered, FirstApproval, Judgement, Mark, MarkKind, Unheard};
pub use lines::{
    Asset, Capacity, CorrectionFault, Corrections, Decided, Figure, Heading, Line, LineContext, LineKey,
    Reclassification, decide_lines,
};
pub use reply::{Reply, replied};
pub use settle::{Operations, Settlement, Settlements, Settles, effective, settle, settled_fields, written};
pub use take_up::{
    Approves, Changed, NewVersion, RuleFacts, TakingUp, approves, became_clean, raises_nothing, take_up,
};
pub use target::{Posting, Transfer, difference, post, somebody_has_fewer, target};
