//! A new daybook: its row and its genesis change, in one transaction.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait;

use super::aliases::acting;
use super::{FlowError, is_unique_violation};
use crate::app::{Access, App};
use crate::domain::held::left_until_ms;
use crate::domain::ids::{DaybookId, NeighbourhoodId, PartyId};
use crate::merge::admit::Facts;
use crate::merge::cursor;
use crate::merge::document;
use crate::metrics::Flow;
use crate::store;
use crate::store::Batch;
use crate::store::entity::{daybook, daybook_change};

/// The parties whose daybooks a party may sync: its own and those of its groups today. An id that became another
/// party's gives that party's.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn owners(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Vec<PartyId>, FlowError> {
    let party = store::aliases::stands_for(db, neighbourhood, party, None).await?;
    let me = BTreeSet::from([party]);
    let memberships = store::parties::memberships(db, neighbourhood, &me).await?;
    let mut owners = vec![party];
    owners.extend(
        memberships.into_iter().filter(|row| row.until_day.is_none()).map(|row| PartyId(row.group_id)),
    );
    Ok(owners)
}

/// How somebody stands to a daybook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is their own, or that of a group that they are in.
    Writes,
    /// They have left the group; until then, in milliseconds since 1970, what they send is held.
    Left { until_ms: i64 },
    /// It is not theirs to know of.
    Stranger,
}

/// How a party stands to the daybooks of another now, uncached: one row by its key for a member.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn standing(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    owner: PartyId,
    now_ms: i64,
) -> Result<Standing, FlowError> {
    if party == owner {
        return Ok(Standing::Writes);
    }
    let mut place = store::parties::membership(db, neighbourhood, owner, party).await?;
    if place.is_none() {
        // The id may have become another party's a moment ago, and its places with it.
        let stands_for = store::aliases::stands_for(db, neighbourhood, party, None).await?;
        if stands_for == owner {
            return Ok(Standing::Writes);
        }
        if stands_for != party {
            place = store::parties::membership(db, neighbourhood, owner, stands_for).await?;
        }
    }
    let Some(place) = place else { return Ok(Standing::Stranger) };
    let Some(last_day) = place.until_day else { return Ok(Standing::Writes) };
    let zone = super::neighbourhoods::zone(db, neighbourhood).await?;
    let until_ms = left_until_ms(&last_day, zone).filter(|until_ms| now_ms < *until_ms);
    Ok(until_ms.map_or(Standing::Stranger, |until_ms| Standing::Left { until_ms }))
}

/// Creates a daybook under an id made elsewhere, for the caller or one of its groups. Answers whether it is new.
///
/// # Errors
/// [`FlowError::IdReused`] if somebody else's daybook has the id; [`FlowError::Gone`] if it was erased;
/// [`FlowError::NotFound`] for a group that the caller is not in.
pub async fn create(
    app: &App,
    caller: &Access,
    id: DaybookId,
    party: PartyId,
) -> Result<(daybook::Model, bool), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Enrol);
    let txn = timing.begin(app.db().begin()).await?;
    let me = acting(&txn, caller).await?;
    let party = store::aliases::stands_for(&txn, caller.neighbourhood, party, None).await?;
    if !owners(&txn, caller.neighbourhood, me).await?.contains(&party) {
        return Err(FlowError::NotFound);
    }
    let created = insert(app, &txn, caller.neighbourhood, id, party).await?;
    timing.commit(txn.commit()).await?;
    Ok(created)
}

/// A resident whom the neighbourhood knows, by the id that stands for them now.
pub(super) async fn known_resident(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Option<PartyId>, FlowError> {
    let party = store::aliases::stands_for(db, neighbourhood, party, None).await?;
    let row = store::parties::find(db, neighbourhood, party).await?;
    Ok(row.filter(|row| row.known && row.kind == "resident").map(|_| party))
}

/// The first daybook of a resident for whom somebody else records; made where they have none, under an id that nobody
/// can know before. Who stands for whom stays as it is until the commit, so that nobody becomes another in between.
pub(super) async fn of_resident(
    app: &App,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Option<daybook::Model>, FlowError> {
    let there = first(app.db().read(), neighbourhood, party).await?;
    if there.is_some() {
        return Ok(there);
    }
    let mut timing = app.metrics().database.transaction(Flow::Enrol);
    let txn = timing.begin(app.db().begin()).await?;
    store::ledger::lock_tip(&txn, neighbourhood, true).await?;
    let Some(party) = known_resident(&txn, neighbourhood, party).await? else { return Ok(None) };
    let row = match first(&txn, neighbourhood, party).await? {
        Some(row) => row,
        None => insert(app, &txn, neighbourhood, DaybookId(app.uuid()), party).await?.0,
    };
    timing.commit(txn.commit()).await?;
    Ok(Some(row))
}

async fn first(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Option<daybook::Model>, FlowError> {
    let own = store::daybooks::of_parties(db, neighbourhood, &[party]).await?;
    Ok(own.into_iter().find(|row| row.gone_at_ms.is_none()))
}

/// The part of enrolment and of [`create`] that writes the daybook, inside their transaction.
pub(super) async fn insert(
    app: &App,
    txn: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DaybookId,
    party: PartyId,
) -> Result<(daybook::Model, bool), FlowError> {
    if let Some(there) = store::daybooks::find(txn, neighbourhood, id).await? {
        if there.party_id != party.0 {
            return Err(FlowError::IdReused);
        }
        return if there.gone_at_ms.is_some() { Err(FlowError::Gone) } else { Ok((there, false)) };
    }
    let now_ms = app.now_in(neighbourhood);
    let (row, change) = genesis(neighbourhood, id, party, app.random(), now_ms)?;
    match store::daybooks::insert(txn, row.clone()).await {
        Err(error) if is_unique_violation(&error) => return Err(FlowError::Busy),
        other => other?,
    }
    let mut batch = Batch::default();
    batch.insert::<daybook_change::Entity>(txn.get_database_backend(), vec![change]);
    batch.execute(txn).await?;
    Ok((row, true))
}

/// One empty change by a fresh actor: a document without any change is one that stock clients never
/// finish finding.
fn genesis(
    neighbourhood: NeighbourhoodId,
    id: DaybookId,
    party: PartyId,
    actor: [u8; 16],
    now_ms: i64,
) -> Result<(daybook::Model, daybook_change::Model), FlowError> {
    let (hash, bytes) = document::genesis(actor);
    let (_, objects) = super::accept::own_change(&mut Facts::new(0, 0), &bytes)?;
    let chain = cursor::chain_next(&cursor::CHAIN_START, &hash).to_vec();
    let raw_bytes = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let change = daybook_change::Model {
        neighbourhood_id: neighbourhood.0,
        daybook_id: id.0,
        position: 1,
        hash: hash.to_vec(),
        actor: actor.to_vec(),
        seq: 1,
        start_op: 1,
        max_op: 0,
        chain: chain.clone(),
        bytes,
        objects,
        recorded_at_ms: now_ms,
        grant_id: None,
        received_at_ms: now_ms,
        accept_no: 1,
        admitted_grant_id: None,
        admitted_at_ms: now_ms,
        admitted_skew_ms: None,
    };
    let row = daybook::Model {
        neighbourhood_id: neighbourhood.0,
        id: id.0,
        party_id: party.0,
        position: 1,
        chain,
        heads: hash.to_vec(),
        max_op: 0,
        operations: 0,
        raw_bytes,
        revision: 1,
        gone_at_ms: None,
        created_at_ms: now_ms,
        held_changes: None,
        refused_changes: None,
        compact_at_raw_bytes: None,
        compaction_alarm: None,
    };
    Ok((row, change))
}
