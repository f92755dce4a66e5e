//! What is told to those who follow along: thin words about what changed, the truth is to be read.

use serde::{Deserialize, Serialize};

/// What happened to a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// It was recorded.
    #[serde(rename = "activity.recorded")]
    ActivityRecorded,
    /// It was edited, or what is merged into it was.
    #[serde(rename = "activity.edited")]
    ActivityEdited,
    /// Several values survive in a field.
    #[serde(rename = "activity.conflicted")]
    ActivityConflicted,
    /// Something was decided, doubted or said about it.
    #[serde(rename = "activity.reviewed")]
    ActivityReviewed,
    /// Minutes of it were posted, or taken back.
    #[serde(rename = "activity.posted")]
    ActivityPosted,
    /// See the reason.
    #[serde(rename = "activity.removed")]
    ActivityRemoved,
    /// Minutes moved between accounts for another reason than an activity.
    #[serde(rename = "transfer.posted")]
    TransferPosted,
    /// A phone was enrolled.
    #[serde(rename = "device.enrolled")]
    DeviceEnrolled,
    /// A phone may no longer sync.
    #[serde(rename = "device.revoked")]
    DeviceRevoked,
    /// A token may do no more.
    #[serde(rename = "grant.revoked")]
    GrantRevoked,
    /// The neighbourhood's rules changed.
    #[serde(rename = "rules.put")]
    RulesPut,
    /// A period was closed.
    #[serde(rename = "period.closed")]
    PeriodClosed,
    /// Two party ids are one person.
    #[serde(rename = "party.joined")]
    PartyJoined,
    /// An account was closed.
    #[serde(rename = "account.closed")]
    AccountClosed,
    /// Anything else that the journal numbers.
    #[serde(rename = "journal.entry")]
    Other,
}

impl EventType {
    /// Of an entry of the journal that is about no activity.
    #[must_use]
    pub fn of_entry(kind: &str) -> Self {
        match kind {
            "transfer" => Self::TransferPosted,
            "device_enrolled" => Self::DeviceEnrolled,
            "device_revoked" => Self::DeviceRevoked,
            "grant_revoked" => Self::GrantRevoked,
            "rules" => Self::RulesPut,
            "period" => Self::PeriodClosed,
            "party_alias" => Self::PartyJoined,
            "account_closed" => Self::AccountClosed,
            _ => Self::Other,
        }
    }
}

/// Why something is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gone {
    /// Its recorder took it back; it can still be read.
    Withdrawn,
    /// It no longer concerns the reader.
    NotVisible,
}
