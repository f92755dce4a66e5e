//! Who is calling: what a handler asks for is what protects it, and what its operation's `security` says.

use std::marker::PhantomData;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::request::Parts;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::security::SecurityRequirement;

use super::error::{
    ApiError, ApiResult, DEVICE_REVOKED, DPOP_INVALID, INSUFFICIENT_SCOPE, TOKEN_EXPIRED, TOKEN_INVALID,
    TOKEN_MISSING, USE_DPOP_NONCE,
};
use crate::app::{Access, App};
use crate::auth::access::{Claims, TokenError, verify};
use crate::auth::dpop::{self, DpopCheck, DpopError, Proof};
use crate::auth::nonce::{nonce_make, nonce_valid};
use crate::auth::scopes::Scope;
use crate::auth::secrets::{PERSONAL_PREFIX, operator_matches, parse_personal, same_hash};
use crate::flows::access::access_of;

/// The proof of a key.
pub const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The nonce for the next proof.
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// Names of the security schemes in the OpenAPI document.
pub const SCHEMES: [&str; 2] = ["phone", "token"];
/// The operator's scheme.
pub const OPERATOR_SCHEME: &str = "operator";

/// The scope that a principal needs, as a type.
pub trait Scoped: Send + Sync + 'static {
    /// Nothing: any grant will do.
    const SCOPE: Option<Scope>;
}

/// The scopes as types.
pub mod scope {
    use super::{Scope, Scoped};

    macro_rules! scopes {
        ($($name:ident = $scope:expr),* $(,)?) => {
            $(
                #[derive(Debug, Clone, Copy)]
                pub struct $name;

                impl Scoped for $name {
                    const SCOPE: Option<Scope> = $scope;
                }
            )*
        };
    }

    scopes! {
        Any = None,
        Sync = Some(Scope::Sync),
        ActivitiesRead = Some(Scope::ActivitiesRead),
        ActivitiesWrite = Some(Scope::ActivitiesWrite),
        LedgerRead = Some(Scope::LedgerRead),
        Reconcile = Some(Scope::Reconcile),
        Manage = Some(Scope::Manage),
    }
}

/// What may stand second in a handler's arguments.
pub trait Principal {
    /// The operation's `security`; any one of them will do.
    fn security() -> Vec<SecurityRequirement>;
}

/// Somebody with a grant, for their own things.
#[derive(Debug)]
pub struct Resident<S> {
    pub access: Arc<Access>,
    scope: PhantomData<S>,
}

/// Somebody with a grant and the role of a coordinator.
#[derive(Debug)]
pub struct Coordinator<S> {
    pub access: Arc<Access>,
    scope: PhantomData<S>,
}

/// Whoever runs the server.
#[derive(Debug, Clone, Copy)]
pub struct Operator;

/// Anybody.
#[derive(Debug, Clone, Copy)]
pub struct Public;

fn of_grants(scope: Option<Scope>) -> Vec<SecurityRequirement> {
    let scopes: Vec<String> = scope.into_iter().map(|scope| scope.as_str().to_owned()).collect();
    SCHEMES.iter().map(|scheme| SecurityRequirement::new(*scheme, scopes.clone())).collect()
}

impl<S: Scoped> Principal for Resident<S> {
    fn security() -> Vec<SecurityRequirement> {
        of_grants(S::SCOPE)
    }
}

impl<S: Scoped> Principal for Coordinator<S> {
    fn security() -> Vec<SecurityRequirement> {
        of_grants(S::SCOPE)
    }
}

impl Principal for Operator {
    fn security() -> Vec<SecurityRequirement> {
        vec![SecurityRequirement::new(OPERATOR_SCHEME, Vec::<String>::new())]
    }
}

impl Principal for Public {
    fn security() -> Vec<SecurityRequirement> {
        vec![SecurityRequirement::default()]
    }
}

impl<S: Scoped> FromRequestParts<App> for Resident<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let access = authenticate(parts, app).await?;
        check_scope(&access, S::SCOPE)?;
        Ok(Self { access, scope: PhantomData })
    }
}

impl<S: Scoped> FromRequestParts<App> for Coordinator<S> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let access = authenticate(parts, app).await?;
        check_scope(&access, S::SCOPE)?;
        if !access.coordinator {
            return Err(ApiError::new(INSUFFICIENT_SCOPE, "This needs the role of a coordinator."));
        }
        Ok(Self { access, scope: PhantomData })
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let (scheme, token) = authorization(parts)?;
        let configured = app.operator_token().unwrap_or_default();
        let good = scheme.eq_ignore_ascii_case("bearer") && operator_matches(token, configured);
        good.then_some(Self).ok_or_else(|| TOKEN_INVALID.into())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Public {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self)
    }
}

/// A script with a narrow token must not touch what its owner's devices and other scripts stand on.
pub fn check_from_device(access: &Access) -> ApiResult<()> {
    if access.device.is_some() || access.scopes.has(Scope::Manage) {
        return Ok(());
    }
    Err(ApiError::new(
        INSUFFICIENT_SCOPE,
        "This needs one of your devices, or a token with the scope manage.",
    ))
}

fn check_scope(access: &Access, needed: Option<Scope>) -> Result<(), ApiError> {
    match needed {
        Some(scope) if !access.scopes.has(scope) => Err(ApiError::new(
            INSUFFICIENT_SCOPE,
            format!("This needs the scope {scope}, in a grant of somebody with the role for it."),
        )),
        _ => Ok(()),
    }
}

fn authorization(parts: &Parts) -> Result<(&str, &str), ApiError> {
    let header = parts.headers.get(AUTHORIZATION).ok_or(TOKEN_MISSING)?;
    let text = header.to_str().map_err(|_| TOKEN_INVALID)?;
    text.split_once(' ').map(|(scheme, token)| (scheme, token.trim())).ok_or_else(|| mistyped(text))
}

/// What to write before a token that comes without a scheme or under another one.
fn mistyped(token: &str) -> ApiError {
    if token.starts_with(PERSONAL_PREFIX) {
        let detail = "Write Bearer and a space before a personal token: Authorization: Bearer dbp_….";
        return ApiError::new(TOKEN_INVALID, detail);
    }
    let detail = "Write the scheme and a space before the token: Bearer for a personal token, DPoP for that of a phone.";
    ApiError::new(TOKEN_INVALID, detail)
}

async fn authenticate(parts: &Parts, app: &App) -> Result<Arc<Access>, ApiError> {
    let (scheme, token) = authorization(parts)?;
    let (bearer, bound) = (scheme.eq_ignore_ascii_case("bearer"), scheme.eq_ignore_ascii_case("dpop"));
    let access = if bearer && token.starts_with(PERSONAL_PREFIX) {
        personal(app, token).await?
    } else if !(bearer || bound) || token.starts_with(PERSONAL_PREFIX) {
        return Err(mistyped(token));
    } else {
        let claims = claims(app, token)?;
        let thumbprint = if bound { Some(prove(parts, app, Some(token))?.thumbprint) } else { None };
        claims.check_binding(thumbprint.as_deref()).map_err(|_| unbound(bearer))?;
        let found = access_of(app, claims.nbh, claims.grant).await?.ok_or(TOKEN_INVALID)?;
        let scopes = found.scopes.intersection(claims.scope);
        if scopes == found.scopes { found } else { Arc::new(Access { scopes, ..(*found).clone() }) }
    };
    tracing::Span::current().record("neighbourhood", tracing::field::display(access.neighbourhood));
    if access.revoked {
        return Err(if access.device.is_some() { DEVICE_REVOKED } else { TOKEN_INVALID }.into());
    }
    if access.expires_at_ms <= app.now_ms() {
        return Err(TOKEN_EXPIRED.into());
    }
    Ok(access)
}

/// A good token that came under the wrong scheme, or with a proof of another key.
fn unbound(bearer: bool) -> ApiError {
    if bearer {
        let detail =
            "This token is that of a phone: write DPoP before it instead of Bearer, and send a DPoP proof.";
        return ApiError::new(TOKEN_INVALID, detail);
    }
    TOKEN_INVALID.into()
}

async fn personal(app: &App, token: &str) -> Result<Arc<Access>, ApiError> {
    let presented = parse_personal(token).map_err(|_| TOKEN_INVALID)?;
    let access = access_of(app, presented.neighbourhood, presented.id).await?.ok_or(TOKEN_INVALID)?;
    let good = access.device.is_none() && same_hash(&presented.hash, &access.token_hash);
    if good { Ok(access) } else { Err(TOKEN_INVALID.into()) }
}

/// Verifies an access token, or remembers that it was verified: then only its times are looked at again.
fn claims(app: &App, token: &str) -> Result<Arc<Claims>, ApiError> {
    let now_ms = app.now_ms();
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    if let Some(claims) = app.token_cache().get(&hash)
        && now_ms < claims.exp.saturating_mul(1_000)
    {
        return Ok(claims);
    }
    let verified = verify(token, now_ms, &app.keys(), app.public_url(), app.public_url());
    let claims = verified.map_err(|error| match error {
        TokenError::Expired => ApiError::from(TOKEN_EXPIRED),
        _ => ApiError::from(TOKEN_INVALID),
    })?;
    let claims = Arc::new(claims);
    app.token_cache().insert(hash, claims.clone());
    Ok(claims)
}

/// Verifies the request's DPoP proof.
///
/// # Errors
/// `use_dpop_nonce` with a fresh nonce, or `dpop_invalid` with the reason.
pub fn prove(parts: &Parts, app: &App, access_token: Option<&str>) -> Result<Proof, ApiError> {
    let mut proofs = parts.headers.get_all(&DPOP).iter();
    let proof = proofs.next().and_then(|proof| proof.to_str().ok());
    let (Some(proof), None) = (proof, proofs.next()) else {
        return Err(ApiError::new(DPOP_INVALID, "Send one DPoP header with a proof of the enrolled key."));
    };
    let (keys, now_ms) = (app.keys(), app.now_ms());
    let url = format!("{}{}", app.public_url(), parts.uri.path());
    let nonce_ok = |nonce: &str| nonce_valid(&keys, nonce, now_ms);
    let check = DpopCheck { method: parts.method.as_str(), url: &url, access_token, nonce_ok: &nonce_ok };
    dpop::verify(proof, &check).map_err(|error| match error {
        DpopError::UseNonce => fresh_nonce(app, USE_DPOP_NONCE.into()),
        error => fresh_nonce(app, ApiError::new(DPOP_INVALID, unfit(error, &url))),
    })
}

/// Why a proof does not fit, and for which address it was to be.
fn unfit(error: DpopError, url: &str) -> String {
    match error {
        DpopError::Url => format!("The DPoP proof does not fit: {error}, which is {url}."),
        error => format!("The DPoP proof does not fit: {error}."),
    }
}

fn fresh_nonce(app: &App, error: ApiError) -> ApiError {
    match nonce_make(&app.keys(), app.now_ms()) {
        Ok(nonce) => error.header(DPOP_NONCE, &nonce),
        Err(_) => error,
    }
}
