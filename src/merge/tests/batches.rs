//! Facts loaded once for a whole push, as the server does it, and not change by change.

use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ObjType, ROOT};

use super::dice::Dice;
use super::phones::Phones;
use crate::merge::admit::{ActorLast, Admission, Facts, References, admit, references};
use crate::merge::guard::{Checked, Chunk, inspect};
use crate::merge::{Actor, Hash, OpId};

fn checked(change: &Change) -> Checked {
    match inspect(change.raw_bytes()).remove(0) {
        Chunk::Change(checked) => *checked,
        refused => panic!("{refused:?}"),
    }
}

/// Rows of accepted changes.
#[derive(Default)]
struct Table {
    rows: Vec<(Checked, Vec<u8>)>,
    /// Nodes loaded for the graph.
    graph: usize,
}

impl Table {
    fn facts(&mut self, changes: &[Checked]) -> Facts {
        let max_op = self.rows.iter().map(|(change, _)| change.max_op).max().unwrap_or(0);
        let mut facts = Facts::new(self.rows.len() as u64, max_op);
        let wanted = references(changes);
        let (ranges, named) = (wanted.ranges(), wanted.named());
        for (position, (row, objects)) in (1..).zip(&self.rows) {
            if wanted.hashes.contains(&row.hash) {
                facts.add_known(row.hash, position, row.max_op, objects).expect("readable");
            }
            if wanted.actors.contains(&row.actor) {
                let last = ActorLast { seq: row.seq, max_op: row.max_op, position };
                facts.actors.insert(row.actor.clone(), last);
            }
            let covers = |(actor, from, to): (&Actor, u64, u64)| {
                *actor == row.actor && row.start_op <= to && row.max_op >= from && !row.ops.is_empty()
            };
            let asked = ranges.iter().any(covers);
            assert_eq!(
                ranges.overlap(&row.actor, row.start_op, row.max_op),
                asked,
                "both ways to look it up"
            );
            if asked {
                facts.add_named(&row.actor, row.start_op, position, objects, &named).expect("readable");
            }
        }
        if let Some(after) = facts.graph_after(changes) {
            for (position, (row, objects)) in (1..).zip(&self.rows).filter(|(position, _)| *position > after)
            {
                facts.add_node(row.hash, position, objects).expect("readable");
                self.graph += 1;
            }
        }
        facts
    }

    /// Accepts what can be accepted; the rest comes back.
    fn push(&mut self, changes: &[Checked]) -> Vec<(Hash, Admission)> {
        let mut facts = self.facts(changes);
        let mut outcomes = Vec::new();
        for change in changes {
            match admit(&mut facts, change) {
                Admission::Accept { objects } => self.rows.push((change.clone(), objects)),
                Admission::Unverified => {
                    facts.verified.insert(change.hash);
                    let Admission::Accept { objects } = admit(&mut facts, change) else { panic!("verified") };
                    self.rows.push((change.clone(), objects));
                }
                other => outcomes.push((change.hash, other)),
            }
        }
        outcomes
    }
}

#[test]
fn honest_pushes_of_any_size_are_accepted_whole() {
    for seed in 5_000..5_030 {
        let mut phones = Phones::new(seed);
        phones.live(60);
        let mut waiting: Vec<Checked> = phones.deliver().iter().map(checked).collect();
        let all = waiting.len();
        let mut table = Table::default();
        let mut dice = Dice::new(seed);
        while !waiting.is_empty() {
            let size = (1 + dice.below(12)).min(waiting.len());
            let part: Vec<Checked> = waiting.drain(..size).collect();
            for (hash, outcome) in table.push(&part) {
                assert!(matches!(outcome, Admission::Held(_)), "seed {seed}: {outcome:?}");
                waiting.extend(part.iter().find(|change| change.hash == hash).cloned());
            }
        }
        assert_eq!(table.rows.len(), all, "seed {seed}");
    }
}

#[test]
fn a_phone_that_has_everything_never_needs_the_graph() {
    let mut table = Table::default();
    let mut phone = AutoCommit::new();
    for start in 0..10_u8 {
        // A fresh actor at every start of the app.
        phone.set_actor(ActorId::from(vec![start; 16]));
        let before = phone.get_heads();
        for _ in 0..5 {
            let map =
                phone.put_object(ROOT, "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01", ObjType::Map).expect("puts");
            phone.put(&map, "kind", "hours").expect("puts");
            phone.commit();
        }
        let changes: Vec<Checked> = phone.get_changes(&before).iter().map(checked).collect();
        assert!(table.push(&changes).is_empty());
    }
    assert_eq!((table.rows.len(), table.graph), (50, 0));
}

#[test]
fn what_waits_does_not_load_the_graph() {
    let mut phone = AutoCommit::new();
    let mut changes = Vec::new();
    for value in 0..20 {
        phone.put(ROOT, "a", value).expect("puts");
        changes.push(checked(&phone.get_last_local_change().expect("a change")));
    }
    let mut table = Table::default();
    table.push(&changes[..10]);
    // The eleventh is missing.
    let facts = table.facts(&changes[11..]);
    assert_eq!(facts.graph_after(&changes[11..]), None);
    // In any order, once it is there.
    let backwards: Vec<Checked> = changes[10..].iter().rev().cloned().collect();
    assert_eq!(table.facts(&backwards).graph_after(&backwards), None);
}

#[test]
fn a_fork_in_the_same_push_does_not_hide_what_it_forks() {
    let mut phone = AutoCommit::new();
    let map = phone.put_object(ROOT, "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01", ObjType::Map).expect("puts");
    let first = phone.get_last_local_change().expect("a change");
    phone.put(&map, "kind", "hours").expect("puts");
    let second = checked(&phone.get_last_local_change().expect("a change"));
    let mut fork = first.decode();
    fork.message = Some("fork".to_owned());
    let fork = checked(&Change::from(fork));
    let mut table = Table::default();
    table.push(&[checked(&first)]);
    assert!(matches!(table.push(&[fork, second]).as_slice(), [(_, Admission::Refused(_))]));
    assert_eq!(table.rows.len(), 2);
}

#[test]
fn deleting_a_long_text_asks_for_one_range() {
    let mut phone = AutoCommit::new();
    let text = phone.put_object(ROOT, "note", ObjType::Text).expect("puts");
    phone.splice_text(&text, 0, 0, &"a".repeat(1_000)).expect("splices");
    phone.commit();
    phone.splice_text(&text, 0, 1_000, "").expect("splices");
    let change = checked(&phone.get_last_local_change().expect("a change"));
    let wanted = references([&change]);
    assert!(wanted.op_ids.len() > 1_000);
    assert_eq!(wanted.ranges().count(), 1);
}

#[test]
fn ranges_overlap_the_changes_that_hold_what_is_asked_for_and_no_others() {
    let (one, other) = (Actor::new(&[1; 16]), Actor::new(&[2; 16]));
    let id = |counter, actor: &Actor| OpId { counter, actor: actor.clone() };
    let op_ids = [id(100, &one), id(116, &one), id(200, &one), id(110, &other)].into();
    let ranges = References { op_ids, ..References::default() }.ranges();
    let all: Vec<_> = ranges.iter().collect();
    assert_eq!(all, [(&one, 100, 116), (&one, 200, 200), (&other, 110, 110)], "17 apart is apart");
    assert_eq!(ranges.count(), 3);
    for (start, max, holds) in [
        (1, 99, false),
        (1, 100, true),
        (116, 116, true),
        (117, 199, false),
        (117, 200, true),
        (200, 900, true),
        (201, 900, false),
        // An empty change holds nothing, wherever it stands.
        (110, 109, false),
    ] {
        assert_eq!(ranges.overlap(&one, start, max), holds, "{start} to {max}");
    }
    assert!(ranges.overlap(&other, 110, 110) && !ranges.overlap(&Actor::new(&[3; 16]), 1, 900));
}
