//! The commands of the binary. `serve` runs the server; the others make, check and feed one.

mod check;
mod conform;
mod demo;
mod invite;
mod logging;
mod migrate;
mod openapi;
mod quarantine;
mod rebuild;
mod replay;
mod serve;
pub mod setup;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::config::{Config, secrets_from_files};

/// Sync offline daybooks, reconcile them, keep the neighbourhood's ledger.
#[derive(Debug, Parser)]
#[command(name = "daybook", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server. An embedded database is brought up to date by itself, PostgreSQL with --migrate.
    Serve(serve::Args),
    /// Bring the database up to date.
    Migrate(migrate::Args),
    /// Print the OpenAPI document.
    Openapi,
    /// Make derived rows again from the changes and the journal, and say what differed.
    Rebuild(rebuild::Args),
    /// Check chain, targets and balances against ground state, and name the first difference; writes nothing.
    Verify(verify::Args),
    /// List, save or replay the changes in quarantine.
    Quarantine(quarantine::Args),
    /// Make an invitation, and the neighbourhood with --create.
    Invite(invite::Args),
    /// Serve a demo neighbourhood, made through the real sync path.
    Demo(demo::Args),
    /// Play a file in the Open Repair Data Standard as phones that recorded offline.
    Replay(replay::Args),
    /// Check configuration, database settings and rules, and keys.
    Check(check::Args),
    /// Play a client against any Daybook server, and say of each check whether it holds.
    Conform(conform::Args),
}

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("daybook: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<ExitCode> {
    let mut command = Cli::command();
    for (name, value) in secrets_from_files(std::env::vars(), &known_variables())? {
        // The value becomes the default of its argument, so that the command line still goes before it.
        command = command.mut_subcommands(|sub| with_default(sub, name, &value));
    }
    let cli = Cli::from_arg_matches(&command.get_matches())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(dispatch(cli.command))
}

fn with_default(command: clap::Command, variable: &str, value: &str) -> clap::Command {
    let ids: Vec<clap::Id> = command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some_and(|env| env == variable))
        .map(|arg| arg.get_id().clone())
        .collect();
    let value = value.to_owned();
    ids.into_iter().fold(command, |command, id| {
        let value = value.clone();
        let value: &'static str = Box::leak(value.into_boxed_str());
        command.mut_arg(id, |arg| arg.default_value(value))
    })
}

fn known_variables() -> Vec<String> {
    let command = Cli::command();
    let arguments = command.get_subcommands().flat_map(clap::Command::get_arguments);
    arguments.filter_map(|arg| arg.get_env().map(|env| env.to_string_lossy().into_owned())).collect()
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Migrate(args) => migrate::run(args).await,
        Command::Openapi => openapi::run(),
        Command::Rebuild(args) => rebuild::run(args).await,
        Command::Verify(args) => verify::run(args).await,
        Command::Quarantine(args) => quarantine::run(args).await,
        Command::Invite(args) => invite::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Replay(args) => replay::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Conform(args) => conform::run(args).await,
    }
}

/// Arguments that every command with a database takes.
#[derive(Debug, Clone, clap::Args)]
pub struct WithConfig {
    #[command(flatten)]
    pub config: Config,
}
