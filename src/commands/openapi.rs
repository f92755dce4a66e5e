//! `daybook openapi`: prints the OpenAPI document.

use std::process::ExitCode;

pub fn run() -> anyhow::Result<ExitCode> {
    println!("{}", crate::api::document().to_pretty_json()?);
    Ok(ExitCode::SUCCESS)
}
