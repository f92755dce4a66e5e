//! What closes an account, posted: for two parties that are one person, and for an account that is given up.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::super::FlowError;
use super::posting::word;
use super::sitting::Sitting;
use crate::domain::ids::{AccountId, PartyId};
use crate::domain::time::civil_day;
use crate::ledger::{Cause, Leg, Remainder, legs};
use crate::store::entity::{account, transfer};

/// An id that became another party's, as the journal keeps it. Its legs follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyAlias {
    pub alias: PartyId,
    pub party: PartyId,
    /// Who said so, or invited the phone that enrolled under the alias; nobody where the server's operator did.
    pub by: Option<PartyId>,
    pub reason: String,
    /// What the alias's account held.
    pub moved: Remainder,
    /// Roles that the alias had; they ended.
    pub ended_roles: Vec<String>,
}

/// A closing of an account, as the journal keeps it. Its legs follow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountClosed {
    pub account: AccountId,
    pub by: PartyId,
    pub reason: String,
    pub moved: Remainder,
}

impl Sitting<'_> {
    /// An account as it stands; nothing if nothing was ever posted to it.
    pub async fn account(&mut self, id: AccountId) -> Result<Option<&account::Model>, FlowError> {
        if !self.accounts.contains_key(&id) && !self.unmoved.contains_key(&id) {
            self.look_up(BTreeSet::from([id])).await?;
        }
        let moved = self.accounts.get(&id);
        Ok(moved.or_else(|| self.unmoved.get(&id).and_then(Option::as_ref)))
    }

    /// What an account holds.
    pub async fn remainder(&mut self, id: AccountId) -> Result<Remainder, FlowError> {
        let row = self.account(id).await?;
        let held = row.map(|row| Remainder { contribution: row.contribution, credit: row.credit });
        Ok(held.unwrap_or_default())
    }

    /// Notes that an account is closed; once closed it stays so, since when it was first.
    pub async fn mark_closed(&mut self, id: AccountId) -> Result<(), FlowError> {
        self.load_account(id).await?;
        let now_ms = self.posted_at_ms;
        self.moved.insert(id);
        if let Some(account) = self.accounts.get_mut(&id) {
            account.closed_at_ms.get_or_insert(now_ms);
        }
        Ok(())
    }

    /// Posts a remainder from one account to another; `no` is the number of the entry that says why.
    pub async fn post_remainder(
        &mut self,
        sides: (AccountId, AccountId),
        no: i64,
        remainder: Remainder,
        (cause, reason): (Cause, &str),
    ) -> Result<(), FlowError> {
        for leg in legs(self.neighbourhood(), sides, no, remainder) {
            self.leg(leg, cause, reason).await?;
        }
        Ok(())
    }

    async fn leg(&mut self, leg: Leg, cause: Cause, reason: &str) -> Result<(), FlowError> {
        self.load_account(leg.account).await?;
        let balance_after = self.add(leg.account, leg.asset, leg.minutes);
        // The day on which it is closed: balances of days before it are as they were.
        let day = civil_day(self.posted_at_ms, self.zone).map(|day| day.to_string()).unwrap_or_default();
        let body = serde_json::json!({
            "account": leg.account, "asset": leg.asset, "minutes": leg.minutes, "day": day,
            "cause": cause, "counter_account": leg.counter, "reason": reason,
            "posting_seq": 0, "line_no": leg.line_no, "balance_after": balance_after,
        });
        let journal_no = self.number("transfer", leg.id.0, None, &body)?;
        self.transfers.push(transfer::Model {
            neighbourhood_id: self.neighbourhood().0,
            id: leg.id.0,
            activity_id: None,
            posting_seq: 0,
            line_no: leg.line_no,
            account_id: leg.account.0,
            asset: word(&leg.asset)?,
            minutes: leg.minutes,
            balance_after,
            kind: None,
            phase: None,
            programme: None,
            place: None,
            day,
            capacity: None,
            journal_no,
            posted_at_ms: self.posted_at_ms,
            cause: Some(word(&cause)?),
            counter_account_id: Some(leg.counter.0),
            reason: Some(reason.to_owned()),
        });
        Ok(())
    }
}
