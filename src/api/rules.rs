//! The neighbourhood's rules for reviewing and posting.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, INSUFFICIENT_SCOPE, NOT_FOUND, VERSION_CHANGED};
use super::extract::{Coordinator, Resident, scope};
use crate::app::App;
use crate::domain::rules::RulePack;
use crate::flows::rules::{self, Put};
use crate::store;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_rules, put_rules).merge(super::openapi::guarded!(get_rules_version))
}

/// Read the rules in force.
#[utoipa::path(
    get, path = "/v1/rules", tag = "reconcile",
    responses((status = 200, description = "The rules.", body = RulePack))
)]
pub async fn get_rules(
    State(app): State<App>,
    caller: Resident<scope::Any>,
) -> ApiResult<axum::Json<RulePack>> {
    let pack = store::neighbourhoods::rules(app.db().read(), caller.access.neighbourhood).await?;
    Ok(axum::Json(pack))
}

/// Put the next version of the rules in force.
///
/// `version` is the one in force, plus one: whoever builds on an older one answers 409. What was judged before
/// is not judged again; what waits is judged by the new rules.
#[utoipa::path(
    put, path = "/v1/rules", tag = "reconcile", request_body = RulePack,
    responses((status = 200, description = "In force, now or already.", body = RulePack))
)]
pub async fn put_rules(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<RulePack>,
) -> ApiResult<axum::Json<RulePack>> {
    match rules::put(&app, &caller.access, body.clone()).await? {
        Put::Done | Put::Replayed => Ok(axum::Json(body)),
        Put::Changed(pack) => {
            let detail = format!("Version {} is in force: build on that one.", pack.version);
            Err(ApiError::new(VERSION_CHANGED, detail))
        }
        Put::NotCoordinator => Err(INSUFFICIENT_SCOPE.into()),
    }
}

/// Read an earlier version of the rules: decisions name the one that was in force.
#[utoipa::path(
    get, path = "/v1/rules/{version}", tag = "reconcile",
    params(("version" = i64, Path, description = "The version.", example = 1, minimum = 1)),
    responses((status = 200, description = "The rules of that version.", body = RulePack))
)]
pub async fn get_rules_version(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    version: Result<Path<i64>, PathRejection>,
) -> ApiResult<axum::Json<RulePack>> {
    let Path(version) = version.map_err(|_| NOT_FOUND)?;
    let (db, neighbourhood) = (app.db().read(), caller.access.neighbourhood);
    let pack = store::neighbourhoods::rules_version(db, neighbourhood, version).await?;
    pack.map(axum::Json).ok_or_else(|| NOT_FOUND.into())
}
