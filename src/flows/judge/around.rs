//! What is around a version, and the doubts that rules raise about it: records near in place, time and person,
//! its occasion, who confirms it, who brought it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::FlowError;
use super::claims::Looked;
use super::doubted::{Doubted, Noted, State};
use super::facts::{Brief, People};
use super::sitting::Sitting;
use crate::domain::ids::{AccountId, ActivityId, PartyId, SuspicionId};
use crate::domain::limits::{SUSPICIONS_OPEN_MAX, TRACE_ACTIVITIES_MAX};
use crate::domain::review::Review;
use crate::domain::suspicion::{
    Change, Confirmation, Known, Origin, Record, Surroundings, Suspicion, SuspicionKind, Times, compare,
    examine, near,
};
use crate::ledger::{Asset, Changed, Decided, DecisionStep, Judgement, StoredDecision};
use crate::store;
use crate::store::Batch;
use crate::store::entity::{activity_trace, activity_version};

/// Decisions about one record among which a merge is looked for that is taken apart.
const DECISIONS_LOOKED_AT: u64 = 100;

/// What the rules found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// Kinds of the suspicions that are open, each once.
    pub open: BTreeSet<SuspicionKind>,
    /// More records are near than are compared.
    pub crowded: bool,
}

impl Sitting<'_> {
    /// The activities that a record may have something in common with, as far as they are known here.
    pub(super) fn neighbours(&self, record: &Record, people: &People) -> BTreeSet<ActivityId> {
        let mut ids: BTreeSet<ActivityId> = BTreeSet::new();
        for trace in near::asks(record, |party| people.all_ids(*party)) {
            ids.extend(self.near.left.get(&trace).into_iter().flatten().rev().take(TRACE_ACTIVITIES_MAX));
        }
        // What is posted on these days, whatever its newest version says.
        for party in record.minutes.keys() {
            let account = AccountId(party.0);
            let of_it = self.days.range((account, String::new())..).take_while(|((at, _), _)| *at == account);
            let posted = of_it.flat_map(|(_, minutes)| minutes).filter(|(_, minutes)| **minutes > 0);
            ids.extend(posted.map(|(id, _)| *id));
        }
        let claimed = self.case(record.id).and_then(|case| case.judgement.claim()).map(|(of, _)| of);
        let occasions = record.activity.part_of.into_iter().chain(claimed);
        ids.extend(occasions.flat_map(|of| [of, self.standing_for(of)]).chain(record.activity.confirms));
        let occasion = record.activity.part_of;
        let related = self.cases().filter(|(_, case)| {
            case.part_of.is_some_and(|of| self.standing_for(of) == record.id || Some(of) == occasion)
                || case.confirms == Some(record.id)
        });
        ids.extend(related.map(|(id, _)| *id));
        ids.remove(&record.id);
        ids
    }

    /// Asks the rules about a version that is taken up or looked at again, notes what is new, and answers what
    /// is open about it. `changed` is against what was decided.
    pub(super) fn examine(
        &mut self,
        brief: &Brief,
        people: &People,
        changed: Changed,
    ) -> Result<Found, FlowError> {
        let mut crowded = false;
        let merged_away = self.case(brief.id).is_some_and(|case| case.judgement.merged_into.is_some());
        match record(brief, self, |id| people.resolved(id)) {
            Some(record) if merged_away => self.leave(brief, record),
            Some(record) => {
                crowded = self.is_crowded(&record, people);
                let mut room = SUSPICIONS_OPEN_MAX.saturating_sub(self.open_about(brief.id).count());
                for change in self.doubts_about(brief, &record, people, changed) {
                    if matches!(change, Change::Raise(_)) {
                        let Some(left) = room.checked_sub(1) else { continue };
                        room = left;
                    }
                    self.note(change)?;
                }
                self.leave(brief, record);
            }
            None if brief.rows.is_empty() => {}
            None => {
                let before = brief.rows.iter().all(|row| row.version > 1);
                self.near.records.remove(&brief.id);
                self.near.leaves.insert(brief.id, (BTreeSet::new(), before));
            }
        }
        let open = self.open_about(brief.id).map(|(_, doubted)| doubted.suspicion.kind()).collect();
        Ok(Found { open, crowded })
    }

    /// What is open about a version that was taken up before, without asking the rules for more.
    pub(super) fn known_about(&self, brief: &Brief, people: &People) -> Found {
        let record = record(brief, self, |id| people.resolved(id));
        let open = self.open_about(brief.id).map(|(_, doubted)| doubted.suspicion.kind()).collect();
        Found { open, crowded: record.is_some_and(|record| self.is_crowded(&record, people)) }
    }

    fn is_crowded(&self, record: &Record, people: &People) -> bool {
        let asks = near::asks(record, |party| people.all_ids(*party));
        let others = |trace: &i64| {
            self.near.left.get(trace).map_or(0, |ids| ids.iter().filter(|id| **id != record.id).count())
        };
        asks.iter().any(|trace| others(trace) > TRACE_ACTIVITIES_MAX)
    }

    /// What the rules say of a version, against what is known. Of two records each is compared as it reads and as it
    /// was decided: whichever of the two is looked at, the same is found, or they would raise and lapse in turn.
    fn doubts_about(
        &mut self,
        brief: &Brief,
        record: &Record,
        people: &People,
        changed: Changed,
    ) -> Vec<Change> {
        let around = self.surroundings(brief, &Looked::new(brief, record, changed), people);
        let mut found = examine(&self.at_its_occasion(record.clone()), &around, &self.pack.thresholds);
        let judged = self.case(brief.id).map(|case| case.judgement.clone());
        if let Some(decided) = judged.as_ref().and_then(Judgement::in_force) {
            let stands = self.at_its_occasion(self.as_decided(record.clone(), decided));
            let again = examine(&stands, &around, &self.pack.thresholds).into_iter();
            let pairs = again.filter(|suspicion| {
                matches!(suspicion.kind(), SuspicionKind::Overlap | SuspicionKind::SameEvent)
            });
            for suspicion in pairs {
                if !found.iter().any(|known| known.id() == suspicion.id()) {
                    found.push(suspicion);
                }
            }
        }
        if brief.rows.is_empty() {
            // Who brought a version is looked up as it is taken up, and not when it is looked at again.
            let carried = self.open_about(brief.id).map(|(_, doubted)| &doubted.suspicion);
            let carried = carried.filter(|suspicion| suspicion.kind() == SuspicionKind::Carried).cloned();
            let carried: Vec<Suspicion> =
                carried.filter(|suspicion| !found.iter().any(|known| known.id() == suspicion.id())).collect();
            found.extend(carried);
        }
        let mut ids = self.near.about.get(&brief.id).cloned().unwrap_or_default();
        // A habit is known whichever records it showed in.
        ids.extend(found.iter().map(Suspicion::id));
        let known: Vec<Known> =
            ids.iter().filter_map(|id| self.near.book.get(id)).flat_map(Doubted::known).collect();
        compare(brief.id, found, &known)
    }

    fn note(&mut self, change: Change) -> Result<(), FlowError> {
        let (id, noted) = match change {
            Change::Raise(suspicion) => {
                // The others it is about are to be told what is checked.
                self.look_again_at(&suspicion.about);
                (suspicion.id(), Noted::Raised { suspicion })
            }
            Change::Renew(suspicion) => (suspicion.id(), Noted::Renewed { suspicion }),
            Change::Lapse(suspicion) => {
                self.look_again_at(&suspicion.about);
                (suspicion.id(), Noted::Lapsed)
            }
        };
        self.doubt(id, noted)
    }

    /// Numbers what became of a suspicion.
    fn doubt(&mut self, id: SuspicionId, noted: Noted) -> Result<(), FlowError> {
        let no = self.number("suspicion", id.0, None, &noted)?;
        let before = self.near.book.remove(&id);
        if let Some(after) = Doubted::after(before, noted, no, self.posted_at_ms) {
            self.near.enter(id, after);
        }
        Ok(())
    }

    /// What waits among these is looked at again: something around it is another now.
    fn look_again_at(&mut self, ids: &[ActivityId]) {
        let now_ms = self.posted_at_ms;
        for id in ids {
            let waits = self.case(*id).is_some_and(|case| !is_decided(case.judgement.review()));
            if waits {
                self.change(*id, |case| case.due_at_ms = Some(now_ms));
            }
        }
    }

    fn open_about(&self, id: ActivityId) -> impl Iterator<Item = (&SuspicionId, &Doubted)> {
        let about = self.near.about.get(&id).into_iter().flatten();
        let book = about.filter_map(|id| self.near.book.get_key_value(id));
        book.filter(|(_, doubted)| doubted.state == State::Open)
    }

    /// From here on others see the record as it is now.
    fn leave(&mut self, brief: &Brief, record: Record) {
        if brief.rows.is_empty() {
            return;
        }
        self.near.standing.remove(&brief.id);
        let traces = near::left_by(brief.effective(), origin(brief, self));
        for trace in &traces {
            self.near.left.entry(*trace).or_default().insert(brief.id);
        }
        if let Some((by, of)) =
            record.activity.confirms.and_then(|id| Some((record.owner, self.case(id)?.owner)))
        {
            let confirmation = Confirmation { by, of, day: record.activity.day };
            self.near.confirmations.insert(brief.id, confirmation);
        }
        let before = brief.rows.iter().all(|row| row.version > 1) || self.near.leaves.contains_key(&brief.id);
        self.near.leaves.insert(brief.id, (traces, before));
        self.near.records.insert(brief.id, record);
    }

    fn surroundings(&mut self, brief: &Brief, looked: &Looked<'_>, people: &People) -> Surroundings {
        let mut ids = self.neighbours(looked.record, people);
        // What is in doubt already is compared, however many others are near.
        ids.extend(
            self.open_about(brief.id).flat_map(|(_, doubted)| doubted.suspicion.about.iter().copied()),
        );
        ids.remove(&brief.id);
        let neighbours = ids.into_iter().flat_map(|id| self.standing_records(id)).collect();
        Surroundings {
            neighbours,
            people: people.minors(),
            claims: self.claims_around(looked),
            deliveries: self.near.deliveries.get(&brief.id).cloned().unwrap_or_default(),
            confirmations: self.near.confirmations.values().copied().collect(),
            reports: Vec::new(),
        }
    }

    /// A record as others are compared with it: as it reads and, where something else is in force, as decided.
    /// None for what was merged away or rejected.
    fn standing_records(&mut self, id: ActivityId) -> Vec<Arc<Record>> {
        let Some(judged) = self.case(id).map(|case| &case.judgement) else { return Vec::new() };
        let key = (judged.judged_version, judged.decision_seq);
        if let Some((version, seq, records)) = self.near.standing.get(&id)
            && (*version, *seq) == key
        {
            return records.clone();
        }
        let records = self.as_it_stands(id);
        self.near.standing.insert(id, (key.0, key.1, records.clone()));
        records
    }

    fn as_it_stands(&self, id: ActivityId) -> Vec<Arc<Record>> {
        let (Some(record), Some(case)) = (self.near.records.get(&id), self.case(id)) else {
            return Vec::new();
        };
        let judged = &case.judgement;
        if judged.merged_into.is_some() || matches!(judged.review(), Review::Rejected | Review::Withdrawn) {
            return Vec::new();
        }
        let mut records = vec![Arc::new(self.at_its_occasion(record.clone()))];
        if let Some(decided) = judged.in_force() {
            let stands = self.as_decided(record.clone(), decided);
            if stands != *record {
                records.push(Arc::new(self.at_its_occasion(stands)));
            }
        }
        records
    }

    fn as_decided(&self, record: Record, decided: &Decided) -> Record {
        let minutes = minutes(decided)
            .into_iter()
            .map(|(party, minutes)| (self.stands_for.get(&party).copied().unwrap_or(party), minutes));
        record.decided(decided.started_at_ms, decided.part_of, minutes)
    }

    /// A part says with its occasion when and where it was.
    fn at_its_occasion(&self, record: Record) -> Record {
        let occasion = record.activity.part_of.map(|of| self.standing_for(of));
        match occasion.and_then(|id| self.near.records.get(&id)) {
            Some(occasion) => record.at(occasion),
            None => record,
        }
    }

    /// What a person's decision says about the suspicions: once every record that one is about is decided, it is
    /// settled. What is taken back opens again what rested on it.
    pub(super) async fn weigh(&mut self, id: ActivityId, decision: &StoredDecision) -> Result<(), FlowError> {
        if matches!(decision.step, DecisionStep::Undo | DecisionStep::Unmerge) {
            self.open_again(id, decision).await?;
        }
        let open: Vec<(SuspicionId, Vec<ActivityId>)> =
            self.open_about(id).map(|(id, doubted)| (*id, doubted.suspicion.about.clone())).collect();
        for (suspicion, about) in open {
            let decided =
                |id: &ActivityId| self.case(*id).is_some_and(|case| is_decided(case.judgement.review()));
            if about.iter().all(decided) {
                self.doubt(suspicion, Noted::Settled { decision: decision.id })?;
            } else if decided(&id) {
                self.look_again_at(&about);
            }
        }
        Ok(())
    }

    /// Opens again what the decision that is taken back had settled and, if the record waits again, what was settled
    /// about it since: that could be only because this record was decided.
    async fn open_again(&mut self, id: ActivityId, decision: &StoredDecision) -> Result<(), FlowError> {
        let since = self.taken_back(id, decision).await?;
        let undone = decision.undoes.as_ref().map(|undoes| undoes.decision);
        let waits = self.case(id).is_some_and(|case| !is_decided(case.judgement.review()));
        let rests_on_it = |doubted: &Doubted| {
            let by_it = undone.is_some() && doubted.settled_by == undone;
            by_it || (waits && doubted.suspicion.about.contains(&id) && doubted.journal_no > since)
        };
        let settled = self
            .near
            .book
            .iter()
            .filter(|(_, doubted)| doubted.state == State::Settled && rests_on_it(doubted));
        let settled: Vec<SuspicionId> = settled.map(|(id, _)| *id).collect();
        for id in settled {
            self.doubt(id, Noted::Reopened)?;
        }
        // What lapsed because this record did not count may be in doubt again.
        let about = self.near.about.get(&id).into_iter().flatten();
        let about = about.filter_map(|suspicion| self.near.book.get(suspicion));
        let beside: Vec<ActivityId> =
            about.flat_map(|doubted| doubted.suspicion.about.iter().copied()).collect();
        self.look_again_at(&beside);
        Ok(())
    }

    /// The journal number of the decision about a record that another takes back; 0 if it is too far back.
    async fn taken_back(&self, id: ActivityId, decision: &StoredDecision) -> Result<i64, FlowError> {
        let (txn, neighbourhood) = (self.txn(), self.neighbourhood());
        let stored =
            store::judgements::decisions(txn, neighbourhood, Some(id), None, DECISIONS_LOOKED_AT).await?;
        // Of several decisions made as one, those before this are not written yet.
        let mut all = self.decided().iter().rev().filter(|row| row.activity_id == id.0).chain(&stored);
        let taken_back = all.find(|row| match &decision.undoes {
            Some(undoes) => row.id == undoes.decision.0,
            None => row.step == "merge",
        });
        Ok(taken_back.map_or(0, |row| row.journal_no))
    }

    /// The statements that write all this.
    pub(super) fn write_near(&mut self, batch: &mut Batch) -> Result<(), FlowError> {
        let (backend, neighbourhood) = (self.backend(), self.neighbourhood());
        let (mut rows, mut about) = (Vec::new(), Vec::new());
        for (id, doubted) in self.near.book.iter().filter(|(_, doubted)| doubted.changed) {
            let (row, of) = doubted.rows(neighbourhood, *id)?;
            rows.push(row);
            about.extend(of);
        }
        for statement in store::suspicions::write(backend, rows, about) {
            batch.push(statement);
        }
        let leaves = std::mem::take(&mut self.near.leaves);
        let before: Vec<ActivityId> =
            leaves.iter().filter(|(_, (_, before))| *before).map(|(id, _)| *id).collect();
        if !before.is_empty() {
            batch.push(store::suspicions::forget_traces(backend, neighbourhood, &before));
        }
        let traces = leaves.into_iter().flat_map(|(id, (traces, _))| {
            traces.into_iter().map(move |trace| activity_trace::Model {
                neighbourhood_id: neighbourhood.0,
                trace,
                activity_id: id.0,
            })
        });
        batch.insert::<activity_trace::Entity>(backend, traces.collect());
        Ok(())
    }
}

/// Nobody has to decide about it.
fn is_decided(review: Review) -> bool {
    matches!(review, Review::Approved | Review::Rejected | Review::Withdrawn)
}

/// Everybody's recognised minutes.
fn minutes(decided: &Decided) -> BTreeMap<PartyId, i64> {
    let mut minutes = BTreeMap::new();
    for line in decided.lines.iter().filter(|line| line.asset == Asset::Contribution) {
        *minutes.entry(PartyId(line.account.0)).or_insert(0) += line.minutes;
    }
    minutes
}

/// The record of a brief, if it can be read as a whole.
pub(super) fn record(
    brief: &Brief,
    sitting: &Sitting<'_>,
    resolve: impl Fn(PartyId) -> PartyId,
) -> Option<Record> {
    Record::read(brief.effective(), origin(brief, sitting), resolve)
}

fn origin(brief: &Brief, sitting: &Sitting<'_>) -> Origin {
    Origin {
        id: brief.id,
        daybook: brief.daybook,
        owner: brief.owner,
        times: brief.times,
        zone: sitting.zone,
    }
}

/// When a version was written and came.
pub fn times(row: &activity_version::Model) -> Times {
    Times { recorded_ms: row.recorded_at_ms, received_ms: row.received_at_ms, skew_ms: row.skew_ms }
}
