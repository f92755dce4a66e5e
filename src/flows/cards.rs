//! Taking a card, so that two coordinators don't work on the same one. A lease binds nobody: what was decided
//! meanwhile is refused by what a decision says that it saw.

use super::FlowError;
use crate::app::{Access, App};
use crate::domain::ids::ActivityId;
use crate::domain::limits::CARD_LEASE_MS;
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::card_lease;

/// What to do with a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Take it, if it is free.
    Take,
    /// Take it from whoever has it: they are away.
    TakeOver,
    GiveBack,
}

/// Takes a card or gives it back. Answers the lease as it is now, if there is one: of the caller, unless somebody
/// else has it.
///
/// # Errors
/// [`FlowError::NotFound`] for an activity that is not there, and of the database.
pub async fn lease(
    app: &App,
    caller: &Access,
    card: ActivityId,
    hold: Hold,
) -> Result<Option<card_lease::Model>, FlowError> {
    let (neighbourhood, now_ms) = (caller.neighbourhood, app.now_in(caller.neighbourhood));
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    if store::activities::find(&txn, neighbourhood, card).await?.is_none() {
        return Err(FlowError::NotFound);
    }
    if hold == Hold::GiveBack {
        store::cards::give_back(&txn, neighbourhood, card, caller.party).await?;
    } else {
        let row = card_lease::Model {
            neighbourhood_id: neighbourhood.0,
            activity_id: card.0,
            party_id: caller.party.0,
            until_ms: now_ms.saturating_add(CARD_LEASE_MS),
        };
        store::cards::take(&txn, row, now_ms, hold == Hold::TakeOver).await?;
    }
    let lease = store::cards::lease(&txn, neighbourhood, card).await?;
    timing.commit(txn.commit()).await?;
    Ok(lease.filter(|lease| lease.until_ms > now_ms))
}
