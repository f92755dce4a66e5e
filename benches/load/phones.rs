//! Phones: enrolled over HTTP as any phone, their pushes built before the clock starts.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use daybook::api::enrolments::{EnrolmentAnswer, EnrolmentRequest, NewDevice, NewParty};
use daybook::api::oauth::TokenAnswer;
use daybook::api::sync::{DaybookPush, DaybookState, OutcomeKind, SyncAnswer, SyncRequest};
use daybook::api::types::Bytes;
use daybook::app::{Clock as _, SystemClock};
use daybook::auth::phone_key::PhoneKey;
use serde::{Deserialize, Serialize};

use crate::http::{self, Answer};
use crate::records::{Names, SplitMix};

/// Where the phones' clocks stand; a proof with a nonce is not judged by it.
const PHONE_CLOCK_S: i64 = 1_700_000_000;
/// How often to ask again for a daybook that was busy.
const BUSY_TRIES_MAX: usize = 50;

static PROOFS: AtomicU64 = AtomicU64::new(1);

/// What a phone has in its storage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Stored {
    pub log: u64,
    key: Vec<u8>,
    refresh_token: String,
    pub cursor: Option<String>,
    pub verdicts_after: Option<String>,
    /// What it may push, one or the other, sync by sync.
    pub branches: Vec<Vec<Push>>,
}

/// The changes of one sync.
pub type Push = Vec<Vec<u8>>;

/// A phone that has what it needs to sync.
#[derive(Debug)]
pub struct Phone {
    pub stored: Stored,
    pub names: Names,
    key: PhoneKey,
    token: String,
    nonce: String,
    address: SocketAddr,
    url: String,
}

/// One sync, measured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Took {
    pub time: Duration,
    /// Bodies, and all that went over the wire.
    pub up: usize,
    pub down: usize,
    pub wire_up: usize,
    pub wire_down: usize,
}

impl Stored {
    /// What it pushes in its n-th sync.
    pub fn push(&self, branch: usize, sync: usize) -> anyhow::Result<&Push> {
        self.branches.get(branch).and_then(|pushes| pushes.get(sync)).context("a push was prepared")
    }
}

impl Phone {
    /// A phone at its first start that redeems an invitation.
    pub async fn enrol(address: SocketAddr, log: u64, invitation: &str) -> anyhow::Result<Self> {
        let mut random = SplitMix::of(log, u64::MAX - 100_000);
        let key = PhoneKey::generate(&mut |bytes| random.fill(bytes))?;
        let names = Names::of(log);
        let stored = Stored {
            log,
            key: key.to_pkcs8().to_vec(),
            refresh_token: String::new(),
            cursor: None,
            verdicts_after: None,
            branches: Vec::new(),
        };
        let (token, nonce) = (String::new(), String::new());
        let mut phone = Self { stored, names, key, token, nonce, address, url: format!("http://{address}") };
        let request = EnrolmentRequest {
            invitation: invitation.to_owned(),
            device: NewDevice { id: names.device, name: "Phone".to_owned() },
            party: NewParty { id: names.party, name: format!("Resident {log}") },
            daybook_id: names.daybook,
        };
        let answer = phone.post_json("/v1/enrolments", &serde_json::to_vec(&request)?).await?;
        let answer: EnrolmentAnswer = serde_json::from_slice(&answer.body)?;
        phone.token = answer.access_token;
        phone.stored.refresh_token = answer.refresh_token;
        Ok(phone)
    }

    /// A phone as it was stored, with a fresh token.
    pub async fn open(address: SocketAddr, stored: Stored) -> anyhow::Result<Self> {
        let (key, names) = (PhoneKey::from_pkcs8(&stored.key)?, Names::of(stored.log));
        let (token, nonce) = (String::new(), String::new());
        let mut phone = Self { stored, names, key, token, nonce, address, url: format!("http://{address}") };
        phone.refresh().await?;
        Ok(phone)
    }

    /// A fresh access token.
    pub async fn refresh(&mut self) -> anyhow::Result<()> {
        self.token.clear();
        let form = format!("grant_type=refresh_token&refresh_token={}", self.stored.refresh_token);
        let kind = "application/x-www-form-urlencoded";
        let answer = self.retried("POST", "/oauth/token", kind, form.as_bytes()).await?;
        self.token = serde_json::from_slice::<TokenAnswer>(&answer.body)?.access_token;
        Ok(())
    }

    pub async fn post_json(&mut self, path: &str, body: &[u8]) -> anyhow::Result<Answer> {
        self.retried("POST", path, "application/json", body).await
    }

    /// A request that is sent again where the nonce was not good.
    pub async fn retried(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        for _ in 0..2 {
            let answer = self.once(method, path, kind, body).await?;
            if let Some(nonce) = answer.header("dpop-nonce") {
                self.nonce = nonce.to_owned();
            }
            if answer.status != 401 && answer.status != 400 {
                return answer.good();
            }
        }
        self.once(method, path, kind, body).await?.good()
    }

    /// Proof, token, connection, request, answer: all that one sync costs a phone.
    pub async fn once(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let token = (!self.token.is_empty()).then_some(self.token.as_str());
        let nonce = (!self.nonce.is_empty()).then_some(self.nonce.as_str());
        let jti = PROOFS.fetch_add(1, Ordering::Relaxed).to_string();
        let url = format!("{}{path}", self.url);
        let proof = self.key.proof(method, &url, nonce, token, PHONE_CLOCK_S, &jti)?;
        let mut headers = format!("dpop: {proof}\r\n");
        if !body.is_empty() {
            headers.push_str(&format!("content-type: {kind}\r\n"));
        }
        if let Some(token) = token {
            headers.push_str(&format!("authorization: DPoP {token}\r\n"));
        }
        http::send(self.address, method, path, &headers, body).await
    }

    /// The body of a sync that pushes these changes.
    pub fn body(&self, changes: &[Vec<u8>]) -> anyhow::Result<Vec<u8>> {
        let daybook = DaybookPush {
            id: self.names.daybook,
            cursor: self.stored.cursor.clone(),
            changes: changes.iter().cloned().map(Bytes).collect(),
        };
        let request = SyncRequest {
            device_time: daybook::api::types::Instant(SystemClock.now_ms()),
            verdicts_after: self.stored.verdicts_after.clone(),
            limit_bytes: None,
            parties: Vec::new(),
            daybooks: vec![daybook],
        };
        Ok(cbor4ii::serde::to_vec(Vec::new(), &request)?)
    }

    /// Sends a prepared body, from the connection to the answer's last byte.
    pub async fn send(&self, body: &[u8]) -> anyhow::Result<(Took, Answer)> {
        let started = Instant::now();
        let answer = self.once("POST", "/v1/sync", "application/cbor", body).await?;
        let time = started.elapsed();
        let answer = answer.good()?;
        let (up, down) = (body.len(), answer.body.len());
        Ok((Took { time, up, down, wire_up: answer.wire_up, wire_down: answer.wire_down }, answer))
    }

    /// Downloads the whole daybook.
    pub async fn download(&self) -> anyhow::Result<(Took, Answer)> {
        let started = Instant::now();
        let path = format!("/v1/daybooks/{}", self.names.daybook);
        let answer = self.once("GET", &path, "", b"").await?;
        let time = started.elapsed();
        let answer = answer.good()?;
        let down = answer.body.len();
        Ok((Took { time, up: 0, down, wire_up: answer.wire_up, wire_down: answer.wire_down }, answer))
    }

    /// Reads an answer and takes over cursors; everything pushed must have been accepted.
    pub fn take(&mut self, answer: &Answer, pushed: usize) -> anyhow::Result<SyncAnswer> {
        let answer: SyncAnswer = cbor4ii::serde::from_slice(&answer.body)?;
        let daybook = answer.daybooks.first().context("the daybook is in the answer")?;
        ensure!(daybook.state == DaybookState::Ok, "the daybook is {:?}", daybook.state);
        let accepted = daybook.outcomes.iter().filter(|of| of.outcome == OutcomeKind::Accepted).count();
        ensure!(accepted == pushed, "{accepted} of {pushed} accepted: {:?}", daybook.outcomes);
        self.stored.cursor = daybook.cursor.clone();
        self.stored.verdicts_after = Some(answer.verdicts_next.clone());
        Ok(answer)
    }

    /// A whole sync of these changes, not for the clock: asks again until it is taken and all is read. Gives
    /// the changes of others.
    pub async fn sync(&mut self, changes: &[Vec<u8>]) -> anyhow::Result<Vec<Vec<u8>>> {
        let (mut changes, mut others) = (changes, Vec::new());
        for _ in 0..BUSY_TRIES_MAX {
            let (_, answer) = self.send(&self.body(changes)?).await?;
            let read: SyncAnswer = cbor4ii::serde::from_slice(&answer.body)?;
            if read.daybooks.iter().any(|daybook| daybook.state == DaybookState::Busy) {
                continue;
            }
            let read = self.take(&answer, changes.len())?;
            changes = &[];
            let done = !read.verdicts_more && !read.daybooks.iter().any(|daybook| daybook.more);
            others.extend(read.daybooks.into_iter().flat_map(|daybook| daybook.changes).map(|bytes| bytes.0));
            if done {
                return Ok(others);
            }
        }
        anyhow::bail!("the sync does not come to an end")
    }
}
