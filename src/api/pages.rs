//! Pages for people: what this is, and the reference. They need no network beyond this server.

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use super::error::CODES;
use crate::app::App;

/// How long a browser may keep style and scripts: short, since they change with the program.
const ASSET_CACHE: &str = "public, max-age=300";

/// The pages; they are not part of the API.
pub fn routes() -> Router<App> {
    let css = "text/css; charset=utf-8";
    let js = "text/javascript; charset=utf-8";
    Router::new()
        .route("/", page(include_str!("pages/index.html")))
        .route("/docs", page(include_str!("pages/docs.html")))
        .route("/docs/errors", get(|| async { Html(errors()) }))
        .route("/join", page(include_str!("pages/join.html")))
        .route("/pages/style.css", asset(css, include_str!("pages/style.css")))
        .route("/pages/docs.js", asset(js, include_str!("pages/docs.js")))
        .route("/pages/join.js", asset(js, include_str!("pages/join.js")))
        .route("/pages/icon.svg", asset("image/svg+xml", include_str!("pages/icon.svg")))
}

fn page(text: &'static str) -> axum::routing::MethodRouter<App> {
    get(move || async move { Html(text) })
}

fn asset(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<App> {
    get(move || async move { ([(CONTENT_TYPE, kind), (CACHE_CONTROL, ASSET_CACHE)], text).into_response() })
}

/// One section a code, from the table that the server answers with.
fn errors() -> String {
    let links: String = CODES
        .iter()
        .map(|code| {
            format!(
                "<li><a href=\"#{0}\"><code>{0}</code></a> <span class=\"status\">{1}</span></li>\n",
                code.code, code.status
            )
        })
        .collect();
    let sections: String = CODES
        .iter()
        .map(|code| {
            format!(
                "<section class=\"code\" id=\"{0}\" aria-labelledby=\"{0}-title\">\n\
                 <h2 id=\"{0}-title\">{2}</h2>\n\
                 <p><code>{0}</code> <span class=\"status\">{1}</span></p>\n<p>{3}</p>\n</section>\n",
                code.code, code.status, code.title, code.advice
            )
        })
        .collect();
    include_str!("pages/errors.html")
        .replace("<!-- contents -->", &format!("<ul class=\"codes\">\n{links}</ul>"))
        .replace("<!-- sections -->", &sections)
}
