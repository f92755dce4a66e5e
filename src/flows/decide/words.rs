//! What refusals say to the person who decides: what to do instead.

use crate::ledger::Refusal;

/// Another state than the person saw.
pub const CHANGED: &str =
    "The record has changed since you saw it: look again and decide on what is there now.";

/// A refusal in a sentence.
pub fn sentence(refusal: &Refusal) -> String {
    let text = match refusal {
        Refusal::VersionChanged { .. } => CHANGED,
        Refusal::ReasonRequired => "Give a reason: the resident reads it.",
        Refusal::OwnCredit => "Nobody approves minutes for themselves: ask another coordinator.",
        Refusal::UndoBlocked { .. } => "Only the latest decision of an activity can be undone.",
        Refusal::ConflictUnsettled => {
            "Two phones say different things that matter: settle that first, or ask for changes."
        }
        Refusal::NothingPosted => "Nothing of this record is posted, so there is nothing to keep.",
        Refusal::Unreadable => "This version cannot be read: ask for changes.",
        Refusal::MergedAway { .. } => "This record was merged into another: decide there.",
        Refusal::Merged => "Other records are merged into this one: unmerge them first.",
        Refusal::NotMerged => "Nothing is merged into this record.",
        Refusal::MembersUnfit => "Name between 1 and 20 other records to merge, each once.",
        Refusal::SecondPerson => "So many minutes need a second coordinator: ask another one to approve too.",
        Refusal::NothingChanges => "Nothing would change.",
        Refusal::NothingToSettle => "Name the values to settle.",
        Refusal::SettlementUnfit { field } => {
            return format!(
                "The values of {field} are others by now, or it cannot hold this one: look again."
            );
        }
    };
    text.to_owned()
}
