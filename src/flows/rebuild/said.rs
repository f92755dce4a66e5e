//! Replies again, from the journal, and who is named in whose record.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::Case;
use super::{Difference, Rebuilt, backend};
use crate::domain::ids::{ActivityId, NeighbourhoodId};
use crate::domain::reply::ReplyKind;
use crate::store;
use crate::store::entity::{journal, reply};
use crate::store::{Batch, Transaction};

/// Rows that one statement writes.
const ROWS: usize = 400;

/// What the journal says of a reply.
#[derive(Debug, Deserialize)]
pub struct Spoken {
    party: Uuid,
    pub kind: ReplyKind,
    text: Option<String>,
    pub at_desk: bool,
}

/// The replies so far.
#[derive(Debug, Default)]
pub struct Replies(BTreeMap<Uuid, reply::Model>);

impl Replies {
    /// One row of the journal about a reply.
    pub fn play(&mut self, row: &journal::Model, spoken: Spoken) {
        let again = reply::Model {
            neighbourhood_id: row.neighbourhood_id,
            id: row.subject_id,
            activity_id: row.activity_id.unwrap_or_default(),
            party_id: spoken.party,
            kind: spoken.kind.as_str().to_owned(),
            text: spoken.text,
            at_desk: spoken.at_desk,
            journal_no: row.no,
            said_at_ms: row.at_ms,
        };
        self.0.insert(row.subject_id, again);
    }

    /// Compares with what is stored: a reply that is missing is written again.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        batch: &mut Batch,
    ) -> Result<(), FlowError> {
        let stored = store::replies::all(txn, neighbourhood).await?;
        let mut stored: BTreeMap<Uuid, reply::Model> = stored.into_iter().map(|row| (row.id, row)).collect();
        let mut missing = Vec::new();
        for (id, again) in self.0 {
            let there = stored.remove(&id);
            let (no, about) = (Some(again.journal_no), format!("reply {id}"));
            rebuilt.replies.add(Difference::between(no, about, Some(&again), there.as_ref()));
            if there.is_none() {
                missing.push(again);
            }
        }
        for (id, row) in stored {
            let about = format!("reply {id}");
            rebuilt.replies.add(Difference::between(Some(row.journal_no), about, None, Some(&row)));
        }
        for part in missing.chunks(ROWS) {
            batch.push(store::replies::insert_missing(backend(txn), part.to_vec()));
        }
        Ok(())
    }
}

/// Compares who is named in whose record with what is stored.
pub async fn compare_named(
    cases: &BTreeMap<ActivityId, Case>,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    rebuilt: &mut Rebuilt,
    batch: &mut Batch,
) -> Result<(), FlowError> {
    let stored = store::replies::all_named(txn, neighbourhood).await?;
    let mut stored: BTreeMap<(Uuid, Uuid), _> =
        stored.into_iter().map(|row| ((row.activity_id, row.party_id), row)).collect();
    let mut wrong = Vec::new();
    for again in cases.iter().flat_map(|(id, case)| case.named_rows(neighbourhood, *id)) {
        let there = stored.remove(&(again.activity_id, again.party_id));
        let about = format!("party {} named in activity {}", again.party_id, again.activity_id);
        let difference = Difference::between(Some(again.journal_no), about, Some(&again), there.as_ref());
        wrong.extend(difference.is_some().then_some(again));
        rebuilt.named.add(difference);
    }
    for part in wrong.chunks(ROWS) {
        batch.push(store::replies::write_named(backend(txn), part.to_vec()));
    }
    Ok(())
}
