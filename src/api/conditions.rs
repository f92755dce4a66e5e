//! Changes that say what they are of: entity tags name revisions, and `If-Match` the one that was seen.

use axum::http::header::{ETAG, IF_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::error::{ApiError, ApiResult, PRECONDITION_FAILED, PRECONDITION_REQUIRED};
use crate::flows::Conditional;

/// An object with its `ETag`.
pub type Tagged<V> = ([(HeaderName, String); 1], axum::Json<V>);

/// The entity tag of a revision.
pub fn tag(revision: i64) -> String {
    format!("\"{revision}\"")
}

/// Whether an `If-Match` names a tag.
pub fn names_tag(expected: &HeaderValue, tag: &str) -> bool {
    let named = |text: &str| text.split(',').any(|one| one.trim() == "*" || one.trim() == tag);
    expected.to_str().is_ok_and(named)
}

/// Whether a request is of a revision; nothing where it does not say what was seen.
pub fn saw(headers: &HeaderMap, revision: i64) -> Option<bool> {
    headers.get(IF_MATCH).map(|expected| names_tag(expected, &tag(revision)))
}

/// The object that a change is about, and whether it is as asked.
///
/// # Errors
/// 428 for a change that does not say what was seen.
pub fn object<T>(change: Conditional<T>) -> ApiResult<(T, bool)> {
    match change {
        Conditional::Done(object) => Ok((object, true)),
        Conditional::Changed(object) => Ok((object, false)),
        Conditional::Unconditional => Err(PRECONDITION_REQUIRED.into()),
    }
}

/// What a change answers with: the object as it is now.
///
/// # Errors
/// 412 with it, where it is not as asked.
pub fn answer<V: Serialize>(view: V, etag: String, done: bool) -> ApiResult<Tagged<V>> {
    if done {
        return Ok(([(ETAG, etag)], axum::Json(view)));
    }
    Err(ApiError::from(PRECONDITION_FAILED).present(&view).header(ETAG, &etag))
}
