//! The pages for people: whole, linked, and loading nothing from anywhere else.

use axum::http::{Method, StatusCode};
use daybook::api::error::CODES;

use crate::support::{Backend, TestApp};

const PAGES: [&str; 4] = ["/", "/docs", "/docs/errors", "/join"];

async fn read(app: &TestApp, path: &str) -> String {
    let (status, headers, bytes) = app.raw(Method::GET, path, &[], "").await;
    assert_eq!(status, StatusCode::OK, "{path}");
    let policy = headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("script-src 'self'") && policy.contains("style-src 'self'"), "{path}: {policy}");
    assert!(!policy.contains("unsafe"), "{path}: {policy}");
    String::from_utf8(bytes).expect("text")
}

/// The values of an attribute, in their order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    page.split(begin.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_of_a_page_leads_somewhere() {
    let app = TestApp::start(Backend::Sqlite).await;
    for path in PAGES {
        let page = read(&app, path).await;
        for link in [values(&page, "href"), values(&page, "src")].concat() {
            let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
            // A link to another site is only ever followed by hand.
            if target.starts_with("https://") {
                assert!(page.contains(&format!("<a href=\"{link}\"")), "{path} loads {link}");
                continue;
            }
            let there = if target.is_empty() { page.clone() } else { read(&app, target).await };
            // Operations are put into the reference by its script.
            let operation = fragment.strip_prefix("op-").map(|id| format!("\"operationId\": \"{id}\""));
            let named = match operation {
                Some(named) => {
                    daybook::api::document().to_pretty_json().expect("a document").contains(&named)
                }
                None => fragment.is_empty() || values(&there, "id").contains(&fragment),
            };
            assert!(named, "{path} links to {link}, which is not there");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_nothing_that_the_content_policy_forbids() {
    let app = TestApp::start(Backend::Sqlite).await;
    for path in PAGES {
        let page = read(&app, path).await;
        assert!(!page.contains("<style") && values(&page, "style").is_empty(), "{path}: style of its own");
        assert!(!page.contains("<script>") && !page.contains(" onclick="), "{path}: script of its own");
        assert!(!page.contains("<form") && !page.contains("<iframe"), "{path}");
    }
    for asset in ["/pages/style.css", "/pages/docs.js", "/pages/join.js"] {
        let text = read(&app, asset).await;
        assert!(
            !text.contains("http://") && !text.contains("https://"),
            "{asset} reaches for something elsewhere"
        );
        assert!(!text.contains("innerHTML"), "{asset} puts text in as markup");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_what_keyboards_and_screen_readers_need() {
    let app = TestApp::start(Backend::Sqlite).await;
    for path in PAGES {
        let page = read(&app, path).await;
        for part in [
            "<html lang=\"en-GB\">",
            "<title>",
            "name=\"viewport\"",
            "<a class=\"skip\" href=\"#main\">",
            "<main id=\"main\">",
            "<nav aria-label",
        ] {
            assert!(page.contains(part), "{path} has no {part}");
        }
        assert_eq!(page.matches("<h1>").count(), 1, "{path}");
        let mut ids = values(&page, "id");
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "{path}: an id stands twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_has_its_place_on_the_page_of_errors() {
    let app = TestApp::start(Backend::Sqlite).await;
    let page = read(&app, "/docs/errors").await;
    for code in CODES {
        assert!(page.contains(&format!(" id=\"{}\"", code.code)), "{}", code.code);
        assert!(page.contains(code.advice), "{}", code.code);
    }
}
