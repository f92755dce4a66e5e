//! Hostile changes: mutants of honest ones. What is let through must leave a sound document.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::legacy::{ObjectId, OpId};
use automerge::transaction::Transactable;
use automerge::{AutoCommit, Automerge, Change, ROOT};

use super::dice::Dice;
use super::figures::number;
use super::mutate::{Parts, mutant};
use super::phones::Phones;
use crate::merge::admit::Admission;
use crate::merge::document::{self, DocumentError};
use crate::merge::guard::{self, Chunk};
use crate::merge::replay::{Replay, ReplayError};
use crate::merge::{Hash, RefusalCode};

/// Mutants of one run; `make mutants` asks for 100,000 with `MUTANTS`.
const MUTANTS: u64 = 1_500;
/// Mutants of one change.
const EACH: usize = 12;
/// Changes of one history that mutants are made of.
const PLACES: usize = 6;

/// Everything anybody does with a document later still works. Tells how many fields were compared.
fn assert_sound(daybook: &Replay, what: &str) -> Result<usize, String> {
    let fail = |error: &dyn std::fmt::Display| format!("{what}: {error}");
    let document = daybook.document().map_err(|error| fail(&error))?;
    daybook.compare().map_err(|error| fail(&error))?;
    let heads = document.get_heads();
    let all = document.get_changes(&[]).len();
    let again = catch_unwind(AssertUnwindSafe(|| Automerge::load(&document.save())))
        .map_err(|_| fail(&"load panicked"))?
        .map_err(|error| fail(&error))?;
    if again.get_heads() != heads || again.get_changes(&[]).len() != all {
        return Err(fail(&"other heads after save and load"));
    }
    let stored = document::read_all(&again).map_err(|error| fail(&error))?;
    crate::merge::replay::compare(&stored, &daybook.readings().map_err(|error| fail(&error))?)
        .map_err(|error| fail(&error))?;
    catch_unwind(AssertUnwindSafe(|| edit(&document))).map_err(|_| fail(&"editing panicked"))??;
    Ok(stored.values().map(|reading| reading.fields.len()).sum())
}

/// A phone takes the document in two parts and goes on writing.
fn edit(document: &Automerge) -> Result<(), String> {
    let mut phone = AutoCommit::new();
    let changes = document.get_changes(&[]);
    for half in changes.chunks(changes.len() / 2 + 1) {
        phone.apply_changes(half.to_vec()).map_err(|error| error.to_string())?;
    }
    phone.put(ROOT, "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01", 1).map_err(|error| error.to_string())?;
    phone.commit();
    let mut other = AutoCommit::load(&document.save()).map_err(|error| error.to_string())?;
    other.merge(&mut phone).map_err(|error| error.to_string())?;
    if other.get_heads() == phone.get_heads() { Ok(()) } else { Err("phones differ".to_owned()) }
}

/// What became of the mutants.
#[derive(Debug, Default)]
struct Figures {
    made: u64,
    encodable: u64,
    refused: BTreeMap<&'static str, u64>,
    held: u64,
    duplicate: u64,
    accepted: u64,
    /// Fields of the documents that accepted mutants ended in, read both ways.
    slots: usize,
    /// Honest changes sent beside them.
    honest: u64,
}

/// Pushes; a panic is our own failure.
fn push(daybook: &mut Replay, change: &Change) -> Result<Vec<(Hash, Admission)>, String> {
    let outcomes = catch_unwind(AssertUnwindSafe(|| daybook.push(change.raw_bytes())));
    let outcomes: Result<_, ReplayError> = outcomes.map_err(|_| "a panic escaped".to_owned())?;
    outcomes.map_err(|error| error.to_string())
}

impl Figures {
    /// One mutant of the next change into a copy of the daybook, then the honest rest.
    fn add(
        &mut self,
        mut daybook: Replay,
        mutant: &Change,
        rest: &[Change],
        check: bool,
    ) -> Result<(), String> {
        self.encodable += 1;
        let first = push(&mut daybook, mutant)?.into_iter().next();
        let (hash, first) = first.ok_or("no outcome")?;
        // Now or once what it waits for is there.
        let taken = matches!(first, Admission::Accept { .. } | Admission::Held(_));
        match first {
            Admission::Refused(code) => *self.refused.entry(code.as_str()).or_default() += 1,
            Admission::Held(_) => self.held += 1,
            Admission::Duplicate => self.duplicate += 1,
            Admission::Accept { .. } => self.accepted += 1,
            Admission::Unverified => return Err("undecided".to_owned()),
        }
        if !taken && !check {
            return Ok(());
        }
        for change in rest {
            self.honest += 1;
            // Where the mutant took an honest change's place, that one is a fork.
            let forked = [RefusalCode::ActorFork, RefusalCode::OnRefused];
            let refused = push(&mut daybook, change)?.into_iter().find(|(of, outcome)| {
                *of != hash
                    && matches!(outcome, Admission::Refused(code) if !(taken && forked.contains(code)))
            });
            if let Some(refused) = refused {
                return Err(format!("an honest change was refused: {refused:?}"));
            }
        }
        self.slots += assert_sound(&daybook, "afterwards")?;
        Ok(())
    }
}

#[test]
fn what_the_guard_lets_through_leaves_a_sound_document() {
    let (first, count) = (number("FIRST", 0), number("MUTANTS", MUTANTS));
    let mut figures = Figures::default();
    for seed in first.. {
        if figures.made >= count {
            break;
        }
        let mut phones = Phones::new(seed);
        phones.live(25);
        let changes = phones.deliver();
        let parts = Parts::of(&changes);
        let mut dice = Dice::new(seed ^ 0xbad);
        let mut places: Vec<usize> = (0..PLACES).map(|_| dice.below(changes.len())).collect();
        places.sort_unstable();
        let mut daybook = Replay::default();
        let mut sent = 0;
        for at in places {
            for change in &changes[sent..at] {
                daybook.push(change.raw_bytes()).expect("takes");
            }
            sent = sent.max(at);
            for _ in 0..EACH {
                figures.made += 1;
                let Some(mutant) = mutant(&mut dice, &parts, &changes[at]) else { continue };
                let check = dice.one_in(20);
                if let Err(error) = figures.add(daybook.clone(), &mutant, &changes[at..], check) {
                    panic!("seed {seed}, change {at}: {error}\n{:#?}", mutant.decode());
                }
            }
        }
    }
    println!("mutants from seed {first} on: {figures:?}; unsound 0, panics escaped 0, honest refused 0");
    // The mutants are worth their name only if some pass and some do not.
    assert!(figures.accepted * 20 > figures.made && figures.refused.len() > 8, "{figures:?}");
}

#[test]
fn damaged_bytes_never_panic_and_never_pass_for_another_change() {
    let mut phones = Phones::new(7);
    phones.live(40);
    let changes = phones.deliver();
    let mut dice = Dice::new(11);
    let count = number("MUTANTS", MUTANTS);
    let mut passed = 0;
    for _ in 0..count {
        let mut bytes = dice.pick(&changes).raw_bytes().to_vec();
        for _ in 0..=dice.below(3) {
            let at = 9 + dice.below(bytes.len() - 9);
            match dice.below(3) {
                0 => bytes[at] ^= 1 << dice.below(8),
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
                _ => drop(bytes.remove(at)),
            }
        }
        repair_checksum(&mut bytes);
        for chunk in guard::inspect(&bytes) {
            if let Chunk::Change(checked) = chunk {
                passed += 1;
                let change = Change::try_from(checked.bytes.as_slice()).expect("reads");
                assert_eq!(change.hash().0, checked.hash);
                assert_eq!(change.max_op(), checked.max_op);
                assert_eq!(change.len(), checked.ops.len());
            }
        }
    }
    assert!(passed > 0);
}

fn repair_checksum(bytes: &mut [u8]) {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(&bytes[8..]);
    bytes[4..8].copy_from_slice(&digest[..4]);
}

#[test]
fn a_document_that_panics_on_load_is_an_error() {
    let mut phone = AutoCommit::new();
    phone.put(ROOT, "a", 1).expect("puts");
    let mut expanded = phone.get_last_local_change().expect("a change").decode();
    expanded.operations[0].obj = ObjectId::Id(OpId::new(1, &expanded.actor_id));
    let change = Change::from(expanded);
    assert_eq!(document::load([change.raw_bytes()]).err(), Some(DocumentError::Panicked));
}
