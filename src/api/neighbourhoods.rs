//! Neighbourhoods: read one's own; operators create and list them.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::enrolments::NeighbourhoodView;
use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::{Operator, Resident, scope};
use super::params::{Asked, Paging, Params};
use super::types::{Page, check_name};
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
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
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_neighbourhood)
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
    row.map(|row| axum::Json(row.into())).ok_or_else(|| NOT_FOUND.into())
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
    let (row, new) = flows::neighbourhoods::create(&app, body.id, &body.name, zone).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(NeighbourhoodView::from(row))))
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
    let (headers, page) = asked.page(&app, "/v1/neighbourhoods", rows, place, NeighbourhoodView::from)?;
    Ok((headers, axum::Json(page)))
}
