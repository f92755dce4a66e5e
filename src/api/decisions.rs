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
use super::decision_request::{all_fit, items};
use super::effects::TransferEffect;
use super::error::{ApiResult, FieldError, NOT_FOUND};
use super::extract::{Coordinator, scope};
use super::misfits;
use super::params::{Asked, Here, Id, IdParam, Params, count};
use super::preview;
use super::types::{Instant, Page};
use crate::app::{Access, App};
use crate::domain::draft::Misfit;
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
    /// As an HTTP status: 201 decided, 200 decided before, 403, 404, 409, 422, 503.
    #[schema(example = 201)]
    pub status: u16,
    /// Why not: `field_invalid` for what does not fit in the item, `not_found` for an id that names nothing here,
    /// `version_changed`, `reason_required`, `own_credit` and others, of which the guide to reconciling has a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "version_changed")]
    pub code: Option<String>,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields of the item that do not fit. Absent where all fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
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
    /// That decision: what was decided meanwhile, and why. Absent while nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<PresentDecision>,
}

/// The last decision about an activity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PresentDecision {
    pub id: DecisionId,
    /// As a decision says it.
    #[schema(example = "reject")]
    pub step: String,
    /// The person; absent where a rule or the record's own withdrawal decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<PartyId>,
    /// In plain words: the resident reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub decided_at: Instant,
}

impl From<Present> for PresentView {
    fn from(present: Present) -> Self {
        let decided = present.decided.map(|row| PresentDecision {
            id: DecisionId(row.id),
            step: row.step,
            decided_by: row.decided_by.map(PartyId),
            reason: row.reason,
            decided_at: Instant(row.decided_at_ms),
        });
        Self {
            activity_id: present.activity,
            version: present.version.to_string(),
            decision_seq: present.decision_seq,
            review: present.review,
            decided,
        }
    }
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
    /// What it moved, in the order in which it was posted, for every record whose minutes it changed: an occasion's
    /// remainder too. Empty where it moved nothing. A merge or its undoing stores a decision about each of its records;
    /// the one that was sent, about the record that the others count as, has what all of them moved, the others each
    /// have their own part of it.
    pub moved: Vec<TransferEffect>,
}

/// All but what it moved: see `say_what_moved`.
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
            moved: Vec::new(),
        }
    }
}

/// Says of stored decisions what they moved: one statement for all.
pub(super) async fn say_what_moved(
    app: &App,
    access: &Access,
    views: Vec<&mut DecisionView>,
) -> ApiResult<()> {
    let asked: Vec<(DecisionId, i64)> = views.iter().map(|view| (view.id, view.journal_no)).collect();
    let moved = decide::moved(app.db().read(), access.neighbourhood, &asked).await?;
    for view in views {
        let lines = moved.get(&view.id).cloned().unwrap_or_default();
        view.moved = lines.into_iter().map(TransferEffect::from).collect();
    }
    Ok(())
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
/// and nothing is written for it. Items do not depend on each other: one that does not fit answers 422 for itself, with
/// `errors`; only one of another shape (an unknown field or step, an id that is none) refuses the request as a whole.
/// With the `token` of a preview they are one: all of them do exactly what was shown, or 409
/// `preview_changed` names the items that would do something else by now in `errors`, and has in `present` what the
/// preview would answer now.
#[utoipa::path(
    post, path = "/v1/decisions", tag = "reconcile", request_body = DecisionsRequest,
    responses((status = 200, description = "One outcome an item.", body = DecisionsAnswer))
)]
pub async fn decide(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Json(body): Json<DecisionsRequest>,
) -> ApiResult<axum::Json<DecisionsAnswer>> {
    let (access, items) = (&caller.access, items(body.items)?);
    let mut answer = match &body.token {
        Some(token) => preview::apply(&app, access, &all_fit(items)?, token).await?,
        None => {
            let mut outcomes = Vec::with_capacity(items.len());
            for (at, item) in items.into_iter().enumerate() {
                outcomes.push(match item.asks {
                    Ok(wish) => outcome((at, item.id), decide::decide(&app, access, wish).await)?,
                    Err(misfits) => DecisionOutcome::unfit(at, item.id, &misfits),
                });
            }
            DecisionsAnswer { items: outcomes, batch_id: None }
        }
    };
    let stored = answer.items.iter_mut().filter_map(|item| item.decision.as_mut());
    say_what_moved(&app, access, stored.collect()).await?;
    Ok(axum::Json(answer))
}

impl DecisionOutcome {
    /// Nothing but a status.
    pub(super) fn plain(id: DecisionId, status: u16) -> Self {
        Self { id, status, code: None, detail: None, errors: Vec::new(), decision: None, present: None }
    }

    /// Of the item at a place, in which something does not fit.
    pub(super) fn unfit(at: usize, id: DecisionId, misfits: &[Misfit]) -> Self {
        let (detail, errors) = misfits::told(&format!("/items/{at}"), misfits).unzip();
        let errors = errors.unwrap_or_default();
        Self { code: Some("field_invalid".to_owned()), detail, errors, ..Self::plain(id, 422) }
    }
}

/// What became of the item at a place.
pub(super) fn outcome(
    (at, id): (usize, DecisionId),
    decided: Result<Outcome, FlowError>,
) -> ApiResult<DecisionOutcome> {
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
            let present = present.map(PresentView::from);
            // Corrections alone are looked at beside the record that they correct.
            let unfit =
                || FieldError { pointer: format!("/items/{at}/corrections"), code: "invalid".to_owned() };
            let errors = (code == "field_invalid").then(unfit).into_iter().collect();
            let (code, detail) = (Some(code.to_owned()), Some(detail));
            DecisionOutcome { code, detail, errors, present, ..plain(status) }
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

/// List decisions of people and rules, newest first: who decided what, when, why, and what it moved.
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
    let (headers, mut page) = asked.page(&app, &here, rows, |row| row.journal_no, DecisionView::from)?;
    say_what_moved(&app, access, page.items.iter_mut().collect()).await?;
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
    let (db, access) = (app.db().read(), &caller.access);
    let row = store::judgements::find_decision(db, access.neighbourhood, DecisionId(id)).await?;
    let mut view = DecisionView::from(row.ok_or(NOT_FOUND)?);
    say_what_moved(&app, access, vec![&mut view]).await?;
    Ok(axum::Json(view))
}
