//! A phone of an automerge-repo server: protocol 1, CBOR over a WebSocket, each sync on a new connection.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use automerge::sync::{Message, State, SyncDoc as _};
use daybook::api::types::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::phones::Took;
use crate::records::{Log, SplitMix};

const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// A phone with its document, and what it remembers of the server.
#[derive(Debug)]
pub struct RepoPhone {
    log: Log,
    document_id: String,
    storage_id: String,
    /// Of the last session: what a stock repo stores.
    remembered: Option<Vec<u8>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Join<'a> {
    r#type: &'static str,
    sender_id: &'a str,
    peer_metadata: Metadata<'a>,
    supported_protocol_versions: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata<'a> {
    storage_id: &'a str,
    is_ephemeral: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sync<'a> {
    r#type: &'static str,
    sender_id: &'a str,
    target_id: &'a str,
    document_id: &'a str,
    data: Bytes,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FromServer {
    r#type: String,
    #[serde(default)]
    sender_id: String,
    #[serde(default)]
    document_id: Option<String>,
    #[serde(default)]
    data: Option<Bytes>,
    #[serde(default)]
    message: Option<String>,
}

impl RepoPhone {
    /// A phone that has written so many records and never synced.
    pub fn new(number: u64, records: u64) -> anyhow::Result<Self> {
        let mut log = Log::new(number);
        for _ in 0..records {
            log.record()?;
        }
        let mut random = SplitMix::of(number, u64::MAX - 300_000);
        let (mut document, mut storage) = ([0; 16], [0; 16]);
        random.fill(&mut document);
        random.fill(&mut storage);
        // Neither is taken unless it is a version 4.
        let uuid = |bytes| uuid::Builder::from_random_bytes(bytes).into_uuid();
        let (document_id, storage_id) = (base58check(uuid(document).as_bytes()), uuid(storage).to_string());
        Ok(Self { log, document_id, storage_id, remembered: None })
    }

    /// The app starts again and writes more.
    pub fn write(&mut self, records: u64) -> anyhow::Result<()> {
        self.log.restart();
        for _ in 0..records {
            self.log.record()?;
        }
        Ok(())
    }

    /// Syncs over a new connection, until the server's heads are ours.
    pub async fn sync(&mut self, address: SocketAddr) -> anyhow::Result<Took> {
        let started = Instant::now();
        let mut took = Took::default();
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await?;
        let sender = format!("phone-{}", self.log.number);
        let join = Join {
            r#type: "join",
            sender_id: &sender,
            peer_metadata: Metadata { storage_id: &self.storage_id, is_ephemeral: false },
            supported_protocol_versions: ["1"],
        };
        send(&mut socket, &join, &mut took).await?;
        let target = receive(&mut socket, "peer", &mut took).await?.sender_id;
        let mut state = match &self.remembered {
            Some(bytes) => State::decode(bytes)?,
            None => State::new(),
        };
        let ours = self.log.doc.get_heads();
        loop {
            if let Some(message) = self.log.doc.sync().generate_sync_message(&mut state) {
                let sync = Sync {
                    r#type: "sync",
                    sender_id: &sender,
                    target_id: &target,
                    document_id: &self.document_id,
                    data: Bytes(message.encode()),
                };
                send(&mut socket, &sync, &mut took).await?;
            }
            let answer = receive(&mut socket, "sync", &mut took).await?;
            if answer.document_id.as_deref() != Some(self.document_id.as_str()) {
                continue;
            }
            let message = Message::decode(&answer.data.context("a message")?.0)?;
            self.log.doc.sync().receive_sync_message(&mut state, message)?;
            if state.their_heads.as_ref() == Some(&ours) {
                break;
            }
        }
        took.time = started.elapsed();
        self.remembered = Some(state.encode());
        Ok(took)
    }
}

async fn send(
    socket: &mut WebSocketStream<TcpStream>,
    message: &impl Serialize,
    took: &mut Took,
) -> anyhow::Result<()> {
    use futures_util::SinkExt as _;
    let bytes = cbor4ii::serde::to_vec(Vec::new(), message)?;
    took.up += bytes.len();
    Ok(socket.send(Frame::Binary(bytes.into())).await?)
}

/// The next message of a type; others are passed over.
async fn receive(
    socket: &mut WebSocketStream<TcpStream>,
    wanted: &str,
    took: &mut Took,
) -> anyhow::Result<FromServer> {
    use futures_util::StreamExt as _;
    loop {
        let frame = socket.next().await.context("the server hung up")??;
        let Frame::Binary(bytes) = frame else { continue };
        took.down += bytes.len();
        let message: FromServer = cbor4ii::serde::from_slice(&bytes)?;
        if message.r#type == wanted {
            return Ok(message);
        }
        if message.r#type == "error" || message.r#type == "doc-unavailable" {
            bail!("the server answered {}: {}", message.r#type, message.message.unwrap_or_default());
        }
    }
}

/// How automerge-repo writes ids of documents: base 58, with the first four bytes of a double SHA-256.
fn base58check(bytes: &[u8]) -> String {
    let sum = Sha256::digest(Sha256::digest(bytes));
    let mut digits: Vec<u8> = Vec::new();
    for byte in bytes.iter().chain(&sum[..4]) {
        let mut carry = u32::from(*byte);
        for digit in &mut digits {
            carry += u32::from(*digit) << 8;
            *digit = (carry % 58) as u8;
            carry /= 58;
        }
        while carry > 0 {
            digits.push((carry % 58) as u8);
            carry /= 58;
        }
    }
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = std::iter::repeat_n(0, zeros).chain(digits.into_iter().rev());
    digits.map(|digit| char::from(BASE58[usize::from(digit)])).collect()
}
