//! Requests with the token, and answers as they came.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use super::report::{Found, Wrong, equal, that};
use crate::api::sync::{DaybookAnswer, DaybookPush, SyncAnswer, SyncRequest};
use crate::api::types::{Bytes, Instant};
use crate::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, DaybookId};
use crate::domain::time::rfc3339;
use crate::phone::{Http, NoAnswer, Phone, Transport as _};

pub const JSON: &str = "application/json";
pub const PROBLEM: &str = "application/problem+json";
/// Characters of an answer that a line shows.
const SHOWN_CHARACTERS_MAX: usize = 240;

/// The server, and the token to reach it with.
#[derive(Debug)]
pub struct Client {
    transport: Http,
    url: String,
    token: String,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
    /// The body as JSON; null where it is none.
    pub body: Value,
}

impl From<NoAnswer> for Wrong {
    fn from(none: NoAnswer) -> Self {
        Self(none.to_string())
    }
}

impl Client {
    pub fn new(url: &str, token: &str) -> Result<Self, NoAnswer> {
        Ok(Self { transport: Http::new(url)?, url: url.to_owned(), token: token.to_owned() })
    }

    /// One request with these headers and nothing else.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Found<Answer> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).map_err(|error| Wrong(error.to_string()))?;
        let (parts, bytes) = self.transport.send(request).await?.into_parts();
        let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
        Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, bytes, body })
    }

    /// GET with the token.
    pub async fn get(&self, path: &str) -> Found<Answer> {
        self.get_with(path, &[]).await
    }

    /// GET with the token and further headers.
    pub async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Found<Answer> {
        let bearer = self.bearer();
        let all = [&[(AUTHORIZATION.as_str(), bearer.as_str())], headers].concat();
        self.send(Method::GET, path, &all, Vec::new()).await
    }

    /// A request with the token and a body in JSON.
    pub async fn json(&self, method: Method, path: &str, body: &Value) -> Found<Answer> {
        self.json_with(method, path, &[], body).await
    }

    /// The same with further headers.
    pub async fn json_with(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Found<Answer> {
        let bearer = self.bearer();
        let own = [(AUTHORIZATION.as_str(), bearer.as_str()), (CONTENT_TYPE.as_str(), JSON)];
        self.send(method, path, &[&own, headers].concat(), body.to_string().into_bytes()).await
    }

    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Pushes changes into a daybook from a cursor, and gives what is said of it.
    pub async fn sync(
        &self,
        id: DaybookId,
        cursor: Option<&str>,
        changes: &[Vec<u8>],
    ) -> Found<DaybookAnswer> {
        self.sync_within(id, cursor, changes, None).await
    }

    /// The same with a limit to the size of the answer.
    pub async fn sync_within(
        &self,
        id: DaybookId,
        cursor: Option<&str>,
        changes: &[Vec<u8>],
        limit_bytes: Option<i64>,
    ) -> Found<DaybookAnswer> {
        let request = SyncRequest { limit_bytes, ..sync_request(id, cursor, changes) };
        let body = serde_json::to_value(request).map_err(|error| Wrong(error.to_string()))?;
        let answer = self.json(Method::POST, "/v1/sync", &body).await?;
        answer.status(200)?;
        only(answer.read()?)
    }

    /// Everything up to the daybook's end: the last answer.
    pub async fn end_of(&self, id: DaybookId) -> Found<DaybookAnswer> {
        let mut cursor = None;
        loop {
            let answer = self.sync(id, cursor.as_deref(), &[]).await?;
            if let Some(snapshot) = &answer.snapshot {
                let download = self.get(&snapshot.url).await?;
                cursor = Some(download.header("daybook-cursor")?);
                continue;
            }
            if !answer.more {
                return Ok(answer);
            }
            cursor = answer.cursor;
        }
    }

    /// A writer of a daybook under a fresh actor, with all that the server has.
    pub async fn writer(&self, own: DaybookId) -> Found<Phone<Http>> {
        let (transport, random) = (self.transport.clone(), SystemRandom);
        let clock = Box::new(|| SystemClock.now_ms());
        let phone = Phone::new("conform", transport, &self.url, clock, Box::new(move |b| random.fill(b)));
        let mut phone = phone.map_err(|error| Wrong(error.to_string()))?;
        phone.books.clear();
        phone.own = own;
        let download = self.get(&format!("/v1/daybooks/{own}")).await?;
        let bytes = &download.status(200)?.bytes;
        let book = phone.own_book();
        let loaded = book.apply(std::slice::from_ref(bytes));
        loaded.map_err(|error| Wrong::new("a document that Automerge loads", error))?;
        book.server_heads = book.doc.get_heads();
        Ok(phone)
    }
}

/// A sync of one daybook.
pub fn sync_request(id: DaybookId, cursor: Option<&str>, changes: &[Vec<u8>]) -> SyncRequest {
    let changes = changes.iter().cloned().map(Bytes).collect();
    let daybooks = vec![DaybookPush { id, cursor: cursor.map(str::to_owned), changes }];
    let device_time = Instant(SystemClock.now_ms());
    SyncRequest { device_time, verdicts_after: None, limit_bytes: None, parties: Vec::new(), daybooks }
}

/// What is said of the one daybook that was asked for.
pub fn only(mut answer: SyncAnswer) -> Found<DaybookAnswer> {
    equal("daybooks in the answer, in number,", &1, &answer.daybooks.len())?;
    answer.daybooks.pop().ok_or_else(|| Wrong::new("a daybook", "none"))
}

/// A record of no minutes, in one change.
pub fn record(writer: &mut Phone<Http>, note: &str) -> Found<ActivityId> {
    let id = writer.record(Kind::Hours, &today(), |entry| {
        entry.note(note);
    });
    id.map_err(|error| Wrong(error.to_string()))
}

/// Writes a field, in one change.
pub fn edit(writer: &mut Phone<Http>, id: ActivityId, key: &str, value: &str) -> Found<()> {
    let edited = writer.edit(id, |entry| {
        entry.put(key, value);
    });
    edited.map_err(|error| Wrong(error.to_string()))
}

/// Changes, each with its hash.
pub type Written = Vec<([u8; 32], Vec<u8>)>;

/// What the writer wrote, in causal order.
pub fn changes(writer: &mut Phone<Http>) -> Written {
    writer.own_book().unsent()
}

/// The last change that the writer wrote.
pub fn last(writer: &mut Phone<Http>) -> Found<([u8; 32], Vec<u8>)> {
    changes(writer).pop().ok_or_else(|| Wrong("nothing was written".to_owned()))
}

/// The day by this machine's clock, in UTC.
pub fn today() -> String {
    rfc3339(SystemClock.now_ms()).chars().take(10).collect()
}

/// A fresh UUIDv7.
pub fn uuid() -> Uuid {
    let mut bytes = [0; 10];
    SystemRandom.fill(&mut bytes);
    let now_ms = u64::try_from(SystemClock.now_ms()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(now_ms, &bytes).into_uuid()
}

impl Answer {
    /// The status is this one.
    pub fn status(&self, expected: u16) -> Found<&Self> {
        that(self.status == expected, || Wrong::new(expected.to_string(), self.shown()))?;
        Ok(self)
    }

    /// It is a problem with this status and code, in the form that all problems have.
    pub fn problem(&self, status: u16, code: &str) -> Found<&Self> {
        self.status(status)?;
        let kind = self.header(CONTENT_TYPE.as_str())?;
        equal("Content-Type", &PROBLEM, &kind.as_str())?;
        equal("code", &code, &self.text("/code"))?;
        equal("status in the body", &u64::from(status), &self.body["status"].as_u64().unwrap_or_default())?;
        let kind = self.text("/type");
        that(kind.ends_with(&format!("#{code}")), || Wrong::new(format!("a type ending in #{code}"), kind))?;
        for member in ["/title", "/detail", "/request_id"] {
            that(!self.text(member).is_empty(), || Wrong::new(format!("{member} in words"), self.shown()))?;
        }
        equal("X-Request-Id", &self.text("/request_id").to_owned(), &self.header("x-request-id")?)?;
        Ok(self)
    }

    /// The problem names this field with this code.
    pub fn names(&self, pointer: &str, code: &str) -> Found<()> {
        let errors = self.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named = errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code);
        that(named, || Wrong::new(format!("an error {code} at {pointer}"), self.shown()))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Found<String> {
        let value = self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        value.ok_or_else(|| Wrong::new(format!("a header {name}"), format!("{} without it", self.status)))
    }

    /// A string in the body; empty where there is none.
    pub fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The items of a page or batch.
    pub fn items(&self) -> Found<&Vec<Value>> {
        self.body["items"].as_array().ok_or_else(|| Wrong::new("items", self.shown()))
    }

    /// The body as what it should be.
    pub fn read<T: DeserializeOwned>(&self) -> Found<T> {
        let unlike =
            |error| Wrong::new("the form that the reference gives", format!("{error}: {}", self.shown()));
        serde_json::from_slice(&self.bytes).map_err(unlike)
    }

    /// Status and the beginning of the body, for a line.
    pub fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        let mut shown: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
        if shown.len() < text.len() {
            shown.push('…');
        }
        format!("{} {shown}", self.status)
    }
}
