//! Replies and closed periods again, from the journal, and who is named in whose record.

use std::collections::BTreeMap;

use serde::Deserialize;
use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::Case;
use super::tables::{Mending, Wrong};
use super::{Rebuilt, backend};
use crate::domain::ids::{ActivityId, NeighbourhoodId};
use crate::domain::reply::ReplyKind;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{closed_period, journal, named_party, reply};

/// What the journal says of a reply.
#[derive(Debug, Deserialize)]
pub struct Spoken {
    pub party: Uuid,
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

    /// Compares with what is stored.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let column = reply::Column::NeighbourhoodId;
        let stored = store::whole::rows::<reply::Entity>(txn, column, neighbourhood).await?;
        let named = |row: &reply::Model| (Some(row.journal_no), format!("reply {}", row.id));
        let again = self.0.into_values();
        Wrong::<reply::Entity>::beside(again, stored, |row| row.id, named, &mut rebuilt.replies)
            .replace(backend(txn), mending);
        Ok(())
    }
}

/// Compares who is named in whose record with what is stored.
pub async fn compare_named(
    cases: &BTreeMap<ActivityId, Case>,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    rebuilt: &mut Rebuilt,
    mending: &mut Mending,
) -> Result<(), FlowError> {
    let column = named_party::Column::NeighbourhoodId;
    let stored = store::whole::rows::<named_party::Entity>(txn, column, neighbourhood).await?;
    let again = cases.iter().flat_map(|(id, case)| case.named_rows(neighbourhood, *id));
    let key = |row: &named_party::Model| (row.activity_id, row.party_id);
    let named = |row: &named_party::Model| {
        (Some(row.journal_no), format!("party {} named in activity {}", row.party_id, row.activity_id))
    };
    Wrong::<named_party::Entity>::beside(again, stored, key, named, &mut rebuilt.named)
        .replace(backend(txn), mending);
    Ok(())
}

/// Compares closed periods with what is stored.
pub async fn compare_periods(
    again: Vec<closed_period::Model>,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    rebuilt: &mut Rebuilt,
    mending: &mut Mending,
) -> Result<(), FlowError> {
    let column = closed_period::Column::NeighbourhoodId;
    let stored = store::whole::rows::<closed_period::Entity>(txn, column, neighbourhood).await?;
    let named = |row: &closed_period::Model| (Some(row.journal_no), format!("period {}", row.id));
    Wrong::<closed_period::Entity>::beside(again, stored, |row| row.id, named, &mut rebuilt.periods)
        .replace(backend(txn), mending);
    Ok(())
}
