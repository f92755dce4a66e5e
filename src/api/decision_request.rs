//! What a coordinator sends to decide, and what it asks for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::error::{ApiError, ApiResult};
use super::misfits;
use crate::domain::draft::Misfit;
use crate::domain::ids::{ActivityId, DecisionId};
use crate::domain::limits::{BATCH_ITEMS_MAX, MERGE_MEMBERS_MAX, REASON_CHARACTERS_MAX, SETTLEMENTS_MAX};
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

/// An item of a batch.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: DecisionId,
    /// What it asks for, or what does not fit in it; pointers are from the item on.
    pub asks: Result<Wish, Vec<Misfit>>,
}

/// The items of a batch, each read by itself.
///
/// # Errors
/// 422 for a wrong number of them.
pub fn items(items: Vec<DecisionRequest>) -> ApiResult<Vec<Item>> {
    if items.is_empty() || items.len() > BATCH_ITEMS_MAX {
        let detail = format!("At /items: 1 to {BATCH_ITEMS_MAX} decisions at a time.");
        return Err(ApiError::field("/items", "count", detail));
    }
    items.into_iter().map(|item| Ok(Item { id: item.id, asks: wish(item)? })).collect()
}

/// What all of them ask for, where they are decided as one.
///
/// # Errors
/// 422 that names each field of each item that does not fit.
pub fn all_fit(items: Vec<Item>) -> ApiResult<Vec<Wish>> {
    let (mut wishes, mut all) = (Vec::with_capacity(items.len()), Vec::new());
    for (at, item) in items.into_iter().enumerate() {
        match item.asks {
            Ok(wish) => wishes.push(wish),
            Err(misfits) => all.extend(
                misfits
                    .into_iter()
                    .map(|misfit| Misfit { pointer: format!("/items/{at}{}", misfit.pointer), ..misfit }),
            ),
        }
    }
    match misfits::told("", &all) {
        Some((detail, errors)) => Err(ApiError::fields(detail, errors)),
        None => Ok(wishes),
    }
}

fn misfit(pointer: impl Into<String>, code: &'static str, says: impl Into<String>) -> Misfit {
    Misfit { pointer: pointer.into(), code, says: says.into() }
}

/// What an item asks for, or all that does not fit in it.
fn wish(item: DecisionRequest) -> ApiResult<Result<Wish, Vec<Misfit>>> {
    let body = serde_json::to_vec(&item).map_err(FlowError::from)?;
    let mut misfits = too_much(&item);
    misfits.extend(unstorable(&item));
    misfits.extend(misplaced(&item));
    let DecisionRequest { id, activity_id, version, decision_seq, reason, .. } = item;
    let seen = seen("", activity_id, &version, decision_seq);
    let step = match item.step {
        StepName::Approve => {
            Ok(WishedStep::Approve(item.corrections.unwrap_or_default(), settlements(item.settles)))
        }
        StepName::Reject => Ok(WishedStep::Reject),
        StepName::Keep => Ok(WishedStep::Keep),
        StepName::AskForChanges => Ok(WishedStep::AskForChanges),
        StepName::Reclassify => {
            let absent = || lacking("/reclassification", "where it is to be counted");
            item.reclassification.map(WishedStep::Reclassify).ok_or_else(absent)
        }
        StepName::Settle if item.settles.is_empty() => Err(lacking("/settles", "what counts in which field")),
        StepName::Settle => Ok(WishedStep::Settle(settlements(item.settles))),
        StepName::Merge => {
            let members = members(&item.members);
            members.map(|members| WishedStep::Merge(members, item.corrections.unwrap_or_default()))
        }
        StepName::Unmerge => Ok(WishedStep::Unmerge),
        StepName::Undo => {
            let absent = || lacking("/decision_id", "the decision that is taken back");
            item.decision_id.map(WishedStep::Undo).ok_or_else(absent)
        }
    };
    Ok(match (seen, step) {
        (Ok(seen), Ok(step)) if misfits.is_empty() => Ok(Wish { id, seen, step, reason, body }),
        (seen, step) => {
            misfits.extend(seen.err());
            misfits.extend(step.err().into_iter().flatten());
            Err(misfits)
        }
    })
}

fn lacking(pointer: &str, what: &str) -> Vec<Misfit> {
    vec![misfit(pointer, "missing_field", format!("this step needs {what}"))]
}

fn seen(of: &str, activity: ActivityId, version: &str, decision_seq: i64) -> Result<Seen, Misfit> {
    let says = "expected a version exactly as the activity gave it, like 3-5bb5a4c5";
    let version: VersionName =
        version.parse().map_err(|_| misfit(format!("{of}/version"), "version", says))?;
    Ok(Seen { activity, version, decision_seq })
}

fn members(members: &[SeenActivity]) -> Result<Vec<Seen>, Vec<Misfit>> {
    if members.is_empty() || members.len() > MERGE_MEMBERS_MAX {
        let says = format!("expected 1 to {MERGE_MEMBERS_MAX} other records");
        return Err(vec![misfit("/members", "count", says)]);
    }
    let (mut all, mut misfits) = (Vec::with_capacity(members.len()), Vec::new());
    for (n, member) in members.iter().enumerate() {
        let of = format!("/members/{n}");
        match seen(&of, member.activity_id, &member.version, member.decision_seq) {
            Ok(seen) => all.push(seen),
            Err(misfit) => misfits.push(misfit),
        }
    }
    if misfits.is_empty() { Ok(all) } else { Err(misfits) }
}

fn settlements(settles: Vec<SettlementRequest>) -> Vec<WishedSettlement> {
    let settles = settles.into_iter();
    settles
        .map(|SettlementRequest { field, operations, value }| WishedSettlement { field, operations, value })
        .collect()
}

/// What is more than a decision holds.
fn too_much(item: &DecisionRequest) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    if item.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON_CHARACTERS_MAX) {
        let says = format!("expected at most {REASON_CHARACTERS_MAX} characters");
        misfits.push(misfit("/reason", "too_long", says));
    }
    if item.settles.len() > SETTLEMENTS_MAX {
        let says = format!("expected at most {SETTLEMENTS_MAX} fields at a time");
        misfits.push(misfit("/settles", "count", says));
    }
    misfits
}

/// PostgreSQL keeps no text with a NUL in it.
fn unstorable(item: &DecisionRequest) -> Vec<Misfit> {
    let (corrected, moved) = (item.corrections.as_ref(), item.reclassification.as_ref());
    let texts = [
        ("/reason", item.reason.as_ref()),
        ("/corrections/programme", corrected.and_then(|to| to.programme.as_ref())),
        ("/corrections/place", corrected.and_then(|to| to.place.as_ref())),
        ("/reclassification/programme", moved.and_then(|to| to.programme.as_ref())),
        ("/reclassification/place", moved.and_then(|to| to.place.as_ref())),
    ];
    let unfit = texts.iter().filter(|(_, text)| text.is_some_and(|text| text.contains('\0')));
    unfit.map(|(pointer, _)| misfit(*pointer, "text", "expected a text without a NUL in it")).collect()
}

/// What was sent and does not belong to the step.
fn misplaced(item: &DecisionRequest) -> Vec<Misfit> {
    use StepName::{Approve, Merge, Reclassify, Settle, Undo};
    let only_with: [(&str, bool, &[StepName], &str); 5] = [
        ("/corrections", item.corrections.is_some(), &[Approve, Merge], "approve or merge"),
        ("/reclassification", item.reclassification.is_some(), &[Reclassify], "reclassify"),
        ("/settles", !item.settles.is_empty(), &[Approve, Settle], "settle or approve"),
        ("/members", !item.members.is_empty(), &[Merge], "merge"),
        ("/decision_id", item.decision_id.is_some(), &[Undo], "undo"),
    ];
    let here = only_with.iter().filter(|(_, given, steps, _)| *given && !steps.contains(&item.step));
    here.map(|(pointer, _, _, with)| misfit(*pointer, "not_here", format!("it comes with {with} only")))
        .collect()
}
