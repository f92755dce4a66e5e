//! A neighbourhood in memory, driven by random steps. After every step the ledger is compared with what
//! [`super::shadow`] expects.

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{Document, Effective, changed, counted};
use super::generate::{Edit, Op, Wish};
use super::samples::{activity_id, day, frozen, holding, neighbourhood, party, pick, tally};
use super::shadow::{self, Counted, Expected, State};
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, ActivityId, NeighbourhoodId, PartyId};
use crate::domain::reading::Value;
use crate::domain::review::Review;
use crate::domain::rules::RulePack;
use crate::domain::suspicion::SuspicionKind;
use crate::ledger::{
    Asset, By, Changed, CleanFacts, ClusterRefusal, CorrectionFault, Corrections, Decided, Decisions, Doubt,
    Judgement, MergeRequest, NewVersion, Operations, Posting, Refusal, Request, RuleFacts, Settlements, Step,
    StoredDecision, TakingUp, Transfer, UnmergeRequest, became_clean, decide, doubts, member_edited, merge,
    merged_lines, post, rule_decision_id, settled_fields, take_up, unmerge,
};

pub const ACTIVITIES: usize = 5;
/// Parties 0 to 3 are residents; 0, 1, 8 and 9 are coordinators.
pub const COORDINATORS: [u128; 4] = [0, 1, 8, 9];

/// More than this needs two people.
pub const MINUTES_OF_ONE_PERSON: i64 = 350;

type Judgements = BTreeMap<ActivityId, Judgement>;
type Aliases = BTreeMap<PartyId, PartyId>;

/// The functions under test, so that wrong ones can be planted.
#[derive(Clone, Copy)]
pub struct Machine {
    pub take_up: fn(&Judgement, &NewVersion, TakingUp, &RulePack) -> Step,
    pub decide: fn(&Judgement, &Request, &RulePack) -> Result<Step, Refusal>,
    pub post: fn(&Judgement, NeighbourhoodId, ActivityId, i64, AccountId) -> Posting,
    pub merge: fn(&Judgements, &MergeRequest, &RulePack) -> Result<Decisions, ClusterRefusal>,
    pub unmerge: fn(&Judgements, &UnmergeRequest, &RulePack) -> Result<Decisions, ClusterRefusal>,
    pub carry_out: fn(&Judgement, StoredDecision) -> Step,
    pub merged_lines: fn(&Decided, &[Decided], &Corrections, &Aliases) -> Result<Decided, CorrectionFault>,
    pub member_edited: fn(&Judgement) -> Judgement,
    pub settled_fields: fn(&Settlements, &Operations) -> BTreeMap<String, Value>,
}

pub const SOUND: Machine = Machine {
    take_up,
    decide,
    post: |judgement, neighbourhood, activity, parts, holding| {
        post(judgement, neighbourhood, activity, parts, holding, |account| account)
    },
    merge,
    unmerge,
    carry_out: Step::decided,
    merged_lines,
    member_edited,
    settled_fields,
};

/// What rebuilding replays.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    TookUp(Box<TakenUp>),
    Decided(Box<StoredDecision>),
    MemberEdited,
    Posted(i64),
}

/// A version as it was taken up; enough to take it up again.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenUp {
    pub version: i64,
    pub withdrawn: bool,
    pub withdrawn_meanwhile: bool,
    pub changed: Changed,
    pub reads: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub versions: Vec<Document>,
    pub judgement: Judgement,
    pub stored: Vec<StoredDecision>,
    pub events: Vec<Event>,
}

#[derive(Clone)]
pub struct Neighbourhood {
    pub machine: Machine,
    pub pack: RulePack,
    pub records: Vec<Record>,
    pub expected: Vec<Expected>,
    pub transfers: Vec<(usize, Transfer)>,
    pub balances: BTreeMap<(Option<AccountId>, Asset), i64>,
    pub seen: BTreeMap<(usize, usize), (i64, i64)>,
    pub accepted: Vec<(usize, Request)>,
    pub merges: Vec<MergeRequest>,
    pub refused: BTreeSet<&'static str>,
    pub ids: u128,
}

pub type Checked = Result<(), String>;

pub fn ensure(holds: bool, what: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(what()) }
}

impl Neighbourhood {
    pub fn new(machine: Machine) -> Self {
        // Two occasions with totals, two parts of the first, and one record on its own.
        let first = |index: usize| {
            let record = Activity { tallies: vec![tally(10)], ..pick(&[(index as u128 % 4, 60)]) };
            let activity = match index {
                0 => Activity { people: Some(6), person_minutes: Some(300), ..record },
                1 => Activity { people: Some(6), person_minutes: Some(600), ..record },
                2 | 3 => Activity { part_of: Some(activity_id(0)), ..record },
                _ => record,
            };
            Record {
                versions: vec![Document { activity, note: 0, disputed: Vec::new() }],
                judgement: Judgement::default(),
                stored: Vec::new(),
                events: Vec::new(),
            }
        };
        Self {
            machine,
            pack: RulePack {
                report_items_threshold: 5,
                second_person_above_minutes: Some(MINUTES_OF_ONE_PERSON),
                ..RulePack::first()
            },
            records: (0..ACTIVITIES).map(first).collect(),
            expected: vec![Expected::default(); ACTIVITIES],
            transfers: Vec::new(),
            balances: BTreeMap::new(),
            seen: BTreeMap::new(),
            accepted: Vec::new(),
            merges: Vec::new(),
            refused: BTreeSet::new(),
            ids: 0,
        }
    }

    /// Runs all steps; the message says which claim broke, and after which step.
    pub fn run(machine: Machine, ops: &[Op]) -> Checked {
        let mut neighbourhood = Self::new(machine);
        for (number, op) in ops.iter().enumerate() {
            neighbourhood
                .step(op)
                .and_then(|()| neighbourhood.always())
                .map_err(|claim| format!("step {number}, {op:?}: {claim}"))?;
        }
        neighbourhood.rebuilt_is_live()
    }

    pub fn step(&mut self, op: &Op) -> Checked {
        match op {
            Op::Edit { activity, edit } => {
                self.edit(*activity, edit);
                Ok(())
            }
            Op::Round { activity } => self.take_up(*activity, TakingUp::Round),
            Op::LookAgain { activity } => self.look_again(*activity),
            Op::See { coordinator, activity } => {
                self.see(*coordinator, *activity);
                Ok(())
            }
            Op::Decide { coordinator, activity, fresh, reason, wish } => {
                if *fresh {
                    self.see(*coordinator, *activity);
                }
                self.wish(*coordinator, *activity, *reason, wish)
            }
            Op::Merge { fresh, merging } => {
                for index in std::iter::once(&merging.canonical).chain(&merging.members).filter(|_| *fresh) {
                    self.see(merging.coordinator, *index);
                }
                self.merge(merging)
            }
            Op::Unmerge { coordinator, canonical, fresh } => {
                if *fresh {
                    self.see(*coordinator, *canonical);
                }
                self.unmerge(*coordinator, *canonical)
            }
            Op::TwoPeople { first, second, activity, between, correction } => {
                self.see(*first, *activity);
                self.wish(*first, *activity, true, &Wish::Approve(None))?;
                if let Some(edit) = between {
                    self.edit(*activity, edit);
                    self.take_up(*activity, TakingUp::Round)?;
                }
                self.see(*second, *activity);
                self.wish(*second, *activity, true, &Wish::Approve(*correction))
            }
            Op::Settled { coordinator, activity, later } => {
                self.edit(*activity, &Edit::Dispute);
                self.edit(*activity, &Edit::Dispute);
                self.see(*coordinator, *activity);
                self.wish(*coordinator, *activity, true, &Wish::Settle(100))?;
                self.edit(*activity, later);
                self.see(*coordinator, *activity);
                self.wish(*coordinator, *activity, true, &Wish::Approve(None))
            }
            Op::Replay { nth } => {
                self.replay(*nth)?;
                self.replay_merge(*nth)
            }
        }
    }

    fn edit(&mut self, activity: usize, edit: &Edit) {
        let versions = &mut self.records[activity].versions;
        let mut next = versions[versions.len() - 1].clone();
        let record = &mut next.activity;
        match edit {
            Edit::Minutes(who, minutes) => {
                record.parties.retain(|named| named.party_id != party(*who));
                record.parties.extend(pick(&[(*who, *minutes)]).parties);
                record.parties.sort_by_key(|named| named.party_id);
            }
            Edit::Total(total) => (record.person_minutes, record.people) = (*total, total.map(|_| 6)),
            Edit::PartOf(occasion) => {
                record.part_of = occasion.filter(|of| *of != activity).map(|of| activity_id(of as u128));
            }
            Edit::Day(of_month) => record.day = day(*of_month),
            Edit::Start(minute) => record.started_at_ms = minute.map(|minute| minute * 60_000),
            Edit::Items(count) => record.tallies = vec![tally(*count)],
            Edit::Note => next.note += 1,
            Edit::Withdrawn(withdrawn) => record.withdrawn = *withdrawn,
            // Another phone at the same time, or one that has seen them all.
            Edit::Dispute => next.disputed.push(versions.len() as u32),
            Edit::Agree => next.disputed = vec![versions.len() as u32],
        }
        if next != versions[versions.len() - 1] {
            versions.push(next);
        }
    }

    pub fn see(&mut self, coordinator: usize, activity: usize) {
        let record = &self.records[activity];
        let newest = record.versions.len() as i64;
        self.seen.insert((coordinator, activity), (newest, record.judgement.decision_seq));
    }

    fn newest(&self, index: usize) -> &Document {
        let versions = &self.records[index].versions;
        &versions[versions.len() - 1]
    }

    pub fn reads(&self, index: usize) -> BTreeMap<String, Value> {
        let settled = &self.records[index].judgement.settled;
        (self.machine.settled_fields)(settled, &self.newest(index).operations())
    }

    pub fn effective(&self, index: usize) -> Effective {
        self.newest(index).effective(&self.reads(index))
    }

    /// What an approval of the newest version should count.
    pub fn says(&self, index: usize) -> Counted {
        let document = self.newest(index);
        let (programme, _) = shadow::view(&document.disputed, &self.expected[index].state.settled);
        counted(&document.activity, programme, None)
    }

    fn new_version(&self, index: usize) -> NewVersion {
        let record = &self.records[index];
        let newest = self.effective(index);
        let judged = record.judgement.judged_version as usize;
        let waiting = &record.versions[judged.min(record.versions.len() - 1)..record.versions.len() - 1];
        let base = record.judgement.covered.as_ref().map(|covered| {
            let document = &record.versions[covered.base as usize - 1];
            document.effective(&covered.reads)
        });
        let decided = frozen(&newest.activity);
        NewVersion {
            version: record.versions.len() as i64,
            withdrawn: newest.activity.withdrawn,
            withdrawn_meanwhile: waiting.iter().any(|document| document.activity.withdrawn),
            changed: base.map_or(Changed::Ledger, |base| changed(&base, &newest)),
            doubts: self.doubts(index, &newest, &decided),
            owner: party(index as u128 % 4),
            owner_aliases: BTreeSet::new(),
            has_parts: shadow::parts(&self.expected, index) > 0,
            decision: rule_decision_id(
                neighbourhood(),
                activity_id(index as u128),
                record.judgement.decision_seq + 1,
            ),
            decided: Some(decided),
            rule: RuleFacts::default(),
            reads: self.reads(index),
        }
    }

    fn doubts(&self, index: usize, newest: &Effective, decided: &Decided) -> Vec<Doubt> {
        let mut facts = CleanFacts::default();
        let others = self.records.iter().enumerate().filter(|(other, _)| *other != index);
        for in_force in others.filter_map(|(_, record)| record.judgement.in_force()) {
            for line in &in_force.lines {
                let who = PartyId(line.account.0);
                if line.day == decided.heading.day {
                    *facts.minutes_that_day.entry(who).or_default() += line.minutes;
                }
                let mine = decided.minutes_of(line.account, Asset::Contribution);
                if let (Some(a), Some(b)) = (decided.started_at_ms, in_force.started_at_ms)
                    && mine > 0
                    && same_time((a, mine), (b, line.minutes))
                {
                    facts.open_suspicions.push(SuspicionKind::Overlap);
                }
            }
        }
        doubts(&newest.activity, decided, newest.conflict, &facts, &self.pack)
    }

    pub fn take_up(&mut self, index: usize, how: TakingUp) -> Checked {
        let new = self.new_version(index);
        let before = self.records[index].judgement.clone();
        let step = (self.machine.take_up)(&before, &new, how, &self.pack);
        if new.version <= before.judged_version {
            return ensure(step.after == before, || "a version taken up again changed something".to_owned());
        }
        let key = TakenUp {
            version: new.version,
            withdrawn: new.withdrawn,
            withdrawn_meanwhile: new.withdrawn_meanwhile,
            changed: new.changed,
            reads: new.reads.clone(),
        };
        self.records[index].events.push(Event::TookUp(Box::new(key)));
        self.expected[index].withdrawn_ever |= new.withdrawn || new.withdrawn_meanwhile;
        self.expected[index].state.first = None;
        let turned = new.withdrawn != before.withdrawn || (new.withdrawn_meanwhile && !new.withdrawn);
        self.tell_canonical(index, &step, turned || new.changed != Changed::Inert)?;
        self.rule_decided(index, &new, how, &before, step)
    }

    fn look_again(&mut self, index: usize) -> Checked {
        let new = self.new_version(index);
        let before = self.records[index].judgement.clone();
        let step = became_clean(&before, &new, &self.pack);
        if new.version != before.judged_version {
            return ensure(step.after == before, || "a version that waits was looked at again".to_owned());
        }
        self.rule_decided(index, &new, TakingUp::Round, &before, step)
    }

    /// Checks what a rule, or the daybook, decided, and carries it into what is expected.
    fn rule_decided(
        &mut self,
        index: usize,
        new: &NewVersion,
        how: TakingUp,
        before: &Judgement,
        step: Step,
    ) -> Checked {
        let says = self.says(index);
        let expected = &mut self.expected[index];
        let own = expected.state.own.as_ref();
        let apart = expected.into.is_none() && expected.members.is_empty();
        let small = match new.changed {
            Changed::Inert => true,
            Changed::Tallies { most } => most <= 5,
            Changed::Report | Changed::Ledger => false,
        };
        let may = how == TakingUp::Round
            && new.doubts.is_empty()
            && !expected.person
            && !expected.withdrawn_ever
            && apart
            && !own.is_some_and(|own| own.raised_by(&says));
        let alone = |counted: &Counted| counted.minutes.keys().all(|who| *who == index as u128 % 4);
        let own_alone = alone(&says) && own.is_none_or(alone);
        let takes_back = new.withdrawn && !before.withdrawn && !new.has_parts && own_alone && apart;
        match step.decision.as_ref().map(|decision| (decision.by, decision.id)) {
            None => {
                let newer = new.version > before.judged_version;
                let due = if newer { !small } else { own.is_none() };
                ensure(!may || !due, || "clean, and no rule decided".to_owned())?;
                ensure(!takes_back || !newer, || "taken back, and it stays".to_owned())?;
                let carried = newer && !small && expected.into.is_none();
                ensure(!carried || step.after.review() != Review::Approved, || "went along".to_owned())?;
            }
            Some((By::Rule, id)) => {
                ensure(may, || format!("a rule decided: {how:?}, {:?}, {expected:?}", new.doubts))?;
                let state = State { own: Some(says), ..expected.state.clone() };
                expected.decided(id, state);
            }
            Some((By::Daybook, id)) => {
                ensure(takes_back, || "withdrawn from under others".to_owned())?;
                ensure(step.after.review() == Review::Withdrawn, || "not withdrawn".to_owned())?;
                let state = State { own: None, ..expected.state.clone() };
                expected.decided(id, state);
            }
            Some((By::Person(_), _)) => return Err("nobody decided".to_owned()),
        }
        self.commit(index, step)
    }

    /// Stores the step and posts what it touches, as a transaction would.
    pub fn commit(&mut self, index: usize, step: Step) -> Checked {
        let record = &mut self.records[index];
        record.judgement = step.after;
        if let Some(decision) = step.decision {
            record.events.push(Event::Decided(Box::new(decision.clone())));
            record.stored.push(decision);
        }
        self.post(index)?;
        for occasion in step.occasions {
            self.post(self.stands_for(occasion).ok_or("an occasion that does not exist")?)?;
        }
        Ok(())
    }

    fn post(&mut self, index: usize) -> Checked {
        let parts = self.parts_minutes(index);
        let id = activity_id(index as u128);
        let record = &mut self.records[index];
        let posting = (self.machine.post)(&record.judgement, neighbourhood(), id, parts, holding());
        record.judgement = posting.after;
        record.events.push(Event::Posted(parts));
        for transfer in posting.transfers {
            let line = &transfer.line;
            *self.balances.entry((Some(line.account), line.asset)).or_default() += line.minutes;
            *self.balances.entry((None, line.asset)).or_default() -= line.minutes;
            self.transfers.push((index, transfer));
        }
        Ok(())
    }
}

/// Whether two stretches of time, each a start in milliseconds and a length in minutes, share a moment.
fn same_time(a: (i64, i64), b: (i64, i64)) -> bool {
    let end = |(start, minutes): (i64, i64)| start.saturating_add(minutes.saturating_mul(60_000));
    a.0 < end(b) && b.0 < end(a)
}
