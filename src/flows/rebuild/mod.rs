//! Makes the derived rows of a neighbourhood again from its ground state, and says what differed: activities
//! and versions from the changes in their order, judgements, transfers and balances from the journal.
//! Decisions are stored and replayed, never made anew; what waits un-numbered stays so. The chain of the journal
//! is followed on the way.
//!
//! Every table is one of these. *Derived* ones are compared both ways, row by row and column by column: a row that is
//! lost, one that is another, and one too many are named, and mended by [`Mode::Write`].
//!
//! | table | what it is | compared |
//! |---|---|---|
//! | `journal` | ground | its numbers, commitments and chain, with the tip. Where it is not whole nothing is mended: it is for a backup |
//! | `tip` | ground: the journal's end; derived: the totals of the commons | the totals are mended |
//! | `daybook_change` | ground | position, chain, hash, and all that its bytes say of it. Where they are not whole nothing is mended. Who brought it when, by which accept, and its objects are ground: nothing else says them |
//! | `daybook` | ground: whose it is, its end; derived: heads, greatest operation, bytes | what is derived is mended. Its counters (operations, held, refused, revision, compaction) are working state |
//! | `daybook_snapshot` | derived: the changes up to its position, exactly | its bytes are for a backup, the rest is mended |
//! | `activity` | ground: which daybook an id belongs to; derived: all else | both ways |
//! | `activity_version` | derived, its number and (where it is numbered) whose it was then from the journal | both ways. Of a lost row of somebody who became one with another, it is the other's |
//! | `judgement` | derived | both ways, but for what was in doubt, since when it waits, when to look again, and what is told of a doubt: these follow from what was around at the time. Of a lost row that waits the rules are asked again; of one that is decided, what was once in doubt is gone. A row that would wait for ever is due at once |
//! | `decision` | derived from the journal | both ways, but for the hash of what was sent and the batch: of a lost row they are gone, and the same id sent again is `id_reused`, and never decided anew |
//! | `transfer`, `account` | derived from the journal | both ways |
//! | `suspicion`, `suspicion_about`, `reply`, `named_party`, `closed_period`, `account_closing` | derived from the journal | both ways |
//! | `activity_trace` | derived from the versions taken up | both ways |
//! | `rule_pack` | derived: the first is the server's own, all others are in the journal | both ways |
//! | `party_alias` | derived from the journal, where the id was a party before; ground: ids under which phones began | the former both ways |
//! | `neighbourhood`, `party`, `party_role`, `membership` | ground: who there is | not |
//! | `device`, `access_grant`, `invitation` | ground: who may what | not |
//! | `held_change`, `refused_change` | ground: what phones sent and no daybook has | not |
//! | `card_lease`, `server_key` | working state: who is at what, and what seals | not |

mod balances;
mod changes;
mod closings;
mod decisions;
mod difference;
mod doubts;
mod entry;
mod judged;
mod judgements;
mod rules;
mod said;
mod tables;
mod testimony;

use sea_orm::ConnectionTrait;

use super::FlowError;
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::store;

pub use difference::Difference;
use tables::Mending;

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
    pub changes: Count,
    pub daybooks: Count,
    pub snapshots: Count,
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
    pub rules: Count,
    pub suspicions: Count,
    /// What each suspicion is about.
    pub about: Count,
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
    pub fn tables(&self) -> [(&'static str, &Count); 19] {
        [
            ("daybook_change", &self.changes),
            ("daybook", &self.daybooks),
            ("daybook_snapshot", &self.snapshots),
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
            ("rule_pack", &self.rules),
            ("suspicion", &self.suspicions),
            ("suspicion_about", &self.about),
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
            &self.rules,
            &self.decisions,
            &self.transfers,
            &self.periods,
            &self.aliases,
            &self.closings,
            &self.versions,
            &self.judgements,
            &self.suspicions,
            &self.about,
            &self.replies,
            &self.named,
            &self.changes,
            &self.daybooks,
            &self.snapshots,
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
/// [`FlowError::NotFound`]; [`FlowError`] where ground state is not whole and what is made of it is to be written:
/// nothing is, then.
pub async fn rebuild(app: &App, neighbourhood: NeighbourhoodId, mode: Mode) -> Result<Rebuilt, FlowError> {
    let txn = app.db().begin().await?;
    let tip = store::ledger::lock_tip(&txn, neighbourhood, true).await?.ok_or(FlowError::NotFound)?;
    let (mut rebuilt, mut mending) = (Rebuilt::default(), Mending::default());
    // Judgements read the versions, so those go first.
    let testimony = testimony::rebuild(app, &txn, neighbourhood, mode, &mut rebuilt).await?;
    let (of, how) = ((&txn, neighbourhood), (mode, app.now_in(neighbourhood)));
    let lost = judgements::rebuild(of, tip, how, testimony, &mut rebuilt, &mut mending).await?;
    if mode == Mode::Compare {
        txn.rollback().await?;
        return Ok(rebuilt);
    }
    mending.execute(&txn).await?;
    judged::ask_again(app, &txn, neighbourhood, lost).await?;
    txn.commit().await?;
    Ok(rebuilt)
}

fn backend(db: &impl ConnectionTrait) -> sea_orm::DbBackend {
    db.get_database_backend()
}
