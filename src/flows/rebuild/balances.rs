//! Transfers again from the journal, and from them the balances: of accounts, and of the commons.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::super::FlowError;
use super::{Difference, ROWS, Rebuilt, backend};
use crate::domain::ids::NeighbourhoodId;
use crate::ledger::Remainder;
use crate::store;
use crate::store::entity::{account, tip, transfer};
use crate::store::{Batch, Transaction};

/// Balances as far as the journal was followed.
#[derive(Default)]
pub struct Balances {
    accounts: BTreeMap<Uuid, Balance>,
    /// Contribution and credit.
    commons: (i64, i64),
    /// Rows that are not there, and rows that are not as they were.
    missing: Vec<transfer::Model>,
    bent: Vec<transfer::Model>,
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

    /// Adds a transfer as the journal has it, and compares with its row.
    pub fn follow(
        &mut self,
        mut again: transfer::Model,
        there: Option<&transfer::Model>,
        rebuilt: &mut Rebuilt,
    ) {
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
        let difference = Difference::between(no, about, Some(&again), there);
        if difference.is_some() {
            let wrong = if there.is_some() { &mut self.bent } else { &mut self.missing };
            wrong.push(again);
        }
        rebuilt.transfers.add(difference);
    }

    /// Compares accounts and commons, and writes what was not the same.
    pub async fn finish(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        tip: tip::Model,
        rebuilt: &mut Rebuilt,
        batch: &mut Batch,
    ) -> Result<(), FlowError> {
        for extra in store::ledger::transfers_unnumbered(txn, neighbourhood, ROWS).await? {
            let no = Some(extra.journal_no);
            rebuilt.transfers.add(Difference::between(no, about(&extra), None, Some(&extra)));
        }
        let wrong = compare_accounts(txn, neighbourhood, self.accounts, rebuilt).await?;
        if !wrong.is_empty() {
            batch.push(store::ledger::upsert_accounts(backend(txn), wrong));
        }
        batch.insert::<transfer::Entity>(backend(txn), self.missing);
        for row in self.bent {
            batch.push(store::ledger::rewrite_transfer(backend(txn), row));
        }
        let right = tip::Model { contribution: self.commons.0, credit: self.commons.1, ..tip.clone() };
        let difference = Difference::between(None, "the commons".to_owned(), Some(&right), Some(&tip));
        if difference.is_some() {
            batch.push(store::ledger::update_tip(backend(txn), right));
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

/// Answers the accounts that are not as they should be, as they should be.
async fn compare_accounts(
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    mut balances: BTreeMap<Uuid, Balance>,
    rebuilt: &mut Rebuilt,
) -> Result<Vec<account::Model>, FlowError> {
    let (mut wrong, mut after) = (Vec::new(), None);
    loop {
        let rows = store::ledger::accounts_page(txn, neighbourhood, None, after, ROWS).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.id);
        for row in rows {
            let Balance { contribution, credit, closed_at_ms, .. } =
                balances.remove(&row.id).unwrap_or_default();
            let again = account::Model { contribution, credit, closed_at_ms, ..row.clone() };
            let about = format!("account {}", row.id);
            let difference = Difference::between(None, about, Some(&again), Some(&row));
            wrong.extend(difference.is_some().then_some(again));
            rebuilt.accounts.add(difference);
        }
    }
    for (id, Balance { contribution, credit, since_ms, closed_at_ms }) in balances {
        let kind = if id == neighbourhood.0 { "holding" } else { "party" }.to_owned();
        let neighbourhood_id = neighbourhood.0;
        let again = account::Model {
            neighbourhood_id,
            id,
            kind,
            contribution,
            credit,
            created_at_ms: since_ms,
            closed_at_ms,
        };
        rebuilt.accounts.add(Difference::between(None, format!("account {id}"), Some(&again), None));
        wrong.push(again);
    }
    Ok(wrong)
}
