//! The fields of every answer that browsers look at (CORS).

use std::collections::BTreeSet;

use axum::http::{HeaderMap, Method};

use super::operation::operations;
use super::world::World;
use crate::support::both;

/// What a script on another origin may read.
const EXPOSED: [&str; 10] = [
    "content-range",
    "daybook-cursor",
    "dpop-nonce",
    "etag",
    "link",
    "location",
    "ratelimit",
    "retry-after",
    "www-authenticate",
    "x-request-id",
];
/// What a script on another origin may send.
const ALLOWED: [&str; 9] = [
    "authorization",
    "content-encoding",
    "content-type",
    "dpop",
    "if-match",
    "if-none-match",
    "if-range",
    "last-event-id",
    "range",
];

fn listed(headers: &HeaderMap, name: &str) -> BTreeSet<String> {
    let text = headers[name].to_str().expect("text").to_ascii_lowercase();
    text.split(',').map(|one| one.trim().to_owned()).collect()
}

both! {
    async fn a_script_of_any_origin_may_call_and_read_every_operation(app: TestApp) {
        let world = World::of(app).await;
        for operation in operations() {
            let id = &operation.id;
            let path = operation.filled(|before, name| world.in_path(before, name));
            let origin = ("origin", "https://app.example");
            let method = operation.method.as_str();
            let asked = [origin, ("access-control-request-method", method), ("access-control-request-headers", "authorization,dpop,if-match")];
            let (status, headers, _) = world.app.raw(Method::OPTIONS, &path, &asked, "").await;
            assert_eq!((status.as_u16(), headers["access-control-allow-origin"].as_bytes()), (200, b"*".as_slice()), "{id}");
            assert!(listed(&headers, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{id}");
            assert_eq!(listed(&headers, "access-control-allow-headers"), ALLOWED.map(str::to_owned).into(), "{id}");
            assert!(!headers.contains_key("access-control-allow-credentials"), "{id}");
            // Good or refused, the answer can be read, and who caches it knows that nobody may.
            let (_, headers, _) = world.app.raw(operation.method.clone(), &path, &[origin], "").await;
            assert_eq!(headers["access-control-allow-origin"], "*", "{id}");
            assert_eq!(listed(&headers, "access-control-expose-headers"), EXPOSED.map(str::to_owned).into(), "{id}");
            assert!(operation.is_public() || headers["cache-control"] == "no-store", "{id}");
        }
    }
}
