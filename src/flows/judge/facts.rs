//! What a version is judged by: the people it names, their other minutes, the occasion it is part of.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::super::FlowError;
use super::around::{Found, times};
use super::sitting::Sitting;
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, PartyId};
use crate::domain::key::Key;
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::rules::Mode;
use crate::domain::suspicion::{Person, Times};
use crate::domain::time::civil_day;
use crate::ledger::{self, Capacity, CleanFacts, Corrections, Decided, LineContext, decide_lines};
use crate::store;
use crate::store::entity::{activity_version, membership};

/// The waiting versions of one activity, the newest read.
#[derive(Debug, Clone)]
pub struct Brief {
    pub id: ActivityId,
    pub daybook: DaybookId,
    pub owner: PartyId,
    /// Oldest first; empty if the newest was taken up before.
    pub rows: Vec<activity_version::Model>,
    pub version: i64,
    pub times: Times,
    /// As written.
    pub reading: Reading,
    /// Fields that read as settled.
    pub reads: BTreeMap<String, Value>,
    settled: Option<Reading>,
    /// With settlements applied; nothing if it cannot be read as a whole.
    pub activity: Option<Activity>,
    /// An older one among `rows` says so.
    pub withdrawn_meanwhile: bool,
}

impl Brief {
    /// Reads the newest of an activity's versions; `rows` are those that wait, `newest` is the last of them
    /// or the one taken up before.
    pub fn read(
        sitting: &Sitting<'_>,
        rows: Vec<activity_version::Model>,
        newest: &activity_version::Model,
    ) -> Result<Self, FlowError> {
        let reading: Reading = serde_json::from_str(&newest.reading)?;
        let mut withdrawn_meanwhile = false;
        for row in rows.iter().filter(|row| row.version != newest.version) {
            withdrawn_meanwhile |= withdrawn(&serde_json::from_str(&row.reading)?);
        }
        Ok(Self {
            id: ActivityId(newest.activity_id),
            daybook: DaybookId(newest.daybook_id),
            owner: PartyId(newest.party_id),
            rows,
            version: newest.version,
            times: times(newest),
            activity: Activity::from_reading(&reading, sitting.zone).ok(),
            reading,
            reads: BTreeMap::new(),
            settled: None,
            withdrawn_meanwhile,
        })
    }

    /// As it reads with what people settled: what lines, doubts and differences follow from.
    pub fn effective(&self) -> &Reading {
        self.settled.as_ref().unwrap_or(&self.reading)
    }

    /// Lets it read as settled.
    pub fn settle(&mut self, reads: BTreeMap<String, Value>, zone: Tz) {
        let effective = ledger::effective(&self.reading, &reads);
        self.activity = Activity::from_reading(&effective, zone).ok();
        (self.reads, self.settled) = (reads, Some(effective));
    }

    /// The activity that it confirms.
    pub fn confirms(&self) -> Option<ActivityId> {
        self.activity.as_ref().and_then(|activity| activity.confirms)
    }

    /// The occasion that it says it is part of.
    pub fn part_of(&self) -> Option<ActivityId> {
        self.activity.as_ref().and_then(|activity| activity.part_of)
    }

    /// Those that a field names with an organisation, whichever of its values is the one that counts.
    fn acting_for_others(&self) -> impl Iterator<Item = PartyId> {
        self.reading.fields.keys().filter_map(|key| match Key::parse(key) {
            Key::Party { party, organisation: Some(_) } => Some(party),
            _ => None,
        })
    }

    fn named(&self) -> BTreeSet<PartyId> {
        let parties = self.activity.iter().flat_map(|activity| &activity.parties);
        let mut named: BTreeSet<PartyId> =
            parties.flat_map(|party| [Some(party.party_id), party.organisation_id]).flatten().collect();
        named.insert(self.owner);
        named
    }
}

/// Whether a reading says that the record is taken back.
pub fn withdrawn(reading: &Reading) -> bool {
    let said = reading.fields.get("withdrawn").and_then(Field::first);
    reading.deleted || said.is_some_and(Value::is_true)
}

/// People and memberships that the briefs of a sitting name.
#[derive(Debug, Default)]
pub struct People {
    known: BTreeMap<PartyId, (PartyId, bool)>,
    /// Those of them who are under age.
    minors: BTreeMap<PartyId, Person>,
    aliases: BTreeMap<PartyId, PartyId>,
    /// Every id that stands for a party, its own included.
    ids: BTreeMap<PartyId, BTreeSet<PartyId>>,
    memberships: Vec<membership::Model>,
    /// Whose memberships these are: of those who act for an organisation.
    members: BTreeSet<PartyId>,
    groups: BTreeSet<PartyId>,
}

impl People {
    /// Whether a party that was loaded is a group; nothing of others.
    pub(super) fn is_group(&self, party: PartyId) -> Option<bool> {
        self.ids.contains_key(&party).then(|| self.groups.contains(&party))
    }

    /// Loads everybody that the briefs name.
    pub async fn load(sitting: &Sitting<'_>, briefs: &[Brief]) -> Result<Self, FlowError> {
        let mut people = Self::default();
        people.learn(sitting, briefs).await?;
        Ok(people)
    }

    /// Loads those that further briefs name.
    pub(super) async fn learn(&mut self, sitting: &Sitting<'_>, briefs: &[Brief]) -> Result<(), FlowError> {
        self.learn_ids(sitting, briefs.iter().flat_map(Brief::named).collect()).await?;
        let members: BTreeSet<PartyId> = briefs
            .iter()
            .flat_map(Brief::acting_for_others)
            .map(|party| self.resolved(party))
            .filter(|party| !self.members.contains(party))
            .collect();
        let (txn, neighbourhood) = (sitting.txn(), sitting.neighbourhood());
        self.memberships.extend(store::parties::memberships(txn, neighbourhood, &members).await?);
        self.members.extend(members);
        Ok(())
    }

    /// See [`Self::learn`].
    pub(super) async fn learn_ids(
        &mut self,
        sitting: &Sitting<'_>,
        ids: BTreeSet<PartyId>,
    ) -> Result<(), FlowError> {
        let ids: BTreeSet<PartyId> = ids.into_iter().filter(|id| !self.known.contains_key(id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let (txn, neighbourhood) = (sitting.txn(), sitting.neighbourhood());
        let aliased = sitting.any_alias && store::aliases::any_among(txn, neighbourhood, &ids).await?;
        let rows = if aliased {
            store::parties::resolve_rows(txn, neighbourhood, &ids).await?
        } else {
            let rows = store::parties::of_ids(txn, neighbourhood, ids.iter().copied()).await?;
            rows.into_iter().map(|row| (PartyId(row.id), row)).collect()
        };
        self.groups.extend(rows.values().filter(|row| row.kind == "group").map(|row| PartyId(row.id)));
        for row in rows.values().filter(|row| row.age_band.is_some()) {
            let supervisors = row.supervisors.as_ref().map(|ids| serde_json::from_str(ids)).transpose()?;
            let person = Person { minor: true, supervisors: supervisors.unwrap_or_default() };
            self.minors.insert(PartyId(row.id), person);
        }
        let known: BTreeMap<PartyId, (PartyId, bool)> =
            rows.into_iter().map(|(id, row)| (id, (PartyId(row.id), row.known))).collect();
        self.aliases.extend(known.iter().map(|(id, (party, _))| (*id, *party)));
        let parties = known.values().map(|(party, _)| *party);
        let members: BTreeSet<PartyId> = parties.filter(|party| !self.ids.contains_key(party)).collect();
        self.known.extend(known);
        let others = if aliased {
            store::parties::aliases_of(txn, neighbourhood, &members).await?
        } else {
            Vec::new()
        };
        for (alias, party) in others {
            self.ids.entry(party).or_default().insert(alias);
            self.aliases.insert(alias, party);
        }
        for party in members {
            self.ids.entry(party).or_default().insert(party);
            self.aliases.insert(party, party);
        }
        Ok(())
    }

    /// All ids that stand for a party.
    pub(super) fn all_ids(&self, party: PartyId) -> BTreeSet<PartyId> {
        self.ids.get(&party).cloned().unwrap_or_else(|| [party].into())
    }

    /// The party that an id stands for.
    pub fn resolved(&self, id: PartyId) -> PartyId {
        self.aliases.get(&id).copied().unwrap_or(id)
    }

    /// What is known of those under age.
    pub(super) fn minors(&self) -> BTreeMap<PartyId, Person> {
        let looked_after = |person: &Person| Person {
            supervisors: person.supervisors.iter().map(|id| self.resolved(*id)).collect(),
            ..person.clone()
        };
        self.minors.iter().map(|(id, person)| (*id, looked_after(person))).collect()
    }

    /// Everybody that was loaded.
    pub(super) fn parties(&self) -> impl Iterator<Item = PartyId> {
        self.ids.keys().copied()
    }

    /// From all ids of the parties that were loaded to their own.
    pub fn aliases(&self) -> &BTreeMap<PartyId, PartyId> {
        &self.aliases
    }

    /// What an activity gives whom, caps left aside.
    pub fn decide(&self, activity: &Activity, corrections: &Corrections) -> Decided {
        self.decide_within(activity, corrections, &BTreeMap::new())
    }

    /// What an approval of an activity would freeze, with the room that caps leave each party ([`Sitting::room`]).
    pub fn decide_within(
        &self,
        activity: &Activity,
        corrections: &Corrections,
        room: &BTreeMap<PartyId, i64>,
    ) -> Decided {
        let capacities = self.capacities(corrections.day.unwrap_or(activity.day));
        let context = LineContext { aliases: &self.aliases, capacities: &capacities, corrections };
        decide_lines(activity, &context).within(room)
    }

    fn capacities(&self, day: NaiveDate) -> BTreeMap<(PartyId, PartyId), Capacity> {
        let day = day.to_string();
        let on_that_day = self
            .memberships
            .iter()
            .filter(|row| row.from_day <= day && row.until_day.as_ref().is_none_or(|until| day <= *until));
        on_that_day
            .map(|row| {
                let capacity =
                    if row.capacity == "professional" { Capacity::Professional } else { Capacity::Lay };
                ((PartyId(row.member_id), PartyId(row.group_id)), capacity)
            })
            .collect()
    }

    fn unknown(&self, activity: &Activity) -> Vec<PartyId> {
        let named = activity.parties.iter().filter(|party| party.minutes > 0).map(|party| party.party_id);
        let unknown = named.filter(|id| self.known.get(id).is_none_or(|(_, known)| !known));
        unknown.map(|id| self.resolved(id)).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Sitting<'_> {
    /// Loads what judging the briefs needs: their cases, occasions, people's other minutes around their days.
    pub async fn prepare(&mut self, briefs: &mut [Brief]) -> Result<People, FlowError> {
        let mut ids: BTreeSet<ActivityId> = briefs.iter().map(|brief| brief.id).collect();
        ids.extend(briefs.iter().filter_map(Brief::part_of));
        if self.pack.mode == Mode::Peer {
            ids.extend(briefs.iter().filter_map(Brief::confirms));
        }
        self.load(&ids).await?;
        self.read_as_settled(briefs).await?;
        // What is settled may be the occasion.
        ids.extend(briefs.iter().filter_map(Brief::part_of));
        let claimed: BTreeSet<ActivityId> = self
            .cases()
            .filter_map(|(_, case)| case.judgement.claim())
            .map(|(occasion, _)| occasion)
            .collect();
        let known = |id: &&ActivityId| self.case(**id).is_none();
        let more: BTreeSet<ActivityId> = claimed.union(&ids).filter(known).copied().collect();
        self.load(&more).await?;
        let mut people = People::load(self, briefs).await?;
        self.note_owners(briefs.iter().map(|brief| people.resolved(brief.owner)), &people);
        self.load_days(briefs, &people).await?;
        self.look_around(briefs, &mut people).await?;
        self.load_accounts(&people).await?;
        Ok(people)
    }

    async fn load_days(&mut self, briefs: &[Brief], people: &People) -> Result<(), FlowError> {
        let (mut accounts, mut days) = (BTreeSet::new(), BTreeSet::new());
        for activity in briefs.iter().filter_map(|brief| brief.activity.as_ref()) {
            accounts.extend(all_accounts(activity, people));
            days.extend(around(activity, self.zone).iter().map(NaiveDate::to_string));
        }
        self.load_minutes(accounts, days, people).await
    }

    /// Loads what the parties of an activity have on a day, if a cap asks for it: an approver may move it there.
    pub async fn load_day(
        &mut self,
        activity: &Activity,
        day: NaiveDate,
        people: &People,
    ) -> Result<(), FlowError> {
        if self.pack.caps.person_day_minutes.is_none() {
            return Ok(());
        }
        self.load_minutes(all_accounts(activity, people).collect(), [day.to_string()].into(), people).await
    }

    async fn load_minutes(
        &mut self,
        accounts: BTreeSet<AccountId>,
        days: BTreeSet<String>,
        people: &People,
    ) -> Result<(), FlowError> {
        let rows = store::ledger::minutes_of_days(self.txn(), self.neighbourhood(), &accounts, &days).await?;
        let mut others = BTreeSet::new();
        for row in rows {
            let (posted_to, activity) = (AccountId(row.account_id), ActivityId(row.activity_id));
            // What this sitting has posted meanwhile is newer than what was committed.
            if !self.read_days.contains(&(posted_to, row.day.clone())) {
                let account = AccountId(people.resolved(PartyId(posted_to.0)).0);
                let minutes = self.days.entry((account, row.day)).or_default().entry(activity).or_default();
                *minutes += row.minutes;
            }
            others.insert(activity);
        }
        self.read_days
            .extend(accounts.iter().flat_map(|account| days.iter().map(|day| (*account, day.clone()))));
        self.load(&others).await
    }

    /// The most minutes that caps leave the parties of an activity on a day, beside what other records than `among`
    /// give them. Days are loaded. Empty without caps.
    pub fn room(
        &self,
        among: &[ActivityId],
        activity: &Activity,
        day: NaiveDate,
        people: &People,
    ) -> BTreeMap<PartyId, i64> {
        let caps = &self.pack.caps;
        if caps.is_none() {
            return BTreeMap::new();
        }
        let parties = activity.parties.iter().map(|party| people.resolved(party.party_id));
        parties
            .filter_map(|party| {
                let there = self.days.get(&(AccountId(party.0), day.to_string()));
                let others = there.into_iter().flatten().filter(|(id, _)| !among.contains(id));
                Some((party, caps.room(others.map(|(_, minutes)| minutes).sum())?))
            })
            .collect()
    }

    /// What an approval of a brief would freeze as it reads, within the caps. Days are loaded.
    pub fn decide(&self, id: ActivityId, activity: &Activity, people: &People) -> Decided {
        let room = self.room(&[id], activity, activity.day, people);
        people.decide_within(activity, &Corrections::default(), &room)
    }

    /// What is known around a version; everything was prepared.
    pub fn clean_facts(
        &self,
        brief: &Brief,
        activity: &Activity,
        people: &People,
        found: Found,
    ) -> CleanFacts {
        let parties: BTreeSet<PartyId> = activity
            .parties
            .iter()
            .filter(|party| party.minutes > 0)
            .map(|party| people.resolved(party.party_id))
            .collect();
        let judged = self.case(brief.id).map(|case| &case.judgement);
        // What was said of a merge is not among what was said of a record that came out of it.
        let unheard = judged.into_iter().flat_map(|judged| judged.unheard.declined.keys());
        let declined = self.near.declined.get(&brief.id).into_iter().flatten().chain(unheard);
        let declined: BTreeSet<PartyId> = declined.map(|id| people.resolved(*id)).collect();
        // Whom a merge credits this record need not name.
        let merged = judged.and_then(|judged| judged.cluster.as_ref()).map(|merged| self.as_of_now(merged));
        let credited = merged.iter().flat_map(|merged| &merged.lines).map(|line| PartyId(line.account.0));
        let concerned: BTreeSet<PartyId> = parties.iter().copied().chain(credited).collect();
        let day = activity.day.to_string();
        let minutes_that_day = parties.iter().map(|party| {
            let there = self.days.get(&(AccountId(party.0), day.clone()));
            let elsewhere = there.into_iter().flatten().filter(|(id, _)| **id != brief.id);
            (*party, elsewhere.map(|(_, minutes)| minutes).sum())
        });
        CleanFacts {
            unknown_parties: people.unknown(activity),
            minutes_that_day: minutes_that_day.collect(),
            unreadable_fields: brief
                .effective()
                .fields
                .values()
                .any(|field| matches!(field, Field::Unreadable(_))),
            open_suspicions: found.open.into_iter().collect(),
            crowded: found.crowded,
            declined: concerned.intersection(&declined).copied().collect(),
        }
    }
}

/// What was posted while an id was a party of its own counts as well.
fn all_accounts(activity: &Activity, people: &People) -> impl Iterator<Item = AccountId> {
    let parties = activity.parties.iter().map(|party| people.resolved(party.party_id));
    parties.flat_map(|party| people.all_ids(party)).map(|id| AccountId(id.0))
}

/// The days on which an activity can overlap another: by the day it names and by its start, one more each way.
fn around(activity: &Activity, zone: Tz) -> BTreeSet<NaiveDate> {
    let start = activity.started_at_ms.and_then(|at_ms| civil_day(at_ms, zone));
    let named = [Some(activity.day), start].into_iter().flatten();
    named
        .flat_map(|day| [day.checked_sub_days(Days::new(1)), Some(day), day.checked_add_days(Days::new(1))])
        .flatten()
        .collect()
}
