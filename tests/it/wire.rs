//! Requests written by hand, and a network that loses answers: what stories of odd phones stand on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use automerge::{Automerge, Change, ExpandedChange};
use axum::http::{Method, Request, Response};
use daybook::api::sync::{DaybookAnswer, DaybookPush, Outcome, OutcomeKind, SyncAnswer, SyncRequest};
use daybook::api::types::{Bytes, Instant};
use daybook::app::{Random as _, SystemRandom};
use daybook::domain::ids::{ActivityId, DaybookId};
use daybook::merge::document;
use daybook::phone::{InProcess, NoAnswer, Phone, Transport};
use serde_json::Value;

use crate::support::app::{PUBLIC_URL, START_MS};
use crate::support::{TestApp, TestPhone};

/// A daybook of a request, from the start.
pub fn push(id: DaybookId, changes: &[Vec<u8>]) -> DaybookPush {
    DaybookPush { id, cursor: None, changes: changes.iter().cloned().map(Bytes).collect() }
}

/// A request with these daybooks and nothing else.
pub fn request(daybooks: Vec<DaybookPush>) -> SyncRequest {
    SyncRequest {
        device_time: Instant(START_MS),
        verdicts_after: None,
        limit_bytes: None,
        parties: vec![],
        daybooks,
    }
}

/// Sends a request as the phone's own, without the phone knowing of it.
pub async fn send(phone: &mut TestPhone, request: &SyncRequest) -> SyncAnswer {
    phone.post("/v1/sync", request).await.expect("an answer")
}

/// Pushes changes into one daybook.
pub async fn send_changes(phone: &mut TestPhone, id: DaybookId, changes: &[Vec<u8>]) -> DaybookAnswer {
    let mut answer = send(phone, &request(vec![push(id, changes)])).await;
    assert_eq!(answer.daybooks.len(), 1, "one daybook asked for");
    answer.daybooks.remove(0)
}

/// The changes of a phone's own daybook that the server may lack, in causal order.
pub fn unsent<T: Transport>(phone: &mut Phone<T>) -> Vec<Vec<u8>> {
    let own = phone.own;
    unsent_in(phone, own)
}

/// The same of any daybook on a phone.
pub fn unsent_in<T: Transport>(phone: &mut Phone<T>, book: DaybookId) -> Vec<Vec<u8>> {
    phone.book(book).unsent().into_iter().map(|(_, bytes)| bytes).collect()
}

/// What is held, as somebody is shown it.
pub async fn held(phone: &mut TestPhone, query: &str) -> Vec<Value> {
    let page: Value = phone.get(&format!("/v1/held{query}")).await.expect("a page");
    page["items"].as_array().expect("items").clone()
}

/// What became of the changes of a push: outcome and code.
pub fn outcomes(answer: &DaybookAnswer) -> Vec<(OutcomeKind, Option<&str>)> {
    answer.outcomes.iter().map(|Outcome { outcome, code, .. }| (*outcome, code.as_deref())).collect()
}

/// An honest change, changed.
pub fn forged(bytes: &[u8], tamper: impl FnOnce(&mut ExpandedChange)) -> Vec<u8> {
    let mut expanded = Change::try_from(bytes).expect("a change").decode();
    tamper(&mut expanded);
    expanded.hash = None;
    Change::from(expanded).raw_bytes().to_vec()
}

/// The heads of a daybook as the server tells them, in hex.
pub async fn server_heads(phone: &mut TestPhone, id: DaybookId) -> Vec<String> {
    let list: Value = phone.get("/v1/daybooks").await.expect("daybooks");
    let mut found =
        list["items"].as_array().expect("items").iter().filter(|item| item["id"] == id.to_string());
    let heads = found.next().expect("the daybook")["heads"].as_array().expect("heads").clone();
    heads.iter().map(|head| head.as_str().expect("hex").to_owned()).collect()
}

/// The heads of a phone's own daybook, in hex.
pub fn heads<T: Transport>(phone: &mut Phone<T>) -> Vec<String> {
    let mut heads: Vec<_> = phone.own_book().doc.get_heads().iter().map(|head| hex::encode(head.0)).collect();
    heads.sort();
    heads
}

/// The server reads an activity exactly as Automerge reads the phone's document.
pub async fn reads_as_the_document(phone: &mut TestPhone, id: ActivityId) {
    let document: Automerge = phone.own_book().doc.document().clone();
    let readings = document::read_all(&document).expect("Automerge reads");
    let wanted = serde_json::to_value(&readings[&id]).expect("JSON");
    let versions: Value =
        phone.get(&format!("/v1/activities/{id}/versions?limit=1")).await.expect("versions");
    assert_eq!(versions["items"][0]["reading"], wanted);
}

/// All activities of the caller, over all pages.
pub async fn every_activity<T: Transport>(phone: &mut Phone<T>) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page: Value = phone.get(&format!("/v1/activities?limit=200{after}")).await.expect("a page");
        found.extend(page["items"].as_array().expect("items").iter().cloned());
        let Some(next) = page["next"].as_str() else { return found };
        after = format!("&after={next}");
    }
}

/// Reaches the router; some answers are lost on the way back.
#[derive(Clone)]
pub struct LosesAnswers {
    inner: InProcess,
    /// Every n-th; 0: none.
    every: Arc<AtomicUsize>,
    /// Requests until the next loss is due, counting down.
    left: Arc<AtomicUsize>,
}

impl LosesAnswers {
    /// From now on every n-th answer is lost; 0: none.
    pub fn lose_every(&self, every: usize) {
        self.every.store(every, Ordering::SeqCst);
        self.left.store(every, Ordering::SeqCst);
    }

    /// Lets so many answers through and loses the next one, no other.
    pub fn lose_after(&self, answers: usize) {
        self.every.store(0, Ordering::SeqCst);
        self.left.store(answers + 1, Ordering::SeqCst);
    }
}

impl Transport for LosesAnswers {
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let response = self.inner.send(request).await?;
        match self.left.load(Ordering::SeqCst) {
            0 => Ok(response),
            1 => {
                self.left.store(self.every.load(Ordering::SeqCst), Ordering::SeqCst);
                Err(NoAnswer("lost on the way back".to_owned()))
            }
            left => {
                self.left.store(left - 1, Ordering::SeqCst);
                Ok(response)
            }
        }
    }
}

/// A phone behind a network that loses answers, not enrolled.
pub fn unlucky_phone(app: &TestApp, name: &str) -> Phone<LosesAnswers> {
    let inner = InProcess(app.router.clone());
    let transport = LosesAnswers { inner, every: Arc::default(), left: Arc::default() };
    let random = SystemRandom;
    let random = Box::new(move |bytes: &mut [u8]| random.fill(bytes));
    Phone::new(name, transport, PUBLIC_URL, app.phone_clock(), random).expect("a phone")
}

/// A personal token as a header's value.
pub async fn bearer(app: &TestApp, phone: &mut TestPhone, scope: &str) -> String {
    format!("Bearer {}", app.personal_token(phone, scope).await)
}

/// PATCH and DELETE as the phone's own.
pub async fn call(phone: &mut TestPhone, method: Method, path: &str, body: &Value) -> Value {
    let bytes = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).expect("JSON") };
    let response = phone.request(method, path, "application/json", bytes).await.expect("an answer");
    serde_json::from_slice(response.body()).unwrap_or(Value::Null)
}
