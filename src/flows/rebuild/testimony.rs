//! Activities and versions again, from the changes of a daybook in the order and the accepts they came in.

use std::collections::{BTreeMap, BTreeSet};

use super::super::FlowError;
use super::super::accept::{Bringer, Readings, lookup, unsigned};
use super::super::documents;
use super::changes::{Book, Stored, Unsound, differs};
use super::tables::{Mending, Wrong};
use super::{Difference, Mode, Rebuilt, backend, closings};
use crate::app::App;
use crate::domain::ids::{AccountId, ActivityId, DaybookId, GrantId, NeighbourhoodId};
use crate::merge::admit::Facts;
use crate::merge::guard::Checked;
use crate::merge::loaded::Loaded;
use crate::merge::{ActivityState, Actor, Hash, touched};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::Transaction;
use crate::store::aliases::Holders;
use crate::store::changes::Of;
use crate::store::entity::{activity, activity_version, card_lease, daybook, daybook_change};

/// Everything derived from a daybook's changes.
#[derive(Default)]
struct Derived {
    activities: BTreeMap<ActivityId, activity::Model>,
    versions: BTreeMap<(ActivityId, i64), activity_version::Model>,
}

/// What the daybooks say, beside what is stored.
#[derive(Default)]
pub struct Testimony {
    /// The journal numbers that stored versions have.
    pub numbers: BTreeMap<(ActivityId, i64), i64>,
    /// Versions that were not there; the journal says which of them were taken up.
    pub lost: BTreeSet<(ActivityId, i64)>,
    /// Activities of which no change speaks.
    pub extra: Vec<activity::Model>,
}

impl Testimony {
    /// What is left once the journal was read: versions that wait and were not there, versions that have a number and
    /// were never taken up, which wait from now on, and activities of which nothing speaks.
    pub async fn compare(
        self,
        txn: &Transaction,
        neighbourhood: NeighbourhoodId,
        rebuilt: &mut Rebuilt,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let difference = |journal_no, key, expected: &str, found: String| Difference {
            journal_no,
            about: named(key),
            expected: expected.to_owned(),
            found,
        };
        for key in self.lost {
            rebuilt.versions.add(Some(difference(None, key, "a row", "none".to_owned())));
        }
        for ((id, version), no) in self.numbers {
            let found = format!("number {no}");
            rebuilt.versions.name(difference(Some(no), (id, version), "no number", found));
            mending.then.push(store::waiting::unnumber(backend(txn), neighbourhood, id, version));
        }
        for row in &self.extra {
            let lease = store::cards::lease(txn, neighbourhood, ActivityId(row.id)).await?;
            mending.removed.remove::<card_lease::Entity>(backend(txn), lease.as_slice());
        }
        mending.last.remove::<activity::Entity>(backend(txn), &self.extra);
        Ok(())
    }
}

/// Rebuilds all daybooks, in order of id, and compares with their rows. What is judged is made of the versions, so those
/// are written at once. Of a daybook whose changes are not what they were nothing is made: in mode [`Mode::Write`] that
/// is an error.
pub async fn rebuild(
    app: &App,
    txn: &Transaction,
    neighbourhood: NeighbourhoodId,
    mode: Mode,
    rebuilt: &mut Rebuilt,
) -> Result<Testimony, FlowError> {
    let mut testimony = Testimony::default();
    let holders = closings::holders(txn, neighbourhood).await?;
    for row in store::daybooks::all(txn, neighbourhood).await? {
        let of = Of { neighbourhood, daybook: DaybookId(row.id) };
        let locked = store::daybooks::lock(txn, neighbourhood, of.daybook).await?;
        let mut one = One { app, txn, of, row: locked.ok_or(FlowError::NotFound)?, rebuilt };
        // One after the other: an id belongs to the first that brings it, also where its row was lost.
        let mut mending = Mending::default();
        match one.again(&mut mending).await {
            Ok(derived) => one.compare(derived, &holders, &mut testimony, &mut mending).await?,
            Err(Unsound::Differs(difference)) if mode == Mode::Compare => rebuilt.changes.name(*difference),
            Err(Unsound::Differs(difference)) => return Err(FlowError::internal(difference.to_string())),
            Err(Unsound::Failed(error)) => return Err(error),
        }
        mending.execute(txn).await?;
    }
    Ok(testimony)
}

/// One daybook, locked.
struct One<'a> {
    app: &'a App,
    txn: &'a Transaction,
    of: Of,
    row: daybook::Model,
    rebuilt: &'a mut Rebuilt,
}

impl One<'_> {
    /// What its changes say.
    async fn again(&mut self, mending: &mut Mending) -> Result<Derived, Unsound> {
        let Stored { changes, snapshot } = Stored::read(self.app, self.txn, self.of, &self.row).await?;
        self.rebuilt.changes.rows += u64::try_from(changes.len()).unwrap_or(u64::MAX);
        let (mut book, mut then) = (Book::new(), None);
        let upto = snapshot.as_ref().map(|row| row.position);
        let derived = derive(self.app, self.txn, self.of, &self.row, changes, |row| {
            let change = book.follow(row)?;
            if Some(row.position) == upto {
                then = Some(book.clone());
            }
            Ok(change)
        });
        let derived = derived.await?;
        book.compare(self.txn, &self.row, self.rebuilt, mending)?;
        match (then, snapshot) {
            (Some(then), Some(row)) => then.compare_snapshot(self.txn, row, self.rebuilt, mending),
            (None, Some(row)) => {
                let about = format!("snapshot of daybook {}", row.daybook_id);
                return Err(differs(about, "the position of a change", &row.position.to_string()));
            }
            (_, None) => {}
        }
        Ok(derived)
    }

    async fn compare(
        &mut self,
        mut derived: Derived,
        holders: &Holders,
        testimony: &mut Testimony,
        mending: &mut Mending,
    ) -> Result<(), FlowError> {
        let (txn, of) = (self.txn, self.of);
        let mut wrong = Wrong::<activity_version::Entity>::default();
        for version in store::activities::versions_of_daybook(txn, of.neighbourhood, of.daybook).await? {
            let key = (ActivityId(version.activity_id), version.version);
            let again = derived.versions.remove(&key);
            // What is numbered is the journal's to say; whose it was then may have become another's since.
            let again = again.map(|again| {
                let then = holders.holder(AccountId(version.party_id), i64::MAX).0 == again.party_id;
                let party_id = if then { version.party_id } else { again.party_id };
                activity_version::Model { journal_no: version.journal_no, party_id, ..again }
            });
            if again.is_some() {
                testimony.numbers.extend(version.journal_no.map(|no| (key, no)));
            }
            let about = (version.journal_no, named(key));
            wrong.compare(about, again, Some(version), &mut self.rebuilt.versions);
        }
        wrong.replace(backend(txn), mending);
        testimony.lost.extend(derived.versions.keys());
        let lost: Vec<activity_version::Model> = derived.versions.into_values().collect();
        // It may be there, in another daybook by its row.
        mending.removed.remove::<activity_version::Entity>(backend(txn), &lost);
        mending.then.insert::<activity_version::Entity>(backend(txn), lost);
        let stored = store::activities::of_daybook(txn, of.neighbourhood, of.daybook).await?;
        let again = derived.activities.into_values();
        let named = |row: &activity::Model| (None, format!("activity {}", row.id));
        let count = &mut self.rebuilt.activities;
        let mut wrong = Wrong::<activity::Entity>::beside(again, stored, |row| row.id, named, count);
        testimony.extra.extend(wrong.take_extra());
        wrong.rewrite(backend(txn), mending);
        Ok(())
    }
}

/// A version, in words.
pub fn named((id, version): (ActivityId, i64)) -> String {
    format!("version {version} of activity {id}")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FlowError> + Send + 'static,
) -> Result<T, FlowError> {
    tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?
}

/// The document as far as it was needed: the changes since then wait.
#[derive(Default)]
struct Oracle {
    loaded: Option<Loaded>,
    waiting: Vec<(Hash, Vec<u8>)>,
}

impl Oracle {
    async fn fill(
        &mut self,
        mut states: BTreeMap<ActivityId, ActivityState>,
    ) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
        let (loaded, waiting) = (self.loaded.take(), std::mem::take(&mut self.waiting));
        let work = move || {
            let loaded = match loaded {
                Some(loaded) => loaded.extend(waiting),
                None => Loaded::open(None, waiting),
            };
            let loaded = loaded.map_err(FlowError::internal)?;
            loaded.fill(&mut states).map_err(FlowError::internal)?;
            Ok((loaded, states))
        };
        let (loaded, states) = blocking(work).await?;
        self.loaded = Some(loaded);
        Ok(states)
    }
}

/// Accept by accept, as it was then.
async fn derive(
    app: &App,
    txn: &Transaction,
    of: Of,
    row: &daybook::Model,
    changes: Vec<daybook_change::Model>,
    mut follow: impl FnMut(&daybook_change::Model) -> Result<Checked, Unsound>,
) -> Result<Derived, Unsound> {
    let mut facts = Facts::default();
    let mut derived = Derived::default();
    let mut readings = Readings::new(of, row.party_id, BTreeSet::new());
    let mut oracle = Oracle::default();
    let mut elsewhere_known: BTreeSet<ActivityId> = BTreeSet::new();
    let (mut operations, mut taken) = (0_u64, 0_u64);
    for accept in changes.chunk_by(|a, b| a.accept_no == b.accept_no) {
        // As the daybook stood before, so that what was left unread then is left so again.
        let may_be_loaded = documents::may_be_loaded(operations, taken);
        for row in accept {
            let change = follow(row)?;
            let (actor, start_op) = (Actor::new(&row.actor), unsigned(row.start_op));
            if !change.ops.is_empty() {
                facts
                    .add_row(&actor, start_op, unsigned(row.position), &row.objects)
                    .map_err(FlowError::internal)?;
            }
            let ids = touched(&change, &lookup(&facts));
            let new: BTreeSet<ActivityId> = ids.difference(&elsewhere_known).copied().collect();
            for owned in store::activities::of_ids(txn, of.neighbourhood, &new).await? {
                if owned.daybook_id != of.daybook.0 {
                    readings.leave(ActivityId(owned.id));
                }
            }
            elsewhere_known.extend(new);
            readings.reduce(&change, &lookup(&facts));
            operations = operations.saturating_add(change.operations());
            taken = unsigned(row.position);
            oracle.waiting.push((change.hash, change.bytes));
        }
        let stale = readings.needing_document();
        if !stale.is_empty() && !may_be_loaded {
            readings.leave_unread(&stale);
        } else if !stale.is_empty() {
            if oracle.loaded.is_none() {
                documents::count(app, of, DocumentReason::Rebuild);
            }
            let filled = oracle.fill(readings.take(&stale)).await?;
            readings.replace(filled);
        }
        keep(&mut derived, &mut readings, accept)?;
    }
    Ok(derived)
}

fn keep(
    derived: &mut Derived,
    readings: &mut Readings,
    accept: &[daybook_change::Model],
) -> Result<(), FlowError> {
    let Some(first) = accept.first() else { return Ok(()) };
    let before = first.position - 1;
    let bringer = Bringer {
        grant: first.admitted_grant_id.map(GrantId),
        payer: None,
        at_ms: first.admitted_at_ms,
        skew_ms: first.admitted_skew_ms,
    };
    let rows = readings.rows(before, bringer)?;
    for version in &rows.versions {
        let id = ActivityId(version.activity_id);
        if let Some(older) = derived.versions.get_mut(&(id, version.version - 1)) {
            older.until_position = Some(before);
        }
        derived.versions.insert((id, version.version), version.clone());
    }
    derived.activities.extend(rows.activities.iter().map(|row| (ActivityId(row.id), row.clone())));
    readings.follow(&rows);
    Ok(())
}
