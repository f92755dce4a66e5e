//! A person's time in two records: nobody is credited twice for one minute of the clock without a person's
//! decision (`posting.md`, "Always"), so every shared moment counts; times that only touch share none.
//!
//! Without a time there is no clock to compare. Then only an occasion and its parts are held against each
//! other: they tell of one event, and whoever is named twice there is credited twice for it.

use super::Suspicion;
use super::evidence::{Evidence, Overlap, OverlapOf};
use super::record::Record;
use crate::domain::ids::PartyId;

pub(super) const MINUTE_MS: i64 = 60_000;

pub(super) fn rule(record: &Record, other: &Record) -> Option<Suspicion> {
    if !record.stands_beside(other) {
        return None;
    }
    let clocked = record.activity.started_at_ms.is_some() && other.activity.started_at_ms.is_some();
    if !clocked && !record.shares_occasion(other) {
        return None;
    }
    let of = |(party, minutes): (&PartyId, &i64)| {
        let others = other.minutes.get(party)?;
        let shared = match (record.activity.started_at_ms, other.activity.started_at_ms) {
            (Some(mine), Some(theirs)) => shared_minutes((mine, *minutes), (theirs, *others)),
            _ => *minutes.min(others),
        };
        (shared > 0).then_some(OverlapOf { party: *party, minutes: shared })
    };
    let people: Vec<OverlapOf> = record.minutes.iter().filter_map(of).collect();
    let evidence = Overlap { people, clocked };
    (!evidence.people.is_empty()).then(|| Suspicion::new([record.id, other.id], Evidence::Overlap(evidence)))
}

/// Minutes that two stretches of time share, each a start in milliseconds and a length in minutes; a minute
/// that has begun is whole.
pub(super) fn shared_minutes(a: (i64, i64), b: (i64, i64)) -> i64 {
    let end = |(start, minutes): (i64, i64)| start.saturating_add(minutes.saturating_mul(MINUTE_MS));
    let shared_ms = end(a).min(end(b)).saturating_sub(a.0.max(b.0)).max(0);
    shared_ms.saturating_add(MINUTE_MS - 1) / MINUTE_MS
}
