//! The reducer against Automerge, over random histories.

use std::collections::{BTreeMap, HashMap};

use automerge::{Automerge, Change};
use proptest::prelude::*;

use super::dice::Dice;
use super::figures::{Compared, number};
use super::hostile::Slots;
use super::phones::Phones;
use crate::domain::ids::ActivityId;
use crate::domain::reading::Reading;
use crate::merge::Hash;
use crate::merge::admit::Admission;
use crate::merge::replay::{Replay, compare};

/// A daybook, and the same changes in Automerge.
#[derive(Default)]
struct Follower {
    daybook: Replay,
    oracle: Automerge,
    by_hash: HashMap<Hash, Change>,
    slots: Slots,
}

impl Follower {
    /// Takes a change as the server does, and compares.
    fn take(&mut self, change: &Change, compared: &mut Compared) -> Result<Admission, String> {
        self.by_hash.insert(change.hash().0, change.clone());
        let outcomes = self.daybook.push(change.raw_bytes()).map_err(|error| error.to_string())?;
        for (hash, outcome) in &outcomes {
            if let Admission::Accept { .. } = outcome {
                let accepted = self.by_hash[hash].clone();
                self.slots.learn(&accepted);
                self.oracle.apply_changes([accepted]).map_err(|error| error.to_string())?;
            }
        }
        compared.compare(&self.daybook, &self.oracle)?;
        outcomes.into_iter().next().map(|(_, outcome)| outcome).ok_or_else(|| "no outcome".to_owned())
    }
}

/// Delivers a history one change at a time and compares after each; hostile writers write in between.
fn follow(seed: u64, steps: usize, hostile: bool, compared: &mut Compared) -> BTreeMap<ActivityId, Reading> {
    let mut phones = Phones::new(seed);
    phones.live(steps);
    let mut dice = Dice::new(seed ^ 0x0bad);
    let mut follower = Follower::default();
    let changes = phones.deliver();
    let (mut accepted, mut written) = (changes.len(), 0);
    for change in &changes {
        match follower.take(change, compared) {
            // A phone that edits the past counts on from its whole document.
            Ok(Admission::Accept { .. } | Admission::Held(_)) => compared.changes += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
        while hostile && dice.one_in(2) {
            let heads = follower.oracle.get_heads();
            written += 1;
            let Some(change) = follower.slots.change(&mut dice, written, &heads) else { break };
            compared.hostile += 1;
            match follower.take(&change, compared) {
                Ok(Admission::Accept { .. }) => {
                    compared.hostile_accepted += 1;
                    accepted += 1;
                }
                Ok(Admission::Refused(code)) => compared.refused(code),
                other => panic!("seed {seed}: {other:?} of {:?}", change.decode()),
            }
        }
    }
    assert_eq!(follower.daybook.accepted().len(), accepted, "seed {seed}: all honest ones");
    follower.daybook.compare().expect("a document loaded at once reads the same");
    compared.compare_winners(&follower.oracle);
    compared.histories += 1;
    follower.daybook.readings().expect("reads")
}

#[test]
fn states_read_what_automerge_reads_after_every_change() {
    let (first, count) = (number("FIRST", 0), number("HISTORIES", 25));
    let mut compared = Compared::default();
    for seed in first..first + count {
        follow(seed, 60, false, &mut compared);
    }
    println!("honest phones from seed {first} on: {compared:?}, no difference");
    assert!(compared.several > 100, "{compared:?}");
}

#[test]
fn whatever_hostile_writers_name_as_predecessors_states_read_what_automerge_reads() {
    let (first, count) = (number("FIRST", 0), number("HISTORIES", 25));
    let mut compared = Compared::default();
    for seed in first..first + count {
        follow(10_000 + seed, 30, true, &mut compared);
    }
    println!("hostile writers from seed {first} on: {compared:?}, no difference");
    assert!(compared.hostile_accepted * 2 > compared.hostile, "{compared:?}");
}

#[test]
fn readings_do_not_depend_on_the_order_of_delivery() {
    for seed in 1_000..1_020 {
        let mut phones = Phones::new(seed);
        phones.live(50);
        let mut read = || {
            let mut daybook = Replay::default();
            for change in phones.deliver() {
                daybook.push(change.raw_bytes()).expect("takes");
            }
            daybook.readings().expect("reads")
        };
        let first = read();
        for _ in 0..3 {
            compare(&first, &read()).expect("the same");
        }
    }
}

#[test]
fn what_arrives_too_early_waits_and_then_reads_the_same() {
    for seed in 2_000..2_020 {
        let mut phones = Phones::new(seed);
        phones.live(40);
        let mut changes = phones.deliver();
        let mut in_order = Replay::default();
        for change in &changes {
            in_order.push(change.raw_bytes()).expect("takes");
        }
        let mut shuffled = Replay::default();
        let mut dice = Dice::new(seed);
        for at in (1..changes.len()).rev() {
            changes.swap(at, dice.below(at + 1));
        }
        for change in &changes {
            shuffled.push(change.raw_bytes()).expect("takes");
        }
        assert_eq!(shuffled.held(), 0);
        assert_eq!(shuffled.accepted().len(), changes.len());
        compare(&in_order.readings().expect("reads"), &shuffled.readings().expect("reads"))
            .expect("the same");
    }
}

#[test]
fn sending_twice_changes_nothing() {
    let mut phones = Phones::new(3_000);
    phones.live(40);
    let changes = phones.deliver();
    let mut daybook = Replay::default();
    // All in one entry, as `saveSince` writes them.
    let entry: Vec<u8> = changes.iter().flat_map(|change| change.raw_bytes().to_vec()).collect();
    daybook.push(&entry).expect("takes");
    let before = daybook.readings().expect("reads");
    let again = daybook.push(&entry).expect("takes");
    assert_eq!(again.len(), changes.len());
    assert!(again.iter().all(|(_, outcome)| *outcome == Admission::Duplicate));
    compare(&before, &daybook.readings().expect("reads")).expect("the same");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_makes_the_readers_differ(seed in any::<u64>(), steps in 1_usize..50) {
        follow(seed, steps, seed % 2 == 0, &mut Compared::default());
    }
}
