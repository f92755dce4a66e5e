//! Who is calling: the grant and the roles behind a token, remembered for a few seconds.

use std::sync::Arc;

use super::FlowError;
use crate::app::{Access, App};
use crate::auth::scopes::{Scope, Scopes};
use crate::domain::ids::{DeviceId, GrantId, NeighbourhoodId, PartyId};
use crate::store;

/// Scopes that need the role of a coordinator.
const COORDINATORS: [Scope; 2] = [Scope::Reconcile, Scope::Manage];

/// What a grant allows now, if there is one: the person's role and the grant's scopes together.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn access_of(
    app: &App,
    neighbourhood: NeighbourhoodId,
    grant: GrantId,
) -> Result<Option<Arc<Access>>, FlowError> {
    let key = (neighbourhood, grant);
    if let Some(access) = app.access_cache().get(&key) {
        return Ok(Some(access));
    }
    let db = app.db().read();
    let Some(row) = store::access::find_grant(db, neighbourhood, grant).await? else { return Ok(None) };
    let party = PartyId(row.party_id);
    let store::parties::Standing { groups, aliases, coordinator } =
        store::parties::standing(db, neighbourhood, party).await?;
    let granted = Scopes::known(&row.scopes);
    let scopes = granted.iter().filter(|scope| coordinator || !COORDINATORS.contains(scope)).collect();
    let owners = [party].into_iter().chain(groups).collect();
    let access = Arc::new(Access {
        neighbourhood,
        party,
        owners,
        names: [party].into_iter().chain(names_of(app, neighbourhood, party, aliases).await?).collect(),
        grant,
        device: row.device_id.map(DeviceId),
        scopes,
        coordinator,
        thumbprint: row.thumbprint,
        token_hash: row.token_hash,
        expires_at_ms: row.expires_at_ms,
        revoked: row.revoked_at_ms.is_some(),
    });
    app.access_cache().insert(key, access.clone());
    Ok(Some(access))
}

/// All ids that stand for a party: those that do directly, and those that do through these.
async fn names_of(
    app: &App,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    direct: Vec<PartyId>,
) -> Result<Vec<PartyId>, FlowError> {
    if direct.is_empty() {
        return Ok(direct);
    }
    let all = store::parties::aliases_of(app.db().read(), neighbourhood, &[party].into()).await?;
    Ok(all.into_iter().map(|(alias, _)| alias).collect())
}
