//! The guides: Markdown of `docs/guides`, compiled in, rendered when the first of them is asked for.

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::markdown::{Rendered, Samples, escape, render};

/// One guide.
#[derive(Debug)]
pub struct Guide {
    /// The last part of its address, and its file's name.
    pub name: &'static str,
    /// What it is good for, in one sentence.
    pub about: &'static str,
    /// Markdown: a title, one paragraph that leads in, sections.
    pub text: &'static str,
    samples: Samples,
}

/// Every guide, in the order to read them.
pub const GUIDES: &[Guide] = &[
    Guide {
        name: "first-activity",
        about: "Record something with curl, read it back, and see what the neighbourhood makes of it.",
        text: include_str!("../../../docs/guides/first-activity.md"),
        samples: Samples::Curl,
    },
    Guide {
        name: "offline-sync",
        about: "Build an app that records without signal, for hours or weeks, and loses nothing.",
        text: include_str!("../../../docs/guides/offline-sync.md"),
        samples: Samples::Http,
    },
    Guide {
        name: "reconcile",
        about: "Build a coordinator’s desk: cards, previews, decisions, and taking them back.",
        text: include_str!("../../../docs/guides/reconcile.md"),
        samples: Samples::Http,
    },
    Guide {
        name: "following-along",
        about: "Change records without an Automerge library, and keep a copy that never falls behind.",
        text: include_str!("../../../docs/guides/following-along.md"),
        samples: Samples::Http,
    },
    Guide {
        name: "document",
        about: "Every key of the daybook document, how it is read, and the bytes of a change.",
        text: include_str!("../../../docs/guides/document.md"),
        samples: Samples::Http,
    },
];

static RENDERED: LazyLock<Vec<Rendered>> =
    LazyLock::new(|| GUIDES.iter().map(|guide| render(guide.text, guide.samples)).collect());

static PAGES: LazyLock<Vec<String>> = LazyLock::new(|| (0..GUIDES.len()).map(whole).collect());

impl Guide {
    /// Where it is served.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/docs/guides/{}", self.name)
    }
}

/// The page of a guide.
pub(super) fn page(at: usize) -> &'static str {
    PAGES.get(at).map_or("", String::as_str)
}

fn whole(at: usize) -> String {
    let (guide, rendered) = (&GUIDES[at], &RENDERED[at]);
    let mut contents = String::new();
    for (id, title) in &rendered.sections {
        _ = writeln!(contents, "<li><a href=\"#{id}\">{title}</a></li>");
    }
    let mut others = String::new();
    for (step, label) in [(at.checked_sub(1), "Before"), (Some(at + 1), "Next")] {
        if let Some((guide, rendered)) = step.and_then(|at| Some((GUIDES.get(at)?, RENDERED.get(at)?))) {
            _ = writeln!(
                others,
                "<li><a href=\"{}\"><strong>{label}: {}</strong><span>{}</span></a></li>",
                guide.path(),
                rendered.title,
                escape(guide.about)
            );
        }
    }
    include_str!("guide.html")
        .replace("<!-- title -->", &rendered.title)
        .replace("<!-- about -->", &escape(guide.about))
        .replace("<!-- lead -->", &rendered.lead)
        .replace("<!-- contents -->", &contents)
        .replace("<!-- text -->", &rendered.body)
        .replace("<!-- others -->", &others)
}

/// The page that lists them.
pub(super) fn index() -> String {
    let mut list = String::new();
    for (guide, rendered) in GUIDES.iter().zip(RENDERED.iter()) {
        _ = writeln!(
            list,
            "<li><a href=\"{}\"><strong>{}</strong><span>{}</span></a></li>",
            guide.path(),
            rendered.title,
            escape(guide.about)
        );
    }
    include_str!("guides.html").replace("<!-- guides -->", &list)
}
