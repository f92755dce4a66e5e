//! The model's merges: what is asked for, and what should come of it.

use std::collections::BTreeMap;

use super::model::{ACTIVITIES, COORDINATORS, Checked, Event, MINUTES_OF_ONE_PERSON, Neighbourhood, ensure};
use super::samples::{activity_id, decision_id, frozen, party};
use super::shadow::{self, Counted};
use crate::domain::ids::ActivityId;
use crate::domain::review::Review;
use crate::ledger::{
    Corrections, Decider, Decisions, Judgement, MergeRequest, Seen, Step, TakingUp, UnmergeRequest,
};

/// A merge as somebody wants it.
#[derive(Debug, Clone)]
pub struct Merging {
    pub coordinator: usize,
    pub canonical: usize,
    pub members: Vec<usize>,
    pub reason: bool,
    pub correction: Option<(u128, i64)>,
}

impl Neighbourhood {
    pub fn index(&self, id: ActivityId) -> Option<usize> {
        (0..ACTIVITIES).find(|index| activity_id(*index as u128) == id)
    }

    pub fn stands_for(&self, id: ActivityId) -> Option<usize> {
        let index = self.index(id)?;
        self.records[index].judgement.merged_into.map_or(Some(index), |into| self.index(into))
    }

    pub fn parts_minutes(&self, index: usize) -> i64 {
        let others = self.records.iter().enumerate().filter(|(other, _)| *other != index);
        let claims = others.filter_map(|(_, record)| record.judgement.claim());
        claims
            .filter(|(occasion, _)| self.stands_for(*occasion) == Some(index))
            .map(|(_, minutes)| minutes)
            .sum()
    }

    fn judgements(&self) -> BTreeMap<ActivityId, Judgement> {
        let all = self.records.iter().enumerate();
        all.map(|(index, record)| (activity_id(index as u128), record.judgement.clone())).collect()
    }

    fn seen_of(&self, coordinator: usize, index: usize) -> Seen {
        let (version, decision_seq) = self.seen.get(&(coordinator, index)).copied().unwrap_or_default();
        Seen { activity: activity_id(index as u128), version, decision_seq }
    }

    fn is_current(&self, coordinator: usize, index: usize) -> bool {
        let present = (self.records[index].versions.len() as i64, self.expected[index].decisions);
        self.seen.get(&(coordinator, index)) == Some(&present)
    }

    pub fn merge(&mut self, wanted: &Merging) -> Checked {
        let kept = self.clone();
        let all: Vec<usize> =
            std::iter::once(wanted.canonical).chain(wanted.members.iter().copied()).collect();
        for index in &all {
            self.take_up(*index, TakingUp::BeforeDecision)?;
        }
        let says: Vec<Counted> = all.iter().map(|index| self.says(*index)).collect();
        let lines: Vec<_> = all.iter().map(|index| frozen(&self.effective(*index).activity)).collect();
        let named = wanted.correction.filter(|(who, _)| says.iter().any(|counted| counted.of(*who) > 0));
        let minutes = named.map(|(who, minutes)| (party(who), minutes)).into_iter().collect();
        let corrections = Corrections { minutes, ..Corrections::default() };
        let decided = (self.machine.merged_lines)(&lines[0], &lines[1..], &corrections, &BTreeMap::new());
        let decided = decided.map_err(|fault| format!("these lines go together: {fault}"))?;
        self.ids += 1;
        let request = MergeRequest {
            id: decision_id(self.ids),
            decider: Decider { party: party(COORDINATORS[wanted.coordinator]), aliases: Vec::new() },
            reason: wanted.reason.then(|| "the same pick".to_owned()),
            canonical: self.seen_of(wanted.coordinator, wanted.canonical),
            members: wanted.members.iter().map(|index| self.seen_of(wanted.coordinator, *index)).collect(),
            decided,
            reads: self.reads(wanted.canonical),
        };
        let together = shadow::together(&says, &all, named);
        let foreseen = self.foresee_merge(wanted, &all, &together);
        match ((self.machine.merge)(&self.judgements(), &request, &self.pack), foreseen) {
            (Ok(decisions), Ok(())) => {
                for index in &all {
                    self.expected[*index].cut();
                }
                for member in &wanted.members {
                    self.expected[*member].into = Some(wanted.canonical);
                }
                let canonical = &mut self.expected[wanted.canonical];
                canonical.members.clone_from(&wanted.members);
                canonical.state.cluster = Some(together);
                self.merges.push(request);
                self.commit_all(decisions)
            }
            (Err(refusal), Err(code)) if refusal.refusal.code() == code => {
                *self = kept;
                self.refused.insert(code);
                Ok(())
            }
            (answer, foreseen) => {
                let answer = answer.map(|steps| steps.len());
                Err(format!("a merge was answered {answer:?} where {foreseen:?} was due"))
            }
        }
    }

    fn foresee_merge(&self, wanted: &Merging, all: &[usize], together: &Counted) -> Result<(), &'static str> {
        let twice = all.iter().enumerate().any(|(at, index)| all[..at].contains(index));
        if twice || wanted.members.is_empty() {
            return Err("members_unfit");
        }
        for index in all {
            if !self.is_current(wanted.coordinator, *index) {
                return Err("version_changed");
            }
            if self.expected[*index].into.is_some() {
                return Err("merged_away");
            }
            if !self.expected[*index].members.is_empty() {
                return Err("merged");
            }
        }
        let stood = all.iter().filter_map(|index| self.expected[*index].in_force()).map(Counted::posted);
        if !wanted.reason {
            Err("reason_required")
        } else if together.of(COORDINATORS[wanted.coordinator]) > 0 {
            Err("own_credit")
        } else if together.posted() > MINUTES_OF_ONE_PERSON && together.posted() > stood.sum() {
            Err("second_person")
        } else {
            Ok(())
        }
    }

    pub fn unmerge(&mut self, coordinator: usize, canonical: usize) -> Checked {
        let kept = self.clone();
        let members = self.expected[canonical].members.clone();
        for index in std::iter::once(&canonical).chain(&members) {
            self.take_up(*index, TakingUp::BeforeDecision)?;
        }
        self.ids += 1;
        let request = UnmergeRequest {
            id: decision_id(self.ids),
            decider: Decider { party: party(COORDINATORS[coordinator]), aliases: Vec::new() },
            reason: None,
            canonical: self.seen_of(coordinator, canonical),
            stands_for: BTreeMap::new(),
        };
        let who = COORDINATORS[coordinator];
        let mine = |counted: Option<&Counted>| counted.map_or(0, |counted| counted.of(who));
        let back: i64 =
            members.iter().chain([&canonical]).map(|one| mine(self.expected[*one].state.own.as_ref())).sum();
        let foreseen = if !self.is_current(coordinator, canonical) {
            Err("version_changed")
        } else if self.expected[canonical].into.is_some() {
            Err("merged_away")
        } else if members.is_empty() {
            Err("not_merged")
        } else if back > mine(self.expected[canonical].in_force()) {
            Err("own_credit")
        } else {
            Ok(())
        };
        match ((self.machine.unmerge)(&self.judgements(), &request, &self.pack), foreseen) {
            (Ok(decisions), Ok(())) => {
                for index in members.iter().chain([&canonical]) {
                    self.expected[*index].cut();
                    self.expected[*index].into = None;
                }
                self.expected[canonical].members.clear();
                self.expected[canonical].state.cluster = None;
                self.commit_all(decisions)
            }
            (Err(refusal), Err(code)) if refusal.refusal.code() == code => {
                *self = kept;
                self.refused.insert(code);
                Ok(())
            }
            (answer, foreseen) => {
                let answer = answer.map(|steps| steps.len());
                Err(format!("an unmerge was answered {answer:?} where {foreseen:?} was due"))
            }
        }
    }

    /// An edit of a member: the canonical one is looked at again.
    pub fn tell_canonical(&mut self, member: usize, step: &Step, told: bool) -> Checked {
        let into = self.expected[member].into.filter(|_| told);
        let named = into.map(|index| activity_id(index as u128));
        ensure(step.canonical == named, || format!("{member}: {:?} is told, not {named:?}", step.canonical))?;
        let Some(index) = into else { return Ok(()) };
        let record = &mut self.records[index];
        record.judgement = (self.machine.member_edited)(&record.judgement);
        record.events.push(Event::MemberEdited);
        self.expected[index].state.first = None;
        let looks = matches!(record.judgement.review(), Review::EditedAfterApproval | Review::NeedsChanges);
        ensure(looks, || format!("{index}: nobody looks at what {member} says now"))
    }

    fn commit_all(&mut self, decisions: Decisions) -> Checked {
        for (id, decision) in decisions {
            let index = self.index(id).ok_or("an activity that does not exist")?;
            let step = (self.machine.carry_out)(&self.records[index].judgement, decision);
            self.commit(index, step)?;
        }
        Ok(())
    }

    /// Merges that were accepted, sent once more.
    pub fn replay_merge(&self, nth: usize) -> Checked {
        let Some(request) = self.merges.get(nth % self.merges.len().max(1)) else { return Ok(()) };
        let again = (self.machine.merge)(&self.judgements(), request, &self.pack);
        let stale = again.is_err_and(|refusal| refusal.refusal.code() == "version_changed");
        ensure(stale, || "a merge sent again was merged again".to_owned())
    }
}
