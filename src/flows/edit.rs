//! Edits of apps that write JSON: the server writes the change that a phone would have written, as of the version that
//! the app saw, so that what others did meanwhile is concurrent with it, as it would be for a phone.

use std::collections::{BTreeMap, HashSet};

use sea_orm::ConnectionTrait;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::FlowError;
use super::accept::{Once, heads, unsigned};
use super::record::{bring, fields, written};
use super::take::charge_bytes;
use super::{daybooks, documents};
use crate::app::{Access, App};
use crate::domain::draft::Draft;
use crate::domain::ids::{ActivityId, DaybookId, NeighbourhoodId, PartyId};
use crate::domain::limits::DOCUMENT_LOAD_FACTOR;
use crate::domain::reading::Reading;
use crate::domain::version_name::VersionName;
use crate::merge::write::{self, Base, Edit, Written};
use crate::merge::{ActivityState, Hash};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::{activity, activity_version, daybook};

/// How often the newest state is read again because a push moved it while it was read.
const READS_MAX: usize = 8;
/// Bytes of an actor that name the edit, and as many that name its content.
const NAME_BYTES: usize = 16;
/// What is said where only the document could tell what an older version was.
const TOO_LARGE: &str =
    "the daybook is too large for an edit of an older version: read the newest, and edit that";

/// An edit as an app asks for it.
#[derive(Debug)]
pub struct Wanted {
    pub id: ActivityId,
    /// Made and stored by the app before sending.
    pub change_id: Uuid,
    /// The version that the app saw.
    pub base: VersionName,
    /// SHA-256 of all that the request says.
    pub body: Hash,
    pub draft: Draft,
}

/// What became of an edit.
#[derive(Debug)]
pub enum Edited {
    /// Written, now or when it was sent before.
    Done(Box<activity::Model>),
    /// The change id was sent with another content.
    ChangeIdReused,
    /// The activity never had such a version.
    VersionUnknown,
    /// The daybook takes no more: code and detail.
    Refused(String, String),
}

/// Edits an activity of the caller or of a group of theirs. Sent again nothing happens.
///
/// # Errors
/// [`FlowError::NotFound`], [`FlowError::Gone`], [`FlowError::RateLimited`], [`FlowError::Busy`], and of the database;
/// nothing was written then.
pub async fn edit(app: &App, caller: &Access, wanted: &Wanted) -> Result<Edited, FlowError> {
    let db = app.db().read();
    let there = own(db, caller, wanted.id).await?;
    let of = Of { neighbourhood: caller.neighbourhood, daybook: DaybookId(there.daybook_id) };
    let actor = actor(wanted);
    // One after the other: of two with one name at once the second finds the first, and no more than one of the
    // daybook's documents is worked with for it.
    let turn = app.editing(of.daybook);
    let _turn = turn.lock().await;
    if let Some(before) = sent_before(db, of, &actor).await? {
        let there = own(db, caller, wanted.id).await?;
        return Ok(if before { Edited::Done(Box::new(there)) } else { Edited::ChangeIdReused });
    }
    let row = store::daybooks::find(db, of.neighbourhood, of.daybook).await?.ok_or(FlowError::NotFound)?;
    if row.gone_at_ms.is_some() {
        return Err(FlowError::Gone);
    }
    let bytes = match change(app, caller, &row, wanted, &actor).await? {
        Made::Change(bytes) => bytes,
        Made::VersionUnknown => return Ok(Edited::VersionUnknown),
        Made::TooLarge => return Ok(Edited::Refused("too_large".to_owned(), TOO_LARGE.to_owned())),
    };
    match bring(app, caller, &row, &bytes, Once::Named(actor[..NAME_BYTES].to_vec())).await {
        Ok(Some((code, detail))) => return Ok(Edited::Refused(code, detail)),
        // Through another replica, in this very moment.
        Err(FlowError::IdReused) if sent_before(db, of, &actor).await? != Some(true) => {
            return Ok(Edited::ChangeIdReused);
        }
        Ok(None) | Err(FlowError::IdReused) => {}
        Err(error) => return Err(error),
    }
    Ok(Edited::Done(Box::new(own(db, caller, wanted.id).await?)))
}

/// Whether this edit was written before, so that nothing is left to be asked.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn is_written(app: &App, there: &activity::Model, wanted: &Wanted) -> Result<bool, FlowError> {
    let neighbourhood = NeighbourhoodId(there.neighbourhood_id);
    let of = Of { neighbourhood, daybook: DaybookId(there.daybook_id) };
    Ok(sent_before(app.db().read(), of, &actor(wanted)).await? == Some(true))
}

/// An activity in a daybook of the caller or of a group of theirs.
///
/// # Errors
/// [`FlowError::NotFound`] for any other; [`FlowError`] of the database.
pub async fn own(
    db: &impl ConnectionTrait,
    caller: &Access,
    id: ActivityId,
) -> Result<activity::Model, FlowError> {
    let there = store::activities::find(db, caller.neighbourhood, id).await?.ok_or(FlowError::NotFound)?;
    let owners = daybooks::owners(db, caller.neighbourhood, caller.party).await?;
    if owners.contains(&PartyId(there.party_id)) { Ok(there) } else { Err(FlowError::NotFound) }
}

/// The actor of an edit is made of its name and its content: so the daybook itself knows what was sent before, after a
/// rebuild too, and its guard lets the same edit in once.
fn actor(wanted: &Wanted) -> Vec<u8> {
    let name = Sha256::new().chain_update(b"edit").chain_update(wanted.id.0).chain_update(wanted.change_id);
    [&name.finalize()[..NAME_BYTES], &wanted.body[..NAME_BYTES]].concat()
}

/// Whether this edit is in the daybook; `Some(false)` where its name is, with another content.
async fn sent_before(db: &impl ConnectionTrait, of: Of, actor: &[u8]) -> Result<Option<bool>, FlowError> {
    let there = store::changes::actors_from(db, of, &actor[..NAME_BYTES]).await?;
    Ok(if there.is_empty() { None } else { Some(there.iter().any(|there| there == actor)) })
}

/// What an edit becomes.
enum Made {
    /// The change that it is.
    Change(Vec<u8>),
    /// There never was the version that the app saw.
    VersionUnknown,
    /// It is of an older version, in a daybook that is too large to be loaded.
    TooLarge,
}

/// The change that the edit is.
async fn change(
    app: &App,
    caller: &Access,
    row: &daybook::Model,
    wanted: &Wanted,
    actor: &[u8],
) -> Result<Made, FlowError> {
    let of = Of { neighbourhood: caller.neighbourhood, daybook: DaybookId(row.id) };
    let tenant = store::neighbourhoods::find(app.db().read(), of.neighbourhood).await?;
    let salt = tenant.ok_or(FlowError::NotFound)?.salt.unwrap_or_default();
    let number = wanted.base.number;
    let is_base = |version: &activity_version::Model| {
        wanted.base == VersionName::of(&salt, wanted.id, number, &version.reading_hash)
    };
    for _ in 0..READS_MAX {
        let version =
            store::activities::version(app.db().read(), of.neighbourhood, wanted.id, number).await?;
        let Some(base) = version.filter(is_base) else {
            return Ok(Made::VersionUnknown);
        };
        match base.until_position {
            Some(_) if !documents::fits(row) => return Ok(Made::TooLarge),
            Some(until) => {
                // The whole document is gone through: paid for before.
                let weight = usize::try_from(documents::weight(row)).unwrap_or(usize::MAX);
                charge_bytes(app, caller, weight)?;
                return as_of(app, of, until, &base, wanted, actor).await.map(Made::Change);
            }
            None => {
                if let Some(bytes) = on_newest(app, of, &base, wanted, actor).await? {
                    return Ok(Made::Change(bytes));
                }
            }
        }
    }
    Err(FlowError::Busy)
}

/// On top of all that is there, from the activity's state alone; nothing where the version is no longer the newest.
async fn on_newest(
    app: &App,
    of: Of,
    base: &activity_version::Model,
    wanted: &Wanted,
    actor: &[u8],
) -> Result<Option<Vec<u8>>, FlowError> {
    let Some((row, there)) = together(app, of, wanted.id).await? else { return Ok(None) };
    if there.version != base.version {
        return Ok(None);
    }
    let state = ActivityState::decode(&there.state).map_err(FlowError::internal)?;
    let known = heads(&row.heads);
    let on = Base { heads: &known, max_op: unsigned(row.max_op) };
    let edit = Edit { id: wanted.id, state: Some(&state), fields: all_fields(&wanted.draft, base)? };
    Ok(Some(write::change(actor, on, app.now_in(of.neighbourhood) / 1_000, &[edit]).1))
}

/// A daybook and an activity in it as they stood at one moment.
async fn together(
    app: &App,
    of: Of,
    id: ActivityId,
) -> Result<Option<(daybook::Model, activity::Model)>, FlowError> {
    let db = app.db().read();
    let mut row = store::daybooks::find(db, of.neighbourhood, of.daybook).await?;
    for _ in 0..READS_MAX {
        let there = store::activities::find(db, of.neighbourhood, id).await?;
        let after = store::daybooks::find(db, of.neighbourhood, of.daybook).await?;
        if row.as_ref().map(|row| row.revision) == after.as_ref().map(|row| row.revision) {
            return Ok(after.zip(there));
        }
        row = after;
    }
    Ok(None)
}

/// On top of what was there while the version was the newest.
async fn as_of(
    app: &App,
    of: Of,
    until: i64,
    base: &activity_version::Model,
    wanted: &Wanted,
    actor: &[u8],
) -> Result<Vec<u8>, FlowError> {
    let known = store::changes::hashes(app.db().read(), of, until).await?;
    let known: HashSet<Hash> = known.iter().filter_map(|hash| hash.as_slice().try_into().ok()).collect();
    // One at a time: the document as it stood then is a second one.
    let _heavy = app.heavy_turn().await;
    let loaded = documents::current(app, of, DocumentReason::JsonEdit, None).await?;
    let (id, fields) = (wanted.id, all_fields(&wanted.draft, base)?);
    let (actor, time_s) = (actor.to_vec(), app.now_in(of.neighbourhood) / 1_000);
    let _room = app.room_to_load(loaded.bytes().saturating_mul(DOCUMENT_LOAD_FACTOR)).await;
    let work = move || {
        let edit = Edit { id, state: None, fields };
        let made = loaded.edit_as_of(&known, &actor, time_s, &edit);
        (loaded, made)
    };
    let (loaded, made) = tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?;
    documents::keep(app, of, loaded);
    Ok(made.map_err(FlowError::internal)?.1)
}

/// What is set; where a phone took the whole activity away, with all that it held, since it is written anew then.
fn all_fields(draft: &Draft, base: &activity_version::Model) -> Result<BTreeMap<String, Written>, FlowError> {
    let reading: Reading = serde_json::from_str(&base.reading)?;
    let mut all = BTreeMap::new();
    if reading.deleted {
        let first =
            reading.fields.iter().filter_map(|(key, field)| Some((key, field.values().first()?.clone())));
        all.extend(first.filter_map(|(key, value)| Some((key.clone(), written(key, &value)?))));
    }
    all.extend(fields(draft));
    Ok(all)
}
