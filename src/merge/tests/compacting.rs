//! Snapshots of random histories, proved; and what may not pass for one.

use std::collections::BTreeSet;

use automerge::Automerge;

use super::phones::Phones;
use crate::domain::ids::{DaybookId, NeighbourhoodId};
use crate::domain::limits::DOCUMENT_RECEIVED_BYTES_MAX;
use crate::merge::Hash;
use crate::merge::compact::{CompactError, Snapshot, Source, changes_of, compact};
use crate::merge::cursor::{CHAIN_START, chain_next};
use crate::merge::guard::{Chunk, inspect};
use crate::merge::loaded::{Base, Documents, Loaded};
use crate::merge::replay::Replay;

fn hash_of(bytes: &[u8]) -> Hash {
    match inspect(bytes).remove(0) {
        Chunk::Change(change) => change.hash,
        refused @ Chunk::Refused { .. } => panic!("{refused:?}"),
    }
}

/// What a daybook holds, with a snapshot of its first changes.
fn source(daybook: &Replay, before: Option<(usize, &Snapshot)>) -> Source {
    let all: Vec<(Hash, Vec<u8>)> =
        daybook.accepted().iter().map(|bytes| (hash_of(bytes), bytes.clone())).collect();
    let document = daybook.document().expect("a document");
    Source {
        hashes: all.iter().map(|(hash, _)| *hash).collect(),
        heads: document.get_heads().into_iter().map(|head| head.0).collect(),
        states: daybook.states().clone(),
        changes: all.into_iter().skip(before.map_or(0, |(count, _)| count)).collect(),
        snapshot: before.map(|(_, snapshot)| snapshot.bytes.clone()),
    }
}

fn history(seed: u64) -> Replay {
    let mut phones = Phones::new(seed);
    phones.live(60);
    let mut daybook = Replay::default();
    for change in phones.deliver() {
        daybook.push(change.raw_bytes()).expect("takes");
    }
    daybook
}

#[test]
fn a_snapshot_gives_back_every_change_and_reads_as_the_states() {
    for seed in 2_000..2_012 {
        let mut phones = Phones::new(seed);
        phones.live(60);
        let changes = phones.deliver();
        let mut daybook = Replay::default();
        let mut before: Option<(usize, Snapshot)> = None;
        for (at, change) in changes.iter().enumerate() {
            daybook.push(change.raw_bytes()).expect("takes");
            if at % 9 != 8 {
                continue;
            }
            let source = source(&daybook, before.as_ref().map(|(count, snapshot)| (*count, snapshot)));
            let snapshot = compact(&source).unwrap_or_else(|error| panic!("seed {seed}, {at}: {error}"));
            assert_eq!(snapshot.without_state, BTreeSet::new());
            let back = changes_of(&snapshot.bytes).expect("its changes");
            assert_eq!(back.len(), daybook.accepted().len());
            for bytes in daybook.accepted() {
                assert_eq!(back.get(&hash_of(bytes)), Some(bytes), "seed {seed}");
            }
            before = Some((daybook.accepted().len(), snapshot));
        }
        assert!(before.is_some_and(|(count, _)| count > 9), "seed {seed} shows little");
    }
}

#[test]
fn what_differs_is_no_snapshot() {
    let daybook = history(3_001);
    let whole = || source(&daybook, None);
    assert!(compact(&whole()).is_ok());

    let mut heads = whole();
    heads.heads.insert([7; 32]);
    assert_eq!(compact(&heads), Err(CompactError::Heads));

    let mut more = whole();
    more.hashes.insert([7; 32]);
    assert_eq!(compact(&more), Err(CompactError::Changes));
    let mut other = whole();
    let one = *other.hashes.iter().next().expect("changes");
    other.hashes.remove(&one);
    other.hashes.insert([7; 32]);
    assert_eq!(compact(&other), Err(CompactError::Changes));

    let mut bytes = whole();
    bytes.changes[0].0 = bytes.changes[1].0;
    assert_eq!(compact(&bytes), Err(CompactError::Bytes));

    let mut missing = whole();
    missing.changes.remove(0);
    assert!(matches!(compact(&missing), Err(CompactError::Document(_))));

    let mut bent = whole();
    let (first, last) =
        (*bent.states.keys().next().expect("one"), *bent.states.keys().last().expect("another"));
    assert_ne!(first, last);
    bent.states.insert(first, daybook.states()[&last].clone());
    assert_eq!(compact(&bent), Err(CompactError::Reading(first)));
    bent.states.insert(first, vec![0]);
    assert!(matches!(compact(&bent), Err(CompactError::State(_))));

    let mut elsewhere = whole();
    elsewhere.states.remove(&last);
    assert_eq!(compact(&elsewhere).expect("a snapshot").without_state, BTreeSet::from([last]));
}

#[test]
fn a_document_in_memory_is_named_by_the_changes_in_it() {
    let daybook = history(3_002);
    let all: Vec<(Hash, Vec<u8>)> =
        daybook.accepted().iter().map(|bytes| (hash_of(bytes), bytes.clone())).collect();
    let half = all.len() / 2;
    let chain = |changes: &[(Hash, Vec<u8>)]| {
        changes.iter().fold(CHAIN_START, |chain, (hash, _)| chain_next(&chain, hash))
    };
    let first = Loaded::open(None, all[..half].to_vec()).expect("loads");
    assert_eq!((first.position(), first.chain()), (half as u64, &chain(&all[..half])));
    let mut document = Automerge::new();
    document
        .load_incremental(&all[..half].iter().flat_map(|(_, bytes)| bytes.clone()).collect::<Vec<_>>())
        .expect("loads");
    let base = Base { position: half as u64, chain: chain(&all[..half]), bytes: document.save() };
    let from_snapshot = Loaded::open(Some(&base), all[half..].to_vec()).expect("loads");
    let whole = first.extend(all[half..].to_vec()).expect("extends");
    assert_eq!((whole.position(), whole.chain()), (from_snapshot.position(), from_snapshot.chain()));
    assert_eq!(whole.chain(), &chain(&all));
}

#[test]
fn the_cache_keeps_to_its_bytes_and_lets_go_of_what_grew_by_a_large_history() {
    let ids = |n: u128| (NeighbourhoodId(uuid::Uuid::from_u128(1)), DaybookId(uuid::Uuid::from_u128(n)));
    let daybook = history(3_003);
    let open = || {
        let all = daybook.accepted().iter().map(|bytes| (hash_of(bytes), bytes.clone()));
        Loaded::open(None, all.collect::<Vec<_>>()).expect("loads")
    };
    let one = open().bytes();
    let documents = Documents::new(one * 3);
    for n in 0..10 {
        let (neighbourhood, id) = ids(n);
        documents.keep(neighbourhood, id, open());
        assert!(documents.bytes() <= one * 3, "{} bytes", documents.bytes());
    }
    let kept: Vec<u128> = (0..10).filter(|n| documents.take(ids(*n).0, ids(*n).1).is_some()).collect();
    assert!(!kept.is_empty() && kept.len() <= 3, "{kept:?}");
    assert!(documents.take(ids(kept[0]).0, ids(kept[0]).1).is_none(), "one works with it at a time");

    let documents = Documents::new(u64::MAX);
    let received: usize = daybook.accepted().iter().map(Vec::len).sum();
    let repeated = DOCUMENT_RECEIVED_BYTES_MAX as usize / received;
    for (times, kept) in [(repeated, true), (repeated + 1, false)] {
        let all: Vec<_> = daybook.accepted().iter().map(|bytes| (hash_of(bytes), bytes.clone())).collect();
        let mut loaded = Loaded::open(None, all.clone()).expect("loads");
        for _ in 1..times {
            loaded = loaded.extend(all.clone()).expect("what is there already changes nothing");
        }
        documents.keep(ids(0).0, ids(0).1, loaded);
        assert_eq!(documents.take(ids(0).0, ids(0).1).is_some(), kept, "{times} times {received} bytes");
    }
}
