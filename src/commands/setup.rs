//! Putting an [`App`] together from the configuration.

use std::sync::Arc;

use anyhow::Context as _;
use migration::{Migrator, MigratorTrait as _};

use crate::app::{App, Clock, Random, SystemClock, SystemRandom};
use crate::auth::seal::SealingSecret;
use crate::config::Config;
use crate::domain::ids::NeighbourhoodId;
use crate::flows::server_keys;
use crate::store::{self, Database};

/// Whether migrations that are missing are run or refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Migrations {
    Run,
    /// Run on SQLite; on PostgreSQL the operator says when.
    Embedded,
}

/// Connects and brings the schema up to date where that is allowed.
///
/// # Errors
/// Where the database cannot be reached, or lacks migrations that are not to be run.
pub async fn database(config: &Config, migrations: Migrations) -> anyhow::Result<Database> {
    let url = config.database_url.reveal();
    let db = Database::connect(url, config.database_connections).await.context("cannot open the database")?;
    let missing = Migrator::get_pending_migrations(db.writer()).await?.len();
    if missing == 0 {
        return Ok(db);
    }
    let embedded = db.backend() == sea_orm::DbBackend::Sqlite;
    anyhow::ensure!(
        embedded || migrations == Migrations::Run,
        "the database lacks {missing} migrations: run `daybook migrate`, or start with --migrate"
    );
    Migrator::up(db.writer(), None).await.context("cannot bring the database up to date")?;
    Ok(db)
}

/// The neighbourhood of this name or id, if there is one.
///
/// # Errors
/// Where several have the name.
pub async fn neighbourhood(app: &App, wanted: &str) -> anyhow::Result<Option<NeighbourhoodId>> {
    let all = store::neighbourhoods::list(app.db().read()).await?;
    let mut named = all.iter().filter(|row| row.name == wanted || row.neighbourhood_id.to_string() == wanted);
    match (named.next(), named.next()) {
        (Some(_), Some(_)) => anyhow::bail!("several neighbourhoods are called {wanted}: give the id"),
        (found, _) => Ok(found.map(|row| NeighbourhoodId(row.neighbourhood_id))),
    }
}

/// The secret that seals the keys.
///
/// # Errors
/// Where it is missing, too short, or its file cannot be kept.
pub fn sealing_secret(config: &Config) -> anyhow::Result<SealingSecret> {
    let secret = config.seal_secret(|| {
        let mut bytes = [0; 32];
        SystemRandom.fill(&mut bytes);
        bytes
    })?;
    SealingSecret::new(secret.reveal().as_bytes()).context("the secret cannot be used")
}

/// The whole application on the machine's clock.
///
/// # Errors
/// As [`database`] and [`sealing_secret`], or if the keys cannot be opened.
pub async fn app(config: &Config, migrations: Migrations) -> anyhow::Result<(App, SealingSecret)> {
    app_at(config, migrations, Arc::new(SystemClock)).await
}

/// The whole application on any clock.
///
/// # Errors
/// As [`app`].
pub async fn app_at(
    config: &Config,
    migrations: Migrations,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<(App, SealingSecret)> {
    let db = database(config, migrations).await?;
    let secret = sealing_secret(config)?;
    let random = SystemRandom;
    let keys = server_keys::ready(&db, &secret, clock.now_ms(), &mut |bytes| random.fill(bytes)).await;
    let keys = keys.context("cannot open the keys: is the secret the one that sealed them?")?;
    let operator = config.operator_token.as_ref().map(|token| token.reveal().to_owned());
    let app = App::new(db, keys, clock, Arc::new(random), config.public_url()?, operator);
    let app = app.with_security_contact(config.security_contact.clone());
    let app = app.with_document_cache(config.document_cache_bytes);
    crate::flows::sandbox::look(&app).await.context("cannot read the neighbourhoods")?;
    Ok((app, secret))
}
