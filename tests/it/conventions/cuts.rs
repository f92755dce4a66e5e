//! Answers cut on the wire after so many bytes, over a real socket: the request is sent again, and it is as if the
//! first had come whole.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::operation::{Operation, operations};
use super::world::World;
use super::writes::{Made, make};
use crate::support::{Backend, TestApp};

/// Bytes of an answer after which the connection is cut, for every write; 0: as soon as the request is sent.
const CUTS: [usize; 4] = [0, 1, 64, 400];
/// Recording is cut at each of these steps, to the end of its answer; with `CUTS_STEP` every write is, at steps of that.
const STEP: usize = 13;
/// Cuts of one write in one world: there it has not yet as many of anything as there may be.
const WORLD_CUTS: usize = 90;

/// At which steps every answer is cut, to its end; without it, at [`CUTS`].
fn step_given() -> Option<usize> {
    let text = std::env::var("CUTS_STEP").ok()?;
    Some(text.parse::<usize>().expect("CUTS_STEP is a number of bytes").max(1))
}

fn on_the_wire(world: &World, operation: &Operation, made: &Made, host: &str) -> Vec<u8> {
    let mut text = format!(
        "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
        operation.method, made.request.path
    );
    if let Some(token) = world.bearer(made.who) {
        text.push_str(&format!("authorization: {token}\r\n"));
    }
    for (name, value) in &made.request.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    let (kind, body) = made.request.body.clone().unwrap_or_default();
    if !kind.is_empty() {
        text.push_str(&format!("content-type: {kind}\r\n"));
    }
    text.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    [text.into_bytes(), body].concat()
}

/// Sends a request and reads so many bytes of the answer, or all; then the connection is gone.
async fn read(host: &str, request: &[u8], most: usize) -> Vec<u8> {
    let mut socket = TcpStream::connect(host).await.expect("a connection");
    socket.write_all(request).await.expect("sent");
    let mut answer = vec![0; most.min(1 << 20)];
    let mut read = 0;
    while read < answer.len() {
        match socket.read(&mut answer[read..]).await.expect("an answer") {
            0 => break,
            more => read += more,
        }
    }
    answer.truncate(read);
    answer
}

/// A whole answer; what is still at work on the request that was cut may hold it up, and then it is asked for again.
async fn answered(host: &str, request: &[u8]) -> Vec<u8> {
    for _ in 0..20 {
        let answer = read(host, request, usize::MAX).await;
        if parsed(&answer).0 != 503 {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("busy for two seconds");
}

/// Status and body of a whole answer.
fn parsed(answer: &[u8]) -> (u16, Value) {
    let text = String::from_utf8_lossy(answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, serde_json::from_str(&body).unwrap_or_default())
}

/// A sync's answer as far as it tells what was done: the clerk goes on judging between two requests, and what verdicts
/// take up is not there for changes.
fn what_was_done(mut answer: Value) -> Value {
    if answer.get("verdicts").is_none() {
        return answer;
    }
    for daybook in answer["daybooks"].as_array_mut().into_iter().flatten() {
        *daybook = serde_json::json!({ "id": daybook["id"], "state": daybook["state"], "outcomes": daybook["outcomes"] });
    }
    answer["daybooks"].take()
}

/// Cuts the answer, then asks twice more: both times the same, and well.
async fn cut(world: &World, operation: &Operation, made: &Made, host: &str, most: usize) -> usize {
    let request = on_the_wire(world, operation, made, host);
    read(host, &request, most).await;
    // Whether the first was done or not, who asks again must not care.
    let whole = answered(host, &request).await;
    let again = answered(host, &request).await;
    let [second, third] = [&whole, &again].map(|answer| {
        let (status, body) = parsed(answer);
        assert!((200..300).contains(&status), "{} cut after {most}: {body}", operation.id);
        super::retries::outcome(what_was_done(body))
    });
    assert_eq!(third, second, "{} cut after {most}", operation.id);
    whole.len()
}

/// A world behind a socket.
struct Stage {
    backend: Backend,
    world: World,
    host: String,
}

impl Stage {
    async fn of(backend: Backend) -> Self {
        let app = TestApp::start(backend).await;
        let host = app.serve().await;
        Self { backend, world: World::of(app).await, host }
    }

    /// What was written is what a rebuild makes.
    async fn end(&self) {
        self.world.app.judge().await;
        crate::support::desk::rebuilt_is_live(&self.world.app).await;
    }

    /// Cuts the answer to a new request after so many bytes; how many the whole one has.
    async fn cut(&mut self, operation: &Operation, most: usize) -> usize {
        let made = make(&mut self.world, operation).await;
        let length = cut(&self.world, operation, &made, &self.host, most).await;
        if operation.id == "record_activities" {
            self.is_recorded_once(&made, most).await;
        }
        length
    }

    async fn is_recorded_once(&mut self, made: &Made, most: usize) {
        let id = made.body["items"][0]["id"].as_str().expect("an id");
        let versions: Value =
            self.world.dee.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
        assert_eq!(versions["items"].as_array().map(Vec::len), Some(1), "recorded once, cut after {most}");
    }

    /// Cuts answers to new requests at each step until one came whole; after how many bytes that was.
    async fn cut_to_the_end(&mut self, operation: &Operation, step: usize) -> usize {
        let (mut most, mut length, mut cuts) = (0, 1, 0);
        while most < length {
            length = self.cut(operation, most).await;
            most += step;
            cuts += 1;
            if cuts % WORLD_CUTS == 0 {
                self.end().await;
                *self = Self::of(self.backend).await;
            }
        }
        most
    }
}

async fn every_write_is_cut(backend: Backend) {
    let mut stage = Stage::of(backend).await;
    let all = operations();
    let writes: Vec<&Operation> = all.iter().filter(|one| one.is_write()).collect();
    assert!(writes.len() > 20, "{} writes", writes.len());
    if let Some(step) = step_given() {
        for operation in writes {
            let most = stage.cut_to_the_end(operation, step).await;
            println!("{}: cut at each {step} of {most} bytes", operation.id);
        }
        return stage.end().await;
    }
    for operation in &writes {
        for most in CUTS {
            stage.cut(operation, most).await;
        }
    }
    let record = writes.iter().find(|one| one.id == "record_activities").expect("recording");
    let most = stage.cut_to_the_end(record, STEP).await;
    assert!(most > 500, "an answer of {most} bytes");
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_cut_is_sent_again_sqlite() {
    every_write_is_cut(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_cut_is_sent_again_postgres() {
    every_write_is_cut(Backend::Postgres).await;
}
