//! Decisions again, from the journal, in which each of them is kept whole.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::FlowError;
use super::entry::{about, decision_row};
use super::tables::{Mending, Wrong};
use super::{Rebuilt, backend};
use crate::domain::ids::NeighbourhoodId;
use crate::ledger::StoredDecision;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::decision::Column as D;
use crate::store::entity::{decision, journal};
use crate::store::whole::Numbered;

const COLUMNS: Numbered<D> = Numbered { neighbourhood: D::NeighbourhoodId, id: D::Id, no: D::JournalNo };

/// See the module.
#[derive(Default)]
pub struct Decisions {
    /// Rows of the entries that are read now.
    there: BTreeMap<Uuid, decision::Model>,
    /// All that the journal knows.
    known: BTreeSet<Uuid>,
    wrong: Wrong<decision::Entity>,
}

impl Decisions {
    /// Loads the rows of these entries.
    pub async fn load(
        &mut self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        entries: &[journal::Model],
    ) -> Result<(), FlowError> {
        let ids: Vec<Uuid> =
            entries.iter().filter(|row| row.kind == "decision").map(|row| row.subject_id).collect();
        let rows = store::whole::of_ids::<decision::Entity>(txn, COLUMNS, neighbourhood, &ids).await?;
        self.there = rows.into_iter().map(|row| (row.id, row)).collect();
        self.known.extend(ids);
        Ok(())
    }

    /// One row of the journal about a decision.
    pub fn play(
        &mut self,
        row: &journal::Model,
        decided: &StoredDecision,
        rebuilt: &mut Rebuilt,
    ) -> Result<(), FlowError> {
        let there = self.there.remove(&row.subject_id);
        let again = decision_row(row, decided, there.as_ref())?;
        self.wrong.compare((Some(row.no), about(row)), Some(again), there, &mut rebuilt.decisions);
        Ok(())
    }

    /// Nothing else was decided.
    pub async fn compare(
        mut self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let others =
            store::whole::unnumbered::<decision::Entity>(txn, COLUMNS, neighbourhood, "decision").await?;
        for row in others.into_iter().filter(|row| !self.known.contains(&row.id)) {
            let named = (Some(row.journal_no), format!("decision {}", row.id));
            self.wrong.compare(named, None, Some(row), &mut rebuilt.decisions);
        }
        self.wrong.replace(backend(txn), mending);
        Ok(())
    }
}
