//! Recording activities as JSON, for apps without Automerge.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::activities::{seen, seen_if_visible};
use super::activity_draft::{ActivityDraft, draft, register};
use super::activity_view::ActivityView;
use super::body::Json;
use super::error::{ApiError, ApiResult, FieldError};
use super::extract::{Resident, scope};
use super::misfits;
use crate::app::{Access, App};
use crate::domain::draft::Misfit;
use crate::domain::ids::ActivityId;
use crate::domain::limits::BATCH_ITEMS_MAX;
use crate::flows::FlowError;
use crate::flows::hubs::may_record_for_others;
use crate::flows::record::{Recorded, Where, record};

/// Seconds after which what was busy may be tried again.
const BUSY_RETRY_S: u64 = 1;
/// To whoever may not write down for somebody else.
const NOT_FOR_OTHERS: &str = "on_behalf_of needs the scope reconcile, which coordinators have, or that you are a \
     member of a hub now: name the person in parties.";

/// Activities to record, each in a transaction of its own.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordRequest {
    /// 1 to 100.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<ActivityDraft>,
}

/// One outcome for each item, in its order.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordAnswer {
    /// In the order of the request.
    pub items: Vec<RecordOutcome>,
}

/// What became of one activity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RecordOutcome {
    /// Of the request.
    pub id: ActivityId,
    /// As an HTTP status: 201 recorded, 200 recorded before, 403, 404, 409, 410, 422, 429, 503.
    #[schema(example = 201)]
    pub status: u16,
    /// Why not: `id_reused`, `not_found` (the daybook, or whom it is for), `insufficient_scope`, `gone`, `field_invalid`, `refused`, `rate_limited`,
    /// `busy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The fields that do not fit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// With 429 and 503: so many seconds later there is room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 30)]
    pub retry_after_s: Option<u64>,
    /// The activity as it is now. Of one that was recorded before on behalf of somebody, only what the caller may read
    /// (`GET /v1/activities/{id}`): nothing where it is not theirs to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<ActivityView>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(record_activities)
}

/// Record activities: for apps without an Automerge library.
///
/// Each becomes a change of a daybook, as if a phone had written it: phones see it at their next sync, and it is judged
/// as any other. Items do not depend on each other; an item sent again changes nothing.
///
/// With `on_behalf_of` a coordinator (`reconcile`), or a member of a *hub* with no more than `activities:write`, writes
/// down for somebody without a phone: it goes into that one's daybook, and `recorded_by` says who wrote it. A hub is a
/// group or an organisation with that role (`PUT /v1/parties/{id}/roles/hub`); with the role or the membership the right
/// ends, at once.
#[utoipa::path(
    post, path = "/v1/activities", tag = "activities", request_body = RecordRequest,
    responses((status = 200, description = "One outcome an item.", body = RecordAnswer, headers(("RateLimit" = String, description = "What the grant may still push, in bytes: `r` are left, `t` seconds until all are."), ("RateLimit-Policy" = String, description = "Out of how many."))))
)]
pub async fn record_activities(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesWrite>,
    Json(body): Json<RecordRequest>,
) -> Response {
    let answered = all(&app, &caller.access, body).await.map(IntoResponse::into_response);
    super::rate::told(&app, caller.access.grant, answered)
}

async fn all(app: &App, access: &Access, body: RecordRequest) -> ApiResult<axum::Json<RecordAnswer>> {
    if body.items.is_empty() || body.items.len() > BATCH_ITEMS_MAX {
        let detail = format!("At /items: 1 to {BATCH_ITEMS_MAX} activities at a time.");
        return Err(ApiError::field("/items", "count", detail));
    }
    let mut items = Vec::with_capacity(body.items.len());
    for (at, item) in body.items.into_iter().enumerate() {
        items.push(one(app, access, at, item).await?);
    }
    Ok(axum::Json(RecordAnswer { items }))
}

async fn one(app: &App, access: &Access, at: usize, item: ActivityDraft) -> ApiResult<RecordOutcome> {
    let id = item.id;
    if item.on_behalf_of.is_some() && !may_record_for_others(app, access).await? {
        return Ok(refused(id, 403, "insufficient_scope", NOT_FOR_OTHERS));
    }
    let mut draft = draft(&item, &register(access.grant));
    draft.misfits.extend(not_for_another(access, &item));
    if let Some((detail, errors)) = misfits::told(&format!("/items/{at}"), &draft.misfits) {
        return Ok(RecordOutcome { errors, ..refused(id, 422, "field_invalid", &detail) });
    }
    let place = Where { daybook: item.daybook_id, on_behalf_of: item.on_behalf_of };
    Ok(match record(app, access, id, place, &draft).await {
        Ok(Recorded::Now(row)) => recorded(id, 201, Some(seen(app, access, &row).await?.1)),
        Ok(Recorded::Again(row)) if place.on_behalf_of.is_some() => {
            recorded(id, 200, seen_if_visible(app, access, &row).await?)
        }
        Ok(Recorded::Again(row)) => recorded(id, 200, Some(seen(app, access, &row).await?.1)),
        Ok(Recorded::IdReused) => {
            refused(id, 409, "id_reused", "Send exactly what was sent first, or make a new id.")
        }
        Ok(Recorded::NoDaybook) => refused(id, 404, "not_found", no_daybook(place)),
        Ok(Recorded::NotForOthers) => refused(id, 403, "insufficient_scope", NOT_FOR_OTHERS),
        Ok(Recorded::NoParty) => refused(
            id,
            404,
            "not_found",
            "on_behalf_of names no resident whom the neighbourhood knows: put them there first (POST /v1/parties).",
        ),
        Ok(Recorded::Gone) => refused(id, 410, "gone", "The daybook was erased."),
        Ok(Recorded::Refused(code, detail)) => refused(id, 409, "refused", &format!("{code}: {detail}")),
        // This item alone could not be recorded now; the others are not held up by it.
        Err(FlowError::Busy) => {
            later(refused(id, 503, "busy", "Too much at once: send this activity again."), BUSY_RETRY_S)
        }
        Err(FlowError::RateLimited { retry_after_s }) => {
            let detail = "Too much in a while: send this activity again after retry_after_s seconds.";
            later(refused(id, 429, "rate_limited", detail), retry_after_s)
        }
        Err(error) => return Err(error.into()),
    })
}

/// What nobody says for somebody else: their word for another's record, and the minutes of whoever writes.
fn not_for_another(access: &Access, item: &ActivityDraft) -> Vec<Misfit> {
    if item.on_behalf_of.is_none() {
        return Vec::new();
    }
    let misfit = |pointer: String, says: &str| Misfit { pointer, code: "not_here", says: says.to_owned() };
    let confirms = item.confirms.map(|_| {
        misfit(
            "/confirms".to_owned(),
            "whoever confirms writes it in their own daybook, not on behalf of somebody",
        )
    });
    let own = item.parties.iter().enumerate().filter(|(_, line)| access.names.contains(&line.party_id));
    let own = own.map(|(at, _)| {
        misfit(format!("/parties/{at}"), "your own minutes belong into a record in your own daybook")
    });
    confirms.into_iter().chain(own).collect()
}

fn no_daybook(place: Where) -> &'static str {
    match place.on_behalf_of {
        None => "There is no such daybook of yours.",
        Some(_) => "Whom on_behalf_of names has no such daybook: leave daybook_id out.",
    }
}

fn later(outcome: RecordOutcome, retry_after_s: u64) -> RecordOutcome {
    RecordOutcome { retry_after_s: Some(retry_after_s), ..outcome }
}

fn refused(id: ActivityId, status: u16, code: &str, detail: &str) -> RecordOutcome {
    let (code, detail) = (Some(code.to_owned()), Some(detail.to_owned()));
    RecordOutcome { id, status, code, detail, errors: Vec::new(), retry_after_s: None, activity: None }
}

fn recorded(id: ActivityId, status: u16, activity: Option<ActivityView>) -> RecordOutcome {
    RecordOutcome { id, status, code: None, detail: None, errors: Vec::new(), retry_after_s: None, activity }
}
