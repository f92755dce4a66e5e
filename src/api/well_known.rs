//! What strangers look for at a fixed place: where the API is described, and whom to tell of a hole in it.

use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HeaderName, LINK};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;

use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::Public;
use crate::app::App;
use crate::domain::time::rfc3339;

/// A security contact is looked at anew after so long (RFC 9116 asks for less than a year).
const CONTACT_LIFE_MS: i64 = 180 * 24 * 3_600 * 1_000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_api_catalog).merge(super::openapi::guarded!(get_security_contact))
}

/// Find the description of this API (RFC 9727).
#[utoipa::path(
    get, path = "/.well-known/api-catalog", tag = "operation",
    responses((status = 200, description = "A set of links (RFC 9264): `service-desc` is this document.", body = serde_json::Value, content_type = "application/linkset+json"))
)]
pub async fn get_api_catalog(State(app): State<App>, _: Public) -> ([(HeaderName, String); 2], String) {
    let url = app.public_url();
    let link = |path: &str, kind: &str| json!([{ "href": format!("{url}{path}"), "type": kind }]);
    let catalog = json!({ "linkset": [{
        "anchor": format!("{url}/"),
        "service-desc": link("/v1/openapi.json", "application/json"),
        "service-doc": link("/docs", "text/html"),
        "status": link("/readyz", "application/json"),
    }] });
    let profile = "application/linkset+json; profile=\"https://www.rfc-editor.org/info/rfc9727\"";
    let itself = format!("<{url}/.well-known/api-catalog>; rel=\"api-catalog\"");
    ([(CONTENT_TYPE, profile.to_owned()), (LINK, itself)], catalog.to_string())
}

/// Find whom to tell of a weakness (RFC 9116).
#[utoipa::path(
    get, path = "/.well-known/security.txt", tag = "operation",
    responses((status = 200, description = "The contact, where the operator names one.", body = String, content_type = "text/plain"))
)]
pub async fn get_security_contact(
    State(app): State<App>,
    _: Public,
) -> ApiResult<([(HeaderName, &'static str); 1], String)> {
    let contact = app.security_contact().ok_or_else(|| {
        ApiError::new(NOT_FOUND, "Whoever runs this server has named no contact (DAYBOOK_SECURITY_CONTACT).")
    })?;
    let expires = rfc3339(app.now_ms().saturating_add(CONTACT_LIFE_MS));
    let canonical = format!("{}/.well-known/security.txt", app.public_url());
    let text =
        format!("Contact: {contact}\nExpires: {expires}\nCanonical: {canonical}\nPreferred-Languages: en\n");
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], text))
}
