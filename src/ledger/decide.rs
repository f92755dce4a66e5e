//! Deciding: what a person may decide about an activity, and why not.

use super::decision::{By, DecisionStep, Snapshot, Step, StoredDecision, Undoes, apply};
use super::judgement::Judgement;
use super::lines::{Decided, sum};
use crate::domain::ids::{AccountId, ActivityId, DecisionId, PartyId};
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
    /// In words for the resident. Required to reject, keep, ask for changes, and to approve with corrections.
    pub reason: Option<String>,
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
        /// From the newest version with the corrections in; nothing if it cannot be read.
        decided: Option<Decided>,
        corrected: bool,
        /// With settlements applied.
        conflict: Conflict,
    },
    Reject,
    Keep,
    AskForChanges,
    Undo {
        decision: DecisionId,
        /// [`StoredDecision::before`] of that decision; nothing if there is no such decision of this activity.
        before: Option<Box<Snapshot>>,
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
        }
    }
}

impl Decider {
    fn is(&self, account: AccountId) -> bool {
        account.0 == self.party.0 || self.aliases.iter().any(|alias| alias.0 == account.0)
    }

    /// Σ minutes, of both assets, that the decision gives the decider.
    fn minutes_in(&self, decided: Option<&Decided>) -> i64 {
        decided.map_or(0, |decided| sum(decided.lines.iter().filter(|line| self.is(line.account))))
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
        return Err(Refusal::VersionChanged {
            version: before.judged_version,
            decision_seq: before.decision_seq,
            review: before.review(),
        });
    }
    if let Some(into) = before.merged_into {
        return Err(Refusal::MergedAway { into });
    }
    if needs_reason(&request.ask) && request.reason.as_deref().is_none_or(|reason| reason.trim().is_empty()) {
        return Err(Refusal::ReasonRequired);
    }
    let by = By::Person(request.decider.party);
    let stored = |step| StoredDecision {
        reason: request.reason.clone(),
        ..StoredDecision::next(before, request.id, step, by, pack)
    };
    let decision = match &request.ask {
        Ask::Approve { decided, conflict, .. } => {
            let decided = may_approve(request, decided.as_ref(), *conflict)?;
            StoredDecision { decided: Some(decided.clone()), ..stored(DecisionStep::Approve) }
        }
        Ask::Reject if before.cluster.is_some() => return Err(Refusal::Merged),
        Ask::Reject => stored(DecisionStep::Reject),
        Ask::Keep if before.in_force().is_none() => return Err(Refusal::NothingPosted),
        Ask::Keep => stored(DecisionStep::Keep),
        Ask::AskForChanges => stored(DecisionStep::AskForChanges),
        Ask::Undo { decision, before: restored } => {
            let undoes = may_undo(before, request, *decision, restored.as_deref())?;
            StoredDecision { undoes: Some(undoes), ..stored(DecisionStep::Undo) }
        }
    };
    Ok(Step::new(before, apply(before, &decision), Some(decision)))
}

fn needs_reason(ask: &Ask) -> bool {
    match ask {
        Ask::Approve { corrected, .. } => *corrected,
        Ask::Reject | Ask::Keep | Ask::AskForChanges => true,
        Ask::Undo { .. } => false,
    }
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
    restored: Option<&Snapshot>,
) -> Result<Undoes, Refusal> {
    let blocked = Refusal::UndoBlocked { latest: before.latest_decision };
    if before.latest_decision != Some(decision) {
        return Err(blocked);
    }
    let restored = restored.ok_or(blocked)?.clone();
    let decider = &request.decider;
    // An undo approves again what it brings back, so it is no way around the rule for approvals.
    let back = restored.cluster.as_ref().or(restored.own.as_ref());
    if decider.minutes_in(back) > decider.minutes_in(before.in_force()) {
        return Err(Refusal::OwnCredit);
    }
    Ok(Undoes { decision, restored })
}
