//! Devices: list, name, revoke.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::conditions::{Tagged, answer, object, saw, tag};
use super::error::ApiResult;
use super::extract::{Resident, check_from_device, scope};
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Instant, Page, check_name};
use crate::app::App;
use crate::auth::scopes::Scope;
use crate::domain::ids::{DeviceId, PartyId};
use crate::flows;
use crate::store;
use crate::store::entity::device;

/// A phone or browser with its own key.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    pub id: DeviceId,
    pub party_id: PartyId,
    /// As its owner calls it.
    pub name: String,
    /// This request comes from it.
    pub current: bool,
    pub created_at: Instant,
    /// When it was revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Instant>,
    /// Rises with every change of the device.
    pub revision: i64,
    /// Names this revision: what `If-Match` takes.
    #[schema(example = "\"1\"")]
    pub etag: String,
}

/// What can be changed of a device.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevicePatch {
    /// As its owner calls it.
    #[schema(
        example = "Old phone",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
}

fn view(row: device::Model, current: Option<DeviceId>) -> DeviceView {
    DeviceView {
        id: DeviceId(row.id),
        party_id: PartyId(row.party_id),
        name: row.name,
        current: current == Some(DeviceId(row.id)),
        created_at: Instant(row.created_at_ms),
        revoked_at: row.revoked_at_ms.map(Instant),
        revision: row.revision,
        etag: tag(row.revision),
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_devices).merge(super::openapi::guarded!(update_device, revoke_device))
}

/// List devices, newest first: your own; with `manage` everybody's.
#[utoipa::path(
    get, path = "/v1/devices", tag = "people", params(Paging),
    responses((status = 200, description = "A page of devices.", body = Page<DeviceView>))
)]
pub async fn list_devices(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<DeviceView>>)> {
    let (access, after) = (&caller.access, paging.after.as_deref());
    let asked = Asked::of(&app, Some(access), "devices", after, paging.limit).await?;
    let party = (!access.scopes.has(Scope::Manage)).then_some(access.party);
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::access::devices(db, neighbourhood, party, asked.after, asked.rows()).await?;
    let place = |row: &device::Model| (row.created_at_ms, row.id);
    let show = |row| view(row, access.device);
    let (headers, page) = asked.page(&app, "/v1/devices", rows, place, show)?;
    Ok((headers, axum::Json(page)))
}

/// Name a device anew.
///
/// What is called so already answers 200, whatever `If-Match` says.
#[utoipa::path(
    patch, path = "/v1/devices/{id}", tag = "people", request_body = DevicePatch,
    params(IdParam, ("If-Match" = String, Header, description = "The `etag` of the device as it was seen.")),
    responses((status = 200, description = "The device as it is now.", body = DeviceView, headers(("ETag" = String, description = "Names this revision."))))
)]
pub async fn update_device(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<DevicePatch>,
) -> ApiResult<Tagged<DeviceView>> {
    check_from_device(&caller.access)?;
    check_name("/name", &body.name)?;
    let saw = |revision| saw(&headers, revision);
    let renamed = flows::enrol::rename(&app, &caller.access, DeviceId(id), &body.name, saw).await?;
    let (row, done) = object(renamed)?;
    let etag = tag(row.revision);
    answer(view(row, caller.access.device), etag, done)
}

/// Revoke a device: within five seconds no server takes its tokens. Its unsynced work is not touched.
#[utoipa::path(
    delete, path = "/v1/devices/{id}", tag = "people", params(IdParam),
    responses((status = 204, description = "Revoked, now or before."))
)]
pub async fn revoke_device(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Id(id): Id,
) -> ApiResult<StatusCode> {
    check_from_device(&caller.access)?;
    flows::enrol::revoke(&app, &caller.access, DeviceId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
