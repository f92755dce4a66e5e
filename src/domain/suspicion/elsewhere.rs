//! The same deed counted elsewhere: imported beside a record made here ("use just one tool to avoid double
//! counting", section 4), imported twice, two fixes of one request, or work that an official service reports
//! as its own. A fix that names the open request which it answers is how it should be.

use super::Suspicion;
use super::evidence::{AlsoReported, Elsewhere, Evidence};
use super::examine::OfficialReport;
use super::place::whole_m;
use super::record::Record;
use super::same_event::{When, apart, when};
use super::thresholds::Thresholds;
use crate::domain::activity::Kind;

pub(super) fn with_record(record: &Record, other: &Record, thresholds: &Thresholds) -> Option<Suspicion> {
    let is_one_story = record.shares_occasion(other) || record.confirms_or_confirmed(other);
    if is_one_story || !record.stands_beside(other) {
        return None;
    }
    let days_apart = (record.activity.day - other.activity.day).num_days().abs();
    let place = apart(record, other, thresholds);
    let source = record.source.as_ref().or(other.source.as_ref());
    let found = |how, provider: Option<String>, reference: Option<String>| {
        let distance_m = place.distance_m;
        let evidence = AlsoReported { how, provider, reference, distance_m, days_apart };
        Some(Suspicion::new([record.id, other.id], Evidence::AlsoReported(evidence)))
    };
    if record.source.is_some() && record.source == other.source {
        let id = source.map(|source| source.id.clone());
        return found(Elsewhere::SameSource, source.map(|source| source.provider.clone()), id);
    }
    let same_request = record.fixes_request.is_some() && record.fixes_request == other.fixes_request;
    // The same request may be opened again once the place breaks again.
    if same_request && days_apart <= thresholds.report_days_max {
        return found(Elsewhere::SameRequest, None, record.fixes_request.clone());
    }
    let one_imported = record.source.is_some() != other.source.is_some();
    if one_imported && record.activity.kind == other.activity.kind && is_alike(record, other, place.near) {
        let id = source.map(|source| source.id.clone());
        return found(Elsewhere::Imported, source.map(|source| source.provider.clone()), id);
    }
    None
}

/// An imported record names nobody. Repairs are known by their product, on one day; the rest by place and time.
fn is_alike(record: &Record, other: &Record, near: bool) -> bool {
    if when(record, other) == When::Apart {
        return false;
    }
    if record.activity.kind != Kind::Repair {
        return near
            && (record.service_code == other.service_code || record.activity.kind != Kind::StreetFix);
    }
    let brands_differ = matches!((&record.brand, &other.brand), (Some(a), Some(b)) if a != b);
    record.product.is_some() && record.product == other.product && !brands_differ
}

pub(super) fn with_reports(
    record: &Record,
    reports: &[OfficialReport],
    thresholds: &Thresholds,
) -> Option<Suspicion> {
    if record.activity.kind != Kind::StreetFix {
        return None;
    }
    let found = |report: &OfficialReport| {
        let days_apart = (record.activity.day - report.day).num_days().abs();
        let distance = record.place.as_ref().zip(report.place.as_ref()).map(|(a, b)| a.distance_m(b));
        let distance_m = distance.map(whole_m);
        let linked = record.fixes_request.as_ref() == Some(&report.id);
        let same_service = record.service_code.is_some() && record.service_code == report.service_code;
        let near = distance_m.is_some_and(|distance_m| distance_m <= thresholds.street_near_m);
        let alike = same_service && near && days_apart <= thresholds.report_days_max;
        let how = match (linked, report.done) {
            (true, true) => Elsewhere::DoneOfficially,
            (false, true) if alike => Elsewhere::DoneOfficially,
            (false, false) if alike => Elsewhere::OfficialReport,
            _ => return None,
        };
        let (provider, reference) = (Some(report.provider.clone()), Some(report.id.clone()));
        Some(AlsoReported { how, provider, reference, distance_m, days_apart })
    };
    // What was done goes before what was only reported, the nearest in time first.
    let evidence = reports.iter().filter_map(found).min_by_key(|found| {
        (found.how != Elsewhere::DoneOfficially, found.days_apart, found.reference.clone())
    })?;
    Some(Suspicion::new([record.id], Evidence::AlsoReported(evidence)))
}
