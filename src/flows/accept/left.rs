//! What comes from somebody who has left the group whose daybook it is: held until they are back, for a coordinator to
//! decide, and nothing of the daybook is told.

use std::collections::HashMap;

use super::super::FlowError;
use super::super::daybooks::{Standing, standing};
use super::facts::{Held, Loaded};
use super::plan::{Incoming, set_aside};
use super::{Accept, Accepted, Bringer, ChunkOutcome, rows, run};
use crate::app::App;
use crate::domain::ids::PartyId;
use crate::store::entity::daybook;
use crate::store::{Batch, Transaction};

/// Accepts what somebody sends into the daybook of a group: that they are in it is read in the transaction. Of who
/// has left it, everything is held, and nothing is told.
///
/// # Errors
/// As [`super::accept`]; [`FlowError::NotFound`] also where the sender never was in the group, or left it long ago.
pub async fn accept_from(
    app: &App,
    row: &daybook::Model,
    bringer: Bringer,
    sender: Option<PartyId>,
    chunks: Vec<Incoming>,
) -> Result<Accepted, FlowError> {
    let accept = Accept::new(app, row, bringer, chunks, HashMap::new());
    run(Accept { sender, ..accept }).await
}

impl Accept<'_> {
    /// Until when what the sender brings is held, where they have left the group; nothing where they may write.
    ///
    /// # Errors
    /// [`FlowError::NotFound`] where they never were in it, or left it long ago.
    pub(super) async fn left_until(
        &self,
        txn: &Transaction,
        row: &daybook::Model,
    ) -> Result<Option<i64>, FlowError> {
        let Some(sender) = self.sender else { return Ok(None) };
        let (owner, now_ms) = (PartyId(row.party_id), self.bringer.at_ms);
        match standing(txn, self.of.neighbourhood, sender, owner, now_ms).await? {
            Standing::Writes => Ok(None),
            Standing::Left { until_ms } => Ok(Some(until_ms)),
            Standing::Stranger => Err(FlowError::NotFound),
        }
    }

    /// Holds what the daybook does not know; the commit is the caller's.
    pub(super) async fn set_aside(
        &self,
        txn: &Transaction,
        row: daybook::Model,
        held: &Held,
        until_ms: i64,
    ) -> Result<Accepted, FlowError> {
        let Loaded { mut facts, loose, .. } = self.facts(txn, &row, held, &HashMap::new()).await?;
        let plan = set_aside(&mut facts, &self.chunks, held.totals());
        let outcomes = plan.outcomes().map(|(hash, became)| {
            let (became, expires_at_ms) = self.until(hash, became, &plan, held);
            ChunkOutcome { hash, became, activities: Vec::new(), expires_at_ms }
        });
        let outcomes = outcomes.collect();
        let (before, left_until_ms) = ((row.position, row.chain.clone()), Some(until_ms));
        if plan.is_empty() {
            return Ok(Accepted { outcomes, before, row, taken: 0, left_until_ms });
        }
        let mut batch = Batch::default();
        let mut written = rows::changes(self, row, &plan, held, &mut facts, self.app.random())?;
        let sets = rows::SetAside { plan: &plan, held, loose: &loose };
        rows::held_and_refused(self, txn, &sets, &mut written.row, &mut batch).await?;
        let row = written.row.clone();
        rows::push(txn, written, &mut batch);
        batch.execute(txn).await?;
        Ok(Accepted { outcomes, before, row, taken: 0, left_until_ms })
    }
}
