//! A neighbourhood's rules for reviewing and posting, versioned.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One version of a neighbourhood's rules. Stored whole, named in the journal by its version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RulePack {
    /// 1, 2, 3 … in a neighbourhood.
    pub version: i64,
    /// What is clean is approved by rule.
    pub auto: bool,
    /// Greatest minutes of one person on one civil day that a rule may approve.
    pub person_day_minutes_max: i64,
    /// An edit after an approval that moves no tally by more than this many items keeps the approval.
    pub report_items_threshold: i64,
}

impl RulePack {
    /// The rules a neighbourhood starts with: clean records by rule, at most 480 minutes (eight hours)
    /// per person and day, no change of report figures without a person.
    #[must_use]
    pub fn first() -> Self {
        Self { version: 1, auto: true, person_day_minutes_max: 480, report_items_threshold: 0 }
    }
}
