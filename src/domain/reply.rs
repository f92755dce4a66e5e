//! What people say about a record, besides what they record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// A question, or an answer.
    Message,
    /// Somebody who is named says that they were not part of it.
    Decline,
    /// They were, after all.
    Accept,
}

impl ReplyKind {
    /// The word of the API, and of the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Decline => "decline",
            Self::Accept => "accept",
        }
    }
}
