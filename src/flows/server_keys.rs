//! The keys that all replicas share: made at the first start, rotated in time, read again every few minutes.

use std::time::Duration;

use super::FlowError;
use crate::app::App;
use crate::auth::keys::{KeyRing, KeyRow, KeyUse, generate};
use crate::auth::rotation::{RING_REFRESH_MS, plan_rotation};
use crate::auth::seal::SealingSecret;
use crate::store;
use crate::store::Database;
use crate::store::entity::server_key;

/// Keys that ended this long ago are removed.
const FORGET_AFTER_MS: i64 = 24 * 60 * 60 * 1_000;

/// Reads the keys, makes what is missing or due, and answers the ring in force.
///
/// # Errors
/// [`FlowError`] of the database, or if the configured secret does not open a key.
pub async fn ready(
    db: &Database,
    secret: &SealingSecret,
    now_ms: i64,
    random: &mut (dyn FnMut(&mut [u8]) + Send),
) -> Result<KeyRing, FlowError> {
    let ring = read(db, secret).await?;
    let plan = plan_rotation(&ring, now_ms);
    if plan.is_empty() {
        return Ok(ring);
    }
    let mut rows = Vec::with_capacity(plan.create.len());
    for (key_use, active_from_ms) in plan.create {
        let row = generate(key_use, now_ms, active_from_ms, secret, &mut |bytes| random(bytes));
        rows.push(stored(row.map_err(FlowError::internal)?));
    }
    let txn = db.begin().await?;
    store::keys::insert_new(&txn, rows).await?;
    for (kid, at_ms) in plan.retire {
        store::keys::retire(&txn, &kid, at_ms).await?;
    }
    store::keys::delete_retired(&txn, now_ms - FORGET_AFTER_MS).await?;
    txn.commit().await?;
    read(db, secret).await
}

/// Keeps the ring of a running server in force.
pub async fn keep(app: App, secret: SealingSecret) {
    let period = Duration::from_millis(u64::try_from(RING_REFRESH_MS / 2).unwrap_or(60_000));
    while !app.is_draining() {
        tokio::time::sleep(period).await;
        let now_ms = app.now_ms();
        match ready(app.db(), &secret, now_ms, &mut |bytes| app.fill(bytes)).await {
            Ok(ring) => app.set_keys(ring),
            Err(error) => {
                tracing::error!(%error, "the keys cannot be read; the ones in memory stay in force")
            }
        }
    }
}

/// Reads the keys as they are.
///
/// # Errors
/// [`FlowError`] of the database, or if the configured secret does not open a key.
pub async fn read(db: &Database, secret: &SealingSecret) -> Result<KeyRing, FlowError> {
    let rows = store::keys::all(db.writer()).await?;
    let rows: Result<Vec<KeyRow>, FlowError> = rows.into_iter().map(opened).collect();
    KeyRing::open(rows?, secret).map_err(FlowError::internal)
}

fn stored(row: KeyRow) -> server_key::Model {
    server_key::Model {
        kid: row.kid,
        purpose: row.key_use.to_string(),
        sealed: row.sealed,
        created_at_ms: row.created_at_ms,
        active_from_ms: row.active_from_ms,
        retire_at_ms: row.retire_at_ms,
    }
}

fn opened(row: server_key::Model) -> Result<KeyRow, FlowError> {
    let key_use: KeyUse = row.purpose.parse().map_err(FlowError::internal)?;
    Ok(KeyRow {
        kid: row.kid,
        key_use,
        sealed: row.sealed,
        created_at_ms: row.created_at_ms,
        active_from_ms: row.active_from_ms,
        retire_at_ms: row.retire_at_ms,
    })
}
