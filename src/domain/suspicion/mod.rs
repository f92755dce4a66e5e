//! Suspicions: doubts that small pure rules raise about records, with evidence, for a person to settle.
//!
//! A rule sees one record and what is around it, as found by the traces of [`near`], and answers with figures
//! that a person can check. It decides nothing: an open suspicion only keeps other rules from approving. The
//! word never reaches a phone; a resident reads that something needs checking ([`super::words`]).
//!
//! Rules are symmetric: what they find between two records they find whichever of the two is looked at.

mod amount;
mod carried;
mod clock;
mod compare;
mod confirmation;
mod elsewhere;
mod evidence;
mod examine;
pub mod near;
mod occasion;
mod overlap;
mod people;
mod photo;
mod place;
mod record;
mod same_event;
mod thresholds;

#[cfg(test)]
pub(in crate::domain) mod tests;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

pub use compare::{Change, Known, compare};
pub use evidence::{
    AlsoReported, Amount, Carried, Carrier, Clock, ClockSign, ClockSkew, Elsewhere, Evidence,
    ImplausibleAmount, Measure, MinorPresent, MutualConfirmation, OverClaimed, Overlap, OverlapOf,
    OwnConfirmation, PhotoSeenBefore, SameEvent,
};
pub use examine::{Claim, Confirmation, Delivery, OfficialReport, Person, Surroundings, examine};
pub use place::Place;
pub use record::{Origin, Record, Setting, Source, Times};
pub use thresholds::{MinutesMax, ThresholdFault, Thresholds};

use super::ids::{ActivityId, PartyId, SuspicionId};

/// The kinds of doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspicionKind {
    /// One event, logged by two.
    SameEvent,
    /// A person's time is in two records.
    Overlap,
    /// More, or less, than is likely.
    ImplausibleAmount,
    /// Times that do not go together.
    ClockSkew,
    /// Confirmed by the one who gains by it.
    OwnConfirmation,
    /// Two people who confirm mostly each other.
    MutualConfirmation,
    /// A photo that another record has too.
    PhotoSeenBefore,
    /// Brought by somebody else than before, in a group's daybook.
    Carried,
    /// A part takes more than its occasion has left.
    OverClaimed,
    /// People under age take part.
    MinorPresent,
    /// Another system may count it too.
    AlsoReported,
}

/// A doubt raised by a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Suspicion {
    /// The records that it is about, sorted: one or more.
    pub about: Vec<ActivityId>,
    #[serde(flatten)]
    pub evidence: Evidence,
}

impl SuspicionKind {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SameEvent,
        Self::Overlap,
        Self::ImplausibleAmount,
        Self::ClockSkew,
        Self::OwnConfirmation,
        Self::MutualConfirmation,
        Self::PhotoSeenBefore,
        Self::Carried,
        Self::OverClaimed,
        Self::MinorPresent,
        Self::AlsoReported,
    ];

    /// A stable code, for coordinators; a phone is told that of [`super::words::Told`].
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SameEvent => "same_event",
            Self::Overlap => "overlap",
            Self::ImplausibleAmount => "implausible_amount",
            Self::ClockSkew => "clock_skew",
            Self::OwnConfirmation => "own_confirmation",
            Self::MutualConfirmation => "mutual_confirmation",
            Self::PhotoSeenBefore => "photo_seen_before",
            Self::Carried => "carried",
            Self::OverClaimed => "over_claimed",
            Self::MinorPresent => "minor_present",
            Self::AlsoReported => "also_reported",
        }
    }
}

impl Suspicion {
    /// A doubt about some records.
    #[must_use]
    pub fn new(about: impl IntoIterator<Item = ActivityId>, evidence: Evidence) -> Self {
        let mut about: Vec<ActivityId> = about.into_iter().collect();
        about.sort_unstable();
        about.dedup();
        Self { about, evidence }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> SuspicionKind {
        match &self.evidence {
            Evidence::SameEvent(_) => SuspicionKind::SameEvent,
            Evidence::Overlap(_) => SuspicionKind::Overlap,
            Evidence::ImplausibleAmount(_) => SuspicionKind::ImplausibleAmount,
            Evidence::ClockSkew(_) => SuspicionKind::ClockSkew,
            Evidence::OwnConfirmation(_) => SuspicionKind::OwnConfirmation,
            Evidence::MutualConfirmation(_) => SuspicionKind::MutualConfirmation,
            Evidence::PhotoSeenBefore(_) => SuspicionKind::PhotoSeenBefore,
            Evidence::Carried(_) => SuspicionKind::Carried,
            Evidence::OverClaimed(_) => SuspicionKind::OverClaimed,
            Evidence::MinorPresent(_) => SuspicionKind::MinorPresent,
            Evidence::AlsoReported(_) => SuspicionKind::AlsoReported,
        }
    }

    /// The same doubt, whatever its evidence, has the same key: 32 hexadecimal digits. A doubt about a habit of
    /// two people is about them, in whichever records it shows.
    #[must_use]
    pub fn key(&self) -> String {
        hex(&self.named())
    }

    /// Its key, as an id.
    #[must_use]
    pub fn id(&self) -> SuspicionId {
        SuspicionId(Uuid::from_bytes(self.named()))
    }

    /// The id of the doubt about a habit of two people.
    #[must_use]
    pub fn id_of_habit(one: PartyId, two: PartyId) -> SuspicionId {
        let (first, second) = (one.min(two), one.max(two));
        let kind = SuspicionKind::MutualConfirmation.code();
        SuspicionId(Uuid::from_bytes(digest(&format!("{kind}\n{first}\n{second}"))))
    }

    fn named(&self) -> [u8; 16] {
        let subjects = match self.pair() {
            Some(parties) => parties.iter().map(ToString::to_string).collect::<Vec<_>>(),
            None => self.about.iter().map(ToString::to_string).collect(),
        };
        digest(&format!("{}\n{}", self.kind().code(), subjects.join("\n")))
    }

    /// What of its evidence counts, as 32 hexadecimal digits: noise does not change it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let weighed = self.evidence.weighed();
        let mut lines = vec![self.key()];
        lines.extend(weighed.facts);
        let magnitudes = weighed.magnitudes.iter();
        lines.extend(magnitudes.map(|(name, value)| format!("{name} 2^{}", evidence::bucket(*value))));
        hex(&digest(&lines.join("\n")))
    }

    /// The rules find it by looking at this record.
    fn shows_in(&self, record: ActivityId) -> bool {
        self.about.contains(&record)
    }

    /// The two people whose habit it is about.
    fn pair(&self) -> Option<[PartyId; 2]> {
        match &self.evidence {
            Evidence::MutualConfirmation(found) => Some(found.parties),
            _ => None,
        }
    }
}

/// The first half of a SHA-256: enough to tell apart what one neighbourhood raises.
fn digest(text: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    std::array::from_fn(|at| digest[at])
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
