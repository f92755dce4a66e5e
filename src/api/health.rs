//! Probes, and the OpenAPI document itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::error::{ApiResult, INTERNAL};
use super::extract::Public;
use crate::app::App;

/// How a server stands.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`, `draining` or `no_database`.
    #[schema(example = "ok")]
    pub status: String,
    /// Of the program.
    #[schema(example = "0.1.0")]
    pub version: String,
}

fn health(status: &str) -> axum::Json<Health> {
    axum::Json(Health { status: status.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_liveness)
        .merge(super::openapi::guarded!(get_readiness))
        .merge(super::openapi::guarded!(get_openapi))
}

/// Say whether the process lives.
#[utoipa::path(
    get, path = "/livez", tag = "operation",
    responses((status = 200, description = "It does.", body = Health))
)]
pub async fn get_liveness(_app: State<App>, _: Public) -> axum::Json<Health> {
    health("ok")
}

/// Say whether to send requests here: not while it drains or without its database.
#[utoipa::path(
    get, path = "/readyz", tag = "operation",
    responses(
        (status = 200, description = "Send requests.", body = Health),
        (status = 503, description = "Do not.", body = Health),
    )
)]
pub async fn get_readiness(State(app): State<App>, _: Public) -> (StatusCode, axum::Json<Health>) {
    if app.is_draining() {
        return (StatusCode::SERVICE_UNAVAILABLE, health("draining"));
    }
    match app.db().ping().await {
        Ok(()) => (StatusCode::OK, health("ok")),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, health("no_database")),
    }
}

/// Read this document.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value))
)]
pub async fn get_openapi(
    _app: State<App>,
    _: Public,
) -> ApiResult<([(HeaderName, &'static str); 1], String)> {
    let text = super::document().to_pretty_json().map_err(|_| INTERNAL)?;
    Ok(([(CONTENT_TYPE, "application/json")], text))
}
