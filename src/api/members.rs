//! Who is in a group or organisation, and who has which role: coordinators say so.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{
    ApiError, ApiResult, INSUFFICIENT_SCOPE, LAST_COORDINATOR, NOT_A_GROUP, NOT_FOUND, NOT_RESIDENTS,
};
use super::extract::{Coordinator, scope};
use super::params::{IdOf, Ids};
use super::types::word;
use crate::app::{Access, App};
use crate::domain::ids::{NeighbourhoodId, PartyId};
use crate::domain::role::Role;
use crate::domain::time::parse_day;
use crate::flows;
use crate::flows::roles::Changed;
use crate::store::entity::membership;

/// A member's place in a group or organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    pub capacity: MemberCapacity,
    /// The first day; today if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, example = "2026-11-01")]
    pub from_day: Option<String>,
}

/// A member of a group or organisation.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MemberView {
    pub party_id: PartyId,
    /// `lay` or `professional`.
    #[schema(example = "lay")]
    pub capacity: String,
    /// The first day.
    #[schema(format = Date, example = "2026-11-01")]
    pub from_day: String,
}

impl From<membership::Model> for MemberView {
    fn from(row: membership::Model) -> Self {
        Self { party_id: PartyId(row.member_id), capacity: row.capacity, from_day: row.from_day }
    }
}

/// In which capacity somebody is a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberCapacity {
    Professional,
    Lay,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(put_member, delete_member).merge(super::openapi::guarded!(put_role, delete_role))
}

/// Put somebody into a group or organisation. An alias stands for its party.
///
/// From now on they may sync a group's daybooks, and what they pushed there while they had left it is taken up (`GET
/// /v1/held`, `left_group`). `from_day` is the first day of which hours may be given for it, and in
/// a hub the first on which they write down for others.
#[utoipa::path(
    put, path = "/v1/parties/{id}/members/{party_id}", tag = "people", request_body = MemberRequest,
    params(
        ("id" = uuid::Uuid, Path, description = "The group or organisation.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
        ("party_id" = uuid::Uuid, Path, description = "The member.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b78"),
    ),
    responses((status = 204, description = "A member now."))
)]
pub async fn put_member(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Ids(group, member): Ids,
    Json(body): Json<MemberRequest>,
) -> ApiResult<StatusCode> {
    let access = &caller.access;
    let from_day = match body.from_day {
        Some(day) if parse_day(&day).is_none() => {
            return Err(ApiError::field("/from_day", "day", "At /from_day: a day as 2026-11-21."));
        }
        Some(day) => day,
        None => today(&app, access.neighbourhood).await?,
    };
    let (group, member) = (PartyId(group), PartyId(member));
    flows::parties::put_member(&app, access, group, member, &word(&body.capacity), from_day).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End somebody's membership of a group or organisation: today is its last day.
///
/// What they did as a member stays counted so. They no longer see or write in the group's daybooks; what they still
/// push there within 30 days is held for a coordinator. Where the membership has ended already, or never was, the answer
/// is the same.
#[utoipa::path(
    delete, path = "/v1/parties/{id}/members/{party_id}", tag = "people",
    params(
        ("id" = uuid::Uuid, Path, description = "The group or organisation.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
        ("party_id" = uuid::Uuid, Path, description = "The member.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b78"),
    ),
    responses((status = 204, description = "No member from now on."))
)]
pub async fn delete_member(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Ids(group, member): Ids,
) -> ApiResult<StatusCode> {
    let until_day = today(&app, caller.access.neighbourhood).await?;
    flows::parties::end_membership(&app, &caller.access, PartyId(group), PartyId(member), until_day).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn today(app: &App, neighbourhood: NeighbourhoodId) -> ApiResult<String> {
    let (db, now_ms) = (app.db().read(), app.now_in(neighbourhood));
    Ok(flows::neighbourhoods::today(db, neighbourhood, now_ms).await?)
}

/// Make a resident a coordinator, or a group or an organisation a hub. An alias stands for its party.
///
/// A phone of a coordinator's may do what the role allows from its next access token on: refresh it at `/oauth/token`.
/// Members of a hub write down for people without a phone from now on (`on_behalf_of` of `POST /v1/activities`), with no
/// other scope than `activities:write`.
#[utoipa::path(
    put, path = "/v1/parties/{id}/roles/{role}", tag = "people",
    params(
        ("id" = uuid::Uuid, Path, description = "The resident; of a hub the group or organisation.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
        ("role" = inline(Role), Path, description = "The role.", example = "coordinator"),
    ),
    responses((status = 204, description = "Has the role now."))
)]
pub async fn put_role(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    IdOf(id, role): IdOf,
) -> ApiResult<StatusCode> {
    change(&app, &caller.access, (id, &role), true).await
}

/// Take a role from a party, from oneself too: but not from the last who coordinates.
///
/// What members of a hub wrote down stays as it is; they write down for nobody else from now on.
#[utoipa::path(
    delete, path = "/v1/parties/{id}/roles/{role}", tag = "people",
    params(
        ("id" = uuid::Uuid, Path, description = "The resident; of a hub the group or organisation.", example = "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
        ("role" = inline(Role), Path, description = "The role.", example = "coordinator"),
    ),
    responses((status = 204, description = "Has the role no more."))
)]
pub async fn delete_role(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    IdOf(id, role): IdOf,
) -> ApiResult<StatusCode> {
    change(&app, &caller.access, (id, &role), false).await
}

async fn change(
    app: &App,
    access: &Access,
    (id, role): (uuid::Uuid, &str),
    given: bool,
) -> ApiResult<StatusCode> {
    let Some(role) = Role::parse(role) else {
        let names = Role::ALL.map(Role::as_str).join(" or ");
        return Err(ApiError::new(NOT_FOUND, format!("There is no role of this name: a role is {names}.")));
    };
    match flows::roles::put(app, access, PartyId(id), role, given).await? {
        Changed::Done => Ok(StatusCode::NO_CONTENT),
        Changed::NotCoordinator => Err(INSUFFICIENT_SCOPE.into()),
        Changed::Unfit if role == Role::Hub => Err(NOT_A_GROUP.into()),
        Changed::Unfit => Err(NOT_RESIDENTS.into()),
        Changed::Last => Err(LAST_COORDINATOR.into()),
    }
}
