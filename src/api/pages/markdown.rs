//! From Markdown to the HTML of a guide: headings that can be linked to, code that keyboards can scroll, examples
//! as HTTP and as curl. What Markdown calls raw HTML is shown as text: the guides hold none.

use pulldown_cmark::{CodeBlockKind, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

use super::example::{Answer, Example, Request};

/// What the guides call this server; a script puts its real address there.
/// The address that stands in the pages for that of the server.
pub(super) const HERE: &str = "http://localhost:8080";

/// How the requests of a guide are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// As HTTP, with curl in a fold.
    Http,
    /// As curl.
    Curl,
}

/// A guide as HTML.
#[derive(Debug)]
pub(super) struct Rendered {
    pub title: String,
    /// The first paragraph, without its tags.
    pub lead: String,
    /// Everything after it.
    pub body: String,
    /// Id and title of each section.
    pub sections: Vec<(String, String)>,
}

/// Renders a guide.
pub(super) fn render(text: &str, samples: Samples) -> Rendered {
    let options = Options::ENABLE_TABLES | Options::ENABLE_SMART_PUNCTUATION;
    let mut events = Parser::new_ext(text, options);
    let mut page = Page { samples, ..Page::default() };
    while let Some(event) = events.next() {
        page.take(event, &mut events);
    }
    let mut body = String::new();
    html::push_html(&mut body, page.body.into_iter());
    Rendered { title: page.title, lead: page.lead, body, sections: page.sections }
}

/// Text as it stands in HTML, between tags or in an attribute.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

struct Page<'a> {
    samples: Samples,
    title: String,
    lead: String,
    sections: Vec<(String, String)>,
    /// The title of the last heading: what a table or a piece of code below it is about.
    under: String,
    /// Titles of the columns of the table that is being read, whether its head is behind, and which cell is next.
    columns: Vec<String>,
    in_body: bool,
    cell: usize,
    body: Vec<Event<'a>>,
}

impl Default for Page<'_> {
    fn default() -> Self {
        Self {
            samples: Samples::Http,
            title: String::new(),
            lead: String::new(),
            sections: Vec::new(),
            under: String::new(),
            columns: Vec::new(),
            in_body: false,
            cell: 0,
            body: Vec::new(),
        }
    }
}

impl<'a> Page<'a> {
    fn html(&mut self, text: impl Into<CowStr<'a>>) {
        self.body.push(Event::Html(text.into()));
    }

    fn take(&mut self, event: Event<'a>, rest: &mut Parser<'a>) {
        match event {
            Event::Start(Tag::Heading { level, .. }) => self.heading(level, &until(rest, is_heading)),
            Event::Start(Tag::Paragraph) if self.lead.is_empty() => {
                self.lead = markup(until(rest, |end| *end == TagEnd::Paragraph));
            }
            Event::Start(Tag::CodeBlock(kind)) => {
                let code = plain(&until(rest, |end| *end == TagEnd::CodeBlock));
                let shown = self.code(&kind, &code);
                self.html(shown);
            }
            Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow | Tag::TableCell)
            | Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell) => {
                self.table(&event, rest);
            }
            Event::Start(Tag::BlockQuote(_)) => self.html("<div class=\"note\">\n"),
            Event::End(TagEnd::BlockQuote(_)) => self.html("</div>\n"),
            Event::Html(text) | Event::InlineHtml(text) => self.body.push(Event::Text(text)),
            other => self.body.push(other),
        }
    }

    /// Tables with their roles written out: on a phone their rows are shown as blocks, and stay rows for who listens.
    fn table(&mut self, event: &Event<'a>, rest: &mut Parser<'a>) {
        match event {
            Event::Start(Tag::Table(_)) => {
                self.columns.clear();
                let label = format!("Table: {}", self.under);
                self.html(format!(
                    "<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\"><table role=\"table\">\n"
                ));
            }
            Event::Start(Tag::TableHead) => self.html("<thead role=\"rowgroup\"><tr role=\"row\">"),
            Event::Start(Tag::TableRow) => {
                self.cell = 0;
                self.html("<tr role=\"row\">");
            }
            Event::Start(Tag::TableCell) => {
                let inside = until(rest, |end| *end == TagEnd::TableCell);
                self.table_cell(inside);
            }
            Event::End(TagEnd::TableHead) => {
                self.in_body = true;
                self.html("</tr></thead><tbody role=\"rowgroup\">\n");
            }
            Event::End(TagEnd::TableRow) => self.html("</tr>\n"),
            Event::End(TagEnd::Table) => {
                self.in_body = false;
                self.html("</tbody></table></div>\n");
            }
            _ => {}
        }
    }

    fn table_cell(&mut self, inside: Vec<Event<'a>>) {
        if !self.in_body {
            self.columns.push(escape(&plain(&inside)));
            self.html(format!("<th role=\"columnheader\" scope=\"col\">{}</th>", markup(inside)));
            return;
        }
        // What the first column holds needs no name.
        let label = match self.columns.get(self.cell).filter(|_| self.cell > 0) {
            Some(column) => format!(" data-label=\"{column}\""),
            None => String::new(),
        };
        self.cell += 1;
        self.html(format!("<td role=\"cell\"{label}>{}</td>", markup(inside)));
    }

    fn heading(&mut self, level: HeadingLevel, inside: &[Event<'a>]) {
        let (title, id) = (markup(inside.to_vec()), slug(&plain(inside)));
        self.under = escape(&plain(inside));
        if level == HeadingLevel::H1 {
            self.title = title;
            return;
        }
        self.html(format!("<{level} id=\"{id}\">{title}</{level}>\n"));
        if level == HeadingLevel::H2 {
            self.sections.push((id, title));
        }
    }

    fn code(&self, kind: &CodeBlockKind<'_>, code: &str) -> String {
        let language = match kind {
            CodeBlockKind::Fenced(language) => language,
            CodeBlockKind::Indented => "",
        };
        match (language, Example::parse(code)) {
            ("http", Ok(Example::Request(request))) => self.request(&request),
            ("http", Ok(Example::Answer(answer))) => answered(&answer),
            ("sh", _) => {
                let here = format!("<span data-origin>{HERE}</span>");
                let code = escape(code.trim_end()).replace(HERE, &here);
                format!("<div class=\"sample\">{}</div>\n", pre("For a shell", &code))
            }
            _ => pre(&format!("Example: {}", self.under), &escape(code.trim_end())) + "\n",
        }
    }

    fn request(&self, request: &Request) -> String {
        let (method, path) = (&request.method, &request.path);
        let class = method.to_lowercase();
        let label = format!("{method} {path}");
        let curl = format!(
            "<div class=\"sample\">{}</div>\n",
            pre(&format!("{label} with curl"), &escape(&request.curl()))
        );
        let head = format!(
            "<p class=\"call\"><span class=\"method {class}\">{method}</span> <span class=\"path\">{}</span></p>\n",
            breakable(path)
        );
        match self.samples {
            Samples::Curl => head + &curl,
            Samples::Http => {
                let shown = escape(&request.shown());
                let pre = if shown.is_empty() { String::new() } else { pre(&label, &shown) + "\n" };
                format!("{head}{pre}<details class=\"more\"><summary>With curl</summary>\n{curl}</details>\n")
            }
        }
    }
}

fn answered(answer: &Answer) -> String {
    let (status, shown) = (answer.status_line(), escape(&answer.shown()));
    let good = if answer.status < 400 { "good" } else { "bad" };
    let head = format!("<p class=\"call\"><span class=\"answer {good}\">{status}</span></p>\n");
    if shown.is_empty() { head } else { head + &pre(&format!("Answer {status}"), &shown) + "\n" }
}

/// Code that a keyboard can scroll. The text is markup already.
fn pre(label: &str, code: &str) -> String {
    format!("<pre tabindex=\"0\" role=\"group\" aria-label=\"{}\"><code>{code}</code></pre>", escape(label))
}

/// A long address breaks before its slashes.
fn breakable(path: &str) -> String {
    let shown = super::example::variables(path, |name| format!("${}", name.to_uppercase()));
    escape(&shown).replace('/', "<wbr>/")
}

fn is_heading(end: &TagEnd) -> bool {
    matches!(end, TagEnd::Heading(_))
}

/// The events up to an end, without it.
fn until<'a>(events: &mut Parser<'a>, is_end: impl Fn(&TagEnd) -> bool) -> Vec<Event<'a>> {
    events.by_ref().take_while(|event| !matches!(event, Event::End(end) if is_end(end))).collect()
}

fn markup(events: Vec<Event<'_>>) -> String {
    let mut text = String::new();
    html::push_html(&mut text, events.into_iter());
    text
}

fn plain(events: &[Event<'_>]) -> String {
    let words = events.iter().map(|event| match event {
        Event::Text(text) | Event::Code(text) => text,
        Event::SoftBreak | Event::HardBreak => " ",
        _ => "",
    });
    words.collect()
}

/// `What a phone stores` is `what-a-phone-stores`.
fn slug(title: &str) -> String {
    let plain: String = title
        .chars()
        .map(|c| if c.is_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { ' ' })
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guide_becomes_title_lead_and_sections() {
        let text = "# Two `words`\n\nThe lead & more.\n\n## What a phone *stores*\n\nText, \"quoted\".\n\n### Deep\n";
        let rendered = render(text, Samples::Http);
        assert_eq!(rendered.title, "Two <code>words</code>");
        assert_eq!(rendered.lead, "The lead &amp; more.");
        let wanted = ("what-a-phone-stores".to_owned(), "What a phone <em>stores</em>".to_owned());
        assert_eq!(rendered.sections, [wanted]);
        assert!(rendered.body.contains("<h3 id=\"deep\">Deep</h3>"), "{}", rendered.body);
        assert!(rendered.body.contains("“quoted”"), "{}", rendered.body);
    }

    #[test]
    fn markup_in_a_guide_or_an_example_is_text() {
        let text =
            "# T\n\nL\n\n<b onclick=\"x\">bold</b>\n\n```http\nPOST /v1/x\n\n{ \"a\": \"<i>&\" }\n```\n";
        for samples in [Samples::Http, Samples::Curl] {
            let body = render(text, samples).body;
            assert!(!body.contains("<b ") && !body.contains("<i>"), "{body}");
            assert!(body.contains("&lt;i&gt;&amp;"), "{body}");
            assert!(body.contains("<span class=\"method post\">POST</span>"), "{body}");
        }
    }
}
