//! What changes the world: one write a file, one transaction each, `begin` and `commit` in sight.
//! `accept` is the spine; `judge` is the clerk.

pub mod accept;
pub mod access;
pub mod aliases;
pub mod cards;
pub mod closings;
pub mod compact;
pub mod daybooks;
pub mod decide;
pub mod documents;
pub mod edit;
pub mod enrol;
pub mod following;
pub mod grants;
pub mod held;
pub mod hubs;
pub mod invite;
pub mod judge;
pub mod neighbourhoods;
pub mod parties;
pub mod periods;
pub mod quarantine;
pub mod rebuild;
pub mod record;
pub mod reply;
pub mod roles;
pub mod rules;
pub mod sandbox;
pub mod server_keys;
pub mod settled;
pub mod share;
pub mod sync;
mod take;
pub mod verdicts;

use sea_orm::DbErr;

/// Why a flow did not do what it was asked. Knows nothing of HTTP.
#[derive(Debug, thiserror::Error)]
pub enum FlowError {
    /// It is not there, or not for this caller to know of.
    #[error("not found")]
    NotFound,
    #[error("erased")]
    Gone,
    /// The id belongs to something with other content.
    #[error("the id belongs to something else")]
    IdReused,
    #[error("a party was named twice where it takes two")]
    SameParty,
    #[error("the invitation is not valid")]
    InvitationInvalid,
    #[error("the invitation was used by another device")]
    InvitationUsed,
    #[error("the key belongs to another device")]
    KeyReused,
    /// Others have recorded for the phone's party id, and the invitation is the resident's own.
    #[error("the phone's party id is somebody whom others have met")]
    PartyMet,
    /// Whoever writes for somebody else is a member of no hub any more.
    #[error("a member of no hub writes for somebody else")]
    NoHub,
    /// The party has as many personal tokens as one may have.
    #[error("too many personal tokens")]
    TooManyGrants,
    #[error("the device was revoked")]
    DeviceRevoked,
    #[error("the token is not valid")]
    TokenInvalid,
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// A field of the request does not fit what is there.
    #[error("field {pointer}: {detail}")]
    Field { pointer: String, code: &'static str, detail: String },
    /// More than a grant may push in a while; after so many seconds there is room for it.
    #[error("pushed too much, wait {retry_after_s} s")]
    RateLimited { retry_after_s: u64 },
    /// Others were faster; send again.
    #[error("busy")]
    Busy,
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What became of a change that says which revision of an object it is of; each with the object as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditional<T> {
    /// It is as asked, now or before.
    Done(T),
    /// Nobody said which revision was seen.
    Unconditional,
    /// It has changed since it was seen.
    Changed(T),
}

impl FlowError {
    /// Anything that should not happen.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }
}

impl From<DbErr> for FlowError {
    fn from(error: DbErr) -> Self {
        if is_contention(&error) { Self::Busy } else { Self::Internal(Box::new(error)) }
    }
}

impl From<serde_json::Error> for FlowError {
    fn from(error: serde_json::Error) -> Self {
        Self::Internal(Box::new(error))
    }
}

/// Whether sending the same again may succeed: no connection in time, a lock, a deadlock, a serialisation failure.
fn is_contention(error: &DbErr) -> bool {
    use sea_orm::{RuntimeErr, sqlx};
    let runtime = match error {
        DbErr::ConnectionAcquire(_) => return true,
        DbErr::Exec(runtime) | DbErr::Query(runtime) | DbErr::Conn(runtime) => runtime,
        _ => return false,
    };
    let RuntimeErr::SqlxError(error) = runtime else { return false };
    match &**error {
        sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            matches!(
                error.code().as_deref(),
                Some("5" | "6" | "261" | "517" | "40001" | "40P01" | "55P03" | "57P01")
            )
        }
        _ => false,
    }
}

/// Whether an insert met a row with the same key.
pub(crate) fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(sea_orm::SqlErr::UniqueConstraintViolation(_)))
}
