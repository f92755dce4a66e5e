//! Roles, given and taken: what coordinators do. Each is numbered in the journal.

use std::collections::BTreeSet;

use super::FlowError;
use super::aliases::is_coordinator;
use super::judge::Sitting;
use crate::app::{Access, App};
use crate::auth::scopes::{Scope, Scopes};
use crate::domain::ids::PartyId;
use crate::metrics::Flow;
use crate::store;
use crate::store::parties::COORDINATOR;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is as asked, now or before.
    Done,
    /// The caller's own role ended in the meantime.
    NotCoordinator,
    /// Groups and organisations have none, nor has somebody whom nobody has confirmed.
    NotResident,
    /// Nobody who can would coordinate any more.
    Last,
}

/// Gives a resident the role of a coordinator, or takes it. An alias stands for its party. As it is already, nothing
/// happens.
///
/// # Errors
/// [`FlowError::NotFound`] for a party that is not there.
pub async fn put(
    app: &App,
    caller: &Access,
    party: PartyId,
    coordinates: bool,
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
    let coordinators = store::parties::coordinators(&txn, neighbourhood).await?;
    if coordinators.contains(&party) == coordinates {
        return Ok(Changed::Done);
    }
    if coordinates {
        if row.kind != "resident" || !row.known {
            return Ok(Changed::NotResident);
        }
        store::parties::insert_role(&txn, neighbourhood, party, COORDINATOR, app.now_ms()).await?;
    } else {
        let others: BTreeSet<PartyId> = coordinators.into_iter().filter(|other| *other != party).collect();
        let scopes = store::access::scopes_of(&txn, neighbourhood, &others, app.now_ms()).await?;
        if !scopes.iter().any(|scopes| Scopes::known(scopes).has(Scope::Manage)) {
            return Ok(Changed::Last);
        }
        store::aliases::end_roles(&txn, neighbourhood, party).await?;
    }
    store::parties::raise(&txn, neighbourhood, [party]).await?;
    let kind = if coordinates { "role_given" } else { "role_taken" };
    let body = serde_json::json!({ "party": party, "role": COORDINATOR, "by": caller.party });
    sitting.number(kind, party.0, None, &body)?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    Ok(Changed::Done)
}
