//! Aliases and closings again, from the journal: each moves all that its account held, by legs that follow it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::{AccountClosed, PartyAlias};
use super::balances::Balances;
use super::entry::closing_row;
use super::{Difference, Rebuilt};
use crate::domain::ids::{AccountId, ClosingId, NeighbourhoodId};
use crate::ledger::{Leg, Remainder, legs};
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{journal, party_alias, transfer};

/// What closed accounts, as far as the journal was followed.
#[derive(Debug, Default)]
pub struct Closings {
    /// Legs that the journal has not shown yet.
    expected: BTreeMap<Uuid, Leg>,
    aliases: BTreeMap<AccountId, AccountId>,
    closings: BTreeSet<Uuid>,
}

impl Closings {
    /// An id became another party's.
    pub async fn alias(
        &mut self,
        txn: &Transaction,
        row: &journal::Model,
        entry: &PartyAlias,
        balances: &Balances,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), FlowError> {
        let neighbourhood = NeighbourhoodId(row.neighbourhood_id);
        let again = party_alias::Model {
            neighbourhood_id: row.neighbourhood_id,
            alias_id: entry.alias.0,
            party_id: entry.party.0,
            created_at_ms: row.at_ms,
            journal_no: Some(row.no),
        };
        let there = store::aliases::find(txn, neighbourhood, entry.alias).await?;
        let about = format!("alias {}", entry.alias);
        rebuilt.aliases.add(Difference::between(Some(row.no), about, Some(&again), there.as_ref()));
        let sides = (AccountId(entry.alias.0), AccountId(entry.party.0));
        self.aliases.insert(sides.0, sides.1);
        self.expect(row, sides, entry.moved, balances, rebuilt);
        Ok(())
    }

    /// The account that an account had become part of by now.
    pub fn holder(&self, account: AccountId) -> AccountId {
        let mut holder = account;
        while let Some(party) = self.aliases.get(&holder) {
            holder = *party;
        }
        holder
    }

    /// An account was closed.
    pub async fn closing(
        &mut self,
        txn: &Transaction,
        row: &journal::Model,
        entry: AccountClosed,
        balances: &mut Balances,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), FlowError> {
        let neighbourhood = NeighbourhoodId(row.neighbourhood_id);
        let sides = (entry.account, AccountId(neighbourhood.0));
        self.expect(row, sides, entry.moved, balances, rebuilt);
        balances.close(entry.account.0, row.at_ms);
        let there = store::closings::find(txn, neighbourhood, ClosingId(row.subject_id)).await?;
        let (again, about) = (closing_row(row, entry), format!("closing {}", row.subject_id));
        rebuilt.closings.add(Difference::between(Some(row.no), about, Some(&again), there.as_ref()));
        self.closings.insert(row.subject_id);
        Ok(())
    }

    /// All that the account held goes, and nothing else.
    fn expect(
        &mut self,
        row: &journal::Model,
        sides: (AccountId, AccountId),
        moved: Remainder,
        balances: &Balances,
        rebuilt: &mut Rebuilt,
    ) {
        let held = balances.held(sides.0.0);
        if held != moved {
            rebuilt.journal.name(Difference {
                journal_no: Some(row.no),
                about: format!("account {}", sides.0),
                expected: format!("{held:?}"),
                found: format!("an entry of {moved:?}"),
            });
        }
        let legs = legs(NeighbourhoodId(row.neighbourhood_id), sides, row.no, held);
        self.expected.extend(legs.into_iter().map(|leg| (leg.id.0, leg)));
    }

    /// A leg is one that the closing before it asks for.
    pub fn leg(&mut self, row: &transfer::Model, rebuilt: &mut Rebuilt) {
        let expected = self.expected.remove(&row.id);
        let expected = expected.map(|leg| (leg.account.0, leg.counter.0, leg.minutes));
        let found = (row.account_id, row.counter_account_id.unwrap_or_default(), row.minutes);
        if expected != Some(found) {
            let said = |(account, counter, minutes)| {
                format!("{minutes} minutes on {account}, the other side {counter}")
            };
            rebuilt.transfers.name(Difference {
                journal_no: Some(row.journal_no),
                about: format!("transfer {}", row.id),
                expected: expected.map_or_else(|| "no transfer".to_owned(), said),
                found: said(found),
            });
        }
    }

    /// Nothing is missing, and nothing else is there.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), FlowError> {
        for (id, leg) in self.expected {
            rebuilt.transfers.add(Some(Difference {
                journal_no: None,
                about: format!("account {}", leg.account),
                expected: format!("transfer {id} of {} minutes", leg.minutes),
                found: "none in the journal".to_owned(),
            }));
        }
        for row in store::aliases::with_accounts(txn, neighbourhood).await? {
            if !self.aliases.contains_key(&AccountId(row.alias_id)) {
                let about = format!("alias {}", row.alias_id);
                rebuilt.aliases.add(Difference::between(row.journal_no, about, None, Some(&row)));
            }
        }
        for row in store::closings::all(txn, neighbourhood).await? {
            if !self.closings.contains(&row.id) {
                let about = format!("closing {}", row.id);
                rebuilt.closings.add(Difference::between(Some(row.journal_no), about, None, Some(&row)));
            }
        }
        Ok(())
    }
}
