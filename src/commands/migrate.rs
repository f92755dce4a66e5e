//! `daybook migrate`: brings the database up to date.

use std::process::ExitCode;

use super::{WithConfig, setup};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let db = setup::database(&args.common.config, setup::Migrations::Run).await?;
    db.close().await?;
    println!("the database is up to date");
    Ok(ExitCode::SUCCESS)
}
