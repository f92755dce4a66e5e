//! Cards: what needs a person, one occasion at a time, with the decision that the figures suggest.
//!
//! A card gathers the records that open suspicions connect, an occasion and its parts, what was merged, and
//! records that wait for one and the same reason: a phone whose clock is off, a person whom nobody knows yet.
//! Everything here is a function of what is put in; the order in which it comes changes nothing.

mod capped;
mod choose;
mod group;
mod merge;
mod stakes;
mod suggest;
mod why;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ids::{ActivityId, PartyId};
use super::reading::Value;
use super::review::Review;
use super::suspicion::{Record, Suspicion};

pub use suggest::{Correction, ItemChosen, MinutesChosen, Proposal, Question, Suggestion, ValueChosen};
pub use why::{ChosenBy, Why};

/// A card rises by as many minutes for each day that it waits: half an hour's record passes one of three hours
/// after five days, so that small ones do not wait for ever.
const MINUTES_PER_DAY_WAITED: i64 = 30;
const DAY_MS: i128 = 24 * 60 * 60 * 1_000;

/// Why a record needs a person, besides open suspicions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// Several values survive in a field that matters.
    Conflict,
    /// A field cannot be read.
    Unreadable,
    /// It names somebody whom nobody has enrolled or confirmed.
    UnknownParty,
    /// A person's minutes on that day are above the rules'.
    DayMinutes,
    /// The total says more than its people can have given.
    OccasionTotal,
    /// It was changed after it was approved.
    Edited,
    /// A second person has to approve it.
    SecondPerson,
    /// Its people took it back, and somebody else is named.
    Withdrawn,
    /// No rule may approve it: the rules say so, or a person decided here before.
    Rules,
    /// Somebody who is named says that they were not part of it.
    Declined,
    /// Somebody said something that nobody has answered.
    Reply,
    /// Drawn by lot to be looked at, though a rule approved it.
    Audit,
}

impl Need {
    /// The word that it is shown by.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Conflict => "conflict",
            Self::Unreadable => "unreadable",
            Self::UnknownParty => "unknown_party",
            Self::DayMinutes => "day_minutes",
            Self::OccasionTotal => "occasion_total",
            Self::Edited => "edited",
            Self::SecondPerson => "second_person",
            Self::Withdrawn => "withdrawn",
            Self::Rules => "rules",
            Self::Declined => "declined",
            Self::Reply => "reply",
            Self::Audit => "audit",
        }
    }
}

/// A field in which several values survive.
#[derive(Debug, Clone, PartialEq)]
pub struct Disputed {
    /// The document's key.
    pub field: String,
    /// The first one first.
    pub values: Vec<DisputedValue>,
}

/// One of them, and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct DisputedValue {
    pub value: Value,
    pub recorded_ms: i64,
    pub received_ms: i64,
}

/// A record as a card holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub record: Record,
    pub review: Review,
    /// Why it needs a person; empty for what is only there to be compared with.
    pub needs: BTreeSet<Need>,
    /// Since when it waits for a person, in milliseconds since 1970; nothing while it does not. A record that came long
    /// ago may be asked about only now.
    pub waits_since_ms: Option<i64>,
    /// The fields that matter in which several values survive.
    pub disputed: Vec<Disputed>,
    /// People whom nobody has enrolled or confirmed.
    pub unknown_parties: BTreeSet<PartyId>,
    /// People who say that they were not part of it.
    pub declined: BTreeSet<PartyId>,
    pub merged_into: Option<ActivityId>,
    /// Others are merged into it.
    pub has_members: bool,
    /// What its approved parts take from its total, in minutes by part: an approval holds that much less.
    pub parts: BTreeMap<ActivityId, i64>,
    /// Minutes that an approval as it stands would move, whichever way.
    pub moves: i64,
    /// The most minutes that caps leave its parties; whoever has no cap is absent. See [`Entry::within`].
    pub room: BTreeMap<PartyId, i64>,
}

/// What a person decides at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Card {
    /// Its occasion, else its record that came first.
    pub id: ActivityId,
    /// All its records, sorted.
    pub activities: Vec<ActivityId>,
    /// Those that need a person, sorted.
    pub needing: Vec<ActivityId>,
    /// Why they do, besides suspicions.
    pub needs: BTreeSet<Need>,
    /// The open suspicions about them.
    pub suspicions: Vec<Suspicion>,
    /// Only drawn by lot: not counted among those in doubt.
    pub audit_only: bool,
    /// Minutes at stake: what approving all that need a person would move.
    pub minutes: i64,
    /// Since when the oldest that needs a person waits, in milliseconds since 1970, by the server's clock.
    pub waiting_since_ms: i64,
    /// What the figures suggest; a person decides.
    pub suggested: Vec<Suggestion>,
}

/// All cards, the most pressing first: by minutes at stake, and half an hour for each day of waiting. Which of
/// two goes first does not depend on when one looks.
///
/// `open` are the suspicions that nobody has settled. What they name and `entries` lack is left out. An
/// activity stands in exactly one card, or in none if nothing around it needs a person.
#[must_use]
pub fn cards(entries: &[Entry], open: &[Suspicion]) -> Vec<Card> {
    let groups = group::groups(entries, open);
    let mut cards: Vec<Card> = groups.iter().filter_map(|group| card(group)).collect();
    cards.sort_by_key(Card::place);
    cards
}

impl Card {
    /// Where it stands among all cards; the least comes first.
    #[must_use]
    pub fn place(&self) -> (i128, i64, ActivityId) {
        let waited = i128::from(self.waiting_since_ms) * i128::from(MINUTES_PER_DAY_WAITED);
        (waited - i128::from(self.minutes) * DAY_MS, self.waiting_since_ms, self.id)
    }

    /// Why it waits, by doubts and by needs, and what is suggested, without who and when: equal for cards that one answer
    /// may do for.
    #[must_use]
    pub fn likeness(&self) -> String {
        let doubts = self.suspicions.iter().map(|suspicion| suspicion.kind().code());
        let reasons: BTreeSet<&str> = doubts.chain(self.needs.iter().map(|need| need.word())).collect();
        let suggested: BTreeSet<&str> =
            self.suggested.iter().map(|suggestion| suggestion.proposal.word()).collect();
        let [reasons, suggested] =
            [reasons, suggested].map(|words| words.into_iter().collect::<Vec<_>>().join("+"));
        format!("{reasons}:{suggested}")
    }
}

fn card(group: &group::Group<'_>) -> Option<Card> {
    let needing: Vec<&Entry> = group.entries.iter().copied().filter(|entry| group.needs(entry)).collect();
    let received = needing.iter().map(|entry| entry.record.times.received_ms).min()?;
    // What is only in doubt together with something that waits does not wait itself.
    let oldest = needing.iter().filter_map(|entry| entry.waits_since_ms).min();
    let claimed = stakes::claimed(group, &needing);
    let first = group.entries.iter().min_by_key(|entry| {
        let is_occasion =
            group.entries.iter().any(|part| part.record.activity.part_of == Some(entry.record.id));
        (!is_occasion, entry.record.times.received_ms, entry.record.id)
    })?;
    let is_audit = |entry: &&Entry| entry.needs.iter().all(|need| *need == Need::Audit);
    Some(Card {
        id: first.record.id,
        activities: group.entries.iter().map(|entry| entry.record.id).collect(),
        needing: needing.iter().map(|entry| entry.record.id).collect(),
        needs: needing.iter().flat_map(|entry| entry.needs.iter().copied()).collect(),
        suspicions: group.suspicions.iter().map(|suspicion| (*suspicion).clone()).collect(),
        audit_only: group.suspicions.is_empty() && needing.iter().all(is_audit),
        minutes: needing
            .iter()
            .map(|entry| entry.moves_beside(&claimed).saturating_abs())
            .fold(0_i64, i64::saturating_add),
        waiting_since_ms: oldest.unwrap_or(received),
        suggested: suggest::suggest(group),
    })
}
