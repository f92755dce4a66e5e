//! Who may write down what others did: coordinators, and the members of a hub.

use sea_orm::ConnectionTrait;

use super::{FlowError, neighbourhoods};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::ids::{NeighbourhoodId, PartyId};
use crate::store;

/// The hubs whose member somebody is at a time, by id: role and membership are in force then. Read uncached; whoever
/// became another party's alias a moment ago is a member as that one.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn of_member(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    member: PartyId,
    now_ms: i64,
) -> Result<Vec<PartyId>, FlowError> {
    let member = store::aliases::stands_for(db, neighbourhood, member, None).await?;
    let today = neighbourhoods::today(db, neighbourhood, now_ms).await?;
    Ok(store::hubs::of_member(db, neighbourhood, member, &today).await?)
}

/// Whether the caller may write down for somebody else. A member of a hub is asked again where it is written.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn may_record_for_others(app: &App, caller: &Access) -> Result<bool, FlowError> {
    if caller.scopes.has(Scope::Reconcile) {
        return Ok(true);
    }
    let now_ms = app.now_in(caller.neighbourhood);
    let hubs = of_member(app.db().read(), caller.neighbourhood, caller.party, now_ms).await?;
    Ok(!hubs.is_empty())
}
