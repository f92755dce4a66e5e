//! What a suspicion rests on: figures that a person can check, and a fingerprint of them.
//!
//! A doubt that a person has settled is raised again only on new evidence. So what noise moves is shown and
//! does not count: a distance by a shaky fix, the minutes of an overlap after a correction of one. What
//! counts is discrete (who, which photo, which measure) or a magnitude, and a magnitude counts by its power
//! of two.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::activity::Kind;
use crate::domain::ids::{ActivityId, PartyId};

/// A magnitude says more than a settled one only from this share of it on, in percent: a power of two that is
/// crossed by one minute is no news.
const GROWTH_PERCENT: i64 = 150;

/// The figures, by kind of suspicion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", content = "evidence", rename_all = "snake_case")]
pub enum Evidence {
    SameEvent(SameEvent),
    Overlap(Overlap),
    ImplausibleAmount(ImplausibleAmount),
    ClockSkew(ClockSkew),
    OwnConfirmation(OwnConfirmation),
    MutualConfirmation(MutualConfirmation),
    PhotoSeenBefore(PhotoSeenBefore),
    Carried(Carried),
    OverClaimed(OverClaimed),
    MinorPresent(MinorPresent),
    AlsoReported(AlsoReported),
}

impl Evidence {
    /// Leaves out how far apart two places are.
    pub fn forget_distance(&mut self) {
        match self {
            Self::SameEvent(found) => found.distance_m = None,
            Self::AlsoReported(found) => found.distance_m = None,
            _ => {}
        }
    }
}

/// Two records may tell of one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SameEvent {
    /// What both say was done.
    pub activity_kind: Kind,
    #[schema(value_type = String, format = Date)]
    /// The day that they share.
    pub day: NaiveDate,
    /// Metres between the two places, if both have one.
    pub distance_m: Option<i64>,
    /// Both name the same place of the register.
    pub same_place: bool,
    /// Minutes that both times share, if both have a time.
    pub overlap_minutes: Option<i64>,
    /// The same as a part of the shorter one.
    pub overlap_percent: Option<i64>,
    /// Who is credited in both.
    pub shared_parties: Vec<PartyId>,
    /// One counts people without a name, who may be those of the other.
    pub unnamed_people: bool,
    /// Hashes of photos in both.
    pub same_photos: Vec<String>,
    /// Counts that are equal in both, if all are.
    pub same_tallies: i64,
}

/// The time of a person in two records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overlap {
    /// Whose time it is.
    pub people: Vec<OverlapOf>,
    /// By the clock; otherwise an occasion and its parts name the person twice, and a time is missing.
    pub clocked: bool,
}

/// One person's share of an overlap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverlapOf {
    /// Who.
    pub party: PartyId,
    /// Minutes counted twice, begun ones as whole ones.
    pub minutes: i64,
}

/// Amounts beyond what is likely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImplausibleAmount {
    /// What is beyond its bound.
    pub amounts: Vec<Amount>,
}

/// One such amount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Amount {
    /// What was measured.
    pub measure: Measure,
    /// Whose, for `person_minutes`.
    pub party: Option<PartyId>,
    /// As recorded.
    pub value: i64,
    /// The bound that it is beyond: above it, but for `bag_weight_g_low`.
    pub bound: i64,
}

/// What is measured, with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Minutes of one person.
    PersonMinutes,
    /// Minutes of each of the people of an occasion, on average.
    MinutesEach,
    People,
    /// Items picked up per person and minute.
    ItemsPerPersonMinute,
    /// Items picked up, where no minutes are given.
    Items,
    /// Bags per person and hour.
    BagsPerPersonHour,
    /// Grams per bag, too many.
    BagWeightG,
    /// Grams per bag, too few: most likely typed in kilograms.
    BagWeightGLow,
    /// Grams per person.
    WeightGPerPerson,
    /// Years that a product was in use.
    ProductAgeYears,
    /// A product's year of manufacture, after the repair.
    ProductYear,
}

/// Times that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockSkew {
    /// The times that contradict each other.
    pub signs: Vec<ClockSign>,
}

/// One such pair of times.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClockSign {
    /// Which two times.
    pub sign: Clock,
    /// How far the two are apart.
    pub minutes: i64,
}

/// Which times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// The phone's clock was measured, and is off.
    Measured,
    /// The phone wrote it after the server had it.
    RecordedAhead,
    /// It starts after the server had it.
    StartedAhead,
    /// It names a day after that on which the server had it.
    DayAhead,
    /// It starts after the phone last wrote it.
    StartedAfterRecorded,
    /// It came long after the day that it names.
    Late,
    /// The day that it names is not that of its start.
    DayAndStartDiffer,
    /// A photo was taken after the server had the record.
    PhotoAhead,
    /// A photo was taken long before or after the day.
    PhotoFarFromDay,
}

/// Somebody confirmed what only they gained by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OwnConfirmation {
    /// Who confirmed.
    pub confirmer: PartyId,
}

/// Two people confirm mostly each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MutualConfirmation {
    /// The two, the lesser id first.
    pub parties: [PartyId; 2],
    /// Confirmations by the first of records of the second.
    pub forth: i64,
    /// And the other way round.
    pub back: i64,
    /// Of all confirmations by the two, in percent.
    pub share_percent: i64,
    /// Days looked at.
    pub days: i64,
}

/// Photos that are in another record too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhotoSeenBefore {
    /// Their SHA-256.
    pub photos: Vec<String>,
    /// Both records are in one daybook.
    pub same_daybook: bool,
    /// Days between the days that the records name.
    pub days_apart: i64,
}

/// Changes in a group's daybook brought by somebody else than earlier ones of the same writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Carried {
    /// Who brought, and who had brought before.
    pub carriers: Vec<Carrier>,
}

/// Who brought, and who had brought before.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Carrier {
    /// Who brought the changes.
    pub by: PartyId,
    /// Who had brought the same writer's earlier ones.
    pub before: PartyId,
}

/// A part takes more than its occasion has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OverClaimed {
    /// The occasion.
    pub occasion: ActivityId,
    /// Minutes that the part says.
    pub claimed: i64,
    /// Minutes that the occasion has left.
    pub remainder: i64,
    /// The occasion's minutes in all.
    pub total: i64,
    /// Of these, by name in the occasion itself.
    pub named: i64,
    /// And in its other parts.
    pub other_parts: i64,
}

/// People under age take part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MinorPresent {
    /// Who is under age.
    pub minors: Vec<PartyId>,
    /// Of these, those whose supervisor the record does not name.
    pub unsupervised: Vec<PartyId>,
}

/// The same deed may be counted elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlsoReported {
    /// How that is known.
    pub how: Elsewhere,
    /// The other system, if it is known.
    pub provider: Option<String>,
    /// Its id there.
    pub reference: Option<String>,
    /// Metres between the two places, if both have one.
    pub distance_m: Option<i64>,
    /// Days between the two.
    pub days_apart: i64,
}

/// How that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Elsewhere {
    /// Two records were imported under one id.
    SameSource,
    /// Two records say that they fix one request.
    SameRequest,
    /// A record made here is like an imported one.
    Imported,
    /// An official service has a report of the same kind at the same place.
    OfficialReport,
    /// An official service says that it did itself what this record says.
    DoneOfficially,
}

/// What counts of some evidence.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Weighed {
    pub facts: BTreeSet<String>,
    pub magnitudes: BTreeMap<String, i64>,
}

impl Evidence {
    /// What counts of it, apart from what noise moves.
    pub(super) fn weighed(&self) -> Weighed {
        let mut weighed = Weighed::default();
        match self {
            Self::SameEvent(found) => {
                weighed.facts.extend(found.shared_parties.iter().map(|party| format!("party {party}")));
                weighed.facts.extend(found.same_photos.iter().map(|photo| format!("photo {photo}")));
                weighed.note("unnamed", found.unnamed_people);
                weighed.note("tallies", found.same_tallies > 0);
            }
            Self::Overlap(found) => {
                weighed.note("clocked", found.clocked);
                weighed.measure(found.people.iter().map(|of| (format!("party {}", of.party), of.minutes)));
            }
            Self::ImplausibleAmount(found) => {
                weighed.measure(found.amounts.iter().map(|amount| (amount.name(), amount.beyond_percent())));
            }
            Self::ClockSkew(found) => {
                weighed.measure(found.signs.iter().map(|sign| (format!("{:?}", sign.sign), sign.minutes)));
            }
            Self::OwnConfirmation(found) => weighed.note(&format!("party {}", found.confirmer), true),
            Self::MutualConfirmation(found) => {
                weighed.measure([("times".to_owned(), found.forth.saturating_add(found.back))]);
            }
            Self::PhotoSeenBefore(found) => {
                weighed.facts.extend(found.photos.iter().map(|photo| format!("photo {photo}")));
            }
            Self::Carried(found) => {
                let carriers = found.carriers.iter();
                weighed.facts.extend(carriers.map(|carrier| format!("{} {}", carrier.by, carrier.before)));
            }
            Self::OverClaimed(found) => {
                weighed.note(&format!("occasion {}", found.occasion), true);
                weighed.measure([("excess".to_owned(), found.claimed.saturating_sub(found.remainder))]);
            }
            Self::MinorPresent(found) => {
                weighed.facts.extend(found.minors.iter().map(|party| format!("minor {party}")));
                weighed.facts.extend(found.unsupervised.iter().map(|party| format!("alone {party}")));
            }
            Self::AlsoReported(found) => {
                let (provider, reference) = (found.provider.as_deref(), found.reference.as_deref());
                let fact = format!("{:?} {:?} {:?}", found.how, provider, reference);
                weighed.facts.insert(fact);
            }
        }
        weighed
    }

    /// It says something that the settled evidence did not: a new fact, or a magnitude that has grown by half.
    #[must_use]
    pub fn adds_to(&self, settled: &Self) -> bool {
        let (new, old) = (self.weighed(), settled.weighed());
        let grown = |(name, value): (&String, &i64)| match old.magnitudes.get(name) {
            None => true,
            Some(before) => {
                bucket(*value) > bucket(*before)
                    && value.saturating_mul(100) >= before.saturating_mul(GROWTH_PERCENT)
            }
        };
        !new.facts.is_subset(&old.facts) || new.magnitudes.iter().any(grown)
    }
}

impl Weighed {
    fn note(&mut self, fact: &str, holds: bool) {
        if holds {
            self.facts.insert(fact.to_owned());
        }
    }

    fn measure(&mut self, magnitudes: impl IntoIterator<Item = (String, i64)>) {
        for (name, value) in magnitudes {
            let greatest = self.magnitudes.entry(name).or_insert(value);
            *greatest = value.max(*greatest);
        }
    }
}

impl Amount {
    fn name(&self) -> String {
        self.party
            .map_or_else(|| format!("{:?}", self.measure), |party| format!("{:?} {party}", self.measure))
    }

    /// How far it is beyond its bound, as a part of the bound: 100 is at it.
    fn beyond_percent(&self) -> i64 {
        let (far, near) = match self.measure {
            Measure::BagWeightGLow => (self.bound, self.value),
            _ => (self.value, self.bound),
        };
        far.saturating_mul(100) / near.max(1)
    }
}

/// The power of two at or below a magnitude: 0 for what is less than 2.
pub(super) fn bucket(magnitude: i64) -> u32 {
    magnitude.max(1).ilog2()
}
