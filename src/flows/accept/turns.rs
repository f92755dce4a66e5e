//! Which held changes may have their turn now. What waits for something that has not come is not even read:
//! there may be thousands of them.

use std::collections::{HashMap, HashSet, VecDeque};

use super::facts::unsigned;
use super::plan::Incoming;
use crate::domain::limits::{DAYBOOK_OPERATIONS_BASE, HELD_TAKEN_CHANGES_MAX, HELD_TAKEN_OPERATIONS_MAX};
use crate::merge::Hash;
use crate::merge::admit::HeldReason;
use crate::store::entity::daybook;
use crate::store::held::Waiting;

/// The hashes of held changes whose turn may have come, those first that can go first; as many as one
/// transaction looks at. `back` are those whose bringer is in the group again.
pub fn next(
    held: &[Waiting],
    back: &HashSet<Vec<u8>>,
    row: &daybook::Model,
    chunks: &[Incoming],
) -> Vec<Vec<u8>> {
    let push = Push::of(chunks);
    let room = push.room(row);
    let mut by_dependency: HashMap<&[u8], Vec<&Waiting>> = HashMap::new();
    for waiting in held {
        if let Some(first) = waiting.waits_for.as_deref().and_then(|missing| missing.get(..32)) {
            by_dependency.entry(first).or_default().push(waiting);
        }
    }
    let mut first: Vec<&Waiting> =
        held.iter().filter(|waiting| room.has(waiting) || back.contains(&waiting.hash)).collect();
    // Whatever a change builds on starts below it.
    first.sort_by_key(|waiting| waiting.start_op);
    let mut queue = VecDeque::from(first);
    for hash in push.hashes.iter().copied() {
        queue.extend(by_dependency.remove(hash).into_iter().flatten());
    }
    let (mut turn, mut seen, mut operations) = (Vec::new(), HashSet::new(), 0_u64);
    while let Some(waiting) = queue.pop_front() {
        if !seen.insert(waiting.hash.as_slice()) {
            continue;
        }
        let more = operations_of(waiting);
        let full = turn.len() >= HELD_TAKEN_CHANGES_MAX
            || (operations.saturating_add(more) > HELD_TAKEN_OPERATIONS_MAX && !turn.is_empty());
        if full {
            break;
        }
        operations = operations.saturating_add(more);
        turn.push(waiting.hash.clone());
        queue.extend(by_dependency.remove(waiting.hash.as_slice()).into_iter().flatten());
    }
    turn
}

/// The hashes of held changes that had no turn, though what they wait for is settled now: there were too many.
pub fn left<'a>(
    held: impl Iterator<Item = &'a Waiting>,
    looked_at: &HashSet<Hash>,
    settled: &HashSet<&[u8]>,
) -> Vec<Vec<u8>> {
    let left = held.filter(|waiting| {
        let first = waiting.waits_for.as_deref().and_then(|missing| missing.get(..32));
        let had_turn = waiting.hash.as_slice().try_into().is_ok_and(|hash: Hash| looked_at.contains(&hash));
        !had_turn && first.is_some_and(|first| settled.contains(first))
    });
    left.map(|waiting| waiting.hash.clone()).collect()
}

/// What a row from before operations were counted weighs is not known; its bytes are the better guess.
fn operations_of(waiting: &Waiting) -> u64 {
    unsigned(waiting.operations.unwrap_or(waiting.bytes_count))
}

/// Whether one of these that was not looked at, and waits for no other change, may go in a daybook with such room.
pub fn any_may_go<'a>(
    held: impl Iterator<Item = &'a Waiting>,
    looked_at: &HashSet<Hash>,
    room: &Room,
) -> bool {
    let mut left = held.filter(|waiting| {
        !waiting.hash.as_slice().try_into().is_ok_and(|hash: Hash| looked_at.contains(&hash))
    });
    left.any(|waiting| room.has(waiting))
}

/// What a push may add to its daybook.
struct Push<'a> {
    hashes: Vec<&'a [u8]>,
    operations: u64,
    bytes: u64,
}

impl<'a> Push<'a> {
    fn of(chunks: &'a [Incoming]) -> Self {
        let mut push = Self { hashes: Vec::new(), operations: 0, bytes: 0 };
        for chunk in chunks {
            match chunk {
                Incoming::Change(change) => {
                    push.hashes.push(&change.hash);
                    push.operations = push.operations.saturating_add(change.operations());
                    push.bytes = push.bytes.saturating_add(change.size());
                }
                Incoming::Refused(refused) => push.hashes.push(&refused.hash),
                Incoming::Known(_) | Incoming::Unread(_) => {}
            }
        }
        push
    }

    /// The daybook after this push, if all of it is accepted.
    fn room(&self, row: &daybook::Model) -> Room {
        Room {
            max_op: unsigned(row.max_op).saturating_add(self.operations),
            operations: unsigned(row.operations),
            raw_bytes: unsigned(row.raw_bytes).saturating_add(self.bytes),
        }
    }
}

/// How far a daybook has come, for changes that wait for it to grow.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    pub max_op: u64,
    pub operations: u64,
    pub raw_bytes: u64,
}

impl Room {
    /// Whether a change that waits for no other one may go.
    fn has(&self, waiting: &Waiting) -> bool {
        if waiting.waits_for.is_some() {
            return false;
        }
        match HeldReason::parse(&waiting.reason) {
            Some(HeldReason::StartOpAhead) => {
                let reach = self.max_op.saturating_add(1);
                waiting.start_op.is_none_or(|start| unsigned(start) <= reach)
            }
            Some(HeldReason::Quota) => {
                let most = DAYBOOK_OPERATIONS_BASE
                    .saturating_add(self.raw_bytes)
                    .saturating_add(unsigned(waiting.bytes_count));
                self.operations.saturating_add(operations_of(waiting)) <= most
            }
            Some(HeldReason::LeftGroup) => false,
            Some(HeldReason::MissingDependency) | None => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::merge::RefusalCode;

    fn row(max_op: i64, operations: i64, raw_bytes: i64) -> daybook::Model {
        daybook::Model {
            neighbourhood_id: Uuid::nil(),
            id: Uuid::nil(),
            party_id: Uuid::nil(),
            position: 1,
            chain: Vec::new(),
            heads: Vec::new(),
            max_op,
            operations,
            raw_bytes,
            revision: 1,
            gone_at_ms: None,
            created_at_ms: 0,
            held_changes: None,
            refused_changes: None,
            compact_at_raw_bytes: None,
            compaction_alarm: None,
        }
    }

    fn waiting(hash: u8, waits_for: Option<u8>, reason: HeldReason) -> Waiting {
        Waiting {
            daybook_id: Uuid::nil(),
            hash: vec![hash; 32],
            reason: reason.as_str().to_owned(),
            bytes_count: 100,
            grant_id: None,
            received_at_ms: 0,
            waits_for: waits_for.map(|hash| vec![hash; 32]),
            start_op: Some(10),
            operations: Some(1_000),
            expires_at_ms: None,
        }
    }

    fn pushed(hash: u8) -> Incoming {
        let refused = super::super::plan::Refused {
            hash: [hash; 32],
            code: RefusalCode::Unreadable,
            detail: String::new(),
            bytes: Vec::new(),
        };
        Incoming::Refused(std::sync::Arc::new(refused))
    }

    fn turn(held: &[Waiting], row: &daybook::Model, chunks: &[Incoming]) -> Vec<u8> {
        next(held, &HashSet::new(), row, chunks).iter().map(|hash| hash[0]).collect()
    }

    #[test]
    fn only_what_the_push_may_complete_has_its_turn() {
        use HeldReason::MissingDependency as Missing;
        let held = [
            waiting(5, Some(4), Missing),
            waiting(4, Some(3), Missing),
            waiting(7, Some(6), Missing),
            waiting(8, None, Missing),
        ];
        let row = row(0, 0, 0);
        assert_eq!(turn(&held, &row, &[]), [8], "what waits for its turn only");
        assert_eq!(turn(&held, &row, &[pushed(3)]), [8, 4, 5], "and what builds on that, in order");
        assert_eq!(turn(&held, &row, &[pushed(9)]), [8]);
    }

    #[test]
    fn what_waits_for_the_daybook_to_grow_has_its_turn_when_it_has() {
        let ahead = [waiting(1, None, HeldReason::StartOpAhead)];
        assert_eq!(turn(&ahead, &row(8, 0, 0), &[]), Vec::<u8>::new());
        assert_eq!(turn(&ahead, &row(9, 0, 0), &[]), [1]);
        let quota = [waiting(1, None, HeldReason::Quota)];
        let base = i64::try_from(DAYBOOK_OPERATIONS_BASE).expect("small");
        assert_eq!(turn(&quota, &row(0, base - 899, 0), &[]), Vec::<u8>::new());
        assert_eq!(turn(&quota, &row(0, base - 900, 0), &[]), [1]);
        assert_eq!(turn(&quota, &row(0, base - 899, 1), &[]), [1]);
    }

    #[test]
    fn the_work_of_who_has_left_has_its_turn_when_they_are_back_what_starts_first_first() {
        let mut held = [1, 2, 3].map(|hash| waiting(hash, None, HeldReason::LeftGroup));
        (held[0].start_op, held[1].start_op) = (Some(12), Some(11));
        let row = row(100, 0, 0);
        assert_eq!(turn(&held, &row, &[]), Vec::<u8>::new());
        let back: HashSet<Vec<u8>> = [vec![1; 32], vec![2; 32]].into();
        assert_eq!(next(&held, &back, &row, &[]), [vec![2; 32], vec![1; 32]]);
    }

    #[test]
    fn those_left_over_have_their_turn_next() {
        use HeldReason::MissingDependency as Missing;
        let held = [waiting(4, Some(3), Missing), waiting(5, Some(4), Missing), waiting(6, Some(9), Missing)];
        let left = left(held.iter(), &[[4; 32]].into(), &[[3_u8; 32].as_slice(), &[4; 32]].into());
        assert_eq!(left, [vec![5; 32]]);
    }

    #[test]
    fn no_more_have_their_turn_than_one_transaction_looks_at() {
        let heavy: Vec<Waiting> =
            (0..100).map(|hash| waiting(hash, None, HeldReason::MissingDependency)).collect();
        assert_eq!(turn(&heavy, &row(0, 0, 0), &[]).len(), 50, "1,000 operations each");
        let mut one = waiting(1, None, HeldReason::MissingDependency);
        one.operations = Some(1_000_000);
        assert_eq!(turn(&[one], &row(0, 0, 0), &[]), [1], "a large one has its turn as well, alone");
    }
}
