//! A card as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::activity_view::ActivityView;
use super::super::replies::ReplyView;
use super::super::suspicions::SuspicionView;
use super::super::types::Instant;
use super::suggested::SuggestionView;
use crate::domain::card::Need;
use crate::domain::ids::{ActivityId, PartyId};

/// A page of cards, and of how much that waits they are made.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CardPage {
    /// The most pressing first.
    pub items: Vec<CardView>,
    /// Where the next page starts, as `after`; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// On the first page, with `activities:read`: list to the end, and follow `GET /v1/events` from here.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub events_after: Option<String>,
    /// Activities that need a person, all of them, whatever the list is narrowed to; 100,000 where there are more.
    #[schema(example = 12)]
    pub waiting: u64,
    /// Those of them that the cards of this list, all its pages, are made of. Where it is less than `waiting`, others came
    /// later than all of these: minutes at stake there are on no card, and the first card is the most pressing of what
    /// was looked at. They come in as these are decided.
    #[schema(example = 12)]
    pub looked_at: u64,
}

/// What a person decides at once: an occasion with its parts, or records that one doubt connects.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CardView {
    /// Its occasion, else its record that came first.
    pub id: ActivityId,
    /// Only drawn by lot: a rule approved it, and what is posted stands meanwhile.
    pub audit_only: bool,
    /// Minutes at stake: what approving all that need a person would move.
    #[schema(example = 190)]
    pub minutes: i64,
    /// Since when the oldest that needs a person waits, by the server's clock.
    pub waiting_since: Instant,
    /// Equal for cards that wait for the same reasons, doubts and `needs`, and in which the same is suggested: one answer
    /// may do for all.
    #[schema(example = "same_event:merge")]
    pub like: String,
    /// Who is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// Those of its records that need a decision.
    pub needing: Vec<ActivityId>,
    /// All its records, side by side.
    pub activities: Vec<CardActivity>,
    /// Everybody whom the records name.
    pub people: Vec<CardPerson>,
    /// The open suspicions about them.
    pub suspicions: Vec<SuspicionView>,
    /// What the figures suggest.
    pub suggested: Vec<SuggestionView>,
}

/// A record of a card.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CardActivity {
    pub activity: ActivityView,
    /// Why it needs a person, besides the suspicions; empty for what is only there to be compared with.
    pub needs: Vec<Need>,
    /// What was said about it, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replies: Vec<ReplyView>,
}

/// Somebody whom a card's records name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CardPerson {
    /// As the records name them; an alias is named by the party that it stands for.
    pub party_id: PartyId,
    /// Absent where nobody has said who it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Enrolled, or confirmed by a coordinator.
    pub known: bool,
}

/// Who is at a card, until when.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct LeaseView {
    /// The coordinator.
    pub held_by: PartyId,
    /// Unless they take it again.
    pub until: Instant,
}
