//! What the comparisons with Automerge looked at, for whoever asks how much that was.

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, Value};

use crate::merge::RefusalCode;
use crate::merge::document;
use crate::merge::replay::{Replay, compare};

/// A number that the environment may ask for.
pub fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[derive(Debug, Default)]
pub struct Compared {
    pub histories: usize,
    pub changes: usize,
    pub hostile: usize,
    pub hostile_accepted: usize,
    /// Of the hostile ones, by code.
    pub refused: BTreeMap<&'static str, usize>,
    /// Fields read both ways, each time.
    pub slots: usize,
    /// Of these, with several values, in their order.
    pub several: usize,
    /// Places where Automerge's own winner was looked at.
    pub winners: usize,
}

impl Compared {
    pub fn refused(&mut self, code: RefusalCode) {
        *self.refused.entry(code.as_str()).or_default() += 1;
    }

    /// The states read what Automerge reads.
    pub fn compare(&mut self, daybook: &Replay, oracle: &Automerge) -> Result<(), String> {
        let states = daybook.readings().map_err(|error| error.to_string())?;
        let read = document::read_all(oracle).map_err(|error| error.to_string())?;
        compare(&states, &read).map_err(|error| error.to_string())?;
        for field in read.values().flat_map(|reading| reading.fields.values()) {
            self.slots += 1;
            self.several += usize::from(field.values().len() > 1);
        }
        Ok(())
    }

    /// What is shown first is what Automerge itself lets win: the greatest (counter, actor).
    pub fn compare_winners(&mut self, oracle: &Automerge) {
        let rank = |id: &ObjId| match id {
            ObjId::Root => (0, Vec::new()),
            ObjId::Id(counter, actor, _) => (*counter, actor.to_bytes().to_vec()),
        };
        let activities = oracle.keys(ROOT).flat_map(|key| oracle.get_all(ROOT, key).expect("reads"));
        for (_, map) in activities.filter(|(value, _)| matches!(value, Value::Object(ObjType::Map))) {
            for key in oracle.keys(&map).collect::<Vec<_>>() {
                let shown = oracle.get(&map, key.as_str()).expect("reads").map(|(_, id)| rank(&id));
                let all = oracle.get_all(&map, key.as_str()).expect("reads");
                assert_eq!(shown, all.iter().map(|(_, id)| rank(id)).max(), "{key}");
                self.winners += usize::from(all.len() > 1);
            }
        }
    }
}
