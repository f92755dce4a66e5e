//! Invitations by link.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, INSUFFICIENT_SCOPE};
use super::extract::{Resident, scope};
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Instant, Page};
use crate::app::App;
use crate::auth::scopes::Scope;
use crate::domain::ids::{InvitationId, PartyId};
use crate::flows;
use crate::flows::invite::Invited;
use crate::store;
use crate::store::entity::invitation;

/// What an invitation is for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InvitationRequest {
    /// Made by the client; the same request again gets the same answer.
    pub id: InvitationId,
    /// Whoever joins with it becomes a coordinator.
    #[serde(default)]
    pub coordinator: bool,
    /// A further device of this party, instead of somebody new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<PartyId>,
}

/// An invitation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct InvitationView {
    pub id: InvitationId,
    /// The token, for the one who made it, in the answer that creates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The link that carries the token in its fragment, which browsers do not send to servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whoever joins with it becomes a coordinator.
    pub coordinator: bool,
    /// The party whose further device it enrols.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<PartyId>,
    pub created_at: Instant,
    pub expires_at: Instant,
    /// When a device enrolled with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Instant>,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Instant>,
}

fn view(row: invitation::Model, shown: Option<(String, String)>) -> InvitationView {
    let (token, link) = shown.unzip();
    InvitationView {
        id: InvitationId(row.id),
        token,
        link,
        coordinator: row.role.is_some(),
        party_id: row.party_id.map(PartyId),
        created_at: Instant(row.created_at_ms),
        expires_at: Instant(row.expires_at_ms),
        used_at: row.redeemed_at_ms.map(Instant),
        revoked_at: row.revoked_at_ms.map(Instant),
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(create_invitation, list_invitations)
        .merge(super::openapi::guarded!(revoke_invitation))
}

/// Invite somebody, or a further device of your own.
///
/// Coordinators with `manage` invite anybody; everybody invites their own further devices,
/// from a device.
#[utoipa::path(
    post, path = "/v1/invitations", tag = "people", request_body = InvitationRequest,
    responses(
        (status = 201, description = "Made.", body = InvitationView),
        (status = 200, description = "Made before by the same request.", body = InvitationView),
    )
)]
pub async fn create_invitation(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Json(body): Json<InvitationRequest>,
) -> ApiResult<impl IntoResponse> {
    let access = &caller.access;
    // A device may do whatever its owner may, so a script with a narrow token cannot invite one.
    let named = match body.party_id {
        Some(named) => {
            Some(store::aliases::stands_for(app.db().read(), access.neighbourhood, named, None).await?)
        }
        None => None,
    };
    let own_device = named == Some(access.party) && !body.coordinator && access.device.is_some();
    if !own_device && !access.scopes.has(Scope::Manage) {
        let detail =
            "This needs the scope manage; without it, invite your own devices from one of your devices.";
        return Err(ApiError::new(INSUFFICIENT_SCOPE, detail));
    }
    let invited = Invited { id: body.id, coordinator: body.coordinator, party: named };
    let (row, minted, new) =
        flows::invite::create(&app, access.neighbourhood, Some(access.party), invited).await?;
    let link = format!("{}/join#{}", app.public_url(), minted.text);
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(view(row, Some((minted.text, link))))))
}

/// List invitations, newest first: coordinators all, others their own.
#[utoipa::path(
    get, path = "/v1/invitations", tag = "people", params(Paging),
    responses((status = 200, description = "A page of invitations, without their tokens.", body = Page<InvitationView>))
)]
pub async fn list_invitations(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<InvitationView>>)> {
    let (access, after) = (&caller.access, paging.after.as_deref());
    let asked = Asked::of(&app, Some(access), "invitations", after, paging.limit).await?;
    let made_by = (!access.scopes.has(Scope::Manage)).then_some(access.party);
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::access::invitations(db, neighbourhood, made_by, asked.after, asked.rows()).await?;
    let place = |row: &invitation::Model| (row.created_at_ms, row.id);
    let show = |row| view(row, None);
    let (headers, page) = asked.page(&app, "/v1/invitations", rows, place, show)?;
    Ok((headers, axum::Json(page)))
}

/// Take an invitation back.
#[utoipa::path(
    delete, path = "/v1/invitations/{id}", tag = "people", params(IdParam),
    responses((status = 204, description = "It is not valid any more."))
)]
pub async fn revoke_invitation(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    Id(id): Id,
) -> ApiResult<StatusCode> {
    flows::invite::revoke(&app, &caller.access, InvitationId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
