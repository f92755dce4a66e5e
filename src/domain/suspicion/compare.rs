//! What was found against what is known: a doubt that somebody settled is raised again only on new evidence.

use super::Suspicion;
use crate::domain::ids::ActivityId;

/// A suspicion that stands in the books.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub suspicion: Suspicion,
    /// A person has settled it: the records are as they should be, whatever this says.
    pub settled: bool,
}

/// What to do about a suspicion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Nobody has looked at this evidence.
    Raise(Suspicion),
    /// It is open, and its evidence is another now.
    Renew(Suspicion),
    /// It is open, and nothing speaks for it any more: the record was corrected, or taken back.
    Lapse(Suspicion),
}

/// Compares what the rules found of one record with all that is known about it, and about the people of a
/// suspicion that is about people. What stays as it is needs no change.
#[must_use]
pub fn compare(judged: ActivityId, found: Vec<Suspicion>, known: &[Known]) -> Vec<Change> {
    let open = |key: &str| known.iter().find(|one| !one.settled && one.suspicion.key() == key);
    let mut changes = Vec::new();
    let mut keys = Vec::new();
    for mut suspicion in found {
        let key = suspicion.key();
        if let Some(open) = open(&key) {
            suspicion.about.extend(&open.suspicion.about);
            suspicion.about.sort_unstable();
            suspicion.about.dedup();
            if suspicion != open.suspicion {
                changes.push(Change::Renew(suspicion));
            }
        } else if is_news(&suspicion, &key, known) {
            changes.push(Change::Raise(suspicion));
        }
        keys.push(key);
    }
    // What is about people lapses when it is settled: one record less does not end a habit.
    let gone = known.iter().filter(|one| {
        let suspicion = &one.suspicion;
        !one.settled
            && suspicion.pair().is_none()
            && suspicion.shows_in(judged)
            && !keys.contains(&suspicion.key())
    });
    changes.extend(gone.map(|one| Change::Lapse(one.suspicion.clone())));
    changes
}

/// Every settled one of the same key knew less.
fn is_news(suspicion: &Suspicion, key: &str, known: &[Known]) -> bool {
    let mut settled = known.iter().filter(|one| one.settled && one.suspicion.key() == key);
    settled.all(|one| suspicion.evidence.adds_to(&one.suspicion.evidence))
}
