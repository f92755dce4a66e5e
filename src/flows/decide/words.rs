//! What refusals say to the person who decides: what to do instead.

use crate::ledger::Refusal;

/// Another state than the person saw.
pub const CHANGED: &str =
    "The record has changed since you saw it: look again and decide on what is there now.";

/// A second decision about a record in a batch that is taken back as one.
pub const DECIDED_TWICE: &str = "Decide about each record once in a batch, so that it can be taken back as \
     one: an approval settles and corrects too. What depends on another decision goes into the next batch.";

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
        Refusal::MergeRaises => {
            "So many minutes need two people, and a merge is one person's: have the records approved first, each by as \
             many as it needs. A merge that adds nothing to what is approved needs only you."
        }
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
