//! Operations that will go away, in one table: marked in the document, and told in their answers (RFC 9745, RFC 8594).

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use utoipa::openapi::path::Operation;
use utoipa::openapi::{Deprecated, OpenApi};

/// One of them.
#[derive(Debug, Clone, Copy)]
pub struct Leaving {
    pub operation: &'static str,
    /// Since when it is deprecated, in seconds since 1970.
    pub since_s: i64,
    /// From when it may not be there any more.
    pub sunset_s: Option<i64>,
    /// A page that says what to call instead.
    pub page: &'static str,
}

/// All of them: none today.
pub const LEAVING: &[Leaving] = &[];

/// Marks an operation of the document.
pub fn mark(table: &[Leaving], operation: &mut Operation) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    if table.iter().any(|leaving| leaving.operation == id) {
        operation.deprecated = Some(Deprecated::True);
    }
}

/// What is told, by method and route.
#[derive(Debug, Clone, Default)]
pub struct Notices(HashMap<(Method, String), HeaderMap>);

impl Notices {
    /// Those of a table, with the routes that a document gives its operations.
    #[must_use]
    pub fn of(table: &[Leaving], document: &OpenApi) -> Self {
        let mut notices = HashMap::new();
        for (path, item) in &document.paths.paths {
            let all = [
                (Method::GET, &item.get),
                (Method::PUT, &item.put),
                (Method::POST, &item.post),
                (Method::DELETE, &item.delete),
                (Method::PATCH, &item.patch),
            ];
            for (method, operation) in all {
                let id = operation.as_ref().and_then(|operation| operation.operation_id.as_deref());
                let leaving = table.iter().find(|leaving| id == Some(leaving.operation));
                if let Some(leaving) = leaving {
                    notices.insert((method, path.clone()), leaving.fields());
                }
            }
        }
        Self(notices)
    }

    /// Whether there is nothing to tell.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Leaving {
    fn fields(&self) -> HeaderMap {
        let date = |at_s: i64| chrono::DateTime::from_timestamp(at_s, 0);
        let sunset =
            self.sunset_s.and_then(date).map(|at| at.format("%a, %d %b %Y %H:%M:%S GMT").to_string());
        let link = format!("<{}>; rel=\"deprecation\"; type=\"text/html\"", self.page);
        let fields = [
            (HeaderName::from_static("deprecation"), Some(format!("@{}", self.since_s))),
            (HeaderName::from_static("sunset"), sunset),
            (LINK, Some(link)),
        ];
        let valued =
            |(name, text): (HeaderName, Option<String>)| Some((name, HeaderValue::try_from(text?).ok()?));
        fields.into_iter().filter_map(valued).collect()
    }
}

/// Adds to an answer what there is to tell of its operation.
pub async fn tell(State(notices): State<Arc<Notices>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let key = route.map(|route| (request.method().clone(), route));
    let mut response = next.run(request).await;
    if let Some(fields) = key.and_then(|key| notices.0.get(&key)) {
        for (name, value) in fields {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}
