//! `POST /v1/enrolments`: a phone with an invitation and a key becomes a device with a grant.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiResult, INVITATION_INVALID};
use super::extract::{Public, prove};
use super::types::{Instant, check_name};
use crate::app::App;
use crate::auth::access::ACCESS_TOKEN_SECONDS;
use crate::auth::scopes::Scopes;
use crate::auth::secrets::parse_invitation;
use crate::domain::ids::{DaybookId, DeviceId, GrantId, NeighbourhoodId, PartyId};
use crate::flows::{self, FlowError};
use crate::store;

/// What a phone enrols with. All ids are its own, made at its first start.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// The token of the invitation, or the link that it is in.
    #[schema(example = "dbi_AZOlsHwufUSaUV0vDJ4bdwGTpbB8Ln1EmlFdLwyeG3gCAwQFBgcICQoLDA0ODxAR")]
    pub invitation: String,
    pub device: NewDevice,
    pub party: NewParty,
    /// The daybook that the phone writes to.
    pub daybook_id: DaybookId,
}

/// The phone.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    pub id: DeviceId,
    /// What its owner calls it.
    #[schema(
        example = "Asha's phone",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
}

/// The person.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewParty {
    pub id: PartyId,
    /// What the neighbours call them.
    #[schema(
        example = "Asha",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
}

/// What the phone gets.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EnrolmentAnswer {
    pub neighbourhood: NeighbourhoodView,
    /// The party that the phone belongs to. Where the invitation named one, the phone's own id is its alias.
    pub party_id: PartyId,
    pub device_id: DeviceId,
    pub grant_id: GrantId,
    /// For the `Authorization` header, after the word `DPoP`.
    pub access_token: String,
    /// Always `DPoP`.
    #[schema(example = "DPoP")]
    pub token_type: String,
    /// Seconds that the access token is good for.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// Bound to the key; not rotated.
    pub refresh_token: String,
    /// What it may do; names with a space between.
    #[schema(value_type = String)]
    pub scope: Scopes,
}

/// The neighbourhood that a token names.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NeighbourhoodView {
    pub id: NeighbourhoodId,
    /// As people call it.
    #[schema(example = "Balsall Heath")]
    pub name: String,
    /// IANA name.
    #[schema(example = "Europe/London")]
    pub time_zone: String,
    /// Only of a sandbox, whose clock can be moved: what time it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox_now: Option<Instant>,
}

impl NeighbourhoodView {
    /// As it is at this moment.
    #[must_use]
    pub fn of(app: &App, row: store::entity::neighbourhood::Model) -> Self {
        let id = NeighbourhoodId(row.neighbourhood_id);
        let sandbox_now = row.clock_ahead_ms.map(|_| Instant(app.now_in(id)));
        Self { id, name: row.name, time_zone: row.time_zone, sandbox_now }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(enrol_device)
}

/// Enrol a phone with an invitation.
///
/// The request carries a DPoP proof: its key becomes the device's. The same key and invitation get the same
/// answer for 24 hours, with fresh tokens.
#[utoipa::path(
    post, path = "/v1/enrolments", tag = "people",
    request_body = EnrolmentRequest,
    params(("DPoP" = String, Header, description = "Proof of the phone's key (RFC 9449), with a nonce of this server.")),
    responses(
        (status = 201, description = "Enrolled.", body = EnrolmentAnswer),
        (status = 200, description = "Enrolled before, with the same key.", body = EnrolmentAnswer),
    )
)]
pub async fn enrol_device(
    State(app): State<App>,
    _: Public,
    request: Request,
) -> ApiResult<impl IntoResponse> {
    let (parts, body) = request.into_parts();
    let proof = prove(&parts, &app, None)?;
    let request = Request::from_parts(parts, body);
    let Json(body) =
        <Json<EnrolmentRequest> as axum::extract::FromRequest<_>>::from_request(request, &app).await?;
    check_name("/device/name", &body.device.name)?;
    check_name("/party/name", &body.party.name)?;
    let enrolment = flows::enrol::Enrolment {
        invitation: parse_invitation(token_of(&body.invitation)).map_err(|_| INVITATION_INVALID)?,
        device: body.device.id,
        device_name: body.device.name,
        party: body.party.id,
        party_name: body.party.name,
        daybook: body.daybook_id,
        thumbprint: proof.thumbprint,
    };
    let neighbourhood = enrolment.invitation.neighbourhood;
    let enrolled = flows::enrol::enrol(&app, enrolment).await?;
    let status = if enrolled.replayed { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, axum::Json(answer(&app, neighbourhood, enrolled).await?)))
}

/// Of the link that an invitation is passed on as, its token.
fn token_of(invitation: &str) -> &str {
    invitation.rsplit_once('#').map_or(invitation, |(_, token)| token)
}

async fn answer(
    app: &App,
    neighbourhood: NeighbourhoodId,
    enrolled: flows::enrol::Enrolled,
) -> ApiResult<EnrolmentAnswer> {
    let tenant =
        store::neighbourhoods::find(app.db().read(), neighbourhood).await?.ok_or(FlowError::NotFound)?;
    let access =
        flows::access::access_of(app, neighbourhood, enrolled.grant).await?.ok_or(FlowError::TokenInvalid)?;
    Ok(EnrolmentAnswer {
        neighbourhood: NeighbourhoodView::of(app, tenant),
        party_id: enrolled.party,
        device_id: enrolled.device,
        grant_id: enrolled.grant,
        access_token: flows::grants::access_token(app, &access)?,
        token_type: "DPoP".to_owned(),
        expires_in: ACCESS_TOKEN_SECONDS,
        refresh_token: enrolled.refresh_token,
        scope: access.scopes,
    })
}
