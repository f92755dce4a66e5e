//! Decisions as they are stored.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::apply::apply;
use super::judgement::{Covered, FirstApproval, Judgement, Mark, Unheard};
use super::lines::Decided;
use super::settle::Settlements;
use crate::domain::ids::{ActivityId, DecisionId, PartyId};
use crate::domain::reading::Value;
use crate::domain::rules::RulePack;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionStep {
    Approve,
    /// The first of two approvals; posts nothing.
    FirstApproval,
    Reject,
    Keep,
    AskForChanges,
    Withdraw,
    Reclassify,
    Settle,
    /// Of several activities into one: a decision about each of them.
    Merge,
    Unmerge,
    Undo,
}

/// Who decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// The rule pack, named by `pack_version`.
    Rule,
    Person(PartyId),
    /// The party itself, from its own daybook: a withdrawal.
    Daybook,
}

/// The part of a judgement that an undo brings back. What is posted, the counters, and what once
/// happened here stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub own: Option<Decided>,
    pub cluster: Option<Decided>,
    pub covered: Option<Covered>,
    pub mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstApproval>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settled: Settlements,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audit: bool,
    /// What the decision may have heard; what comes after it is not forgotten with it.
    #[serde(default, skip_serializing_if = "Unheard::is_empty")]
    pub unheard: Unheard,
}

/// A decision as stored: enough to show it, to undo it, and to make the judgement again from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredDecision {
    pub id: DecisionId,
    /// The activity's `decision_seq` after it: 1, 2, 3 … without gaps.
    pub seq: i64,
    pub step: DecisionStep,
    pub by: By,
    /// The version decided on.
    pub version: i64,
    pub reason: Option<String>,
    /// The rule pack in force.
    pub pack_version: i64,
    /// What an approval, a reclassification or a merge froze.
    pub decided: Option<Decided>,
    /// The state that undoing this decision brings back.
    pub before: Snapshot,
    /// For an undo: what it undoes.
    pub undoes: Option<Undoes>,
    /// What was settled, alone or with an approval.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settles: Settlements,
    /// Fields of the version that read as settled, with what is settled here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, Value>,
    /// Of a merge, about the canonical one: what was merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ActivityId>,
    /// Of a merge or its undoing, about a member: the canonical one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<ActivityId>,
    /// Of a rule: chance says that a person looks at it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audit: bool,
    /// Of the undoing of a merge: who said while it was merged that they were not part of what returns here.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unheard: BTreeSet<PartyId>,
}

/// See [`StoredDecision::undoes`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoes {
    pub decision: DecisionId,
    /// The state brought back: the undone decision's `before`.
    pub restored: Snapshot,
}

/// The outcome of taking up a version or of deciding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// To store in place of the judgement, once [`super::post`] has gone over it.
    pub after: Judgement,
    /// To store, if anything was decided.
    pub decision: Option<StoredDecision>,
    /// Occasions whose remainder may have moved: post them too, with their new `parts_minutes`. Ids as
    /// frozen; resolve them through `merged_into`.
    pub occasions: Vec<ActivityId>,
    /// Look again then ([`super::became_clean`]): silence approves what nobody has spoken against.
    pub due_at_ms: Option<i64>,
    /// The version is of a merged member, and not only inert fields differ: put [`super::member_edited`] in place
    /// of this activity's judgement.
    pub canonical: Option<ActivityId>,
}

impl Step {
    /// Nothing happened.
    pub(super) fn nothing(before: &Judgement) -> Self {
        Self::new(before, before.clone(), None)
    }

    /// What a decision does to the judgement as it stands.
    #[must_use]
    pub fn decided(before: &Judgement, decision: StoredDecision) -> Self {
        Self::new(before, apply(before, &decision), Some(decision))
    }

    /// From the judgement before to the one after; the occasions are those that either takes minutes from.
    #[must_use]
    pub fn new(before: &Judgement, after: Judgement, decision: Option<StoredDecision>) -> Self {
        let (was, is) = (before.claim(), after.claim());
        let mut occasions: Vec<ActivityId> =
            if was == is { Vec::new() } else { [was, is].into_iter().flatten().map(|(id, _)| id).collect() };
        occasions.dedup();
        Self { after, decision, occasions, due_at_ms: None, canonical: None }
    }
}

impl StoredDecision {
    /// A decision that follows on the judgement, about its newest version.
    pub(super) fn next(
        judgement: &Judgement,
        id: DecisionId,
        step: DecisionStep,
        by: By,
        pack: &RulePack,
    ) -> Self {
        Self {
            id,
            seq: judgement.decision_seq.saturating_add(1),
            step,
            by,
            version: judgement.judged_version,
            reason: None,
            pack_version: pack.version,
            decided: None,
            before: Snapshot::of(judgement),
            undoes: None,
            settles: Settlements::new(),
            reads: BTreeMap::new(),
            members: Vec::new(),
            into: None,
            audit: false,
            unheard: BTreeSet::new(),
        }
    }
}

impl Snapshot {
    /// The present state, for a later undo.
    #[must_use]
    pub fn of(judgement: &Judgement) -> Self {
        Self {
            own: judgement.own.clone(),
            cluster: judgement.cluster.clone(),
            covered: judgement.covered.clone(),
            mark: judgement.mark.clone(),
            first: judgement.first.clone(),
            settled: judgement.settled.clone(),
            audit: judgement.audit,
            unheard: judgement.unheard.clone(),
        }
    }
}
