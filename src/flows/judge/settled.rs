//! Versions as they read once people have said what counts.

use std::collections::BTreeSet;

use super::super::FlowError;
use super::facts::Brief;
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::ledger::{self, Operations};
use crate::merge::ActivityState;
use crate::store;

impl Sitting<'_> {
    /// Lets those briefs read as settled whose activities have anything settled. Their cases are loaded.
    pub(super) async fn read_as_settled(&self, briefs: &mut [Brief]) -> Result<(), FlowError> {
        for brief in briefs {
            let Some(case) = self.case(brief.id) else { continue };
            if !case.judgement.settled.is_empty() {
                let visible = self.operations(brief).await?;
                brief.settle(ledger::settled_fields(&case.judgement.settled, &visible), self.zone);
            }
        }
        Ok(())
    }

    /// The operations behind the fields of a version in which phones disagree. A newer version may have been
    /// accepted meanwhile: then there are none, and that version will be judged by its own.
    pub async fn operations(&self, brief: &Brief) -> Result<Operations, FlowError> {
        let ids: BTreeSet<ActivityId> = [brief.id].into();
        let row = store::activities::of_ids(self.txn(), self.neighbourhood(), &ids).await?.pop();
        let Some(row) = row.filter(|row| row.version == brief.version) else { return Ok(Operations::new()) };
        let state = ActivityState::decode(&row.state).map_err(FlowError::internal)?;
        Ok(state.contested(&brief.reading))
    }
}
