//! Which records belong to one card.

use std::collections::{BTreeMap, BTreeSet};

use super::{Entry, Need};
use crate::domain::ids::{ActivityId, DaybookId, PartyId};
use crate::domain::suspicion::{Suspicion, SuspicionKind};

/// The records of one card and the suspicions about them, both sorted.
pub(super) struct Group<'a> {
    pub entries: Vec<&'a Entry>,
    pub suspicions: Vec<&'a Suspicion>,
}

/// What several records may wait for: one answer serves all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The clock, or the hands, of the phone behind one daybook.
    Phone(DaybookId, SuspicionKind),
    Stranger(PartyId),
}

impl<'a> Group<'a> {
    pub fn entry(&self, id: ActivityId) -> Option<&'a Entry> {
        self.entries.iter().copied().find(|entry| entry.record.id == id)
    }

    /// A person has to look at it.
    pub fn needs(&self, entry: &Entry) -> bool {
        !entry.needs.is_empty() || self.about(entry.record.id).next().is_some()
    }

    /// The suspicions about a record.
    pub fn about(&self, id: ActivityId) -> impl Iterator<Item = &'a Suspicion> {
        self.suspicions.iter().copied().filter(move |suspicion| suspicion.about.contains(&id))
    }
}

/// Groups records that belong together, in the order of their least ids. An id that comes twice counts once.
pub(super) fn groups<'a>(entries: &'a [Entry], open: &'a [Suspicion]) -> Vec<Group<'a>> {
    let entries: BTreeMap<ActivityId, &Entry> =
        entries.iter().map(|entry| (entry.record.id, entry)).collect();
    let mut sets = Sets::of(entries.keys().copied());
    for suspicion in open {
        sets.join_all(suspicion.about.iter().copied());
    }
    let mut causes: BTreeMap<Cause, ActivityId> = BTreeMap::new();
    for (id, entry) in &entries {
        let related = [entry.record.activity.part_of, entry.merged_into];
        sets.join_all(related.into_iter().flatten().chain([*id]));
        for cause in causes_of(entry, open) {
            let first = *causes.entry(cause).or_insert(*id);
            sets.join_all([first, *id]);
        }
    }
    let mut members: BTreeMap<ActivityId, Vec<&Entry>> = BTreeMap::new();
    for (id, entry) in &entries {
        members.entry(sets.root(*id)).or_default().push(entry);
    }
    let mut about: BTreeMap<ActivityId, Vec<&Suspicion>> = BTreeMap::new();
    for suspicion in open {
        if let Some(known) = suspicion.about.iter().find(|id| entries.contains_key(id)) {
            about.entry(sets.root(*known)).or_default().push(suspicion);
        }
    }
    let groups = members.into_iter().map(|(root, entries)| {
        let mut suspicions = about.remove(&root).unwrap_or_default();
        suspicions.sort_by_cached_key(|suspicion| {
            (suspicion.kind(), suspicion.about.clone(), suspicion.fingerprint())
        });
        suspicions.dedup();
        Group { entries, suspicions }
    });
    groups.collect()
}

fn causes_of(entry: &Entry, open: &[Suspicion]) -> BTreeSet<Cause> {
    let mut causes = BTreeSet::new();
    if entry.needs.contains(&Need::UnknownParty) {
        causes.extend(entry.unknown_parties.iter().map(|party| Cause::Stranger(*party)));
    }
    let about = open.iter().filter(|suspicion| suspicion.about.contains(&entry.record.id));
    let kinds = about.map(Suspicion::kind);
    let of_phone = kinds.filter(|kind| matches!(kind, SuspicionKind::ClockSkew | SuspicionKind::Carried));
    causes.extend(of_phone.map(|kind| Cause::Phone(entry.record.daybook, kind)));
    causes
}

/// Disjoint sets of ids; the root of a set is its least id.
struct Sets {
    parents: BTreeMap<ActivityId, ActivityId>,
}

impl Sets {
    fn of(ids: impl Iterator<Item = ActivityId>) -> Self {
        Self { parents: ids.map(|id| (id, id)).collect() }
    }

    fn root(&mut self, id: ActivityId) -> ActivityId {
        let mut root = id;
        while let Some(parent) = self.parents.get(&root).filter(|parent| **parent != root) {
            root = *parent;
        }
        // The next one to ask finds it at once.
        self.parents.insert(id, root);
        root
    }

    /// Joins the sets of all ids that are known.
    fn join_all(&mut self, ids: impl IntoIterator<Item = ActivityId>) {
        let known: Vec<ActivityId> = ids.into_iter().filter(|id| self.parents.contains_key(id)).collect();
        let roots: BTreeSet<ActivityId> = known.into_iter().map(|id| self.root(id)).collect();
        let Some(least) = roots.first().copied() else { return };
        for root in roots {
            self.parents.insert(root, least);
        }
    }
}
