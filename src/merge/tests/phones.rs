//! Random phones: replicas that record, edit, delete, merge and lose touch, from a seed.

use super::dice::Dice;
use automerge::legacy::{Op, OpType};
use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Author, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};

const ROOT_KEYS: [&str; 5] = [
    "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b01",
    "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b02",
    "0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b03",
    "0193A5B0-7C2E-7D44-9A51-5D2F0C9E1B03",
    "settings",
];

const FIELDS: [&str; 16] = [
    "kind",
    "day",
    "started_at",
    "note",
    "people",
    "person_minutes",
    "party/0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b11",
    "tally/bags#a",
    "tally/bags#b",
    "place.lat",
    "grade.before",
    "withdrawn",
    "part_of",
    "weather",
    "",
    "photo/0000000000000000000000000000000000000000000000000000000000000000",
];

fn scalar(dice: &mut Dice) -> ScalarValue {
    match dice.below(16) {
        0 => ScalarValue::Null,
        1 => ScalarValue::Boolean(dice.one_in(2)),
        2 => ScalarValue::Uint(dice.roll() % 5),
        3 => ScalarValue::F64(dice.below(4) as f64),
        4 => ScalarValue::F64([f64::NAN, f64::INFINITY, -0.0, 1e300, 0.5][dice.below(5)]),
        5 => ScalarValue::Timestamp((dice.roll() % 5) as i64 * 86_400_000),
        6 => ScalarValue::Bytes(vec![1; dice.below(4)]),
        7 => ScalarValue::Counter((dice.below(4) as i64).into()),
        8 => ScalarValue::Str("litter_pick".into()),
        9 => ScalarValue::Str("2026-11-21".into()),
        10 => ScalarValue::Str("A".into()),
        11 => ScalarValue::Str(
            ["x".repeat(2_001), String::new(), "ü 👪".to_owned()][dice.below(3)].as_str().into(),
        ),
        12 => ScalarValue::Int([i64::MIN, i64::MAX, -1][dice.below(3)]),
        13 => ScalarValue::Unknown { type_code: 12, bytes: vec![dice.below(3) as u8] },
        _ => ScalarValue::Int(dice.below(6) as i64),
    }
}

/// Replicas of one daybook.
pub struct Phones {
    pub dice: Dice,
    pub replicas: Vec<AutoCommit>,
}

impl Phones {
    pub fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let count = 2 + dice.below(4);
        let mut replicas = Vec::new();
        for at in 0..count {
            let mut replica = AutoCommit::new();
            let mut actor = vec![0; [1, 16, 16, 16, 20, 56][dice.below(6)]];
            actor.fill_with(|| (dice.roll() & 0xff) as u8);
            actor[0] = at as u8;
            replica.set_actor(ActorId::from(actor));
            if dice.one_in(4) {
                // A fresh actor: an author cannot be stated later.
                let _ = replica.set_author(Some(Author::from(vec![at as u8; 5])));
            }
            replicas.push(replica);
        }
        Self { dice, replicas }
    }

    /// Lets the phones live for so many steps.
    pub fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            let at = self.dice.below(self.replicas.len());
            match self.dice.below(12) {
                0 | 1 => self.merge(at),
                2 => self.merge_empty(at),
                3 if self.dice.one_in(3) => self.edit_the_past(at),
                _ => {
                    for _ in 0..=self.dice.below(4) {
                        act(&mut self.dice, &mut self.replicas[at]);
                    }
                    self.replicas[at].commit();
                }
            }
        }
    }

    fn merge(&mut self, at: usize) {
        let other = self.dice.below(self.replicas.len());
        if other != at {
            let mut theirs = self.replicas[other].fork();
            self.replicas[at].merge(&mut theirs).expect("merges");
        }
    }

    /// Merges, and says so in an empty change. Not by phones that edit the past: they would write a change
    /// that does not follow their own empty one, and other phones would panic on it.
    fn merge_empty(&mut self, at: usize) {
        self.merge(at);
        if at.is_multiple_of(2) {
            self.replicas[at].commit();
            self.replicas[at].empty_change(CommitOptions::default().with_time(7));
        }
    }

    /// As `changeAt` does: writes as of an older version, under a derived actor.
    fn edit_the_past(&mut self, at: usize) {
        if at.is_multiple_of(2) {
            return;
        }
        let replica = &mut self.replicas[at];
        replica.commit();
        let changes = replica.get_changes(&[]);
        let hashes: Vec<_> = changes.iter().map(Change::hash).collect();
        // Automerge inserts after marks that the older version does not have, and such a change names an
        // element outside its past: refused, since other phones panic on it where they lack the mark.
        let is_mark = |op: &Op| matches!(op.action, OpType::MarkBegin(_));
        if hashes.is_empty() || changes.iter().any(|change| change.decode().operations.iter().any(is_mark)) {
            return;
        }
        let then = *self.dice.pick(&hashes);
        replica.isolate(&[then]);
        act(&mut self.dice, replica);
        replica.commit();
        replica.integrate();
    }

    /// All changes of all phones, in a random order that respects dependencies.
    pub fn deliver(&mut self) -> Vec<Change> {
        let mut all = AutoCommit::new();
        for replica in &mut self.replicas {
            all.merge(replica).expect("merges");
        }
        let mut waiting: Vec<Change> = all.get_changes(&[]);
        let mut sent = std::collections::HashSet::new();
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let ready: Vec<usize> = (0..waiting.len())
                .filter(|at| waiting[*at].deps().iter().all(|dep| sent.contains(dep)))
                .collect();
            let next = waiting.swap_remove(*self.dice.pick(&ready));
            sent.insert(next.hash());
            order.push(next);
        }
        order
    }
}

/// Some object below the root to work in: mostly the activity's map.
fn place(dice: &mut Dice, doc: &AutoCommit, root_key: &str) -> Option<ObjId> {
    let visible = doc.get_all(ROOT, root_key).expect("reads");
    let maps: Vec<ObjId> =
        visible.into_iter().filter(|(value, _)| value.is_object()).map(|(_, id)| id).collect();
    if maps.is_empty() { None } else { Some(dice.pick(&maps).clone()) }
}

fn act(dice: &mut Dice, doc: &mut AutoCommit) {
    let few = if dice.one_in(8) { 5 } else { 2 };
    let root_key = *dice.pick(&ROOT_KEYS[..few]);
    let Some(map) = place(dice, doc, root_key) else {
        return create(dice, doc, root_key);
    };
    match dice.below(40) {
        0 => create(dice, doc, root_key),
        1 => drop(doc.delete(ROOT, root_key)),
        2 => drop(doc.put(ROOT, root_key, scalar(dice))),
        3 => drop(doc.increment(ROOT, root_key, 1)),
        4 => drop(doc.put_object(
            ROOT,
            root_key,
            [ObjType::List, ObjType::Text, ObjType::Table][dice.below(3)],
        )),
        _ => act_in(dice, doc, &map, 0),
    }
}

fn create(dice: &mut Dice, doc: &mut AutoCommit, root_key: &str) {
    let Ok(map) = doc.put_object(ROOT, root_key, ObjType::Map) else { return };
    if dice.one_in(4) {
        return;
    }
    let _ = doc.put(&map, "kind", "hours");
    let _ = doc.put(&map, "day", "2026-11-21");
    for _ in 0..dice.below(4) {
        act_in(dice, doc, &map, 0);
    }
}

fn act_in(dice: &mut Dice, doc: &mut AutoCommit, obj: &ObjId, depth: usize) {
    match doc.object_type(obj) {
        Ok(ObjType::Map | ObjType::Table) => act_in_map(dice, doc, obj, depth),
        Ok(ObjType::List) => act_in_list(dice, doc, obj, depth),
        Ok(ObjType::Text) => act_in_text(dice, doc, obj),
        Err(_) => {}
    }
}

fn act_in_map(dice: &mut Dice, doc: &mut AutoCommit, map: &ObjId, depth: usize) {
    // A few fields, so that phones meet in them.
    let few = if dice.one_in(4) { FIELDS.len() } else { 6 };
    let field = *dice.pick(&FIELDS[..few]);
    let inner = doc.get_all(map, field).expect("reads").into_iter().find(|(value, _)| value.is_object());
    match dice.below(20) {
        0 | 1 => drop(doc.delete(map, field)),
        2 => drop(doc.put(map, field, ScalarValue::Counter((dice.below(5) as i64).into()))),
        3..=5 => drop(doc.increment(map, field, dice.below(9) as i64 - 3)),
        6..=8 => {
            if let Ok(text) = doc.put_object(map, field, ObjType::Text) {
                for _ in 0..dice.below(4) {
                    act_in_text(dice, doc, &text);
                }
            }
        }
        9 => {
            let kind = [ObjType::Map, ObjType::List, ObjType::Table][dice.below(3)];
            if let Ok(made) = doc.put_object(map, field, kind)
                && depth < 3
            {
                act_in(dice, doc, &made, depth + 1);
            }
        }
        10..=13 => {
            if let Some((_, inner)) = inner
                && depth < 3
            {
                act_in(dice, doc, &inner, depth + 1);
            }
        }
        _ => drop(doc.put(map, field, scalar(dice))),
    }
}

fn act_in_list(dice: &mut Dice, doc: &mut AutoCommit, list: &ObjId, depth: usize) {
    let length = doc.length(list);
    let at = dice.below(length + 1);
    match dice.below(6) {
        0 if length > 0 => drop(doc.delete(list, at.min(length - 1))),
        1 if length > 0 => drop(doc.put(list, at.min(length - 1), scalar(dice))),
        2 if length > 0 => drop(doc.increment(list, at.min(length - 1), 2)),
        3 if depth < 3 => {
            if let Ok(made) = doc.insert_object(list, at, ObjType::Text) {
                act_in_text(dice, doc, &made);
            }
        }
        _ => drop(doc.insert(list, at, scalar(dice))),
    }
}

fn act_in_text(dice: &mut Dice, doc: &mut AutoCommit, text: &ObjId) {
    let length = doc.length(text);
    let at = dice.below(length + 1);
    match dice.below(8) {
        0 if length > 1 => {
            let mark = automerge::marks::Mark::new("bold".to_owned(), true, 0, length);
            drop(doc.mark(text, mark, automerge::marks::ExpandMark::Both));
        }
        1 => drop(doc.split_block(text, at)),
        2 => drop(doc.update_text(text, ["swept", "swept the alley", "schön 👪"][dice.below(3)])),
        3 => drop(doc.insert(text, at, scalar(dice))),
        _ => {
            let delete = dice.below(length - at + 1) as isize;
            let insert = ["", "a", "bc", "ü", "👪", "\u{301}"][dice.below(6)];
            drop(doc.splice_text(text, at, delete, insert));
        }
    }
}
