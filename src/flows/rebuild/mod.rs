//! Makes the derived rows of a neighbourhood again from its ground state, and says what differed: activities
//! and versions from the changes in their order, judgements from the journal, balances from the transfers.
//! Decisions are stored and replayed, never made anew; what waits un-numbered stays so.

mod doubts;
mod judgements;
mod testimony;

use sea_orm::ConnectionTrait;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::{DaybookId, NeighbourhoodId};
use crate::store;
use crate::store::Batch;
use crate::store::changes::Of;

/// Whether what differs is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Write,
    Compare,
}

/// What was made again, and what was not the same. The lists name rows, at most [`NAMED_MAX`] a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rebuilt {
    pub activities: Count,
    pub versions: Count,
    pub judgements: Count,
    pub accounts: Count,
    pub transfers: Count,
    pub journal: Count,
    pub suspicions: Count,
    pub traces: Count,
}

/// Rows named in a report.
pub const NAMED_MAX: usize = 20;

/// Rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub rows: u64,
    pub differing: u64,
    pub named: Vec<String>,
}

impl Count {
    /// Counts a row; a difference is named.
    pub(super) fn add(&mut self, same: bool, name: impl FnOnce() -> String) {
        self.rows += 1;
        if !same {
            self.differing += 1;
            if self.named.len() < NAMED_MAX {
                self.named.push(name());
            }
        }
    }
}

impl Rebuilt {
    /// The tables with their counts.
    #[must_use]
    pub fn tables(&self) -> [(&'static str, &Count); 8] {
        [
            ("activity", &self.activities),
            ("activity_version", &self.versions),
            ("judgement", &self.judgements),
            ("account", &self.accounts),
            ("transfer", &self.transfers),
            ("journal", &self.journal),
            ("suspicion", &self.suspicions),
            ("activity_trace", &self.traces),
        ]
    }

    /// Whether everything was the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.tables().iter().all(|(_, count)| count.differing == 0)
    }
}

/// Rebuilds a neighbourhood in one transaction: the tip is locked first, then its daybooks in order of id.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError`] where ground state cannot be read.
pub async fn rebuild(app: &App, neighbourhood: NeighbourhoodId, mode: Mode) -> Result<Rebuilt, FlowError> {
    let txn = app.db().begin().await?;
    let tip = store::ledger::lock_tip(&txn, neighbourhood, true).await?.ok_or(FlowError::NotFound)?;
    let mut rebuilt = Rebuilt::default();
    let mut batch = Batch::default();
    for daybook in store::daybooks::all(&txn, neighbourhood).await? {
        let of = Of { neighbourhood, daybook: DaybookId(daybook.id) };
        let locked =
            store::daybooks::lock(&txn, neighbourhood, of.daybook).await?.ok_or(FlowError::NotFound)?;
        testimony::rebuild(app, &txn, of, &locked, &mut rebuilt, &mut batch).await?;
    }
    // Judgements read the versions, so those go first.
    std::mem::take(&mut batch).execute(&txn).await?;
    judgements::rebuild(&txn, neighbourhood, tip, &mut rebuilt, &mut batch).await?;
    batch.execute(&txn).await?;
    if mode == Mode::Write && !rebuilt.is_same() {
        txn.commit().await?;
    }
    Ok(rebuilt)
}

fn backend(db: &impl ConnectionTrait) -> sea_orm::DbBackend {
    db.get_database_backend()
}
