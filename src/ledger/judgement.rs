//! The judgement of one activity: what is decided about it, what is posted, and the review that follows.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lines::{Decided, Line};
use super::settle::Settlements;
use crate::domain::ids::{ActivityId, DecisionId, PartyId};
use crate::domain::reading::Value;
use crate::domain::review::Review;

/// Everything judged about one activity. The default is an activity of which nothing is taken up yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// The newest version taken up; 0 is none.
    pub judged_version: i64,
    /// Rises by one with each stored decision, automatic ones included. A person's decision names it.
    pub decision_seq: i64,
    /// Rises by one with each posting that has a transfer.
    pub posting_seq: i64,
    /// What the decision in force froze.
    pub own: Option<Decided>,
    /// What the merge of several activities froze, on the canonical one; goes before `own`.
    pub cluster: Option<Decided>,
    /// Merged away: this activity posts nothing of its own.
    pub merged_into: Option<ActivityId>,
    /// Which versions the decision in force speaks of.
    pub covered: Option<Covered>,
    /// Counts while it is of the newest version.
    pub mark: Option<Mark>,
    /// The newest version taken up says `withdrawn`.
    pub withdrawn: bool,
    /// A person decided here once, an undo included: no rule approves here again.
    pub person_decided: bool,
    /// Some version taken up said `withdrawn`: likewise.
    pub withdrawn_ever: bool,
    /// What stands in the ledger; equals the target after every transaction.
    pub posted: Vec<Line>,
    /// The only decision that can be undone; a merge clears it.
    pub latest_decision: Option<DecisionId>,
    /// Rises with every change of anything else here.
    pub revision: i64,
    /// The first of two approvals; posts nothing. A newer version or another decision clears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<FirstApproval>,
    /// What people said about conflicts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settled: Settlements,
    /// On the canonical one of a merge: those that were merged into it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<ActivityId>,
    /// While merged: how it stood before, for the day it is unmerged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Apart>,
    /// A rule approved, and chance says that a person looks at it. What is posted stands meanwhile; any decision
    /// of a person ends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub audit: bool,
    /// A resident said something that nobody has answered; any decision of a person ends it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unanswered: bool,
    /// What keeps the decision in force from standing, besides edits.
    #[serde(default, skip_serializing_if = "Unheard::is_empty")]
    pub unheard: Unheard,
}

/// What came from outside since somebody last decided what the record counts for, each with the `decision_seq` at which
/// it came. What is in force goes to a person for it, and so does the next version, whatever it changes. It is no part
/// of what an undo brings back, or taking back another decision would forget it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unheard {
    /// Who said that they were not part of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declined: BTreeMap<PartyId, i64>,
    /// The last of all else: an edit of a member of the merge, a decline that was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<i64>,
    /// Who said that they were part of it, and has not said otherwise since: an undo brings back no decline of theirs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub accepted: BTreeMap<PartyId, i64>,
}

/// The first approval of something that needs two people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstApproval {
    pub decision: DecisionId,
    pub by: PartyId,
    /// The second has to freeze exactly this.
    pub decided: Decided,
}

/// See [`Judgement::apart`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Apart {
    pub covered: Option<Covered>,
    pub mark: Option<Mark>,
    #[serde(default, skip_serializing_if = "Unheard::is_empty")]
    pub unheard: Unheard,
    /// On the canonical one: who said since of the merged record that they were not part of it, whatever was decided
    /// about that then. The own lines that return were not what that decision spoke of.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub declined: BTreeSet<PartyId>,
}

/// The versions that a decision speaks of: the one it named and later ones that changed nothing that matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The newest version that the decision speaks of.
    pub version: i64,
    /// The version that was decided on. Later readings are compared with *its* reading, so that many
    /// small edits cannot add up to a large one.
    pub base: i64,
    /// The record was withdrawn, or changes were asked for, since: it goes to a person, and so does the next version,
    /// whatever it changes. See [`Unheard`] for what others did.
    pub broken: bool,
    /// Fields of the base that were read as settled ([`super::effective`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reads: BTreeMap<String, Value>,
}

/// A decision that leaves a state of its own on one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    pub kind: MarkKind,
    /// The newest version it holds for.
    pub version: i64,
    /// In words for the resident; none for a withdrawal.
    pub reason: Option<String>,
}

/// See [`Mark`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    Rejected,
    NeedsChanges,
    Withdrawn,
}

impl Unheard {
    /// Nothing came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.stops() && self.accepted.is_empty()
    }

    /// Something came that sends what is in force to a person.
    #[must_use]
    pub fn stops(&self) -> bool {
        !self.declined.is_empty() || self.other.is_some()
    }

    /// Somebody says that they were not part of it.
    pub fn decline(&mut self, by: PartyId, decision_seq: i64, is_speaker: impl Fn(PartyId) -> bool) {
        self.accepted.retain(|party, _| !is_speaker(*party));
        self.declined.insert(by, decision_seq);
    }

    /// Somebody says that they were part of it. What they said before is taken back; a person decides all the same.
    pub fn accept(&mut self, by: PartyId, decision_seq: i64, is_speaker: impl Fn(PartyId) -> bool) {
        self.declined.retain(|party, at| {
            let taken_back = is_speaker(*party);
            if taken_back {
                self.other = self.other.max(Some(*at));
            }
            !taken_back
        });
        self.accepted.insert(by, decision_seq);
    }

    /// What came at this `decision_seq` or later.
    #[must_use]
    pub fn since(&self, decision_seq: i64) -> Self {
        let later = |at: &i64| *at >= decision_seq;
        let of = |said: &BTreeMap<PartyId, i64>| {
            said.iter().filter(|(_, at)| later(at)).map(|(party, at)| (*party, *at)).collect()
        };
        Self { declined: of(&self.declined), other: self.other.filter(later), accepted: of(&self.accepted) }
    }

    /// This, and then what came later.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        for (party, at) in later.accepted {
            self.accept(party, at, |other| other == party);
        }
        for (party, at) in later.declined {
            self.decline(party, at, |other| other == party);
        }
        self.other = self.other.max(later.other);
        self
    }
}

impl Judgement {
    /// The state that follows from the decisions. What is merged away needs nobody: the canonical one says
    /// what counts.
    #[must_use]
    pub fn review(&self) -> Review {
        if self.merged_into.is_some() {
            return Review::Approved;
        }
        if let Some(mark) = self.mark.as_ref().filter(|mark| mark.version == self.judged_version) {
            return match mark.kind {
                MarkKind::Rejected => Review::Rejected,
                MarkKind::NeedsChanges => Review::NeedsChanges,
                MarkKind::Withdrawn => Review::Withdrawn,
            };
        }
        if self.own.is_none() && self.cluster.is_none() {
            return Review::Received;
        }
        match &self.covered {
            Some(covered)
                if covered.version == self.judged_version && !covered.broken && !self.unheard.stops() =>
            {
                Review::Approved
            }
            _ => Review::EditedAfterApproval,
        }
    }

    /// What counts now: the cluster's decision before the activity's own; nothing once merged away.
    #[must_use]
    pub fn in_force(&self) -> Option<&Decided> {
        if self.merged_into.is_some() {
            return None;
        }
        self.cluster.as_ref().or(self.own.as_ref())
    }

    /// The activities that one was merged with.
    pub fn merged_with(&self) -> impl Iterator<Item = ActivityId> {
        self.merged_into.into_iter().chain(self.members.iter().copied())
    }

    /// The occasion that this activity takes minutes from, and how many: Σ `claim` over the parts of an
    /// occasion is its `parts_minutes`. The id is as frozen; resolve it through `merged_into`.
    #[must_use]
    pub fn claim(&self) -> Option<(ActivityId, i64)> {
        let decided = self.in_force()?;
        decided.part_of.map(|occasion| (occasion, decided.claimed()))
    }

    /// The minutes that the resident is told: Σ contribution lines in force, nothing while undecided.
    #[must_use]
    pub fn minutes(&self) -> Option<i64> {
        self.in_force().map(|decided| decided.named)
    }
}
