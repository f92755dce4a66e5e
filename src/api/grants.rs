//! Grants: what devices and scripts may do for the caller; personal tokens.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::conditions::{Tagged, answer, object, saw, tag};
use super::error::{ApiError, ApiResult};
use super::extract::{Resident, check_from_device, scope};
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Instant, Page, check_name};
use crate::app::App;
use crate::auth::scopes::Scopes;
use crate::domain::ids::{DeviceId, GrantId};
use crate::flows;
use crate::flows::grants::PERSONAL_LIFE_MS_MAX;
use crate::store;
use crate::store::entity::access_grant;

/// A personal token to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantRequest {
    /// Made by the client.
    pub id: GrantId,
    /// To tell it from others.
    #[schema(
        example = "My spreadsheet",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
    /// Within the scopes of the caller's own grant.
    #[schema(value_type = String, example = "activities:read ledger:read", pattern = "^(sync|activities:read|activities:write|places:exact|ledger:read|ledger:write|reconcile|manage|reports:read)( (sync|activities:read|activities:write|places:exact|ledger:read|ledger:write|reconcile|manage|reports:read))*$")]
    pub scope: Scopes,
    /// At most 366 days from now.
    pub expires_at: Instant,
}

/// What a device or a script may do for the caller.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct GrantView {
    pub id: GrantId,
    /// To tell it from others.
    pub name: String,
    /// What it may do; names with a space between.
    #[schema(value_type = String)]
    pub scope: Scopes,
    /// The device it belongs to; absent for a personal token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// The personal token, shown once: in the answer that creates it, and when the same request is sent again
    /// within ten minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        example = "dbp_AZOlsHwufUSaUV0vDJ4bdwGTpbB8Ln1EmlFdLwyeG3gCAwQFBgcICQoLDA0ODxARAgMEBQYHCAkKCwwNDg8QEQ"
    )]
    pub token: Option<String>,
    pub created_at: Instant,
    pub expires_at: Instant,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Instant>,
    /// Rises with every change of the grant.
    pub revision: i64,
    /// Names this revision: what `If-Match` takes.
    #[schema(example = "\"1\"")]
    pub etag: String,
}

/// What is to be less of a grant; what is left out stays.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantPatch {
    /// The scopes that it keeps, among those that it has.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "activities:read", nullable = false, pattern = "^(sync|activities:read|activities:write|places:exact|ledger:read|ledger:write|reconcile|manage|reports:read)( (sync|activities:read|activities:write|places:exact|ledger:read|ledger:write|reconcile|manage|reports:read))*$")]
    pub scope: Option<Scopes>,
    /// In the future, and not after the end that it has.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_at: Option<Instant>,
}

/// Neither field can be removed, so `null` does not fit.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

fn view(row: access_grant::Model, token: Option<String>) -> GrantView {
    GrantView {
        id: GrantId(row.id),
        name: row.name,
        scope: Scopes::known(&row.scopes),
        device_id: row.device_id.map(DeviceId),
        token,
        created_at: Instant(row.created_at_ms),
        expires_at: Instant(row.expires_at_ms),
        revoked_at: row.revoked_at_ms.map(Instant),
        revision: row.revision,
        etag: tag(row.revision),
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(create_grant, list_grants)
        .merge(super::openapi::guarded!(narrow_grant, revoke_grant))
}

/// Make a personal token for curl and scripts.
#[utoipa::path(
    post, path = "/v1/grants", tag = "access", request_body = GrantRequest,
    responses(
        (status = 201, description = "Made; the token is shown this once.", body = GrantView),
        (status = 200, description = "Made before by the same request.", body = GrantView),
    )
)]
pub async fn create_grant(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Json(body): Json<GrantRequest>,
) -> ApiResult<impl IntoResponse> {
    check(&app, &caller, &body)?;
    let made = flows::grants::create_personal(
        &app,
        &caller.access,
        body.id,
        &body.name,
        body.scope,
        body.expires_at.0,
    );
    let (row, token, new) = made.await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(view(row, token))))
}

fn check(app: &App, caller: &Resident<scope::Any>, body: &GrantRequest) -> ApiResult<()> {
    check_name("/name", &body.name)?;
    if body.scope.is_empty() || !body.scope.is_subset(caller.access.scopes) {
        let detail = format!(
            "At /scope: ask for one or more of the scopes of your own grant: {}.",
            caller.access.scopes
        );
        return Err(ApiError::field("/scope", "scope", detail));
    }
    let now_ms = app.now_ms();
    if body.expires_at.0 <= now_ms || body.expires_at.0 > now_ms + PERSONAL_LIFE_MS_MAX {
        let detail = "At /expires_at: an instant in the future, at most 366 days ahead.";
        return Err(ApiError::field("/expires_at", "out_of_range", detail));
    }
    Ok(())
}

/// List the caller's grants, newest first: devices and personal tokens.
#[utoipa::path(
    get, path = "/v1/grants", tag = "access", params(Paging),
    responses((status = 200, description = "A page of grants, without their tokens.", body = Page<GrantView>))
)]
pub async fn list_grants(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<GrantView>>)> {
    let (access, after) = (&caller.access, paging.after.as_deref());
    let asked = Asked::of(&app, Some(access), "grants", after, paging.limit).await?;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::access::grants(db, neighbourhood, access.party, asked.after, asked.rows()).await?;
    let place = |row: &access_grant::Model| (row.created_at_ms, row.id);
    let (headers, page) = asked.page(&app, "/v1/grants", rows, place, |row| view(row, None))?;
    Ok((headers, axum::Json(page)))
}

/// Narrow a grant: it keeps fewer scopes, or ends sooner.
///
/// Within five seconds no server does more for its token. A grant is never widened: make another one. From one of your
/// devices any grant of yours; a personal token narrows itself. What is as asked already answers 200, whatever
/// `If-Match` says.
#[utoipa::path(
    patch, path = "/v1/grants/{id}", tag = "access", request_body = GrantPatch,
    params(IdParam, ("If-Match" = String, Header, description = "The `etag` of the grant as it was seen.")),
    responses((status = 200, description = "The grant as it is now.", body = GrantView, headers(("ETag" = String, description = "Names this revision."))))
)]
pub async fn narrow_grant(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<GrantPatch>,
) -> ApiResult<Tagged<GrantView>> {
    let (access, id) = (&caller.access, GrantId(id));
    if access.grant != id {
        check_from_device(access)?;
    }
    if body.scope.is_some_and(Scopes::is_empty) {
        return Err(ApiError::field("/scope", "scope", "At /scope: keep one or more, or revoke the grant."));
    }
    let saw = |revision| saw(&headers, revision);
    let expires_at_ms = body.expires_at.map(|at| at.0);
    let narrowed = flows::grants::narrow(&app, access, id, body.scope, expires_at_ms, saw).await?;
    let (row, done) = object(narrowed)?;
    let etag = tag(row.revision);
    answer(view(row, None), etag, done)
}

/// Revoke a grant: within five seconds no server takes its token.
#[utoipa::path(
    delete, path = "/v1/grants/{id}", tag = "access", params(IdParam),
    responses((status = 204, description = "Revoked, now or before."))
)]
pub async fn revoke_grant(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Id(id): Id,
) -> ApiResult<StatusCode> {
    if caller.access.grant != GrantId(id) {
        check_from_device(&caller.access)?;
    }
    flows::grants::revoke(&app, &caller.access, GrantId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
