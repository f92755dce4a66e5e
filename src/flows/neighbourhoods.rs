//! A new neighbourhood: the tenant, its first rules and the tip of its journal, in one transaction. And what day it is
//! in one.

use sea_orm::ConnectionTrait;

use super::{FlowError, is_unique_violation};
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::domain::rules::RulePack;
use crate::domain::time::civil_day;
use crate::ledger::chain;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::{neighbourhood, tip};

/// The time zone of a neighbourhood.
///
/// # Errors
/// [`FlowError::NotFound`], and of the database.
pub async fn zone(db: &impl ConnectionTrait, id: NeighbourhoodId) -> Result<chrono_tz::Tz, FlowError> {
    zone_of(&store::neighbourhoods::find(db, id).await?.ok_or(FlowError::NotFound)?)
}

/// That of one that was read.
///
/// # Errors
/// [`FlowError::Internal`] for a name that no zone has: it was checked when it came in.
pub fn zone_of(tenant: &neighbourhood::Model) -> Result<chrono_tz::Tz, FlowError> {
    tenant.time_zone.parse().map_err(|_| FlowError::internal("unknown time zone"))
}

/// The day that it is in a neighbourhood: `2026-11-21`.
///
/// # Errors
/// As [`zone`].
pub async fn today(db: &impl ConnectionTrait, id: NeighbourhoodId, now_ms: i64) -> Result<String, FlowError> {
    let day = civil_day(now_ms, zone(db, id).await?);
    day.map(|day| day.to_string()).ok_or_else(|| FlowError::internal("no day at this time"))
}

/// Creates a neighbourhood; `time_zone` is an IANA name that was checked. Answers whether it is new.
///
/// # Errors
/// [`FlowError::IdReused`] if the id belongs to another one.
pub async fn create(
    app: &App,
    id: NeighbourhoodId,
    name: &str,
    time_zone: chrono_tz::Tz,
) -> Result<(neighbourhood::Model, bool), FlowError> {
    insert(app, id, name, time_zone, None).await
}

/// As [`create`], one whose clock can be moved.
///
/// # Errors
/// As [`create`].
pub async fn create_sandbox(
    app: &App,
    id: NeighbourhoodId,
    name: &str,
    time_zone: chrono_tz::Tz,
) -> Result<(neighbourhood::Model, bool), FlowError> {
    let created = insert(app, id, name, time_zone, Some(0)).await?;
    super::sandbox::look(app).await?;
    Ok(created)
}

async fn insert(
    app: &App,
    id: NeighbourhoodId,
    name: &str,
    time_zone: chrono_tz::Tz,
    clock_ahead_ms: Option<i64>,
) -> Result<(neighbourhood::Model, bool), FlowError> {
    let now_ms = app.now_ms();
    let row = neighbourhood::Model {
        neighbourhood_id: id.0,
        name: name.to_owned(),
        time_zone: time_zone.name().to_owned(),
        created_at_ms: now_ms,
        clock_ahead_ms,
        salt: Some(app.random::<16>().to_vec()),
    };
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    if let Some(there) = store::neighbourhoods::find(&txn, id).await? {
        let what = |row: &neighbourhood::Model| {
            (row.name.clone(), row.time_zone.clone(), row.clock_ahead_ms.is_some())
        };
        let same = what(&there) == what(&row);
        return if same { Ok((there, false)) } else { Err(FlowError::IdReused) };
    }
    match store::neighbourhoods::insert(&txn, row.clone()).await {
        Err(error) if is_unique_violation(&error) => return Err(FlowError::Busy),
        other => other?,
    }
    store::neighbourhoods::insert_rules(&txn, id, &RulePack::first(), None, now_ms).await?;
    let tip = tip::Model {
        neighbourhood_id: id.0,
        journal_no: 0,
        chain: chain::genesis(id).to_vec(),
        posted_at_ms: now_ms,
        contribution: 0,
        credit: 0,
    };
    store::ledger::insert_tip(&txn, tip).await?;
    timing.commit(txn.commit()).await?;
    Ok((row, true))
}
