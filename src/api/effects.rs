//! What decisions do, as a preview foretells it and a stored decision tells it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::ids::{AccountId, ActivityId};
use crate::domain::review::Review;
use crate::flows::decide::{Effects, Moved};

/// What decisions do.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EffectsView {
    /// How many of the items would be decided.
    #[schema(example = 2)]
    pub decisions: usize,
    /// Minutes that go up or down on accounts, in all.
    #[schema(example = 190)]
    pub minutes: i64,
    /// What would be posted, in order.
    pub transfers: Vec<TransferEffect>,
    /// What phones would be told.
    pub verdicts: Vec<VerdictEffect>,
}

/// A line that a decision posts.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TransferEffect {
    pub activity_id: ActivityId,
    pub account_id: AccountId,
    /// `contribution` or `credit`.
    #[schema(example = "contribution")]
    pub asset: String,
    /// Above zero to the account, below zero back to the commons.
    pub minutes: i64,
    /// The day that the minutes belong to.
    #[schema(format = Date, example = "2026-11-21")]
    pub day: String,
}

/// What a phone would be told of an activity.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct VerdictEffect {
    pub activity_id: ActivityId,
    pub review: Review,
    /// The minutes that would count; absent where nothing is decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minutes: Option<i64>,
}

impl From<Moved> for TransferEffect {
    fn from(moved: Moved) -> Self {
        let Moved { activity, account, asset, minutes, day } = moved;
        Self { activity_id: activity, account_id: account, asset, minutes, day }
    }
}

impl EffectsView {
    /// Of so many decisions.
    pub(super) fn of(effects: Effects, decisions: usize) -> Self {
        let minutes = effects.minutes();
        let verdicts = effects.verdicts.into_iter();
        Self {
            decisions,
            minutes,
            transfers: effects.transfers.into_iter().map(TransferEffect::from).collect(),
            verdicts: verdicts
                .map(|(activity_id, (review, minutes))| VerdictEffect { activity_id, review, minutes })
                .collect(),
        }
    }
}
