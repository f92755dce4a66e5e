//! The peers under the same load: the stock automerge-repo sync server, and a `PouchDB` server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use crate::phones::Took;
use crate::pouch::Push;
use crate::process::{Running, Used, free_port, rss_mib};
use crate::repo::RepoPhone;
use crate::rush::{Rush, at};

/// New records of each phone.
const NEW: u64 = 5;
/// Phones that are seeded at once.
const SEEDING: usize = 4;
/// Syncs of small logs before the clock starts, so that Node has compiled what it will run.
const WARM_UP: u64 = 16;
const WARM_UP_RECORDS: u64 = 10;
/// Numbers of the logs of the warm-up.
const WARM_UP_FROM: u64 = 1 << 41;
/// A run that takes longer is ended, and what was done until then counts.
const RUN_MAX: Duration = Duration::from_secs(200);
/// Node stores behind its answer: its time counts until it has been still for so long.
const STILL: Duration = Duration::from_millis(500);

/// Whether the packages are there.
pub fn installed() -> bool {
    here().join("node_modules").exists()
}

fn here() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers"))
}

/// Which peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// `@automerge/automerge-repo-sync-server`.
    Stock,
    /// `express-pouchdb` over `pouchdb-node`.
    Pouch,
}

/// A phone of either, with its next sync ready.
#[derive(Debug)]
enum Phone {
    Repo(Box<RepoPhone>),
    Pouch(Push),
}

impl Phone {
    async fn sync(&mut self, address: SocketAddr) -> anyhow::Result<Took> {
        match self {
            Self::Repo(phone) => phone.sync(address).await,
            Self::Pouch(push) => push.send(address).await,
        }
    }
}

impl Peer {
    /// Its name, with what it is made of.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stock => "automerge-repo-sync-server 0.2.8",
            Self::Pouch => "express-pouchdb 4.2.0, pouchdb-node 9.0.0",
        }
    }

    fn command(self, port: u16, data: &Path) -> anyhow::Result<Command> {
        let here = here();
        let script = match self {
            Self::Stock => here.join("node_modules/@automerge/automerge-repo-sync-server/src/index.js"),
            Self::Pouch => here.join("pouch.js"),
        };
        ensure!(installed(), "the peers are not installed: npm --prefix benches/peers ci");
        let mut command = Command::new("node");
        command.arg(script).env("PORT", port.to_string()).env("DATA_DIR", data).current_dir(data);
        Ok(command)
    }

    async fn start(self, folder: &Path, address: SocketAddr) -> anyhow::Result<Running> {
        let process =
            Running::start(&mut self.command(address.port(), folder)?, &folder.join("../peer.log"))?;
        for _ in 0..1_000 {
            if crate::http::send(address, "GET", "/", "", b"").await.is_ok() {
                return Ok(process);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("the peer does not answer")
    }

    /// Puts a log of so many records there; answers the phone with five more, ready to go.
    async fn seed(self, address: SocketAddr, log: u64, records: u64) -> anyhow::Result<Phone> {
        match self {
            Self::Stock => {
                let made = tokio::task::spawn_blocking(move || RepoPhone::new(log, records));
                let mut phone = made.await??;
                phone.sync(address).await?;
                phone.write(NEW)?;
                Ok(Phone::Repo(Box::new(phone)))
            }
            Self::Pouch => {
                let first = Push::new(log, 0, records)?;
                first.create(address).await?;
                first.send(address).await?;
                Ok(Phone::Pouch(Push::new(log, records, records + NEW)?))
            }
        }
    }
}

/// Seeds, starts it anew, and lets all phones push at once.
pub async fn run(
    peer: Peer,
    folder: &Path,
    daybooks: u64,
    records: u64,
    at_once: usize,
) -> anyhow::Result<Rush> {
    let data = folder.join(format!("{peer:?}").to_lowercase());
    std::fs::create_dir_all(&data)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let process = peer.start(&data, address).await?;
    let seeding = Instant::now();
    let phones = seed(peer, address, daybooks, records).await?;
    eprintln!("{}: {daybooks} logs seeded in {:.0} s", peer.name(), seeding.elapsed().as_secs_f64());
    still(&process).await?;
    process.stop().await?;
    let process = peer.start(&data, address).await?;
    for log in 0..WARM_UP {
        peer.seed(address, WARM_UP_FROM + log, WARM_UP_RECORDS).await?.sync(address).await?;
    }
    still(&process).await?;
    let (used, rss_before_mib) = (Used::by(process.pid())?, rss_mib(process.pid())?);
    let started = Instant::now();
    let took = rush(phones, address, at_once).await?;
    let answered_s = started.elapsed().as_secs_f64();
    still(&process).await?;
    let cpu = Used::by(process.pid())?.since(&used);
    let syncs = took.len().max(1) as f64;
    let mean = |of: fn(&Took) -> usize| took.iter().map(|took| of(took) as f64).sum::<f64>() / syncs;
    let mut millis: Vec<f64> = took.iter().map(|took| took.time.as_secs_f64() * 1_000.0).collect();
    millis.sort_by(f64::total_cmp);
    let rush = Rush {
        syncs: took.len(),
        answered_s,
        quiet_s: answered_s,
        syncs_per_s: took.len() as f64 / answered_s,
        p50_ms: at(&millis, 0.5),
        p95_ms: at(&millis, 0.95),
        p99_ms: at(&millis, 0.99),
        server_user_ms: cpu.user_ms / syncs,
        server_system_ms: cpu.system_ms / syncs,
        rss_before_mib,
        rss_after_mib: rss_mib(process.pid())?,
        body_up: mean(|took| took.up),
        body_down: mean(|took| took.down),
        ..Rush::default()
    };
    process.stop().await?;
    std::fs::remove_dir_all(&data).context("cannot remove the peer's data")?;
    Ok(rush)
}

async fn seed(peer: Peer, address: SocketAddr, daybooks: u64, records: u64) -> anyhow::Result<Vec<Phone>> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..SEEDING {
        let next = next.clone();
        tasks.spawn(async move {
            let mut phones = Vec::new();
            loop {
                let log = next.fetch_add(1, Ordering::Relaxed) as u64;
                if log >= daybooks {
                    return anyhow::Ok(phones);
                }
                phones.push(peer.seed(address, log, records).await?);
            }
        });
    }
    let mut phones = Vec::new();
    while let Some(some) = tasks.join_next().await {
        phones.extend(some??);
    }
    Ok(phones)
}

async fn rush(phones: Vec<Phone>, address: SocketAddr, at_once: usize) -> anyhow::Result<Vec<Took>> {
    let phones: Arc<Vec<Mutex<Phone>>> = Arc::new(phones.into_iter().map(Mutex::new).collect());
    let (next, started) = (Arc::new(AtomicUsize::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (phones, next) = (phones.clone(), next.clone());
        tasks.spawn(async move {
            let mut took = Vec::new();
            while let Some(phone) = phones.get(next.fetch_add(1, Ordering::Relaxed)) {
                if started.elapsed() > RUN_MAX {
                    break;
                }
                took.push(phone.lock().await.sync(address).await?);
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(some) = tasks.join_next().await {
        took.extend(some??);
    }
    Ok(took)
}

/// Waits until it uses no processor any more, not counting what it does by the clock.
async fn still(process: &Running) -> anyhow::Result<()> {
    for _ in 0..200 {
        let before = Used::by(process.pid())?;
        tokio::time::sleep(STILL).await;
        if Used::by(process.pid())?.since(&before).total_ms() < STILL.as_secs_f64() * 20.0 {
            return Ok(());
        }
    }
    Ok(())
}
