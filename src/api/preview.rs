//! Previews: what a batch of decisions would do, and a token to do exactly that.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::activity_reading::{Tenant, tenant};
use super::body::Json;
use super::decision_request::{DecisionRequest, StepName, wish};
use super::decisions::{DecisionOutcome, DecisionsAnswer, outcome};
use super::error::{ApiError, ApiResult, FieldError, NOT_FOUND, PREVIEW_CHANGED};
use super::extract::{Coordinator, scope};
use super::params::{opened, sealed};
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, ActivityId, DecisionId, read_uuid_or_none};
use crate::domain::limits::BATCH_ITEMS_MAX;
use crate::domain::review::Review;
use crate::domain::version_name::VersionName;
use crate::flows::FlowError;
use crate::flows::decide::{self, Applied, Effects, Outcome, Preview, Promise, Wish};
use crate::store;
use crate::store::entity::decision;

/// The decisions to look at: those of `items`, or those that take a batch back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// 1 to 100, carried out one after the other, as one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub items: Vec<DecisionRequest>,
    /// `batch_id` of a batch that was applied: undoes its decisions, and takes its merges apart.
    #[serde(default, deserialize_with = "read_uuid_or_none", skip_serializing_if = "Option::is_none")]
    pub undo_batch: Option<Uuid>,
}

/// What they would do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PreviewAnswer {
    /// One outcome an item, in their order: 200 if it would be decided.
    pub items: Vec<DecisionOutcome>,
    /// With `undo_batch`: the decisions that do it, to be sent with the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<DecisionRequest>,
    pub effects: EffectsView,
    /// To be sent with the same items to `POST /v1/decisions`: does exactly this, or says what changed. Absent while
    /// an item is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// What decisions do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EffectsView {
    /// How many of the items would be decided.
    #[schema(example = 2)]
    pub decisions: usize,
    /// Minutes that go up or down on accounts, in all.
    #[schema(example = 190)]
    pub minutes: i64,
    /// What would be posted, in order.
    pub transfers: Vec<TransferEffect>,
    /// What phones would be told.
    pub verdicts: Vec<VerdictEffect>,
}

/// A line that would be posted.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TransferEffect {
    pub activity_id: ActivityId,
    pub account_id: AccountId,
    /// `contribution` or `credit`.
    #[schema(example = "contribution")]
    pub asset: String,
    /// Above zero to the account, below zero back to the commons.
    pub minutes: i64,
    /// The day that the minutes belong to.
    #[schema(format = Date, example = "2026-11-21")]
    pub day: String,
}

/// What a phone would be told of an activity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerdictEffect {
    pub activity_id: ActivityId,
    pub review: Review,
    /// The minutes that would count; absent where nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(preview_decisions)
}

/// See what decisions would do: how many, the minutes, the transfers, what phones would be told. Nothing is written.
///
/// The token does exactly that, all or nothing, and makes a batch that can be taken back as one: look at
/// `undo_batch`, and send the `decisions` that the answer gives with its token.
#[utoipa::path(
    post, path = "/v1/decisions/preview", tag = "reconcile", request_body = PreviewRequest,
    responses((status = 200, description = "What they would do.", body = PreviewAnswer))
)]
pub async fn preview_decisions(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Json(body): Json<PreviewRequest>,
) -> ApiResult<axum::Json<PreviewAnswer>> {
    let access = &caller.access;
    let decisions = match body.undo_batch {
        Some(_) if !body.items.is_empty() => {
            return Err(ApiError::field("/items", "not_here", "Send items or undo_batch, not both."));
        }
        Some(batch) => undoing(&app, access, batch).await?,
        None => Vec::new(),
    };
    let items = if body.undo_batch.is_some() { decisions.clone() } else { body.items };
    let wishes = wishes(items)?;
    let Preview { refusals, effects, promise } = decide::preview(&app, access, &wishes).await?;
    let token = promise.map(|promise| sealed(&app, &purpose(access), &promise)).transpose()?;
    let decided = refusals.iter().filter(|refusal| refusal.is_none()).count();
    let items: ApiResult<Vec<DecisionOutcome>> = refusals
        .into_iter()
        .zip(&wishes)
        .map(|(refusal, wish)| match refusal {
            Some(refusal) => outcome(wish.id, Ok(refusal)),
            None => Ok(DecisionOutcome::plain(wish.id, 200)),
        })
        .collect();
    let effects = effects_view(effects, decided);
    Ok(axum::Json(PreviewAnswer { items: items?, decisions, effects, token }))
}

/// Does what a preview promised.
///
/// # Errors
/// 409 `preview_changed`, with what changed; 422 for other items than the token's.
pub(super) async fn apply(
    app: &App,
    access: &Access,
    wishes: &[Wish],
    token: &str,
) -> ApiResult<DecisionsAnswer> {
    let promise: Promise = opened(app, &purpose(access), Some(token))
        .ok()
        .flatten()
        .ok_or_else(|| ApiError::field("/token", "token", "Send a token exactly as a preview gave it."))?;
    match decide::apply(app, access, wishes, &promise).await? {
        Applied::Done(batch, outcomes) => {
            let items = outcomes.into_iter().zip(wishes).map(|(done, wish)| outcome(wish.id, Ok(done)));
            Ok(DecisionsAnswer { items: items.collect::<ApiResult<_>>()?, batch_id: Some(batch) })
        }
        Applied::OtherItems => {
            let detail = "The token is of other items: send those that were looked at, in their order.";
            Err(ApiError::field("/items", "other_items", detail))
        }
        Applied::Changed(now) => Err(changed(&promise, now)),
    }
}

/// What changed since the preview.
fn changed(promise: &Promise, now: Preview) -> ApiError {
    let (transfers, minutes) = (now.effects.transfers.len(), now.effects.minutes());
    let refused = now.refusals.iter().flatten().count();
    let detail = if refused > 0 {
        format!("{refused} of the items can't be decided any more: see errors, and look at them again.")
    } else {
        format!(
            "It would now post {transfers} transfers of {minutes} minutes in all, where the preview said {} of {}: \
             look at it again.",
            promise.transfers, promise.minutes
        )
    };
    let mut error = ApiError::new(PREVIEW_CHANGED, detail);
    for (at, refusal) in now.refusals.iter().enumerate() {
        if let Some(Outcome::Refused { code, .. }) = refusal {
            error.push(FieldError { pointer: format!("/items/{at}"), code: (*code).to_owned() });
        }
    }
    error
}

/// What the items ask for.
///
/// # Errors
/// 422 for a wrong number of them, or what does not fit in one.
pub(super) fn wishes(items: Vec<DecisionRequest>) -> ApiResult<Vec<Wish>> {
    if items.is_empty() || items.len() > BATCH_ITEMS_MAX {
        let detail = format!("At /items: 1 to {BATCH_ITEMS_MAX} decisions at a time.");
        return Err(ApiError::field("/items", "count", detail));
    }
    items.into_iter().enumerate().map(|(at, item)| wish(at, item)).collect()
}

/// Whoever looked applies it.
fn purpose(access: &Access) -> String {
    format!("preview of {} in {}", access.party, access.neighbourhood)
}

fn effects_view(effects: Effects, decisions: usize) -> EffectsView {
    let minutes = effects.minutes();
    let transfers = effects.transfers.into_iter();
    let verdicts = effects.verdicts.into_iter();
    EffectsView {
        decisions,
        minutes,
        transfers: transfers
            .map(|(activity_id, account_id, asset, minutes, day)| TransferEffect {
                activity_id,
                account_id,
                asset,
                minutes,
                day,
            })
            .collect(),
        verdicts: verdicts
            .map(|(activity_id, (review, minutes))| VerdictEffect { activity_id, review, minutes })
            .collect(),
    }
}

/// The decisions that take a batch back, the last one first.
async fn undoing(app: &App, access: &Access, batch: Uuid) -> ApiResult<Vec<DecisionRequest>> {
    let rows = store::judgements::of_batch(app.db().read(), access.neighbourhood, batch).await?;
    if rows.is_empty() {
        return Err(NOT_FOUND.into());
    }
    let mut decisions = Vec::with_capacity(rows.len());
    for row in rows {
        decisions.push(taking_back(app, access, &row).await?);
    }
    Ok(decisions)
}

async fn taking_back(app: &App, access: &Access, row: &decision::Model) -> ApiResult<DecisionRequest> {
    let (db, neighbourhood, activity) = (app.db().read(), access.neighbourhood, ActivityId(row.activity_id));
    let judged = store::judgements::of_ids(db, neighbourhood, &[activity].into()).await?.pop();
    let judged = judged.ok_or(NOT_FOUND)?;
    let version = store::activities::version(db, neighbourhood, activity, judged.judged_version).await?;
    let version = version.ok_or_else(|| FlowError::internal("a judged version is missing"))?;
    let Tenant { salt, .. } = tenant(app, access).await?;
    let named = VersionName::of(&salt, activity, version.version, &version.reading_hash);
    let merged = row.step == "merge";
    Ok(DecisionRequest {
        id: DecisionId(app.uuid()),
        activity_id: activity,
        version: named.to_string(),
        // What was decided since the merge is not taken apart with it; an undo is refused by the decision it names.
        decision_seq: if merged { row.seq } else { judged.decision_seq },
        step: if merged { StepName::Unmerge } else { StepName::Undo },
        reason: None,
        corrections: None,
        reclassification: None,
        settles: Vec::new(),
        members: Vec::new(),
        decision_id: (!merged).then_some(DecisionId(row.id)),
    })
}
