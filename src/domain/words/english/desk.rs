//! What a coordinator reads of what was found: with the figures, as a question that is open, without a blame or a
//! name. What a resident reads is in [`super::residents`].

use super::count;
use crate::domain::activity::Kind;
use crate::domain::suspicion::{
    AlsoReported, Amount, Clock, ClockSign, Elsewhere, Evidence, Measure, MutualConfirmation, OverClaimed,
    Overlap, SameEvent,
};

/// What was found, in plain words, with its figures.
pub fn suspicion(evidence: &Evidence) -> String {
    match evidence {
        Evidence::SameEvent(found) => same_event(found),
        Evidence::Overlap(found) => overlap(found),
        Evidence::ImplausibleAmount(found) => sentence("Please look at the figures", found.amounts.iter().map(amount)),
        Evidence::ClockSkew(found) => sentence("The times do not go together", found.signs.iter().map(clock)),
        Evidence::OwnConfirmation(_) => {
            "The confirmation comes from the person whom the record is about: somebody else has to confirm it."
                .to_owned()
        }
        Evidence::MutualConfirmation(found) => mutual(found),
        Evidence::PhotoSeenBefore(found) => {
            let photos = count(len(found.photos.len()), "photo", "photos");
            let whose = if found.same_daybook { "another record of the same daybook" } else { "another daybook's record" };
            format!("{photos} also in {whose}, {}.", days_apart(found.days_apart))
        }
        Evidence::Carried(found) => {
            let carriers = count(len(found.carriers.len()), "writer's", "writers'");
            format!("Changes in the group's daybook came by another member's phone than before ({carriers}).")
        }
        Evidence::OverClaimed(found) => over_claimed(found),
        Evidence::MinorPresent(found) => {
            let minors = count(len(found.minors.len()), "person", "people");
            match found.unsupervised.len() {
                0 => format!("{minors} under age took part, with their supervisor."),
                alone => format!("{minors} under age took part; for {alone} no supervisor is named."),
            }
        }
        Evidence::AlsoReported(found) => also_reported(found),
    }
}

fn same_event(found: &SameEvent) -> String {
    let kind = match found.activity_kind {
        Kind::LitterPick => "litter pick",
        Kind::Repair => "repair",
        Kind::StreetFix => "street fix",
        Kind::Hours => "hours",
    };
    let place = match (found.distance_m, found.same_place) {
        (_, true) => Some("at the same place".to_owned()),
        (Some(distance_m), false) => Some(format!("{distance_m} m apart")),
        (None, false) => None,
    };
    let time = match (found.overlap_minutes, found.overlap_percent) {
        (Some(minutes), Some(percent)) => {
            format!("{minutes} minutes at the same time ({percent} % of the shorter)")
        }
        _ => format!("on {}", found.day),
    };
    let some = |number: i64, one: &str, many: &str| (number > 0).then(|| count(number, one, many));
    let parts = [
        place,
        Some(time),
        some(len(found.shared_parties.len()), "person in both", "people in both"),
        some(len(found.same_photos.len()), "photo in both", "photos in both"),
        some(found.same_tallies, "equal count", "equal counts"),
        found.unnamed_people.then(|| "one counts people without a name".to_owned()),
    ];
    sentence(&format!("Two records may tell of the same {kind}"), parts.into_iter().flatten())
}

fn overlap(found: &Overlap) -> String {
    let of = found.people.iter().map(|of| of.minutes).max().unwrap_or(0);
    let people = count(len(found.people.len()), "person's", "people's");
    if found.clocked {
        format!("{people} time is in two records: {} would count twice.", minutes(of))
    } else {
        format!("{people} time is in an occasion and in a part of it: {} may count twice.", minutes(of))
    }
}

fn amount(amount: &Amount) -> String {
    let Amount { measure, value, bound, .. } = amount;
    match measure {
        Measure::PersonMinutes => {
            format!("{} for one person, more than {} in one record", minutes(*value), minutes(*bound))
        }
        Measure::MinutesEach => {
            format!("{} each, more than {} in one record", minutes(*value), minutes(*bound))
        }
        Measure::People => format!("{value} people, more than {bound}"),
        Measure::ItemsPerPersonMinute => format!("{value} items per person and minute, more than {bound}"),
        Measure::Items => format!("{value} items and no minutes, more than {bound}"),
        Measure::BagsPerPersonHour => format!("{value} bags per person and hour, more than {bound}"),
        Measure::BagWeightG => format!("{} per bag, more than {}", kilograms(*value), kilograms(*bound)),
        Measure::BagWeightGLow => format!("{value} g per bag, less than an empty bag weighs (typed in kg?)"),
        Measure::WeightGPerPerson => {
            format!("{} per person, more than {}", kilograms(*value), kilograms(*bound))
        }
        Measure::ProductAgeYears => format!("a product {value} years old, more than {bound}"),
        Measure::ProductYear => format!("a product made in {value}, after the repair"),
    }
}

fn clock(sign: &ClockSign) -> String {
    let apart = span(sign.minutes);
    match sign.sign {
        Clock::Measured => format!("the phone's clock was {apart} off"),
        Clock::RecordedAhead => format!("written {apart} after it came, by the phone's clock"),
        Clock::StartedAhead => format!("starts {apart} after it came"),
        Clock::DayAhead => format!("names a day that was {apart} ahead"),
        Clock::StartedAfterRecorded => format!("starts {apart} after it was written"),
        Clock::Late => format!("came {apart} after the day that it names"),
        Clock::DayAndStartDiffer => format!("the day and the start are {apart} apart"),
        Clock::PhotoAhead => format!("a photo taken {apart} after the record came"),
        Clock::PhotoFarFromDay => format!("a photo taken {apart} from the day"),
    }
}

fn mutual(found: &MutualConfirmation) -> String {
    format!(
        "Two people confirmed each other {} and {} times in {} days: {} % of their confirmations.",
        found.forth, found.back, found.days, found.share_percent
    )
}

fn over_claimed(found: &OverClaimed) -> String {
    format!(
        "The part says {}, and {} of the occasion's {} are left ({} by name, {} in other parts).",
        minutes(found.claimed),
        minutes(found.remainder),
        minutes(found.total),
        found.named,
        found.other_parts
    )
}

fn also_reported(found: &AlsoReported) -> String {
    let provider = found.provider.as_deref().unwrap_or("another system");
    let what = match found.how {
        Elsewhere::SameSource => format!("Two records were imported from {provider} under one id"),
        Elsewhere::SameRequest => "Two records say that they fix the same request".to_owned(),
        Elsewhere::Imported => format!("A record here is like one imported from {provider}"),
        Elsewhere::OfficialReport => format!("{provider} has a report of the same kind at this place"),
        Elsewhere::DoneOfficially => format!("{provider} says that it did this work itself"),
    };
    let place = found.distance_m.map(|distance_m| format!("{distance_m} m apart"));
    let reference = found.reference.as_ref().map(|reference| format!("number {reference}"));
    sentence(&what, [place, Some(days_apart(found.days_apart)), reference].into_iter().flatten())
}

/// `What: one, two, three.`
fn sentence(what: &str, parts: impl IntoIterator<Item = String>) -> String {
    let parts: Vec<String> = parts.into_iter().collect();
    format!("{what}: {}.", parts.join(", "))
}

fn days_apart(days: i64) -> String {
    match days {
        0 => "on the same day".to_owned(),
        days => format!("{} apart", count(days, "day", "days")),
    }
}

fn minutes(minutes: i64) -> String {
    count(minutes, "minute", "minutes")
}

/// In the largest whole unit.
fn span(minutes: i64) -> String {
    match minutes {
        1_440.. => count(minutes / 1_440, "day", "days"),
        60.. => count(minutes / 60, "hour", "hours"),
        _ => count(minutes, "minute", "minutes"),
    }
}

fn kilograms(grams: i64) -> String {
    format!("{}.{} kg", grams / 1_000, grams % 1_000 / 100)
}

fn len(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
