//! The one place that says what a stored decision does to a judgement.

use std::collections::BTreeSet;

use super::decision::{By, DecisionStep, StoredDecision};
use super::judgement::{Apart, Covered, FirstApproval, Judgement, Mark, MarkKind, Unheard};
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
            (after.covered, after.mark, after.unheard) = (here(decision), None, Unheard::default());
        }
        DecisionStep::FirstApproval => after.first = first_approval(decision),
        DecisionStep::Reject => {
            (after.own, after.covered, after.mark) = (None, here(decision), mark(MarkKind::Rejected));
            after.unheard = Unheard::default();
        }
        DecisionStep::Keep => {
            (after.covered, after.mark, after.unheard) = (here(decision), None, Unheard::default());
        }
        DecisionStep::AskForChanges => {
            after.covered = after.covered.map(|covered| Covered { broken: true, ..covered });
            after.mark = mark(MarkKind::NeedsChanges);
        }
        DecisionStep::Withdraw => {
            (after.own, after.covered, after.mark) = (None, None, mark(MarkKind::Withdrawn));
            after.unheard = Unheard::default();
        }
        DecisionStep::Reclassify => in_force(&mut after).clone_from(&decision.decided),
        DecisionStep::Settle => {}
        DecisionStep::Merge => merge(&mut after, decision),
        DecisionStep::Unmerge => unmerge(&mut after, decision),
        DecisionStep::Undo => restore(&mut after, before.decision_seq, decision),
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
    after.apart = Some(Apart {
        covered: after.covered.take(),
        mark: after.mark.take(),
        unheard: std::mem::take(&mut after.unheard),
        declined: BTreeSet::new(),
    });
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

fn unmerge(after: &mut Judgement, decision: &StoredDecision) {
    let apart = after.apart.take().unwrap_or_default();
    (after.covered, after.mark, after.unheard) = (apart.covered, apart.mark, apart.unheard);
    after.unheard.declined.extend(decision.unheard.iter().map(|party| (*party, decision.seq)));
    (after.merged_into, after.cluster) = (None, None);
    after.members = Vec::new();
    after.latest_decision = None;
}

/// `undone`: the `decision_seq` of what is undone, the latest decision before this one.
fn restore(after: &mut Judgement, undone: i64, decision: &StoredDecision) {
    let Some(undoes) = &decision.undoes else { return };
    let restored = undoes.restored.clone();
    after.own = restored.own;
    after.cluster = restored.cluster;
    after.covered = restored.covered;
    after.mark = restored.mark;
    after.first = restored.first;
    after.settled = restored.settled;
    after.audit = restored.audit;
    // What came since is no part of that decision.
    after.unheard = restored.unheard.and(after.unheard.since(undone));
}
