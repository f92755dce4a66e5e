//! Random histories of stock JavaScript replicas, taken as the server takes them: after every change the states
//! read what Automerge reads.

use std::collections::{HashMap, HashSet};

use automerge::{Automerge, Change};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daybook::merge::admit::Admission;
use daybook::merge::document;
use daybook::merge::replay::{Replay, compare};

use crate::support::listening::node;

/// Histories of one run; `JS_HISTORIES` asks for more, from the seed `JS_FIRST` on.
const HISTORIES: u64 = 8;

/// What a comparison looked at.
#[derive(Debug, Default)]
struct Compared {
    histories: u64,
    changes: usize,
    readings: usize,
    slots: usize,
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
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
    let mut dice = seed;
    let mut sent = HashSet::new();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let ready: Vec<usize> = (0..waiting.len())
            .filter(|at| waiting[*at].deps().iter().all(|dep| sent.contains(dep)))
            .collect();
        dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let next = waiting.swap_remove(ready[usize::try_from(dice >> 33).expect("32 bits") % ready.len()]);
        sent.insert(next.hash());
        order.push(next);
    }
    order
}

/// Delivers a history change by change and compares after each.
fn follow(seed: u64, changes: Vec<Change>, heads: &[String], compared: &mut Compared) {
    let by_hash: HashMap<_, _> = changes.iter().map(|change| (change.hash().0, change.clone())).collect();
    let (mut daybook, mut oracle) = (Replay::default(), Automerge::new());
    for change in causal_order(changes, seed) {
        for (hash, outcome) in daybook.push(change.raw_bytes()).expect("takes") {
            match outcome {
                Admission::Accept { .. } => oracle.apply_changes([by_hash[&hash].clone()]).expect("applies"),
                // A phone that writes as of an older version counts on from its whole document.
                Admission::Held(_) => {}
                other => panic!("seed {seed}: {other:?}"),
            }
        }
        let (states, read) =
            (daybook.readings().expect("reads"), document::read_all(&oracle).expect("reads"));
        if let Err(error) = compare(&states, &read) {
            panic!("seed {seed}: {error}");
        }
        compared.changes += 1;
        compared.readings += read.len();
        compared.slots += read.values().map(|reading| reading.fields.len()).sum::<usize>();
    }
    assert_eq!(daybook.accepted().len(), by_hash.len(), "seed {seed}: all are honest");
    let mut ours: Vec<String> = oracle.get_heads().iter().map(ToString::to_string).collect();
    ours.sort();
    assert_eq!(ours, heads, "seed {seed}: the replicas' merge");
    daybook.compare().expect("a document loaded at once reads the same");
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
