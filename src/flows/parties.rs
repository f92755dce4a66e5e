//! Naming and confirming parties, and putting people into groups: what coordinators do.

use super::FlowError;
use crate::app::{Access, App};
use crate::domain::ids::PartyId;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::{membership, party};

/// What a coordinator says of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyFacts {
    pub kind: String,
    pub sector: String,
    pub name: String,
}

/// Adds a party that is known from the start. Answers whether it is new.
///
/// # Errors
/// [`FlowError::IdReused`] if the id belongs to another party.
pub async fn create(
    app: &App,
    caller: &Access,
    id: PartyId,
    facts: PartyFacts,
) -> Result<(party::Model, bool), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    if let Some(there) = store::parties::find(&txn, caller.neighbourhood, id).await? {
        let same = there.name == facts.name && there.kind == facts.kind && there.sector == facts.sector;
        return if same { Ok((there, false)) } else { Err(FlowError::IdReused) };
    }
    let row = party::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: id.0,
        kind: facts.kind,
        sector: facts.sector,
        name: facts.name,
        known: true,
        created_at_ms: app.now_ms(),
        revision: 1,
    };
    store::parties::insert_new(&txn, vec![row.clone()]).await?;
    timing.commit(txn.commit()).await?;
    Ok((row, true))
}

/// Changes a party: its name, or that it is known now. What waits for it is judged again.
///
/// # Errors
/// [`FlowError::NotFound`].
pub async fn update(
    app: &App,
    caller: &Access,
    id: PartyId,
    name: Option<String>,
    known: Option<bool>,
) -> Result<party::Model, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Judging starts at the tip, always, so that no two that judge can wait for each other.
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    let Some(mut row) = store::parties::find(&txn, caller.neighbourhood, id).await? else {
        return Err(FlowError::NotFound);
    };
    row.name = name.unwrap_or(row.name);
    row.known = known.unwrap_or(row.known);
    row.revision += 1;
    store::parties::update(&txn, row.clone()).await?;
    if known == Some(true) {
        super::judge::look_again(&txn, caller.neighbourhood, "unknown_party", app.now_ms()).await?;
    }
    timing.commit(txn.commit()).await?;
    app.bell().ring(caller.neighbourhood);
    Ok(row)
}

/// Puts a member into a group or organisation.
///
/// # Errors
/// [`FlowError::NotFound`] if either is not there, or the group is a resident.
pub async fn put_member(
    app: &App,
    caller: &Access,
    group: PartyId,
    member: PartyId,
    capacity: &str,
    from_day: String,
) -> Result<(), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Whoever is a member under an id that became another's is so under that.
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    let member = store::aliases::stands_for(&txn, caller.neighbourhood, member, None).await?;
    let found = store::parties::find(&txn, caller.neighbourhood, group).await?;
    let member_there = store::parties::find(&txn, caller.neighbourhood, member).await?.is_some();
    if !member_there || found.is_none_or(|group| group.kind == "resident") {
        return Err(FlowError::NotFound);
    }
    let row = membership::Model {
        neighbourhood_id: caller.neighbourhood.0,
        group_id: group.0,
        member_id: member.0,
        capacity: capacity.to_owned(),
        from_day,
        until_day: None,
    };
    store::parties::put_member(&txn, row).await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    Ok(())
}
