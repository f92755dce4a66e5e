//! Why a change is refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Stable codes of refusals (design: "The guard").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Not an Automerge chunk, its checksum is wrong, or its content cannot be decoded.
    Unreadable,
    /// Encoding what was decoded gives other bytes.
    NotCanonical,
    /// A document, a bundle or something unknown where a change belongs.
    ChunkType,
    /// More bytes than `CHANGE_BYTES_MAX`, as sent, inflated or with its run-lengths expanded.
    ChangeTooLarge,
    ActorTooLong,
    TooManyDependencies,
    TooManyOperations,
    /// Objects nested deeper than `OBJECT_DEPTH_MAX`.
    TooDeep,
    /// Leaves more values under one key than `CHANGE_VALUES_MAX`, none of which names another.
    TooManyValues,
    /// The sequence is not the actor's last one plus one, or that last one is not in the change's past.
    SeqGap,
    /// An author is stated elsewhere than in the actor's first change.
    AuthorMisplaced,
    /// Operations do not start above those of the dependencies and of the actor's last change.
    StartOpLow,
    /// An empty change that does not start exactly one above its dependencies: Automerge would save it
    /// and never load it again.
    StartOpGap,
    /// An operation counter of `OPERATION_COUNTER_MAX` or more.
    CounterTooLarge,
    /// Works in an object that does not exist in the change's past, or in a table, which Automerge cannot.
    MissingObject,
    /// Replaces an operation that does not exist in that place, in the change's past.
    MissingPredecessor,
    /// Names an element that does not exist in that list or text, in the change's past, or updates one of a
    /// text in place, on which Automerge may panic.
    MissingElement,
    /// A range of rich text ends before it begins: phones would save the document and never load it again.
    MarkOrder,
    /// The actor already has another change with this sequence.
    ActorFork,
    /// Depends on a refused change.
    OnRefused,
}

impl RefusalCode {
    /// Every code, for tables and documentation.
    pub const ALL: [Self; 20] = [
        Self::Unreadable,
        Self::NotCanonical,
        Self::ChunkType,
        Self::ChangeTooLarge,
        Self::ActorTooLong,
        Self::TooManyDependencies,
        Self::TooManyOperations,
        Self::TooDeep,
        Self::TooManyValues,
        Self::SeqGap,
        Self::AuthorMisplaced,
        Self::StartOpLow,
        Self::StartOpGap,
        Self::CounterTooLarge,
        Self::MissingObject,
        Self::MissingPredecessor,
        Self::MissingElement,
        Self::MarkOrder,
        Self::ActorFork,
        Self::OnRefused,
    ];

    /// The code as stored and as sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotCanonical => "not_canonical",
            Self::ChunkType => "chunk_type",
            Self::ChangeTooLarge => "change_too_large",
            Self::ActorTooLong => "actor_too_long",
            Self::TooManyDependencies => "too_many_dependencies",
            Self::TooManyOperations => "too_many_operations",
            Self::TooDeep => "too_deep",
            Self::TooManyValues => "too_many_values",
            Self::SeqGap => "seq_gap",
            Self::AuthorMisplaced => "author_misplaced",
            Self::StartOpLow => "start_op_low",
            Self::StartOpGap => "start_op_gap",
            Self::CounterTooLarge => "counter_too_large",
            Self::MissingObject => "missing_object",
            Self::MissingPredecessor => "missing_predecessor",
            Self::MissingElement => "missing_element",
            Self::MarkOrder => "mark_order",
            Self::ActorFork => "actor_fork",
            Self::OnRefused => "on_refused",
        }
    }

    /// From the code as stored.
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_and_sent_codes_are_the_same() {
        for code in RefusalCode::ALL {
            assert_eq!(serde_json::to_value(code).expect("a string"), code.as_str());
            assert_eq!(RefusalCode::parse(code.as_str()), Some(code));
        }
        assert_eq!(RefusalCode::parse("bored"), None);
    }
}
