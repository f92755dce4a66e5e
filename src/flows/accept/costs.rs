//! What an accept costs beyond the bytes and operations of its changes: known only once it is done, and then taken out of
//! the budget of who brought them. One transaction may take up what others brought before: each pays for theirs.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Accept;
use super::facts::Held;
use super::readings::Rows;
use crate::app::Payer;
use crate::domain::ids::ActivityId;
use crate::domain::limits::{ACTIVITY_BYTES_FREE, CHUNK_BYTES};
use crate::merge::{Hash, Reduced};

/// Who pays for what the changes of one accept have written and loaded; nobody where the server does it by itself.
#[derive(Debug, Default)]
pub struct Shares {
    /// How many of its changes each brought.
    changes: HashMap<Option<Payer>, usize>,
    /// Who has an activity written anew: of several, who pushes now, else whose change comes first.
    activities: BTreeMap<ActivityId, Option<Payer>>,
    /// In which a text of an earlier push is edited, so that the document is needed.
    texts: BTreeSet<ActivityId>,
    /// The same of the one load that all of these need, and whether that change was held.
    document: Option<(bool, Option<Payer>)>,
}

impl Shares {
    /// Adds the next accepted change: who pays for it, and what it did; `was_held` if it was not pushed now.
    pub fn add(&mut self, payer: Option<Payer>, was_held: bool, did: &Reduced) {
        *self.changes.entry(payer).or_default() += 1;
        for id in &did.touched {
            let pays = self.activities.entry(*id).or_insert(payer);
            if !was_held {
                *pays = payer;
            }
        }
        for id in &did.needs_document {
            // Whoever comes later finds that it is needed anyway, whether they edit a text or not.
            let first = self.texts.insert(*id);
            if first && self.document.is_none_or(|(held, _)| held && !was_held) {
                self.document = Some((was_held, payer));
            }
        }
    }

    /// Who pays for the document, if it is loaded.
    pub fn of_document(&self) -> Option<Payer> {
        self.document.and_then(|(_, payer)| payer)
    }

    /// What each pays for writing these rows, in bytes of the budget.
    pub fn of_rows(&self, rows: &Rows) -> Vec<(Payer, u64)> {
        let mut written: HashMap<Option<Payer>, Vec<usize>> = HashMap::new();
        for (id, bytes) in rewritten(rows) {
            let payer = self.activities.get(&id).copied().flatten();
            written.entry(payer).or_default().push(bytes);
        }
        let costs = written.into_iter().filter_map(|(payer, written)| {
            let changes = self.changes.get(&payer).copied().unwrap_or_default();
            Some((payer?, unpaid(written.into_iter(), changes)))
        });
        costs.collect()
    }
}

impl Accept<'_> {
    /// Who pays for what is known of a change only now: whoever brought it, be it that it waits since then.
    pub(super) fn payer_of(&self, held: &Held, hash: &Hash) -> Option<Payer> {
        if held.all.contains_key(hash) { held.payers.get(hash).copied() } else { self.bringer.payer }
    }

    /// Takes what is known only now out of the budgets of those who pay for it.
    pub(super) fn pay(&self, costs: impl IntoIterator<Item = (Payer, u64)>) {
        costs.into_iter().for_each(|(payer, bytes)| self.app.spend(payer, bytes));
    }
}

/// The bytes that are written of each activity: a few bytes of a change may have the state of an activity written anew
/// that took megabytes.
fn rewritten(rows: &Rows) -> BTreeMap<ActivityId, usize> {
    let mut bytes: BTreeMap<ActivityId, usize> = BTreeMap::new();
    for row in &rows.activities {
        bytes.insert(ActivityId(row.id), row.state.len().saturating_add(row.reading.len()));
    }
    for version in &rows.versions {
        let written = version.reading.len().saturating_add(version.changed.len());
        let of_activity = bytes.entry(ActivityId(version.activity_id)).or_default();
        *of_activity = of_activity.saturating_add(written);
    }
    bytes
}

/// What these bytes, written of each activity by so many changes, cost beyond what was paid for with the changes: one
/// may touch as many activities as it has operations.
fn unpaid(written: impl ExactSizeIterator<Item = usize>, changes: usize) -> u64 {
    // A row for each change was paid for with it.
    let rows = written.len().saturating_sub(changes).saturating_mul(CHUNK_BYTES);
    let beyond = written.map(|bytes| bytes.saturating_sub(ACTIVITY_BYTES_FREE));
    u64::try_from(beyond.fold(rows, usize::saturating_add)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{GrantId, PartyId};

    fn payer(number: u128) -> Option<Payer> {
        let id = Uuid::from_u128(number);
        Some(Payer { grant: GrantId(id), party: PartyId(id) })
    }

    #[test]
    fn each_pays_for_what_their_changes_did_and_who_pushes_for_what_both_did() {
        let ids = |numbers: &[u128]| numbers.iter().map(|id| ActivityId(Uuid::from_u128(*id))).collect();
        let did =
            |touched: &[u128], texts: &[u128]| Reduced { touched: ids(touched), needs_document: ids(texts) };
        let mut shares = Shares::default();
        assert_eq!(shares.of_document(), None);
        shares.add(payer(2), true, &did(&[1, 2], &[2]));
        assert_eq!(shares.of_document(), payer(2));
        // What another made necessary is still there.
        shares.add(payer(1), false, &did(&[2, 3], &[2]));
        shares.add(payer(3), true, &did(&[1, 3], &[1]));
        assert_eq!(shares.of_document(), payer(2));
        let pays: Vec<_> = shares.activities.values().copied().collect();
        assert_eq!(pays, [payer(2), payer(1), payer(1)]);
        shares.add(payer(1), false, &did(&[3], &[3]));
        assert_eq!(shares.of_document(), payer(1));
        assert_eq!(shares.changes, [(payer(1), 2), (payer(2), 1), (payer(3), 1)].into());
    }

    #[test]
    fn each_activity_is_rewritten_for_nothing_up_to_its_limit() {
        let costs = |written: &[usize]| unpaid(written.iter().copied(), 2);
        assert_eq!(costs(&[]), 0);
        assert_eq!(costs(&[ACTIVITY_BYTES_FREE, ACTIVITY_BYTES_FREE]), 0, "at the limit");
        assert_eq!(costs(&[ACTIVITY_BYTES_FREE, ACTIVITY_BYTES_FREE + 1]), 1, "one past it");
        assert_eq!(costs(&[usize::MAX, usize::MAX]), u64::MAX);
    }

    #[test]
    fn each_activity_beyond_one_a_change_is_a_row() {
        let costs = |changes| unpaid([1; 10].into_iter(), changes);
        let row = u64::try_from(CHUNK_BYTES).expect("small");
        assert_eq!([11, 10, 9, 0].map(costs), [0, 0, row, 10 * row]);
    }
}
