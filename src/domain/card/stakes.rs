//! What stands on accounts for a record once it is approved: an occasion holds what its parts leave of its total.

use std::collections::BTreeMap;

use super::Entry;
use super::group::Group;
use crate::domain::ids::{ActivityId, PartyId};

/// Minutes by the occasion that they are taken from, and by the part that takes them.
pub(super) type Claimed = BTreeMap<ActivityId, BTreeMap<ActivityId, i64>>;

/// What these records would take from their occasions if all of them were approved as they stand.
pub(super) fn claimed(group: &Group<'_>, entries: &[&Entry]) -> Claimed {
    claimed_but_for(group, entries, |_| BTreeMap::new())
}

/// The same with minutes cut off, by record.
pub(super) fn claimed_but_for(
    group: &Group<'_>,
    entries: &[&Entry],
    cuts: impl Fn(&Entry) -> BTreeMap<PartyId, i64>,
) -> Claimed {
    let mut claimed = Claimed::new();
    for entry in entries {
        let Some(of) = entry.record.activity.part_of else { continue };
        let occasion = group.entry(of).and_then(|occasion| occasion.merged_into).unwrap_or(of);
        if occasion != entry.record.id && entry.merged_into.is_none() {
            let cuts = cuts(entry);
            let minutes = entry.named(&cuts).saturating_sub(entry.clipped(&cuts));
            claimed.entry(occasion).or_default().insert(entry.record.id, minutes);
        }
    }
    claimed
}

impl Entry {
    /// Minutes that stand on accounts for it once it is approved as it is, beside the parts that are approved already.
    #[must_use]
    pub fn holds(&self) -> i64 {
        self.holds_beside(&BTreeMap::new(), &Claimed::new())
    }

    /// The same with minutes cut off, and beside parts that are approved with it.
    pub(super) fn holds_beside(&self, cuts: &BTreeMap<PartyId, i64>, claimed: &Claimed) -> i64 {
        let (named, activity) = (self.named(cuts), &self.record.activity);
        let total = activity.person_minutes.filter(|_| activity.part_of.is_none()).unwrap_or_default();
        let mut parts = self.parts.clone();
        parts.extend(
            claimed.get(&self.record.id).into_iter().flatten().map(|(part, minutes)| (*part, *minutes)),
        );
        let taken = parts.into_values().fold(0_i64, i64::saturating_add);
        let remainder = total.saturating_sub(named).max(0).saturating_sub(taken.max(0)).max(0);
        named.saturating_add(remainder)
    }

    /// Minutes that an approval would move, together with parts that are approved with it.
    pub(super) fn moves_beside(&self, claimed: &Claimed) -> i64 {
        let less = self.holds().saturating_sub(self.holds_beside(&BTreeMap::new(), claimed));
        self.moves.saturating_sub(less)
    }

    /// Minutes of all whom it names.
    fn named(&self, cuts: &BTreeMap<PartyId, i64>) -> i64 {
        let left = |(party, said): (&PartyId, &i64)| {
            said.saturating_sub(cuts.get(party).copied().unwrap_or(0)).max(0)
        };
        self.record.minutes.iter().map(left).fold(0_i64, i64::saturating_add)
    }
}
