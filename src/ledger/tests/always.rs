//! What holds after every step of the model.

use std::collections::{BTreeMap, BTreeSet};

use super::model::{ACTIVITIES, Checked, Event, Neighbourhood, TakenUp, ensure};
use super::samples::{activity_id, decision_id, holding, neighbourhood, party};
use super::shadow::{self, Sums};
use crate::domain::ids::AccountId;
use crate::domain::review::Review;
use crate::ledger::{
    Asset, Judgement, Line, NewVersion, RuleFacts, TakingUp, apply, member_edited, post, take_up, target,
};

impl Neighbourhood {
    pub fn always(&self) -> Checked {
        let mut stands: Vec<Sums> = vec![Sums::new(); ACTIVITIES];
        let mut from_transfers: BTreeMap<(Option<AccountId>, Asset), i64> = BTreeMap::new();
        let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
        for (index, transfer) in &self.transfers {
            let line = &transfer.line;
            *stands[*index].entry((line.account, line.day, told(line))).or_default() += line.minutes;
            *from_transfers.entry((Some(line.account), line.asset)).or_default() += line.minutes;
            *from_transfers.entry((None, line.asset)).or_default() -= line.minutes;
            ensure(ids.insert(transfer.id), || format!("transfer {:?} was posted twice", transfer.id))?;
            let place = (*index, transfer.posting_seq, transfer.line_no);
            ensure(places.insert(place), || format!("two transfers at {place:?}"))?;
        }
        ensure(from_transfers == self.balances, || "balances are not the sum of the transfers".to_owned())?;
        let total: i64 = self.balances.values().sum();
        ensure(total == 0, || format!("the ledger is off by {total}"))?;
        for (index, stands) in stands.iter_mut().enumerate() {
            stands.retain(|_, minutes| *minutes != 0);
            self.activity_holds(index, stands)?;
        }
        self.nobody_is_counted_twice()
    }

    fn activity_holds(&self, index: usize, stands: &Sums) -> Checked {
        let (judgement, expected) = (&self.records[index].judgement, &self.expected[index]);
        let due = target(judgement, self.parts_minutes(index), holding());
        ensure(judgement.posted == due, || {
            format!("{index}: posted {:?}, target {due:?}", judgement.posted)
        })?;
        let wanted = shadow::sums(&self.expected, index);
        ensure(*stands == wanted, || format!("{index}: the ledger says {stands:?}, due is {wanted:?}"))?;
        ensure(judgement.decision_seq == expected.decisions, || format!("{index}: decisions miscounted"))?;
        ensure(judgement.person_decided == expected.person, || format!("{index}: person forgotten"))?;
        let reviewed = judgement.review();
        let posts = matches!(reviewed, Review::Approved | Review::EditedAfterApproval);
        let fits = match expected.into {
            Some(_) => reviewed == Review::Approved,
            None => reviewed == Review::NeedsChanges || posts == expected.in_force().is_some(),
        };
        ensure(fits, || format!("{index}: {reviewed:?} with {:?}", expected.state))?;
        self.merged_as_expected(index)?;
        let Some(counted) = expected.in_force().filter(|counted| counted.part_of.is_none()) else {
            return Ok(());
        };
        let Some(total) = counted.total else { return Ok(()) };
        let remainder = stands.get(&(holding(), counted.day, counted.programme)).copied().unwrap_or(0);
        let with_parts = counted.named() + shadow::parts(&self.expected, index);
        ensure(with_parts + remainder == total.max(with_parts), || format!("{index}: somebody was lost"))
    }

    fn merged_as_expected(&self, index: usize) -> Checked {
        let (judgement, expected) = (&self.records[index].judgement, &self.expected[index]);
        let first = judgement.first.as_ref().map(|first| first.by);
        let by = expected.state.first.as_ref().map(|(who, _)| party(*who));
        ensure(first == by, || format!("{index}: approved first by {first:?}, not {by:?}"))?;
        let id = |other: &usize| activity_id(*other as u128);
        let members: Vec<_> = expected.members.iter().map(id).collect::<BTreeSet<_>>().into_iter().collect();
        let merged = judgement.merged_into == expected.into.as_ref().map(id) && judgement.members == members;
        ensure(merged, || format!("{index}: merged otherwise: {:?}", judgement.merged_into))?;
        let latest = expected.latest.as_ref().map(|(id, _)| *id);
        ensure(judgement.latest_decision == latest, || format!("{index}: another decision can be undone"))?;
        let items =
            judgement.in_force().map(|decided| decided.report.iter().map(|figure| figure.count).sum());
        let due: Option<i64> = expected.in_force().map(|counted| counted.items);
        ensure(items == due, || format!("{index}: {items:?} items, not {due:?}"))
    }

    fn nobody_is_counted_twice(&self) -> Checked {
        for (number, a) in self.expected.iter().enumerate() {
            for b in &self.expected[..number] {
                let (Some(in_a), Some(in_b)) = (a.in_force(), b.in_force()) else {
                    continue;
                };
                let twice = !a.person && !b.person && shadow::clash(in_a, in_b);
                ensure(!twice, || format!("{number}: a minute counted twice, and no person said so"))?;
            }
        }
        Ok(())
    }

    /// Every judgement follows from its versions and its stored decisions.
    pub fn rebuilt_is_live(&self) -> Checked {
        for (index, record) in self.records.iter().enumerate() {
            let mut rebuilt = Judgement::default();
            for event in &record.events {
                rebuilt = match event {
                    Event::TookUp(key) => {
                        take_up(&rebuilt, &taken_again(key), TakingUp::Rebuild, &self.pack).after
                    }
                    Event::Decided(decision) => apply(&rebuilt, decision),
                    Event::MemberEdited => member_edited(&rebuilt),
                    Event::Posted(parts) => {
                        post(&rebuilt, neighbourhood(), activity_id(index as u128), *parts, holding(), |id| {
                            id
                        })
                        .after
                    }
                };
            }
            ensure(rebuilt == record.judgement, || format!("{index}: rebuilt {rebuilt:?}"))?;
        }
        Ok(())
    }
}

/// The programme of a line, as a number.
fn told(line: &Line) -> Option<u32> {
    line.programme.as_deref().and_then(|programme| programme.strip_prefix('p')?.parse().ok())
}

fn taken_again(key: &TakenUp) -> NewVersion {
    NewVersion {
        version: key.version,
        withdrawn: key.withdrawn,
        withdrawn_meanwhile: key.withdrawn_meanwhile,
        changed: key.changed,
        decided: None,
        doubts: Vec::new(),
        owner: party(0),
        owner_aliases: BTreeSet::new(),
        has_parts: false,
        decision: decision_id(0),
        rule: RuleFacts::default(),
        reads: key.reads.clone(),
    }
}
