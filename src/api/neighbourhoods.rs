//! Neighbourhoods: read one's own; operators create and list them.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::enrolments::NeighbourhoodView;
use super::error::{ApiError, ApiResult, NOT_A_SANDBOX, NOT_FOUND};
use super::extract::{Coordinator, Operator, Resident, scope};
use super::params::{Asked, Paging, Params};
use super::types::{Instant, Page, check_name};
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::domain::limits::SANDBOX_AHEAD_MS_MAX;
use crate::flows;
use crate::store;
use crate::store::entity::neighbourhood;

/// A neighbourhood to create.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NeighbourhoodRequest {
    /// Made by the client.
    pub id: NeighbourhoodId,
    /// As people call it.
    #[schema(
        example = "Balsall Heath",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
    /// IANA name.
    #[schema(example = "Europe/London")]
    pub time_zone: String,
    /// For trying things: its clock can be moved, by `PUT /v1/neighbourhood/clock`. It stays so.
    #[serde(default)]
    pub sandbox: bool,
}

/// Where a clock is to be moved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockRequest {
    /// What time it is to be, at most ten years ahead of the machine.
    pub now: Instant,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_neighbourhood)
        .merge(super::openapi::guarded!(put_clock))
        .merge(super::openapi::guarded!(create_neighbourhood, list_neighbourhoods))
}

/// Read the neighbourhood that the token names.
#[utoipa::path(
    get, path = "/v1/neighbourhood", tag = "people",
    responses((status = 200, description = "The neighbourhood.", body = NeighbourhoodView))
)]
pub async fn get_neighbourhood(
    State(app): State<App>,
    caller: Resident<scope::Any>,
) -> ApiResult<axum::Json<NeighbourhoodView>> {
    let row = store::neighbourhoods::find(app.db().read(), caller.access.neighbourhood).await?;
    row.map(|row| axum::Json(NeighbourhoodView::of(&app, row))).ok_or_else(|| NOT_FOUND.into())
}

/// Move the clock of a sandbox ahead, to see what comes with time: silence that approves, notices, ends.
///
/// All that the neighbourhood's records go by moves with it; tokens, invitations and limits on requests go by the
/// machine's clock. It never goes back: where it is later there already, nothing happens. What is due by then is judged
/// behind the answer, within a second or two. Other replicas know within a second.
#[utoipa::path(
    put, path = "/v1/neighbourhood/clock", tag = "people", request_body = ClockRequest,
    responses((status = 200, description = "The neighbourhood, with its clock at `now` or later.", body = NeighbourhoodView))
)]
pub async fn put_clock(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<ClockRequest>,
) -> ApiResult<axum::Json<NeighbourhoodView>> {
    let neighbourhood = caller.access.neighbourhood;
    if body.now.0.saturating_sub(app.now_ms()) > SANDBOX_AHEAD_MS_MAX {
        let detail = "At /now: at most ten years ahead of the machine's clock.";
        return Err(ApiError::field("/now", "out_of_range", detail));
    }
    let moved = flows::sandbox::move_clock(&app, neighbourhood, body.now.0).await?;
    moved.ok_or(NOT_A_SANDBOX)?;
    let row = store::neighbourhoods::find(app.db().read(), neighbourhood).await?.ok_or(NOT_FOUND)?;
    Ok(axum::Json(NeighbourhoodView::of(&app, row)))
}

/// Create a neighbourhood. Its first coordinator joins with `daybook invite --coordinator`.
#[utoipa::path(
    post, path = "/v1/neighbourhoods", tag = "operation", request_body = NeighbourhoodRequest,
    responses(
        (status = 201, description = "Created, with its first rules.", body = NeighbourhoodView),
        (status = 200, description = "Created before by the same request.", body = NeighbourhoodView),
    )
)]
pub async fn create_neighbourhood(
    State(app): State<App>,
    _: Operator,
    Json(body): Json<NeighbourhoodRequest>,
) -> ApiResult<impl IntoResponse> {
    check_name("/name", &body.name)?;
    let zone: chrono_tz::Tz = body.time_zone.parse().map_err(|_| {
        ApiError::field("/time_zone", "time_zone", "At /time_zone: an IANA name, like Europe/London.")
    })?;
    let (row, new) = if body.sandbox {
        flows::neighbourhoods::create_sandbox(&app, body.id, &body.name, zone).await?
    } else {
        flows::neighbourhoods::create(&app, body.id, &body.name, zone).await?
    };
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(NeighbourhoodView::of(&app, row))))
}

/// List all neighbourhoods of this server, by name.
#[utoipa::path(
    get, path = "/v1/neighbourhoods", tag = "operation", params(Paging),
    responses((status = 200, description = "A page of neighbourhoods.", body = Page<NeighbourhoodView>))
)]
pub async fn list_neighbourhoods(
    State(app): State<App>,
    _: Operator,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<NeighbourhoodView>>)> {
    let asked = Asked::of(&app, None, "neighbourhoods", paging.after.as_deref(), paging.limit).await?;
    let rows = store::neighbourhoods::page(app.db().read(), asked.after.clone(), asked.rows()).await?;
    let place = |row: &neighbourhood::Model| (row.name.clone(), row.neighbourhood_id);
    let view = |row| NeighbourhoodView::of(&app, row);
    let (headers, page) = asked.page(&app, "/v1/neighbourhoods", rows, place, view)?;
    Ok((headers, axum::Json(page)))
}
