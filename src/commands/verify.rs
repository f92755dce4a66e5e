//! `daybook verify`: checks chain, targets and balances against ground state, and names the first difference.

use std::process::ExitCode;

use anyhow::Context as _;

use super::rebuild::print;
use super::{WithConfig, setup};
use crate::domain::ids::NeighbourhoodId;
use crate::flows::rebuild::{Mode, rebuild};
use crate::store;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// Only this one, by its name or id; all if not given.
    #[arg(long)]
    neighbourhood: Option<String>,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (app, _) = setup::app(&args.common.config, setup::Migrations::Embedded).await?;
    let ids = match &args.neighbourhood {
        Some(wanted) => {
            let found = setup::neighbourhood(&app, wanted).await?;
            vec![found.with_context(|| format!("there is no neighbourhood {wanted}"))?]
        }
        None => {
            let all = store::neighbourhoods::list(app.db().read()).await?;
            all.iter().map(|row| NeighbourhoodId(row.neighbourhood_id)).collect()
        }
    };
    let mut good = true;
    for id in ids {
        let compared = rebuild(&app, id, Mode::Compare).await?;
        good &= compared.is_same();
        print(id, &compared);
        match compared.first() {
            None => println!("  everything is as the journal and the changes say"),
            Some(first) => println!("  first difference: {first}"),
        }
    }
    app.db().clone().close().await?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
