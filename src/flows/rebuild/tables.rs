//! Rows of one table as they should be, beside those that are there; and what mends the difference.

use std::collections::BTreeMap;

use sea_orm::{DbBackend, EntityTrait, ModelTrait};

use super::super::FlowError;
use super::{Count, Difference};
use crate::store::{Batch, Transaction};

/// Statements by when they are sent: rows that refer to others go before those, and come after them.
#[derive(Default)]
pub struct Mending {
    /// Takes rows away that nothing refers to.
    pub removed: Batch,
    /// Writes rows that others refer to.
    pub first: Batch,
    /// Writes the others.
    pub then: Batch,
    /// Takes rows away that others referred to.
    pub last: Batch,
}

impl Mending {
    /// Sends all of them.
    pub async fn execute(self, txn: &Transaction) -> Result<(), FlowError> {
        for batch in [self.removed, self.first, self.then, self.last] {
            batch.execute(txn).await?;
        }
        Ok(())
    }
}

/// Rows of a table that are not as they should be.
pub struct Wrong<E: EntityTrait> {
    /// Of nothing that is known.
    extra: Vec<E::Model>,
    /// As they should be: those that are there and differ, and those that are not there.
    bent: Vec<E::Model>,
    missing: Vec<E::Model>,
}

impl<E: EntityTrait> Default for Wrong<E> {
    fn default() -> Self {
        Self { extra: Vec::new(), bent: Vec::new(), missing: Vec::new() }
    }
}

impl<E> Wrong<E>
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + 'static,
{
    /// Compares a row as it should be with the row of the same key. What differs is named, by its number in the
    /// journal and in words.
    pub fn compare(
        &mut self,
        (no, about): (Option<i64>, String),
        again: Option<E::Model>,
        there: Option<E::Model>,
        count: &mut Count,
    ) {
        let difference = Difference::between(no, about, again.as_ref(), there.as_ref());
        if difference.is_some() {
            match (again, there) {
                (Some(again), Some(_)) => self.bent.push(again),
                (Some(again), None) => self.missing.push(again),
                (None, there) => self.extra.extend(there),
            }
        }
        count.add(difference);
    }

    /// Compares all rows of a table with those that should be there.
    pub fn beside<K: Ord>(
        again: impl IntoIterator<Item = E::Model>,
        there: Vec<E::Model>,
        key: impl Fn(&E::Model) -> K,
        named: impl Fn(&E::Model) -> (Option<i64>, String),
        count: &mut Count,
    ) -> Self {
        let mut wrong = Self::default();
        let mut there: BTreeMap<K, E::Model> = there.into_iter().map(|row| (key(&row), row)).collect();
        for row in again {
            let stored = there.remove(&key(&row));
            wrong.compare(named(&row), Some(row), stored, count);
        }
        for row in there.into_values() {
            wrong.compare(named(&row), None, Some(row), count);
        }
        wrong
    }

    /// Takes out the rows of nothing that is known.
    pub fn take_extra(&mut self) -> Vec<E::Model> {
        std::mem::take(&mut self.extra)
    }

    /// Mends a table that no other refers to: what is wrong goes and comes again, so that rows that have changed
    /// places do not stand in each other's way.
    pub fn replace(self, backend: DbBackend, mending: &mut Mending) {
        mending.removed.remove::<E>(backend, &self.extra);
        mending.removed.remove::<E>(backend, &self.bent);
        mending.then.insert::<E>(backend, self.bent);
        mending.then.insert::<E>(backend, self.missing);
    }

    /// Mends a table that others refer to.
    pub fn rewrite(self, backend: DbBackend, mending: &mut Mending) {
        mending.first.rewrite::<E>(backend, &self.bent);
        mending.first.insert::<E>(backend, self.missing);
        mending.last.remove::<E>(backend, &self.extra);
    }
}
