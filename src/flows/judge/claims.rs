//! What parts take from their occasions, whichever of the two was heard of first.

use super::facts::Brief;
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::domain::review::Review;
use crate::domain::suspicion::{Claim, Record};
use crate::ledger::{Changed, Decided};

/// A record that is looked at, and whether its newest version says something else than what was decided about it.
pub(super) struct Looked<'r> {
    pub record: &'r Record,
    pub is_news: bool,
}

impl<'r> Looked<'r> {
    pub fn new(brief: &Brief, record: &'r Record, changed: Changed) -> Self {
        Self { record, is_news: !brief.rows.is_empty() && changed == Changed::Ledger }
    }
}

impl Sitting<'_> {
    /// The claims that a record is in: its own as a part, and those of its parts. Where several readings stand,
    /// what is decided and what a newer version says, the claim that goes furthest counts.
    pub(super) fn claims_around(&self, looked: &Looked<'_>) -> Vec<Claim> {
        let id = looked.record.id;
        let mut claims = Vec::new();
        if let Some(of) = looked.record.activity.part_of {
            let occasion = self.standing_for(of);
            let own = self.taken(id, Some(looked));
            let own = own.into_iter().filter(|(of, _)| *of == occasion).map(|(_, minutes)| minutes);
            claims.extend(self.claim(id, occasion, own.max(), self.held(occasion, None)));
        }
        let held = self.held(id, Some(looked));
        if !held.is_empty() {
            let parts = self.cases().filter(|(part, case)| {
                **part != id && case.part_of.is_some_and(|of| self.standing_for(of) == id)
            });
            for part in parts.map(|(part, _)| *part) {
                let taken = self.taken(part, None);
                let taken = taken.into_iter().filter(|(of, _)| *of == id).map(|(_, minutes)| minutes);
                claims.extend(self.claim(part, id, taken.max(), held.clone()));
            }
        }
        claims
    }

    fn claim(
        &self,
        part: ActivityId,
        occasion: ActivityId,
        claimed: Option<i64>,
        held: Vec<(i64, i64)>,
    ) -> Option<Claim> {
        let others = self.claims(occasion).filter(|(id, _)| *id != part);
        let other_parts = others.map(|(_, minutes)| minutes).sum();
        let claim =
            |(total, named)| Some(Claim { part, occasion, claimed: claimed?, total, named, other_parts });
        held.into_iter().filter_map(claim).min_by_key(Claim::remainder)
    }

    /// Of which occasion, and how many minutes.
    fn taken(&self, id: ActivityId, looked: Option<&Looked<'_>>) -> Vec<(ActivityId, i64)> {
        let read = self.as_read(id, looked).and_then(|record| {
            let minutes = record.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
            Some((record.activity.part_of?, minutes))
        });
        let decided = self.in_force(id).and_then(|decided| Some((decided.part_of?, decided.named)));
        [read, decided].into_iter().flatten().map(|(of, minutes)| (self.standing_for(of), minutes)).collect()
    }

    /// The minutes of an occasion in all, and by name.
    fn held(&self, id: ActivityId, looked: Option<&Looked<'_>>) -> Vec<(i64, i64)> {
        let read = self.as_read(id, looked).and_then(|record| {
            let named = record.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
            Some((record.activity.person_minutes?, named))
        });
        let decided = self.in_force(id).and_then(|decided| Some((decided.person_minutes?, decided.named)));
        [read, decided].into_iter().flatten().collect()
    }

    /// The record, unless nothing that it says is left to decide.
    fn as_read<'r>(&'r self, id: ActivityId, looked: Option<&Looked<'r>>) -> Option<&'r Record> {
        let case = self.case(id);
        let open = case.is_none_or(|case| {
            let judged = &case.judgement;
            let undecided = matches!(
                judged.review(),
                Review::Received | Review::NeedsChanges | Review::EditedAfterApproval
            );
            judged.merged_into.is_none() && undecided
        });
        let record = looked.map(|looked| looked.record).or_else(|| self.near.records.get(&id))?;
        let counts = open || looked.is_some_and(|looked| looked.is_news);
        (counts && !record.activity.withdrawn).then_some(record)
    }

    fn in_force(&self, id: ActivityId) -> Option<&Decided> {
        self.case(id)?.judgement.in_force()
    }
}
