//! `daybook quarantine`: lists the changes in quarantine, saves their bytes, replays them after an upgrade.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::{WithConfig, setup};
use crate::app::App;
use crate::domain::ids::{DaybookId, NeighbourhoodId};
use crate::flows::quarantine::{Replayed, Superseded, replay};
use crate::store;
use crate::store::changes::Of;
use crate::store::quarantine::{Filter, Kept};

/// Rows read at once.
const ROWS: u64 = 200;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// The neighbourhood's name or id.
    #[arg(long)]
    neighbourhood: String,
    /// Only of this daybook.
    #[arg(long)]
    daybook: Option<DaybookId>,
    /// Only with this code.
    #[arg(long)]
    code: Option<String>,
    /// Write the bytes of each into this folder, named by its hash.
    #[arg(long)]
    save: Option<PathBuf>,
    /// Take each through the guard once more.
    #[arg(long)]
    replay: bool,
    /// With --replay: also where the phone seems to have sent its content again; tallies may then count twice.
    #[arg(long, requires = "replay")]
    anyway: bool,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (app, _) = setup::app(&args.common.config, setup::Migrations::Embedded).await?;
    let found = setup::neighbourhood(&app, &args.neighbourhood).await?;
    let id = found.with_context(|| format!("there is no neighbourhood {}", args.neighbourhood))?;
    for row in all(&app, id, &args).await? {
        let hash: [u8; 32] = row.hash.as_slice().try_into().context("a stored hash cannot be read")?;
        let of = Of { neighbourhood: id, daybook: DaybookId(row.daybook_id) };
        let mut line = format!("{} {} {} {} bytes", of.daybook, hex::encode(hash), row.code, row.bytes_count);
        if let Some(folder) = &args.save {
            save(&app, of, &hash, folder).await?;
        }
        if args.replay {
            let superseded = if args.anyway { Superseded::TakeIn } else { Superseded::LeaveOut };
            let replayed = replay(&app, of, hash, superseded).await?;
            line.push_str(&format!(": {}", told(replayed)));
        }
        println!("{line}");
    }
    app.db().clone().close().await?;
    Ok(ExitCode::SUCCESS)
}

/// Oldest first, since a change builds on those before it.
async fn all(app: &App, id: NeighbourhoodId, args: &Args) -> anyhow::Result<Vec<Kept>> {
    let daybook = args.daybook.map(|daybook| daybook.0);
    let mut filter = Filter { daybook, code: args.code.clone(), after: None };
    let mut rows = Vec::new();
    loop {
        let page = store::quarantine::page(app.db().read(), id, &filter, ROWS).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some((last.received_at_ms, last.daybook_id, last.hash.clone()));
        rows.extend(page);
    }
    rows.reverse();
    Ok(rows)
}

async fn save(app: &App, of: Of, hash: &[u8; 32], folder: &Path) -> anyhow::Result<()> {
    let row = store::quarantine::find(app.db().read(), of, hash).await?;
    if let Some(bytes) = row.and_then(|row| row.bytes) {
        std::fs::create_dir_all(folder).context("cannot make the folder")?;
        std::fs::write(folder.join(hex::encode(hash)), bytes).context("cannot write the bytes")?;
    }
    Ok(())
}

fn told(replayed: Option<Replayed>) -> String {
    match replayed {
        // An earlier one of this run took it along.
        None => "settled already".to_owned(),
        Some(Replayed::Became(became)) => format!("{became:?}"),
        Some(Replayed::Superseded(activities)) => {
            format!("superseded: {} of its activities have changed since", activities.len())
        }
        Some(Replayed::BytesGone) => "only hash and reason were kept".to_owned(),
    }
}
