//! Access tokens: JWTs signed with ES256 that say who somebody is and which grant they use, for ten minutes.
//!
//! The form is RFC 9068's. There is no `client_id`, since the grant names the client, and there are no roles:
//! role and grant are read from the database, which is also how they are revoked.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, encode};
use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use super::Random;
use super::encoding::encode as base64url;
use super::jws::{self, JwsError};
use super::keys::{KeyError, KeyRing};
use super::scopes::Scopes;
use crate::domain::ids::{GrantId, NeighbourhoodId, PartyId};

/// How long an access token is good (design, section 7).
pub const ACCESS_TOKEN_SECONDS: i64 = 10 * 60;
/// How far the clocks of two replicas may be apart.
pub const LEEWAY_SECONDS: i64 = 5;
/// Longer than any token of ours, whatever its issuer and audience are called.
pub const ACCESS_TOKEN_BYTES_MAX: usize = 2_048;
/// The `typ` of RFC 9068, section 2.1.
const TYPE: &str = "at+jwt";
/// RFC 9068, section 2.2, asks only that it is unique.
const JTI_BYTES: usize = 16;
const SECOND_MS: i64 = 1_000;

/// The key that must be proved together with the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// Its thumbprint (RFC 9449, section 6.1).
    pub jkt: String,
}

/// What a token says; instants in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it: our public address.
    pub iss: String,
    /// Whom it is for: our API. Always one text, never a list.
    pub aud: String,
    /// The party.
    pub sub: PartyId,
    /// Issued at.
    pub iat: i64,
    /// Expires at.
    pub exp: i64,
    /// Not good before. We never write it, but heed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Unique to the token.
    pub jti: String,
    /// The one neighbourhood that it is for.
    pub nbh: NeighbourhoodId,
    /// The grant under which it was issued.
    pub grant: GrantId,
    /// What the grant allowed then.
    #[serde(deserialize_with = "known_scopes")]
    pub scope: Scopes,
    /// The key it is bound to; absent from a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

fn known_scopes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Scopes, D::Error> {
    String::deserialize(deserializer).map(|text| Scopes::known(&text))
}

impl Claims {
    /// A bound token needs a proof by its own key; a bearer token must not come with a proof, since then
    /// whoever sent it believes that it is bound (RFC 9449, section 7.1 and 7.2). `thumbprint` is the
    /// proof's, if one was sent.
    ///
    /// # Errors
    /// [`TokenError::Binding`].
    pub fn check_binding(&self, thumbprint: Option<&str>) -> Result<(), TokenError> {
        let bound = self.cnf.as_ref().map(|cnf| cnf.jkt.as_str());
        if bound == thumbprint { Ok(()) } else { Err(TokenError::Binding) }
    }
}

/// Why a token is not good. For the client all but [`TokenError::Expired`] are the same `invalid_token`
/// (RFC 6750, section 3.1); the difference is for logs and tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not a JWS as ours are.
    #[error("not an access token: {0}")]
    Form(#[from] JwsError),
    /// Not one of our keys, or one that has retired, or one that this replica has not read yet.
    #[error("the token is not signed by a key of ours")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the token's signature is wrong")]
    Signature,
    /// Issued by somebody else.
    #[error("the token has another issuer")]
    Issuer,
    /// Issued for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// A claim is missing or has the wrong form.
    #[error("the token's claims are not as they must be")]
    Claims,
    /// Its time is over: get another with the refresh token.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not good yet")]
    NotYetValid,
    /// Bound to another key than proved, or proved and not bound, or the other way round.
    #[error("the token is not bound to the key that was proved")]
    Binding,
}

/// What a new token says.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// See [`Claims::iss`].
    pub issuer: &'a str,
    /// See [`Claims::aud`].
    pub audience: &'a str,
    /// See [`Claims::sub`].
    pub party: PartyId,
    /// See [`Claims::nbh`].
    pub neighbourhood: NeighbourhoodId,
    /// See [`Claims::grant`].
    pub grant: GrantId,
    /// See [`Claims::scope`].
    pub scopes: Scopes,
    /// See [`Claims::cnf`].
    pub thumbprint: Option<&'a str>,
}

/// Signs a token that is good from now for [`ACCESS_TOKEN_SECONDS`].
///
/// # Errors
/// [`KeyError`]: no key is in force, or it does not sign.
pub fn issue(
    ring: &KeyRing,
    new: &NewToken<'_>,
    now_ms: i64,
    random: Random<'_>,
) -> Result<String, KeyError> {
    let mut jti = [0; JTI_BYTES];
    random(&mut jti);
    let iat = now_ms.div_euclid(SECOND_MS);
    let claims = Claims {
        iss: new.issuer.to_owned(),
        aud: new.audience.to_owned(),
        sub: new.party,
        iat,
        exp: iat.saturating_add(ACCESS_TOKEN_SECONDS),
        nbf: None,
        jti: base64url(&jti),
        nbh: new.neighbourhood,
        grant: new.grant,
        scope: new.scopes,
        cnf: new.thumbprint.map(|jkt| Confirmation { jkt: jkt.to_owned() }),
    };
    let (kid, key) = ring.signing(now_ms)?;
    let mut header = Header::new(Algorithm::ES256);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(kid.to_owned());
    encode(&header, &claims, key).map_err(|_| KeyError::Failed)
}

/// What a token says, if it is one of ours and good now. Its grant may have been revoked since, and whether
/// its key was proved is for [`Claims::check_binding`].
///
/// # Errors
/// [`TokenError`]. [`TokenError::Expired`] is told only of tokens that we signed.
pub fn verify(
    token: &str,
    now_ms: i64,
    ring: &KeyRing,
    issuer: &str,
    audience: &str,
) -> Result<Claims, TokenError> {
    let compact = jws::read(token, TYPE, ACCESS_TOKEN_BYTES_MAX)?;
    let kid = compact.kid.ok_or(TokenError::UnknownKey)?;
    let key = ring.verifying(&kid, now_ms).ok_or(TokenError::UnknownKey)?;
    let claims: Claims = decode(token, key, &validation(issuer, audience)).map_err(why)?.claims;
    check_times(&claims, now_ms)?;
    Ok(claims)
}

/// Every default replaced: the crate's own clock is off, since the time is given to us.
fn validation(issuer: &str, audience: &str) -> Validation {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.leeway = 0;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

fn why(error: jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        _ => TokenError::Claims,
    }
}

fn check_times(claims: &Claims, now_ms: i64) -> Result<(), TokenError> {
    // A token of ours lives ten minutes; whatever says more was not made by `issue`.
    let life = claims.exp.checked_sub(claims.iat).ok_or(TokenError::Claims)?;
    if !(1..=ACCESS_TOKEN_SECONDS).contains(&life) {
        return Err(TokenError::Claims);
    }
    let at_ms = |seconds: i64| seconds.saturating_mul(SECOND_MS);
    let from = claims.nbf.unwrap_or(claims.iat).max(claims.iat);
    if now_ms < at_ms(from.saturating_sub(LEEWAY_SECONDS)) {
        return Err(TokenError::NotYetValid);
    }
    if now_ms >= at_ms(claims.exp.saturating_add(LEEWAY_SECONDS)) {
        return Err(TokenError::Expired);
    }
    Ok(())
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
