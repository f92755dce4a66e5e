//! `daybook invite`: an invitation, straight into the database; how the first coordinator gets in.

use std::process::ExitCode;

use super::{WithConfig, setup};
use crate::domain::ids::{InvitationId, NeighbourhoodId};
use crate::flows::{invite, neighbourhoods};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// The neighbourhood's name or id.
    #[arg(long)]
    neighbourhood: String,
    /// Create the neighbourhood if there is none of that name.
    #[arg(long)]
    create: bool,
    /// Time zone of a new neighbourhood.
    #[arg(long, default_value = "Europe/London")]
    time_zone: chrono_tz::Tz,
    /// Whoever joins becomes a coordinator.
    #[arg(long)]
    coordinator: bool,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (app, _) = setup::app(&args.common.config, setup::Migrations::Embedded).await?;
    let wanted = &args.neighbourhood;
    let id = match setup::neighbourhood(&app, wanted).await? {
        Some(id) => id,
        None if args.create => {
            let id = NeighbourhoodId(app.uuid());
            neighbourhoods::create(&app, id, wanted, args.time_zone).await?;
            id
        }
        None => anyhow::bail!("there is no neighbourhood {wanted}; add --create to make it"),
    };
    let invited =
        invite::Invited { id: InvitationId(app.uuid()), coordinator: args.coordinator, party: None };
    let (_, minted, _) = invite::create(&app, id, None, invited).await?;
    println!("neighbourhood  {id}");
    println!("invitation     {}", minted.text);
    println!("link           {}/join#{}", app.public_url(), minted.text);
    app.db().clone().close().await?;
    Ok(ExitCode::SUCCESS)
}
