//! Enrolment: an invitation and a proof of a key become a device with a grant; the ids that the phone made
//! offline stay what they are.

use super::aliases::{Why, join as join_parties};
use super::judge::{Sitting, look_again};
use super::{Conditional, FlowError};
use crate::app::{Access, App};
use crate::auth::rotation::ENROLMENT_REPLAY_MS;
use crate::auth::scopes::Scopes;
use crate::auth::secrets::{Presented, refresh_token, same_hash};
use crate::domain::ids::{AccountId, DaybookId, DeviceId, GrantId, InvitationId, NeighbourhoodId, PartyId};
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{access_grant, device, invitation, party, party_alias};

/// Why somebody whom phones had met is another party now.
const ENROLLED: &str = "Enrolled a phone that others had met.";
/// How long a grant of a device lasts at most (design, section 7).
pub const DEVICE_GRANT_LIFE_MS: i64 = 400 * 24 * 60 * 60 * 1_000;

/// What a phone enrols with.
#[derive(Debug, Clone)]
pub struct Enrolment {
    pub invitation: Presented<InvitationId>,
    pub device: DeviceId,
    pub device_name: String,
    pub party: PartyId,
    pub party_name: String,
    pub daybook: DaybookId,
    /// Of the key that the request's proof was made with.
    pub thumbprint: String,
}

/// What it gets, besides an access token.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// Of the party that the phone belongs to, where the invitation named one.
    pub party: PartyId,
    pub device: DeviceId,
    pub grant: GrantId,
    pub refresh_token: String,
    /// The same key and invitation again.
    pub replayed: bool,
}

/// Enrols a phone. The same key with the same invitation gets the same answer for 24 hours.
///
/// # Errors
/// [`FlowError::InvitationInvalid`], [`FlowError::InvitationUsed`], [`FlowError::KeyReused`],
/// [`FlowError::PartyMet`], [`FlowError::IdReused`] for a party, device or daybook id that is somebody else's.
pub async fn enrol(app: &App, request: Enrolment) -> Result<Enrolled, FlowError> {
    let neighbourhood = request.invitation.neighbourhood;
    let mut timing = app.metrics().database.transaction(Flow::Enrol);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, true).await? else {
        return Err(FlowError::InvitationInvalid);
    };
    let found = store::access::find_invitation(&txn, neighbourhood, request.invitation.id, true).await?;
    let good = |row: &invitation::Model| same_hash(&request.invitation.hash, &row.token_hash);
    let invitation = found.filter(good).ok_or(FlowError::InvitationInvalid)?;
    if let Some(device) = store::access::find_device_by_key(&txn, neighbourhood, &request.thumbprint).await? {
        return replay(app, &txn, &invitation, device).await;
    }
    check(&invitation, app.now_ms())?;
    if !still_invites(&txn, &invitation).await? {
        return Err(FlowError::InvitationInvalid);
    }
    let party = join(app, &mut sitting, &invitation, &request).await?;
    super::daybooks::insert(app, &txn, neighbourhood, request.daybook, party).await?;
    let enrolled = insert_device(app, &txn, neighbourhood, party, &request).await?;
    let at_ms = app.now_ms();
    store::access::redeem_invitation(&txn, neighbourhood, request.invitation.id, request.device, at_ms)
        .await?;
    let body = serde_json::json!({ "party": party, "device": request.device });
    sitting.number("device_enrolled", request.device.0, None, &body)?;
    sitting.close().await?;
    look_again(&txn, neighbourhood, party, at_ms).await?;
    timing.commit(txn.commit()).await?;
    app.bell().ring(neighbourhood);
    Ok(enrolled)
}

fn check(invitation: &invitation::Model, now_ms: i64) -> Result<(), FlowError> {
    if invitation.redeemed_device_id.is_some() {
        return Err(FlowError::InvitationUsed);
    }
    if invitation.revoked_at_ms.is_some() || invitation.expires_at_ms <= now_ms {
        return Err(FlowError::InvitationInvalid);
    }
    Ok(())
}

/// Whoever invited may still do so: whom a coordinator invited comes in only while they are one. The operator may
/// always, and everybody invites their own devices.
async fn still_invites(txn: &Transaction, invitation: &invitation::Model) -> Result<bool, FlowError> {
    let Some(by) = invitation.created_by.map(PartyId) else { return Ok(true) };
    let neighbourhood = NeighbourhoodId(invitation.neighbourhood_id);
    let by = store::aliases::stands_for(txn, neighbourhood, by, None).await?;
    let coordinators = store::parties::coordinators(txn, neighbourhood).await?;
    if coordinators.contains(&by) {
        return Ok(true);
    }
    let Some(party) = invitation.party_id.map(PartyId) else { return Ok(false) };
    let own = store::aliases::stands_for(txn, neighbourhood, party, None).await? == by;
    Ok(own && invitation.role.is_none())
}

/// The key is known: the answer was lost, or the key belongs to another enrolment.
async fn replay(
    app: &App,
    txn: &Transaction,
    invitation: &invitation::Model,
    device: device::Model,
) -> Result<Enrolled, FlowError> {
    let neighbourhood = NeighbourhoodId(invitation.neighbourhood_id);
    if device.revoked_at_ms.is_some() {
        return Err(FlowError::DeviceRevoked);
    }
    let recent = invitation.redeemed_at_ms.is_some_and(|at_ms| app.now_ms() < at_ms + ENROLMENT_REPLAY_MS);
    if invitation.redeemed_device_id != Some(device.id) || !recent {
        return Err(FlowError::KeyReused);
    }
    let grant = store::access::find_grant_of_device(txn, neighbourhood, DeviceId(device.id)).await?;
    let grant = grant.ok_or(FlowError::KeyReused)?;
    let id = GrantId(grant.id);
    let salt = device.thumbprint.as_bytes();
    let refresh = refresh_token(&app.keys(), neighbourhood, id, salt, grant.created_at_ms)
        .map_err(FlowError::internal)?;
    Ok(Enrolled {
        party: PartyId(grant.party_id),
        device: DeviceId(device.id),
        grant: id,
        refresh_token: refresh.text,
        replayed: true,
    })
}

/// The party that the phone belongs to: the one that the invitation names, or the phone's own.
async fn join(
    app: &App,
    sitting: &mut Sitting<'_>,
    invitation: &invitation::Model,
    request: &Enrolment,
) -> Result<PartyId, FlowError> {
    let (txn, neighbourhood, now_ms) = (sitting.txn(), sitting.neighbourhood(), app.now_ms());
    let there = store::parties::find(txn, neighbourhood, request.party).await?;
    // An id that stands for somebody already goes on doing so; nobody else can join under it.
    let stands_for = store::aliases::stands_for(txn, neighbourhood, request.party, None).await?;
    let other = (stands_for != request.party).then_some(stands_for);
    let invited = match invitation.party_id.map(PartyId) {
        Some(party) => Some(store::aliases::stands_for(txn, neighbourhood, party, None).await?),
        None => None,
    };
    if other.is_some() && other != invited {
        return Err(FlowError::IdReused);
    }
    if let Some(party) = invited {
        if party != request.party && other.is_none() {
            alias(sitting, (request.party, there), party, invitation).await?;
        }
        // Somebody whom a phone met is known once enrolled.
        if let Some(met) = store::parties::find(txn, neighbourhood, party).await?.filter(|met| !met.known) {
            let known = party::Model { known: true, revision: met.revision + 1, ..met };
            store::parties::update(txn, known).await?;
        }
        return Ok(party);
    }
    match there {
        Some(there) if there.known => return Err(FlowError::IdReused),
        Some(met) => {
            let known = party::Model {
                name: request.party_name.clone(),
                known: true,
                revision: met.revision + 1,
                ..met
            };
            store::parties::update(txn, known).await?;
        }
        None => {
            let row = party::Model {
                neighbourhood_id: neighbourhood.0,
                id: request.party.0,
                kind: "resident".into(),
                sector: "resident".into(),
                name: request.party_name.clone(),
                known: true,
                created_at_ms: now_ms,
                revision: 1,
                age_band: None,
                supervisors: None,
            };
            store::parties::insert_new(txn, vec![row]).await?;
        }
    }
    if let Some(role) = &invitation.role {
        store::parties::insert_role(txn, neighbourhood, request.party, role, now_ms).await?;
    }
    Ok(request.party)
}

/// Makes the phone's own party id stand for the party that it was invited as. Whom other phones met under that id
/// may have minutes already.
async fn alias(
    sitting: &mut Sitting<'_>,
    (id, there): (PartyId, Option<party::Model>),
    party: PartyId,
    invitation: &invitation::Model,
) -> Result<(), FlowError> {
    let (txn, neighbourhood) = (sitting.txn(), sitting.neighbourhood());
    if there.as_ref().is_some_and(|there| there.known) {
        return Err(FlowError::IdReused);
    }
    if there.is_none() && sitting.account(AccountId(id.0)).await?.is_none() {
        let row = party_alias::Model {
            neighbourhood_id: neighbourhood.0,
            alias_id: id.0,
            party_id: party.0,
            created_at_ms: sitting.now_ms(),
            journal_no: None,
        };
        store::aliases::insert(txn, row).await?;
        sitting.note_alias();
        return Ok(());
    }
    // An id is seen by whoever records for it: nobody takes its minutes over by their own word.
    if invitation.created_by == Some(party.0) {
        return Err(FlowError::PartyMet);
    }
    let invited =
        store::parties::find(txn, neighbourhood, party).await?.ok_or(FlowError::InvitationInvalid)?;
    let why = Why { by: invitation.created_by.map(PartyId), reason: ENROLLED };
    join_parties(sitting, (id, there), invited, why).await.map(|_| ())
}

async fn insert_device(
    app: &App,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    request: &Enrolment,
) -> Result<Enrolled, FlowError> {
    if store::access::find_device(txn, neighbourhood, request.device).await?.is_some() {
        return Err(FlowError::IdReused);
    }
    let now_ms = app.now_ms();
    let grant = GrantId(app.uuid());
    let salt = request.thumbprint.as_bytes();
    let refresh =
        refresh_token(&app.keys(), neighbourhood, grant, salt, now_ms).map_err(FlowError::internal)?;
    let device = device::Model {
        neighbourhood_id: neighbourhood.0,
        id: request.device.0,
        party_id: party.0,
        name: request.device_name.clone(),
        thumbprint: request.thumbprint.clone(),
        created_at_ms: now_ms,
        revoked_at_ms: None,
        revision: 1,
    };
    let row = access_grant::Model {
        neighbourhood_id: neighbourhood.0,
        id: grant.0,
        party_id: party.0,
        device_id: Some(request.device.0),
        name: request.device_name.clone(),
        scopes: Scopes::ALL.to_string(),
        token_hash: refresh.hash.to_vec(),
        thumbprint: Some(request.thumbprint.clone()),
        created_at_ms: now_ms,
        expires_at_ms: now_ms + DEVICE_GRANT_LIFE_MS,
        used_at_ms: now_ms,
        revoked_at_ms: None,
        revision: 1,
    };
    store::access::insert_device(txn, device, row).await?;
    Ok(Enrolled { party, device: request.device, grant, refresh_token: refresh.text, replayed: false })
}

/// Names a device anew. `saw` says whether a revision is the one that was seen; nothing where the caller did not say.
///
/// # Errors
/// [`FlowError::NotFound`] unless it is the caller's, or the caller is a coordinator.
pub async fn rename(
    app: &App,
    caller: &Access,
    id: DeviceId,
    name: &str,
    saw: impl Fn(i64) -> Option<bool>,
) -> Result<Conditional<device::Model>, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Enrol);
    let txn = timing.begin(app.db().begin()).await?;
    let row = visible(&txn, caller, id).await?;
    let Some(saw) = saw(row.revision) else { return Ok(Conditional::Unconditional) };
    // A lost answer is asked for again with the tag from before.
    if row.name == name {
        return Ok(Conditional::Done(row));
    }
    if !saw {
        return Ok(Conditional::Changed(row));
    }
    store::access::rename_device(&txn, caller.neighbourhood, id, name).await?;
    timing.commit(txn.commit()).await?;
    Ok(Conditional::Done(device::Model { name: name.to_owned(), revision: row.revision + 1, ..row }))
}

/// Revokes a device with its grants; within five seconds no replica takes its tokens.
///
/// # Errors
/// [`FlowError::NotFound`] unless it is the caller's, or the caller is a coordinator.
pub async fn revoke(app: &App, caller: &Access, id: DeviceId) -> Result<(), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Enrol);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    let row = visible(&txn, caller, id).await?;
    if row.revoked_at_ms.is_some() {
        return Ok(());
    }
    let grant = store::access::find_grant_of_device(&txn, caller.neighbourhood, id).await?;
    store::access::revoke_device(&txn, caller.neighbourhood, id, app.now_ms()).await?;
    sitting.number("device_revoked", id.0, None, &serde_json::json!({ "device": id, "by": caller.party }))?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    if let Some(grant) = grant {
        app.access_cache().invalidate(&(caller.neighbourhood, GrantId(grant.id)));
    }
    Ok(())
}

/// A device that the caller may change, which nobody else changes meanwhile.
async fn visible(txn: &Transaction, caller: &Access, id: DeviceId) -> Result<device::Model, FlowError> {
    let row = store::access::lock_device(txn, caller.neighbourhood, id).await?;
    let mine = |row: &device::Model| {
        row.party_id == caller.party.0 || caller.scopes.has(crate::auth::scopes::Scope::Manage)
    };
    row.filter(mine).ok_or(FlowError::NotFound)
}
