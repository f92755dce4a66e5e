//! What reading the facts of a push costs, and whom: of what was held and may have its turn now, each pays for theirs.

use std::collections::HashSet;

use super::facts::{self, Asked, unsigned};
use crate::app::Payer;
use crate::merge::Actor;
use crate::merge::admit::{Facts, Ranges, references};
use crate::merge::guard::Checked;
use crate::store::changes::{Covering, Known};
use crate::store::entity::daybook;

/// Bytes read of what is kept of earlier changes, by who asked for them first: who pushes now, else in the order in
/// which the changes are looked at.
#[derive(Debug, Default)]
pub struct Reads<'c> {
    askers: Vec<Asker<'c>>,
}

#[derive(Debug, Default)]
struct Asker<'c> {
    payer: Option<Payer>,
    changes: Vec<&'c Checked>,
    bytes: u64,
    hashes: HashSet<Vec<u8>>,
    numbers: HashSet<(Vec<u8>, i64)>,
    /// The position after which it needs the graph.
    after: Option<u64>,
    ranges: Ranges,
}

impl<'c> Reads<'c> {
    /// Of the changes that are looked at, and the hashes of what was pushed and not decoded.
    pub fn of(row: &daybook::Model, asking: &[(Option<Payer>, &'c Checked)], asked: Asked<'_>) -> Self {
        let mut askers: Vec<Asker<'c>> = vec![Asker { payer: asked.pushes, ..Asker::default() }];
        for (payer, change) in asking.iter().copied() {
            match askers.iter_mut().find(|asker| asker.payer == payer) {
                Some(asker) => asker.changes.push(change),
                None => askers.push(Asker { payer, changes: vec![change], ..Asker::default() }),
            }
        }
        let mut unread = asked.unread;
        askers
            .retain(|asker| !asker.changes.is_empty() || (asker.payer == asked.pushes && !unread.is_empty()));
        if askers.len() > 1 {
            for asker in &mut askers {
                asker.hashes.extend(facts::hashes(row, &asker.changes, std::mem::take(&mut unread)));
                let numbers = facts::numbers(&asker.changes).into_iter();
                asker.numbers = numbers
                    .flat_map(|(actor, seqs)| seqs.into_iter().map(move |seq| (actor.clone(), seq)))
                    .collect();
            }
        }
        Self { askers }
    }

    /// Once it is known which changes are accepted already: what each of the others makes necessary to look for.
    pub fn look_for(&mut self, facts: &Facts) {
        if self.askers.len() > 1 {
            for asker in &mut self.askers {
                let new = asker.changes.iter().copied().filter(|change| !facts.is_known(&change.hash));
                asker.after = facts.graph_after(new.clone());
                asker.ranges = references(new).ranges();
            }
        }
    }

    /// An accepted change was read, by its hash or its number.
    pub fn known(&mut self, row: &Known) {
        let number = (row.actor.clone(), row.seq);
        self.count(&row.objects, |asker| asker.hashes.contains(&row.hash) || asker.numbers.contains(&number));
    }

    /// One for the graph was read.
    pub fn node(&mut self, position: i64, objects: &[u8]) {
        self.count(objects, |asker| asker.after.is_some_and(|after| unsigned(position) > after));
    }

    /// One that holds operations was read.
    pub fn row(&mut self, actor: &Actor, row: &Covering) {
        let (from, to) = (unsigned(row.start_op), unsigned(row.max_op));
        self.count(&row.objects, |asker| asker.ranges.overlap(actor, from, to));
    }

    /// What is asked for by nobody alone, is nobody's.
    fn count(&mut self, objects: &[u8], asks: impl Fn(&Asker<'_>) -> bool) {
        let alone = self.askers.len() == 1;
        if let Some(asker) = self.askers.iter_mut().find(|asker| alone || asks(asker)) {
            asker.bytes = asker.bytes.saturating_add(u64::try_from(objects.len()).unwrap_or(u64::MAX));
        }
    }

    /// Who pays for how many bytes.
    pub fn paid(self) -> Vec<(Payer, u64)> {
        self.askers.into_iter().filter_map(|asker| Some((asker.payer?, asker.bytes))).collect()
    }
}
