//! Pages for people: what this is, the reference, the guides. They need no network beyond this server.

mod example;
mod files;
mod guides;
mod markdown;

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use super::error::CODES;
use crate::app::App;

pub use example::{Answer, Example, Request, variables};
pub use files::FILES;
pub use guides::{GUIDES, Guide};

/// How long a browser may keep style and scripts: short, since they change with the program.
const ASSET_CACHE: &str = "public, max-age=300";

/// The pages; they are not part of the API.
pub fn routes() -> Router<App> {
    let css = "text/css; charset=utf-8";
    let js = "text/javascript; charset=utf-8";
    let pages = Router::new()
        .route("/", page(include_str!("index.html")))
        .route("/docs", here(include_str!("docs.html")))
        .route("/docs/errors", get(|| async { Html(errors()) }))
        .route("/docs/guides", get(|| async { Html(guides::index()) }))
        .route("/join", page(include_str!("join.html")))
        .route("/pages/style.css", asset(css, include_str!("style.css")))
        .route("/pages/docs.js", asset(js, include_str!("docs.js")))
        .route("/pages/guide.js", asset(js, include_str!("guide.js")))
        .route("/pages/join.js", asset(js, include_str!("join.js")))
        .route("/pages/icon.svg", asset("image/svg+xml", include_str!("icon.svg")))
        .merge(files::routes());
    GUIDES
        .iter()
        .enumerate()
        .fold(pages, |pages, (at, guide)| pages.route(&guide.path(), here(guides::page(at))))
}

fn page(text: &'static str) -> axum::routing::MethodRouter<App> {
    get(move || async move { Html(text) })
}

/// A page that names this server: at the address that clients reach it by.
fn here(text: &'static str) -> axum::routing::MethodRouter<App> {
    get(async move |State(app): State<App>| Html(text.replace(markdown::HERE, app.public_url())))
}

fn asset(kind: &'static str, text: &'static str) -> axum::routing::MethodRouter<App> {
    get(move || async move { ([(CONTENT_TYPE, kind), (CACHE_CONTROL, ASSET_CACHE)], text).into_response() })
}

/// One section a code, from the table that the server answers with.
fn errors() -> String {
    let (mut links, mut sections) = (String::new(), String::new());
    for code in CODES {
        let (name, status, title) = (code.code, code.status, code.title);
        _ = writeln!(
            links,
            "<li><a href=\"#{name}\"><code>{name}</code></a> <span class=\"status\">{status}</span></li>"
        );
        _ = writeln!(
            sections,
            "<section class=\"code\" id=\"{name}\" aria-labelledby=\"{name}-title\">\n\
             <h2 id=\"{name}-title\">{title}</h2>\n\
             <p><code>{name}</code> <span class=\"status\">{status}</span></p>\n<p>{}</p>\n</section>",
            code.advice
        );
    }
    include_str!("errors.html")
        .replace("<!-- contents -->", &format!("<ul class=\"codes\">\n{links}</ul>"))
        .replace("<!-- sections -->", &sections)
}
