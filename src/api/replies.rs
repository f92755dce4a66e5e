//! What people say about a record.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::activities::visible;
use super::body::Json;
use super::error::{ApiError, ApiResult, NOT_NAMED, TOO_MANY_REPLIES};
use super::extract::{Resident, scope};
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Instant, Page};
use crate::app::App;
use crate::domain::ids::{ActivityId, PartyId, ReplyId};
use crate::domain::limits::REPLY_CHARACTERS_MAX;
use crate::domain::reply::ReplyKind;
use crate::flows::reply::{Reply, Said, reply};
use crate::store;
use crate::store::entity;

/// What to say.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplyRequest {
    /// Made by the client.
    pub id: ReplyId,
    /// `message` unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub kind: Option<ReplyKind>,
    /// 1 to 1,000 characters. A message needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 1000,
        pattern = r"^[^\x00]*[^\s\x00][^\x00]*$",
        example = "It was the two of us, from ten to half past eleven."
    )]
    pub text: Option<String>,
}

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReplyView {
    pub id: ReplyId,
    /// About which record.
    pub activity_id: ActivityId,
    /// Who said it.
    pub party_id: PartyId,
    pub kind: ReplyKind,
    /// In their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// By somebody who reconciles.
    pub at_desk: bool,
    pub at: Instant,
}

impl From<entity::reply::Model> for ReplyView {
    fn from(row: entity::reply::Model) -> Self {
        let kind = match row.kind.as_str() {
            "decline" => ReplyKind::Decline,
            "accept" => ReplyKind::Accept,
            _ => ReplyKind::Message,
        };
        Self {
            id: ReplyId(row.id),
            activity_id: ActivityId(row.activity_id),
            party_id: PartyId(row.party_id),
            kind,
            text: row.text,
            at_desk: row.at_desk,
            at: Instant(row.said_at_ms),
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_replies, reply_to_activity)
}

/// Say something about a record: your own, one that concerns you, or with `reconcile` any.
///
/// It decides nothing. A `message` of a resident waits for an answer or a decision, on a card; the answer reaches the
/// phones of all whom the record concerns with their next sync. Who is named in somebody else's record and was not part
/// of it sends `decline`: no rule approves it then, and what was posted stands until a person decides; `accept` takes
/// that back.
#[utoipa::path(
    post, path = "/v1/activities/{id}/replies", tag = "activities", params(IdParam), request_body = ReplyRequest,
    responses(
        (status = 201, description = "Said.", body = ReplyView),
        (status = 200, description = "Said before, by the same request.", body = ReplyView),
    )
)]
pub async fn reply_to_activity(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesWrite>,
    Id(id): Id,
    Json(body): Json<ReplyRequest>,
) -> ApiResult<impl IntoResponse> {
    let said = checked(ActivityId(id), body)?;
    let (status, row) = match reply(&app, &caller.access, said).await? {
        Said::Now(row) => (StatusCode::CREATED, row),
        Said::Replayed(row) => (StatusCode::OK, row),
        Said::NotNamed => return Err(NOT_NAMED.into()),
        Said::TooMany => return Err(TOO_MANY_REPLIES.into()),
    };
    Ok((status, axum::Json(ReplyView::from(row))))
}

fn checked(activity: ActivityId, body: ReplyRequest) -> ApiResult<Reply> {
    let kind = body.kind.unwrap_or(ReplyKind::Message);
    let characters = body.text.as_ref().map_or(0, |text| text.chars().count());
    let wrong = |code, detail: String| Err(ApiError::field("/text", code, format!("At /text: {detail}")));
    if characters > REPLY_CHARACTERS_MAX {
        return wrong("too_long", format!("at most {REPLY_CHARACTERS_MAX} characters."));
    }
    let blank = body.text.as_ref().is_none_or(|text| text.trim().is_empty());
    if blank && (kind == ReplyKind::Message || body.text.is_some()) {
        return wrong("required", "say something, in 1 to 1,000 characters.".to_owned());
    }
    if body.text.as_ref().is_some_and(|text| text.contains('\0')) {
        return wrong("text", "text without NUL.".to_owned());
    }
    Ok(Reply { id: body.id, activity, kind, text: body.text })
}

/// List what was said about a record, the last first.
#[utoipa::path(
    get, path = "/v1/activities/{id}/replies", tag = "activities", params(IdParam, Paging),
    responses((status = 200, description = "A page of replies.", body = Page<ReplyView>))
)]
pub async fn list_replies(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesRead>,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<ReplyView>>)> {
    let access = &caller.access;
    let (row, _) = visible(&app, access, id).await?;
    let (list, after) = (format!("replies about {id}"), paging.after.as_deref());
    let asked: Asked<i64> = Asked::of(&app, Some(access), list, after, paging.limit).await?;
    let (db, id) = (app.db().read(), ActivityId(row.id));
    let rows = store::replies::page(db, access.neighbourhood, id, asked.after, asked.rows()).await?;
    let path = format!("/v1/activities/{id}/replies");
    let (headers, page) = asked.page(&app, &path, rows, |row| row.journal_no, ReplyView::from)?;
    Ok((headers, axum::Json(page)))
}
