//! One request over a new TCP connection, with as little work as possible: the load generator shares its cores
//! with the server.

use std::net::SocketAddr;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, and what went over the wire for it.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// Bytes sent and received, heads included.
    pub wire_up: usize,
    pub wire_down: usize,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    /// The answer, unless it is an error.
    ///
    /// # Errors
    /// With what the server said.
    pub fn good(self) -> anyhow::Result<Self> {
        let said = || String::from_utf8_lossy(&self.body[..self.body.len().min(400)]).into_owned();
        ensure!((200..300).contains(&self.status), "the server answered {}: {}", self.status, said());
        Ok(self)
    }
}

/// A connection that is used for several requests.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    address: SocketAddr,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, address })
    }

    /// One request; `headers` are whole lines, each with its end.
    pub async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut request = Vec::with_capacity(body.len() + headers.len() + 160);
        let (address, length) = (self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        request.extend_from_slice(head.as_bytes());
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        let mut answer = self.read().await?;
        answer.wire_up = request.len();
        Ok(answer)
    }

    async fn read(&mut self) -> anyhow::Result<Answer> {
        let mut got = Vec::with_capacity(4_096);
        let end = loop {
            if let Some(end) = find(&got, b"\r\n\r\n") {
                break end;
            }
            ensure!(self.stream.read_buf(&mut got).await? > 0, "the server hung up");
        };
        let head = String::from_utf8_lossy(&got[..end]).into_owned();
        let mut answer = Answer { head, ..Answer::default() };
        let status = answer.head.split_whitespace().nth(1).context("a status line")?;
        answer.status = status.parse().context("a status")?;
        let body_at = end + 4;
        let length = answer.header("content-length").map(str::parse::<usize>).transpose()?;
        if let Some(length) = length {
            while got.len() < body_at + length {
                ensure!(self.stream.read_buf(&mut got).await? > 0, "the server hung up");
            }
            answer.body = got[body_at..body_at + length].to_vec();
        } else if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.chunks(&mut got, body_at).await?;
        }
        answer.wire_down = got.len();
        Ok(answer)
    }

    async fn chunks(&mut self, got: &mut Vec<u8>, mut at: usize) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&got[at..], b"\r\n") {
                    break at + end;
                }
                ensure!(self.stream.read_buf(got).await? > 0, "the server hung up");
            };
            let size = std::str::from_utf8(&got[at..line])?.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).context("a chunk's size")?;
            at = line + 2;
            while got.len() < at + size + 2 {
                ensure!(self.stream.read_buf(got).await? > 0, "the server hung up");
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&got[at..at + size]);
            at += size + 2;
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// One request over a connection of its own.
pub async fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &[u8],
) -> anyhow::Result<Answer> {
    Connection::open(address).await?.send(method, path, headers, body).await
}
