//! `/oauth/token` and the documents that say where everything is. Errors here are RFC 6749's, in
//! `application/json`: stock libraries read nothing else.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;

use super::error::ApiError;
use super::extract::{DPOP_NONCE, Public, prove};
use crate::app::App;
use crate::auth::access::ACCESS_TOKEN_SECONDS;
use crate::auth::nonce::nonce_make;
use crate::auth::rotation::JWKS_MAX_AGE_SECONDS;
use crate::auth::scopes::Scope;
use crate::flows::{self, FlowError};

/// A token request (RFC 6749, section 6).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenRequest {
    /// `refresh_token`.
    #[schema(example = "refresh_token", pattern = "^refresh_token$")]
    pub grant_type: String,
    /// From the enrolment. It stays the same.
    pub refresh_token: String,
}

/// A fresh access token.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenAnswer {
    /// For the `Authorization` header, after the word `DPoP`.
    pub access_token: String,
    /// Always `DPoP`.
    #[schema(example = "DPoP")]
    pub token_type: String,
    /// Seconds.
    #[schema(example = 600)]
    pub expires_in: i64,
    /// Space-separated.
    #[schema(example = "sync activities:read")]
    pub scope: String,
}

/// An error of RFC 6749, section 5.2.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenError {
    /// `invalid_request`, `invalid_grant`, `unsupported_grant_type`, `invalid_dpop_proof`, `use_dpop_nonce`,
    /// `temporarily_unavailable` or `server_error`.
    #[schema(example = "invalid_grant")]
    pub error: String,
    /// For developers.
    pub error_description: String,
}

/// Where this server's endpoints are (RFC 8414).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ServerMetadata {
    /// This server.
    pub issuer: String,
    /// Where tokens are issued.
    pub token_endpoint: String,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Every scope there is.
    pub scopes_supported: Vec<String>,
    /// None yet: apps use personal tokens.
    pub response_types_supported: Vec<String>,
    /// What the token endpoint takes.
    pub grant_types_supported: Vec<String>,
    /// `none`: the proof of the key stands for it.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// How proofs are signed.
    pub dpop_signing_alg_values_supported: Vec<String>,
}

/// What this API needs (RFC 9728).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ResourceMetadata {
    /// This server.
    pub resource: String,
    /// Whose tokens it takes.
    pub authorization_servers: Vec<String>,
    /// Where the keys are.
    pub jwks_uri: String,
    /// Every scope there is.
    pub scopes_supported: Vec<String>,
    /// `header`: tokens travel in the `Authorization` header.
    pub bearer_methods_supported: Vec<String>,
    /// How proofs are signed.
    pub dpop_signing_alg_values_supported: Vec<String>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(issue_token)
        .merge(super::openapi::guarded!(get_server_metadata))
        .merge(super::openapi::guarded!(get_resource_metadata))
        .merge(super::openapi::guarded!(get_jwks))
}

/// Get a fresh access token with the refresh token and a proof of its key.
#[utoipa::path(
    post, path = "/oauth/token", tag = "access",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    params(("DPoP" = String, Header, description = "Proof of the enrolled key (RFC 9449), with a nonce of this server.")),
    responses(
        (status = 200, description = "An access token for ten minutes.", body = TokenAnswer),
        (status = 400, description = "As RFC 6749 and RFC 9449 say.", body = TokenError),
        (status = 500, description = "Something failed on our side.", body = TokenError),
        (status = 503, description = "Try again.", body = TokenError),
    )
)]
pub async fn issue_token(State(app): State<App>, _: Public, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let proof = match prove(&parts, &app, None) {
        Ok(proof) => proof,
        Err(error) => return not_proved(&app, &error),
    };
    let request = Request::from_parts(parts, body);
    let form = match <Form<TokenRequest> as FromRequest<_>>::from_request(request, &app).await {
        Ok(Form(form)) => form,
        Err(rejection) => {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", &not_that_form(&rejection));
        }
    };
    if form.grant_type != "refresh_token" {
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "grant_type must be refresh_token");
    }
    match flows::grants::refresh(&app, &form.refresh_token, &proof.thumbprint).await {
        Ok((access, access_token)) => {
            let answer = TokenAnswer {
                access_token,
                token_type: "DPoP".to_owned(),
                expires_in: ACCESS_TOKEN_SECONDS,
                scope: access.scopes.to_string(),
            };
            ([(CACHE_CONTROL, "no-store")], axum::Json(answer)).into_response()
        }
        Err(error) => failed(error),
    }
}

/// What the form is, and where what was sent is another.
fn not_that_form(rejection: &FormRejection) -> String {
    let text = match rejection {
        FormRejection::FailedToDeserializeForm(_) | FormRejection::FailedToDeserializeFormBody(_) => {
            let text = rejection.body_text();
            text.rsplit_once(": ").map_or(text.clone(), |(_, why)| why.to_owned())
        }
        FormRejection::InvalidFormContentType(_) => "another content type came".to_owned(),
        _ => "the body cannot be read".to_owned(),
    };
    format!("send grant_type and refresh_token as application/x-www-form-urlencoded: {text}")
}

fn not_proved(app: &App, error: &ApiError) -> Response {
    let (code, text) = match error.code().code {
        "use_dpop_nonce" => {
            ("use_dpop_nonce", "send the proof again with the nonce of the DPoP-Nonce header")
        }
        _ => ("invalid_dpop_proof", error.detail().unwrap_or("the proof does not fit this request")),
    };
    let mut response = refuse(StatusCode::BAD_REQUEST, code, text);
    if let Ok(nonce) = nonce_make(&app.keys(), app.now_ms())
        && let Ok(value) = HeaderValue::from_str(&nonce)
    {
        response.headers_mut().insert(DPOP_NONCE, value);
    }
    response
}

fn failed(error: FlowError) -> Response {
    match error {
        FlowError::TokenInvalid => refuse(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "the refresh token has ended or is bound to another key",
        ),
        FlowError::DeviceRevoked => refuse(
            StatusCode::BAD_REQUEST,
            "invalid_grant",
            "device_revoked: enrol again with a new key; keep your data",
        ),
        FlowError::Busy => refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "try again"),
        error => {
            tracing::error!(%error, "issuing a token failed");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "something failed on our side")
        }
    }
}

fn refuse(status: StatusCode, error: &str, text: &str) -> Response {
    // RFC 6749, section 5.2: printable ASCII without quotes and backslashes.
    let fits = |letter: &char| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\');
    let body = TokenError { error: error.to_owned(), error_description: text.chars().filter(fits).collect() };
    (status, [(CACHE_CONTROL, "no-store")], axum::Json(body)).into_response()
}

fn every_scope() -> Vec<String> {
    Scope::EVERY.iter().map(|scope| scope.as_str().to_owned()).collect()
}

/// Say where the token endpoints are (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "access",
    responses((status = 200, description = "Metadata.", body = ServerMetadata))
)]
pub async fn get_server_metadata(State(app): State<App>, _: Public) -> axum::Json<ServerMetadata> {
    let at = |path: &str| format!("{}{path}", app.public_url());
    axum::Json(ServerMetadata {
        issuer: app.public_url().to_owned(),
        token_endpoint: at("/oauth/token"),
        jwks_uri: at("/.well-known/jwks.json"),
        scopes_supported: every_scope(),
        response_types_supported: Vec::new(),
        grant_types_supported: vec!["refresh_token".to_owned()],
        token_endpoint_auth_methods_supported: vec!["none".to_owned()],
        dpop_signing_alg_values_supported: vec!["ES256".to_owned()],
    })
}

/// Say what this API needs of a token (RFC 9728).
#[utoipa::path(
    get, path = "/.well-known/oauth-protected-resource", tag = "access",
    responses((status = 200, description = "Metadata.", body = ResourceMetadata))
)]
pub async fn get_resource_metadata(State(app): State<App>, _: Public) -> axum::Json<ResourceMetadata> {
    axum::Json(ResourceMetadata {
        resource: app.public_url().to_owned(),
        authorization_servers: vec![app.public_url().to_owned()],
        jwks_uri: format!("{}/.well-known/jwks.json", app.public_url()),
        scopes_supported: every_scope(),
        bearer_methods_supported: vec!["header".to_owned()],
        dpop_signing_alg_values_supported: vec!["ES256".to_owned()],
    })
}

/// Publish the keys that access tokens are signed with (RFC 7517).
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "access",
    responses((status = 200, description = "A JWK set.", body = serde_json::Value))
)]
pub async fn get_jwks(
    State(app): State<App>,
    _: Public,
) -> ([(HeaderName, String); 2], axum::Json<serde_json::Value>) {
    let headers = [
        (CACHE_CONTROL, format!("public, max-age={JWKS_MAX_AGE_SECONDS}")),
        (CONTENT_TYPE, "application/json".to_owned()),
    ];
    (headers, axum::Json(app.keys().jwks(app.now_ms())))
}
