//! `daybook serve`: the server, until it is told to end.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{WithConfig, logging, setup};
use crate::api;
use crate::app::App;
use crate::auth::seal::SealingSecret;
use crate::config::Config;
use crate::flows::{compact, held, judge, server_keys};

/// Between readiness off and the listener closing, so that balancers stop sending.
const DRAIN_NOTICE: Duration = Duration::from_secs(2);
/// From the signal to the end, at most.
const DRAIN_MAX: Duration = Duration::from_secs(28);

/// What the last reader of the metrics may take to finish.
const METRICS_END_MAX: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: WithConfig,
    /// Bring a PostgreSQL database up to date at the start.
    #[arg(long, env = "DAYBOOK_MIGRATE")]
    migrate: bool,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let config = args.common.config;
    logging::start(&config)?;
    let migrations = if args.migrate { setup::Migrations::Run } else { setup::Migrations::Embedded };
    let (app, secret) = setup::app(&config, migrations).await?;
    let listener = TcpListener::bind(config.listen).await.context("cannot listen")?;
    let metrics = bind_metrics(&config).await?;
    serve(app, secret, listener, metrics).await?;
    Ok(ExitCode::SUCCESS)
}

/// Listens where the metrics are wanted, if they are.
pub async fn bind_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(listen) = config.metrics_listen else { return Ok(None) };
    let bound = TcpListener::bind(listen).await;
    Ok(Some(bound.with_context(|| format!("cannot listen on {listen} for metrics"))?))
}

/// Serves until a signal; then readiness goes off, requests finish, the database closes. The metrics are
/// served until everything else has ended.
pub async fn serve(
    app: App,
    secret: SealingSecret,
    listener: TcpListener,
    metrics: Option<TcpListener>,
) -> anyhow::Result<()> {
    tracing::info!(listen = %listener.local_addr()?, public_url = app.public_url(), "serving");
    let (end, ended) = oneshot::channel::<()>();
    let metrics = metrics.map(|listener| tokio::spawn(serve_metrics(app.clone(), listener, ended)));
    let clerk = tokio::spawn(judge::clerk(app.clone()));
    let held = tokio::spawn(held::keep(app.clone()));
    let keys = tokio::spawn(server_keys::keep(app.clone(), secret));
    let compactor = tokio::spawn(compact::compactor(app.clone()));
    let draining = app.clone();
    let stop = async move {
        signalled().await;
        draining.drain();
        tracing::info!("draining");
        tokio::time::sleep(DRAIN_NOTICE).await;
    };
    let served =
        axum::serve(listener, api::router(app.clone()).into_make_service()).with_graceful_shutdown(stop);
    let waiting = app.clone();
    let too_long = async move {
        while !waiting.is_draining() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        served = served => served.context("serving failed")?,
        () = too_long => tracing::warn!("some requests did not finish in time"),
    }
    app.drain();
    keys.abort();
    held.abort();
    // What it has begun is rolled back, and begun again at the next start.
    compactor.abort();
    // The clerk ends by itself after the transaction it is in.
    let _ = tokio::time::timeout(Duration::from_secs(2), clerk).await;
    drop(end);
    if let Some(metrics) = metrics {
        let _ = tokio::time::timeout(METRICS_END_MAX, metrics).await;
    }
    app.db().clone().close().await.context("cannot close the database")?;
    tracing::info!("ended");
    Ok(())
}

/// Serves the metrics until the other end of `ended` is dropped.
async fn serve_metrics(app: App, listener: TcpListener, ended: oneshot::Receiver<()>) {
    match listener.local_addr() {
        Ok(listen) => tracing::info!(%listen, "serving metrics"),
        Err(error) => tracing::warn!(%error, "the metrics have no address"),
    }
    let stop = async move {
        let _ = ended.await;
    };
    let served =
        axum::serve(listener, api::metrics_router(app).into_make_service()).with_graceful_shutdown(stop);
    if let Err(error) = served.await {
        tracing::warn!(%error, "metrics are no longer served");
    }
}

async fn signalled() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
