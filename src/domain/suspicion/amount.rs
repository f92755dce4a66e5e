//! Amounts beyond what is likely. A count of what was only seen takes no time and is no amount.

use super::Suspicion;
use super::evidence::{Amount, Evidence, ImplausibleAmount, Measure};
use super::record::Record;
use super::thresholds::Thresholds;
use chrono::Datelike;

pub(super) fn rule(record: &Record, thresholds: &Thresholds) -> Option<Suspicion> {
    let mut amounts = minutes(record, thresholds);
    amounts.extend(items(record, thresholds));
    amounts.extend(bags(record, thresholds));
    amounts.extend(weights(record, thresholds));
    amounts.extend(product(record, thresholds));
    let evidence = Evidence::ImplausibleAmount(ImplausibleAmount { amounts });
    match &evidence {
        Evidence::ImplausibleAmount(found) if found.amounts.is_empty() => None,
        _ => Some(Suspicion::new([record.id], evidence)),
    }
}

fn above(measure: Measure, value: i64, bound: i64) -> Option<Amount> {
    (value > bound).then_some(Amount { measure, party: None, value, bound })
}

fn minutes(record: &Record, thresholds: &Thresholds) -> Vec<Amount> {
    let most = thresholds.minutes_max.of(record.activity.kind);
    let of = |(party, minutes): (&_, &i64)| {
        above(Measure::PersonMinutes, *minutes, most).map(|amount| Amount { party: Some(*party), ..amount })
    };
    let mut amounts: Vec<Amount> = record.minutes.iter().filter_map(of).collect();
    amounts.extend(record.minutes_each().and_then(|each| above(Measure::MinutesEach, each, most)));
    let people = record.activity.people.unwrap_or(0);
    amounts.extend(above(Measure::People, people, thresholds.people_max));
    amounts
}

/// A rate needs minutes; a record without any is held against a number.
fn items(record: &Record, thresholds: &Thresholds) -> Option<Amount> {
    let items = record.items_picked_up();
    match record.person_minutes() {
        0 => above(Measure::Items, items, thresholds.items_max),
        minutes if items >= thresholds.items_rate_from => {
            let per_minute = items.saturating_add(minutes - 1) / minutes;
            above(Measure::ItemsPerPersonMinute, per_minute, thresholds.items_per_person_minute_max)
        }
        _ => None,
    }
}

fn bags(record: &Record, thresholds: &Thresholds) -> Option<Amount> {
    let (bags, minutes) = (record.picked_up("bags"), record.person_minutes());
    if minutes == 0 || bags < thresholds.bags_rate_from {
        return None;
    }
    let per_hour = bags.saturating_mul(60).saturating_add(minutes - 1) / minutes;
    above(Measure::BagsPerPersonHour, per_hour, thresholds.bags_per_person_hour_max)
}

fn weights(record: &Record, thresholds: &Thresholds) -> Vec<Amount> {
    let (bags, weight_g) = (record.picked_up("bags"), record.picked_up("weight_g"));
    let names = i64::try_from(record.minutes.len()).unwrap_or(i64::MAX);
    let people = record.activity.people.unwrap_or(0).max(names).max(1);
    let mut amounts = Vec::new();
    if bags > 0 && weight_g > 0 {
        let per_bag = weight_g / bags;
        let least = thresholds.bag_weight_g_min;
        amounts.extend(above(Measure::BagWeightG, per_bag, thresholds.bag_weight_g_max));
        let low = Amount { measure: Measure::BagWeightGLow, party: None, value: per_bag, bound: least };
        amounts.extend((per_bag < least).then_some(low));
    }
    let each = weight_g / people;
    amounts.extend(above(Measure::WeightGPerPerson, each, thresholds.weight_g_per_person_max));
    amounts
}

fn product(record: &Record, thresholds: &Thresholds) -> Vec<Amount> {
    let age = record.age_years.map_or(0, |years| years.ceil() as i64);
    let this_year = i64::from(record.activity.day.year());
    let made = record.year.unwrap_or(0);
    // The year is the figure in doubt only where it is after the repair; how old a product is says its age.
    let age_by_year = if made > 0 { this_year - made } else { 0 };
    let most = thresholds.product_age_years_max;
    [
        above(Measure::ProductAgeYears, age.max(age_by_year), most),
        above(Measure::ProductYear, made, this_year),
    ]
    .into_iter()
    .flatten()
    .collect()
}
