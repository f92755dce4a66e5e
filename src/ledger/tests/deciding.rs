//! The model's people: what they ask for, what should come of it, and what they send again.

use std::collections::BTreeMap;

use super::documents::{counted, operation, programme};
use super::generate::Wish;
use super::model::{COORDINATORS, Checked, MINUTES_OF_ONE_PERSON, Neighbourhood, ensure};
use super::samples::{corrected, day, decision_id, party};
use super::shadow::{self, Counted, State};
use crate::domain::reading::Value;
use crate::ledger::{
    Ask, Corrections, Decider, Reclassification, Request, Settlements, Settles, StoredDecision, TakingUp,
    settle,
};

impl Neighbourhood {
    pub fn wish(&mut self, coordinator: usize, index: usize, reason: bool, wish: &Wish) -> Checked {
        let record = &self.records[index];
        let newest = &record.versions[record.versions.len() - 1];
        let settles = match wish {
            Wish::Settle(value) | Wish::ApproveSettled(value) => {
                let asked = Settles {
                    field: "programme".to_owned(),
                    operations: newest.disputed.iter().map(|number| operation(*number)).collect(),
                    value: Value::Text(programme(*value)),
                };
                match settle(&newest.reading(), &newest.operations(), &[asked]) {
                    Ok(settles) => settles,
                    Err(refusal) => {
                        self.refused.insert(refusal.code());
                        return ensure(newest.disputed.len() < 2, || "nothing was settled".to_owned());
                    }
                }
            }
            _ => Settlements::new(),
        };
        let mut settled = record.judgement.settled.clone();
        settled.extend(settles.clone());
        let reads = (self.machine.settled_fields)(&settled, &newest.operations());
        let ask = self.ask(index, wish, &reads);
        self.ids += 1;
        let (version, decision_seq) = self.seen.get(&(coordinator, index)).copied().unwrap_or_default();
        let request = Request {
            id: decision_id(self.ids),
            version,
            decision_seq,
            decider: Decider { party: party(COORDINATORS[coordinator]), aliases: Vec::new() },
            reason: reason.then(|| "because".to_owned()),
            settles,
            reads,
            ask,
        };
        self.decide(index, COORDINATORS[coordinator], request, wish)
    }

    fn ask(&self, index: usize, wish: &Wish, reads: &BTreeMap<String, Value>) -> Ask {
        let record = &self.records[index];
        let newest = record.versions[record.versions.len() - 1].effective(reads);
        let undo = |decision: Option<&StoredDecision>| Ask::Undo {
            decision: decision.map_or_else(|| decision_id(0xDEAD), |decision| decision.id),
            before: decision.map(|decision| Box::new(decision.before.clone())).unwrap_or_default(),
        };
        match wish {
            Wish::Approve(correction) => {
                let minutes = correction.map(|(who, minutes)| (party(who), minutes));
                let corrections =
                    Corrections { minutes: minutes.into_iter().collect(), ..Corrections::default() };
                Ask::Approve {
                    decided: Some(corrected(&newest.activity, &corrections)),
                    corrected: !corrections.is_empty(),
                    conflict: newest.conflict,
                }
            }
            Wish::ApproveSettled(_) => Ask::Approve {
                decided: Some(corrected(&newest.activity, &Corrections::default())),
                corrected: false,
                conflict: newest.conflict,
            },
            Wish::Reject => Ask::Reject,
            Wish::Keep => Ask::Keep,
            Wish::AskForChanges => Ask::AskForChanges,
            Wish::Settle(_) => Ask::Settle,
            Wish::Reclassify(to_day, to_programme) => Ask::Reclassify(Reclassification {
                programme: to_programme.map(programme),
                day: to_day.map(day),
                place: None,
            }),
            Wish::Undo => undo(record.stored.last()),
            Wish::UndoAnother => undo(record.stored.iter().rev().nth(1)),
        }
    }

    fn decide(&mut self, index: usize, who: u128, request: Request, wish: &Wish) -> Checked {
        let kept = self.clone();
        self.take_up(index, TakingUp::BeforeDecision)?;
        let foreseen = self.foresee(index, who, &request, wish);
        let answer = (self.machine.decide)(&self.records[index].judgement, &request, &self.pack);
        match (answer, foreseen) {
            (Ok(step), Ok(state)) => {
                let expected = &mut self.expected[index];
                expected.decided(request.id, state);
                expected.person = true;
                self.commit(index, step)?;
                self.accepted.push((index, request));
            }
            (Err(refusal), Err(code)) if refusal.code() == code => {
                *self = kept;
                self.refused.insert(code);
            }
            (answer, foreseen) => {
                let answer = answer.map(|step| step.decision.map(|decision| decision.step));
                return Err(format!("answered {answer:?} where {foreseen:?} was due"));
            }
        }
        Ok(())
    }

    /// The state after the decision, or the code of its refusal.
    fn foresee(
        &self,
        index: usize,
        who: u128,
        request: &Request,
        wish: &Wish,
    ) -> Result<State, &'static str> {
        let (record, expected) = (&self.records[index], &self.expected[index]);
        if (request.version, request.decision_seq) != (record.versions.len() as i64, expected.decisions) {
            return Err("version_changed");
        }
        if expected.into.is_some() {
            return Err("merged_away");
        }
        let explained = if request.reason.is_none() { Err("reason_required") } else { Ok(()) };
        let operations = record.versions[record.versions.len() - 1].disputed.iter().copied().collect();
        let mut state = State { first: None, ..expected.state.clone() };
        match wish {
            Wish::Approve(correction) => {
                if correction.is_some() {
                    explained?;
                }
                self.foresee_approval(index, who, state, *correction)
            }
            Wish::ApproveSettled(value) => {
                state.settled = Some((operations, *value));
                self.foresee_approval(index, who, state, None)
            }
            Wish::Settle(value) => Ok(State { settled: Some((operations, *value)), ..state }),
            Wish::Reject => {
                explained?;
                if expected.members.is_empty() { Ok(state.with(None)) } else { Err("merged") }
            }
            Wish::Keep => {
                explained?;
                if state.in_force().is_some() { Ok(state) } else { Err("nothing_posted") }
            }
            Wish::AskForChanges => explained.map(|()| state),
            Wish::Reclassify(to_day, to_programme) => {
                explained?;
                let stands = state.in_force().cloned().ok_or("nothing_posted")?;
                let mut moved = stands.clone();
                moved.day = to_day.map_or(moved.day, day);
                moved.programme = to_programme.or(moved.programme);
                if moved == stands { Err("nothing_changes") } else { Ok(state.with(Some(moved))) }
            }
            Wish::UndoAnother => Err("undo_blocked"),
            Wish::Undo => {
                let (_, before) = expected.latest.as_ref().ok_or("undo_blocked")?;
                let mine = |counted: Option<&Counted>| counted.map_or(0, |counted| counted.of(who));
                let more = mine(before.in_force()) > mine(expected.in_force());
                if more { Err("own_credit") } else { Ok(before.clone()) }
            }
        }
    }

    fn foresee_approval(
        &self,
        index: usize,
        who: u128,
        state: State,
        correction: Option<(u128, i64)>,
    ) -> Result<State, &'static str> {
        let (record, expected) = (&self.records[index], &self.expected[index]);
        let newest = &record.versions[record.versions.len() - 1];
        let (programme, conflict) = shadow::view(&newest.disputed, &state.settled);
        let mut counted = counted(&newest.activity, programme, correction);
        counted.part_of = counted.part_of.filter(|of| !expected.members.contains(of));
        if conflict {
            return Err("conflict_unsettled");
        }
        if counted.of(who) > 0 {
            return Err("own_credit");
        }
        if counted.posted() <= MINUTES_OF_ONE_PERSON {
            return Ok(state.with(Some(counted)));
        }
        match &expected.state.first {
            Some((first, lines)) if *lines == counted && *first == who => Err("second_person"),
            Some((_, lines)) if *lines == counted => Ok(state.with(Some(counted))),
            _ => Ok(State { first: Some((who, counted)), ..state }),
        }
    }

    /// A decision that was accepted, sent once more to a server that does not look its id up first.
    pub fn replay(&mut self, nth: usize) -> Checked {
        let Some((index, request)) = self.accepted.get(nth % self.accepted.len().max(1)) else {
            return Ok(());
        };
        let again = (self.machine.decide)(&self.records[*index].judgement, request, &self.pack);
        let stale = again.is_err_and(|refusal| refusal.code() == "version_changed");
        ensure(stale, || "a decision sent again was decided again".to_owned())
    }
}
