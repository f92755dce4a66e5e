//! Decisions: what coordinators decide about versions.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::body::Json;
pub use super::decision_request::{
    DecisionRequest, DecisionsRequest, SeenActivity, SettlementRequest, StepName,
};
use super::error::{ApiResult, NOT_FOUND};
use super::extract::{Coordinator, scope};
use super::params::{Asked, Here, Id, IdParam, Params, count};
use super::preview::{self, wishes};
use super::types::{Instant, Page};
use crate::app::App;
use crate::domain::ids::{ActivityId, DecisionId, PartyId};
use crate::domain::review::Review;
use crate::flows::FlowError;
use crate::flows::decide::{self, Outcome, Present};
use crate::store;
use crate::store::entity::decision;

/// One outcome for each item, in its order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionsAnswer {
    /// In the order of the request.
    pub items: Vec<DecisionOutcome>,
    /// With a token: names all of them together, to take them back as one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
}

/// What became of one decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionOutcome {
    /// Of the request.
    pub id: DecisionId,
    /// As an HTTP status: 201 decided, 200 decided before, 404, 409, 422.
    #[schema(example = 201)]
    pub status: u16,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "version_changed")]
    pub code: Option<String>,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The stored decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionView>,
    /// How the activity stands, where the decision was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub present: Option<PresentView>,
}

/// How an activity stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PresentView {
    /// Which activity the refusal is about: of a merge it may be another one than the item names.
    pub activity_id: ActivityId,
    /// The newest version, as a decision on it names it.
    #[schema(example = "3-5bb5a4c5")]
    pub version: String,
    /// Names the activity's last decision.
    pub decision_seq: i64,
    pub review: Review,
}

/// A stored decision.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DecisionView {
    pub id: DecisionId,
    pub activity_id: ActivityId,
    /// The number of the version decided on.
    pub version: i64,
    /// The activity's `decision_seq` after it.
    pub decision_seq: i64,
    /// `approve`, `first_approval` (another person's is needed), `reject`, `keep`, `ask_for_changes`, `reclassify`,
    /// `settle`, `merge`, `unmerge`, `withdraw` or `undo`.
    #[schema(example = "approve")]
    pub step: String,
    /// The person; absent where a rule or the record's own withdrawal decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<PartyId>,
    /// The rule pack in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack_version: Option<i64>,
    /// In plain words: the resident reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The batch that it was previewed and applied with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
    /// Its number in the journal.
    pub journal_no: i64,
    pub decided_at: Instant,
}

impl From<decision::Model> for DecisionView {
    fn from(row: decision::Model) -> Self {
        Self {
            id: DecisionId(row.id),
            activity_id: ActivityId(row.activity_id),
            version: row.version,
            decision_seq: row.seq,
            step: row.step,
            decided_by: row.decided_by.map(PartyId),
            pack_version: row.pack_version,
            reason: row.reason,
            batch_id: row.batch_id,
            journal_no: row.journal_no,
            decided_at: Instant(row.decided_at_ms),
        }
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DecisionFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only decisions about this activity.
    pub activity_id: Option<ActivityId>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(decide, list_decisions).merge(super::openapi::guarded!(get_decision))
}

/// Decide about activities: approve, reject, keep, ask for changes, reclassify, settle, merge, unmerge, undo.
///
/// Each item names what the decider saw; if something happened since, it answers 409 with the present state
/// and nothing is written for it. Items do not depend on each other. With the `token` of a preview they are one: all
/// of them do exactly what was shown, or 409 says what changed.
#[utoipa::path(
    post, path = "/v1/decisions", tag = "reconcile", request_body = DecisionsRequest,
    responses((status = 200, description = "One outcome an item.", body = DecisionsAnswer))
)]
pub async fn decide(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Json(body): Json<DecisionsRequest>,
) -> ApiResult<axum::Json<DecisionsAnswer>> {
    let wishes = wishes(body.items)?;
    if let Some(token) = &body.token {
        return Ok(axum::Json(preview::apply(&app, &caller.access, &wishes, token).await?));
    }
    let mut items = Vec::new();
    for wish in wishes {
        let id = wish.id;
        items.push(outcome(id, decide::decide(&app, &caller.access, wish).await)?);
    }
    Ok(axum::Json(DecisionsAnswer { items, batch_id: None }))
}

impl DecisionOutcome {
    /// Nothing but a status.
    pub(super) fn plain(id: DecisionId, status: u16) -> Self {
        Self { id, status, code: None, detail: None, decision: None, present: None }
    }
}

/// What became of one item.
pub(super) fn outcome(id: DecisionId, decided: Result<Outcome, FlowError>) -> ApiResult<DecisionOutcome> {
    let plain = |status| DecisionOutcome::plain(id, status);
    Ok(match decided {
        Ok(Outcome::Decided(row)) => DecisionOutcome { decision: Some(row.into()), ..plain(201) },
        Ok(Outcome::Replayed(row)) => DecisionOutcome { decision: Some(row.into()), ..plain(200) },
        Ok(Outcome::Refused { code, detail, present }) => {
            let status = match code {
                "not_found" => 404,
                "insufficient_scope" => 403,
                "reason_required" | "field_invalid" => 422,
                _ => 409,
            };
            let present = present.map(|Present { activity, version, decision_seq, review }| PresentView {
                activity_id: activity,
                version: version.to_string(),
                decision_seq,
                review,
            });
            DecisionOutcome { code: Some(code.to_owned()), detail: Some(detail), present, ..plain(status) }
        }
        // This item alone could not be done now; the others are not held up by it.
        Err(FlowError::Busy) => DecisionOutcome {
            code: Some("busy".to_owned()),
            detail: Some("Too much at once: send this decision again.".to_owned()),
            ..plain(503)
        },
        Err(error) => return Err(error.into()),
    })
}

/// List decisions of people and rules, newest first.
#[utoipa::path(
    get, path = "/v1/decisions", tag = "reconcile", params(DecisionFilter),
    responses((status = 200, description = "A page of decisions.", body = Page<DecisionView>))
)]
pub async fn list_decisions(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Here(here): Here,
    Params(params): Params<DecisionFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<DecisionView>>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let asked: Asked<i64> = Asked::of(&app, Some(access), "decisions", after, params.limit).await?;
    let activity = params.activity_id;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let (before, rows) = (asked.after, asked.rows());
    let rows = store::judgements::decisions(db, neighbourhood, activity, before, rows).await?;
    let (headers, page) = asked.page(&app, &here, rows, |row| row.journal_no, DecisionView::from)?;
    Ok((headers, axum::Json(page)))
}

/// Read a decision.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", tag = "reconcile", params(IdParam),
    responses((status = 200, description = "The decision.", body = DecisionView))
)]
pub async fn get_decision(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Id(id): Id,
) -> ApiResult<axum::Json<DecisionView>> {
    let (db, neighbourhood) = (app.db().read(), caller.access.neighbourhood);
    let row = store::judgements::find_decision(db, neighbourhood, DecisionId(id)).await?;
    row.map(|row| axum::Json(row.into())).ok_or_else(|| NOT_FOUND.into())
}
