//! What parts take from their occasions, whichever of the two was heard of first.

use super::facts::Brief;
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::domain::review::Review;
use crate::domain::suspicion::{Claim, Record};
use crate::ledger::{Changed, Decided, Judgement};

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
    /// what is decided and what a newer version says, the claim that goes furthest counts. Whichever of the two is
    /// looked at, the same is found, or they would raise and lapse in turn.
    pub(super) fn claims_around(&self, looked: &Looked<'_>) -> Vec<Claim> {
        let id = looked.record.id;
        let mut claims = Vec::new();
        if let Some((occasion, claimed)) = self.taken(id, Some(looked)) {
            claims.extend(self.claim(id, occasion, claimed, self.held(occasion, None)));
        }
        let held = self.held(id, Some(looked));
        if !held.is_empty() {
            let parts = self.cases().filter(|(part, case)| {
                **part != id && case.part_of.is_some_and(|of| self.standing_for(of) == id)
            });
            for part in parts.map(|(part, _)| *part) {
                let taken = self.taken(part, None).filter(|(of, _)| *of == id);
                claims.extend(taken.and_then(|(_, claimed)| self.claim(part, id, claimed, held.clone())));
            }
        }
        claims
    }

    fn claim(
        &self,
        part: ActivityId,
        occasion: ActivityId,
        claimed: i64,
        held: Vec<(i64, i64)>,
    ) -> Option<Claim> {
        let others = self.claims(occasion).filter(|(id, _)| *id != part);
        let other_parts = others.map(|(_, minutes)| minutes).sum();
        let claim = |(total, named)| Claim { part, occasion, claimed, total, named, other_parts };
        held.into_iter().map(claim).min_by_key(Claim::remainder)
    }

    /// Of which occasion, and how many minutes: of the one that minutes were taken from, where that is decided.
    fn taken(&self, id: ActivityId, looked: Option<&Looked<'_>>) -> Option<(ActivityId, i64)> {
        let readings = self.readings(id, looked)?;
        let read = readings.read.and_then(|record| {
            let minutes = record.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
            Some((self.standing_for(record.activity.part_of?), minutes))
        });
        let decided = readings
            .decided
            .and_then(|decided| Some((self.standing_for(decided.part_of?), decided.claimed())));
        let (occasion, _) = decided.or(read)?;
        let claims = [read, decided].into_iter().flatten().filter(|(of, _)| *of == occasion);
        Some((occasion, claims.map(|(_, minutes)| minutes).max()?))
    }

    /// The minutes of an occasion in all, and by name.
    fn held(&self, id: ActivityId, looked: Option<&Looked<'_>>) -> Vec<(i64, i64)> {
        let Some(readings) = self.readings(id, looked) else { return Vec::new() };
        let read = readings.read.and_then(|record| {
            let named = record.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
            Some((record.activity.person_minutes?, named))
        });
        let decided = readings.decided.and_then(|decided| Some((decided.person_minutes?, decided.named)));
        [read, decided].into_iter().flatten().collect()
    }

    /// What stands of a record; nothing once it was taken back.
    fn readings<'r>(&'r self, id: ActivityId, looked: Option<&Looked<'r>>) -> Option<Readings<'r>> {
        let judged = self.case(id).map(|case| &case.judgement);
        let open = judged.is_none_or(|judged| {
            let undecided = matches!(
                judged.review(),
                Review::Received | Review::NeedsChanges | Review::EditedAfterApproval
            );
            judged.merged_into.is_none() && undecided
        });
        let record = looked.map(|looked| looked.record).or_else(|| self.near.records.get(&id));
        if record.is_some_and(|record| record.activity.withdrawn) {
            return None;
        }
        let counts = open || looked.is_some_and(|looked| looked.is_news);
        Some(Readings { read: record.filter(|_| counts), decided: judged.and_then(Judgement::in_force) })
    }
}

/// What a record says, while any of it is left to decide, and what is decided about it.
struct Readings<'r> {
    read: Option<&'r Record>,
    decided: Option<&'r Decided>,
}
