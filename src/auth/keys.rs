//! The keys that all replicas share: sealed rows in the database, opened into a ring.
//!
//! A key is published when it is made, *in force* from `active_from_ms` until a newer one is, and verifies
//! until `retire_at_ms`. [`super::rotation`] decides when keys are made and retired.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::hmac;
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use thiserror::Error;

use super::Random;
use super::encoding::encode;
use super::p256::{Point, generate_pkcs8, open_pkcs8};
use super::seal::{SealError, SealingSecret};

/// Random bytes of a key id; nine make twelve characters with none to spare.
const KID_RANDOM_BYTES: usize = 9;
/// Characters of a key id.
pub(super) const KID_CHARACTERS: usize = 12;
/// Bytes of an HMAC secret: as many as SHA-256 gives (RFC 2104, section 3).
const MAC_SECRET_BYTES: usize = 32;
/// Bytes kept of an HMAC (RFC 2104, section 5: at least half).
pub(super) const TAG_BYTES: usize = 16;

/// What a key is for. One key never serves two uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// Signs access tokens: P-256.
    AccessToken,
    /// Makes `DPoP` nonces: HMAC-SHA256.
    Nonce,
    /// Signs cursors: HMAC-SHA256.
    Cursor,
    /// Derives refresh tokens: HMAC-SHA256.
    Refresh,
}

impl KeyUse {
    /// Every use.
    pub const EVERY: [Self; 4] = [Self::AccessToken, Self::Nonce, Self::Cursor, Self::Refresh];

    /// The word stored in the key's row.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::Nonce => "nonce",
            Self::Cursor => "cursor",
            Self::Refresh => "refresh",
        }
    }
}

impl fmt::Display for KeyUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyUse {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Self::EVERY.into_iter().find(|key_use| key_use.as_str() == text).ok_or(KeyError::UnknownUse)
    }
}

/// A key as it is stored; instants in milliseconds since 1970.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// The key's id, unique among all, of twelve characters.
    pub kid: String,
    /// What it is for.
    pub key_use: KeyUse,
    /// Its secret part, sealed together with `kid` and `key_use`.
    pub sealed: Vec<u8>,
    /// When it was made.
    pub created_at_ms: i64,
    /// When it may first sign or make something.
    pub active_from_ms: i64,
    /// When it stops verifying, once that is known.
    pub retire_at_ms: Option<i64>,
}

impl fmt::Debug for KeyRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRow")
            .field("kid", &self.kid)
            .field("key_use", &self.key_use)
            .field("active_from_ms", &self.active_from_ms)
            .field("retire_at_ms", &self.retire_at_ms)
            .finish_non_exhaustive()
    }
}

/// What is wrong with the server's keys. None of it is a client's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// No key of this use is in force.
    #[error("no {0} key is in force")]
    NoneInForce(KeyUse),
    /// A stored key cannot be opened: most likely the configured secret is not the one that sealed it.
    #[error("key {kid} cannot be opened: {reason}")]
    CannotOpen {
        /// Which.
        kid: String,
        /// Why.
        reason: SealError,
    },
    /// A stored key opens, and is no key of its use, or its id has not the form of one.
    #[error("key {kid} is damaged")]
    Damaged {
        /// Which.
        kid: String,
    },
    /// A stored key has a use that this build does not know.
    #[error("unknown use of a key")]
    UnknownUse,
    /// A key could not be made or used.
    #[error("the cryptographic library or its randomness failed")]
    Failed,
}

/// Makes a key.
///
/// # Errors
/// [`KeyError::Failed`] if the randomness is broken.
pub fn generate(
    key_use: KeyUse,
    now_ms: i64,
    active_from_ms: i64,
    secret: &SealingSecret,
    random: Random<'_>,
) -> Result<KeyRow, KeyError> {
    let mut id = [0; KID_RANDOM_BYTES];
    random(&mut id);
    let kid = encode(&id);
    let plain = match key_use {
        KeyUse::AccessToken => generate_pkcs8(random).ok_or(KeyError::Failed)?,
        KeyUse::Nonce | KeyUse::Cursor | KeyUse::Refresh => {
            let mut bytes = vec![0; MAC_SECRET_BYTES];
            random(&mut bytes);
            bytes
        }
    };
    let sealed = secret.seal(&about(key_use, &kid), &plain, random).map_err(|_| KeyError::Failed)?;
    Ok(KeyRow { kid, key_use, sealed, created_at_ms: now_ms, active_from_ms, retire_at_ms: None })
}

/// What a sealed key is bound to. The use holds no zero byte, so two pairs never give one text.
fn about(key_use: KeyUse, kid: &str) -> Vec<u8> {
    [key_use.as_str().as_bytes(), &[0], kid.as_bytes()].concat()
}

/// The times of a key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTimes {
    /// See [`KeyRow::kid`].
    pub kid: String,
    /// See [`KeyRow::key_use`].
    pub key_use: KeyUse,
    /// See [`KeyRow::active_from_ms`].
    pub active_from_ms: i64,
    /// See [`KeyRow::retire_at_ms`].
    pub retire_at_ms: Option<i64>,
}

impl KeyTimes {
    /// Whether it no longer verifies.
    #[must_use]
    pub fn retired(&self, now_ms: i64) -> bool {
        self.retire_at_ms.is_some_and(|at| at <= now_ms)
    }
}

enum Material {
    Signing { encoding: EncodingKey, decoding: DecodingKey, point: Point },
    Mac(Box<hmac::Key>),
}

struct Key {
    times: KeyTimes,
    material: Material,
}

/// All keys, opened, oldest first.
pub struct KeyRing {
    keys: Vec<Key>,
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.times()).finish()
    }
}

impl KeyRing {
    /// Opens all rows. One that does not open fails the whole: a ring that silently lacks a key would refuse
    /// honest tokens one by one.
    ///
    /// # Errors
    /// [`KeyError::CannotOpen`], [`KeyError::Damaged`].
    pub fn open(rows: impl IntoIterator<Item = KeyRow>, secret: &SealingSecret) -> Result<Self, KeyError> {
        let mut keys = rows.into_iter().map(|row| open_row(row, secret)).collect::<Result<Vec<_>, _>>()?;
        // The id decides between two made for the same instant, so that all replicas choose alike.
        keys.sort_by(|a, b| {
            (a.times.active_from_ms, &a.times.kid).cmp(&(b.times.active_from_ms, &b.times.kid))
        });
        Ok(Self { keys })
    }

    /// The times of all keys, the newest of a use last.
    pub fn times(&self) -> impl DoubleEndedIterator<Item = &KeyTimes> {
        self.keys.iter().map(|key| &key.times)
    }

    /// The public JWK set (RFC 7517, section 5) of every key that verifies now or will: a resource server
    /// must know a key before the first token that it signs.
    #[must_use]
    pub fn jwks(&self, now_ms: i64) -> Value {
        let published = self.keys.iter().filter(|key| !key.times.retired(now_ms));
        let keys: Vec<Value> = published
            .filter_map(|key| match &key.material {
                Material::Signing { point, .. } => Some(json!({
                    "kty": "EC", "crv": "P-256", "x": point.x(), "y": point.y(),
                    "kid": key.times.kid, "use": "sig", "alg": "ES256",
                })),
                Material::Mac(_) => None,
            })
            .collect();
        json!({ "keys": keys })
    }

    /// The newest key of a use that was active and not retired at an instant.
    fn in_force(&self, key_use: KeyUse, at_ms: i64) -> Result<&Key, KeyError> {
        let mut newest_first = self.keys.iter().rev();
        newest_first
            .find(|Key { times, .. }| {
                times.key_use == key_use && times.active_from_ms <= at_ms && !times.retired(at_ms)
            })
            .ok_or(KeyError::NoneInForce(key_use))
    }

    /// A key that still verifies, by its id. One that is not active yet verifies too: another replica's clock
    /// may be ahead.
    fn by_kid(&self, key_use: KeyUse, kid: &str, now_ms: i64) -> Option<&Key> {
        self.keys
            .iter()
            .find(|Key { times, .. }| times.key_use == key_use && times.kid == kid && !times.retired(now_ms))
    }

    pub(super) fn signing(&self, now_ms: i64) -> Result<(&str, &EncodingKey), KeyError> {
        let key = self.in_force(KeyUse::AccessToken, now_ms)?;
        match &key.material {
            Material::Signing { encoding, .. } => Ok((&key.times.kid, encoding)),
            Material::Mac(_) => Err(KeyError::NoneInForce(KeyUse::AccessToken)),
        }
    }

    pub(super) fn verifying(&self, kid: &str, now_ms: i64) -> Option<&DecodingKey> {
        match &self.by_kid(KeyUse::AccessToken, kid, now_ms)?.material {
            Material::Signing { decoding, .. } => Some(decoding),
            Material::Mac(_) => None,
        }
    }

    pub(super) fn mac(&self, key_use: KeyUse, at_ms: i64) -> Result<(&str, Mac<'_>), KeyError> {
        let key = self.in_force(key_use, at_ms)?;
        match &key.material {
            Material::Mac(secret) => Ok((&key.times.kid, Mac(secret))),
            Material::Signing { .. } => Err(KeyError::NoneInForce(key_use)),
        }
    }

    pub(super) fn mac_by_kid(&self, key_use: KeyUse, kid: &str, now_ms: i64) -> Option<Mac<'_>> {
        match &self.by_kid(key_use, kid, now_ms)?.material {
            Material::Mac(secret) => Some(Mac(secret)),
            Material::Signing { .. } => None,
        }
    }
}

/// An HMAC key, used over a list of parts that cannot run into each other.
pub(super) struct Mac<'a>(&'a hmac::Key);

impl Mac<'_> {
    /// All 32 bytes.
    pub(super) fn whole(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(self.0);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part);
        }
        let mut whole = [0; 32];
        whole.copy_from_slice(context.sign().as_ref());
        whole
    }

    /// The first [`TAG_BYTES`] of it.
    pub(super) fn tag(&self, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&self.whole(parts)[..TAG_BYTES]);
        tag
    }
}

fn open_row(row: KeyRow, secret: &SealingSecret) -> Result<Key, KeyError> {
    let KeyRow { kid, key_use, sealed, active_from_ms, retire_at_ms, .. } = row;
    if kid.len() != KID_CHARACTERS || !kid.is_ascii() {
        return Err(KeyError::Damaged { kid });
    }
    let plain = match secret.open(&about(key_use, &kid), &sealed) {
        Ok(plain) => plain,
        Err(reason) => return Err(KeyError::CannotOpen { kid, reason }),
    };
    let material = match key_use {
        KeyUse::AccessToken => open_pkcs8(&plain).map(|(encoding, point)| Material::Signing {
            encoding,
            decoding: point.decoding_key(),
            point,
        }),
        KeyUse::Nonce | KeyUse::Cursor | KeyUse::Refresh => (plain.len() == MAC_SECRET_BYTES)
            .then(|| Material::Mac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &plain)))),
    };
    let Some(material) = material else {
        return Err(KeyError::Damaged { kid });
    };
    Ok(Key { times: KeyTimes { kid, key_use, active_from_ms, retire_at_ms }, material })
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
