//! Request bodies: JSON everywhere, CBOR where a route takes it; anything wrong answers with a problem that
//! names the field.

use axum::extract::{FromRequest, Request};
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{ApiError, BODY_TOO_LARGE, BODY_UNREADABLE, ENCODING_UNREADABLE, MEDIA_TYPE_UNSUPPORTED};
use super::plain;
use super::shaped::Shaped;
use crate::domain::limits::{BODY_BYTES_MAX, BODY_INFLATED_BYTES_MAX};

/// A body in JSON.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A body in JSON or CBOR, and the form that the answer takes.
#[derive(Debug)]
pub struct JsonOrCbor<T> {
    pub body: T,
    pub answer: Form,
}

/// The two forms of one schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Cbor,
}

impl Form {
    fn of_body(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match text.split(';').next()?.trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(Self::Json),
            "application/cbor" => Some(Self::Cbor),
            _ => None,
        }
    }

    /// What `Accept` asks for; without a wish the form of the body.
    fn of_answer(headers: &HeaderMap, body: Self) -> Self {
        let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        match (accept.contains("application/cbor"), accept.contains("application/json")) {
            (true, false) => Self::Cbor,
            (false, true) => Self::Json,
            _ => body,
        }
    }

    /// Reads a body of this form.
    ///
    /// # Errors
    /// A problem that names the field where one cannot be read.
    pub fn parse<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T, ApiError> {
        match self {
            Self::Json => parse_json(bytes),
            Self::Cbor => parse_cbor(bytes),
        }
    }

    /// An answer of this form.
    pub fn respond<T: Serialize>(self, value: &T) -> Response {
        let (bytes, kind) = match self {
            Self::Json => (serde_json::to_vec(value).ok(), "application/json"),
            Self::Cbor => (cbor4ii::serde::to_vec(Vec::new(), value).ok(), "application/cbor"),
        };
        let Some(bytes) = bytes else { return ApiError::from(super::error::INTERNAL).into_response() };
        ([(CONTENT_TYPE, HeaderValue::from_static(kind))], bytes).into_response()
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        if Form::of_body(request.headers()) != Some(Form::Json) {
            return Err(MEDIA_TYPE_UNSUPPORTED.into());
        }
        parse_json(&read(request).await?).map(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonOrCbor<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let Some(form) = Form::of_body(request.headers()) else {
            return Err(MEDIA_TYPE_UNSUPPORTED.into());
        };
        let answer = Form::of_answer(request.headers(), form);
        let bytes = read(request).await?;
        Ok(Self { body: form.parse(&bytes)?, answer })
    }
}

/// Reads a body whole, within the limit of what is sent and of what it inflates to.
async fn read(request: Request) -> Result<axum::body::Bytes, ApiError> {
    let body = axum::body::to_bytes(request.into_body(), BODY_INFLATED_BYTES_MAX).await;
    body.map_err(|error| {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = source {
            if error.is::<http_body_util::LengthLimitError>() {
                return too_large();
            }
            source = error.source();
        }
        ENCODING_UNREADABLE.into()
    })
}

/// The problem that names both limits of a body.
pub fn too_large() -> ApiError {
    ApiError::new(
        BODY_TOO_LARGE,
        format!(
            "A body may have {BODY_BYTES_MAX} bytes as sent and {BODY_INFLATED_BYTES_MAX} bytes inflated; send it in parts."
        ),
    )
}

fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Shaped(&mut deserializer)).map_err(|error| {
        let path = pointer(error.path());
        let inner = error.into_inner();
        if inner.is_data() { field_error(path, &inner.to_string()) } else { unreadable(&inner.to_string()) }
    })?;
    deserializer.end().map_err(|error| unreadable(&error.to_string()))?;
    Ok(value)
}

fn parse_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    use cbor4ii::core::error::DecodeError as Core;
    use cbor4ii::serde::DecodeError;
    if !is_one_cbor_item(bytes) {
        return Err(unreadable("it is not one item of CBOR"));
    }
    let reader = cbor4ii::core::utils::SliceReader::new(bytes);
    let mut deserializer = cbor4ii::serde::Deserializer::new(reader);
    serde_path_to_error::deserialize(Shaped(&mut deserializer)).map_err(|error| {
        let path = pointer(error.path());
        match error.into_inner() {
            DecodeError::Core(Core::Mismatch { name, .. } | Core::Unsupported { name, .. }) => {
                field_error(path, &format!("invalid type: expected {name}"))
            }
            DecodeError::Core(error) => field_error(path, &error.to_string()),
            DecodeError::Custom(text) => field_error(path, &text),
        }
    })
}

/// Whether the bytes are well-formed CBOR, and nothing follows.
fn is_one_cbor_item(bytes: &[u8]) -> bool {
    use cbor4ii::core::dec::Read as _;
    let mut deserializer = cbor4ii::serde::Deserializer::new(cbor4ii::core::utils::SliceReader::new(bytes));
    let item: Result<serde::de::IgnoredAny, _> = serde::Deserialize::deserialize(&mut deserializer);
    let mut rest = deserializer.into_inner();
    item.is_ok() && rest.fill(1).is_ok_and(|rest| rest.as_ref().is_empty())
}

fn unreadable(text: &str) -> ApiError {
    ApiError::new(BODY_UNREADABLE, format!("The body cannot be read: {text}. Send it whole and well-formed."))
}

fn field_error(pointer: String, text: &str) -> ApiError {
    let code = if text.contains("unknown field") {
        "unknown_field"
    } else if text.contains("missing field") {
        "missing_field"
    } else if text.contains("invalid type") {
        "wrong_type"
    } else {
        "invalid"
    };
    let at = if pointer.is_empty() { "the body" } else { &pointer };
    let detail = format!("At {at}: {}.", plain::words(text));
    ApiError::field(pointer, code, detail)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            Segment::Seq { index } => text.push_str(&index.to_string()),
            Segment::Map { key } => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => text.push_str(variant),
            Segment::Unknown => text.push('?'),
        }
    }
    text
}
