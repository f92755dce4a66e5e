//! Previews: what a batch of decisions would do, and a token to do exactly that.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::activity_reading::{Tenant, tenant};
use super::body::Json;
use super::decision_request::{DecisionRequest, Item, StepName, items};
use super::decisions::{DecisionOutcome, DecisionsAnswer, outcome};
use super::effects::EffectsView;
use super::error::{ApiError, ApiResult, FieldError, NOT_FOUND, PREVIEW_CHANGED};
use super::extract::{Coordinator, scope};
use super::params::{opened, sealed};
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, DecisionId, read_uuid_or_none};
use crate::domain::version_name::VersionName;
use crate::flows::FlowError;
use crate::flows::decide::{self, Applied, Outcome, Preview, Promise, Wish};
use crate::store;
use crate::store::entity::decision;

/// The decisions to look at: those of `items`, or those that take a batch back.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PreviewRequest {
    /// 1 to 100, carried out one after the other, as one. A second one about the same record is refused
    /// (`decided_twice`): both could not be taken back as one.
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
    /// an item is refused or does not fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
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
    let items = items(if body.undo_batch.is_some() { decisions.clone() } else { body.items })?;
    let fit: Vec<Wish> = items.iter().filter_map(|item| item.asks.clone().ok()).collect();
    let seen = decide::preview(&app, access, &fit).await?;
    let promise = seen.promise.as_ref().filter(|_| fit.len() == items.len());
    let token = promise.map(|promise| sealed(&app, &purpose(access), promise)).transpose()?;
    Ok(axum::Json(PreviewAnswer { decisions, token, ..shown(&items, seen)? }))
}

/// What a preview shows of items, those left out of it that do not fit.
fn shown(items: &[Item], seen: Preview) -> ApiResult<PreviewAnswer> {
    let decided = seen.refusals.iter().filter(|refusal| refusal.is_none()).count();
    let mut refusals = seen.refusals.into_iter();
    let outcomes = items.iter().enumerate().map(|(at, item)| match &item.asks {
        Err(misfits) => Ok(DecisionOutcome::unfit(at, item.id, misfits)),
        Ok(_) => match refusals.next().flatten() {
            Some(refusal) => outcome((at, item.id), Ok(refusal)),
            None => Ok(DecisionOutcome::plain(item.id, 200)),
        },
    });
    Ok(PreviewAnswer {
        items: outcomes.collect::<ApiResult<_>>()?,
        decisions: Vec::new(),
        effects: EffectsView::of(seen.effects, decided),
        token: None,
    })
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
            let done = outcomes.into_iter().zip(wishes).enumerate();
            let items = done.map(|(at, (done, wish))| outcome((at, wish.id), Ok(done)));
            Ok(DecisionsAnswer { items: items.collect::<ApiResult<_>>()?, batch_id: Some(batch) })
        }
        Applied::OtherItems => {
            let detail = "The token is of other items: send those that were looked at, in their order.";
            Err(ApiError::field("/items", "other_items", detail))
        }
        Applied::Changed(now) => Err(changed(&promise, now, wishes)?),
    }
}

/// What changed since the preview: which items, and what they would do now.
fn changed(promise: &Promise, now: Preview, wishes: &[Wish]) -> ApiResult<ApiError> {
    let broken = promise.broken(&now.shares);
    let mut errors = Vec::new();
    let (mut refused, mut otherwise) = (0, 0);
    for (at, refusal) in now.refusals.iter().enumerate() {
        let code = match refusal {
            Some(Outcome::Refused { code, .. }) => (*code).to_owned(),
            _ if broken.contains(&at) => "changed".to_owned(),
            _ => continue,
        };
        *(if refusal.is_some() { &mut refused } else { &mut otherwise }) += 1;
        errors.push(FieldError { pointer: format!("/items/{at}"), code });
    }
    let detail = format!(
        "Of {} decisions, {refused} would be refused by now and {otherwise} would do something else: errors names them. \
         In all they would post {} transfers of {} minutes and tell phones of {} records, where the preview said {} of \
         {} and {}: present has what they would do now.",
        wishes.len(),
        now.effects.transfers.len(),
        now.effects.minutes(),
        now.effects.verdicts.len(),
        promise.transfers,
        promise.minutes,
        promise.verdicts,
    );
    let items: Vec<Item> = wishes.iter().map(|wish| Item { id: wish.id, asks: Ok(wish.clone()) }).collect();
    let mut error = ApiError::new(PREVIEW_CHANGED, detail).present(&shown(&items, now)?);
    errors.into_iter().for_each(|changed| error.push(changed));
    Ok(error)
}

/// Whoever looked applies it.
fn purpose(access: &Access) -> String {
    format!("preview of {} in {}", access.party, access.neighbourhood)
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
