//! Everything that the cards of a neighbourhood are made of, read at once.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::activity_reading::{name_recorders, tenant, view, with_origins};
use super::super::activity_view::ActivityView;
use super::super::decision_request::{SeenActivity, StepName};
use super::super::error::ApiResult;
use super::super::replies::ReplyView;
use super::super::suspicions::{SuspicionView, suspicion_view};
use super::super::types::Instant;
use super::needs::needs;
use super::suggested::{DecisionDraft, SuggestionView, drafts};
use super::views::{CardActivity, CardPerson, CardView, LeaseView};
use super::{caps, parts};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::activity::Kind;
use crate::domain::card::{self, Card, Disputed, DisputedValue, Entry};
use crate::domain::ids::{ActivityId, DaybookId, PartyId};
use crate::domain::key::{Class, Key};
use crate::domain::limits::{CARDS_ACTIVITIES_MAX, CARDS_WAITING_MAX};
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::suspicion::{Origin, Record, Suspicion};
use crate::domain::time::civil_day;
use crate::domain::words::Language;
use crate::flows::FlowError;
use crate::flows::judge::times;
use crate::ledger::{Doubt, Judgement, effective, written};
use crate::store;
use crate::store::entity::{activity, activity_version, card_lease, judgement, party, suspicion};

/// Where a card stands among all; see [`Card::place`].
pub(super) type Place = (i128, i64, Uuid);

/// The place of a card, for cursors.
pub(super) fn place(card: &Card) -> Place {
    let (rank, since, id) = card.place();
    (rank, since, id.0)
}

/// An activity that cards may hold.
struct Shown {
    view: ActivityView,
    replies: Vec<ReplyView>,
    entry: Entry,
}

/// See the module.
pub(super) struct Desk {
    waiting: Waiting,
    shown: BTreeMap<ActivityId, Shown>,
    suspicions: Vec<(Suspicion, SuspicionView)>,
    people: BTreeMap<PartyId, (PartyId, Option<party::Model>)>,
    leases: BTreeMap<ActivityId, card_lease::Model>,
}

/// Of how much that waits cards are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Activities that need a person, [`CARDS_WAITING_MAX`] where there are more.
    pub all: u64,
    /// Those of them that were looked at.
    pub looked_at: u64,
}

/// The rows of an activity that is judged.
struct Rows {
    activity: activity::Model,
    judgement: judgement::Model,
    judged: Judgement,
    reading: Reading,
    version: activity_version::Model,
}

impl Desk {
    /// Reads what needs a person and what is around it.
    ///
    /// # Errors
    /// Where the database or a row cannot be read.
    pub async fn load(app: &App, access: &Access) -> ApiResult<Self> {
        let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
        let tenant = tenant(app, access).await?;
        let needing = store::judgements::needing_a_person(db, neighbourhood, CARDS_ACTIVITIES_MAX).await?;
        let waiting = waiting(app, access, needing.len()).await?;
        let mut ids: BTreeSet<ActivityId> = needing.iter().map(|row| ActivityId(row.activity_id)).collect();
        let doubts = open_suspicions(app, access, &ids).await?;
        ids.extend(doubts.iter().flat_map(|(suspicion, _)| suspicion.about.iter().copied()));
        for row in &needing {
            let judged: Judgement = serde_json::from_str(&row.body).map_err(FlowError::from)?;
            ids.extend(judged.merged_with());
            ids.extend(row.part_of.into_iter().chain(row.confirms).map(ActivityId));
        }
        let rows = rows(app, access, &ids).await?;
        let people = people(app, access, &rows).await?;
        let mut replies = replies(app, access, &rows).await?;
        let resolve = |id| people.get(&id).map_or(id, |(party, _)| *party);
        let exact = access.scopes.has(Scope::PlacesExact);
        let judged = rows.iter().map(|row| (ActivityId(row.activity.id), &row.reading, &row.judged));
        let mut parts = parts::claims(app, access, judged).await?;
        let (mut shown, mut grants) = (BTreeMap::new(), BTreeMap::new());
        for row in rows {
            let seen = view(&row.activity, Some(&row.judgement), &tenant, exact);
            let mut seen = seen.ok_or_else(|| FlowError::internal("a stored reading cannot be read"))?;
            with_origins(app, &row.activity, &mut seen).await?;
            grants.insert(ActivityId(row.activity.id), row.activity.grant_id);
            let origin = Origin {
                id: ActivityId(row.activity.id),
                daybook: DaybookId(row.activity.daybook_id),
                owner: PartyId(row.activity.party_id),
                times: times(&row.version),
                zone: tenant.zone,
            };
            let Some(record) = record(&row, &seen, origin, resolve) else { continue };
            let doubted = doubts.iter().any(|(suspicion, _)| suspicion.about.contains(&origin.id));
            let parts = parts.remove(&origin.id).unwrap_or_default();
            let mut entry = entry(&row, record, &seen, doubted, parts)?;
            // A rounded place is nothing to settle on, and an exact one is not for everybody.
            entry.disputed.retain(|disputed| {
                exact || !matches!(Key::parse(&disputed.field), Key::PlaceLat | Key::PlaceLon)
            });
            let replies = replies.remove(&origin.id).unwrap_or_default();
            shown.insert(origin.id, Shown { view: seen, replies, entry });
        }
        let records = shown.values().map(|shown: &Shown| &shown.entry.record);
        for (id, room) in caps::rooms(app, access, records).await? {
            shown.entry(id).and_modify(|shown| shown.entry = shown.entry.clone().within(room));
        }
        let views = shown
            .iter_mut()
            .map(|(id, shown): (_, &mut Shown)| (grants.get(id).copied().flatten(), &mut shown.view));
        name_recorders(app, access, views).await?;
        let leases = store::cards::leases(db, neighbourhood, app.now_in(neighbourhood)).await?;
        let leases = leases.into_iter().map(|row| (ActivityId(row.activity_id), row)).collect();
        Ok(Self { waiting, shown, suspicions: doubts, people, leases })
    }

    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// All cards, the most pressing first.
    pub fn cards(&self) -> Vec<Card> {
        let entries: Vec<Entry> = self.shown.values().map(|shown| shown.entry.clone()).collect();
        let open: Vec<Suspicion> = self.suspicions.iter().map(|(suspicion, _)| suspicion.clone()).collect();
        card::cards(&entries, &open)
    }

    pub fn lease(&self, card: ActivityId) -> Option<&card_lease::Model> {
        self.leases.get(&card)
    }

    /// A card with all that the decision needs.
    pub fn view(&self, card: &Card) -> Option<CardView> {
        let mut activities = Vec::with_capacity(card.activities.len());
        let mut named = BTreeSet::new();
        for id in &card.activities {
            let shown = self.shown.get(id)?;
            named.extend(shown.view.parties.iter().map(|party| party.party_id));
            named.insert(shown.view.party_id);
            let needs = shown.entry.needs.iter().copied().collect();
            let replies = shown.replies.clone();
            activities.push(CardActivity { activity: shown.view.clone(), needs, replies });
        }
        let people = named.into_iter().map(|id| self.person(id)).collect();
        let suspicions = card.suspicions.iter().filter_map(|wanted| {
            self.suspicions.iter().find(|(suspicion, _)| suspicion == wanted).map(|(_, view)| view.clone())
        });
        let lease = self.lease(card.id);
        Some(CardView {
            id: card.id,
            audit_only: card.audit_only,
            minutes: card.minutes,
            waiting_since: Instant(card.waiting_since_ms),
            like: card.likeness(),
            lease: lease
                .map(|row| LeaseView { held_by: PartyId(row.party_id), until: Instant(row.until_ms) }),
            needing: card.needing.clone(),
            activities,
            people,
            suspicions: suspicions.collect(),
            suggested: card
                .suggested
                .iter()
                .map(|suggestion| SuggestionView {
                    decisions: drafts(self, suggestion),
                    reason: suggestion.why.text(Language::default()),
                    minutes_after: suggestion.minutes_after,
                    proposal: suggestion.proposal.clone(),
                })
                .collect(),
        })
    }

    fn person(&self, id: PartyId) -> CardPerson {
        let row = self.people.get(&id).and_then(|(_, row)| row.as_ref());
        CardPerson {
            party_id: id,
            name: row.map(|row| row.name.clone()),
            known: row.is_some_and(|row| row.known),
        }
    }

    /// A decision about an activity as it is shown.
    pub fn draft(&self, id: ActivityId, step: StepName) -> Option<DecisionDraft> {
        let SeenActivity { activity_id, version, decision_seq } = self.seen(id)?;
        Some(DecisionDraft {
            activity_id,
            version,
            decision_seq,
            step,
            reason: None,
            corrections: None,
            settles: Vec::new(),
            members: Vec::new(),
        })
    }

    pub fn seen(&self, id: ActivityId) -> Option<SeenActivity> {
        let view = &self.shown.get(&id)?.view;
        Some(SeenActivity { activity_id: id, version: view.version.clone(), decision_seq: view.decision_seq })
    }

    /// The operations in a field that phones disagree about.
    pub fn operations(&self, id: ActivityId, field: &str) -> BTreeSet<String> {
        let conflicts = self.shown.get(&id).into_iter().flat_map(|shown| &shown.view.conflicts);
        conflicts.filter(|conflict| conflict.field == field).flat_map(|it| it.operations.clone()).collect()
    }
}

/// Counted only where there may be more than what was looked at.
async fn waiting(app: &App, access: &Access, looked_at: usize) -> ApiResult<Waiting> {
    let looked_at = u64::try_from(looked_at).unwrap_or(u64::MAX);
    if looked_at < CARDS_ACTIVITIES_MAX {
        return Ok(Waiting { all: looked_at, looked_at });
    }
    let (db, most) = (app.db().read(), CARDS_WAITING_MAX);
    let all = store::judgements::count_needing_a_person(db, access.neighbourhood, most).await?;
    Ok(Waiting { all: all.max(looked_at), looked_at })
}

async fn open_suspicions(
    app: &App,
    access: &Access,
    ids: &BTreeSet<ActivityId>,
) -> ApiResult<Vec<(Suspicion, SuspicionView)>> {
    let rows = store::suspicions::about(app.db().read(), access.neighbourhood, ids).await?;
    let open: BTreeMap<Uuid, suspicion::Model> =
        rows.into_iter().filter(|row| row.state == "open").map(|row| (row.id, row)).collect();
    let exact = access.scopes.has(Scope::PlacesExact);
    let mut doubts = Vec::with_capacity(open.len());
    for row in open.into_values() {
        let suspicion = serde_json::from_str(&row.body).map_err(FlowError::from)?;
        doubts.push((suspicion, suspicion_view(row, exact)?));
    }
    Ok(doubts)
}

/// The rows of these activities, as last judged; what nobody has judged yet is left out.
async fn rows(app: &App, access: &Access, ids: &BTreeSet<ActivityId>) -> ApiResult<Vec<Rows>> {
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let judgements = store::judgements::of_ids(db, neighbourhood, ids).await?;
    let named: Vec<(ActivityId, i64)> =
        judgements.iter().map(|row| (ActivityId(row.activity_id), row.judged_version)).collect();
    let versions = store::activities::versions_named(db, neighbourhood, &named).await?;
    let mut versions: BTreeMap<Uuid, _> = versions.into_iter().map(|row| (row.activity_id, row)).collect();
    let activities = store::activities::of_ids(db, neighbourhood, ids).await?;
    let mut activities: BTreeMap<Uuid, _> = activities.into_iter().map(|row| (row.id, row)).collect();
    let mut rows = Vec::with_capacity(judgements.len());
    for judgement in judgements {
        let id = judgement.activity_id;
        let (Some(version), Some(activity)) = (versions.remove(&id), activities.remove(&id)) else {
            continue;
        };
        let judged: Judgement = serde_json::from_str(&judgement.body).map_err(FlowError::from)?;
        let reading: Reading = serde_json::from_str(&version.reading).map_err(FlowError::from)?;
        rows.push(Rows { activity, judgement, judged, reading, version });
    }
    Ok(rows)
}

/// What was said about the records, by record and in that order.
async fn replies(
    app: &App,
    access: &Access,
    rows: &[Rows],
) -> ApiResult<BTreeMap<ActivityId, Vec<ReplyView>>> {
    let spoken_of = rows.iter().filter(|row| row.judgement.replies.is_some());
    let ids: BTreeSet<ActivityId> = spoken_of.map(|row| ActivityId(row.activity.id)).collect();
    let mut replies: BTreeMap<ActivityId, Vec<ReplyView>> = BTreeMap::new();
    for row in store::replies::about(app.db().read(), access.neighbourhood, &ids).await? {
        replies.entry(ActivityId(row.activity_id)).or_default().push(ReplyView::from(row));
    }
    Ok(replies)
}

/// Everybody whom the records name, by the id that they are named by.
async fn people(
    app: &App,
    access: &Access,
    rows: &[Rows],
) -> ApiResult<BTreeMap<PartyId, (PartyId, Option<party::Model>)>> {
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let mut ids: BTreeSet<PartyId> = rows.iter().map(|row| PartyId(row.activity.party_id)).collect();
    for key in rows.iter().flat_map(|row| row.reading.fields.keys()) {
        if let Key::Party { party, organisation } = Key::parse(key) {
            ids.extend([Some(party), organisation].into_iter().flatten());
        }
    }
    let resolved = store::parties::resolve(db, neighbourhood, &ids).await?;
    let found = store::parties::of_ids(db, neighbourhood, resolved.values().map(|(id, _)| *id)).await?;
    let found: BTreeMap<Uuid, party::Model> = found.into_iter().map(|row| (row.id, row)).collect();
    let people = ids.into_iter().map(|id| {
        let stands_for = resolved.get(&id).map_or(id, |(party, _)| *party);
        (id, (stands_for, found.get(&stands_for.0).cloned()))
    });
    Ok(people.collect())
}

/// The record as an approval would take it: with what was settled, by an approval before and since.
fn record(
    row: &Rows,
    seen: &ActivityView,
    origin: Origin,
    resolve: impl Fn(PartyId) -> PartyId,
) -> Option<Record> {
    let covered = row.judged.covered.as_ref().filter(|covered| covered.version == row.version.version);
    let mut reads = covered.map(|covered| covered.reads.clone()).unwrap_or_default();
    let settled = seen.settled.iter();
    reads.extend(settled.filter_map(|(field, value)| Some((field.clone(), written(field, value)?))));
    Record::read(&effective(&row.reading, &reads), origin, &resolve)
        .or_else(|| Record::read(&bare(origin)?, origin, &resolve))
}

/// Of a record that cannot be read as a whole a card knows no more than that it came. It waits all the same.
fn bare(origin: Origin) -> Option<Reading> {
    let day = civil_day(origin.times.received_ms, origin.zone)?.to_string();
    let fields = [("kind", Kind::Hours.as_str().to_owned()), ("day", day)];
    let fields = fields.map(|(key, value)| (key.to_owned(), Field::One(Value::Text(value))));
    Some(Reading { fields: fields.into(), ..Reading::default() })
}

/// `doubted`: a suspicion about it is open. `parts`: what its approved parts take.
fn entry(
    row: &Rows,
    record: Record,
    seen: &ActivityView,
    doubted: bool,
    parts: BTreeMap<ActivityId, i64>,
) -> ApiResult<Entry> {
    let doubts: Vec<Doubt> = match &row.judgement.doubts {
        Some(doubts) => serde_json::from_str(doubts).map_err(FlowError::from)?,
        None => Vec::new(),
    };
    let posted: i64 = row.judged.posted.iter().map(|line| line.minutes).sum();
    let waits = row.judgement.waits_since_ms.is_some();
    let unknown = doubts.iter().filter_map(|doubt| match doubt {
        Doubt::UnknownParty { party } => Some(*party),
        _ => None,
    });
    let declined = doubts.iter().filter_map(|doubt| match doubt {
        Doubt::Declined { party } => Some(*party),
        _ => None,
    });
    let mut entry = Entry {
        review: row.judged.review(),
        unknown_parties: unknown.collect(),
        declined: declined.collect(),
        waits_since_ms: row.judgement.waits_since_ms,
        needs: if waits { needs(&row.judged, &doubts, seen.conflict, doubted) } else { BTreeSet::new() },
        disputed: disputed(&row.reading, seen),
        merged_into: row.judged.merged_into,
        has_members: !row.judged.members.is_empty(),
        parts,
        moves: 0,
        room: BTreeMap::new(),
        record,
    };
    entry.moves = entry.holds().saturating_sub(posted);
    Ok(entry)
}

/// The fields that matter in which several values survive, and nobody has settled.
fn disputed(reading: &Reading, seen: &ActivityView) -> Vec<Disputed> {
    let several = reading.fields.iter().filter_map(|(field, value)| match value {
        Field::Several(values) if Key::parse(field).class() != Class::Inert => Some((field, values)),
        _ => None,
    });
    let open = several.filter(|(field, _)| !seen.settled.contains_key(*field));
    open.map(|(field, values)| {
        let shown = seen.conflicts.iter().find(|conflict| conflict.field == *field);
        let when = |at: usize, of: fn(&super::super::activity_view::ConflictValue) -> Option<Instant>| {
            shown.and_then(|conflict| conflict.values.get(at)).and_then(of).map_or(0, |at| at.0)
        };
        let values = values.iter().enumerate().map(|(at, value)| DisputedValue {
            value: value.clone(),
            recorded_ms: when(at, |value| value.recorded_at),
            received_ms: when(at, |value| value.received_at),
        });
        Disputed { field: field.clone(), values: values.collect() }
    })
    .collect()
}
