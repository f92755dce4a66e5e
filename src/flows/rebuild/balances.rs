//! Transfers again from the journal, and from them the balances: of accounts, and of the commons.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::FlowError;
use super::tables::{Mending, Wrong};
use super::{Difference, ROWS, Rebuilt, backend};
use crate::domain::ids::NeighbourhoodId;
use crate::ledger::Remainder;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::transfer::Column as T;
use crate::store::entity::{account, journal, tip, transfer};
use crate::store::whole::Numbered;

const COLUMNS: Numbered<T> = Numbered { neighbourhood: T::NeighbourhoodId, id: T::Id, no: T::JournalNo };

/// Balances as far as the journal was followed.
#[derive(Default)]
pub struct Balances {
    accounts: BTreeMap<Uuid, Balance>,
    /// Contribution and credit.
    commons: (i64, i64),
    /// Rows of the entries that are read now.
    there: BTreeMap<Uuid, transfer::Model>,
    /// All that the journal knows.
    known: BTreeSet<Uuid>,
    wrong: Wrong<transfer::Entity>,
}

#[derive(Default)]
struct Balance {
    contribution: i64,
    credit: i64,
    since_ms: i64,
    closed_at_ms: Option<i64>,
}

impl Balances {
    /// What an account holds, as far as the journal was followed.
    pub fn held(&self, account: Uuid) -> Remainder {
        let balance = self.accounts.get(&account);
        balance.map_or_else(Remainder::default, |balance| Remainder {
            contribution: balance.contribution,
            credit: balance.credit,
        })
    }

    /// An account is closed.
    pub fn close(&mut self, account: Uuid, at_ms: i64) {
        let new = Balance { since_ms: at_ms, ..Balance::default() };
        self.accounts.entry(account).or_insert(new).closed_at_ms.get_or_insert(at_ms);
    }

    /// Loads the rows of these entries.
    pub async fn load(
        &mut self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        entries: &[journal::Model],
    ) -> Result<(), FlowError> {
        let ids: Vec<Uuid> =
            entries.iter().filter(|row| row.kind == "transfer").map(|row| row.subject_id).collect();
        let rows = store::whole::of_ids::<transfer::Entity>(txn, COLUMNS, neighbourhood, &ids).await?;
        self.there = rows.into_iter().map(|row| (row.id, row)).collect();
        self.known.extend(ids);
        Ok(())
    }

    /// Adds a transfer as the journal has it, and compares with its row.
    pub fn follow(&mut self, mut again: transfer::Model, rebuilt: &mut Rebuilt) {
        let account = self
            .accounts
            .entry(again.account_id)
            .or_insert_with(|| Balance { since_ms: again.posted_at_ms, ..Balance::default() });
        let (own, common) = if again.asset == "credit" {
            (&mut account.credit, &mut self.commons.1)
        } else {
            (&mut account.contribution, &mut self.commons.0)
        };
        *own += again.minutes;
        *common -= again.minutes;
        let (no, about) = (Some(again.journal_no), about(&again));
        if again.balance_after != *own {
            rebuilt.journal.name(Difference {
                journal_no: no,
                about: about.clone(),
                expected: format!("balance_after {own}"),
                found: format!("an entry of {}", again.balance_after),
            });
            again.balance_after = *own;
        }
        let there = self.there.remove(&again.id);
        self.wrong.compare((no, about), Some(again), there, &mut rebuilt.transfers);
    }

    /// Compares accounts and commons. Nothing else was posted.
    pub async fn finish(
        mut self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        tip: tip::Model,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let others =
            store::whole::unnumbered::<transfer::Entity>(txn, COLUMNS, neighbourhood, "transfer").await?;
        for extra in others.into_iter().filter(|row| !self.known.contains(&row.id)) {
            let named = (Some(extra.journal_no), about(&extra));
            self.wrong.compare(named, None, Some(extra), &mut rebuilt.transfers);
        }
        self.wrong.replace(backend(txn), mending);
        compare_accounts(txn, neighbourhood, self.accounts, rebuilt).await?.rewrite(backend(txn), mending);
        let right = tip::Model { contribution: self.commons.0, credit: self.commons.1, ..tip.clone() };
        let difference = Difference::between(None, "the commons".to_owned(), Some(&right), Some(&tip));
        if difference.is_some() {
            mending.then.push(store::ledger::update_tip(backend(txn), right));
        }
        rebuilt.accounts.add(difference);
        Ok(())
    }
}

fn about(row: &transfer::Model) -> String {
    format!("account {} for {}", row.account_id, posted_for(row))
}

/// What a transfer was posted for.
pub fn posted_for(row: &transfer::Model) -> String {
    match row.activity_id {
        Some(id) => format!("activity {id}"),
        None => format!("the cause {}", row.cause.as_deref().unwrap_or_default()),
    }
}

/// Compares the accounts: each is there because something was posted to it, or closed it.
async fn compare_accounts(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    mut balances: BTreeMap<Uuid, Balance>,
    rebuilt: &mut Rebuilt,
) -> Result<Wrong<account::Entity>, FlowError> {
    let (mut wrong, mut after) = (Wrong::default(), None);
    let named = |id: Uuid| (None, format!("account {id}"));
    let again =
        |id: Uuid, Balance { contribution, credit, since_ms, closed_at_ms }: Balance| account::Model {
            neighbourhood_id: neighbourhood.0,
            id,
            kind: if id == neighbourhood.0 { "holding" } else { "party" }.to_owned(),
            contribution,
            credit,
            created_at_ms: since_ms,
            closed_at_ms,
        };
    loop {
        let rows = store::ledger::accounts_page(txn, neighbourhood, None, after, ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        for row in rows {
            let balance = balances.remove(&row.id).map(|balance| again(row.id, balance));
            wrong.compare(named(row.id), balance, Some(row), &mut rebuilt.accounts);
        }
    }
    for (id, balance) in balances {
        wrong.compare(named(id), Some(again(id, balance)), None, &mut rebuilt.accounts);
    }
    Ok(wrong)
}
