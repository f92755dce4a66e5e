//! What caps leave of a record's minutes: what an approval would not post is not at stake either.

use std::collections::BTreeMap;

use super::Entry;
use crate::domain::ids::PartyId;

impl Entry {
    /// With the most minutes that caps leave its parties, beside what other records give them that day; whoever has no
    /// cap is absent.
    #[must_use]
    pub fn within(mut self, room: BTreeMap<PartyId, i64>) -> Self {
        self.room = room;
        self.moves = self.moves.saturating_sub(self.clipped(&BTreeMap::new()));
        self
    }

    /// Minutes that caps would take from an approval with these minutes cut off.
    pub(super) fn clipped(&self, cuts: &BTreeMap<PartyId, i64>) -> i64 {
        let above = self.room.iter().map(|(party, most)| {
            let said = self.record.minutes.get(party).copied().unwrap_or_default();
            let cut = cuts.get(party).copied().unwrap_or_default();
            said.saturating_sub(cut).saturating_sub(*most).max(0)
        });
        above.fold(0, i64::saturating_add)
    }
}
