//! Proofs of possession, `DPoP` (RFC 9449): whoever sends a request holds the private key of a public one.
//!
//! A proof must carry one of our nonces, and then its `iat` is not looked at: phone clocks are wrong by hours
//! and by years, and a nonce dates the proof by our clock (RFC 9449, section 8).

use serde::Deserialize;
use serde_json::{Map, Number, Value};
use thiserror::Error;

use super::encoding::{encode, same, sha256};
use super::jws::{self, JwsError};
use super::p256::Point;
use super::target::normalised;

/// Longer than any honest proof: a key, a URL, a nonce, two hashes.
pub const PROOF_BYTES_MAX: usize = 4_096;
/// Longer than any honest `jti` (RFC 9449, section 4.2, suggests 96 random bits).
pub const JTI_BYTES_MAX: usize = 128;
/// RFC 9449, section 4.2.
const TYPE: &str = "dpop+jwt";
/// Members that only private and symmetric keys have (RFC 7518, sections 6.2.2, 6.3.2, 6.4).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The request that a proof must be about.
pub struct DpopCheck<'a> {
    /// The HTTP method, as sent.
    pub method: &'a str,
    /// The request's address as the client sees it, with scheme and host; query and fragment do not matter.
    pub url: &'a str,
    /// The access token that came with it, whose hash the proof must then hold.
    pub access_token: Option<&'a str>,
    /// Whether a nonce is one of ours and still good: [`super::nonce::nonce_valid`].
    pub nonce_ok: &'a dyn Fn(&str) -> bool,
}

/// A key that was proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// RFC 7638, SHA-256, base64url.
    pub thumbprint: String,
    /// The public key as canonical JSON: `crv`, `kty`, `x`, `y`.
    pub jwk: String,
    /// What makes this proof unique. We do not keep it: every write may be repeated without harm.
    pub jti: String,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DpopError {
    /// Not a JWS as proofs are.
    #[error("not a DPoP proof: {0}")]
    Form(#[from] JwsError),
    /// `jwk` is missing, or not a point of P-256.
    #[error("jwk must be a public EC key on P-256")]
    Key,
    /// `jwk` holds a private key, which is now known to whoever saw the request.
    #[error("jwk must not hold a private key")]
    PrivateKey,
    /// `jti`, `htm`, `htu` or `iat` is missing, or a claim has the wrong form.
    #[error("jti, htm, htu and iat are required")]
    Claims,
    /// For another method.
    #[error("htm is another method than the request's")]
    Method,
    /// For another address.
    #[error("htu is another address than the request's")]
    Url,
    /// For another access token, or for none.
    #[error("ath is not the hash of the access token")]
    AccessToken,
    /// No nonce, or not one of ours, or one whose time is over: try again with the nonce of this answer.
    #[error("use the nonce of the DPoP-Nonce header")]
    UseNonce,
    /// Not signed by the key in it.
    #[error("the proof's signature is wrong")]
    Signature,
}

impl DpopError {
    /// The error code of RFC 9449, sections 5, 7.1 and 8.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::UseNonce => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        }
    }
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    #[expect(dead_code, reason = "must be there, but a phone's clock decides nothing")]
    iat: Number,
    #[serde(default)]
    ath: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
}

/// Checks a proof against the request it came with (RFC 9449, section 4.3). The signature is checked last, and
/// once: a proof that fails for another reason costs no curve arithmetic.
///
/// # Errors
/// [`DpopError`].
pub fn verify(proof: &str, check: &DpopCheck<'_>) -> Result<Proof, DpopError> {
    let compact = jws::read(proof, TYPE, PROOF_BYTES_MAX)?;
    let jwk = compact.jwk.as_ref().ok_or(DpopError::Key)?;
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err(DpopError::PrivateKey);
    }
    let claims: Claims = serde_json::from_slice(&compact.payload).map_err(|_| DpopError::Claims)?;
    check_claims(&claims, check)?;
    let point = point(jwk).ok_or(DpopError::Key)?;
    if !point.verifies(compact.message.as_bytes(), &compact.signature) {
        return Err(DpopError::Signature);
    }
    Ok(Proof { thumbprint: point.thumbprint(), jwk: point.jwk(), jti: claims.jti })
}

fn check_claims(claims: &Claims, check: &DpopCheck<'_>) -> Result<(), DpopError> {
    if !(1..=JTI_BYTES_MAX).contains(&claims.jti.len()) {
        return Err(DpopError::Claims);
    }
    if claims.htm != check.method {
        return Err(DpopError::Method);
    }
    match (normalised(&claims.htu), normalised(check.url)) {
        (Some(theirs), Some(ours)) if theirs == ours => {}
        _ => return Err(DpopError::Url),
    }
    if let Some(token) = check.access_token {
        let theirs = claims.ath.as_deref().unwrap_or_default();
        if !same(theirs.as_bytes(), token_hash(token).as_bytes()) {
            return Err(DpopError::AccessToken);
        }
    }
    match &claims.nonce {
        Some(nonce) if (check.nonce_ok)(nonce) => Ok(()),
        _ => Err(DpopError::UseNonce),
    }
}

fn point(jwk: &Map<String, Value>) -> Option<Point> {
    let member = |name| jwk.get(name).and_then(Value::as_str);
    if member("kty") != Some("EC") || member("crv") != Some("P-256") {
        return None;
    }
    Point::from_jwk(member("x")?, member("y")?)
}

/// The `ath` of an access token (RFC 9449, section 4.2).
pub(super) fn token_hash(access_token: &str) -> String {
    encode(&sha256(access_token.as_bytes()))
}

#[cfg(test)]
#[path = "dpop_tests.rs"]
mod tests;
