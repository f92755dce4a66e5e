//! Aliases and closings again, from the journal: each moves all that its account held, by legs that follow it.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::{AccountClosed, PartyAlias};
use super::balances::Balances;
use super::entry::closing_row;
use super::tables::{Mending, Wrong};
use super::{Difference, Rebuilt, backend};
use crate::domain::ids::{AccountId, NeighbourhoodId};
use crate::ledger::{Leg, Remainder, legs};
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{account_closing, journal, party_alias, transfer};

/// What closed accounts, as far as the journal was followed.
#[derive(Debug, Default)]
pub struct Closings {
    /// Legs that the journal has not shown yet.
    expected: BTreeMap<Uuid, Leg>,
    aliases: BTreeMap<AccountId, AccountId>,
    /// Rows as the journal has them.
    alias_rows: Vec<party_alias::Model>,
    closing_rows: Vec<account_closing::Model>,
}

impl Closings {
    /// An id became another party's.
    pub fn alias(
        &mut self,
        row: &journal::Model,
        entry: &PartyAlias,
        balances: &Balances,
        rebuilt: &mut Rebuilt,
    ) {
        self.alias_rows.push(party_alias::Model {
            neighbourhood_id: row.neighbourhood_id,
            alias_id: entry.alias.0,
            party_id: entry.party.0,
            created_at_ms: row.at_ms,
            journal_no: Some(row.no),
        });
        let sides = (AccountId(entry.alias.0), AccountId(entry.party.0));
        self.aliases.insert(sides.0, sides.1);
        self.expect(row, sides, entry.moved, balances, rebuilt);
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
    pub fn closing(
        &mut self,
        row: &journal::Model,
        entry: AccountClosed,
        balances: &mut Balances,
        rebuilt: &mut Rebuilt,
    ) {
        let sides = (entry.account, AccountId(row.neighbourhood_id));
        self.expect(row, sides, entry.moved, balances, rebuilt);
        balances.close(entry.account.0, row.at_ms);
        self.closing_rows.push(closing_row(row, entry));
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

    /// Nothing is missing, and nothing else is there. The ids under which phones began are not the journal's.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        for (id, leg) in self.expected {
            rebuilt.transfers.add(Some(Difference {
                journal_no: None,
                about: format!("account {}", leg.account),
                expected: format!("transfer {id} of {} minutes", leg.minutes),
                found: "none in the journal".to_owned(),
            }));
        }
        let column = party_alias::Column::NeighbourhoodId;
        let mut there = store::whole::rows::<party_alias::Entity>(txn, column, neighbourhood).await?;
        let known: BTreeSet<Uuid> = self.alias_rows.iter().map(|row| row.alias_id).collect();
        there.retain(|row| row.journal_no.is_some() || known.contains(&row.alias_id));
        let named = |row: &party_alias::Model| (row.journal_no, format!("alias {}", row.alias_id));
        let key = |row: &party_alias::Model| row.alias_id;
        Wrong::<party_alias::Entity>::beside(self.alias_rows, there, key, named, &mut rebuilt.aliases)
            .replace(backend(txn), mending);
        let column = account_closing::Column::NeighbourhoodId;
        let there = store::whole::rows::<account_closing::Entity>(txn, column, neighbourhood).await?;
        let named = |row: &account_closing::Model| (Some(row.journal_no), format!("closing {}", row.id));
        let (again, key) = (self.closing_rows, |row: &account_closing::Model| row.id);
        Wrong::<account_closing::Entity>::beside(again, there, key, named, &mut rebuilt.closings)
            .replace(backend(txn), mending);
        Ok(())
    }
}

/// Whose each account was at each number, as far as the journal can be read: rows may be wrong.
pub async fn holders(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
) -> Result<store::aliases::Holders, FlowError> {
    let entries = store::whole::entries(txn, neighbourhood, "party_alias").await?;
    let aliases = entries.iter().filter_map(|row| {
        let PartyAlias { alias, party, .. } = serde_json::from_str(&row.body).ok()?;
        Some((AccountId(alias.0), AccountId(party.0), row.no))
    });
    Ok(store::aliases::Holders::of(aliases))
}
