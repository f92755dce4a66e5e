//! `daybook rebuild`: makes derived rows again and says what differed.

use std::process::ExitCode;

use super::{WithConfig, setup};
use crate::domain::ids::NeighbourhoodId;
use crate::flows::rebuild::{Mode, Rebuilt, rebuild};
use crate::store;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// Only compare: write nothing, and fail if anything differs.
    #[arg(long)]
    compare: bool,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (app, _) = setup::app(&args.common.config, setup::Migrations::Embedded).await?;
    let mode = if args.compare { Mode::Compare } else { Mode::Write };
    let mut same = true;
    for row in store::neighbourhoods::list(app.db().read()).await? {
        let id = NeighbourhoodId(row.neighbourhood_id);
        let rebuilt = rebuild(&app, id, mode).await?;
        same &= rebuilt.is_same();
        print(id, &rebuilt);
    }
    app.db().clone().close().await?;
    Ok(if same || mode == Mode::Write { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tables with their counts, and the rows that differ.
pub(super) fn print(id: NeighbourhoodId, rebuilt: &Rebuilt) {
    println!("neighbourhood {id}");
    for (table, count) in rebuilt.tables() {
        println!("  {table:<17} {:>8} rows, {} differing", count.rows, count.differing);
        count.named.iter().for_each(|difference| println!("    {difference}"));
    }
}
