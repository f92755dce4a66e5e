//! Deciding: what a person may decide about an activity, and why not.

use std::collections::BTreeMap;

use super::decision::{By, DecisionStep, Snapshot, Step, StoredDecision, Undoes};
use super::judgement::Judgement;
use super::lines::{Decided, Reclassification, sum};
use super::settle::Settlements;
use crate::domain::ids::{AccountId, ActivityId, DecisionId, PartyId};
use crate::domain::reading::Value;
use crate::domain::review::{Conflict, Review};
use crate::domain::rules::RulePack;

/// A person's decision, as asked for. Whether its id was used before is looked up first, by the caller:
/// the same id with the same body has its stored answer already.
#[derive(Debug, Clone)]
pub struct Request {
    pub id: DecisionId,
    /// What the person saw.
    pub version: i64,
    /// What the person saw.
    pub decision_seq: i64,
    pub decider: Decider,
    /// In words for the resident. Required to reject, keep, ask for changes, reclassify, and to approve with
    /// corrections.
    pub reason: Option<String>,
    /// From [`super::settle()`]: what `settle` or an approval settles; no other step does.
    pub settles: Settlements,
    /// Fields of the newest version that read as settled, `settles` included ([`super::settled_fields`]).
    pub reads: BTreeMap<String, Value>,
    pub ask: Ask,
}

/// Who decides: the resolved party and all ids that resolve to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    pub party: PartyId,
    pub aliases: Vec<PartyId>,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Ask {
    Approve {
        /// From the newest version with settlements and corrections in; nothing if it cannot be read.
        decided: Option<Decided>,
        corrected: bool,
        /// With settlements applied.
        conflict: Conflict,
    },
    Reject,
    Keep,
    AskForChanges,
    Reclassify(Reclassification),
    Settle,
    Undo {
        decision: DecisionId,
        /// [`StoredDecision::before`] of that decision.
        before: Box<Snapshot>,
    },
}

/// Why a decision is refused; nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something happened since; the present state.
    #[error("the record has changed: it is at version {version}, decision {decision_seq}")]
    VersionChanged { version: i64, decision_seq: i64, review: Review },
    #[error("a reason is needed")]
    ReasonRequired,
    #[error("nobody can approve minutes for themselves")]
    OwnCredit,
    #[error("only the latest decision can be undone, and not past a merge")]
    UndoBlocked { latest: Option<DecisionId> },
    #[error("two phones say different things that matter here; settle that first")]
    ConflictUnsettled,
    /// `keep` without anything approved.
    #[error("nothing of this record is posted, so there is nothing to keep")]
    NothingPosted,
    #[error("this version cannot be read")]
    Unreadable,
    #[error("this record was merged into another")]
    MergedAway { into: ActivityId },
    /// A merged record is unmerged first.
    #[error("other records are merged into this one")]
    Merged,
    /// `unmerge` without members.
    #[error("nothing is merged into this record")]
    NotMerged,
    /// None, too many, or one twice.
    #[error("these records cannot be merged into one")]
    MembersUnfit,
    /// The same person again.
    #[error("so many minutes need another person's approval too")]
    SecondPerson,
    /// A merge that raises minutes above the threshold: it has no second approval, but those of its records do.
    #[error("so many minutes need two people's approvals before the merge")]
    MergeRaises,
    #[error("nothing would change")]
    NothingChanges,
    #[error("nothing was named to settle")]
    NothingToSettle,
    #[error("the values of {field} are others by now, or it cannot hold this one")]
    SettlementUnfit { field: String },
}

impl Refusal {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::VersionChanged { .. } => "version_changed",
            Self::ReasonRequired => "reason_required",
            Self::OwnCredit => "own_credit",
            Self::UndoBlocked { .. } => "undo_blocked",
            Self::ConflictUnsettled => "conflict_unsettled",
            Self::NothingPosted => "nothing_posted",
            Self::Unreadable => "unreadable",
            Self::MergedAway { .. } => "merged_away",
            Self::Merged => "merged",
            Self::NotMerged => "not_merged",
            Self::MembersUnfit => "members_unfit",
            Self::SecondPerson | Self::MergeRaises => "second_person",
            Self::NothingChanges => "nothing_changes",
            Self::NothingToSettle => "nothing_to_settle",
            Self::SettlementUnfit { .. } => "settlement_unfit",
        }
    }

    pub(super) fn version_changed(present: &Judgement) -> Self {
        Self::VersionChanged {
            version: present.judged_version,
            decision_seq: present.decision_seq,
            review: present.review(),
        }
    }
}

impl Decider {
    fn is(&self, party: PartyId) -> bool {
        party == self.party || self.aliases.contains(&party)
    }

    /// Σ minutes, of both assets, that the decision gives the decider.
    pub(super) fn minutes_in(&self, decided: Option<&Decided>) -> i64 {
        let mine = |account: AccountId| self.is(PartyId(account.0));
        decided.map_or(0, |decided| sum(decided.lines.iter().filter(|line| mine(line.account))))
    }
}

/// Decides, or says why not. All versions that wait are taken up before
/// ([`super::TakingUp::BeforeDecision`]).
///
/// # Errors
/// [`Refusal`]; nothing has changed then.
pub fn decide(before: &Judgement, request: &Request, pack: &RulePack) -> Result<Step, Refusal> {
    let seen = (request.version, request.decision_seq);
    if before.judged_version == 0 || seen != (before.judged_version, before.decision_seq) {
        return Err(Refusal::version_changed(before));
    }
    if let Some(into) = before.merged_into {
        return Err(Refusal::MergedAway { into });
    }
    if needs_reason(&request.ask) && request.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Refusal::ReasonRequired);
    }
    let stored = |step| {
        let by = By::Person(request.decider.party);
        let next = StoredDecision::next(before, request.id, step, by, pack);
        StoredDecision { reason: request.reason.clone(), reads: request.reads.clone(), ..next }
    };
    let decision = match &request.ask {
        Ask::Approve { decided, conflict, .. } => {
            let mut decided = may_approve(request, decided.as_ref(), *conflict)?.clone();
            // A part of what was merged into it would claim from itself.
            decided.part_of = decided.part_of.filter(|of| !before.members.contains(of));
            let step = first_or_second(before, request, &decided, pack)?;
            StoredDecision { decided: Some(decided), settles: request.settles.clone(), ..stored(step) }
        }
        Ask::Reject if before.cluster.is_some() => return Err(Refusal::Merged),
        Ask::Reject => stored(DecisionStep::Reject),
        Ask::Keep if before.in_force().is_none() => return Err(Refusal::NothingPosted),
        Ask::Keep => stored(DecisionStep::Keep),
        Ask::AskForChanges => stored(DecisionStep::AskForChanges),
        Ask::Reclassify(to) => {
            StoredDecision { decided: Some(may_reclassify(before, to)?), ..stored(DecisionStep::Reclassify) }
        }
        Ask::Settle if request.settles.is_empty() => return Err(Refusal::NothingToSettle),
        Ask::Settle => StoredDecision { settles: request.settles.clone(), ..stored(DecisionStep::Settle) },
        Ask::Undo { decision, before: restored } => {
            let undoes = may_undo(before, request, *decision, restored)?;
            StoredDecision { undoes: Some(undoes), ..stored(DecisionStep::Undo) }
        }
    };
    Ok(Step::decided(before, decision))
}

fn needs_reason(ask: &Ask) -> bool {
    match ask {
        Ask::Approve { corrected, .. } => *corrected,
        Ask::Reject | Ask::Keep | Ask::AskForChanges | Ask::Reclassify(_) => true,
        Ask::Settle | Ask::Undo { .. } => false,
    }
}

/// Above the pack's threshold two people approve the same lines, one after the other.
fn first_or_second(
    before: &Judgement,
    request: &Request,
    decided: &Decided,
    pack: &RulePack,
) -> Result<DecisionStep, Refusal> {
    if !pack.needs_two(decided.minutes()) {
        return Ok(DecisionStep::Approve);
    }
    match before.first.as_ref().filter(|first| first.decided == *decided) {
        None => Ok(DecisionStep::FirstApproval),
        Some(first) if request.decider.is(first.by) => Err(Refusal::SecondPerson),
        Some(_) => Ok(DecisionStep::Approve),
    }
}

fn may_reclassify(before: &Judgement, to: &Reclassification) -> Result<Decided, Refusal> {
    let stands = before.in_force().ok_or(Refusal::NothingPosted)?;
    let moved = stands.reclassified(to);
    if moved == *stands { Err(Refusal::NothingChanges) } else { Ok(moved) }
}

fn may_approve<'a>(
    request: &Request,
    decided: Option<&'a Decided>,
    conflict: Conflict,
) -> Result<&'a Decided, Refusal> {
    let decided = decided.ok_or(Refusal::Unreadable)?;
    if conflict == Conflict::Hard {
        return Err(Refusal::ConflictUnsettled);
    }
    if request.decider.minutes_in(Some(decided)) > 0 {
        return Err(Refusal::OwnCredit);
    }
    Ok(decided)
}

fn may_undo(
    before: &Judgement,
    request: &Request,
    decision: DecisionId,
    restored: &Snapshot,
) -> Result<Undoes, Refusal> {
    if before.latest_decision != Some(decision) {
        return Err(Refusal::UndoBlocked { latest: before.latest_decision });
    }
    let decider = &request.decider;
    // An undo approves again what it brings back, so it is no way around the rule for approvals.
    let back = restored.cluster.as_ref().or(restored.own.as_ref());
    if decider.minutes_in(back) > decider.minutes_in(before.in_force()) {
        return Err(Refusal::OwnCredit);
    }
    Ok(Undoes { decision, restored: restored.clone() })
}
