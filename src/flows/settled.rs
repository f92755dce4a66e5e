//! What people settled of a record in which phones disagreed, as far as it still counts.

use std::collections::BTreeMap;

use crate::domain::reading::Reading;
use crate::domain::review::Conflict;
use crate::ledger::{Judgement, effective, settled_fields};
use crate::merge::ActivityState;
use crate::store::entity::activity;

/// See the module.
#[derive(Debug)]
pub struct Settled {
    /// By field, the value that counts.
    pub fields: BTreeMap<String, serde_json::Value>,
    /// What phones disagree about besides.
    pub conflict: Conflict,
}

/// What is settled of an activity's newest version. Nothing where nothing ever was, and where that version waits to
/// be judged: what it says may be news.
#[must_use]
pub fn settled(row: &activity::Model, reading: &Reading, judgement: &Judgement) -> Option<Settled> {
    if judgement.settled.is_empty() || row.version != judgement.judged_version {
        return None;
    }
    let state = ActivityState::decode(&row.state).ok()?;
    let fields = settled_fields(&judgement.settled, &state.contested(reading));
    let conflict = effective(reading, &fields).conflict();
    let fields = fields.into_iter().map(|(field, value)| (field, value.to_json())).collect();
    Some(Settled { fields, conflict })
}
