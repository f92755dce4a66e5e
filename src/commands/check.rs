//! `daybook check`: says whether the configuration, the database and the keys are fit to serve with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use super::{WithConfig, setup};
use crate::app::{Clock as _, SystemClock};
use crate::auth::rotation::plan_rotation;
use crate::flows::server_keys;
use crate::store;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// Only ask the server that runs with this configuration whether it is ready: for health checks.
    #[arg(long)]
    live: bool,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.common.config;
    if args.live {
        return live(config.listen).await;
    }
    let mut good = true;
    let mut say = |name: &str, result: Result<String, String>| {
        let (mark, text) = match &result {
            Ok(text) => ("ok  ", text),
            Err(text) => ("FAIL", text),
        };
        println!("{mark}  {name}: {text}");
        good &= result.is_ok();
    };
    say("public address", config.public_url().map_err(|error| error.to_string()));
    let db = match setup::database(&config, setup::Migrations::Embedded).await {
        Ok(db) => db,
        Err(error) => {
            say("database", Err(format!("{error:#}")));
            return Ok(ExitCode::FAILURE);
        }
    };
    say("schema", Ok("up to date".to_owned()));
    for (name, wanted, found) in db.settings().await? {
        let text = format!("{found} (wanted {wanted})");
        say(name, if found == wanted { Ok(text) } else { Err(text) });
    }
    for neighbourhood in store::neighbourhoods::list(db.read()).await? {
        let id = crate::domain::ids::NeighbourhoodId(neighbourhood.neighbourhood_id);
        let rules = store::neighbourhoods::rules(db.read(), id).await;
        let rules = rules.map(|pack| format!("version {} of {id}", pack.version));
        say("rules", rules.map_err(|error| error.to_string()));
        for (daybook, alarm) in store::daybooks::with_alarm(db.read(), id).await? {
            say("compaction", Err(format!("daybook {daybook} stopped ({alarm}): `daybook rebuild` it")));
        }
    }
    match setup::sealing_secret(&config) {
        Ok(secret) => {
            let ring = server_keys::read(&db, &secret).await;
            let state = ring.map(|ring| {
                let plan = plan_rotation(&ring, SystemClock.now_ms());
                format!(
                    "{} open, {} due to be made at the next start",
                    ring.times().count(),
                    plan.create.len()
                )
            });
            say("keys", state.map_err(|error| format!("{error}: is the secret the one that sealed them?")));
        }
        Err(error) => say("secret", Err(format!("{error:#}"))),
    }
    db.close().await?;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn live(listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let anywhere = listen.ip().is_unspecified();
    let ip = match listen.ip() {
        IpAddr::V4(_) if anywhere => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) if anywhere => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let client = reqwest::Client::builder().timeout(Duration::from_secs(3)).build()?;
    let answer = client.get(format!("http://{}/readyz", SocketAddr::new(ip, listen.port()))).send().await?;
    Ok(if answer.status().is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
