//! The one place that says what a stored decision does to a judgement.

use super::decision::{By, DecisionStep, StoredDecision};
use super::judgement::{Apart, Covered, FirstApproval, Judgement, Mark, MarkKind};
use super::lines::Decided;

/// What a stored decision does to the judgement before it. Deciding and rebuilding both come through here,
/// so they cannot differ. It does not check whether the decision is allowed, and does not post.
#[must_use]
pub fn apply(before: &Judgement, decision: &StoredDecision) -> Judgement {
    let mut after = before.clone();
    after.decision_seq = decision.seq;
    after.latest_decision = Some(decision.id);
    after.revision = before.revision.saturating_add(1);
    after.person_decided |= matches!(decision.by, By::Person(_));
    after.audit = decision.by == By::Rule && (before.audit || decision.audit);
    after.unanswered &= !matches!(decision.by, By::Person(_));
    after.first = None;
    after.settled.extend(decision.settles.clone());
    let mark = |kind| Some(Mark { kind, version: decision.version, reason: decision.reason.clone() });
    match decision.step {
        DecisionStep::Approve => {
            in_force(&mut after).clone_from(&decision.decided);
            (after.covered, after.mark) = (here(decision), None);
        }
        DecisionStep::FirstApproval => after.first = first_approval(decision),
        DecisionStep::Reject => {
            (after.own, after.covered, after.mark) = (None, here(decision), mark(MarkKind::Rejected));
        }
        DecisionStep::Keep => (after.covered, after.mark) = (here(decision), None),
        DecisionStep::AskForChanges => {
            after.covered = after.covered.map(|covered| Covered { broken: true, ..covered });
            after.mark = mark(MarkKind::NeedsChanges);
        }
        DecisionStep::Withdraw => {
            (after.own, after.covered, after.mark) = (None, None, mark(MarkKind::Withdrawn));
        }
        DecisionStep::Reclassify => in_force(&mut after).clone_from(&decision.decided),
        DecisionStep::Settle => {}
        DecisionStep::Merge => merge(&mut after, decision),
        DecisionStep::Unmerge => unmerge(&mut after),
        DecisionStep::Undo => restore(&mut after, decision),
    }
    after
}

/// The lines that a decision about this activity replaces.
fn in_force(judgement: &mut Judgement) -> &mut Option<Decided> {
    if judgement.cluster.is_some() { &mut judgement.cluster } else { &mut judgement.own }
}

/// The decision speaks of its version, as it read then.
fn here(decision: &StoredDecision) -> Option<Covered> {
    let version = decision.version;
    Some(Covered { version, base: version, broken: false, reads: decision.reads.clone() })
}

fn first_approval(decision: &StoredDecision) -> Option<FirstApproval> {
    let By::Person(by) = decision.by else { return None };
    Some(FirstApproval { decision: decision.id, by, decided: decision.decided.clone()? })
}

fn merge(after: &mut Judgement, decision: &StoredDecision) {
    after.apart = Some(Apart { covered: after.covered.take(), mark: after.mark.take() });
    after.covered = here(decision);
    after.latest_decision = None;
    match decision.into {
        Some(canonical) => after.merged_into = Some(canonical),
        None => {
            after.cluster.clone_from(&decision.decided);
            after.members.clone_from(&decision.members);
        }
    }
}

fn unmerge(after: &mut Judgement) {
    let apart = after.apart.take().unwrap_or_default();
    (after.covered, after.mark) = (apart.covered, apart.mark);
    (after.merged_into, after.cluster) = (None, None);
    after.members = Vec::new();
    after.latest_decision = None;
}

fn restore(after: &mut Judgement, decision: &StoredDecision) {
    let Some(undoes) = &decision.undoes else { return };
    let restored = undoes.restored.clone();
    after.own = restored.own;
    after.cluster = restored.cluster;
    after.covered = restored.covered;
    after.mark = restored.mark;
    after.first = restored.first;
    after.settled = restored.settled;
    after.audit = restored.audit;
}
