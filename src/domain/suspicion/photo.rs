//! A photo that another record has too. An occasion and its parts, and a confirmation, may show the same.

use super::Suspicion;
use super::evidence::{Evidence, PhotoSeenBefore};
use super::record::Record;

pub(super) fn rule(record: &Record, other: &Record) -> Option<Suspicion> {
    let is_one_story = record.shares_occasion(other) || record.confirms_or_confirmed(other);
    let photos = same_photos(record, other);
    if photos.is_empty() || is_one_story || !record.stands_beside(other) {
        return None;
    }
    let evidence = PhotoSeenBefore {
        photos,
        same_daybook: record.daybook == other.daybook,
        days_apart: (record.activity.day - other.activity.day).num_days().abs(),
    };
    Some(Suspicion::new([record.id, other.id], Evidence::PhotoSeenBefore(evidence)))
}

/// Hashes of the photos in both.
pub(super) fn same_photos(record: &Record, other: &Record) -> Vec<String> {
    record.photos.keys().filter(|photo| other.photos.contains_key(*photo)).cloned().collect()
}
