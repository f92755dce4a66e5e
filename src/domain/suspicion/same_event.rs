//! One event, logged by two (annex B, 2): of one kind, near in place and time, and with somebody, some photo
//! or some count in common. Also one event logged twice by one, as phones do that lost an answer.
//!
//! Two people who each log their own minutes of a pick that they did together are no doubles: nothing is
//! counted twice. They are in doubt only where one of them counts people without a name, among whom the other
//! may be. Records of one occasion say themselves that they belong together; a part that does not say when or where
//! it was took place with its occasion.

use super::Suspicion;
use super::evidence::{Evidence, SameEvent};
use super::overlap::shared_minutes;
use super::photo::same_photos;
use super::place::whole_m;
use super::record::Record;
use super::thresholds::Thresholds;
use crate::domain::activity::{Kind, Tally};
use crate::domain::ids::PartyId;

/// A record without minutes lasted at least as long as it takes to write it.
const SPAN_MINUTES_MIN: i64 = 15;

/// How two records lie in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Both have a time: minutes that they share, and which part of the shorter that is.
    Together {
        minutes: i64,
        percent: i64,
    },
    /// One day, and at least one has no time.
    SameDay,
    Apart,
}

/// How two records lie in space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Where {
    pub distance_m: Option<i64>,
    pub same_place: bool,
    pub near: bool,
}

impl Where {
    /// Both say where, and it is not the same.
    fn is_apart(self) -> bool {
        self.distance_m.is_some() && !self.near
    }
}

pub(super) fn rule(record: &Record, other: &Record, thresholds: &Thresholds) -> Option<Suspicion> {
    if !record.stands_beside(other) || !may_be_one(record, other) {
        return None;
    }
    let (time, place) = (when(record, other), apart(record, other, thresholds));
    let same_photos = same_photos(record, other);
    let shared_parties: Vec<PartyId> =
        record.minutes.keys().filter(|party| other.minutes.contains_key(party)).copied().collect();
    let strangers = record.daybook != other.daybook;
    let unnamed_people = strangers && (record.has_unnamed() || other.has_unnamed());
    let tallies = same_tallies(record, other);
    let same_tallies = if tallies >= thresholds.same_tallies_min.max(1) { tallies } else { 0 };
    let alike = !same_photos.is_empty() || same_tallies > 0;
    let shared = !shared_parties.is_empty();
    let (overlap_minutes, overlap_percent) = match time {
        When::Together { minutes, percent } => (Some(minutes), Some(percent)),
        When::SameDay | When::Apart => (None, None),
    };
    let hit = match time {
        When::Apart => false,
        _ if place.is_apart() => !same_photos.is_empty(),
        When::Together { percent, .. } if percent < thresholds.overlap_percent => false,
        When::Together { .. } if place.near => shared || alike || unnamed_people,
        When::Together { .. } => shared || !same_photos.is_empty(),
        When::SameDay => untimed(record, other, place, (shared, alike, unnamed_people)),
    };
    let evidence = SameEvent {
        activity_kind: record.activity.kind,
        day: record.activity.day.min(other.activity.day),
        distance_m: place.distance_m,
        same_place: place.same_place,
        overlap_minutes,
        overlap_percent,
        shared_parties,
        unnamed_people,
        same_photos,
        same_tallies,
    };
    hit.then(|| Suspicion::new([record.id, other.id], Evidence::SameEvent(evidence)))
}

/// Nothing that they say of themselves makes them two.
fn may_be_one(record: &Record, other: &Record) -> bool {
    let differ = |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
    let (a, b) = (&record.activity, &other.activity);
    let is_confirmation = |one: &Record| one.activity.confirms.is_some() && one.minutes.is_empty();
    a.kind == b.kind
        && a.phase == b.phase
        && !record.shares_occasion(other)
        && !record.confirms_or_confirmed(other)
        && !is_confirmation(record)
        && !is_confirmation(other)
        && !differ(&record.product, &other.product)
        && !differ(&record.brand, &other.brand)
        && !differ(&record.service_code, &other.service_code)
}

/// Without times a day is long: a neighbour picks twice, a repairer mends three kettles.
fn untimed(
    record: &Record,
    other: &Record,
    place: Where,
    (shared, alike, unnamed): (bool, bool, bool),
) -> bool {
    let strangers = record.daybook != other.daybook;
    let same_figures = record.minutes == other.minutes
        && record.activity.person_minutes == other.activity.person_minutes
        && record.activity.tallies.len() == other.activity.tallies.len()
        && same_tallies(record, other) == len(&record.activity.tallies);
    let known_product =
        record.activity.kind != Kind::Repair || (record.product.is_some() && other.product.is_some());
    let told_by_two = strangers && shared && known_product;
    if place.near {
        return alike || told_by_two || (strangers && unnamed) || (shared && same_figures);
    }
    alike && shared || told_by_two || (shared && same_figures && known_product)
}

/// How they lie in time.
pub(super) fn when(record: &Record, other: &Record) -> When {
    let at_least = |(start, minutes): (i64, i64)| (start, minutes.max(SPAN_MINUTES_MIN));
    match (record.event_span().map(at_least), other.event_span().map(at_least)) {
        (Some(a), Some(b)) => {
            let minutes = shared_minutes(a, b);
            let percent = minutes.saturating_mul(100) / a.1.min(b.1);
            if minutes > 0 { When::Together { minutes, percent } } else { When::Apart }
        }
        _ if record.days.is_disjoint(&other.days) => When::Apart,
        _ => When::SameDay,
    }
}

/// How they lie in space: by the register's place, or by the distance, with the doubt that a phone's fix has.
pub(super) fn apart(record: &Record, other: &Record, thresholds: &Thresholds) -> Where {
    let ((a, a_id), (b, b_id)) = (record.event_place(), other.event_place());
    let same_place = a_id.is_some() && a_id == b_id;
    let Some((a, b)) = a.zip(b) else {
        return Where { distance_m: None, same_place, near: same_place };
    };
    let distance_m = whole_m(a.distance_m(b));
    let base =
        if record.activity.kind == Kind::StreetFix { thresholds.street_near_m } else { thresholds.near_m };
    let accuracy_m = whole_m(a.accuracy_m.max(b.accuracy_m)).min(thresholds.accuracy_m_max);
    Where {
        distance_m: Some(distance_m),
        same_place,
        near: same_place || distance_m <= base.saturating_add(accuracy_m),
    }
}

/// How many counts are equal, if all are; 0 as soon as one differs.
fn same_tallies(record: &Record, other: &Record) -> i64 {
    let counts = |record: &Record| {
        let counted = record.activity.tallies.iter().filter(|tally| tally.count > 0);
        let mut counts: Vec<(String, bool, i64)> =
            counted.map(|tally| (tally.item.clone(), tally.seen, tally.count)).collect();
        counts.sort_unstable();
        counts
    };
    let (a, b) = (counts(record), counts(other));
    if a == b { i64::try_from(a.len()).unwrap_or(i64::MAX) } else { 0 }
}

fn len(tallies: &[Tally]) -> i64 {
    i64::try_from(tallies.iter().filter(|tally| tally.count > 0).count()).unwrap_or(i64::MAX)
}
