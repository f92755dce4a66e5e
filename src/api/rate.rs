//! What a grant may still push, in the answers to what it pushes: `RateLimit` and `RateLimit-Policy`
//! (draft-ietf-httpapi-ratelimit-headers).

use std::sync::PoisonError;

use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse as _, Response};

use super::error::ApiResult;
use crate::app::App;
use crate::domain::ids::GrantId;
use crate::domain::limits::{GRANT_BYTES_BURST, GRANT_BYTES_PER_HOUR};

/// What is left.
pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Out of how much.
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// In which an empty budget is full again.
const WINDOW_S: u64 = GRANT_BYTES_BURST * 3_600 / GRANT_BYTES_PER_HOUR;

/// Tells in an answer, good or not, what its grant may still push here, and in how many seconds it is all there again.
pub fn told(app: &App, grant: GrantId, answered: ApiResult<Response>) -> Response {
    let mut response = answered.into_response();
    let budget = app.budget(grant);
    let (left, full_in_s) = budget.lock().unwrap_or_else(PoisonError::into_inner).remaining(app.now_ms());
    let policy = format!("\"push\";q={GRANT_BYTES_BURST};w={WINDOW_S};qu=\"content-bytes\"");
    let limit = format!("\"push\";r={left};t={full_in_s}");
    for (name, text) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
