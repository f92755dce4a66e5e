//! People under age: a record that names one names the one who looked after them as well (section 9,
//! "safeguarding"), or a person asks.

use super::Suspicion;
use super::evidence::{Evidence, MinorPresent};
use super::examine::Surroundings;
use super::record::Record;
use super::thresholds::Thresholds;
use crate::domain::ids::PartyId;

pub(super) fn rule(record: &Record, around: &Surroundings, thresholds: &Thresholds) -> Option<Suspicion> {
    let person = |id: &PartyId| around.people.get(id).filter(|person| person.minor);
    // Who is named with no minutes was there all the same.
    let mut minors: Vec<PartyId> = record
        .activity
        .parties
        .iter()
        .map(|party| party.party_id)
        .filter(|id| person(id).is_some())
        .collect();
    minors.sort_unstable();
    minors.dedup();
    // Whoever keeps the record was there, and so was everybody with minutes in it.
    let is_there = |id: &PartyId| record.owner == *id || record.minutes.contains_key(id);
    let alone = |id: &PartyId| person(id).is_some_and(|person| !person.supervisors.iter().any(is_there));
    let unsupervised: Vec<PartyId> = minors.iter().copied().filter(alone).collect();
    let raised = if thresholds.minors_with_supervisor_pass { &unsupervised } else { &minors };
    if raised.is_empty() {
        return None;
    }
    Some(Suspicion::new([record.id], Evidence::MinorPresent(MinorPresent { minors, unsupervised })))
}
