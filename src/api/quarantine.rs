//! The quarantine, for whoever runs the server: refused changes with their reason, their bytes, and a second
//! chance for those whose refusal was our mistake.

use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::Operator;
use super::params::{Asked, Id, IdParam, Params, count};
use super::types::{Hash, Instant, Octets, Page};
use crate::app::App;
use crate::domain::ids::{ActivityId, DaybookId, GrantId, NeighbourhoodId, parse_id};
use crate::flows;
use crate::flows::accept::Became;
use crate::flows::quarantine::{Replayed, Superseded};
use crate::store;
use crate::store::changes::Of;
use crate::store::quarantine::{Filter, Kept};

/// A change in quarantine.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedView {
    pub daybook_id: DaybookId,
    /// The change's hash; of an unreadable chunk the SHA-256 of its bytes.
    pub hash: Hash,
    /// Why it was refused; `held_expired` where it was held until its notice had passed.
    #[schema(example = "seq_gap")]
    pub code: String,
    /// As the phone was told.
    pub detail: String,
    /// Its size in bytes.
    #[schema(example = 312)]
    pub size: i64,
    /// Its bytes are kept: it can be downloaded and replayed.
    pub has_bytes: bool,
    /// The grant that brought it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    /// When it came, or expired.
    pub at: Instant,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct QuarantineFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only of this daybook.
    pub daybook_id: Option<DaybookId>,
    /// Only with this code.
    #[param(example = "seq_gap", pattern = r"^[^\x00]*$")]
    pub code: Option<String>,
}

/// Names one change in quarantine.
#[derive(Debug, Clone, Copy)]
pub struct Quarantined {
    of: Of,
    hash: [u8; 32],
}

/// Documents [`Quarantined`].
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct QuarantinedParams {
    /// The neighbourhood.
    pub id: Uuid,
    /// The daybook that it was pushed to.
    pub daybook_id: Uuid,
    /// Its hash, as the list gives it.
    pub hash: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Quarantined {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let found: Result<Path<(String, String, String)>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let Ok(Path((neighbourhood, daybook, text))) = found else { return Err(NOT_FOUND.into()) };
        let ids = parse_id(&neighbourhood).zip(parse_id(&daybook));
        let mut hash = [0; 32];
        let read = hex::decode_to_slice(&text, &mut hash).is_ok() && hex::encode(hash) == text;
        let (neighbourhood, daybook) = ids.filter(|_| read).ok_or(NOT_FOUND)?;
        let of = Of { neighbourhood: NeighbourhoodId(neighbourhood), daybook: DaybookId(daybook) };
        Ok(Self { of, hash })
    }
}

/// What became of a replayed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplayedKind {
    /// In the daybook now.
    Accepted,
    /// It was there already.
    Duplicate,
    /// It waits now; see `code`.
    Held,
    /// Too much at once: replay it again.
    Deferred,
    /// Refused again; see `code`.
    Refused,
    /// The activities that it writes in have changed since: the phone has most likely sent its content again.
    Superseded,
    /// Only its hash and reason were kept.
    BytesGone,
}

/// What became of a replayed change.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReplayAnswer {
    pub outcome: ReplayedKind,
    /// Why it is held or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What to know, for developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// With `superseded`: the activities that have changed.
    pub activities: Vec<ActivityId>,
}

/// How a change is replayed.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ReplayParams {
    /// Also where it is superseded: tallies may then count twice.
    #[serde(default)]
    pub anyway: bool,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_quarantine)
        .merge(super::openapi::guarded!(download_quarantined))
        .merge(super::openapi::guarded!(replay_quarantined))
}

/// List the changes of a neighbourhood in quarantine, newest first.
#[utoipa::path(
    get, path = "/v1/neighbourhoods/{id}/quarantine", tag = "operation", params(IdParam, QuarantineFilter),
    responses((status = 200, description = "A page of changes in quarantine.", body = Page<QuarantinedView>))
)]
pub async fn list_quarantine(
    State(app): State<App>,
    _: Operator,
    Id(id): Id,
    Params(params): Params<QuarantineFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<QuarantinedView>>)> {
    let db = app.db().read();
    store::neighbourhoods::find(db, NeighbourhoodId(id)).await?.ok_or(NOT_FOUND)?;
    let (list, after) = (format!("quarantine of {id}"), params.after.as_deref());
    let asked = Asked::of(&app, None, list, after, params.limit).await?;
    if params.code.as_ref().is_some_and(|code| code.contains('\0')) {
        return Err(ApiError::query("code", "code is text without NUL."));
    }
    let filter =
        Filter { daybook: params.daybook_id.map(|id| id.0), code: params.code, after: asked.after.clone() };
    let rows = store::quarantine::page(db, NeighbourhoodId(id), &filter, asked.rows()).await?;
    let path = format!("/v1/neighbourhoods/{id}/quarantine");
    let place = |row: &Kept| (row.received_at_ms, row.daybook_id, row.hash.clone());
    let (headers, page) = asked.page(&app, &path, rows, place, view)?;
    Ok((headers, axum::Json(page.whole("a stored hash cannot be read")?)))
}

fn view(row: Kept) -> Option<QuarantinedView> {
    Some(QuarantinedView {
        daybook_id: DaybookId(row.daybook_id),
        hash: Hash(row.hash.try_into().ok()?),
        code: row.code,
        detail: row.detail,
        size: row.bytes_count,
        has_bytes: row.has_bytes,
        grant_id: row.grant_id.map(GrantId),
        at: Instant(row.received_at_ms),
    })
}

/// Download the bytes of a change in quarantine, as it was sent.
#[utoipa::path(
    get, path = "/v1/neighbourhoods/{id}/quarantine/{daybook_id}/{hash}", tag = "operation",
    params(QuarantinedParams),
    responses((status = 200, description = "The bytes.", body = Octets, content_type = "application/octet-stream"))
)]
pub async fn download_quarantined(
    State(app): State<App>,
    _: Operator,
    wanted: Quarantined,
) -> ApiResult<impl IntoResponse> {
    let row = store::quarantine::find(app.db().read(), wanted.of, &wanted.hash).await?.ok_or(NOT_FOUND)?;
    let bytes = row.bytes.ok_or_else(|| ApiError::new(NOT_FOUND, "Only its hash and reason were kept."))?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], bytes))
}

/// Replay a change in quarantine: it goes through the guard once more, as if it had never been refused.
///
/// With it go the changes of its daybook that were refused only because they build on a refused one. A phone
/// that was refused reloads and sends its work in other changes; such a change is `superseded` and left out.
#[utoipa::path(
    post, path = "/v1/neighbourhoods/{id}/quarantine/{daybook_id}/{hash}/replay", tag = "operation",
    params(QuarantinedParams, ReplayParams),
    responses((status = 200, description = "What became of it.", body = ReplayAnswer))
)]
pub async fn replay_quarantined(
    State(app): State<App>,
    _: Operator,
    wanted: Quarantined,
    Params(params): Params<ReplayParams>,
) -> ApiResult<axum::Json<ReplayAnswer>> {
    let superseded = if params.anyway { Superseded::TakeIn } else { Superseded::LeaveOut };
    let replayed = flows::quarantine::replay(&app, wanted.of, wanted.hash, superseded).await?;
    replayed.map(|replayed| axum::Json(replayed.into())).ok_or_else(|| NOT_FOUND.into())
}

impl From<Replayed> for ReplayAnswer {
    fn from(replayed: Replayed) -> Self {
        use ReplayedKind as K;
        let plain = |outcome| Self { outcome, code: None, detail: None, activities: Vec::new() };
        match replayed {
            Replayed::Became(Became::Accepted) => plain(K::Accepted),
            Replayed::Became(Became::Duplicate) => plain(K::Duplicate),
            Replayed::Became(Became::Held(code)) => Self { code: Some(code), ..plain(K::Held) },
            Replayed::Became(Became::Deferred(_)) => plain(K::Deferred),
            Replayed::Became(Became::Refused(code, detail)) => {
                Self { code: Some(code), detail: Some(detail), ..plain(K::Refused) }
            }
            Replayed::Superseded(activities) => Self { activities, ..plain(K::Superseded) },
            Replayed::BytesGone => plain(K::BytesGone),
        }
    }
}
