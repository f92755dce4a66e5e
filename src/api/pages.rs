//! Pages for people: what this is, and the reference. They need no network beyond this server.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use crate::app::App;

/// The pages; they are not part of the API.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/", get(|| async { Html(include_str!("pages/index.html")) }))
        .route("/docs", get(|| async { Html(include_str!("pages/docs.html")) }))
        .route("/docs/errors", get(|| async { Html(errors()) }))
        .route("/join", get(|| async { Html(include_str!("pages/join.html")) }))
        .route("/pages/style.css", get(|| asset("text/css; charset=utf-8", include_str!("pages/style.css"))))
        .route("/pages/docs.js", get(|| asset("text/javascript; charset=utf-8", include_str!("pages/docs.js"))))
}

async fn asset(kind: &'static str, text: &'static str) -> impl IntoResponse {
    ([(CONTENT_TYPE, kind)], text)
}

/// One section a code, from the table that the server answers with.
fn errors() -> String {
    let sections: String = super::error::CODES
        .iter()
        .map(|code| {
            format!(
                "<section id=\"{0}\"><h2><code>{0}</code></h2><p><strong>{1} {2}.</strong></p><p>{3}</p></section>\n",
                code.code, code.status, code.title, code.advice
            )
        })
        .collect();
    include_str!("pages/errors.html").replace("<!-- sections -->", &sections)
}
