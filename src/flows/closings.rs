//! Closing an account: what it holds goes to the neighbourhood's, with a reason. It is never deleted, and a later
//! correction still posts to it; closing it again moves what came since.

use super::FlowError;
use super::aliases::is_coordinator;
use super::judge::{AccountClosed, Sitting};
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, ClosingId, NeighbourhoodId, PartyId};
use crate::ledger::Cause;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::account_closing;

/// What became of it.
#[derive(Debug)]
pub enum Closed {
    Now(account_closing::Model),
    /// By the same request, before.
    Replayed(account_closing::Model),
    Refused(Refusal),
    NotCoordinator,
}

/// Why an account is not closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It is the one that remainders go to.
    Holding,
    /// The id is an alias of this party.
    Alias(PartyId),
    OwnCredit,
}

/// Closes an account, numbered in the journal as `account_closed`.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::IdReused`] for another closing's id.
pub async fn close(
    app: &App,
    caller: &Access,
    account: AccountId,
    (id, reason): (ClosingId, String),
) -> Result<Closed, FlowError> {
    let neighbourhood = caller.neighbourhood;
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    if !is_coordinator(&txn, caller).await? {
        return Ok(Closed::NotCoordinator);
    }
    if let Some(there) = store::closings::find(&txn, neighbourhood, id).await? {
        let same = (there.account_id, &there.reason) == (account.0, &reason);
        return if same { Ok(Closed::Replayed(there)) } else { Err(FlowError::IdReused) };
    }
    if let Some(refusal) = check(&mut sitting, caller, account).await? {
        return Ok(Closed::Refused(refusal));
    }
    let row = post(&mut sitting, caller.party, account, (id, reason)).await?;
    sitting.close().await?;
    // It refers to the account, which may be new.
    store::closings::insert(&txn, row.clone()).await?;
    timing.commit(txn.commit()).await?;
    Ok(Closed::Now(row))
}

async fn check(
    sitting: &mut Sitting<'_>,
    caller: &Access,
    account: AccountId,
) -> Result<Option<Refusal>, FlowError> {
    let (txn, neighbourhood, id) = (sitting.txn(), sitting.neighbourhood(), PartyId(account.0));
    if account.0 == neighbourhood.0 {
        return Ok(Some(Refusal::Holding));
    }
    let stands_for = store::aliases::stands_for(txn, neighbourhood, id, None).await?;
    if stands_for != id {
        return Ok(Some(Refusal::Alias(stands_for)));
    }
    let there = sitting.account(account).await?.is_some()
        || store::parties::find(txn, neighbourhood, id).await?.is_some();
    if !there {
        return Err(FlowError::NotFound);
    }
    // What it owes is made up for by the neighbourhood.
    let held = sitting.remainder(account).await?;
    let owes = held.contribution < 0 || held.credit < 0;
    Ok((owes && caller.party == id).then_some(Refusal::OwnCredit))
}

async fn post(
    sitting: &mut Sitting<'_>,
    by: PartyId,
    account: AccountId,
    (id, reason): (ClosingId, String),
) -> Result<account_closing::Model, FlowError> {
    let NeighbourhoodId(neighbourhood) = sitting.neighbourhood();
    let moved = sitting.remainder(account).await?;
    let entry = AccountClosed { account, by, reason, moved };
    let no = sitting.number("account_closed", id.0, None, &entry)?;
    sitting.mark_closed(account).await?;
    let sides = (account, AccountId(neighbourhood));
    sitting.post_remainder(sides, no, moved, (Cause::AccountClosed, &entry.reason)).await?;
    Ok(account_closing::Model {
        neighbourhood_id: neighbourhood,
        id: id.0,
        account_id: account.0,
        reason: entry.reason,
        contribution: moved.contribution,
        credit: moved.credit,
        closed_by: by.0,
        journal_no: no,
        closed_at_ms: sitting.posted_at_ms,
    })
}
