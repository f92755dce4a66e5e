//! One sync: the people met, then each daybook in a transaction of its own, then what the phone lacks and
//! what became of its records. Reads come after the commits, so that they see them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use tracing::Instrument as _;

use super::FlowError;
use super::accept::{Accepted, ChunkOutcome};
use super::daybooks::{Standing, owners, standing};
use super::documents::Download;
use super::take::{charge, take};
use super::verdicts::{Verdicts, verdicts};
use crate::app::{Access, App};
use crate::domain::ids::{DaybookId, PartyId};
use crate::domain::limits::SYNC_READ_BYTES_MIN;
use crate::domain::time::skew_ms;
use crate::merge::cursor::{CHAIN_START, Cursor};
use crate::merge::intake;
use crate::metrics::Flow;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::{daybook, party};
use crate::store::held::Expiring;

/// Rows read at once for an answer, and no more bytes than it has room for: see [`read`].
const ANSWER_ROWS: u64 = 256;

/// What a phone sends.
#[derive(Debug)]
pub struct Push {
    /// Kept out of every acceptance: how far it is off is measured and kept with what came.
    pub device_time_ms: i64,
    pub verdicts_after: Option<String>,
    /// For the changes of the whole answer.
    pub limit_bytes: u64,
    pub parties: Vec<(PartyId, String)>,
    pub daybooks: Vec<DaybookPush>,
}

/// One daybook of a push.
#[derive(Debug)]
pub struct DaybookPush {
    pub id: DaybookId,
    pub cursor: Option<String>,
    pub entries: Vec<Vec<u8>>,
}

/// What the phone gets.
#[derive(Debug)]
pub struct Synced {
    pub server_time_ms: i64,
    pub verdicts: Verdicts,
    pub daybooks: Vec<DaybookSynced>,
}

/// How a daybook stands; the words are the API's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ok,
    Restart,
    Reload,
    Busy,
    Gone,
    NotFound,
}

impl State {
    /// The word of the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Restart => "restart",
            Self::Reload => "reload",
            Self::Busy => "busy",
            Self::Gone => "gone",
            Self::NotFound => "not_found",
        }
    }
}

/// One daybook of the answer.
#[derive(Debug)]
pub struct DaybookSynced {
    pub id: DaybookId,
    pub state: State,
    pub cursor: Option<String>,
    pub more: bool,
    pub heads: Option<Vec<[u8; 32]>>,
    pub changes: Vec<Vec<u8>>,
    pub outcomes: Vec<ChunkOutcome>,
    /// To be downloaded, since what the phone lacks is no longer kept change by change.
    pub snapshot: Option<SnapshotLink>,
    /// Until when what this person sends is held, who has left the group; in milliseconds since 1970.
    pub holds_until_ms: Option<i64>,
    /// What is held here and was given notice.
    pub expiring: Option<Expiring>,
}

/// A download that takes the place of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotLink {
    pub etag: String,
    pub bytes: u64,
}

/// Syncs.
///
/// # Errors
/// [`FlowError`] if nothing at all could be done; a daybook that fails alone answers `busy`.
pub async fn sync(app: &App, caller: &Access, push: Push) -> Result<Synced, FlowError> {
    let begun = Instant::now();
    let span = tracing::debug_span!("sync", daybooks = push.daybooks.len(), parties = push.parties.len());
    let synced = all(app, caller, push).instrument(span).await;
    app.metrics().sync.synced(begun.elapsed());
    synced
}

async fn all(app: &App, caller: &Access, push: Push) -> Result<Synced, FlowError> {
    // In a sandbox, a phone may go by the machine's clock or by the neighbourhood's.
    let clocks = [app.now_ms(), app.now_in(caller.neighbourhood)];
    let skews = clocks.map(|now_ms| skew_ms(push.device_time_ms, now_ms));
    let skew_ms = skews.into_iter().min_by_key(|skew| skew.map(i64::abs)).flatten();
    let new = strangers(app, caller, &push.parties).await?;
    charge(app, caller, &push, new.len())?;
    meet(app, caller, new).await?;
    let mut mine = caller.owners.clone();
    let mut room = Room { left: push.limit_bytes, untouched: true };
    let mut intake = intake::Room::default();
    let mut daybooks = Vec::with_capacity(push.daybooks.len());
    let mut waits = false;
    for daybook in push.daybooks {
        let begun = Instant::now();
        let nothing = empty(daybook.id, daybook.cursor.clone());
        let one = sync_one(app, caller, &mut mine, daybook, room, &mut intake, skew_ms).await;
        // Others before it are committed already, so one that fails fails alone.
        let synced =
            one.unwrap_or_else(|error| DaybookSynced { state: failed(nothing.id, &error), ..nothing });
        waits |= synced.outcomes.iter().any(|outcome| !outcome.activities.is_empty());
        let sent: usize = synced.changes.iter().map(Vec::len).sum();
        app.metrics().sync.daybook(synced.state.as_str(), begun.elapsed());
        app.metrics().sync.sent(sent);
        room.left = room.left.saturating_sub(u64::try_from(sent).unwrap_or(u64::MAX));
        room.untouched &= sent == 0;
        daybooks.push(synced);
    }
    let verdicts = verdicts(app, caller, waits, push.verdicts_after.as_deref()).await?;
    Ok(Synced { server_time_ms: app.now_in(caller.neighbourhood), verdicts, daybooks })
}

/// What became of a daybook that could not be synced. Nothing of it may be written; sent again, it says what is.
fn failed(daybook: DaybookId, error: &FlowError) -> State {
    match error {
        FlowError::Gone => State::Gone,
        FlowError::NotFound => State::NotFound,
        FlowError::Busy => {
            tracing::warn!(%daybook, %error, "a daybook answers busy");
            State::Busy
        }
        // With what is behind it, which the answer does not tell.
        _ => {
            tracing::error!(%daybook, ?error, "a daybook failed and answers busy");
            State::Busy
        }
    }
}

/// Those of the people met whom nobody knows yet.
async fn strangers(
    app: &App,
    caller: &Access,
    met: &[(PartyId, String)],
) -> Result<BTreeMap<PartyId, String>, FlowError> {
    let ids: BTreeSet<PartyId> = met.iter().map(|(id, _)| *id).collect();
    let known = store::parties::resolve(app.db().read(), caller.neighbourhood, &ids).await?;
    Ok(met.iter().filter(|(id, _)| !known.contains_key(id)).cloned().collect())
}

/// Writes the people met, before anything that names them.
async fn meet(app: &App, caller: &Access, new: BTreeMap<PartyId, String>) -> Result<(), FlowError> {
    if new.is_empty() {
        return Ok(());
    }
    let now_ms = app.now_ms();
    let rows = new.into_iter().map(|(id, name)| party::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: id.0,
        kind: "resident".into(),
        sector: "resident".into(),
        name,
        known: false,
        created_at_ms: now_ms,
        revision: 1,
        age_band: None,
        supervisors: None,
    });
    let mut timing = app.metrics().database.transaction(Flow::Meet);
    let txn = timing.begin(app.db().begin()).await?;
    store::parties::insert_new(&txn, rows.collect()).await?;
    timing.commit(txn.commit()).await?;
    Ok(())
}

async fn sync_one(
    app: &App,
    caller: &Access,
    mine: &mut Vec<PartyId>,
    push: DaybookPush,
    room: Room,
    intake: &mut intake::Room,
    skew_ms: Option<i64>,
) -> Result<DaybookSynced, FlowError> {
    let DaybookPush { id, cursor, entries } = push;
    let nothing = |state| DaybookSynced { state, ..empty(id, cursor.clone()) };
    let db = app.db().read();
    let row = store::daybooks::find(db, caller.neighbourhood, id).await?;
    if row.as_ref().is_some_and(|row| !mine.contains(&PartyId(row.party_id))) {
        // Whose it is, and who is calling, may be another a moment ago: a phone told that it is gone makes it anew.
        *mine = owners(db, caller.neighbourhood, caller.party).await?;
        app.access_cache().invalidate(&(caller.neighbourhood, caller.grant));
    }
    let Some(row) = row else { return Ok(nothing(State::NotFound)) };
    let (me, owner) = (mine.first().copied().unwrap_or(caller.party), PartyId(row.party_id));
    let holds_until_ms = match mine.contains(&owner) {
        true => None,
        false => match standing(db, caller.neighbourhood, me, owner, app.now_in(caller.neighbourhood)).await?
        {
            Standing::Left { until_ms } if row.gone_at_ms.is_none() => Some(until_ms),
            _ => return Ok(nothing(State::NotFound)),
        },
    };
    if row.gone_at_ms.is_some() {
        return Ok(nothing(State::Gone));
    }
    if entries.is_empty() {
        return match holds_until_ms {
            Some(_) => Ok(DaybookSynced { holds_until_ms, ..nothing(State::NotFound) }),
            None => answer(app, caller, cursor, Accepted::nothing(row), room).await,
        };
    }
    let bytes: usize = entries.iter().map(Vec::len).sum();
    app.metrics().sync.received(bytes);
    let span = tracing::debug_span!("accept", entries = entries.len(), bytes);
    let sender = (owner != me).then_some(me);
    let accepted = take(app, caller, (&row, sender), entries, intake, skew_ms).instrument(span).await?;
    if accepted.left_until_ms.is_none() {
        return answer(app, caller, cursor, accepted, room).await;
    }
    // What is remembered of who they are may be older: nothing of the group's is for them any more.
    mine.retain(|party| *party != owner);
    app.access_cache().invalidate(&(caller.neighbourhood, caller.grant));
    let Accepted { outcomes, left_until_ms, .. } = accepted;
    Ok(DaybookSynced { outcomes, holds_until_ms: left_until_ms, ..nothing(State::NotFound) })
}

fn empty(id: DaybookId, cursor: Option<String>) -> DaybookSynced {
    DaybookSynced {
        id,
        state: State::Ok,
        cursor,
        more: false,
        heads: None,
        changes: Vec::new(),
        outcomes: Vec::new(),
        snapshot: None,
        holds_until_ms: None,
        expiring: None,
    }
}

/// What the phone lacks: the rows after its cursor, without what it just sent.
async fn answer(
    app: &App,
    caller: &Access,
    given: Option<String>,
    accepted: Accepted,
    room: Room,
) -> Result<DaybookSynced, FlowError> {
    let Accepted { row, outcomes, before, taken, .. } = accepted;
    let id = DaybookId(row.id);
    let of = Of { neighbourhood: caller.neighbourhood, daybook: id };
    let expiring = match row.held_changes.unwrap_or_default() > 0 {
        true => store::held::expiring(app.db().read(), of).await?,
        false => None,
    };
    let at_before = cursor_at(u64::try_from(before.0).unwrap_or_default(), &before.1).encode();
    let (restart, Pulled { end, changes, behind }) =
        if given.as_deref() == Some(at_before.as_str()) && before.0 + taken == row.position {
            // The phone stood where the daybook stood, and all that is new is its own.
            (false, Pulled { end: end_of(&row), changes: Vec::new(), behind: false })
        } else {
            let (start, restart) = start(app, of, &row, given.as_deref()).await?;
            let own: HashSet<[u8; 32]> = outcomes.iter().map(|outcome| outcome.hash).collect();
            (restart, read(app, of, &row, start, &own, room).await?)
        };
    let state = if outcomes.iter().any(ChunkOutcome::is_refused) {
        State::Reload
    } else if restart {
        State::Restart
    } else {
        State::Ok
    };
    if behind && changes.is_empty() {
        let download = Download::of(app, of).await?;
        let snapshot = Some(SnapshotLink { etag: download.etag(), bytes: download.bytes_count() });
        let cursor = given.filter(|_| !restart);
        return Ok(DaybookSynced { state, more: true, outcomes, snapshot, expiring, ..empty(id, cursor) });
    }
    let more = end.position < u64::try_from(row.position).unwrap_or_default();
    let cursor = end.encode();
    let moved = given.as_deref() != Some(cursor.as_str());
    let heads = (!more && moved).then(|| super::accept::heads(&row.heads));
    Ok(DaybookSynced { state, more, heads, changes, outcomes, expiring, ..empty(id, Some(cursor)) })
}

/// Where to read from, and whether the cursor was on another chain.
async fn start(
    app: &App,
    of: Of,
    row: &daybook::Model,
    given: Option<&str>,
) -> Result<(Cursor, bool), FlowError> {
    let Some(text) = given else { return Ok((start_of_all(), false)) };
    let Some(cursor) = Cursor::decode(text) else { return Ok((start_of_all(), true)) };
    if cursor == start_of_all() {
        return Ok((cursor, false));
    }
    if i64::try_from(cursor.position).is_ok_and(|position| position == row.position) {
        let fits = row.chain.starts_with(&cursor.chain);
        return Ok(if fits { (cursor, false) } else { (start_of_all(), true) });
    }
    let chain = store::changes::chain_at(app.db().read(), of, cursor.position).await?;
    let fits = chain.is_some_and(|chain| chain.starts_with(&cursor.chain));
    Ok(if fits { (cursor, false) } else { (start_of_all(), true) })
}

/// Changes after a cursor.
struct Pulled {
    end: Cursor,
    changes: Vec<Vec<u8>>,
    /// The next change has no bytes of its own any more: only the snapshot has them.
    behind: bool,
}

/// Room in an answer for changes.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// In bytes.
    left: u64,
    /// There are no changes in it yet.
    untouched: bool,
}

/// Reads by bytes and not only by rows: each row may hold a change of a MiB, and what is in memory for an answer
/// stays what it may hold, and one change. The database itself stops at the size, so that who lacks a few small
/// changes pays one statement, and who asks for a byte does not have 256 MiB read.
async fn read(
    app: &App,
    of: Of,
    row: &daybook::Model,
    start: Cursor,
    own: &HashSet<[u8; 32]>,
    room: Room,
) -> Result<Pulled, FlowError> {
    let Room { mut left, untouched } = room;
    let (mut cursor, mut changes) = (start, Vec::new());
    let pulled = |end, changes, behind| Ok(Pulled { end, changes, behind });
    // A commit since the daybook's row was read belongs to the next answer: its heads go with it.
    let last = u64::try_from(row.position).unwrap_or_default();
    while cursor.position < last {
        let to = last.min(cursor.position.saturating_add(ANSWER_ROWS));
        let most = left.max(SYNC_READ_BYTES_MIN);
        let rows = store::changes::within(app.db().read(), of, cursor.position, to, most).await?;
        if rows.is_empty() {
            break;
        }
        for row in rows {
            let mine = <[u8; 32]>::try_from(row.hash.as_slice()).is_ok_and(|hash| own.contains(&hash));
            if !mine {
                if row.bytes.is_empty() {
                    return pulled(cursor, changes, true);
                }
                let bytes = u64::try_from(row.bytes.len()).unwrap_or(u64::MAX);
                // One change always goes out in an answer, or a large one would never arrive.
                if bytes > left && !(untouched && changes.is_empty()) {
                    return pulled(cursor, changes, false);
                }
                left = left.saturating_sub(bytes);
                changes.push(row.bytes);
            }
            cursor = cursor_at(u64::try_from(row.position).unwrap_or_default(), &row.chain);
        }
    }
    pulled(cursor, changes, false)
}

/// Before the first change, or the first journal number.
pub(super) fn start_of_all() -> Cursor {
    Cursor::at(0, &CHAIN_START)
}

/// The cursor of a stored row; its chain always has 32 bytes.
pub(super) fn cursor_at(position: u64, chain: &[u8]) -> Cursor {
    Cursor::at(position, &chain.try_into().unwrap_or(CHAIN_START))
}

/// The cursor at a daybook's end.
#[must_use]
pub fn cursor_of(row: &daybook::Model) -> String {
    end_of(row).encode()
}

fn end_of(row: &daybook::Model) -> Cursor {
    cursor_at(u64::try_from(row.position).unwrap_or_default(), &row.chain)
}
