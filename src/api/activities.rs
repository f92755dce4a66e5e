//! Activities as read from the daybooks, with what is judged of them.

use axum::extract::State;
use axum::http::header::{ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::activity_reading::{blurred, etag, name_recorders, tenant, view, with_origins};
use super::activity_view::ActivityView;
use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Asked, Here, Id, IdParam, Paging, Params, count, link_next, sealed};
use super::types::{Instant, Page, word};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, DaybookId, GrantId, PartyId};
use crate::domain::reading::Reading;
use crate::domain::review::{Conflict, Review};
use crate::domain::time::parse_day;
use crate::domain::version_name::VersionName;
use crate::flows;
use crate::flows::reply::{Speaker, speaker};
use crate::store;
use crate::store::activity_pages::{Filter, Place, Within};
use crate::store::entity::{activity, activity_version, judgement};

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ActivityFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// The party whose daybook it is; an alias stands for its party.
    pub party_id: Option<PartyId>,
    /// The daybook that it was recorded in.
    pub daybook_id: Option<DaybookId>,
    /// Only this kind.
    #[param(inline)]
    pub kind: Option<Kind>,
    /// Only of this programme.
    #[param(pattern = r"^[^\x00]*$")]
    pub programme: Option<String>,
    /// First day.
    #[param(format = Date, example = "2026-11-01")]
    pub day_from: Option<String>,
    /// Last day.
    #[param(format = Date, example = "2026-11-30")]
    pub day_until: Option<String>,
    /// Only in this state of review.
    #[param(inline)]
    pub review: Option<Review>,
    /// Only with this kind of conflict.
    #[param(inline)]
    pub conflict: Option<Conflict>,
    /// Only where it was within this box: west, south, east, north in degrees. Places count as rounded to about 100 m.
    #[param(
        example = "-1.9,52.44,-1.88,52.46",
        pattern = r"^-?[0-9]{1,3}(\.[0-9]+)?(,-?[0-9]{1,3}(\.[0-9]+)?){3}$"
    )]
    pub within: Option<String>,
    /// Only what was written or judged at this time or later.
    pub changed_since: Option<Instant>,
    /// `true`: others' records that concern you, instead of your own: they name you, give you minutes, or count for a
    /// record that does.
    pub names_me: Option<bool>,
}

/// A version of an activity: a reading, as numbered when the server received it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VersionView {
    /// `<number>-<8 hex>`: names exactly this reading, and says nothing about it.
    #[schema(example = "2-0f1e2d3c")]
    pub version: String,
    /// Keys of the document whose reading differs from the version before.
    pub changed: Vec<String>,
    /// The reading: by the document's key, `one`, `several` or `unreadable`.
    #[schema(value_type = HashMap<String, serde_json::Value>)]
    pub reading: serde_json::Value,
    pub conflict: Conflict,
    /// The grant that brought it; absent where the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    /// When it happened, as claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred: Option<Instant>,
    /// The phone's clock at the last change.
    pub recorded_at: Instant,
    /// When the server received it.
    pub received_at: Instant,
    /// How far the phone's clock was ahead of the server's when it synced this, in milliseconds; behind is negative.
    /// Absent below a minute, and where nobody measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 180_000)]
    pub skew_ms: Option<i64>,
    /// Its number in the journal; absent while it waits to be judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_no: Option<i64>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_activities)
        .merge(super::openapi::guarded!(get_activity))
        .merge(super::openapi::guarded!(list_versions))
}

/// List activities, newest received first: those in daybooks of yours and of your groups; with `reconcile` the
/// neighbourhood's.
///
/// With `names_me` those of others that concern you. A page of a narrowed list looks at 1,000 records at most: it
/// may have fewer items than asked for, or none, and a `next`.
#[utoipa::path(
    get, path = "/v1/activities", tag = "activities", params(ActivityFilter),
    responses((status = 200, description = "A page of activities.", body = Page<ActivityView>))
)]
pub async fn list_activities(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesRead>,
    Here(here): Here,
    Params(params): Params<ActivityFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<ActivityView>>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let asked = Asked::of(&app, Some(access), "activities", after, params.limit).await?;
    let most = asked.most;
    let filter = filter(&app, access, params, asked.after).await?;
    let db = app.db().read();
    let found = store::activity_pages::page(db, access.neighbourhood, &filter, asked.rows()).await?;
    let named = filter.naming.is_some();
    let (tenant, exact) = (tenant(&app, access).await?, access.scopes.has(Scope::PlacesExact) && !named);
    let place = |(row, _): &(activity::Model, Option<judgement::Model>)| (row.received_at_ms, row.id);
    let grants: Vec<Option<Uuid>> = found.rows.iter().map(|(row, _)| row.grant_id).collect();
    let show = |(row, judged): (activity::Model, Option<judgement::Model>)| {
        view(&row, judged.as_ref(), &tenant, exact)
    };
    let (mut headers, page) = asked.page(&app, &here, found.rows, place, show)?;
    let mut page = page.whole("a stored reading cannot be read")?;
    name_recorders(&app, access, grants.into_iter().zip(&mut page.items)).await?;
    if let Some(place) = found.looked_until {
        let further = sealed(&app, "activities", &place)?;
        link_next(&mut headers, &here, &further, most);
        page.next = Some(further);
    }
    Ok((headers, axum::Json(page)))
}

async fn filter(
    app: &App,
    access: &Access,
    params: ActivityFilter,
    after: Option<Place>,
) -> ApiResult<Filter> {
    for (name, day) in [("day_from", &params.day_from), ("day_until", &params.day_until)] {
        if day.as_ref().is_some_and(|day| parse_day(day).is_none()) {
            return Err(ApiError::query(name, format!("{name} is a day as 2026-11-21.")));
        }
    }
    if params.programme.as_ref().is_some_and(|programme| programme.contains('\0')) {
        return Err(ApiError::query("programme", "programme is text without NUL."));
    }
    // What is not the caller's own is not there.
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let asked = match params.party_id {
        Some(asked) => Some(store::aliases::stands_for(db, neighbourhood, asked, None).await?),
        None => None,
    };
    let named = params.names_me == Some(true);
    // A daybook's records are found by whose it is; one that there is not is nobody's.
    let owner = match params.daybook_id {
        Some(id) => {
            let row = store::daybooks::find(db, neighbourhood, id).await?;
            Some(row.map_or(PartyId(Uuid::nil()), |row| PartyId(row.party_id)))
        }
        None => None,
    };
    let all = access.scopes.has(Scope::Reconcile) || named;
    let parties = match asked.or(owner) {
        Some(party) if all || access.owners.contains(&party) => vec![party],
        Some(_) if asked.is_some() => return Err(NOT_FOUND.into()),
        Some(_) => vec![access.party],
        None if all => Vec::new(),
        None => access.owners.clone(),
    };
    Ok(Filter {
        parties,
        daybook: params.daybook_id.map(|id| id.0),
        kind: params.kind.map(|kind| word(&kind)),
        programme: params.programme,
        day_from: params.day_from,
        day_until: params.day_until,
        review: params.review.map(|review| word(&review)),
        conflict: params.conflict.map(|conflict| word(&conflict)),
        within: params.within.as_deref().map(within).transpose()?,
        changed_since_ms: params.changed_since.map(|at| at.0),
        naming: named.then(|| access.names.clone()),
        after,
    })
}

/// West, south, east, north in degrees, on the grid of about 100 m.
fn within(text: &str) -> ApiResult<Within> {
    let wrong = || {
        ApiError::query("within", "within is west, south, east and north in degrees: -1.9,52.44,-1.88,52.46.")
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b',')) {
        return Err(wrong());
    }
    let degrees: Vec<f64> =
        text.split(',').map(|one| one.parse().map_err(|_| wrong())).collect::<Result<_, _>>()?;
    let [west, south, east, north] = degrees[..] else { return Err(wrong()) };
    let fit = [west, east].iter().all(|lon| lon.abs() <= 180.0)
        && [south, north].iter().all(|lat| lat.abs() <= 90.0);
    if !fit || south > north {
        return Err(wrong());
    }
    #[expect(clippy::cast_possible_truncation, reason = "degrees are at most 180")]
    let grid = |degrees: f64| (degrees * 1_000.0).round() as i32;
    Ok(Within { west: grid(west), south: grid(south), east: grid(east), north: grid(north) })
}

/// An activity that the caller may see, and who they are to it: of its own daybooks and its groups', one that concerns
/// them, or any with `reconcile`.
pub(super) async fn visible(app: &App, access: &Access, id: Uuid) -> ApiResult<(activity::Model, Speaker)> {
    let (db, id) = (app.db().read(), ActivityId(id));
    let row = store::activities::find(db, access.neighbourhood, id).await?.ok_or(NOT_FOUND)?;
    let speaker = speaker(db, access, id, PartyId(row.party_id)).await?;
    Ok((row, speaker.ok_or(NOT_FOUND)?))
}

/// Who is named in a record sees where it was as the public does, and not which devices wrote it.
fn is_bystander(access: &Access, speaker: Speaker) -> bool {
    speaker == Speaker::Named && !access.scopes.has(Scope::Reconcile)
}

/// An activity of the caller's own as they see it, and its entity tag.
pub(super) async fn seen(
    app: &App,
    access: &Access,
    row: &activity::Model,
) -> ApiResult<(HeaderValue, ActivityView)> {
    let (judged, exact) = (judged(app, access, row).await?, access.scopes.has(Scope::PlacesExact));
    let tag = tag_of(row, judged.as_ref(), exact)?;
    Ok((tag, shown(app, access, row, judged.as_ref(), exact, true).await?))
}

/// An activity of whomever as the caller may see it ([`get_activity`]); nothing where it is not theirs to see.
pub(super) async fn seen_if_visible(
    app: &App,
    access: &Access,
    row: &activity::Model,
) -> ApiResult<Option<ActivityView>> {
    let (db, id) = (app.db().read(), ActivityId(row.id));
    let Some(speaker) = speaker(db, access, id, PartyId(row.party_id)).await? else { return Ok(None) };
    let bystander = is_bystander(access, speaker);
    let exact = access.scopes.has(Scope::PlacesExact) && !bystander;
    let judged = judged(app, access, row).await?;
    Ok(Some(shown(app, access, row, judged.as_ref(), exact, !bystander).await?))
}

async fn judged(app: &App, access: &Access, row: &activity::Model) -> ApiResult<Option<judgement::Model>> {
    let ids = [ActivityId(row.id)].into();
    let found = store::judgements::of_ids(app.db().read(), access.neighbourhood, &ids).await?;
    Ok(found.into_iter().next())
}

fn tag_of(row: &activity::Model, judged: Option<&judgement::Model>, exact: bool) -> ApiResult<HeaderValue> {
    let tag = etag(row, judged, exact);
    Ok(HeaderValue::from_str(&tag).map_err(flows::FlowError::internal)?)
}

async fn shown(
    app: &App,
    access: &Access,
    row: &activity::Model,
    judged: Option<&judgement::Model>,
    exact: bool,
    origins: bool,
) -> ApiResult<ActivityView> {
    let seen = view(row, judged, &tenant(app, access).await?, exact);
    let mut seen = seen.ok_or_else(|| flows::FlowError::internal("a stored reading cannot be read"))?;
    name_recorders(app, access, [(row.grant_id, &mut seen)].into_iter()).await?;
    if origins {
        with_origins(app, row, &mut seen).await?;
    }
    Ok(seen)
}

/// Read an activity.
///
/// `ETag` changes with every change of the activity, decisions included. In `conflicts` each surviving value
/// comes with the device that brought it and its times, but for whoever is only named in it.
#[utoipa::path(
    get, path = "/v1/activities/{id}", tag = "activities",
    params(IdParam, ("If-None-Match" = Option<String>, Header, description = "An ETag: answers 304 where nothing changed.")),
    responses(
        (status = 200, description = "The activity.", body = ActivityView, headers(("ETag" = String, description = "Names this revision."))),
        (status = 304, description = "Nothing changed."),
    )
)]
pub async fn get_activity(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesRead>,
    Id(id): Id,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let access = &caller.access;
    let (row, speaker) = visible(&app, access, id).await?;
    let bystander = is_bystander(access, speaker);
    let exact = access.scopes.has(Scope::PlacesExact) && !bystander;
    let judged = judged(&app, access, &row).await?;
    let tag = tag_of(&row, judged.as_ref(), exact)?;
    if headers.get(IF_NONE_MATCH) == Some(&tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response());
    }
    let seen = shown(&app, access, &row, judged.as_ref(), exact, !bystander).await?;
    Ok(([(ETAG, tag)], axum::Json(seen)).into_response())
}

/// List the versions of an activity, newest first.
#[utoipa::path(
    get, path = "/v1/activities/{id}/versions", tag = "activities", params(IdParam, Paging),
    responses((status = 200, description = "A page of versions.", body = Page<VersionView>))
)]
pub async fn list_versions(
    State(app): State<App>,
    caller: Resident<scope::ActivitiesRead>,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<VersionView>>)> {
    let access = &caller.access;
    let (row, speaker) = visible(&app, access, id).await?;
    if is_bystander(access, speaker) {
        return Err(NOT_FOUND.into());
    }
    let (list, after) = (format!("versions of {id}"), paging.after.as_deref());
    let asked: Asked<i64> = Asked::of(&app, Some(access), list, after, paging.limit).await?;
    let (db, id) = (app.db().read(), ActivityId(row.id));
    let (neighbourhood, before) = (access.neighbourhood, asked.after);
    let rows = store::activities::versions(db, neighbourhood, id, before, asked.rows()).await?;
    let (tenant, exact) = (tenant(&app, access).await?, access.scopes.has(Scope::PlacesExact));
    let path = format!("/v1/activities/{id}/versions");
    let shown = |row| version_view(row, &tenant.salt, exact);
    let (headers, page) = asked.page(&app, &path, rows, |row| row.version, shown)?;
    Ok((headers, axum::Json(page.good()?)))
}

fn version_view(
    row: activity_version::Model,
    salt: &[u8],
    exact: bool,
) -> Result<VersionView, flows::FlowError> {
    let reading: Reading = serde_json::from_str(&row.reading)?;
    let shown = if exact { reading.clone() } else { blurred(&reading) };
    Ok(VersionView {
        version: VersionName::of(salt, ActivityId(row.activity_id), row.version, &row.reading_hash)
            .to_string(),
        changed: serde_json::from_str(&row.changed)?,
        reading: serde_json::to_value(&shown)?,
        conflict: reading.conflict(),
        grant_id: row.grant_id.map(GrantId),
        occurred: row.occurred_at_ms.map(Instant),
        recorded_at: Instant(row.recorded_at_ms),
        received_at: Instant(row.received_at_ms),
        skew_ms: row.skew_ms,
        journal_no: row.journal_no,
    })
}
