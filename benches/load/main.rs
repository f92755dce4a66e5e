//! The load of many phones: seeded daybooks, the release binary as a process of its own, phones over HTTP.
//!
//! ```text
//! cargo bench --bench load -- run --daybooks 500 --database sqlite --keep /tmp/seeds
//! ```
//!
//! Ratios within one run are what counts: phones and server share the machine.

mod database;
mod http;
mod phones;
mod process;
mod records;
mod rush;
mod seed;
mod server;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

use database::{Kind, Place};
use rush::{Rush, Workload};
use seed::{Plan, Step};
use server::Settings;

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
}

/// How many of what.
#[derive(Debug, Clone, clap::Args)]
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
    /// Keeps the seeded database here, and takes it from here where it is already.
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Writes the figures here.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        match cli.what {
            Some(What::Run(args)) => run(args).await,
            None => Ok(println!("say what to measure; --help lists it")),
        }
    })
}

async fn run(args: RunArgs) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let folder = args.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;
    let outcome = measure(&args, &folder).await?;
    println!("{}", serde_json::to_string_pretty(&outcome)?);
    if let Some(file) = &args.json {
        std::fs::write(file, serde_json::to_vec_pretty(&outcome)?).context("cannot write the figures")?;
    }
    Ok(())
}

async fn measure(args: &RunArgs, folder: &std::path::Path) -> anyhow::Result<Rush> {
    let step = match args.workload {
        Workload::Edit5 => Step::Edits(5),
        Workload::Push5 | Workload::Nothing | Workload::Fresh => Step::New(5),
    };
    let steps = vec![step; args.rounds];
    let neighbourhoods = args.neighbourhoods.clamp(1, args.daybooks.max(1));
    let plan = Plan::even(args.daybooks, args.activities, neighbourhoods, steps);
    let name = format!("{}x{}", args.daybooks, args.activities);
    let place = Place::new(args.database, folder, &format!("seed_{name}"))?;
    let settings = Settings::new(place.clone(), folder)?;
    let seeded = seed::ready(&settings, &place, folder, &plan).await?;
    let work = Place::new(args.database, folder, &format!("work_{name}"))?;
    let mut outcome = rush::run(&settings, &seeded, &work, args.workload, args.phones, args.rounds).await?;
    outcome.seeded_bytes_per_activity /= (args.daybooks * args.activities).max(1) as f64;
    if args.keep.is_none() {
        place.remove().await?;
    }
    Ok(outcome)
}
