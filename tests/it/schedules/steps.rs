//! What happens, one step at a time, as the dice fall.

use std::collections::BTreeSet;

use automerge::{ROOT, ReadDoc as _, ScalarValue};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::phone::{Entry, PhoneError};

use super::forge;
use super::world::{Deed, What, World};
use crate::always::radio::Fate;

/// Minutes of every record.
pub const MINUTES: i64 = 10;
/// Fields that several write at once; unknown to the server, so that they have nothing to do with review.
pub const FIELDS: [&str; 2] = ["weather", "mood"];
/// The first number of a deed: nothing else that is written is as great.
pub const FIRST: i64 = 1_000_000;
const BAGS: &str = "bags";

/// The number of a deed, beside what bears none itself.
pub fn mark(number: i64) -> String {
    format!("mark/{number}")
}

/// The number of a deed in a note.
pub fn token(number: i64) -> String {
    format!("[{number}]")
}

impl World<'_> {
    /// One step.
    pub async fn step(&mut self) -> Result<(), String> {
        let at = self.dice.below(self.programs.len());
        match self.dice.below(100) {
            0..12 => self.record(at),
            12..28 => self.edit(at),
            28..38 => self.count(at),
            38..46 => self.note(at),
            46..68 => self.sync(at).await?,
            68..73 => self.copy(at),
            73..78 => self.clone_to_another(at),
            78..83 => self.restore(at),
            83..86 => {
                self.programs[at].phone.restart();
                self.told("restart", format!("program {at}"));
            }
            86..91 => self.refuse(at),
            91..94 => {
                self.back_up().await;
                self.told("server backed up", String::new());
            }
            94..96 => self.restore_server().await,
            _ => self.handle(at),
        }
        Ok(())
    }

    fn number(&self) -> i64 {
        FIRST + i64::try_from(self.deeds.len()).expect("few")
    }

    fn did(&mut self, activity: ActivityId, what: What) {
        self.deeds.insert(self.number(), Deed { activity, what });
    }

    fn write(&mut self, at: usize, id: ActivityId, write: impl FnOnce(&mut Entry<'_>)) {
        let phone = &mut self.programs[at].phone;
        phone.now_ms += 1_000;
        phone.edit(id, write).expect("written");
    }

    fn record(&mut self, at: usize) {
        let (number, party) = (self.number(), self.party);
        let phone = &mut self.programs[at].phone;
        phone.now_ms += 1_000;
        // Of one product each: what says the same would be taken for one.
        let id = phone.record(Kind::Repair, "2026-11-20", |entry| {
            entry.put("repair.product", format!("Kettle {number}"));
            entry.minutes(party, MINUTES).note("").put(&mark(number), number);
        });
        let id = id.expect("recorded");
        self.activities.push(id);
        self.did(id, What::Recorded);
        self.told("record", format!("program {at}: {id} {number}"));
    }

    /// One of the activities that a program has.
    fn known(&mut self, at: usize) -> Option<ActivityId> {
        let ids = self.activities.clone();
        let known: Vec<ActivityId> = ids.into_iter().filter(|id| self.programs[at].has(*id)).collect();
        // Mostly the same few, so that programs meet.
        let few = if self.dice.percent(70) { known.len().min(2) } else { known.len() };
        (!known.is_empty()).then(|| known[self.dice.below(few)])
    }

    /// What a program shows under a key, all of it.
    fn shown(&mut self, at: usize, id: ActivityId, key: &str) -> BTreeSet<i64> {
        let doc = &self.programs[at].phone.own_book().doc;
        let Some((_, map)) = doc.get(ROOT, id.to_string()).expect("reads") else { return BTreeSet::new() };
        let values = doc.get_all(map, key).expect("reads").into_iter();
        values.filter_map(|(value, _)| value.as_i64()).collect()
    }

    fn edit(&mut self, at: usize) {
        let Some(id) = self.known(at) else { return };
        let (key, number) = (self.dice.of(&FIELDS), self.number());
        let over = self.shown(at, id, key);
        self.write(at, id, |entry| {
            entry.put(key, number);
        });
        self.told("edit", format!("program {at}: {id} {key} {number} over {over:?}"));
        self.did(id, What::Put(key, over));
    }

    fn count(&mut self, at: usize) {
        let Some(id) = self.known(at) else { return };
        let (number, bags) = (self.number(), self.dice.of(&[1, 1, 2, 5]));
        self.write(at, id, |entry| {
            entry.count(BAGS, bags).put(&mark(number), number);
        });
        let register = self.programs[at].phone.register.clone();
        self.told("count", format!("program {at}: {id} {number}, {bags} in {register}"));
        self.did(id, What::Counted(bags));
    }

    fn note(&mut self, at: usize) {
        let Some(id) = self.known(at) else { return };
        let number = self.number();
        self.write(at, id, |entry| {
            entry.note_more(&token(number)).put(&mark(number), number);
        });
        self.told("note", format!("program {at}: {id} {number}"));
        self.did(id, What::Noted);
    }

    async fn sync(&mut self, at: usize) -> Result<(), String> {
        if self.dice.percent(35) {
            let fate = self.dice.of(&[Fate::RequestLost, Fate::AnswerLost, Fate::AnswerLost]);
            self.programs[at].air.disturb(self.dice.below(4), fate);
        }
        let synced = self.programs[at].phone.sync().await;
        self.programs[at].air.calm();
        match synced {
            Ok(report) => {
                let seen = [
                    ("refused", report.refused),
                    ("reload", report.reloads),
                    ("start over", report.restarts),
                    ("set aside", report.aside),
                    ("held back", report.held),
                ];
                for (what, times) in seen.into_iter().filter(|(_, times)| *times > 0) {
                    *self.reached.entry(what).or_insert(0) += u64::try_from(times).expect("few");
                }
                self.told("sync", format!("program {at}: {report:?}"));
            }
            Err(PhoneError::NoAnswer(error)) => self.told("lost", format!("program {at}: {error}")),
            Err(error) => return Err(format!("program {at}: {error}")),
        }
        Ok(())
    }

    fn copy(&mut self, at: usize) {
        self.programs[at].copy = Some(self.programs[at].stored());
        self.told("copy", format!("program {at}"));
    }

    /// Another program goes on with the same storage, and under the same actor.
    fn clone_to_another(&mut self, at: usize) {
        let other = (at + 1 + self.dice.below(self.programs.len() - 1)) % self.programs.len();
        let stored = self.programs[at].stored();
        self.programs[other].start_from(stored);
        self.told("clone", format!("program {at} to {other}"));
    }

    fn restore(&mut self, at: usize) {
        let Some(stored) = self.programs[at].copy.clone() else { return };
        self.programs[at].start_from(stored);
        if self.dice.percent(70) {
            self.programs[at].phone.restart();
            self.told("restore", format!("program {at}"));
        } else {
            // A program that draws its actor once and for all.
            self.told("restore pinned", format!("program {at}"));
        }
    }

    fn refuse(&mut self, at: usize) {
        let Some(id) = self.known(at) else { return };
        let (key, number) = (self.dice.of(&FIELDS), self.number());
        let over = self.shown(at, id, key);
        let (programs, dice) = (&mut self.programs, &mut self.dice);
        forge::refused(programs[at].phone.own_book(), dice, id, key, number);
        self.told("refuse", format!("program {at}: {id} {key} {number} over {over:?}"));
        self.did(id, What::Put(key, over));
    }

    /// A few things one after the other, without signal.
    fn handle(&mut self, at: usize) {
        for _ in 0..self.dice.below(4) {
            match self.dice.below(3) {
                0 => self.edit(at),
                1 => self.count(at),
                _ => self.note(at),
            }
        }
    }
}

/// The numbers of deeds among what a change writes.
pub fn numbers(change: &automerge::Change) -> Vec<i64> {
    use automerge::legacy::OpType;
    let written = change.decode().operations.into_iter().filter_map(|op| match op.action {
        OpType::Put(ScalarValue::Int(number)) if number >= FIRST => Some(number),
        _ => None,
    });
    written.collect()
}
