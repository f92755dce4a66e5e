//! `GET /v1/me`: who the caller is.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::daybooks::DaybookView;
use super::enrolments::NeighbourhoodView;
use super::error::ApiResult;
use super::extract::{Resident, scope};
use crate::app::App;
use crate::auth::scopes::Scopes;
use crate::domain::ids::{DeviceId, GrantId, PartyId};
use crate::flows::{self, FlowError};
use crate::store;

/// The caller.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Me {
    pub neighbourhood: NeighbourhoodView,
    pub party_id: PartyId,
    /// What the neighbours call them.
    #[schema(example = "Asha")]
    pub name: String,
    /// `coordinator`, or none.
    pub roles: Vec<String>,
    /// The hubs whose member the caller is today, by id: with `activities:write` they may record `on_behalf_of` others.
    /// Absent where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hubs: Vec<PartyId>,
    pub grant_id: GrantId,
    /// The device that asks; absent for a personal token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<DeviceId>,
    /// What this grant may do now: its own scopes where the caller's role allows them.
    #[schema(value_type = String)]
    pub scope: Scopes,
    /// The caller's own daybooks and those of its groups.
    pub daybooks: Vec<DaybookView>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_me)
}

/// Say who the caller is: party, roles, scopes, daybooks, neighbourhood.
#[utoipa::path(
    get, path = "/v1/me", tag = "people",
    responses((status = 200, description = "The caller.", body = Me))
)]
pub async fn get_me(State(app): State<App>, caller: Resident<scope::Any>) -> ApiResult<axum::Json<Me>> {
    let access = &caller.access;
    let db = app.db().read();
    let tenant = store::neighbourhoods::find(db, access.neighbourhood).await?.ok_or(FlowError::NotFound)?;
    let party =
        store::parties::find(db, access.neighbourhood, access.party).await?.ok_or(FlowError::NotFound)?;
    let owners = flows::daybooks::owners(db, access.neighbourhood, access.party).await?;
    let daybooks = store::daybooks::of_parties(db, access.neighbourhood, &owners).await?;
    let now_ms = app.now_in(access.neighbourhood);
    Ok(axum::Json(Me {
        neighbourhood: NeighbourhoodView::of(&app, tenant),
        party_id: access.party,
        name: party.name,
        roles: store::parties::roles(db, access.neighbourhood, access.party).await?,
        hubs: flows::hubs::of_member(db, access.neighbourhood, access.party, now_ms).await?,
        grant_id: access.grant,
        device_id: access.device,
        scope: access.scopes,
        daybooks: daybooks
            .into_iter()
            .filter(|row| row.gone_at_ms.is_none())
            .map(DaybookView::from)
            .collect(),
    }))
}
