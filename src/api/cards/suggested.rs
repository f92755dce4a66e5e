//! What a card suggests, and the decisions that would do it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::decision_request::{SeenActivity, SettlementRequest, StepName};
use super::desk::Desk;
use crate::domain::card::{Correction, MinutesChosen, Proposal, Suggestion, ValueChosen};
use crate::domain::ids::ActivityId;
use crate::domain::words::{self, Language};
use crate::ledger::Corrections;

/// What the figures suggest for some of a card's records.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SuggestionView {
    /// The decisions that would do it, but for the id that each needs.
    pub decisions: Vec<DecisionDraft>,
    /// Why, for the coordinator.
    pub reason: String,
    /// Minutes that the records hold in all once it is done; absent for what decides nothing about minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes_after: Option<i64>,
    /// What it is.
    #[serde(flatten)]
    pub proposal: Proposal,
}

/// An item of `POST /v1/decisions` without its id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionDraft {
    /// Which one.
    pub activity_id: ActivityId,
    /// As it was when the card was made.
    #[schema(example = "3-5bb5a4c5")]
    pub version: String,
    /// As it was when the card was made.
    pub decision_seq: i64,
    pub step: StepName,
    /// Proposed words; the resident reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// See `POST /v1/decisions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Corrections>,
    /// See `POST /v1/decisions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settles: Vec<SettlementRequest>,
    /// See `POST /v1/decisions`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<SeenActivity>,
}

/// The decisions that would do what is suggested; none of those whose record is not there any more.
pub(super) fn drafts(desk: &Desk, suggestion: &Suggestion) -> Vec<DecisionDraft> {
    let language = Language::default();
    let why = suggestion.why.text(language);
    let reason = || Some(why.clone());
    match &suggestion.proposal {
        Proposal::Approve { activities, corrections } => {
            let each = activities.iter();
            each.filter_map(|id| approve(desk, *id, corrections, &why)).collect()
        }
        Proposal::Reject { activities } => {
            let each = activities.iter().filter_map(|id| desk.draft(*id, StepName::Reject));
            each.map(|draft| DecisionDraft { reason: reason(), ..draft }).collect()
        }
        Proposal::Keep { activities } => {
            let each = activities.iter().filter_map(|id| desk.draft(*id, StepName::Keep));
            each.map(|draft| DecisionDraft { reason: reason(), ..draft }).collect()
        }
        Proposal::Ask { activities, question } => {
            let each = activities.iter().filter_map(|id| desk.draft(*id, StepName::AskForChanges));
            each.map(|draft| DecisionDraft {
                reason: Some(words::question(*question, language).to_owned()),
                ..draft
            })
            .collect()
        }
        Proposal::Settle { activity, values } => {
            let draft = desk.draft(*activity, StepName::Settle);
            let settles = values.iter().map(|ValueChosen { field, value }| SettlementRequest {
                field: field.clone(),
                operations: desk.operations(*activity, field),
                value: value.clone(),
            });
            let settles = settles.collect();
            draft.map(|draft| DecisionDraft { settles, ..draft }).into_iter().collect()
        }
        Proposal::Merge { canonical, members, minutes, .. } => {
            let draft = desk.draft(*canonical, StepName::Merge);
            let members: Vec<SeenActivity> = members.iter().filter_map(|id| desk.seen(*id)).collect();
            let corrections = Some(chosen(minutes));
            let merged = draft.map(|draft| DecisionDraft { reason: reason(), members, corrections, ..draft });
            merged.into_iter().collect()
        }
    }
}

fn approve(desk: &Desk, id: ActivityId, corrections: &[Correction], reason: &str) -> Option<DecisionDraft> {
    let draft = desk.draft(id, StepName::Approve)?;
    let of_it = corrections.iter().filter(|correction| correction.activity == id);
    let minutes: std::collections::BTreeMap<_, _> =
        of_it.map(|correction| (correction.party, correction.minutes)).collect();
    if minutes.is_empty() {
        return Some(draft);
    }
    let corrections = Some(Corrections { minutes, ..Corrections::default() });
    Some(DecisionDraft { reason: Some(reason.to_owned()), corrections, ..draft })
}

fn chosen(minutes: &[MinutesChosen]) -> Corrections {
    let minutes = minutes.iter().map(|chosen| (chosen.party, chosen.minutes)).collect();
    Corrections { minutes, ..Corrections::default() }
}
