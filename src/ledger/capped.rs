//! What caps leave of what a decision freezes, and what they took.

use std::collections::BTreeMap;

use super::lines::{Asset, Capacity, Decided, correct, sum};
use crate::domain::ids::{AccountId, PartyId};

impl Decided {
    /// The same within caps: `room` is the most that they leave a party, all for who is absent. What is above it is in
    /// no line, nor in the stated total, or the remainder would hold it.
    #[must_use]
    pub fn within(mut self, room: &BTreeMap<PartyId, i64>) -> Self {
        for (party, most) in room {
            let (account, most) = (AccountId(party.0), (*most).max(0));
            let above = self.minutes_of(account, Asset::Contribution).saturating_sub(most);
            if above > 0 {
                self.give(*party, most);
                self.person_minutes = self.person_minutes.map(|total| total.saturating_sub(above).max(0));
                self.clipped.insert(account, above);
            }
        }
        self
    }

    /// As it was before caps took anything: what is frozen for several records together is clipped once for all.
    #[must_use]
    pub fn unclipped(mut self) -> Self {
        for (account, taken) in std::mem::take(&mut self.clipped) {
            let whole = self.minutes_of(account, Asset::Contribution).saturating_add(taken);
            self.give(PartyId(account.0), whole);
            self.person_minutes = self.person_minutes.map(|total| total.saturating_add(taken));
        }
        self
    }

    /// What it takes from the occasion that it is part of: with what caps took, or the remainder would hold that.
    #[must_use]
    pub fn claimed(&self) -> i64 {
        self.clipped.values().fold(self.named, |sum, taken| sum.saturating_add(*taken))
    }

    /// Minutes that an account would have without caps.
    #[must_use]
    pub fn recorded_by(&self, account: AccountId) -> i64 {
        let taken = self.clipped.get(&account).copied().unwrap_or_default();
        self.minutes_of(account, Asset::Contribution).saturating_add(taken)
    }

    /// Gives a party so many minutes in all, in its capacities as [`correct`] shares them out.
    fn give(&mut self, party: PartyId, minutes: i64) {
        let account = AccountId(party.0);
        let mut shares: BTreeMap<(PartyId, Capacity), i64> = BTreeMap::new();
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| {
            let is_theirs = line.account == account && line.asset == Asset::Contribution;
            if is_theirs {
                *shares.entry((party, line.capacity)).or_default() += line.minutes;
            }
            !is_theirs
        });
        correct(&mut shares, party, minutes);
        lines.extend(shares.into_iter().filter(|(_, minutes)| *minutes > 0).map(
            |((_, capacity), minutes)| self.heading.key(account, Asset::Contribution, capacity).line(minutes),
        ));
        lines.sort_by_key(super::lines::Line::key);
        self.named = sum(&lines);
        self.lines = lines;
    }
}
