//! The model's records as daybooks say them: one version is an activity, a note, and the operations that dispute
//! its programme.

use std::collections::BTreeMap;

use super::model::ACTIVITIES;
use super::samples::{activity_id, party};
use super::shadow::Counted;
use crate::domain::activity::Activity;
use crate::domain::ids::PartyId;
use crate::domain::reading::{Field, Reading, Value};
use crate::domain::review::Conflict;
use crate::ledger::{Changed, Operations, effective};

/// One version as the daybook says it.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// All but the programme.
    pub activity: Activity,
    pub note: u32,
    /// The visible operations of the programme; each wrote a value of its own.
    pub disputed: Vec<u32>,
}

/// A version with settlements applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    pub activity: Activity,
    pub conflict: Conflict,
    pub reading: Reading,
    pub note: u32,
}

pub fn programme(value: u32) -> String {
    format!("p{value}")
}

pub fn operation(number: u32) -> String {
    format!("{number}@aa")
}

impl Document {
    /// Its programme alone, as a reading.
    pub fn reading(&self) -> Reading {
        let mut values: Vec<Value> =
            self.disputed.iter().rev().map(|value| Value::Text(programme(*value))).collect();
        let field =
            if values.len() > 1 { Some(Field::Several(values)) } else { values.pop().map(Field::One) };
        let fields = field.map(|field| ("programme".to_owned(), field));
        Reading { fields: fields.into_iter().collect(), ..Reading::default() }
    }

    pub fn operations(&self) -> Operations {
        let visible =
            self.disputed.iter().map(|number| (operation(*number), Value::Text(programme(*number))));
        [("programme".to_owned(), visible.collect())].into()
    }

    pub fn effective(&self, reads: &BTreeMap<String, Value>) -> Effective {
        let reading = effective(&self.reading(), reads);
        let said = match reading.fields.get("programme").and_then(Field::first) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let activity = Activity { programme: said, ..self.activity.clone() };
        Effective { activity, conflict: reading.conflict(), reading, note: self.note }
    }
}

pub fn changed(base: &Effective, now: &Effective) -> Changed {
    let without_report = |one: &Effective| Activity { tallies: Vec::new(), ..one.activity.clone() };
    if without_report(base) != without_report(now) || base.reading != now.reading {
        return Changed::Ledger;
    }
    match (items(&now.activity) - items(&base.activity)).abs() {
        0 => Changed::Inert,
        most => Changed::Tallies { most },
    }
}

fn items(activity: &Activity) -> i64 {
    activity.tallies.iter().map(|tally| tally.count).sum()
}

/// What an approval of an activity counts, its programme apart.
pub fn counted(activity: &Activity, programme: Option<u32>, correction: Option<(u128, i64)>) -> Counted {
    let number = |who: PartyId| (0..10).find(|number| party(*number) == who);
    let named = activity.parties.iter().filter_map(|named| Some((number(named.party_id)?, named.minutes)));
    Counted {
        minutes: named.chain(correction).collect(),
        total: activity.person_minutes,
        part_of: activity
            .part_of
            .and_then(|of| (0..ACTIVITIES).find(|index| activity_id(*index as u128) == of)),
        day: activity.day,
        start: activity.started_at_ms.map(|start| start / 60_000),
        programme,
        items: items(activity),
    }
    .without_zeros()
}
