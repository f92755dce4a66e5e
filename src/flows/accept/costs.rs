//! What an accept costs beyond the bytes and operations of its changes: known only once it is done, and then taken out of
//! the budget of who pushed them.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::readings::Rows;
use crate::domain::limits::{ACTIVITY_BYTES_FREE, CHUNK_BYTES};

/// What writing these rows costs, in bytes of the budget, after so many changes: a few bytes may have the state of an
/// activity written anew that took megabytes, and a change may touch as many activities as it has operations.
pub fn rewritten(rows: &Rows, changes: usize) -> u64 {
    let mut bytes: BTreeMap<Uuid, usize> = BTreeMap::new();
    for row in &rows.activities {
        bytes.insert(row.id, row.state.len().saturating_add(row.reading.len()));
    }
    for version in &rows.versions {
        let written = version.reading.len().saturating_add(version.changed.len());
        let of_activity = bytes.entry(version.activity_id).or_default();
        *of_activity = of_activity.saturating_add(written);
    }
    unpaid(bytes.into_values(), changes)
}

/// The same of the bytes that are written of each activity.
fn unpaid(written: impl ExactSizeIterator<Item = usize>, changes: usize) -> u64 {
    // A row for each change was paid for with it.
    let rows = written.len().saturating_sub(changes).saturating_mul(CHUNK_BYTES);
    let beyond = written.map(|bytes| bytes.saturating_sub(ACTIVITY_BYTES_FREE));
    u64::try_from(beyond.fold(rows, usize::saturating_add)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
