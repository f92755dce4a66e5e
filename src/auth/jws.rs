//! The compact form of a JWS (RFC 7515, section 7.1) with exactly one algorithm and one type, read before any
//! key is touched. What JOSE lets a sender choose is fixed here: RFC 8725, sections 3.1, 3.2, 3.11.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use thiserror::Error;

use super::encoding::decode;

const ALGORITHM: &str = "ES256";

/// Why a text is not a JWS of the expected kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwsError {
    /// Longer than any that we accept.
    #[error("too long")]
    TooLong,
    /// Not three parts of base64url with a JSON object first.
    #[error("not a compact JWS")]
    Malformed,
    /// Not signed with ES256.
    #[error("the algorithm must be ES256")]
    Algorithm,
    /// Another `typ`.
    #[error("wrong typ")]
    Type,
    /// `crit` names extensions, and we understand none (RFC 7515, section 4.1.11).
    #[error("crit is not supported")]
    Critical,
}

/// The header's members that we look at. `jku`, `x5u` and the like are never followed.
#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    jwk: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// True whatever the value: even `"crit": null` is there.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A JWS whose header is as it must be; neither signature nor payload have been looked at.
pub(super) struct Compact<'a> {
    pub(super) kid: Option<String>,
    pub(super) jwk: Option<Map<String, Value>>,
    /// What is signed: header and payload as they were sent.
    pub(super) message: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

/// Reads a text of at most `bytes_max` whose `typ` is exactly the given one.
pub(super) fn read<'a>(text: &'a str, typ: &str, bytes_max: usize) -> Result<Compact<'a>, JwsError> {
    if text.len() > bytes_max {
        return Err(JwsError::TooLong);
    }
    let (message, signature) = text.rsplit_once('.').ok_or(JwsError::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(JwsError::Malformed)?;
    // A third dot leaves one in the payload, which is then not base64url.
    let part = |text| decode(text).ok_or(JwsError::Malformed);
    let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
    let header: Header = serde_json::from_slice(&header).map_err(|_| JwsError::Malformed)?;
    if header.alg != ALGORITHM {
        return Err(JwsError::Algorithm);
    }
    if header.typ.as_deref() != Some(typ) {
        return Err(JwsError::Type);
    }
    if header.crit {
        return Err(JwsError::Critical);
    }
    Ok(Compact { kid: header.kid, jwk: header.jwk, message, payload, signature })
}
