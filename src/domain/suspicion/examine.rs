//! All rules over one record and what is around it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use super::place::Place;
use super::record::Record;
use super::thresholds::Thresholds;
use super::{
    Suspicion, amount, carried, clock, confirmation, elsewhere, occasion, overlap, people, photo, same_event,
};
use crate::domain::ids::{ActivityId, PartyId};

/// What is known around one record. All parties are resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// Other records: those that leave a trace which this one asks for, the one that it confirms and those that
    /// confirm it, its occasion and the other parts of that. Without what was merged away or rejected.
    pub neighbours: Vec<Arc<Record>>,
    /// What is known of the people that the record names; who is missing is an adult.
    pub people: BTreeMap<PartyId, Person>,
    /// What it takes from its occasion, if it is a part, and what its parts take, if it is an occasion.
    pub claims: Vec<Claim>,
    /// The changes that this version is made of, in a group's daybook; none in a resident's own.
    pub deliveries: Vec<Delivery>,
    /// Confirmations by, and of records of, those who confirm here, of the last [`Thresholds::mutual_days`].
    pub confirmations: Vec<Confirmation>,
    /// Reports of official services near a street fix.
    pub reports: Vec<OfficialReport>,
}

/// What is known of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    pub minor: bool,
    /// Who may look after a minor.
    pub supervisors: BTreeSet<PartyId>,
}

/// What a part takes from an occasion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    pub part: ActivityId,
    pub occasion: ActivityId,
    /// By everybody whom the part names.
    pub claimed: i64,
    /// The occasion's minutes in all.
    pub total: i64,
    /// By name, in the occasion itself.
    pub named: i64,
    /// Claimed by its other parts in force.
    pub other_parts: i64,
}

/// One writer's changes in this version, and who brought them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// The party of the grant that first brought the changes.
    pub by: PartyId,
    /// The party that brought earlier changes of the same actor, if there were any.
    pub before: Option<PartyId>,
}

/// Somebody confirmed a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirmation {
    pub by: PartyId,
    /// Whose record it is.
    pub of: PartyId,
    /// The day that the confirmation names.
    pub day: NaiveDate,
}

/// A report of an official service, as far as it is known here.
#[derive(Debug, Clone, PartialEq)]
pub struct OfficialReport {
    pub provider: String,
    pub id: String,
    /// In lower case.
    pub service_code: Option<String>,
    pub place: Option<Place>,
    /// When it was made or, once closed, closed.
    pub day: NaiveDate,
    /// The service says that it has done the work itself.
    pub done: bool,
}

/// Everything that the rules have to say about a record, sorted by kind and records. A record that was taken
/// back raises nothing.
#[must_use]
pub fn examine(record: &Record, around: &Surroundings, thresholds: &Thresholds) -> Vec<Suspicion> {
    if record.activity.withdrawn {
        return Vec::new();
    }
    let mut found: Vec<Suspicion> = [
        amount::rule(record, thresholds),
        clock::rule(record, thresholds),
        carried::rule(record, around),
        people::rule(record, around, thresholds),
    ]
    .into_iter()
    .flatten()
    .collect();
    found.extend(around.claims.iter().filter_map(occasion::rule));
    found.extend(elsewhere::with_reports(record, &around.reports, thresholds));
    for other in &around.neighbours {
        let pairs = [
            same_event::rule(record, other, thresholds),
            overlap::rule(record, other),
            photo::rule(record, other),
            elsewhere::with_record(record, other, thresholds),
            confirmation::own(record, other),
            confirmation::mutual(record, other, &around.confirmations, thresholds),
        ];
        found.extend(pairs.into_iter().flatten());
    }
    found.sort_by(|a, b| (a.kind(), &a.about).cmp(&(b.kind(), &b.about)));
    // One and the same habit shows in several confirmations.
    let mut keys = BTreeSet::new();
    found.retain(|suspicion| keys.insert(suspicion.key()));
    found
}
