//! Takes the bytes of a push in: out of the budget of its grant, through the guard, into its daybook.

use std::collections::HashSet;

use super::FlowError;
use super::accept::{Accepted, Bringer, Incoming, accept_from};
use super::sync::Push;
use crate::app::{Access, App};
use crate::domain::ids::{DaybookId, NeighbourhoodId, PartyId};
use crate::domain::limits::{
    CHUNK_BYTES, INLINE_OPERATIONS_MAX, LIGHT_OPERATIONS_MAX, MET_PARTY_BYTES, REQUEST_CHUNKS_MAX,
};
use crate::merge::intake::{self, Opened, Taken};
use crate::metrics::{Laps, Phase};
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::daybook;

/// Takes the bytes of a push, and the people met whom nobody knew yet, out of its grant's budget, or refuses all of it
/// before anything is written.
pub(super) fn charge(app: &App, caller: &Access, push: &Push, new_parties: usize) -> Result<(), FlowError> {
    let entries = push.daybooks.iter().flat_map(|daybook| &daybook.entries);
    let pushed: usize = entries.map(|entry| entry.len().saturating_add(CHUNK_BYTES)).sum();
    let bytes = pushed.saturating_add(new_parties.saturating_mul(MET_PARTY_BYTES));
    if bytes == 0 { Ok(()) } else { charge_bytes(app, caller, bytes) }
}

/// The same of bytes that are weighed already.
pub(super) fn charge_bytes(app: &App, caller: &Access, bytes: usize) -> Result<(), FlowError> {
    let taken = app.charge(caller.payer(), u64::try_from(bytes).unwrap_or(u64::MAX));
    taken.map_err(|retry_after_s| FlowError::RateLimited { retry_after_s })
}

/// Looks at the chunks, on a worker that may block unless they are small, then accepts them in one
/// transaction, of `sender` where the daybook is a group's. What is heavy to decode waits for its turn first, and what
/// the daybook knows of it is not decoded.
pub(super) async fn take(
    app: &App,
    caller: &Access,
    (row, sender): (&daybook::Model, Option<PartyId>),
    entries: Vec<Vec<u8>>,
    room: &mut intake::Room,
    skew_ms: Option<i64>,
) -> Result<Accepted, FlowError> {
    let before = room.operations();
    let mut laps = Laps::start();
    let (looked, left) = look(entries, *room).await?;
    *room = left;
    let (taken, _turn) = match looked {
        Ok(taken) => (taken, None),
        Err(opened) => {
            let turn = app.heavy_turn().await;
            (decode_new(app, row, opened, room).await?, turn)
        }
    };
    // Each operation costs the grant like a byte.
    let decoded = before.saturating_sub(room.operations());
    app.spend(caller.payer(), decoded);
    laps.lap(Phase::Guard);
    app.metrics().sync.phases(&laps);
    tracing::debug!(chunks = taken.len(), micros = laps.micros(Phase::Guard), "guarded");
    let chunks = taken.into_iter().map(Incoming::from).collect();
    let (grant, payer) = (Some(caller.grant), Some(caller.payer()));
    let bringer = Bringer { grant, payer, at_ms: app.now_in(caller.neighbourhood), skew_ms };
    accept_from(app, row, bringer, sender, chunks).await
}

/// What was looked at: decoded where it is light.
type Looked = (Result<Vec<Taken>, Opened>, intake::Room);

/// Opens and weighs the chunks, and decodes them if they are light; what is small, right here.
async fn look(entries: Vec<Vec<u8>>, mut room: intake::Room) -> Result<Looked, FlowError> {
    if !intake::is_small(&entries) {
        let look = move || decoded_if_light(Opened::open(&entries, &mut room), room);
        return tokio::task::spawn_blocking(look).await.map_err(FlowError::internal);
    }
    let opened = Opened::open(&entries, &mut room);
    if opened.weight() <= INLINE_OPERATIONS_MAX {
        return Ok(decoded_if_light(opened, room));
    }
    tokio::task::spawn_blocking(move || decoded_if_light(opened, room)).await.map_err(FlowError::internal)
}

fn decoded_if_light(opened: Opened, mut room: intake::Room) -> Looked {
    if opened.weight() > LIGHT_OPERATIONS_MAX || opened.changes() > REQUEST_CHUNKS_MAX {
        return (Err(opened), room);
    }
    let none = HashSet::new();
    (Ok(opened.decode(&none, &none, &mut room)), room)
}

/// Decodes what the daybook does not know yet.
async fn decode_new(
    app: &App,
    row: &daybook::Model,
    opened: Opened,
    room: &mut intake::Room,
) -> Result<Vec<Taken>, FlowError> {
    let of = Of { neighbourhood: NeighbourhoodId(row.neighbourhood_id), daybook: DaybookId(row.id) };
    let db = app.db().read();
    let hashes: Vec<Vec<u8>> = opened.hashes().map(|hash| hash.to_vec()).collect();
    let known = store::changes::known_among(db, of, &hashes).await?;
    let mut seen = Vec::new();
    if row.held_changes.unwrap_or_default() > 0 {
        seen.extend(store::held::hashes(db, of).await?);
    }
    if row.refused_changes.unwrap_or_default() > 0 {
        seen.extend(store::quarantine::binding(db, of, &hashes).await?);
    }
    let set = |rows: Vec<Vec<u8>>| rows.iter().filter_map(|row| row.as_slice().try_into().ok()).collect();
    let (known, seen): (HashSet<[u8; 32]>, HashSet<[u8; 32]>) = (set(known), set(seen));
    let mut left = *room;
    let decode = move || (opened.decode(&known, &seen, &mut left), left);
    let (taken, left) = tokio::task::spawn_blocking(decode).await.map_err(FlowError::internal)?;
    *room = left;
    Ok(taken)
}
