//! `daybook conform`: plays a client against any Daybook server, check by check.
//!
//! It writes in the token's own daybook only: a few records of no minutes, which it takes back at the end.

mod client;
mod cursors;
mod editing;
mod following;
mod identity;
mod reading;
mod recording;
mod report;
mod syncing;

use std::process::ExitCode;

use anyhow::Context as _;

use client::Client;
use report::Report;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Personal token of a resident, with the scopes `sync activities:read activities:write`.
    #[arg(long, env = "DAYBOOK_CONFORM_TOKEN", hide_env_values = true)]
    token: String,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let client = Client::new(&args.url, &args.token).context("no client can be made")?;
    let mut report = Report::default();
    if let Some(me) = identity::run(&mut report, &client).await {
        let mut made = syncing::run(&mut report, &client, &me).await;
        made.extend(cursors::run(&mut report, &client, &me).await);
        made.extend(recording::run(&mut report, &client, &me).await);
        reading::run(&mut report, &client, &made).await;
        editing::run(&mut report, &client, &made).await;
        following::run(&mut report, &client, &made).await;
    }
    println!("{} checks, {} failed", report.checks(), report.failed());
    Ok(if report.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
