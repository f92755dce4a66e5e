//! The load of many phones: seeded daybooks, the release binary as a process of its own, phones over HTTP.
//!
//! ```text
//! cargo bench --bench load -- run --daybooks 500 --database sqlite --keep /tmp/seeds
//! tests/postgres/with-postgres.sh cargo bench --bench load -- all --out benches/RESULTS.md
//! ```
//!
//! Ratios within one run are what counts: phones and server share the machine. `DAYBOOK_BINARY` names another
//! binary than the one just built.

mod book_rows;
mod database;
mod floor;
mod goals;
mod http;
mod latency;
mod ledger;
mod peers;
mod phones;
mod pouch;
mod process;
mod records;
mod repo;
mod report;
mod rush;
mod seed;
mod server;
mod storage;
mod suite;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use database::Kind;
use latency::Settle;
use rush::Workload;
use suite::{Case, Sizes};

#[derive(Debug, Parser)]
#[command(name = "load")]
struct Cli {
    /// Given by cargo.
    #[arg(long, hide = true, global = true)]
    bench: bool,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Many phones sync once, all at once.
    Run(RunArgs),
    /// One phone at a time, on daybooks of every age, against the floor.
    Latency(LatencyArgs),
    /// Many phones sync once with a peer.
    Peer(PeerArgs),
    /// Reading the ledger and judging into it, small and large.
    Ledger(LedgerArgs),
    /// Everything, and a page about it.
    All(AllArgs),
    /// The page again, from figures that were kept.
    Page {
        json: PathBuf,
        #[arg(long)]
        out: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
struct Files {
    /// Keeps the seeded database here, and takes it from here where it is already.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Writes the figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[arg(long, default_value_t = 50)]
    daybooks: u64,
    /// In each daybook, before the phones push.
    #[arg(long, default_value_t = 100)]
    activities: u64,
    /// Phones at once.
    #[arg(long, default_value_t = 32)]
    phones: usize,
    #[arg(long, default_value_t = 50)]
    neighbourhoods: u64,
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    database: Kind,
    #[arg(long, value_enum, default_value_t = Workload::Push5)]
    workload: Workload,
    /// Rounds, each against a server that has just started.
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, clap::Args)]
struct LatencyArgs {
    /// Activities of the daybooks.
    #[arg(long, value_delimiter = ',', default_value = "10,100,1000,10000")]
    ages: Vec<u64>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Activities of the first sync.
    #[arg(long, default_value_t = 10_000)]
    first: u64,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, clap::Args)]
struct PeerArgs {
    #[arg(value_enum)]
    peer: peers::Peer,
    #[arg(long, default_value_t = 50)]
    daybooks: u64,
    #[arg(long, default_value_t = 100)]
    activities: u64,
    #[arg(long, default_value_t = 32)]
    phones: usize,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, clap::Args)]
struct LedgerArgs {
    #[arg(long, value_enum, default_value_t = Size::Full)]
    size: Size,
    /// Only this database.
    #[arg(long, value_enum)]
    database: Option<Kind>,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Size {
    /// As the goals say.
    Full,
    /// The largest on SQLite only, and fewer rounds.
    Quick,
    /// So little that it only shows that everything still runs.
    Smoke,
}

#[derive(Debug, clap::Args)]
struct AllArgs {
    #[arg(long, value_enum, default_value_t = Size::Full)]
    size: Size,
    /// Writes the page here.
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    files: Files,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match cli.what {
            Some(What::Run(args)) => run(args).await,
            Some(What::Latency(args)) => latency(args).await,
            Some(What::Peer(args)) => peer(args).await,
            Some(What::Ledger(args)) => ledger(args).await,
            Some(What::All(args)) => all(args).await,
            Some(What::Page { json, out }) => {
                let figures = serde_json::from_slice(&std::fs::read(json)?)?;
                Ok(std::fs::write(out, report::page(&figures))?)
            }
            None => {
                println!("Say what to measure; --help lists it, `make bench` measures everything.");
                Ok(())
            }
        }
    })
}

/// A folder for the databases, and one that goes away with the run.
fn folder(files: &Files) -> anyhow::Result<(PathBuf, tempfile::TempDir)> {
    let temporary = tempfile::tempdir()?;
    let folder = files.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    Ok((folder, temporary))
}

fn tell(figures: &impl serde::Serialize, files: &Files) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(figures)?);
    if let Some(file) = &files.json {
        std::fs::write(file, serde_json::to_vec_pretty(figures)?).context("cannot write the figures")?;
    }
    Ok(())
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    let (folder, _temporary) = folder(&args.files)?;
    let sizes = Sizes { neighbourhoods: args.neighbourhoods, at_once: args.phones, ..Sizes::full() };
    let RunArgs { database, daybooks, activities, rounds, workload, .. } = args;
    let case = Case { database, daybooks, activities, rounds };
    tell(&case.run(&sizes, &[workload], &folder).await?, &args.files)
}

async fn latency(args: LatencyArgs) -> anyhow::Result<()> {
    let (folder, _temporary) = folder(&args.files)?;
    let settle = Settle { ages: args.ages, rounds: args.rounds, first: args.first };
    tell(&latency::run(&folder, &settle).await?, &args.files)
}

async fn peer(args: PeerArgs) -> anyhow::Result<()> {
    let (folder, _temporary) = folder(&args.files)?;
    let rush = peers::run(args.peer, &folder, args.daybooks, args.activities, args.phones).await?;
    tell(&rush, &args.files)
}

impl Size {
    fn sizes(self) -> Sizes {
        match self {
            Self::Full => Sizes::full(),
            Self::Quick => Sizes::quick(),
            Self::Smoke => Sizes::smoke(),
        }
    }
}

async fn ledger(args: LedgerArgs) -> anyhow::Result<()> {
    let (folder, _temporary) = folder(&args.files)?;
    let databases = args.database.map_or_else(suite::databases, |database| vec![database]);
    tell(&ledger::run(&databases, &folder, &args.size.sizes().ledger).await?, &args.files)
}

async fn all(args: AllArgs) -> anyhow::Result<()> {
    let (folder, _temporary) = folder(&args.files)?;
    let sizes = args.size.sizes();
    let keep = |figures: &suite::Figures| {
        if let Some(file) = &args.files.json {
            std::fs::write(file, serde_json::to_vec_pretty(figures)?).context("cannot write the figures")?;
        }
        Ok(())
    };
    let figures = suite::run(&sizes, &folder, keep).await?;
    keep(&figures)?;
    let page = report::page(&figures);
    match &args.out {
        Some(out) => std::fs::write(out, page).context("cannot write the page")?,
        None => println!("{page}"),
    }
    anyhow::ensure!(figures.failed.is_empty(), "some parts failed: {}", figures.failed.join("; "));
    Ok(())
}
