//! Confirmations that confirm little: by the only one who gains, or back and forth between two.
//!
//! Somebody named among others may confirm: their word counts for the lines of the others.

use super::Suspicion;
use super::evidence::{Evidence, MutualConfirmation, OwnConfirmation};
use super::examine::Confirmation;
use super::record::Record;
use super::thresholds::Thresholds;
use crate::domain::ids::PartyId;

/// The confirmer and the confirmed of two records, if one confirms the other.
fn pair<'a>(record: &'a Record, other: &'a Record) -> Option<(&'a Record, &'a Record)> {
    if !record.stands_beside(other) {
        return None;
    }
    if record.activity.confirms == Some(other.id) {
        return Some((record, other));
    }
    (other.activity.confirms == Some(record.id)).then_some((other, record))
}

/// The confirmer keeps the confirmed record, or is the only one whom it credits.
pub(super) fn own(record: &Record, other: &Record) -> Option<Suspicion> {
    let (confirming, confirmed) = pair(record, other)?;
    let confirmer = confirming.owner;
    let gains_alone = confirmed.minutes.len() == 1 && confirmed.minutes.contains_key(&confirmer);
    let evidence = Evidence::OwnConfirmation(OwnConfirmation { confirmer });
    (confirmed.owner == confirmer || gains_alone).then(|| Suspicion::new([record.id, other.id], evidence))
}

/// Two people confirm each other, often, and hardly anybody else.
pub(super) fn mutual(
    record: &Record,
    other: &Record,
    confirmations: &[Confirmation],
    thresholds: &Thresholds,
) -> Option<Suspicion> {
    let (confirming, confirmed) = pair(record, other)?;
    let (one, two) = (confirming.owner, confirmed.owner);
    if one == two {
        return None;
    }
    let parties = if one < two { [one, two] } else { [two, one] };
    let days = thresholds.mutual_days;
    let recent = |confirmation: &&Confirmation| {
        (confirming.activity.day - confirmation.day).num_days().abs() < days
            && confirmation.by != confirmation.of
    };
    let by_them = |confirmation: &&Confirmation| parties.contains(&confirmation.by);
    let recent: Vec<&Confirmation> = confirmations.iter().filter(recent).filter(by_them).collect();
    let count = |by: PartyId, of: PartyId| recent.iter().filter(|one| one.by == by && one.of == of).count();
    let [first, second] = parties;
    let (forth, back) = (count(first, second), count(second, first));
    let share_percent = whole((forth + back) * 100) / whole(recent.len()).max(1);
    let (forth, back) = (whole(forth), whole(back));
    let is_habit = forth.min(back) >= thresholds.mutual_each_min.max(1);
    if !is_habit || share_percent < thresholds.mutual_share_percent {
        return None;
    }
    let evidence = MutualConfirmation { parties, forth, back, share_percent, days };
    Some(Suspicion::new([record.id, other.id], Evidence::MutualConfirmation(evidence)))
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
