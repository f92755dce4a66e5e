//! The model's people: what they ask for, what should come of it, and what they send again.

use std::collections::BTreeMap;

use super::generate::Wish;
use super::model::{COORDINATORS, Checked, Neighbourhood, counted, ensure};
use super::samples::{corrected, decision_id, party};
use super::shadow::Counted;
use crate::domain::review::Conflict;
use crate::ledger::{Ask, Corrections, Decider, Request, Settlements, StoredDecision, TakingUp};

impl Neighbourhood {
    pub fn wish(&mut self, coordinator: usize, index: usize, reason: bool, wish: &Wish) -> Checked {
        let record = &self.records[index];
        let newest = &record.versions[record.versions.len() - 1];
        let corrections = match wish {
            Wish::Approve(Some((who, minutes))) => {
                Corrections { minutes: BTreeMap::from([(party(*who), *minutes)]), ..Corrections::default() }
            }
            _ => Corrections::default(),
        };
        let undo = |decision: Option<&StoredDecision>| Ask::Undo {
            decision: decision.map_or_else(|| decision_id(0xDEAD), |decision| decision.id),
            before: decision.map(|decision| Box::new(decision.before.clone())),
        };
        let ask = match wish {
            Wish::Approve(_) => Ask::Approve {
                decided: Some(corrected(&newest.activity, &corrections)),
                corrected: !corrections.is_empty(),
                conflict: if newest.conflict { Conflict::Hard } else { Conflict::None },
            },
            Wish::Reject => Ask::Reject,
            Wish::Keep => Ask::Keep,
            Wish::AskForChanges => Ask::AskForChanges,
            Wish::Undo => undo(record.stored.last()),
            Wish::UndoAnother => undo(record.stored.iter().rev().nth(1)),
        };
        self.ids += 1;
        let (version, decision_seq) = self.seen.get(&(coordinator, index)).copied().unwrap_or_default();
        let request = Request {
            id: decision_id(self.ids),
            version,
            decision_seq,
            decider: Decider { party: party(COORDINATORS[coordinator]), aliases: Vec::new() },
            reason: reason.then(|| "because".to_owned()),
            settles: Settlements::new(),
            reads: BTreeMap::new(),
            ask,
        };
        self.decide(index, COORDINATORS[coordinator], request, wish)
    }

    fn decide(&mut self, index: usize, who: u128, request: Request, wish: &Wish) -> Checked {
        let kept = self.clone();
        self.take_up(index, TakingUp::BeforeDecision)?;
        let foreseen = self.foresee(index, who, &request, wish);
        let answer = (self.machine.decide)(&self.records[index].judgement, &request, &self.pack);
        match (answer, foreseen) {
            (Ok(step), Ok(counted)) => {
                let expected = &mut self.expected[index];
                expected.decided(request.id, counted);
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

    /// What counts after the decision, or the code of its refusal.
    fn foresee(
        &self,
        index: usize,
        who: u128,
        request: &Request,
        wish: &Wish,
    ) -> Result<Option<Counted>, &'static str> {
        let (record, expected) = (&self.records[index], &self.expected[index]);
        if (request.version, request.decision_seq) != (record.versions.len() as i64, expected.decisions) {
            return Err("version_changed");
        }
        let unexplained = request.reason.is_none().then_some("reason_required");
        let newest = &record.versions[record.versions.len() - 1];
        match wish {
            Wish::Approve(correction) => {
                let counted = counted(&newest.activity, *correction);
                let refused = correction.and(unexplained);
                let refused = refused.or(newest.conflict.then_some("conflict_unsettled"));
                let refused = refused.or((counted.of(who) > 0).then_some("own_credit"));
                refused.map_or(Ok(Some(counted)), Err)
            }
            Wish::Reject => unexplained.map_or(Ok(None), Err),
            Wish::Keep => match (unexplained, &expected.counted) {
                (Some(code), _) => Err(code),
                (None, None) => Err("nothing_posted"),
                (None, counted) => Ok(counted.clone()),
            },
            Wish::AskForChanges => unexplained.map_or_else(|| Ok(expected.counted.clone()), Err),
            Wish::UndoAnother => Err("undo_blocked"),
            Wish::Undo => {
                let (_, before) = expected.latest.as_ref().ok_or("undo_blocked")?;
                let mine = |counted: &Option<Counted>| counted.as_ref().map_or(0, |counted| counted.of(who));
                if mine(before) > mine(&expected.counted) { Err("own_credit") } else { Ok(before.clone()) }
            }
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
