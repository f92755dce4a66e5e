//! Invitations: to join, or to enrol a further device of somebody.

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::FlowError;
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::auth::secrets::{Minted, invitation_token};
use crate::auth::signed;
use crate::domain::ids::{InvitationId, NeighbourhoodId, PartyId};
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::invitation;

/// How long an invitation by link stays good.
pub const INVITATION_LIFE_MS: i64 = 14 * 24 * 60 * 60 * 1_000;

/// What an invitation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invited {
    pub id: InvitationId,
    /// Whoever joins with it is a coordinator.
    pub coordinator: bool,
    /// The party whose further device it enrols.
    pub party: Option<PartyId>,
}

/// Makes an invitation and its token; the same id again gives the same.
///
/// # Errors
/// [`FlowError::IdReused`] for another invitation's id; [`FlowError::NotFound`] for a party that is not there.
pub async fn create(
    app: &App,
    neighbourhood: NeighbourhoodId,
    by: Option<PartyId>,
    invited: Invited,
) -> Result<(invitation::Model, Minted, bool), FlowError> {
    let now_ms = app.now_ms();
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Who sends the same at the same moment is answered as it was.
    if store::ledger::lock_tip(&txn, neighbourhood, true).await?.is_none() {
        return Err(FlowError::NotFound);
    }
    if let Some(row) = store::access::find_invitation(&txn, neighbourhood, invited.id, false).await? {
        let minted = minted(app, neighbourhood, invited.id, row.created_at_ms)?;
        let same = row.token_hash == minted.hash
            && row.role.is_some() == invited.coordinator
            && row.party_id == invited.party.map(|party| party.0)
            && row.created_by == by.map(|party| party.0);
        return if same { Ok((row, minted, false)) } else { Err(FlowError::IdReused) };
    }
    if let Some(party) = invited.party
        && store::parties::find(&txn, neighbourhood, party).await?.is_none()
    {
        return Err(FlowError::NotFound);
    }
    let minted = minted(app, neighbourhood, invited.id, now_ms)?;
    let row = invitation::Model {
        neighbourhood_id: neighbourhood.0,
        id: invited.id.0,
        token_hash: minted.hash.to_vec(),
        role: invited.coordinator.then(|| store::parties::COORDINATOR.to_owned()),
        party_id: invited.party.map(|party| party.0),
        created_by: by.map(|party| party.0),
        created_at_ms: now_ms,
        expires_at_ms: now_ms + INVITATION_LIFE_MS,
        revoked_at_ms: None,
        redeemed_device_id: None,
        redeemed_at_ms: None,
    };
    store::access::insert_invitation(&txn, row.clone()).await?;
    timing.commit(txn.commit()).await?;
    Ok((row, minted, true))
}

/// Takes an invitation back: any for a coordinator, one's own otherwise.
///
/// # Errors
/// [`FlowError::NotFound`].
pub async fn revoke(app: &App, caller: &Access, id: InvitationId) -> Result<(), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let row = store::access::find_invitation(&txn, caller.neighbourhood, id, true).await?;
    let any = caller.scopes.has(Scope::Manage);
    let mine = |row: &invitation::Model| any || row.created_by == Some(caller.party.0);
    if !row.as_ref().is_some_and(mine) {
        return Err(FlowError::NotFound);
    }
    store::access::revoke_invitation(&txn, caller.neighbourhood, id, app.now_ms()).await?;
    timing.commit(txn.commit()).await?;
    Ok(())
}

fn minted(
    app: &App,
    neighbourhood: NeighbourhoodId,
    id: InvitationId,
    made_at_ms: i64,
) -> Result<Minted, FlowError> {
    let secret = derived_secret(app, "invitation", id.0, made_at_ms)?;
    Ok(invitation_token(neighbourhood, id, &mut |bytes| bytes.copy_from_slice(&secret[..bytes.len()])))
}

/// The secret of a token that is derived, so that a lost answer is answered again with the same token, and
/// nobody without our keys can derive it.
pub(super) fn derived_secret(
    app: &App,
    purpose: &str,
    id: Uuid,
    made_at_ms: i64,
) -> Result<[u8; 32], FlowError> {
    let sealed =
        signed::seal(&app.keys(), purpose, id.as_bytes(), made_at_ms).map_err(FlowError::internal)?;
    Ok(Sha256::digest(sealed.as_bytes()).into())
}
