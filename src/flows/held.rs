//! What is held does not wait for ever: after a month its resident is given notice, and after the notice it
//! goes into quarantine. There it binds nobody: a phone that sends it again begins anew.

use std::time::Duration;

use sea_orm::ConnectionTrait;

use super::FlowError;
use super::accept::{Bringer, Quarantine, accept};
use crate::app::App;
use crate::domain::held::HELD_EXPIRED;
use crate::domain::ids::{DaybookId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::limits::{HELD_EXPIRED_MAX, HELD_NOTICE_AFTER_MS, HELD_NOTICE_MS};
use crate::store;
use crate::store::Batch;
use crate::store::changes::Of;
use crate::store::entity::{held_change, refused_change};

/// Between two looks at what is held; any replica may look.
const TICK: Duration = Duration::from_secs(600);
/// What developers are told of a change that expired.
const DETAIL: &str = "what it waits for never came: send it again, with what it builds on";

/// What one look at a neighbourhood did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    pub noticed: u64,
    pub expired: u64,
}

/// Looks at what is held, at the start and then again and again, until the process drains.
pub async fn keep(app: App) {
    while !app.is_draining() {
        if let Err(error) = sweep_all(&app).await {
            tracing::warn!(%error, "cannot look at what is held");
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Looks at every neighbourhood, and counts what is set aside in all of them.
///
/// # Errors
/// [`FlowError`] of the database; one neighbourhood that fails holds up no other.
pub async fn sweep_all(app: &App) -> Result<(), FlowError> {
    let all = store::neighbourhoods::list(app.db().read()).await?;
    let all: Vec<NeighbourhoodId> =
        all.into_iter().map(|row| NeighbourhoodId(row.neighbourhood_id)).collect();
    for neighbourhood in all.iter().copied() {
        match sweep(app, neighbourhood).await {
            Ok(swept) if swept == Swept::default() => {}
            Ok(Swept { noticed, expired }) => {
                tracing::info!(%neighbourhood, noticed, expired, "held changes were given notice, or expired");
            }
            // The others have their turn all the same.
            Err(error) => tracing::warn!(%error, %neighbourhood, "cannot look at what is held here"),
        }
    }
    let (mut held, mut quarantined) = (0, 0);
    for neighbourhood in all {
        held += store::held::count(app.db().read(), neighbourhood).await?;
        quarantined += store::quarantine::count(app.db().read(), neighbourhood).await?;
    }
    app.metrics().sync.set_aside(held, quarantined);
    Ok(())
}

/// Takes up what a member brought into the daybooks of a group while they had left it: they are in it again.
///
/// # Errors
/// [`FlowError`] of the database; what is left is taken up with the next push of any member.
pub async fn take_up(
    app: &App,
    neighbourhood: NeighbourhoodId,
    group: PartyId,
    member: PartyId,
) -> Result<(), FlowError> {
    let db = app.db().read();
    for row in store::daybooks::of_parties(db, neighbourhood, &[group]).await? {
        if row.gone_at_ms.is_some() || row.held_changes.unwrap_or_default() == 0 {
            continue;
        }
        let of = Of { neighbourhood, daybook: DaybookId(row.id) };
        let grants = store::held::left_grants(db, of).await?;
        let brought_by = store::access::parties_of(db, neighbourhood, grants).await?;
        let grant =
            brought_by.into_iter().find(|(_, party)| *party == member).map(|(grant, _)| GrantId(grant));
        if grant.is_some() {
            let bringer = Bringer { grant, payer: None, at_ms: app.now_in(neighbourhood), skew_ms: None };
            accept(app, &row, bringer, Vec::new()).await?;
        }
    }
    Ok(())
}

/// Gives notice to what has been held for long in a neighbourhood, and takes away what is past its notice; a
/// daybook at a time, as many transactions as it takes.
///
/// # Errors
/// [`FlowError`] of the database; what was committed before stays.
pub async fn sweep(app: &App, neighbourhood: NeighbourhoodId) -> Result<Swept, FlowError> {
    let now_ms = app.now_in(neighbourhood);
    let noticed_until_ms = now_ms.saturating_sub(HELD_NOTICE_AFTER_MS);
    let mut swept = Swept::default();
    for daybook in store::held::daybooks_due(app.db().read(), neighbourhood, noticed_until_ms, now_ms).await?
    {
        loop {
            let more = sweep_one(app, Of { neighbourhood, daybook }, now_ms).await?;
            swept.noticed += more.noticed;
            swept.expired += more.expired;
            if more.expired < HELD_EXPIRED_MAX {
                break;
            }
        }
    }
    Ok(swept)
}

/// One transaction, under the daybook's lock.
async fn sweep_one(app: &App, of: Of, now_ms: i64) -> Result<Swept, FlowError> {
    let noticed_until_ms = now_ms.saturating_sub(HELD_NOTICE_AFTER_MS);
    let txn = app.db().begin().await?;
    let Some(mut row) = store::daybooks::lock(&txn, of.neighbourhood, of.daybook).await? else {
        return Ok(Swept::default());
    };
    let expires_at_ms = now_ms.saturating_add(HELD_NOTICE_MS);
    let expired = store::held::expired(&txn, of, now_ms, HELD_EXPIRED_MAX).await?;
    let noticed = store::held::without_notice(&txn, of, noticed_until_ms).await?;
    let swept = Swept { noticed, expired: u64::try_from(expired.len()).unwrap_or(u64::MAX) };
    if swept == Swept::default() {
        return Ok(swept);
    }
    let backend = txn.get_database_backend();
    let mut batch = Batch::default();
    if noticed > 0 {
        batch.push(store::held::give_notice(backend, of, noticed_until_ms, expires_at_ms));
    }
    let mut room = Quarantine::of(&txn, of).await?;
    let hashes: Vec<Vec<u8>> = expired.iter().map(|held| held.hash.clone()).collect();
    let rows: Vec<_> =
        expired.into_iter().filter_map(|held| room.take(quarantined(of, held, now_ms))).collect();
    row.held_changes = Some(row.held_changes.unwrap_or_default() - count(hashes.len()));
    row.refused_changes = Some(row.refused_changes.unwrap_or_default() + count(rows.len()));
    if !rows.is_empty() {
        batch.push(store::changes::insert_refused(backend, rows));
    }
    if !hashes.is_empty() {
        batch.push(store::changes::delete_held(backend, of, hashes));
    }
    row.revision += 1;
    batch.push(store::daybooks::update(backend, row));
    batch.execute(&txn).await?;
    txn.commit().await?;
    Ok(swept)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn quarantined(of: Of, held: held_change::Model, now_ms: i64) -> refused_change::Model {
    refused_change::Model {
        neighbourhood_id: of.neighbourhood.0,
        daybook_id: held.daybook_id,
        hash: held.hash,
        code: HELD_EXPIRED.to_owned(),
        detail: DETAIL.to_owned(),
        bytes: Some(held.bytes),
        bytes_count: held.bytes_count,
        grant_id: held.grant_id,
        received_at_ms: now_ms,
    }
}
