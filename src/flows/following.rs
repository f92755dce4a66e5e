//! Following along: what happened in a neighbourhood after a number of its journal, as far as somebody may know of it,
//! and being woken when there is more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::watch;
use uuid::Uuid;

use super::FlowError;
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::event::{EventType, Gone};
use crate::domain::ids::{AccountId, ActivityId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::limits::STREAMS_PER_GRANT_MAX;
use crate::domain::review::Review;
use crate::ledger::Judgement;
use crate::store;
use crate::store::entity::{activity, journal, judgement};
use crate::store::verdicts::{Told, VerdictRow};

/// How often the journals are looked at that somebody follows.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Bytes of the chain in a place.
pub const CHAIN_BYTES: usize = 8;

/// A place in a journal: a number, and the chain's first bytes at it, which tell a journal that was restored from
/// another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub no: i64,
    pub chain: [u8; CHAIN_BYTES],
}

impl Place {
    /// Of a stored row.
    fn at(no: i64, chain: &[u8]) -> Self {
        Self { no, chain: chain.first_chunk().copied().unwrap_or_default() }
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Happened {
    pub place: Place,
    pub kind: EventType,
    pub subject: Uuid,
    /// The subject's now.
    pub revision: i64,
    pub at_ms: i64,
    pub reason: Option<Gone>,
}

/// What happened, in order.
#[derive(Debug)]
pub struct Past {
    pub events: Vec<Happened>,
    /// Where to go on: all up to here is among the events, or nothing for this reader.
    pub until: Place,
    /// There is more after it.
    pub more: bool,
}

/// Where the journal stands now.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError`] of the database.
pub async fn now(app: &App, neighbourhood: NeighbourhoodId) -> Result<Place, FlowError> {
    let tip = store::ledger::find_tip(app.db().read(), neighbourhood).await?.ok_or(FlowError::NotFound)?;
    Ok(Place::at(tip.journal_no, &tip.chain))
}

/// The beginning of every journal.
pub const BEGINNING: Place = Place { no: 0, chain: [0; CHAIN_BYTES] };

/// Whether the journal has this place.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn has(app: &App, neighbourhood: NeighbourhoodId, place: Place) -> Result<bool, FlowError> {
    if place.no == 0 {
        return Ok(true);
    }
    let rows = store::journal::page(app.db().read(), neighbourhood, None, place.no - 1, 1).await?;
    Ok(rows.first().is_some_and(|row| Place::at(row.no, &row.chain) == place))
}

/// What happened after a place: everything for who reconciles; for others what became of their records and of those
/// that name them, each with the latest of it only.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn past(app: &App, access: &Access, after: Place, limit: usize) -> Result<Past, FlowError> {
    // Before reading: what comes meanwhile is left to the next look.
    let now = now(app, access.neighbourhood).await?;
    let Read { events, last, more } = if access.scopes.has(Scope::Reconcile) {
        everything(app, access.neighbourhood, after, limit).await?
    } else {
        concerning(app, access, (after.no, now.no), limit).await?
    };
    let until = match last {
        Some(last) if more || last.no > now.no => last,
        _ => now,
    };
    Ok(Past { events, until, more })
}

/// A page of events, and the place of the last row that was read for it.
struct Read {
    events: Vec<Happened>,
    last: Option<Place>,
    more: bool,
}

/// The journal itself.
async fn everything(
    app: &App,
    neighbourhood: NeighbourhoodId,
    after: Place,
    limit: usize,
) -> Result<Read, FlowError> {
    let db = app.db().read();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let mut rows = store::journal::page(db, neighbourhood, None, after.no, most).await?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let ids: BTreeSet<ActivityId> = rows.iter().filter_map(|row| row.activity_id.map(ActivityId)).collect();
    let activities = store::activities::of_ids(db, neighbourhood, &ids).await?;
    let judged = store::judgements::of_ids(db, neighbourhood, &ids).await?;
    let standing = Standing {
        activities: activities.iter().map(|row| (row.id, row)).collect(),
        judged: judged.iter().map(|row| (row.activity_id, row)).collect(),
    };
    let last = rows.last().map(|row| Place::at(row.no, &row.chain));
    Ok(Read { events: rows.iter().map(|row| standing.event(row)).collect(), last, more })
}

/// How the activities stand that a page of the journal is about.
struct Standing<'a> {
    activities: BTreeMap<Uuid, &'a activity::Model>,
    judged: BTreeMap<Uuid, &'a judgement::Model>,
}

impl Standing<'_> {
    fn event(&self, row: &journal::Model) -> Happened {
        let of = row.activity_id;
        let (activity, judged) =
            of.map_or((None, None), |id| (self.activities.get(&id), self.judged.get(&id)));
        let judgement: Judgement =
            judged.and_then(|row| serde_json::from_str(&row.body).ok()).unwrap_or_default();
        let version = serde_json::from_str::<serde_json::Value>(&row.body)
            .ok()
            .and_then(|body| body["version"].as_i64());
        let seen = Seen {
            entry: &row.kind,
            first: version == Some(1),
            conflict: activity.is_some_and(|row| row.conflict != "none"),
            withdrawn: judgement.review() == Review::Withdrawn,
            hidden: false,
        };
        let (kind, reason) = match of {
            Some(_) => seen.of_activity(),
            None => (EventType::of_entry(&row.kind), None),
        };
        Happened {
            place: Place::at(row.no, &row.chain),
            kind,
            subject: of.unwrap_or(row.subject_id),
            revision: activity.map_or(0, |row| row.revision) + judged.map_or(0, |row| row.revision),
            at_ms: row.at_ms,
            reason,
        }
    }
}

/// What an event about an activity is told by.
struct Seen<'a> {
    entry: &'a str,
    first: bool,
    conflict: bool,
    withdrawn: bool,
    hidden: bool,
}

impl Seen<'_> {
    fn of_activity(&self) -> (EventType, Option<Gone>) {
        if self.hidden {
            return (EventType::ActivityRemoved, Some(Gone::NotVisible));
        }
        if self.withdrawn {
            return (EventType::ActivityRemoved, Some(Gone::Withdrawn));
        }
        let kind = match self.entry {
            "version" if self.conflict => EventType::ActivityConflicted,
            "version" if self.first => EventType::ActivityRecorded,
            "version" | "member_edited" => EventType::ActivityEdited,
            "transfer" => EventType::ActivityPosted,
            _ => EventType::ActivityReviewed,
        };
        (kind, None)
    }
}

/// What phones are told as verdicts, as events; and what moved minutes of theirs for another reason than an activity.
/// Up to a number at which both were read.
async fn concerning(
    app: &App,
    access: &Access,
    (after, until): (i64, i64),
    limit: usize,
) -> Result<Read, FlowError> {
    let told = Told { owners: &access.owners, names: &access.names };
    // One more for the number's own row, and as many as may stand under the last number.
    let most = limit.saturating_add(2).saturating_add(access.names.len());
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let found = store::verdicts::verdicts(db, neighbourhood, told, after, most).await?;
    let accounts = access.owners.iter().chain(&access.names).map(|party| AccountId(party.0)).collect();
    let closed =
        store::journal::closing_transfers(db, neighbourhood, &accounts, (after, until), most).await?;
    // Where the rows were cut, those of the last number may not be all of them.
    let cut = u64::try_from(found.rows.len() + 1).is_ok_and(|rows| rows >= most);
    let until = found.rows.last().filter(|_| cut).map_or(until, |row| until.min(row.journal_no - 1));
    let nobody = Standing { activities: BTreeMap::new(), judged: BTreeMap::new() };
    let mut read: BTreeMap<i64, (Happened, bool)> = BTreeMap::new();
    let left_out = found.rows.iter().filter(|row| row.still_named == Some(false));
    let left_out: BTreeSet<ActivityId> = left_out.map(|row| ActivityId(row.activity_id)).collect();
    let still = store::replies::naming_among(db, neighbourhood, &left_out, &access.names).await?;
    // What is somebody's own and names them as well is their own; and it is gone only if it names them by no id.
    for row in found.rows.iter().filter(|row| row.journal_no <= until) {
        let own = row.still_named.is_some() && access.owners.contains(&PartyId(row.party_id));
        let quiet = own || row.still_named == Some(false) && still.contains(&ActivityId(row.activity_id));
        if read.get(&row.journal_no).is_none_or(|(_, quiet)| *quiet) {
            read.insert(row.journal_no, (of_verdict(row), quiet));
        }
    }
    let closed = closed.iter().filter(|row| row.no <= until);
    read.extend(closed.map(|row| (row.no, (nobody.event(row), false))));
    let more = cut || read.len() > limit;
    let read: Vec<(Happened, bool)> = read.into_values().take(limit).collect();
    let last = read.last().map(|(event, _)| event.place);
    let events = read.into_iter().filter(|(_, quiet)| !quiet).map(|(event, _)| event).collect();
    Ok(Read { events, last, more })
}

fn of_verdict(row: &VerdictRow) -> Happened {
    let judgement: Judgement = serde_json::from_str(&row.body).unwrap_or_default();
    let seen = Seen {
        entry: &row.entry,
        first: row.judged_version == 1,
        conflict: row.conflict != "none",
        withdrawn: judgement.review() == Review::Withdrawn,
        hidden: row.still_named == Some(false),
    };
    let (kind, reason) = seen.of_activity();
    Happened {
        place: Place::at(row.journal_no, &row.chain),
        kind,
        subject: row.activity_id,
        revision: row.activity_revision + row.revision,
        at_ms: row.judged_at_ms,
        reason,
    }
}

/// Woken whenever the journal moves on, until it is dropped.
pub struct Follower {
    app: App,
    grant: GrantId,
    tip: watch::Receiver<i64>,
}

impl Follower {
    /// Begins to follow; nothing where the grant follows too often already.
    #[must_use]
    pub fn join(app: &App, neighbourhood: NeighbourhoodId, grant: GrantId) -> Option<Self> {
        let (tip, begin) = app.followers().join(neighbourhood, grant, STREAMS_PER_GRANT_MAX)?;
        if begin {
            tokio::spawn(look(app.clone()));
        }
        Some(Self { app: app.clone(), grant, tip })
    }

    /// Waits until there is more than there was at the last call.
    pub async fn woken(&mut self) {
        if self.tip.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.app.followers().leave(self.grant);
    }
}

/// One for all who follow on this replica: looks at the journals until nobody does. Whoever judged may be on another
/// replica, so it is the database that knows.
async fn look(app: App) {
    while let Some(neighbourhoods) = app.followers().followed() {
        match store::ledger::journal_nos(app.db().read(), &neighbourhoods).await {
            Ok(tips) => tips.into_iter().for_each(|(id, no)| app.followers().wake(NeighbourhoodId(id), no)),
            Err(error) => tracing::warn!(%error, "what happened is looked for again"),
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
