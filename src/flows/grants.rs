//! Grants: refreshing a phone's access token, and personal tokens for scripts.

use super::access::access_of;
use super::aliases::acting;
use super::invite::derived_secret;
use super::judge::Sitting;
use super::{Conditional, FlowError};
use crate::app::{Access, App};
use crate::auth::access::{NewToken, issue};
use crate::auth::scopes::Scopes;
use crate::auth::secrets::{parse_refresh, personal_token, same_hash};
use crate::domain::ids::GrantId;
use crate::domain::limits::PERSONAL_GRANTS_MAX;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::access_grant;

/// A device's grant ends when it was not used for so long (design, section 7).
pub const IDLE_LIFE_MS: i64 = 180 * DAY_MS;
/// Longest life of a personal token.
pub const PERSONAL_LIFE_MS_MAX: i64 = 366 * DAY_MS;
/// Use is noted once in so long, so that refreshing does not write each time.
const USE_NOTED_EVERY_MS: i64 = DAY_MS;
/// A lost answer to the creation of a personal token is answered again with the token for so long.
const SHOWN_AGAIN_MS: i64 = 10 * 60 * 1_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// Issues an access token for an access.
///
/// # Errors
/// [`FlowError::Internal`] if no key is in force.
pub fn access_token(app: &App, access: &Access) -> Result<String, FlowError> {
    let new = NewToken {
        issuer: app.public_url(),
        audience: app.public_url(),
        party: access.party,
        neighbourhood: access.neighbourhood,
        grant: access.grant,
        scopes: access.scopes,
        thumbprint: access.thumbprint.as_deref(),
    };
    issue(&app.keys(), &new, app.now_ms(), &mut |bytes| app.fill(bytes)).map_err(FlowError::internal)
}

/// Gives a fresh access token for a refresh token and the proof of its key. The refresh token stays the same.
///
/// # Errors
/// [`FlowError::TokenInvalid`] if it is none, ended, or bound to another key; [`FlowError::DeviceRevoked`].
pub async fn refresh(app: &App, token: &str, thumbprint: &str) -> Result<(Access, String), FlowError> {
    let presented = parse_refresh(token).map_err(|_| FlowError::TokenInvalid)?;
    let (neighbourhood, grant) = (presented.neighbourhood, presented.id);
    let row = store::access::find_grant(app.db().read(), neighbourhood, grant).await?;
    let row = row.filter(|row| same_hash(&presented.hash, &row.token_hash)).ok_or(FlowError::TokenInvalid)?;
    if row.thumbprint.as_deref() != Some(thumbprint) {
        return Err(FlowError::TokenInvalid);
    }
    if row.revoked_at_ms.is_some() {
        return Err(FlowError::DeviceRevoked);
    }
    let now_ms = app.now_ms();
    if row.expires_at_ms <= now_ms || row.used_at_ms + IDLE_LIFE_MS <= now_ms {
        return Err(FlowError::TokenInvalid);
    }
    if row.used_at_ms + USE_NOTED_EVERY_MS <= now_ms {
        let mut timing = app.metrics().database.transaction(Flow::Manage);
        let txn = timing.begin(app.db().begin()).await?;
        store::access::touch_grant(&txn, neighbourhood, grant, &row.token_hash, now_ms).await?;
        timing.commit(txn.commit()).await?;
    }
    let access = access_of(app, neighbourhood, grant).await?.ok_or(FlowError::TokenInvalid)?;
    let token = access_token(app, &access)?;
    Ok(((*access).clone(), token))
}

/// Makes a personal token: scopes within the caller's own. The token is in the first answer, and for ten
/// minutes in the answer to the same request sent again.
///
/// # Errors
/// [`FlowError::IdReused`] for another grant's id; [`FlowError::TooManyGrants`].
pub async fn create_personal(
    app: &App,
    caller: &Access,
    id: GrantId,
    name: &str,
    scopes: Scopes,
    expires_at_ms: i64,
) -> Result<(access_grant::Model, Option<String>, bool), FlowError> {
    let now_ms = app.now_ms();
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Behind the lock of the tip: who sends the same at the same moment is answered as it was.
    let party = acting(&txn, caller).await?;
    if let Some(row) = store::access::find_grant(&txn, caller.neighbourhood, id).await? {
        let same = row.party_id == caller.party.0
            && row.name == name
            && row.scopes == scopes.to_string()
            && row.expires_at_ms == expires_at_ms
            && row.device_id.is_none();
        if !same {
            return Err(FlowError::IdReused);
        }
        let recent = now_ms < row.created_at_ms + SHOWN_AGAIN_MS && row.revoked_at_ms.is_none();
        let shown = if recent { Some(personal(app, caller, id, row.created_at_ms)?.0) } else { None };
        return Ok((row, shown, false));
    }
    let there = store::access::personal_grants(&txn, caller.neighbourhood, party, now_ms).await?;
    if there >= PERSONAL_GRANTS_MAX {
        return Err(FlowError::TooManyGrants);
    }
    let (text, hash) = personal(app, caller, id, now_ms)?;
    let row = access_grant::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: id.0,
        party_id: party.0,
        device_id: None,
        name: name.to_owned(),
        scopes: scopes.to_string(),
        token_hash: hash,
        thumbprint: None,
        created_at_ms: now_ms,
        expires_at_ms,
        used_at_ms: now_ms,
        revoked_at_ms: None,
        revision: 1,
    };
    store::access::insert_grant(&txn, row.clone()).await?;
    timing.commit(txn.commit()).await?;
    Ok((row, Some(text), true))
}

fn personal(
    app: &App,
    caller: &Access,
    id: GrantId,
    made_at_ms: i64,
) -> Result<(String, Vec<u8>), FlowError> {
    let secret = derived_secret(app, "personal token", id.0, made_at_ms)?;
    let random = &mut |bytes: &mut [u8]| bytes.copy_from_slice(&secret[..bytes.len()]);
    let minted = personal_token(caller.neighbourhood, id, random);
    Ok((minted.text, minted.hash.to_vec()))
}

/// Narrows one of the caller's grants to these scopes, and to this end. `saw` says whether a revision is the one that
/// was seen; nothing where the caller did not say.
///
/// # Errors
/// [`FlowError::NotFound`] unless it is the caller's own; [`FlowError::Field`] for what would widen it or lies in the
/// past.
pub async fn narrow(
    app: &App,
    caller: &Access,
    id: GrantId,
    scopes: Option<Scopes>,
    expires_at_ms: Option<i64>,
    saw: impl Fn(i64) -> Option<bool>,
) -> Result<Conditional<access_grant::Model>, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let row = store::access::lock_grant(&txn, caller.neighbourhood, id).await?;
    let row = row.filter(|row| row.party_id == caller.party.0).ok_or(FlowError::NotFound)?;
    let had = Scopes::known(&row.scopes);
    let (scopes, expires_at_ms) = (scopes.unwrap_or(had), expires_at_ms.unwrap_or(row.expires_at_ms));
    let Some(saw) = saw(row.revision) else { return Ok(Conditional::Unconditional) };
    // A lost answer is asked for again with the tag from before.
    if scopes == had && expires_at_ms == row.expires_at_ms {
        return Ok(Conditional::Done(row));
    }
    if !saw {
        return Ok(Conditional::Changed(row));
    }
    if !scopes.is_subset(had) {
        let detail = format!("At /scope: a grant is never widened; this one has {had}.");
        return Err(FlowError::Field { pointer: "/scope".to_owned(), code: "scope", detail });
    }
    if expires_at_ms > row.expires_at_ms
        || (expires_at_ms <= app.now_ms() && expires_at_ms != row.expires_at_ms)
    {
        let detail = "At /expires_at: an instant in the future, and not after the end that the grant has.";
        let detail = detail.to_owned();
        return Err(FlowError::Field { pointer: "/expires_at".to_owned(), code: "out_of_range", detail });
    }
    store::access::narrow_grant(&txn, &row, &scopes.to_string(), expires_at_ms).await?;
    timing.commit(txn.commit()).await?;
    app.access_cache().invalidate(&(caller.neighbourhood, id));
    let revision = row.revision.saturating_add(1);
    Ok(Conditional::Done(access_grant::Model { scopes: scopes.to_string(), expires_at_ms, revision, ..row }))
}

/// Revokes one of the caller's grants.
///
/// # Errors
/// [`FlowError::NotFound`] unless it is the caller's own.
pub async fn revoke(app: &App, caller: &Access, id: GrantId) -> Result<(), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    let row = store::access::find_grant(&txn, caller.neighbourhood, id).await?;
    let row = row.filter(|row| row.party_id == caller.party.0).ok_or(FlowError::NotFound)?;
    if row.revoked_at_ms.is_some() {
        return Ok(());
    }
    store::access::revoke_grant(&txn, caller.neighbourhood, id, app.now_ms()).await?;
    sitting.number("grant_revoked", id.0, None, &serde_json::json!({ "grant": id, "by": caller.party }))?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.access_cache().invalidate(&(caller.neighbourhood, id));
    Ok(())
}
