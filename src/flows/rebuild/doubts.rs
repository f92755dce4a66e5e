//! Suspicions again, from what the journal notes of them, and the traces that versions left.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::super::judge::{Doubted, Noted};
use super::{Difference, Rebuilt, backend};
use crate::domain::ids::{ActivityId, NeighbourhoodId, SuspicionId};
use crate::store;
use crate::store::entity::{activity_trace, journal};
use crate::store::{Batch, Transaction};

/// Activities whose traces are written by one statement.
const ACTIVITIES: usize = 400;

/// See the module.
#[derive(Debug, Default)]
pub struct Doubts {
    book: BTreeMap<SuspicionId, Doubted>,
    /// What the version taken up last leaves.
    pub left: BTreeMap<ActivityId, BTreeSet<i64>>,
}

impl Doubts {
    /// One row of the journal about a suspicion.
    pub fn play(&mut self, row: &journal::Model, noted: Noted) {
        let id = SuspicionId(row.subject_id);
        let before = self.book.remove(&id);
        self.book.extend(Doubted::after(before, noted, row.no, row.at_ms).map(|after| (id, after)));
    }

    /// Compares with what is stored.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        batch: &mut Batch,
    ) -> Result<(), FlowError> {
        let stored = store::suspicions::all(txn, neighbourhood).await?;
        let stored: BTreeMap<_, _> = stored.into_iter().map(|row| (SuspicionId(row.id), row)).collect();
        let (mut rows, mut about) = (Vec::new(), Vec::new());
        for (id, doubted) in &self.book {
            let (again, of) = doubted.rows(neighbourhood, *id)?;
            let (no, what) = (Some(doubted.journal_no), format!("suspicion {id}"));
            let difference = Difference::between(no, what, Some(&again), stored.get(id));
            if difference.is_some() {
                rows.push(again);
                about.extend(of);
            }
            rebuilt.suspicions.add(difference);
        }
        for statement in store::suspicions::write(backend(txn), rows, about) {
            batch.push(statement);
        }
        self.compare_traces(txn, neighbourhood, rebuilt, batch).await
    }

    async fn compare_traces(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        batch: &mut Batch,
    ) -> Result<(), FlowError> {
        let mut stored: BTreeMap<ActivityId, BTreeSet<i64>> = BTreeMap::new();
        for row in store::suspicions::all_traces(txn, neighbourhood).await? {
            stored.entry(ActivityId(row.activity_id)).or_default().insert(row.trace);
        }
        let (mut wrong, none) = (Vec::new(), BTreeSet::new());
        for (id, traces) in &self.left {
            let there = stored.get(id).unwrap_or(&none);
            if there != traces {
                wrong.push(*id);
            }
            rebuilt.traces.add((there != traces).then(|| Difference {
                journal_no: None,
                about: format!("traces of activity {id}"),
                expected: format!("{traces:?}"),
                found: format!("{there:?}"),
            }));
        }
        for part in wrong.chunks(ACTIVITIES) {
            batch.push(store::suspicions::forget_traces(backend(txn), neighbourhood, part));
            let rows = part.iter().flat_map(|id| {
                self.left.get(id).into_iter().flatten().map(|trace| activity_trace::Model {
                    neighbourhood_id: neighbourhood.0,
                    trace: *trace,
                    activity_id: id.0,
                })
            });
            batch.insert::<activity_trace::Entity>(backend(txn), rows.collect());
        }
        Ok(())
    }
}
