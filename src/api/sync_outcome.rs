//! What became of each chunk of a push, as a phone is told at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::{Hash, Instant};
use crate::domain::ids::ActivityId;
use crate::flows;

/// What became of a pushed change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// In the daybook, durably.
    Accepted,
    /// Was there already.
    Duplicate,
    /// Kept, and admitted when what it waits for arrives.
    Held,
    /// Not kept, since it was too much: send it again; when, `code` says.
    Deferred,
    /// Not taken, for what it would endanger; see `code`. The phone does the reload.
    Refused,
}

/// The outcome of one chunk.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    /// The change's hash; of an unreadable chunk the SHA-256 of its bytes.
    pub hash: Hash,
    pub outcome: OutcomeKind,
    /// Why it is held, deferred or refused. Deferred: `transaction_full` and `request_full`, send it again at once;
    /// `held_full`, the daybook holds as much as it may.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schema(example = "missing_dependency")]
    pub code: Option<String>,
    /// What to do, for developers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// Until when a held change is kept at least. Once that has passed, send it again: it is looked at anew.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub expires_at: Option<Instant>,
    /// The activities that an accepted change touches; of other changes the server does not know.
    pub activities: Vec<ActivityId>,
}

impl From<flows::accept::ChunkOutcome> for Outcome {
    fn from(outcome: flows::accept::ChunkOutcome) -> Self {
        use flows::accept::Became as B;
        let (kind, code, detail) = match outcome.became {
            B::Accepted => (OutcomeKind::Accepted, None, None),
            B::Duplicate => (OutcomeKind::Duplicate, None, None),
            B::Held(code) => (OutcomeKind::Held, Some(code), None),
            B::Deferred(why) => {
                (OutcomeKind::Deferred, Some(why.as_str().to_owned()), Some(why.advice().to_owned()))
            }
            B::Refused(code, detail) => (OutcomeKind::Refused, Some(code), Some(detail)),
        };
        Self {
            hash: Hash(outcome.hash),
            outcome: kind,
            code,
            detail,
            expires_at: outcome.expires_at_ms.map(Instant),
            activities: outcome.activities,
        }
    }
}
