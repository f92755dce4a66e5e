//! What a coordinator sends to decide, and what it asks for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult};
use crate::domain::ids::{ActivityId, DecisionId};
use crate::domain::limits::{MERGE_MEMBERS_MAX, REASON_CHARACTERS_MAX, SETTLEMENTS_MAX};
use crate::domain::version_name::VersionName;
use crate::flows::FlowError;
use crate::flows::decide::{Seen, Wish, WishedSettlement, WishedStep};
use crate::ledger::{Corrections, Reclassification};

/// A batch of decisions, each in a transaction of its own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionsRequest {
    /// 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<DecisionRequest>,
    /// Of `POST /v1/decisions/preview` with these items: all in one transaction, exactly as shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// One decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionRequest {
    /// Made by the client; the same again is answered as it was.
    pub id: DecisionId,
    pub activity_id: ActivityId,
    /// `version` of the activity, as seen.
    #[schema(example = "3-5bb5a4c5", pattern = "^[1-9][0-9]{0,17}-[0-9a-f]{8}$")]
    pub version: String,
    /// `decision_seq` of the activity, as seen.
    pub decision_seq: i64,
    pub step: StepName,
    /// In plain words: the resident reads it. Needed to reject, keep, ask for changes, reclassify,
    /// merge, and to correct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, pattern = r"^[^\x00]*$")]
    pub reason: Option<String>,
    /// With `approve` and `merge`: what is posted instead of what the records say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Corrections>,
    /// With `reclassify`: where the minutes are to be counted; what is absent stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclassification: Option<Reclassification>,
    /// With `settle` or `approve`: what counts in fields that phones disagree about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub settles: Vec<SettlementRequest>,
    /// With `merge`: the other records of the same thing, as seen. Of each person the most that any record says
    /// counts, and of each item; `corrections` choose otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    pub members: Vec<SeenActivity>,
    /// With `undo`: the decision to take back, the latest one of the activity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<DecisionId>,
}

/// What counts in a field that phones disagree about, until one of them writes it again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettlementRequest {
    /// `field` of the conflict.
    #[schema(example = "people")]
    pub field: String,
    /// `operations` of the conflict, all of them: what was seen.
    pub operations: BTreeSet<String>,
    /// As the activity would show it; one of the values or another one.
    pub value: serde_json::Value,
}

/// An activity as it was seen.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SeenActivity {
    /// Which one.
    pub activity_id: ActivityId,
    /// `version` of the activity.
    #[schema(example = "3-5bb5a4c5", pattern = "^[1-9][0-9]{0,17}-[0-9a-f]{8}$")]
    pub version: String,
    /// `decision_seq` of the activity.
    pub decision_seq: i64,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepName {
    /// Post what the version says, with the corrections.
    Approve,
    /// Post nothing; what was posted goes back.
    Reject,
    /// The edit is refused; what was posted stands.
    Keep,
    /// Back to the phone, with a reason; what was posted stands.
    AskForChanges,
    /// Count what is posted under another programme, day or place; nobody's balance moves.
    Reclassify,
    /// Say what counts where phones disagree; posts nothing.
    Settle,
    /// Several records of the same thing count once, as this one.
    Merge,
    /// Take that apart: each record counts as before.
    Unmerge,
    /// Take the latest decision back.
    Undo,
}

/// What an item asks for; `at` is its place in the batch.
pub fn wish(at: usize, item: DecisionRequest) -> ApiResult<Wish> {
    let body = serde_json::to_vec(&item).map_err(FlowError::from)?;
    let pointer = |field: &str| format!("/items/{at}/{field}");
    let seen = seen(at, "", item.activity_id, &item.version, item.decision_seq)?;
    if item.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARACTERS_MAX) {
        let detail = format!("A reason has at most {REASON_CHARACTERS_MAX} characters.");
        return Err(ApiError::field(pointer("reason"), "too_long", detail));
    }
    if item.settles.len() > SETTLEMENTS_MAX {
        let detail = format!("At most {SETTLEMENTS_MAX} fields at a time.");
        return Err(ApiError::field(pointer("settles"), "count", detail));
    }
    check_texts(at, &item)?;
    check_belongs(at, &item)?;
    let absent = |field, what: &str| ApiError::field(pointer(field), "missing_field", what.to_owned());
    let step = match item.step {
        StepName::Approve => {
            WishedStep::Approve(item.corrections.unwrap_or_default(), settlements(item.settles))
        }
        StepName::Reject => WishedStep::Reject,
        StepName::Keep => WishedStep::Keep,
        StepName::AskForChanges => WishedStep::AskForChanges,
        StepName::Reclassify => {
            let to = item.reclassification;
            WishedStep::Reclassify(
                to.ok_or_else(|| absent("reclassification", "Say where it is to be counted."))?,
            )
        }
        StepName::Settle if item.settles.is_empty() => {
            return Err(absent("settles", "Say what counts in which field."));
        }
        StepName::Settle => WishedStep::Settle(settlements(item.settles)),
        StepName::Merge => {
            WishedStep::Merge(members(at, &item.members)?, item.corrections.unwrap_or_default())
        }
        StepName::Unmerge => WishedStep::Unmerge,
        StepName::Undo => {
            WishedStep::Undo(item.decision_id.ok_or_else(|| absent("decision_id", "Name the decision."))?)
        }
    };
    Ok(Wish { id: item.id, seen, step, reason: item.reason, body })
}

fn seen(at: usize, of: &str, activity: ActivityId, version: &str, decision_seq: i64) -> ApiResult<Seen> {
    let version: VersionName = version.parse().map_err(|_| {
        let pointer = format!("/items/{at}/{of}version");
        ApiError::field(pointer, "version", "Send version exactly as the activity gave it, like 3-5bb5a4c5.")
    })?;
    Ok(Seen { activity, version, decision_seq })
}

fn members(at: usize, members: &[SeenActivity]) -> ApiResult<Vec<Seen>> {
    if members.is_empty() || members.len() > MERGE_MEMBERS_MAX {
        let detail = format!("Name 1 to {MERGE_MEMBERS_MAX} other records.");
        return Err(ApiError::field(format!("/items/{at}/members"), "count", detail));
    }
    let members = members.iter().enumerate();
    members
        .map(|(n, member)| {
            let of = format!("members/{n}/");
            seen(at, &of, member.activity_id, &member.version, member.decision_seq)
        })
        .collect()
}

fn settlements(settles: Vec<SettlementRequest>) -> Vec<WishedSettlement> {
    let settles = settles.into_iter();
    settles
        .map(|SettlementRequest { field, operations, value }| WishedSettlement { field, operations, value })
        .collect()
}

/// PostgreSQL keeps no text with a NUL in it.
fn check_texts(at: usize, item: &DecisionRequest) -> ApiResult<()> {
    let (corrected, moved) = (item.corrections.as_ref(), item.reclassification.as_ref());
    let texts = [
        ("reason", item.reason.as_ref()),
        ("corrections/programme", corrected.and_then(|to| to.programme.as_ref())),
        ("corrections/place", corrected.and_then(|to| to.place.as_ref())),
        ("reclassification/programme", moved.and_then(|to| to.programme.as_ref())),
        ("reclassification/place", moved.and_then(|to| to.place.as_ref())),
    ];
    match texts.iter().find(|(_, text)| text.is_some_and(|text| text.contains('\0'))) {
        Some((field, _)) => {
            Err(ApiError::field(format!("/items/{at}/{field}"), "text", "Texts have no NUL in them."))
        }
        None => Ok(()),
    }
}

/// Whether what was sent belongs to the step.
fn check_belongs(at: usize, item: &DecisionRequest) -> ApiResult<()> {
    use StepName::{Approve, Merge, Reclassify, Settle, Undo};
    let only_with: [(&str, bool, &[StepName], &str); 5] = [
        (
            "corrections",
            item.corrections.is_some(),
            &[Approve, Merge],
            "Corrections come with approve or merge.",
        ),
        (
            "reclassification",
            item.reclassification.is_some(),
            &[Reclassify],
            "A reclassification comes with reclassify.",
        ),
        ("settles", !item.settles.is_empty(), &[Approve, Settle], "settles comes with settle or approve."),
        ("members", !item.members.is_empty(), &[Merge], "members comes with merge, and only there."),
        ("decision_id", item.decision_id.is_some(), &[Undo], "decision_id comes with undo, and only there."),
    ];
    match only_with.iter().find(|(_, given, steps, _)| *given && !steps.contains(&item.step)) {
        Some((field, _, _, detail)) => {
            Err(ApiError::field(format!("/items/{at}/{field}"), "not_here", (*detail).to_owned()))
        }
        None => Ok(()),
    }
}
