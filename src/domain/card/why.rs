//! Why a decision is suggested, as a code with its figures; the sentence is in [`crate::domain::words`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Question;

/// Why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Of the values in conflict these were chosen.
    Chosen(BTreeSet<ChosenBy>),
    /// So many records tell of one event.
    OneEvent(usize),
    /// An official service did the work itself.
    DoneOfficially,
    /// Several records count as one, and one of them was changed since.
    MergeStands,
    /// Somebody who is named was not part of it.
    WithoutWhoDeclined,
    /// So many minutes would count twice.
    CountedTwice(i64),
    /// What was noticed about so many records does not change their figures.
    Ordinary(usize),
    /// Only people can answer it.
    Ask(Question),
}

/// How one of several values was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChosenBy {
    /// Of minutes and people the least.
    Least,
    /// Of counts the greatest.
    GreatestCount,
    /// Of everything else what was written last.
    Last,
}
