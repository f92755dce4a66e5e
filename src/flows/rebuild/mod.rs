//! Makes the derived rows of a neighbourhood again from its ground state, and says what differed: activities
//! and versions from the changes in their order, judgements, transfers and balances from the journal.
//! Decisions are stored and replayed, never made anew; what waits un-numbered stays so. The chain of the journal
//! is followed on the way.

mod balances;
mod closings;
mod difference;
mod doubts;
mod entry;
mod judgements;
mod said;
mod testimony;

use sea_orm::ConnectionTrait;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::{DaybookId, NeighbourhoodId};
use crate::store;
use crate::store::Batch;
use crate::store::changes::Of;

pub use difference::Difference;

/// Rows read at once.
const ROWS: u64 = 1_000;

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
    pub decisions: Count,
    pub accounts: Count,
    pub transfers: Count,
    pub periods: Count,
    pub aliases: Count,
    pub closings: Count,
    /// Entries, and the tip.
    pub journal: Count,
    pub suspicions: Count,
    pub traces: Count,
    pub replies: Count,
    pub named: Count,
}

/// Rows named in a report.
pub const NAMED_MAX: usize = 20;

/// Rows of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub rows: u64,
    pub differing: u64,
    pub named: Vec<Difference>,
    /// The one with the smallest journal number.
    pub first: Option<Difference>,
}

impl Count {
    /// Counts a row with the difference in it, if there is one.
    pub(super) fn add(&mut self, difference: Option<Difference>) {
        self.rows += 1;
        if let Some(difference) = difference {
            self.name(difference);
        }
    }

    /// Names a difference that is of no single row, or a further one of a row.
    pub(super) fn name(&mut self, difference: Difference) {
        self.differing += 1;
        if self.first.as_ref().is_none_or(|first| place(&difference) < place(first)) {
            self.first = Some(difference.clone());
        }
        if self.named.len() < NAMED_MAX {
            self.named.push(difference);
        }
    }
}

/// What has a journal number goes before what has none.
fn place(difference: &Difference) -> (bool, Option<i64>) {
    (difference.journal_no.is_none(), difference.journal_no)
}

impl Rebuilt {
    /// The tables with their counts.
    #[must_use]
    pub fn tables(&self) -> [(&'static str, &Count); 14] {
        [
            ("activity", &self.activities),
            ("activity_version", &self.versions),
            ("judgement", &self.judgements),
            ("decision", &self.decisions),
            ("account", &self.accounts),
            ("transfer", &self.transfers),
            ("closed_period", &self.periods),
            ("party_alias", &self.aliases),
            ("account_closing", &self.closings),
            ("journal", &self.journal),
            ("suspicion", &self.suspicions),
            ("activity_trace", &self.traces),
            ("reply", &self.replies),
            ("named_party", &self.named),
        ]
    }

    /// Whether everything was the same.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.tables().iter().all(|(_, count)| count.differing == 0)
    }

    /// The difference with the smallest journal number; where several have it, that of the journal, since what
    /// is made from it differs with it. What has no number comes last.
    #[must_use]
    pub fn first(&self) -> Option<&Difference> {
        let counts = [
            &self.journal,
            &self.decisions,
            &self.transfers,
            &self.periods,
            &self.aliases,
            &self.closings,
            &self.versions,
            &self.judgements,
            &self.suspicions,
            &self.replies,
            &self.named,
            &self.accounts,
            &self.activities,
            &self.traces,
        ];
        counts.into_iter().filter_map(|count| count.first.as_ref()).min_by_key(|first| place(first))
    }
}

/// Rebuilds a neighbourhood in one transaction: the tip is locked first, then its daybooks in order of id.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError`] where ground state cannot be read: of the journal, only where what is
/// made again is to be written.
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
    judgements::rebuild(&txn, neighbourhood, tip, mode, &mut rebuilt, &mut batch).await?;
    batch.execute(&txn).await?;
    if mode == Mode::Write && !rebuilt.is_same() {
        txn.commit().await?;
    } else {
        txn.rollback().await?;
    }
    Ok(rebuilt)
}

fn backend(db: &impl ConnectionTrait) -> sea_orm::DbBackend {
    db.get_database_backend()
}
