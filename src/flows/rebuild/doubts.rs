//! Suspicions again, from what the journal notes of them, and the traces that versions left.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::super::judge::{Doubted, Noted};
use super::tables::{Mending, Wrong};
use super::{Rebuilt, backend};
use crate::domain::ids::{ActivityId, NeighbourhoodId, SuspicionId};
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{activity_trace, journal, suspicion, suspicion_about};

/// See the module.
#[derive(Debug, Default)]
pub struct Doubts {
    book: BTreeMap<SuspicionId, Doubted>,
    /// The records that each was ever about: a habit of two people shows in others as time goes by.
    about: BTreeMap<SuspicionId, BTreeSet<ActivityId>>,
    /// What the version taken up last leaves.
    pub left: BTreeMap<ActivityId, BTreeSet<i64>>,
}

impl Doubts {
    /// One row of the journal about a suspicion.
    pub fn play(&mut self, row: &journal::Model, noted: Noted) {
        let id = SuspicionId(row.subject_id);
        let before = self.book.remove(&id);
        if let Some(after) = Doubted::after(before, noted, row.no, row.at_ms) {
            self.about.entry(id).or_default().extend(&after.suspicion.about);
            self.book.insert(id, after);
        }
    }

    /// Compares with what is stored.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        self.compare_about(txn, neighbourhood, rebuilt, mending).await?;
        let mut again = Vec::with_capacity(self.book.len());
        for (id, doubted) in &self.book {
            again.push(doubted.rows(neighbourhood, *id)?.0);
        }
        let column = suspicion::Column::NeighbourhoodId;
        let stored = store::whole::rows::<suspicion::Entity>(txn, column, neighbourhood).await?;
        let named = |row: &suspicion::Model| (Some(row.journal_no), format!("suspicion {}", row.id));
        Wrong::<suspicion::Entity>::beside(again, stored, |row| row.id, named, &mut rebuilt.suspicions)
            .rewrite(backend(txn), mending);
        self.compare_traces(txn, neighbourhood, rebuilt, mending).await
    }

    /// What a suspicion is about now has its rows, and no row is of what it never was about. Where it was about others
    /// for a moment within one transaction, nothing was written.
    async fn compare_about(
        &self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let column = suspicion_about::Column::NeighbourhoodId;
        let stored = store::whole::rows::<suspicion_about::Entity>(txn, column, neighbourhood).await?;
        let key = |row: &suspicion_about::Model| (row.suspicion_id, row.activity_id);
        let there: BTreeSet<_> = stored.iter().map(key).collect();
        let all = self.about.iter().flat_map(|(id, about)| about.iter().map(|activity| (*id, *activity)));
        let is_now = |(id, activity): &(SuspicionId, ActivityId)| {
            let doubted = self.book.get(id);
            doubted.is_some_and(|doubted| doubted.suspicion.about.contains(activity))
                || there.contains(&(id.0, activity.0))
        };
        let again = all.filter(is_now).map(|(id, activity)| suspicion_about::Model {
            neighbourhood_id: neighbourhood.0,
            activity_id: activity.0,
            suspicion_id: id.0,
        });
        let named = |row: &suspicion_about::Model| {
            let doubted = self.book.get(&SuspicionId(row.suspicion_id));
            let about = format!("suspicion {} about activity {}", row.suspicion_id, row.activity_id);
            (doubted.map(|doubted| doubted.journal_no), about)
        };
        Wrong::<suspicion_about::Entity>::beside(again, stored, key, named, &mut rebuilt.about)
            .replace(backend(txn), mending);
        Ok(())
    }

    async fn compare_traces(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let column = activity_trace::Column::NeighbourhoodId;
        let stored = store::whole::rows::<activity_trace::Entity>(txn, column, neighbourhood).await?;
        let again = self.left.iter().flat_map(|(id, traces)| {
            traces.iter().map(|trace| activity_trace::Model {
                neighbourhood_id: neighbourhood.0,
                trace: *trace,
                activity_id: id.0,
            })
        });
        let key = |row: &activity_trace::Model| (row.activity_id, row.trace);
        let named = |row: &activity_trace::Model| {
            (None, format!("trace {} of activity {}", row.trace, row.activity_id))
        };
        Wrong::<activity_trace::Entity>::beside(again, stored, key, named, &mut rebuilt.traces)
            .replace(backend(txn), mending);
        Ok(())
    }
}
