//! Examples of the guides: a request or an answer in a fenced `http` block, written once, shown as HTTP and as
//! curl, and played by the tests.

use std::fmt::Write as _;

use axum::http::StatusCode;

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    Request(Request),
    Answer(Answer),
}

/// What is sent: `POST /v1/activities`, headers, an empty line, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// What is answered: `HTTP/1.1 200 OK`, the headers that matter, an empty line, the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Example {
    /// Reads a block.
    ///
    /// # Errors
    /// What is wrong with its form.
    pub fn parse(block: &str) -> Result<Self, String> {
        let (head, body) = block.split_once("\n\n").unwrap_or((block, ""));
        let mut lines = head.lines();
        let first = lines.next().unwrap_or_default();
        let header = |line: &str| match line.split_once(": ") {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("not a header: {line}")),
        };
        let headers = lines.map(header).collect::<Result<Vec<_>, _>>()?;
        let body = body.trim_end().to_owned();
        if let Some(rest) = first.strip_prefix("HTTP/1.1 ") {
            let status = status(rest).ok_or_else(|| format!("not a status: {rest}"))?;
            return Ok(Self::Answer(Answer { status, headers, body }));
        }
        match first.split_once(' ') {
            Some((method, path)) if path.starts_with('/') && !path.contains(' ') => {
                Ok(Self::Request(Request { method: method.to_owned(), path: path.to_owned(), headers, body }))
            }
            _ => Err(format!("neither a request nor an answer: {first}")),
        }
    }
}

fn status(text: &str) -> Option<u16> {
    let status = StatusCode::from_bytes(text.get(..3)?.as_bytes()).ok()?;
    (text.get(4..) == status.canonical_reason()).then_some(status.as_u16())
}

impl Request {
    /// Headers and body as they are shown.
    #[must_use]
    pub fn shown(&self) -> String {
        shown(&self.headers, &variables(&self.body, as_variable))
    }

    /// The same as a line for a shell: variables are the shell's.
    #[must_use]
    pub fn curl(&self) -> String {
        let mut line = String::from("curl");
        let implied = if self.body.is_empty() { "GET" } else { "POST" };
        if self.method != implied {
            _ = write!(line, " -X {}", self.method);
        }
        _ = write!(line, " {}", quoted(&format!("{{{{daybook_url}}}}{}", self.path)));
        for (name, value) in &self.headers {
            _ = write!(line, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
        }
        if !self.body.is_empty() {
            let (mark, body) = if self.body.contains("{{") {
                ("END", variables(&escaped(&self.body), as_variable))
            } else {
                ("'END'", self.body.clone())
            };
            _ = write!(line, " \\\n  --data @- <<{mark}\n{body}\nEND");
        }
        line
    }
}

impl Answer {
    /// `200 OK`.
    #[must_use]
    pub fn status_line(&self) -> String {
        StatusCode::from_u16(self.status).map(|status| status.to_string()).unwrap_or_default()
    }

    /// Headers and body as they are shown: what may be anything is an ellipsis.
    #[must_use]
    pub fn shown(&self) -> String {
        let body = variables(&self.body, as_variable).replace("\"…\": \"…\"", "…").replace("\"…\"", "…");
        shown(&self.headers, &body)
    }
}

fn shown(headers: &[(String, String)], body: &str) -> String {
    let headers: Vec<String> =
        headers.iter().map(|(name, value)| format!("{name}: {}", variables(value, as_variable))).collect();
    let parts = [headers.join("\n"), body.to_owned()];
    parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("\n\n")
}

/// Puts something in the place of each `{{name}}`.
#[must_use]
pub fn variables(text: &str, mut put: impl FnMut(&str) -> String) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, name, after)) = next_variable(rest) {
        result.push_str(before);
        result.push_str(&put(name));
        rest = after;
    }
    result + rest
}

fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (name, after) = rest.split_once("}}")?;
    Some((before, name, after))
}

fn as_variable(name: &str) -> String {
    format!("${}", name.to_uppercase())
}

/// One word of a shell: in single quotes, or in double ones where it holds a variable.
fn quoted(text: &str) -> String {
    if !text.contains("{{") {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    format!("\"{}\"", variables(&escaped(text).replace('"', "\\\""), as_variable))
}

/// As text between double quotes, or of a document in a shell's line, in which variables are put.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('$', r"\$").replace('`', r"\`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(block: &str) -> Request {
        match Example::parse(block) {
            Ok(Example::Request(request)) => request,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_and_shown() {
        let read = request("POST /v1/x?a=b\nAuthorization: Bearer {{token}}\n\n{ \"id\": \"{{id}}\" }\n");
        assert_eq!((read.method.as_str(), read.path.as_str()), ("POST", "/v1/x?a=b"));
        assert_eq!(read.shown(), "Authorization: Bearer $TOKEN\n\n{ \"id\": \"$ID\" }");
        let curl = "curl \"$DAYBOOK_URL/v1/x?a=b\" \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  \
                    --data @- <<END\n{ \"id\": \"$ID\" }\nEND";
        assert_eq!(read.curl(), curl);
        let plain = request("PUT /v1/x\nContent-Type: application/json\n\n{ \"text\": \"$5 and `that`\" }");
        assert!(plain.curl().contains("-X PUT") && plain.curl().contains("<<'END'\n{ \"text\": \"$5 and"));
    }

    #[test]
    fn an_answer_is_read_and_shown() {
        let block = "HTTP/1.1 404 Not Found\nETag: \"1\"\n\n{ \"a\": \"…\", \"b\": \"{{b}}\", \"…\": \"…\" }";
        let Ok(Example::Answer(answer)) = Example::parse(block) else { unreachable!("an answer") };
        assert_eq!(answer.status_line(), "404 Not Found");
        assert_eq!(answer.shown(), "ETag: \"1\"\n\n{ \"a\": …, \"b\": \"$B\", … }");
    }

    #[test]
    fn what_is_neither_is_said() {
        for block in ["", "GET", "GET v1", "GET /v1 now", "HTTP/1.1 200 Fine", "GET /v1\nno header"] {
            assert!(Example::parse(block).is_err(), "{block}");
        }
    }
}
