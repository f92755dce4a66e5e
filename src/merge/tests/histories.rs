//! The reducer against Automerge, over random histories.

use std::collections::{BTreeMap, HashMap};

use automerge::{Automerge, Change};
use proptest::prelude::*;

use super::phones::{Dice, Phones};
use crate::domain::ids::ActivityId;
use crate::domain::reading::Reading;
use crate::merge::Hash;
use crate::merge::admit::Admission;
use crate::merge::document;
use crate::merge::replay::{Replay, compare};

/// Delivers a history one change at a time and compares after each.
fn follow(seed: u64, steps: usize) -> BTreeMap<ActivityId, Reading> {
    let mut phones = Phones::new(seed);
    phones.live(steps);
    let mut daybook = Replay::default();
    let mut oracle = Automerge::new();
    let changes = phones.deliver();
    let by_hash: HashMap<Hash, &Change> = changes.iter().map(|change| (change.hash().0, change)).collect();
    for change in &changes {
        for (hash, outcome) in daybook.push(change.raw_bytes()).expect("takes") {
            match outcome {
                Admission::Accept { .. } => oracle.apply_changes([by_hash[&hash].clone()]).expect("applies"),
                // A phone that edits the past counts on from its whole document.
                Admission::Held(_) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        let readings = daybook.readings().expect("reads");
        if let Err(error) = compare(&readings, &document::read_all(&oracle).expect("reads")) {
            panic!("seed {seed}: {error}");
        }
    }
    assert_eq!(daybook.accepted().len(), changes.len(), "seed {seed}: all are honest");
    daybook.compare().expect("a document loaded at once reads the same");
    daybook.readings().expect("reads")
}

#[test]
fn states_read_what_automerge_reads_after_every_change() {
    let seeds = std::env::var("HISTORIES").ok().and_then(|count| count.parse().ok()).unwrap_or(25);
    let first = std::env::var("FIRST").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        follow(seed, 60);
    }
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
        let mut dice = Dice(seed);
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
        follow(seed, steps);
    }
}
