//! Mutants of honest changes, and changes of hostile writers, into a daybook in memory: guard, admit, reduce. What
//! is taken must read as Automerge reads it, and leave a document that can be saved and loaded.

#![no_main]

#[path = "../../src/merge/tests/dice.rs"]
mod dice;
#[path = "../../src/merge/tests/hostile.rs"]
mod hostile;
#[path = "../../src/merge/tests/mutate.rs"]
mod mutate;
#[path = "../panics.rs"]
mod panics;
#[path = "../../src/merge/tests/phones.rs"]
mod phones;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use automerge::{Automerge, Change};
use daybook_fuzz::merge::admit::Admission;
use daybook_fuzz::merge::replay::Replay;
use dice::Dice;
use hostile::Slots;
use libfuzzer_sys::fuzz_target;

/// Steps of the honest history.
const STEPS: usize = 12;
/// Histories there are.
const HISTORIES: usize = 64;

/// An honest history, and the daybook before each of its changes.
struct History {
    changes: Vec<Change>,
    parts: mutate::Parts,
    before: Vec<Replay>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut phones = phones::Phones::new(seed);
        phones.live(STEPS);
        let changes = phones.deliver();
        let mut daybook = Replay::default();
        let mut before = Vec::new();
        for change in &changes {
            before.push(daybook.clone());
            daybook.push(change.raw_bytes()).expect("takes");
        }
        Self { parts: mutate::Parts::of(&changes), changes, before }
    }

    fn hostile(&self, dice: &mut Dice, at: usize) -> Option<Change> {
        let mut slots = Slots::default();
        self.changes[..at].iter().for_each(|change| slots.learn(change));
        let heads = self.before[at].document().expect("loads").get_heads();
        slots.change(dice, 1, &heads)
    }
}

thread_local! {
    static KNOWN: RefCell<HashMap<usize, Rc<History>>> = RefCell::default();
}

fn history(seed: usize) -> Rc<History> {
    let new = || Rc::new(History::new(seed as u64));
    KNOWN.with(|known| Rc::clone(known.borrow_mut().entry(seed).or_insert_with(new)))
}

fuzz_target!(init: panics::are_ours_only(), |thrown: &[u8]| {
    let mut dice = Dice::from_bytes(thrown, 7);
    let history = history(dice.below(HISTORIES));
    if history.changes.is_empty() {
        return;
    }
    let at = dice.below(history.changes.len());
    let change = if dice.one_in(2) {
        history.hostile(&mut dice, at)
    } else {
        mutate::mutant(&mut dice, &history.parts, &history.changes[at])
    };
    let Some(change) = change else { return };
    let mut daybook = history.before[at].clone();
    let outcomes = daybook.push(change.raw_bytes()).expect("an outcome");
    if !matches!(outcomes.as_slice(), [(_, Admission::Accept { .. } | Admission::Held(_)), ..]) {
        return;
    }
    for honest in &history.changes[at..] {
        daybook.push(honest.raw_bytes()).expect("an outcome");
    }
    daybook.compare().expect("reads as Automerge does");
    let document = daybook.document().expect("loads");
    let again = Automerge::load(&document.save()).expect("loads what was saved");
    assert_eq!(again.get_heads(), document.get_heads());
});
