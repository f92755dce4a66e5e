//! An entry of the journal, read.

use std::collections::BTreeMap;

use sea_orm::DbErr;
use serde::Deserialize;
use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::{AccountClosed, Noted, PartyAlias};
use super::said::Spoken;
use crate::domain::reading::Value;
use crate::domain::rules::RulePack;
use crate::ledger::{By, StoredDecision};
use crate::store::entity::{account_closing, closed_period, decision, journal, transfer};

/// What an entry says, as far as anything is made again from it.
pub enum Entry {
    Version(TakenUp),
    Decision(Box<StoredDecision>),
    /// The row of the transfer.
    Transfer(Box<transfer::Model>),
    /// The row of the closed period.
    Period(closed_period::Model),
    /// What became of a suspicion.
    Suspicion(Box<Noted>),
    /// An id that became another party's.
    PartyAlias(Box<PartyAlias>),
    /// An account that was closed.
    AccountClosed(Box<AccountClosed>),
    /// What somebody said.
    Reply(Box<Spoken>),
    /// A version of the rules.
    Rules(Box<RulesPut>),
    /// Something that was merged into this record was edited, or concerns others now.
    MemberEdited,
    Other,
}

/// A version that was taken up.
#[derive(Deserialize)]
pub struct TakenUp {
    pub version: i64,
    /// The last of those taken up together.
    pub newest: i64,
    pub reading_hash: String,
    /// The rules in force.
    pub pack: i64,
    /// Fields that read as settled.
    #[serde(default)]
    pub reads: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
struct Posted {
    account: Uuid,
    asset: String,
    minutes: i64,
    day: String,
    kind: Option<String>,
    phase: Option<String>,
    programme: Option<String>,
    place: Option<String>,
    capacity: Option<String>,
    cause: Option<String>,
    counter_account: Option<Uuid>,
    reason: Option<String>,
    posting_seq: i64,
    line_no: i64,
    balance_after: i64,
}

/// Rules that were put.
#[derive(Debug)]
pub struct RulesPut {
    pub pack: RulePack,
    pub put_by: Option<Uuid>,
}

impl RulesPut {
    fn read(body: &str) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Put {
            pack: serde_json::Value,
            put_by: Option<Uuid>,
        }
        let Put { pack, put_by } = serde_json::from_str(body)?;
        Ok(Self { pack: RulePack::read(&pack.to_string())?, put_by })
    }
}

#[derive(Deserialize)]
struct Closed {
    day_from: String,
    day_until: String,
    closed_by: Uuid,
}

/// Why an entry cannot be replayed: what it stands on, and what of that is there.
pub enum Stuck {
    At { expected: String, found: String },
    Failed(FlowError),
}

impl From<FlowError> for Stuck {
    fn from(error: FlowError) -> Self {
        Self::Failed(error)
    }
}

impl From<DbErr> for Stuck {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

/// What an entry stands on is not there.
pub fn missing(what: String) -> Stuck {
    Stuck::At { expected: what, found: "none".to_owned() }
}

/// What an entry is about, in words.
pub fn about(row: &journal::Model) -> String {
    match row.activity_id {
        Some(id) => format!("{} of activity {id}", row.kind),
        None => format!("{} {}", row.kind, row.subject_id),
    }
}

impl Entry {
    /// Reads an entry's body by its kind.
    pub fn read(row: &journal::Model) -> Result<Self, serde_json::Error> {
        Ok(match row.kind.as_str() {
            "version" => Self::Version(serde_json::from_str(&row.body)?),
            "decision" => Self::Decision(serde_json::from_str(&row.body)?),
            "transfer" => Self::Transfer(Box::new(posted(row, serde_json::from_str(&row.body)?))),
            "period" => Self::Period(closed(row, serde_json::from_str(&row.body)?)),
            "suspicion" => Self::Suspicion(serde_json::from_str(&row.body)?),
            "party_alias" => Self::PartyAlias(serde_json::from_str(&row.body)?),
            "account_closed" => Self::AccountClosed(serde_json::from_str(&row.body)?),
            "reply" => Self::Reply(serde_json::from_str(&row.body)?),
            "rules" => Self::Rules(Box::new(RulesPut::read(&row.body)?)),
            "member_edited" => Self::MemberEdited,
            _ => Self::Other,
        })
    }
}

/// The row of a decision; as what it was sent is not in the journal's words, and is kept.
pub fn decision_row(
    row: &journal::Model,
    decided: &StoredDecision,
    there: Option<&decision::Model>,
) -> Result<decision::Model, serde_json::Error> {
    Ok(decision::Model {
        neighbourhood_id: row.neighbourhood_id,
        id: row.subject_id,
        activity_id: row.activity_id.unwrap_or_default(),
        version: decided.version,
        seq: decided.seq,
        step: serde_json::to_value(decided.step)?.as_str().unwrap_or_default().to_owned(),
        decided_by: match decided.by {
            By::Person(party) => Some(party.0),
            By::Rule | By::Daybook => None,
        },
        pack_version: Some(decided.pack_version),
        reason: decided.reason.clone(),
        request_hash: there.and_then(|there| there.request_hash.clone()),
        batch_id: there.and_then(|there| there.batch_id),
        journal_no: row.no,
        decided_at_ms: row.at_ms,
    })
}

fn posted(row: &journal::Model, body: Posted) -> transfer::Model {
    transfer::Model {
        neighbourhood_id: row.neighbourhood_id,
        id: row.subject_id,
        activity_id: row.activity_id,
        posting_seq: body.posting_seq,
        line_no: body.line_no,
        account_id: body.account,
        asset: body.asset,
        minutes: body.minutes,
        balance_after: body.balance_after,
        kind: body.kind,
        phase: body.phase,
        programme: body.programme,
        place: body.place,
        day: body.day,
        capacity: body.capacity,
        journal_no: row.no,
        posted_at_ms: row.at_ms,
        cause: body.cause,
        counter_account_id: body.counter_account,
        reason: body.reason,
    }
}

fn closed(row: &journal::Model, body: Closed) -> closed_period::Model {
    closed_period::Model {
        neighbourhood_id: row.neighbourhood_id,
        id: row.subject_id,
        day_from: body.day_from,
        day_until: body.day_until,
        journal_no: row.no,
        closed_by: body.closed_by,
        closed_at_ms: row.at_ms,
    }
}

/// The row of a closing.
pub fn closing_row(row: &journal::Model, closed: AccountClosed) -> account_closing::Model {
    account_closing::Model {
        neighbourhood_id: row.neighbourhood_id,
        id: row.subject_id,
        account_id: closed.account.0,
        reason: closed.reason,
        contribution: closed.moved.contribution,
        credit: closed.moved.credit,
        closed_by: closed.by.0,
        journal_no: row.no,
        closed_at_ms: row.at_ms,
    }
}
