//! What every request passes through: a request id, a log line without personal data, problems instead of
//! the framework's own errors, the next DPoP nonce, headers for browsers.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::error::{self, ApiError};
use super::extract::{DPOP, DPOP_NONCE};
use crate::app::{App, REQUEST};
use crate::auth::nonce::nonce_make;

/// Names a request in the answer, in problems and in the log.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest request id taken over from a proxy.
const REQUEST_ID_CHARACTERS_MAX: usize = 64;

/// Gives the request an id, counts it, and logs how it went, in the trace that the caller names: method, route pattern, status, time. Never a path with ids,
/// a query, a header or a body.
pub async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id: Arc<str> = request_id(request.headers()).unwrap_or_else(|| app.uuid().to_string()).into();
    let method = request.method().clone();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let mut counted = app.metrics().http.request(method.as_str(), route);
    let started = Instant::now();
    let trace_id = trace_id(request.headers());
    // An error is logged with its request under any filter.
    let span = tracing::error_span!("request", request_id = %id, route, neighbourhood = Empty, trace_id);
    let answered = REQUEST.scope(Arc::clone(&id), next.run(request)).instrument(span.clone()).await;
    let mut response = answered;
    counted.answered(response.status().as_u16());
    if let Some(code) = response.extensions().get::<error::Code>() {
        app.metrics().http.problem(code.code);
    }
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        tracing::info!(%method, status = response.status().as_u16(), micros, "answered");
    });
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

fn request_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(&REQUEST_ID)?.to_str().ok()?;
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    (plain && !text.is_empty() && text.len() <= REQUEST_ID_CHARACTERS_MAX).then(|| text.to_owned())
}

/// The trace that a `traceparent` names (W3C Trace Context), if there is exactly one and it is well-formed. Later
/// versions than ours may add to its end.
fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all("traceparent").iter();
    let (text, None) = (all.next()?.to_str().ok()?, all.next()) else { return None };
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    let [version, trace, parent, flags, rest @ ..] = parts.as_slice() else { return None };
    let hex = |part: &str, digits: usize| {
        part.len() == digits && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let named = |part: &str, digits: usize| hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let known = hex(version, 2) && *version != "ff" && (*version != "00" || rest.is_empty());
    (known && named(trace, 32) && named(parent, 16) && hex(flags, 2)).then(|| (*trace).to_owned())
}

/// Turns what the framework refuses by itself into problems.
pub async fn problems(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let ours = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        let kind = kind.as_bytes();
        kind.starts_with(b"application/problem+json") || kind.starts_with(b"application/json")
    });
    if ours {
        return response;
    }
    let code = match response.status() {
        StatusCode::NOT_FOUND => error::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED => error::METHOD_NOT_ALLOWED,
        StatusCode::PAYLOAD_TOO_LARGE => error::BODY_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => error::MEDIA_TYPE_UNSUPPORTED,
        StatusCode::BAD_REQUEST => error::QUERY_INVALID,
        StatusCode::INTERNAL_SERVER_ERROR => error::INTERNAL,
        _ => return response,
    };
    let allow = response.headers().get(axum::http::header::ALLOW).cloned();
    let mut problem = detailed(code).into_response();
    if let Some(allow) = allow {
        problem.headers_mut().insert(axum::http::header::ALLOW, allow);
    }
    problem
}

fn detailed(code: error::Code) -> ApiError {
    match code {
        error::BODY_TOO_LARGE => super::body::too_large(),
        error::NOT_FOUND => ApiError::new(
            code,
            "There is no such address: /v1/openapi.json lists them all, and none ends in a slash.",
        ),
        code => code.into(),
    }
}

/// A handler that panics answers as a problem.
pub fn panicked(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a handler panicked");
    ApiError::from(error::INTERNAL).into_response()
}

/// Every good answer to a phone carries the nonce of its next proof.
pub async fn next_nonce(State(app): State<App>, request: Request, next: Next) -> Response {
    let proved = request.headers().contains_key(&DPOP);
    let mut response = next.run(request).await;
    if proved
        && response.status().is_success()
        && let Ok(nonce) = nonce_make(&app.keys(), app.now_ms())
        && let Ok(value) = HeaderValue::from_str(&nonce)
    {
        response.headers_mut().insert(DPOP_NONCE, value);
    }
    response
}

/// Headers that tell browsers and caches to be careful.
pub async fn careful(request: Request, next: Next) -> Response {
    let personal = request.uri().path().starts_with("/v1/") || request.uri().path().starts_with("/oauth/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        (
            "content-security-policy",
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ),
    ];
    for (name, value) in fixed {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    if personal {
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn read(text: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", text.parse().expect("a value"));
        trace_id(&headers)
    }

    #[test]
    fn a_trace_is_taken_from_a_well_formed_parent_alone() {
        for good in [format!("00-{TRACE}-{PARENT}-01"), format!("cc-{TRACE}-{PARENT}-01-what-comes")] {
            assert_eq!(read(&good).as_deref(), Some(TRACE), "{good}");
        }
        let zeros = "0".repeat(32);
        let wrong = [
            String::new(),
            TRACE.to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}x-{PARENT}-01"),
        ];
        for text in wrong {
            assert_eq!(read(&text), None, "{text}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append("traceparent", format!("00-{TRACE}-{PARENT}-01").parse().expect("a value"));
        }
        assert_eq!(trace_id(&twice), None);
    }
}
