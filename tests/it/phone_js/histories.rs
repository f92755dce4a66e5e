//! Random histories of stock JavaScript replicas, taken as the server takes them: after every change the states
//! read what Automerge reads. In every second one hostile writers write in between.

#[path = "../../../src/merge/tests/dice.rs"]
pub mod dice;
#[path = "../../../src/merge/tests/hostile.rs"]
mod hostile;

use std::collections::{HashMap, HashSet};

use automerge::{Automerge, Change};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::merge::Hash;
use daybook::merge::admit::Admission;
use daybook::merge::document;
use daybook::merge::replay::{Replay, compare};

use self::dice::Dice;
use self::hostile::Slots;
use super::number;
use crate::support::listening::node;

/// Histories of one run; `JS_HISTORIES` asks for more, from the seed `JS_FIRST` on.
const HISTORIES: u64 = 8;

/// What a comparison looked at.
#[derive(Debug, Default)]
struct Compared {
    histories: u64,
    changes: usize,
    hostile: usize,
    hostile_accepted: usize,
    readings: usize,
    slots: usize,
}

/// A daybook, and the same changes in Automerge.
#[derive(Default)]
struct Follower {
    daybook: Replay,
    oracle: Automerge,
    by_hash: HashMap<Hash, Change>,
    slots: Slots,
}

impl Follower {
    /// Takes a change as the server does, and compares. Tells what became of it.
    fn take(&mut self, change: Change, compared: &mut Compared) -> Result<Admission, String> {
        let raw = change.raw_bytes().to_vec();
        self.by_hash.insert(change.hash().0, change);
        let outcomes = self.daybook.push(&raw).map_err(|error| error.to_string())?;
        for (hash, outcome) in &outcomes {
            if let Admission::Accept { .. } = outcome {
                let accepted = self.by_hash[hash].clone();
                self.slots.learn(&accepted);
                self.oracle.apply_changes([accepted]).map_err(|error| error.to_string())?;
            }
        }
        let states = self.daybook.readings().map_err(|error| error.to_string())?;
        let read = document::read_all(&self.oracle).map_err(|error| error.to_string())?;
        compare(&states, &read).map_err(|error| error.to_string())?;
        compared.readings += read.len();
        compared.slots += read.values().map(|reading| reading.fields.len()).sum::<usize>();
        outcomes.into_iter().next().map(|(_, outcome)| outcome).ok_or_else(|| "no outcome".to_owned())
    }
}

/// Each history's changes, and the heads that the replicas merged to.
async fn histories(first: u64, count: u64) -> Vec<(Vec<Change>, Vec<String>)> {
    let arguments = ["--seed", &first.to_string(), "--histories", &count.to_string()];
    let printed = node("histories.mjs", &arguments).await;
    let (mut all, mut changes) = (Vec::new(), Vec::new());
    for line in printed.lines() {
        if line.starts_with('[') {
            let mut heads: Vec<String> = serde_json::from_str(line).expect("heads in JSON");
            heads.sort();
            all.push((std::mem::take(&mut changes), heads));
        } else {
            let bytes = URL_SAFE_NO_PAD.decode(line).expect("base64url");
            changes.push(Change::try_from(bytes.as_slice()).expect("a change"));
        }
    }
    all
}

/// Some order in which the changes may arrive: each after what it depends on.
fn causal_order(mut waiting: Vec<Change>, seed: u64) -> Vec<Change> {
    let mut dice = Dice::new(seed);
    let mut sent = HashSet::new();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|at| waiting[*at].deps().iter().all(|dep| sent.contains(dep)))
            .collect();
        let next = waiting.swap_remove(*dice.pick(&ready));
        sent.insert(next.hash());
        order.push(next);
    }
    order
}

/// Delivers a history change by change and compares after each.
fn follow(seed: u64, changes: Vec<Change>, heads: &[String], compared: &mut Compared) {
    let mut follower = Follower::default();
    let mut dice = Dice::new(seed);
    let hostile = seed % 2 == 1;
    let (mut accepted, mut written) = (changes.len(), 0);
    for change in causal_order(changes, seed) {
        compared.changes += 1;
        match follower.take(change, compared) {
            // A phone that writes as of an older version counts on from its whole document.
            Ok(Admission::Accept { .. } | Admission::Held(_)) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
        while hostile && dice.one_in(2) {
            let heads = follower.oracle.get_heads();
            written += 1;
            let Some(change) = follower.slots.change(&mut dice, written, &heads) else { break };
            compared.hostile += 1;
            match follower.take(change, compared) {
                Ok(Admission::Accept { .. }) => accepted += 1,
                Ok(Admission::Refused(_)) => continue,
                other => panic!("seed {seed}: {other:?}"),
            }
            compared.hostile_accepted += 1;
        }
    }
    assert_eq!(follower.daybook.accepted().len(), accepted, "seed {seed}: all honest ones");
    if !hostile {
        let mut ours: Vec<String> = follower.oracle.get_heads().iter().map(ToString::to_string).collect();
        ours.sort();
        assert_eq!(ours, heads, "seed {seed}: the replicas' merge");
    }
    follower.daybook.compare().expect("a document loaded at once reads the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn states_read_what_automerge_reads_of_stock_javascript() {
    let (first, count) = (number("JS_FIRST", 0), number("JS_HISTORIES", HISTORIES));
    let mut compared = Compared::default();
    for (seed, (changes, heads)) in (first..).zip(histories(first, count).await) {
        follow(seed, changes, &heads, &mut compared);
        compared.histories += 1;
    }
    println!("stock JavaScript from seed {first} on: {compared:?}, no difference");
    assert_eq!(compared.histories, count);
    assert!(compared.slots > 1_000, "{compared:?}");
}
