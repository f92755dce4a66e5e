//! The clerk: takes up what waits in a neighbourhood, applies the rules, posts, numbers the journal.
//!
//! One transaction of at most [`CLERK_VERSIONS_MAX`] versions at a time; all of it serial within a
//! neighbourhood, by the lock of its tip. A clerk that finds the tip locked leaves: what waits is found again within a
//! second.

mod again;
mod around;
mod assess;
mod case;
mod claims;
mod closing;
mod doubted;
mod facts;
mod hearing;
mod members;
mod near;
mod posting;
mod round;
mod settled;
mod sitting;
mod turns;
mod words;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DbBackend};
use tokio::task::{JoinError, JoinSet};
use tracing::Instrument as _;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::{NeighbourhoodId, PartyId};
use crate::domain::limits::CLERK_VERSIONS_MAX;
use crate::metrics::{Flow, RoundEnd};
use crate::store;
use crate::store::Transaction;

pub(super) use again::stand;
pub use around::times;
pub use assess::Assessed;
pub(super) use assess::assess;
pub(super) use case::{Case, judgement_row};
pub(super) use closing::{AccountClosed, PartyAlias};
pub(super) use doubted::{Doubted, Noted};
pub(super) use facts::{Brief, People, withdrawn};
pub(super) use hearing::concerned;
pub(super) use members::member_edited;
pub(super) use round::{reason, settle};
pub(super) use sitting::Sitting;
pub use sitting::journal_entry;
use turns::Turns;

/// How often the clerk looks for what waits without having been rung for: after a crash, or another replica's.
const TICK: Duration = Duration::from_secs(1);
/// For so long nobody has rung for a neighbourhood when the clerk looks there: syncs that come together are judged
/// together, which costs one transaction instead of many. A phone asks again after five seconds.
const GATHER: Duration = Duration::from_millis(250);
/// From the first ring until the clerk looks at the latest, however often it rings.
const GATHER_MOST: Duration = Duration::from_secs(1);
/// Between two rounds of one neighbourhood, so that people's decisions get their turn.
const PAUSE: Duration = Duration::from_millis(1);
/// Transactions of one neighbourhood before the others have their turn: a flood in one holds up nobody elsewhere.
const ROUNDS_A_TURN: usize = 4;
/// Neighbourhoods that one replica judges at the same time on PostgreSQL, each on a connection of its own: while the
/// database works for one, the clerk does for another.
const NEIGHBOURHOODS_AT_ONCE: usize = 4;

/// Works until the process drains.
pub async fn clerk(app: App) {
    let (mut turns, mut sittings) = (Turns::default(), JoinSet::new());
    let mut looked = Instant::now();
    // SQLite has one writer.
    let at_once = if app.db().backend() == DbBackend::Postgres { NEIGHBOURHOODS_AT_ONCE } else { 1 };
    while !app.is_draining() {
        for (neighbourhood, rung_by) in app.bell().take_quiet(Instant::now(), GATHER, GATHER_MOST) {
            turns.add(neighbourhood, rung_by);
        }
        // However often the bell rings: nobody rings for what another replica left, or for what is due.
        if looked.elapsed() >= TICK {
            looked = Instant::now();
            match all_waiting(&app).await {
                Ok(found) => {
                    let found = found.into_iter().filter(|found| !app.bell().rings(found));
                    found.for_each(|neighbourhood| turns.add(neighbourhood, None));
                }
                Err(error) => tracing::warn!(%error, "the clerk cannot look for what waits"),
            }
        }
        while sittings.len() < at_once
            && let Some((neighbourhood, rung_by)) = turns.begin()
        {
            let span = tracing::info_span!("clerk", %neighbourhood, rung_by = rung_by.as_deref());
            let app = app.clone();
            let turn = async move { rounds(&app, neighbourhood, ROUNDS_A_TURN).await };
            let turn = tokio::spawn(turn.instrument(span));
            // A panic ends the turn, and does not hide whose it was.
            sittings.spawn(async move { (neighbourhood, turn.await) });
        }
        tokio::select! {
            Some(Ok((neighbourhood, ended))) = sittings.join_next() => heard(&mut turns, neighbourhood, ended),
            () = ring(&app) => {}
        }
    }
    while let Some(Ok((neighbourhood, ended))) = sittings.join_next().await {
        heard(&mut turns, neighbourhood, ended);
    }
}

/// Until there may be something to take up: soon where it rings, and is not quiet yet.
async fn ring(app: &App) {
    if app.bell().depth() > 0 {
        tokio::time::sleep(GATHER / 5).await;
    } else {
        // It makes no difference whether it rang or was time to look.
        let _ = tokio::time::timeout(TICK, app.bell().rung()).await;
    }
}

fn heard(
    turns: &mut Turns,
    neighbourhood: NeighbourhoodId,
    ended: Result<Result<Round, FlowError>, JoinError>,
) {
    turns.end(neighbourhood, matches!(&ended, Ok(Ok(round)) if round.more));
    match ended {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, %neighbourhood, "the clerk stopped in a neighbourhood and will look again");
        }
        Err(error) => {
            tracing::error!(%error, %neighbourhood, "the clerk failed in a neighbourhood and will look again");
        }
    }
}

async fn all_waiting(app: &App) -> Result<BTreeSet<NeighbourhoodId>, FlowError> {
    let db = app.db().read();
    let mut found: BTreeSet<_> = store::waiting::neighbourhoods_waiting(db).await?.into_iter().collect();
    found.extend(store::judgements::neighbourhoods_due(db, app.now_ms()).await?);
    super::sandbox::look(app).await?;
    for neighbourhood in app.sandboxes().known().keys() {
        if anything(app, *neighbourhood).await? {
            found.insert(*neighbourhood);
        }
    }
    Ok(found)
}

/// Judges a neighbourhood until nothing waits, or somebody else is at it. Answers how many versions were taken up.
///
/// # Errors
/// [`FlowError`] of the database; what was committed before stays.
pub async fn until_quiet(app: &App, neighbourhood: NeighbourhoodId) -> Result<u64, FlowError> {
    Ok(rounds(app, neighbourhood, usize::MAX).await?.taken)
}

/// The same, in so many transactions at most.
async fn rounds(app: &App, neighbourhood: NeighbourhoodId, most: usize) -> Result<Round, FlowError> {
    // Whoever asks knows that something waits, or finds out in the round as cheaply.
    let mut all = Round { taken: 0, more: true };
    for _ in 0..most {
        let judged = round(app, neighbourhood).await;
        app.metrics().clerk.round(match &judged {
            Ok(Some(_)) => RoundEnd::Judged,
            Ok(None) => RoundEnd::Nothing,
            Err(_) => RoundEnd::Failed,
        });
        let Round { taken, more } = judged?.unwrap_or(Round { taken: 0, more: false });
        all = Round { taken: all.taken + taken, more };
        if !more {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    if all.taken > 0 {
        super::share::look(app, neighbourhood).await;
    }
    Ok(all)
}

async fn anything(app: &App, neighbourhood: NeighbourhoodId) -> Result<bool, FlowError> {
    Ok(store::judgements::anything_to_judge(app.db().read(), neighbourhood, app.now_in(neighbourhood))
        .await?)
}

/// What one transaction of the clerk did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Versions taken up, and activities looked at again.
    pub taken: u64,
    /// There is more to do at once.
    pub more: bool,
}

/// One transaction of the clerk. Nothing if nothing waits or the tip is locked elsewhere.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn round(app: &App, neighbourhood: NeighbourhoodId) -> Result<Option<Round>, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Judge);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, false).await? else { return Ok(None) };
    let oldest = store::waiting::waiting(&txn, neighbourhood, CLERK_VERSIONS_MAX).await?;
    let now_ms = app.now_in(neighbourhood);
    let due = if sitting.any_due {
        store::judgements::due(&txn, neighbourhood, now_ms, CLERK_VERSIONS_MAX).await?
    } else {
        BTreeSet::new()
    };
    if oldest.is_empty() && due.is_empty() {
        return Ok(None);
    }
    if let Some(received_at_ms) = oldest.iter().map(|row| row.received_at_ms).min() {
        app.metrics().clerk.lag_ms(now_ms.saturating_sub(received_at_ms));
    }
    let taken = round::judge(&mut sitting, oldest, due).await?;
    let judged = sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.metrics().clerk.judged(&judged);
    tracing::debug!(taken, versions = judged.versions, postings = judged.postings, "judged");
    // After a full round there is more, as good as always; and what was judged may have made others due.
    Ok(Some(Round { taken, more: taken >= CLERK_VERSIONS_MAX || judged.any_due }))
}

/// Takes up what waits for some activities ahead of a person's decision; the rules decide nothing.
pub(super) async fn take_up_before(
    sitting: &mut Sitting<'_>,
    activities: &BTreeSet<crate::domain::ids::ActivityId>,
) -> Result<(), FlowError> {
    let mut waiting = store::waiting::waiting_of(sitting.txn(), sitting.neighbourhood(), activities).await?;
    waiting.retain(|row| !sitting.has_taken_up(row));
    round::take_up_only(sitting, waiting).await
}

/// Makes everything due that waits and has to do with a party, by any of its ids: it is known now, or another age. The
/// caller holds the tip.
pub(super) async fn look_again(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    now_ms: i64,
) -> Result<(), FlowError> {
    let others = store::parties::aliases_of(txn, neighbourhood, &[party].into()).await?;
    let ids: Vec<PartyId> =
        std::iter::once(party).chain(others.into_iter().map(|(alias, _)| alias)).collect();
    let statement = store::aliases::make_due(txn.get_database_backend(), neighbourhood, &ids, now_ms);
    txn.execute_raw(statement).await?;
    Ok(())
}
