//! The server under load: the release binary as a process of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

use crate::database::{Kind, Place};
use crate::http;
use crate::process::{Running, Used, free_port, rss_mib};

/// Seals the keys of every run.
const SECRET: &str = "the secret of the benchmarks, of no use elsewhere";
/// How often, and how many times, to look whether it answers.
const READY_LOOK_EVERY: Duration = Duration::from_millis(10);
const READY_LOOKS_MAX: u32 = 3_000;

/// How to start it; the same address each time, since tokens name it.
#[derive(Debug, Clone)]
pub struct Settings {
    pub address: SocketAddr,
    binary: PathBuf,
    database: Place,
    log: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    process: Running,
}

impl Settings {
    pub fn new(database: Place, folder: &Path) -> anyhow::Result<Self> {
        let binary = std::env::var_os("DAYBOOK_BINARY")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_daybook")), PathBuf::from);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        Ok(Self { address, binary, database, log: folder.join("server.log") })
    }

    /// Another database with the same address.
    pub fn on(&self, database: Place) -> Self {
        Self { database, ..self.clone() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DAYBOOK_")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("DAYBOOK_DATABASE_URL", &self.database.url)
            .env("DAYBOOK_LISTEN", self.address.to_string())
            .env("DAYBOOK_SECRET", SECRET)
            .env("DAYBOOK_LOG", "warn,sqlx=error");
        command
    }

    /// One of the other commands, to its end; answers what it printed.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.command(arguments).output().context("cannot start the binary")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        ensure!(output.status.success(), "{arguments:?} failed: {}", text(&output.stderr));
        Ok(text(&output.stdout))
    }

    /// Brings the tables up to date.
    pub fn migrate(&self) -> anyhow::Result<()> {
        if self.database.kind == Kind::Postgres {
            self.run(&["migrate"])?;
        }
        Ok(())
    }

    /// Starts it and waits until it answers.
    pub async fn start(&self) -> anyhow::Result<Server> {
        let mut process = Running::start(&mut self.command(&["serve"]), &self.log)?;
        for _ in 0..READY_LOOKS_MAX {
            if let Ok(answer) = http::send(self.address, "GET", "/readyz", "", b"").await
                && answer.status == 200
            {
                return Ok(Server { process });
            }
            if process.has_ended() {
                bail!("the server ended: {}", std::fs::read_to_string(&self.log).unwrap_or_default());
            }
            tokio::time::sleep(READY_LOOK_EVERY).await;
        }
        bail!("the server does not answer")
    }
}

impl Server {
    pub fn used(&self) -> anyhow::Result<Used> {
        Used::by(self.process.pid())
    }

    pub fn rss_mib(&self) -> anyhow::Result<f64> {
        rss_mib(self.process.pid())
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.process.stop().await
    }
}
