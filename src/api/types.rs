//! Small types of requests and answers: bytes, hashes, instants.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::ToSchema;

use crate::domain::time::rfc3339;
use crate::flows::FlowError;

/// Bytes: base64url without padding in JSON, a byte string in CBOR.
#[derive(Debug, Clone, PartialEq, Eq, Default, ToSchema)]
#[schema(value_type = String, content_encoding = "base64url", example = "hW9Kgw",
    pattern = "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw]|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048])?$")]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        if serializer.is_human_readable() {
            serializer.serialize_str(&base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(BytesVisitor)
        } else {
            deserializer.deserialize_bytes(BytesVisitor)
        }
    }
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("bytes (base64url without padding in JSON, a byte string in CBOR)")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .map(Bytes)
            .map_err(|_| E::custom("expected base64url without padding (- and _ instead of + and /, no =)"))
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }
}

/// Documents a body that is bytes as they are.
#[derive(Debug, Clone, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Octets(pub Vec<u8>);

/// A SHA-256 hash, in lower-case hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, pattern = "^[0-9a-f]{64}$",
    example = "5bb5a4c5ac6d0b4d2e4b3d8e0f3f66d1d5d9c41a6fc5a51f38d4f5d9a0d9e4b1")]
pub struct Hash(pub [u8; 32]);

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes)
            .map_err(|_| de::Error::custom("expected 64 hexadecimal digits"))?;
        Ok(Self(bytes))
    }
}

/// An instant in RFC 3339, UTC, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-21T10:30:00.000Z")]
pub struct Instant(pub i64);

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&rfc3339(self.0))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        chrono::DateTime::parse_from_rfc3339(&text)
            .map(|at| Self(at.timestamp_millis()))
            .map_err(|_| de::Error::custom("expected a time, as 2026-11-21T10:30:00Z"))
    }
}

/// One page of a list.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// In the order that the operation names.
    pub items: Vec<T>,
    /// Where the next page starts, as `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// On the first page, with `activities:read`: list to the end, and follow `GET /v1/events` from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub events_after: Option<String>,
}

impl<T> Page<Option<T>> {
    /// The page of what all its items hold.
    ///
    /// # Errors
    /// Where one holds nothing: `missing` says what that means.
    pub fn whole(self, missing: &'static str) -> Result<Page<T>, FlowError> {
        let Self { items, next, events_after } = self;
        let items: Option<Vec<T>> = items.into_iter().collect();
        let items = items.ok_or_else(|| FlowError::internal(missing))?;
        Ok(Page { items, next, events_after })
    }
}

impl<T, E> Page<Result<T, E>> {
    /// The page of what all its items hold.
    ///
    /// # Errors
    /// The first that an item holds instead.
    pub fn good(self) -> Result<Page<T>, E> {
        let Self { items, next, events_after } = self;
        let items: Result<Vec<T>, E> = items.into_iter().collect();
        Ok(Page { items: items?, next, events_after })
    }
}

/// The word that a value of one of our enums is stored and shown by.
#[must_use]
pub fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// A name of a party, device or grant: 1 to 200 characters, without control characters.
///
/// # Errors
/// A problem that names the field.
pub fn check_name(pointer: &str, name: &str) -> super::error::ApiResult<()> {
    use crate::domain::limits::NAME_CHARACTERS_MAX;
    let fits = !name.trim().is_empty()
        && name.chars().count() <= NAME_CHARACTERS_MAX
        && !name.chars().any(char::is_control);
    fits.then_some(()).ok_or_else(|| {
        let detail = format!(
            "At {pointer}: a name has 1 to {NAME_CHARACTERS_MAX} characters and no control characters."
        );
        super::error::ApiError::field(pointer, "name", detail)
    })
}

/// A reason in plain words: 1 to 1,000 characters, without NUL.
///
/// # Errors
/// A problem that names the field.
pub fn check_reason(pointer: &str, reason: &str) -> super::error::ApiResult<()> {
    use crate::domain::limits::REASON_CHARACTERS_MAX;
    let fits = !reason.trim().is_empty()
        && reason.chars().count() <= REASON_CHARACTERS_MAX
        && !reason.contains('\0');
    fits.then_some(()).ok_or_else(|| {
        let detail =
            format!("At {pointer}: a reason has 1 to {REASON_CHARACTERS_MAX} characters, without NUL.");
        super::error::ApiError::field(pointer, "reason", detail)
    })
}
