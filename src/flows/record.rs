//! Activities of apps that write JSON: the server makes the change that a phone would have made, under a fresh actor,
//! and accepts it through the same door.

use std::collections::BTreeMap;

use super::accept::{Became, Bringer, Incoming, Once, accept_once, heads, unsigned};
use super::take::charge_bytes;
use super::{FlowError, daybooks};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::draft::Draft;
use crate::domain::ids::{ActivityId, DaybookId, PartyId};
use crate::domain::limits::CHUNK_BYTES;
use crate::domain::reading::Value;
use crate::merge::guard;
use crate::merge::write::{self, Base, Edit, Written};
use crate::merge::{Hash, Scalar};
use crate::store;
use crate::store::entity::{activity, activity_version, daybook};

/// What became of an activity that an app records.
#[derive(Debug)]
pub enum Recorded {
    Now(activity::Model),
    /// Recorded before, with the same content; written for somebody else it may be more than its writer may see now.
    Again(activity::Model),
    /// The id belongs to something else.
    IdReused,
    /// The daybook is not there, or not the caller's to write in; or not that of whom it is written for.
    NoDaybook,
    /// Nobody knows the resident whom it is to be written for.
    NoParty,
    /// Whoever writes for somebody else is a member of no hub any more.
    NotForOthers,
    /// The daybook was erased.
    Gone,
    /// The daybook takes no more: code and detail.
    Refused(String, String),
}

/// Where an activity is to be recorded.
#[derive(Debug, Clone, Copy, Default)]
pub struct Where {
    /// The first one of whose it is, if none is named.
    pub daybook: Option<DaybookId>,
    /// Somebody else, for whom it is written down: in their daybook. That the caller may was asked before
    /// ([`super::hubs::may_record_for_others`]).
    pub on_behalf_of: Option<PartyId>,
}

/// Records one activity in a daybook of the caller or of a group of theirs, or for somebody else in theirs. Sent again
/// with the same content nothing happens.
///
/// # Errors
/// [`FlowError::RateLimited`], [`FlowError::Busy`], and of the database; nothing was written then.
pub async fn record(
    app: &App,
    caller: &Access,
    id: ActivityId,
    place: Where,
    draft: &Draft,
) -> Result<Recorded, FlowError> {
    let db = app.db().read();
    let owners = match place.on_behalf_of {
        None => daybooks::owners(db, caller.neighbourhood, caller.party).await?,
        Some(party) => vec![store::aliases::stands_for(db, caller.neighbourhood, party, None).await?],
    };
    if let Some(there) = store::activities::find(db, caller.neighbourhood, id).await? {
        return again(app, caller, there, (place, &owners), draft).await;
    }
    if let Some(party) = place.on_behalf_of
        && daybooks::known_resident(db, caller.neighbourhood, party).await?.is_none()
    {
        return Ok(Recorded::NoParty);
    }
    let row = match daybook(app, caller, place, &owners).await? {
        Some(row) if row.gone_at_ms.is_some() => return Ok(Recorded::Gone),
        Some(row) => row,
        None => return Ok(Recorded::NoDaybook),
    };
    let known: Vec<Hash> = heads(&row.heads);
    let base = Base { heads: &known, max_op: unsigned(row.max_op) };
    let edit = Edit { id, state: None, fields: fields(draft) };
    let actor: [u8; 16] = app.random();
    let (_, bytes) = write::change(&actor, base, app.now_in(caller.neighbourhood) / 1_000, &[edit]);
    match bring(app, caller, &row, &bytes, once(app, caller, id, place)).await {
        Err(FlowError::Gone) => return Ok(Recorded::Gone),
        Err(FlowError::NoHub) => return Ok(Recorded::NotForOthers),
        // Somebody else was first in this very moment.
        Err(FlowError::IdReused) => {
            let there = store::activities::find(app.db().read(), caller.neighbourhood, id).await?;
            return again(app, caller, there.ok_or(FlowError::Busy)?, (place, &owners), draft).await;
        }
        Ok(Some((code, detail))) => return Ok(Recorded::Refused(code, detail)),
        other => drop(other?),
    }
    let there = store::activities::find(app.db().read(), caller.neighbourhood, id).await?;
    match there.filter(|there| there.daybook_id == row.id) {
        Some(there) => Ok(Recorded::Now(there)),
        // Another daybook brought the id in this very moment.
        None => Ok(Recorded::IdReused),
    }
}

/// A coordinator's role is what the token's scopes rest on; a member of a hub is asked for in the transaction.
fn once(app: &App, caller: &Access, id: ActivityId, place: Where) -> Once {
    if place.on_behalf_of.is_none() || caller.scopes.has(Scope::Reconcile) {
        return Once::Recorded(id);
    }
    Once::RecordedFor { id, member: caller.party, now_ms: app.now_in(caller.neighbourhood) }
}

/// Brings a change of the server's own making to the one door, for whoever asked for it; code and detail where it is
/// refused. [`FlowError::IdReused`] where what it writes is there already.
pub(super) async fn bring(
    app: &App,
    caller: &Access,
    row: &daybook::Model,
    bytes: &[u8],
    once: Once,
) -> Result<Option<(String, String)>, FlowError> {
    charge_bytes(app, caller, bytes.len().saturating_add(CHUNK_BYTES))?;
    let chunks: Vec<Incoming> = guard::inspect(bytes).into_iter().map(Incoming::from).collect();
    let (grant, payer) = (Some(caller.grant), Some(caller.payer()));
    let bringer = Bringer { grant, payer, at_ms: app.now_in(caller.neighbourhood), skew_ms: None };
    let accepted = accept_once(app, row, bringer, chunks, once).await?;
    match accepted.outcomes.into_iter().next().map(|outcome| outcome.became) {
        Some(Became::Accepted | Became::Duplicate) => Ok(None),
        Some(Became::Refused(code, detail)) => Ok(Some((code, detail))),
        Some(Became::Held(_) | Became::Deferred(_)) | None => Err(FlowError::Busy),
    }
}

/// Whoever sends guesses again and again would find the exact place of what others have recorded.
fn may_compare(caller: &Access, first: &activity_version::Model) -> bool {
    let told = first.grant_id == Some(caller.grant.0) || caller.scopes.has(Scope::PlacesExact);
    told || !first.reading.contains("\"place.")
}

/// Who writes for others learns by sending it again what became of what they wrote, and of what others wrote nothing.
async fn may_ask_again(
    app: &App,
    caller: &Access,
    place: Where,
    first: &activity_version::Model,
) -> Result<bool, FlowError> {
    if place.on_behalf_of.is_none() || caller.scopes.has(Scope::Reconcile) {
        return Ok(true);
    }
    let Some(grant) = first.grant_id else { return Ok(false) };
    let parties = store::access::parties_of(app.db().read(), caller.neighbourhood, [grant].into()).await?;
    Ok(parties.get(&grant).is_some_and(|party| caller.names.contains(party)))
}

/// Whether what is there is what was recorded then.
async fn again(
    app: &App,
    caller: &Access,
    there: activity::Model,
    (place, owners): (Where, &[PartyId]),
    draft: &Draft,
) -> Result<Recorded, FlowError> {
    let (db, id) = (app.db().read(), ActivityId(there.id));
    if !owners.contains(&PartyId(there.party_id)) {
        return Ok(Recorded::IdReused);
    }
    let Some(first) = store::activities::version(db, caller.neighbourhood, id, 1).await? else {
        return Ok(Recorded::IdReused);
    };
    if !may_ask_again(app, caller, place, &first).await? {
        return Ok(Recorded::IdReused);
    }
    let same = may_compare(caller, &first) && first.reading_hash == draft.reading().hash();
    Ok(if same { Recorded::Again(there) } else { Recorded::IdReused })
}

async fn daybook(
    app: &App,
    caller: &Access,
    place: Where,
    owners: &[PartyId],
) -> Result<Option<daybook::Model>, FlowError> {
    let (db, neighbourhood) = (app.db().read(), caller.neighbourhood);
    if let Some(id) = place.daybook {
        let row = store::daybooks::find(db, neighbourhood, id).await?;
        return Ok(row.filter(|row| owners.contains(&PartyId(row.party_id))));
    }
    if let Some(party) = place.on_behalf_of {
        return daybooks::of_resident(app, neighbourhood, party).await;
    }
    // Whoever became another's alias a moment ago writes into that one's: what is known of the caller may be older.
    let own = store::daybooks::of_parties(db, neighbourhood, &owners[..owners.len().min(1)]).await?;
    Ok(own.into_iter().find(|row| row.gone_at_ms.is_none()))
}

/// What a draft writes, as phones write it.
pub(super) fn fields(draft: &Draft) -> BTreeMap<String, Written> {
    let set = draft.fields.iter().filter_map(|(key, value)| Some((key.clone(), written(key, value)?)));
    let cleared = draft.cleared.iter().map(|key| (key.clone(), Written::Scalar(Scalar::Null)));
    set.chain(cleared).collect()
}

/// A note is a text that several may write in.
pub(super) fn written(key: &str, value: &Value) -> Option<Written> {
    let scalar = match value {
        Value::Text(text) if key == "note" => return Some(Written::Text(text.clone())),
        Value::Text(text) => Scalar::Text(text.clone()),
        Value::Integer(number) => Scalar::Integer(*number),
        Value::Number(number) => Scalar::Float(*number),
        Value::Boolean(flag) => Scalar::Boolean(*flag),
        Value::Instant(at_ms) => Scalar::Instant(*at_ms),
        Value::Unknown(_) => return None,
    };
    Some(Written::Scalar(scalar))
}
