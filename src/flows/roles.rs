//! Roles, given and taken: what coordinators do. Each is numbered in the journal.

use std::collections::BTreeSet;

use super::FlowError;
use super::aliases::is_coordinator;
use super::judge::Sitting;
use crate::app::{Access, App};
use crate::auth::scopes::{Scope, Scopes};
use crate::domain::ids::PartyId;
use crate::domain::role::Role;
use crate::metrics::Flow;
use crate::store;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is as asked, now or before.
    Done,
    /// The caller's own role ended in the meantime.
    NotCoordinator,
    /// A party of this kind cannot have it, nor can somebody whom nobody has confirmed.
    Unfit,
    /// Nobody who can would coordinate any more.
    Last,
}

/// Gives a party a role, or takes it: a resident coordinates, a group or an organisation is a hub. An alias stands for
/// its party. As it is already, nothing happens.
///
/// # Errors
/// [`FlowError::NotFound`] for a party that is not there.
pub async fn put(
    app: &App,
    caller: &Access,
    party: PartyId,
    role: Role,
    given: bool,
) -> Result<Changed, FlowError> {
    let neighbourhood = caller.neighbourhood;
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // One after the other: of two who step down at once, one stays.
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    if !is_coordinator(&txn, caller).await? {
        return Ok(Changed::NotCoordinator);
    }
    let party = store::aliases::stands_for(&txn, neighbourhood, party, None).await?;
    let row = store::parties::find(&txn, neighbourhood, party).await?.ok_or(FlowError::NotFound)?;
    let roles = store::parties::roles(&txn, neighbourhood, party).await?;
    if roles.iter().any(|has| has == role.as_str()) == given {
        return Ok(Changed::Done);
    }
    if given {
        if !role.fits(&row.kind) || !row.known {
            return Ok(Changed::Unfit);
        }
        store::parties::insert_role(&txn, neighbourhood, party, role.as_str(), app.now_ms()).await?;
    } else {
        if role == Role::Coordinator && !others_coordinate(app, &txn, caller, party).await? {
            return Ok(Changed::Last);
        }
        store::hubs::end_role(&txn, neighbourhood, party, role).await?;
    }
    store::parties::raise(&txn, neighbourhood, [party]).await?;
    let kind = if given { "role_given" } else { "role_taken" };
    let body = serde_json::json!({ "party": party, "role": role.as_str(), "by": caller.party });
    sitting.number(kind, party.0, None, &body)?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    Ok(Changed::Done)
}

/// Whether somebody else coordinates who can: with a phone that syncs, or a token with `manage`.
async fn others_coordinate(
    app: &App,
    txn: &store::Transaction,
    caller: &Access,
    party: PartyId,
) -> Result<bool, FlowError> {
    let coordinators = store::parties::coordinators(txn, caller.neighbourhood).await?;
    let others: BTreeSet<PartyId> = coordinators.into_iter().filter(|other| *other != party).collect();
    let scopes = store::access::scopes_of(txn, caller.neighbourhood, &others, app.now_ms()).await?;
    Ok(scopes.iter().any(|scopes| Scopes::known(scopes).has(Scope::Manage)))
}
