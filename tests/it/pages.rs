//! The pages for people: whole, linked, and loading nothing from anywhere else.

use axum::http::{Method, StatusCode};
use daybook::api::error::CODES;
use daybook::api::pages::GUIDES;

use crate::support::{Backend, TestApp};

/// Every page there is.
fn pages() -> Vec<String> {
    let fixed = ["/", "/docs", "/docs/errors", "/docs/guides", "/join"].map(str::to_owned);
    fixed.into_iter().chain(GUIDES.iter().map(daybook::api::pages::Guide::path)).collect()
}

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

/// The elements of a name, each from its name on to the end of its first tag.
fn tags<'a>(page: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("<{name}");
    let all = page.split(begin.as_str()).skip(1).filter(|rest| rest.starts_with([' ', '>']));
    all.filter_map(|rest| rest.split('>').next()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_of_a_page_leads_somewhere() {
    let app = TestApp::start(Backend::Sqlite).await;
    let document = daybook::api::document().to_pretty_json().expect("a document");
    let mut checked = 0;
    for path in pages() {
        let page = read(&app, &path).await;
        for link in [values(&page, "href"), values(&page, "src")].concat() {
            let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
            checked += 1;
            // A link to another site is only ever followed by hand.
            if target.starts_with("https://") {
                assert!(page.contains(&format!("<a href=\"{link}\"")), "{path} loads {link}");
                continue;
            }
            let there = if target.is_empty() { page.clone() } else { read(&app, target).await };
            // Operations are put into the reference by its script.
            let named = match fragment.strip_prefix("op-") {
                Some(id) => document.contains(&format!("\"operationId\": \"{id}\"")),
                None => fragment.is_empty() || values(&there, "id").contains(&fragment),
            };
            assert!(named, "{path} links to {link}, which is not there");
        }
    }
    assert!(checked > 200, "only {checked} links");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_guide_is_linked_from_the_first_page_the_reference_and_the_list() {
    let app = TestApp::start(Backend::Sqlite).await;
    let (first, reference, list) =
        (read(&app, "/").await, read(&app, "/docs").await, read(&app, "/docs/guides").await);
    assert!(values(&first, "href").contains(&"/docs/guides"));
    for guide in GUIDES {
        let path = guide.path();
        for page in [&reference, &list] {
            assert!(values(page, "href").contains(&path.as_str()), "{path}");
        }
        let page = read(&app, &path).await;
        assert!(!page.contains("<!-- "), "{path} has a place that nothing was put into");
        assert!(tags(&page, "h2").len() > 3 && tags(&page, "pre").len() > 3, "{path} says little");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_nothing_that_the_content_policy_forbids() {
    let app = TestApp::start(Backend::Sqlite).await;
    for path in pages() {
        let page = read(&app, &path).await;
        assert!(!page.contains("<style") && values(&page, "style").is_empty(), "{path}: style of its own");
        assert!(!page.contains("<script>") && !page.contains(" onclick="), "{path}: script of its own");
        assert!(!page.contains("<form") && !page.contains("<iframe"), "{path}");
    }
    for asset in ["/pages/style.css", "/pages/docs.js", "/pages/guide.js", "/pages/join.js"] {
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
    for path in pages() {
        let page = read(&app, &path).await;
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
        // What scrolls sideways can be reached and scrolled by keyboard, and says what it is.
        for tag in tags(&page, "pre") {
            assert!(tag.contains("tabindex=\"0\"") && tag.contains("aria-label=\""), "{path}: <pre{tag}>");
        }
        assert_eq!(
            tags(&page, "table").len(),
            values(&page, "class").iter().filter(|c| **c == "table").count()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headings_skip_no_level() {
    let app = TestApp::start(Backend::Sqlite).await;
    for path in pages() {
        let page = read(&app, &path).await;
        // The contents of a page stand in a list beside it.
        let main = page.split("<main id=\"main\">").nth(1).expect("a main part");
        let levels = main
            .match_indices("<h")
            .filter_map(|(at, _)| main[at + 2..].chars().next().and_then(|level| level.to_digit(10)));
        let mut last = 0;
        for level in levels {
            assert!(level <= last + 1, "{path}: a heading of level {level} follows one of {last}");
            last = level;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_has_its_place_on_the_page_of_errors() {
    let app = TestApp::start(Backend::Sqlite).await;
    let page = read(&app, "/docs/errors").await;
    for code in CODES {
        assert!(page.contains(&format!(" id=\"{}\"", code.code)), "{}", code.code);
        assert!(page.contains(code.advice), "{}", code.code);
        // Advice says what to do, in a sentence or more.
        let words = code.advice.split_whitespace().count();
        assert!(words >= 8 && code.advice.ends_with('.'), "{}: {}", code.code, code.advice);
    }
}
