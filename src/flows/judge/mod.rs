//! The clerk: takes up what waits in a neighbourhood, applies the rules, posts, numbers the journal.
//!
//! One transaction of at most [`CLERK_VERSIONS_MAX`] versions at a time; all of it serial within a
//! neighbourhood, by the lock of its tip. A clerk that finds the tip locked leaves: the holder looks again.

mod facts;
mod posting;
mod round;
mod sitting;

use std::collections::BTreeSet;
use std::time::Duration;

use sea_orm::ConnectionTrait;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::domain::limits::CLERK_VERSIONS_MAX;
use crate::store;
use crate::store::Transaction;

pub(super) use facts::{Brief, People, withdrawn};
pub(super) use round::{reason, settle};
pub use sitting::journal_entry;
pub(super) use sitting::{Case, Sitting, judgement_row};

/// How often the clerk looks for what waits without having been rung for: after a crash, or another replica's.
const TICK: Duration = Duration::from_secs(1);
/// Between two rounds of one neighbourhood, so that people's decisions get their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Works until the process drains.
pub async fn clerk(app: App) {
    while !app.is_draining() {
        let rung = tokio::time::timeout(TICK, app.bell().rung()).await;
        let mut waiting = app.bell().take();
        if rung.is_err() {
            match all_waiting(&app).await {
                Ok(found) => waiting.extend(found),
                Err(error) => tracing::warn!(%error, "the clerk cannot look for what waits"),
            }
        }
        for neighbourhood in waiting {
            if let Err(error) = until_quiet(&app, neighbourhood).await {
                tracing::warn!(%error, %neighbourhood, "the clerk stopped in a neighbourhood and will look again");
            }
        }
    }
}

async fn all_waiting(app: &App) -> Result<BTreeSet<NeighbourhoodId>, FlowError> {
    let db = app.db().read();
    let mut found: BTreeSet<_> = store::activities::neighbourhoods_waiting(db).await?.into_iter().collect();
    found.extend(store::judgements::neighbourhoods_due(db, app.now_ms()).await?);
    Ok(found)
}

/// Judges a neighbourhood until nothing waits, or somebody else is at it. Answers how many versions were taken up.
///
/// # Errors
/// [`FlowError`] of the database; what was committed before stays.
pub async fn until_quiet(app: &App, neighbourhood: NeighbourhoodId) -> Result<u64, FlowError> {
    let mut taken = 0;
    while let Some(count) = round(app, neighbourhood).await? {
        taken += count;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(taken)
}

/// One transaction of the clerk. Nothing if nothing waits or the tip is locked elsewhere.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn round(app: &App, neighbourhood: NeighbourhoodId) -> Result<Option<u64>, FlowError> {
    let db = app.db().read();
    let waits = !store::activities::waiting(db, neighbourhood, 1).await?.is_empty();
    if !waits && store::judgements::due(db, neighbourhood, app.now_ms(), 1).await?.is_empty() {
        return Ok(None);
    }
    let txn = app.db().begin().await?;
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, false).await? else { return Ok(None) };
    let oldest = store::activities::waiting(&txn, neighbourhood, CLERK_VERSIONS_MAX).await?;
    let due = store::judgements::due(&txn, neighbourhood, app.now_ms(), CLERK_VERSIONS_MAX).await?;
    if oldest.is_empty() && due.is_empty() {
        return Ok(None);
    }
    let taken = round::judge(&mut sitting, oldest, due).await?;
    sitting.close().await?;
    txn.commit().await?;
    Ok(Some(taken))
}

/// Takes up what waits for some activities ahead of a person's decision; the rules decide nothing.
pub(super) async fn take_up_before(
    sitting: &mut Sitting<'_>,
    activities: &BTreeSet<crate::domain::ids::ActivityId>,
) -> Result<(), FlowError> {
    let waiting = store::activities::waiting_of(sitting.txn(), sitting.neighbourhood(), activities).await?;
    round::take_up_only(sitting, waiting).await
}

/// Makes everything due that waits for a reason; the caller holds the tip.
pub(super) async fn look_again(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    reason_code: &str,
    now_ms: i64,
) -> Result<(), FlowError> {
    let statement =
        store::judgements::make_due(txn.get_database_backend(), neighbourhood, reason_code, now_ms);
    txn.execute_raw(statement).await?;
    Ok(())
}
