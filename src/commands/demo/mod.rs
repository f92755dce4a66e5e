//! `daybook demo`: a server with a neighbourhood of made-up residents, who recorded some weeks on their phones
//! and synced as anybody does. The second start finds it as it was left.

mod story;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;

use super::{WithConfig, logging, serve, setup};
use crate::app::{Access, App, SystemClock};
use crate::auth::scopes::Scopes;
use crate::domain::ids::{GrantId, InvitationId, NeighbourhoodId, PartyId};
use crate::flows::{grants, invite, neighbourhoods};
use crate::store;

/// Name of the demo's neighbourhood.
const NEIGHBOURHOOD: &str = "Balsall Heath (demo)";
/// How long the printed tokens are good for.
const TOKEN_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut config = args.common.config;
    if config.database_url.reveal() == "sqlite:./data/daybook.db" {
        config.database_url = "sqlite:./data/demo.db".to_owned().into();
    }
    config.log = format!("warn,{}", config.log.replace("info", "warn"));
    logging::start(&config)?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "cannot listen on {}: is something there already? Choose another address with --listen",
            config.listen
        )
    })?;
    let metrics = serve::bind_metrics(&config).await?;
    let (app, secret) = setup::app_at(&config, setup::Migrations::Run, Arc::new(SystemClock)).await?;
    let serving = tokio::spawn(serve::serve(app.clone(), secret, listener, metrics));
    let people = match existing(&app).await? {
        Some(people) => people,
        None => {
            println!("Making a neighbourhood: a dozen phones record five weeks and sync …");
            make(&app).await?
        }
    };
    greet(&app, &people).await?;
    serving.await.context("the server stopped")??;
    Ok(ExitCode::SUCCESS)
}

/// The two people whose tokens are printed.
struct People {
    neighbourhood: NeighbourhoodId,
    coordinator: PartyId,
    resident: PartyId,
}

async fn existing(app: &App) -> anyhow::Result<Option<People>> {
    let db = app.db().read();
    let all = store::neighbourhoods::list(db).await?;
    let Some(row) = all.iter().find(|row| row.name == NEIGHBOURHOOD) else { return Ok(None) };
    let neighbourhood = NeighbourhoodId(row.neighbourhood_id);
    let (mut coordinator, mut resident) = (None, None);
    for party in store::parties::page(db, neighbourhood, None, 200).await? {
        if party.name == story::COORDINATOR && party.known {
            coordinator = Some(PartyId(party.id));
        } else if party.name == story::RESIDENT && party.known {
            resident = Some(PartyId(party.id));
        }
    }
    let found = coordinator.zip(resident);
    let (coordinator, resident) = found
        .context("the demo was interrupted while it was made: delete ./data/demo.db* and start again")?;
    Ok(Some(People { neighbourhood, coordinator, resident }))
}

async fn make(app: &App) -> anyhow::Result<People> {
    let neighbourhood = NeighbourhoodId(app.uuid());
    neighbourhoods::create_sandbox(app, neighbourhood, NEIGHBOURHOOD, chrono_tz::Europe::London).await?;
    let told = story::play(app, neighbourhood).await?;
    Ok(People { neighbourhood, coordinator: told.coordinator, resident: told.resident })
}

/// An invitation, as an operator makes it.
async fn invitation(app: &App, neighbourhood: NeighbourhoodId, coordinator: bool) -> anyhow::Result<String> {
    let invited = invite::Invited { id: InvitationId(app.uuid()), coordinator, party: None };
    Ok(invite::create(app, neighbourhood, None, invited).await?.1.text)
}

/// A personal token for somebody of the demo.
async fn token(app: &App, people: &People, party: PartyId, scopes: &str) -> anyhow::Result<String> {
    let caller = Access {
        neighbourhood: people.neighbourhood,
        party,
        owners: vec![party],
        names: vec![party],
        grant: GrantId(app.uuid()),
        device: None,
        scopes: Scopes::ALL,
        coordinator: false,
        thumbprint: None,
        token_hash: Vec::new(),
        expires_at_ms: 0,
        revoked: false,
    };
    let (id, until) = (GrantId(app.uuid()), app.now_ms() + TOKEN_LIFE_MS);
    let made =
        grants::create_personal(app, &caller, id, "printed at the start of the demo", scopes.parse()?, until);
    made.await?.1.context("no token")
}

async fn greet(app: &App, people: &People) -> anyhow::Result<()> {
    let all = Scopes::ALL.to_string();
    let coordinator = token(app, people, people.coordinator, &all).await?;
    let resident = token(app, people, people.resident, &all).await?;
    let url = app.public_url();
    println!(
        "
Daybook is running: {url}   (what this is, and where to go)
                    {url}/docs   (the reference)

Coordinator {}, token for 24 hours:
  {coordinator}
Resident {}, token for 24 hours:
  {resident}

Try:
  curl -s -H 'Authorization: Bearer {resident}' '{url}/v1/totals?by=kind,month'
  curl -s -H 'Authorization: Bearer {coordinator}' '{url}/v1/activities?review=received'
  curl -s -H 'Authorization: Bearer {coordinator}' '{url}/v1/accounts'

Ctrl-C ends it; `make run` goes on where it ended.",
        story::COORDINATOR,
        story::RESIDENT,
    );
    Ok(())
}
