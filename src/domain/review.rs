//! The states that people see.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What follows from the decisions about an activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Review {
    Received,
    Approved,
    NeedsChanges,
    Rejected,
    Withdrawn,
    EditedAfterApproval,
}

impl Review {
    /// It is for a rule or a person to decide, not for the resident.
    #[must_use]
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Received | Self::EditedAfterApproval)
    }
}

/// Several different surviving values, and whether they matter to ledger or reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conflict {
    None,
    Soft,
    Hard,
}
