//! Parties: who contributes. Coordinators name, confirm and group them.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::body::Json;
use super::conditions::{Tagged, answer, object, saw, tag};
use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::{Coordinator, scope};
use super::members::MemberView;
use super::params::{Asked, Id, IdParam, Paging, Params};
use super::types::{Instant, Page, check_name, word};
use crate::app::{Access, App};
use crate::domain::ids::PartyId;
use crate::domain::limits::SUPERVISORS_MAX;
use crate::domain::role::Role;
use crate::flows;
use crate::flows::parties::{Age, PartyChange, PartyFacts};
use crate::store;
use crate::store::entity::party;

/// What a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartyKind {
    Resident,
    Group,
    Organisation,
}

/// The sector of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sector {
    Resident,
    Community,
    PublicBody,
    Business,
}

/// A party to add.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyRequest {
    /// Made by the client.
    pub id: PartyId,
    pub kind: PartyKind,
    pub sector: Sector,
    /// As people call it.
    #[schema(
        example = "Friends of the Park",
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: String,
    /// Of a resident; an adult unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub age_band: Option<AgeBand>,
    /// Adults, at most 10, who may look after somebody under age: a record that names a minor and none of them waits
    /// for a coordinator.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(max_items = 10)]
    pub supervisors: BTreeSet<PartyId>,
}

/// How old somebody is, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgeBand {
    Adult,
    #[serde(rename = "under_18")]
    Under18,
}

/// What can be changed of a party.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PartyPatch {
    /// As people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    pub name: Option<String>,
    /// True confirms somebody whom a phone met offline; records that wait for it are judged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<bool>,
    /// Together with `supervisors`, which it replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(inline)]
    pub age_band: Option<AgeBand>,
    /// With `age_band`: adults, at most 10, who may look after somebody under age.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schema(max_items = 10)]
    pub supervisors: BTreeSet<PartyId>,
}

/// Checks who looks after whom. The pointers are the same in all requests.
fn age(band: Option<AgeBand>, supervisors: BTreeSet<PartyId>) -> ApiResult<Option<Age>> {
    if supervisors.len() > SUPERVISORS_MAX {
        let detail = format!("At /supervisors: at most {SUPERVISORS_MAX}.");
        return Err(ApiError::field("/supervisors", "too_many", detail));
    }
    if band != Some(AgeBand::Under18) && !supervisors.is_empty() {
        let detail = "At /supervisors: only of somebody whose age_band is under_18.";
        return Err(ApiError::field("/supervisors", "age_band", detail));
    }
    Ok(band.map(|band| Age { band: (band == AgeBand::Under18).then(|| word(&band)), supervisors }))
}

/// Anyone who contributes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartyView {
    pub id: PartyId,
    /// `resident`, `group` or `organisation`.
    #[schema(example = "resident")]
    pub kind: String,
    /// `resident`, `community`, `public_body` or `business`.
    #[schema(example = "resident")]
    pub sector: String,
    /// As people call it.
    pub name: String,
    /// Enrolled, or confirmed by a coordinator.
    pub known: bool,
    /// The party that it was made an alias of: both are one person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<PartyId>,
    /// `coordinator` of a resident, `hub` of a group or an organisation. More will come.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["coordinator"]))]
    pub roles: Vec<String>,
    /// Who is in the group or organisation now, by id; not in lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<MemberView>,
    /// `under_18`; absent for adults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "under_18")]
    pub age_band: Option<String>,
    /// Who may look after them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub supervisors: BTreeSet<PartyId>,
    pub created_at: Instant,
    /// Rises with every change of the party, of what it is an alias of, of its roles, and of who is in it.
    pub revision: i64,
    /// Names this revision: what `If-Match` takes.
    #[schema(example = "\"1\"")]
    pub etag: String,
}

impl From<party::Model> for PartyView {
    fn from(row: party::Model) -> Self {
        Self {
            id: PartyId(row.id),
            kind: row.kind,
            sector: row.sector,
            name: row.name,
            known: row.known,
            alias_of: None,
            roles: Vec::new(),
            members: Vec::new(),
            age_band: row.age_band,
            supervisors: row.supervisors.and_then(|ids| serde_json::from_str(&ids).ok()).unwrap_or_default(),
            created_at: Instant(row.created_at_ms),
            revision: row.revision,
            etag: tag(row.revision),
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_parties, create_party)
        .merge(super::openapi::guarded!(get_party, update_party))
}

/// List parties, by id.
#[utoipa::path(
    get, path = "/v1/parties", tag = "people", params(Paging),
    responses((status = 200, description = "A page of parties.", body = Page<PartyView>))
)]
pub async fn list_parties(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<PartyView>>)> {
    let (access, after) = (&caller.access, paging.after.as_deref());
    let asked: Asked<Uuid> = Asked::of(&app, Some(access), "parties", after, paging.limit).await?;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::parties::page(db, neighbourhood, asked.after, asked.rows()).await?;
    let (headers, mut page) = asked.page(&app, "/v1/parties", rows, |row| row.id, PartyView::from)?;
    standing_for(&app, access, &mut page.items).await?;
    Ok((headers, axum::Json(page)))
}

/// Add a party: somebody without a phone, a group, an organisation.
#[utoipa::path(
    post, path = "/v1/parties", tag = "people", request_body = PartyRequest,
    responses(
        (status = 201, description = "Added.", body = PartyView),
        (status = 200, description = "Added before by the same request.", body = PartyView),
    )
)]
pub async fn create_party(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<PartyRequest>,
) -> ApiResult<impl IntoResponse> {
    check_name("/name", &body.name)?;
    let age = age(body.age_band, body.supervisors)?.unwrap_or_default();
    if body.kind != PartyKind::Resident && age.band.is_some() {
        return Err(ApiError::field("/age_band", "kind", "At /age_band: only a resident has an age."));
    }
    let facts = PartyFacts { kind: word(&body.kind), sector: word(&body.sector), name: body.name, age };
    let (row, new) = flows::parties::create(&app, &caller.access, body.id, facts).await?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(seen(&app, &caller.access, row).await?)))
}

/// Read a party.
///
/// `ETag` changes with every change of the party.
#[utoipa::path(
    get, path = "/v1/parties/{id}", tag = "people",
    params(IdParam, ("If-None-Match" = Option<String>, Header, description = "An ETag: answers 304 where nothing changed.")),
    responses(
        (status = 200, description = "The party.", body = PartyView, headers(("ETag" = String, description = "Names this revision."))),
        (status = 304, description = "Nothing changed."),
    )
)]
pub async fn get_party(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Id(id): Id,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let row = store::parties::find(app.db().read(), caller.access.neighbourhood, PartyId(id)).await?;
    let row = row.ok_or(NOT_FOUND)?;
    let tag = tag(row.revision);
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    Ok(([(ETAG, tag)], axum::Json(seen(&app, &caller.access, row).await?)).into_response())
}

/// A party as it is shown.
async fn seen(app: &App, access: &Access, row: party::Model) -> ApiResult<PartyView> {
    let mut views = [PartyView::from(row)];
    standing_for(app, access, &mut views).await?;
    let [mut view] = views;
    let members = store::parties::members(app.db().read(), access.neighbourhood, view.id).await?;
    view.members = members.into_iter().map(MemberView::from).collect();
    Ok(view)
}

/// Says which parties are aliases, and of whom, who coordinates, and which are hubs.
async fn standing_for(app: &App, access: &Access, views: &mut [PartyView]) -> ApiResult<()> {
    let ids: BTreeSet<PartyId> = views.iter().map(|view| view.id).collect();
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let found = store::parties::resolve(db, neighbourhood, &ids).await?;
    let coordinators = store::parties::coordinators(db, neighbourhood).await?;
    let hubs = store::hubs::all(db, neighbourhood).await?;
    for view in views {
        let party = found.get(&view.id).map(|(party, _)| *party);
        view.alias_of = party.filter(|party| *party != view.id);
        let roles = [(Role::Coordinator, &coordinators), (Role::Hub, &hubs)];
        let has = roles.into_iter().filter(|(_, parties)| parties.contains(&view.id));
        view.roles.extend(has.map(|(role, _)| role.as_str().to_owned()));
    }
    Ok(())
}

/// Name a party anew, confirm somebody whom a phone met offline, or say who is under age.
///
/// What is as asked already answers 200, whatever `If-Match` says.
#[utoipa::path(
    patch, path = "/v1/parties/{id}", tag = "people", request_body = PartyPatch,
    params(IdParam, ("If-Match" = String, Header, description = "The `etag` of the party as it was seen.")),
    responses((status = 200, description = "The party as it is now.", body = PartyView, headers(("ETag" = String, description = "Names this revision."))))
)]
pub async fn update_party(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Id(id): Id,
    headers: HeaderMap,
    Json(body): Json<PartyPatch>,
) -> ApiResult<Tagged<PartyView>> {
    if let Some(name) = &body.name {
        check_name("/name", name)?;
    }
    let age = age(body.age_band, body.supervisors)?;
    let change = PartyChange { name: body.name, known: body.known, age };
    let saw = |revision| saw(&headers, revision);
    let updated = flows::parties::update(&app, &caller.access, PartyId(id), change, saw).await?;
    let (row, done) = object(updated)?;
    let etag = tag(row.revision);
    answer(seen(&app, &caller.access, row).await?, etag, done)
}
