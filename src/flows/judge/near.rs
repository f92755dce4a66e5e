//! Loads what is around versions that are judged: records near in place, time and person, who confirms them, who
//! brought them, and what is doubted of them already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::FlowError;
use super::around::record;
use super::doubted::Doubted;
use super::facts::{Brief, People};
use super::sitting::Sitting;
use super::words::Words;
use crate::domain::ids::{ActivityId, PartyId, SuspicionId};
use crate::domain::key::{Class, Key};
use crate::domain::limits::TRACE_ACTIVITIES_MAX;
use crate::domain::rules::Mode;
use crate::domain::suspicion::{Confirmation, Delivery, Record, Suspicion, near};
use crate::domain::time::parse_day;
use crate::merge::ActivityState;
use crate::store;
use crate::store::changes::Of;

/// Operations of one record in a group's daybook whose changes are looked up: a record has some twenty fields that
/// matter.
const WRITTEN_LOOKED_UP_MAX: usize = 100;

/// What one sitting has loaded of this, and will write.
#[derive(Debug, Default)]
pub struct Near {
    /// Records as last taken up.
    pub(super) records: BTreeMap<ActivityId, Record>,
    /// By trace, the activities that left it.
    pub(super) left: BTreeMap<i64, BTreeSet<ActivityId>>,
    /// What each activity taken up here leaves now, and whether it was taken up before.
    pub(super) leaves: BTreeMap<ActivityId, (BTreeSet<i64>, bool)>,
    pub(super) deliveries: BTreeMap<ActivityId, Vec<Delivery>>,
    pub(super) confirmations: BTreeMap<ActivityId, Confirmation>,
    /// Where people's word counts: who wrote what is judged, and what was confirmed of it.
    pub(super) words: Words,
    pub(super) book: BTreeMap<SuspicionId, Doubted>,
    /// What in the book is about each activity.
    pub(super) about: BTreeMap<ActivityId, BTreeSet<SuspicionId>>,
    /// Records as others are compared with them, each with the version and the decision that it follows.
    pub(super) standing: BTreeMap<ActivityId, (i64, i64, Vec<Arc<Record>>)>,
    /// Who says that they were not part of an activity.
    pub(super) declined: BTreeMap<ActivityId, BTreeSet<PartyId>>,
    /// Traces that were looked up.
    pub(super) asked: BTreeSet<i64>,
}

impl Near {
    /// Puts a suspicion into the book, or in place of what was there.
    pub(super) fn enter(&mut self, id: SuspicionId, doubted: Doubted) {
        for activity in &doubted.suspicion.about {
            self.about.entry(*activity).or_default().insert(id);
        }
        self.book.insert(id, doubted);
    }
}

impl Sitting<'_> {
    /// Loads what is around the briefs. Their cases, occasions and days are loaded.
    pub(super) async fn look_around(
        &mut self,
        briefs: &[Brief],
        people: &mut People,
    ) -> Result<(), FlowError> {
        let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
        let records: Vec<Record> =
            briefs.iter().filter_map(|brief| record(brief, self, |id| people.resolved(id))).collect();
        let asks = records.iter().flat_map(|record| near::asks(record, |party| people.all_ids(*party)));
        let asks: BTreeSet<i64> = asks.filter(|trace| !self.near.asked.contains(trace)).collect();
        let most = i64::try_from(TRACE_ACTIVITIES_MAX).unwrap_or(i64::MAX).saturating_add(2);
        for left in store::suspicions::leaving(txn, neighbourhood, &asks, most).await? {
            self.near.left.entry(left.trace).or_default().insert(ActivityId(left.activity_id));
        }
        self.near.asked.extend(asks);
        let ids: BTreeSet<ActivityId> = briefs.iter().map(|brief| brief.id).collect();
        let mut habits = BTreeSet::new();
        for record in &records {
            habits.extend(
                self.confirmed_with(record).into_iter().map(|(by, of)| Suspicion::id_of_habit(by, of)),
            );
        }
        let mut rows = store::suspicions::about(txn, neighbourhood, &ids).await?;
        rows.extend(store::suspicions::of_ids(txn, neighbourhood, &habits).await?);
        for row in rows {
            let id = SuspicionId(row.id);
            if !self.near.book.contains_key(&id) {
                self.near.enter(id, Doubted::from_row(row)?);
            }
        }
        let mut wanted: BTreeSet<ActivityId> =
            records.iter().flat_map(|record| self.neighbours(record, people)).collect();
        wanted.extend(self.near.book.values().flat_map(|doubted| doubted.suspicion.about.iter().copied()));
        let unknown: BTreeSet<ActivityId> =
            wanted.iter().filter(|id| self.case(**id).is_none()).copied().collect();
        self.load(&unknown).await?;
        wanted.extend(records.iter().flat_map(|record| self.neighbours(record, people)));
        self.load_records(&wanted, people).await?;
        self.load_occasions(&wanted, people).await?;
        self.load_declined(&ids).await?;
        self.load_confirmations(&records).await?;
        self.load_words(briefs, people).await?;
        self.load_deliveries(briefs, people).await
    }

    /// A part that does not say when or where it was is compared as its occasion says.
    async fn load_occasions(
        &mut self,
        parts: &BTreeSet<ActivityId>,
        people: &mut People,
    ) -> Result<(), FlowError> {
        let records = parts.iter().filter_map(|id| self.near.records.get(id));
        let named: BTreeSet<ActivityId> =
            records.filter_map(|record| record.activity.part_of).map(|of| self.standing_for(of)).collect();
        let unknown: BTreeSet<ActivityId> =
            named.iter().filter(|id| self.case(**id).is_none()).copied().collect();
        self.load(&unknown).await?;
        self.load_records(&named, people).await
    }

    /// Reads records as last taken up.
    async fn load_records(
        &mut self,
        wanted: &BTreeSet<ActivityId>,
        people: &mut People,
    ) -> Result<(), FlowError> {
        let new = wanted.iter().filter(|id| !self.near.records.contains_key(id));
        let named: Vec<(ActivityId, i64)> = new
            .filter_map(|id| Some((*id, self.case(*id)?.judgement.judged_version)))
            .filter(|(_, version)| *version > 0)
            .collect();
        let mut briefs = Vec::with_capacity(named.len());
        for row in store::activities::versions_named(self.txn(), self.neighbourhood(), &named).await? {
            let mut brief = Brief::read(self, Vec::new(), &row)?;
            let covered = self.case(brief.id).and_then(|case| case.judgement.covered.as_ref());
            let reads =
                covered.filter(|covered| covered.version == brief.version && !covered.reads.is_empty());
            if let Some(reads) = reads.map(|covered| covered.reads.clone()) {
                brief.settle(reads, self.zone);
            }
            briefs.push(brief);
        }
        people.learn(self, &briefs).await?;
        self.load_credited(people).await?;
        for brief in &briefs {
            if let Some(record) = record(brief, self, |id| people.resolved(id)) {
                self.near.records.insert(brief.id, record);
            }
        }
        Ok(())
    }

    /// Whom the lines in force credit: they name people as they were when they were frozen.
    async fn load_credited(&mut self, people: &mut People) -> Result<(), FlowError> {
        let decided = self.cases().filter_map(|(_, case)| case.judgement.in_force());
        let credited = decided.flat_map(|decided| &decided.lines).map(|line| PartyId(line.account.0));
        let credited: BTreeSet<PartyId> = credited.filter(|id| !self.stands_for.contains_key(id)).collect();
        people.learn_ids(self, credited.clone()).await?;
        self.stands_for.extend(credited.into_iter().map(|id| (id, people.resolved(id))));
        Ok(())
    }

    async fn load_declined(&mut self, ids: &BTreeSet<ActivityId>) -> Result<(), FlowError> {
        let spoken_of = |id: &&ActivityId| self.case(**id).is_some_and(|case| case.replies > 0);
        let ids: BTreeSet<ActivityId> = ids.iter().filter(spoken_of).copied().collect();
        self.near.declined.extend(store::replies::declined(self.txn(), self.neighbourhood(), &ids).await?);
        Ok(())
    }

    /// In a group's daybook: who brought these versions, and their writers' changes before.
    async fn load_deliveries(&mut self, briefs: &[Brief], people: &mut People) -> Result<(), FlowError> {
        let of_group =
            |brief: &&Brief| !brief.rows.is_empty() && self.groups.contains(&people.resolved(brief.owner));
        let briefs: Vec<&Brief> = briefs.iter().filter(of_group).collect();
        for brief in briefs {
            let mut positions: BTreeSet<i64> = brief.rows.iter().map(|row| row.from_position).collect();
            positions.extend(self.written_at(brief).await?);
            let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
            let brought = store::suspicions::brought(txn, neighbourhood, brief.daybook, &positions).await?;
            let parties = brought.iter().flat_map(|one| [Some(one.by_id), one.before_id]).flatten();
            people.learn_ids(self, parties.map(PartyId).collect()).await?;
            let deliveries = brought.into_iter().map(|one| Delivery {
                by: people.resolved(PartyId(one.by_id)),
                before: one.before_id.map(|id| people.resolved(PartyId(id))),
            });
            self.near.deliveries.insert(brief.id, deliveries.collect());
        }
        Ok(())
    }

    /// Where in the daybook the changes stand that wrote what is new in these versions: each version names the last of
    /// them only, and others may have come together with it.
    async fn written_at(&self, brief: &Brief) -> Result<Vec<i64>, FlowError> {
        let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
        let row = store::activities::of_ids(txn, neighbourhood, &[brief.id].into()).await?.pop();
        let Some(row) = row else { return Ok(Vec::new()) };
        let state = ActivityState::decode(&row.state).map_err(FlowError::internal)?;
        let mut changed: BTreeSet<String> = BTreeSet::new();
        for row in &brief.rows {
            changed.extend(serde_json::from_str::<Vec<String>>(&row.changed)?);
        }
        let counts = changed.iter().filter(|key| Key::parse(key).class() != Class::Inert);
        let written = counts.flat_map(|key| state.values(key)).map(|(_, id)| id).take(WRITTEN_LOOKED_UP_MAX);
        let ranges: Vec<(Vec<u8>, u64, u64)> =
            written.map(|id| (id.actor.as_bytes().to_vec(), id.counter, id.counter)).collect();
        let of = Of { neighbourhood, daybook: brief.daybook };
        let rows = store::changes::covering(txn, of, &ranges).await?;
        Ok(rows.into_iter().map(|row| row.position).collect())
    }

    /// Where people's word counts: what those who confirm here confirmed before.
    async fn load_confirmations(&mut self, records: &[Record]) -> Result<(), FlowError> {
        let pairs = records.iter().flat_map(|record| self.confirmed_with(record));
        let people: BTreeSet<PartyId> = pairs.flat_map(|(by, of)| [by, of]).collect();
        let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
        for row in store::suspicions::confirmations(txn, neighbourhood, &people).await? {
            let Some(day) = row.day.as_deref().and_then(parse_day) else { continue };
            let confirmation = Confirmation { by: PartyId(row.by_id), of: PartyId(row.of_id), day };
            self.near.confirmations.entry(ActivityId(row.activity_id)).or_insert(confirmation);
        }
        Ok(())
    }

    /// Who confirms whom, of a record and those that it confirms or that confirm it.
    fn confirmed_with(&self, record: &Record) -> Vec<(PartyId, PartyId)> {
        if self.pack.mode != Mode::Peer {
            return Vec::new();
        }
        let confirmed = record.activity.confirms.and_then(|id| self.case(id));
        let by_it = confirmed.map(|confirmed| (record.owner, confirmed.owner));
        let confirming = self.cases().filter(|(_, case)| case.confirms == Some(record.id));
        confirming.map(|(_, case)| (case.owner, record.owner)).chain(by_it).collect()
    }
}
