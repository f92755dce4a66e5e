//! Decisions as they are stored, and the one place that says what each does to a judgement.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::judgement::{Covered, Judgement, Mark, MarkKind};
use super::lines::Decided;
use crate::domain::ids::{ActivityId, DecisionId, PartyId};
use crate::domain::rules::RulePack;

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionStep {
    Approve,
    Reject,
    Keep,
    AskForChanges,
    Withdraw,
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
    /// What an approval froze.
    pub decided: Option<Decided>,
    /// The state that undoing this decision brings back.
    pub before: Snapshot,
    /// For an undo: what it undoes.
    pub undoes: Option<Undoes>,
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
}

impl Step {
    /// Nothing happened.
    pub(super) fn nothing(before: &Judgement) -> Self {
        Self { after: before.clone(), decision: None, occasions: Vec::new() }
    }

    /// From the judgement before to the one after; the occasions are those that either takes minutes from.
    #[must_use]
    pub fn new(before: &Judgement, after: Judgement, decision: Option<StoredDecision>) -> Self {
        let (was, is) = (before.claim(), after.claim());
        let mut occasions: Vec<ActivityId> =
            if was == is { Vec::new() } else { [was, is].into_iter().flatten().map(|(id, _)| id).collect() };
        occasions.dedup();
        Self { after, decision, occasions }
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
        }
    }
}

/// What a stored decision does to the judgement before it. Deciding and rebuilding both come through here,
/// so they cannot differ. It does not check whether the decision is allowed, and does not post.
#[must_use]
pub fn apply(before: &Judgement, decision: &StoredDecision) -> Judgement {
    let mut after = before.clone();
    after.decision_seq = decision.seq;
    after.latest_decision = Some(decision.id);
    after.revision = before.revision.saturating_add(1);
    after.person_decided |= matches!(decision.by, By::Person(_));
    let version = decision.version;
    let here = Covered { version, base: version, broken: false };
    let mark = |kind| Some(Mark { kind, version, reason: decision.reason.clone() });
    match decision.step {
        DecisionStep::Approve => {
            let decided = if after.cluster.is_some() { &mut after.cluster } else { &mut after.own };
            decided.clone_from(&decision.decided);
            (after.covered, after.mark) = (Some(here), None);
        }
        DecisionStep::Reject => {
            (after.own, after.covered, after.mark) = (None, Some(here), mark(MarkKind::Rejected));
        }
        DecisionStep::Keep => (after.covered, after.mark) = (Some(here), None),
        DecisionStep::AskForChanges => {
            after.covered = after.covered.map(|covered| Covered { broken: true, ..covered });
            after.mark = mark(MarkKind::NeedsChanges);
        }
        DecisionStep::Withdraw => {
            (after.own, after.covered, after.mark) = (None, None, mark(MarkKind::Withdrawn));
        }
        DecisionStep::Undo => restore(&mut after, decision),
    }
    after
}

fn restore(after: &mut Judgement, decision: &StoredDecision) {
    let Some(undoes) = &decision.undoes else { return };
    let restored = undoes.restored.clone();
    after.own = restored.own;
    after.cluster = restored.cluster;
    after.covered = restored.covered;
    after.mark = restored.mark;
}
