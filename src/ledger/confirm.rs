//! Confirmations by peers.

use std::collections::BTreeSet;

use super::lines::Decided;
use crate::domain::ids::{AccountId, PartyId};

/// Whether others stand behind every line. `writers` are those who wrote the record, whosever daybook it is in, the
/// first of them the one who recorded it; `confirmers` are those who wrote an activity that confirms this one, in
/// daybooks of their own: all resolved, and known by name.
///
/// Nobody confirms for themselves: each line needs the recorder or a confirmer other than its beneficiary, and
/// among all there is a confirmer who wrote none of it, nor is the only one to gain by it.
#[must_use]
pub fn is_confirmed(decided: &Decided, writers: &[PartyId], confirmers: &BTreeSet<PartyId>) -> bool {
    let vouched = |account: AccountId| {
        let mut people = confirmers.iter().chain(writers.first());
        people.any(|party| AccountId(party.0) != account)
    };
    let independent = |party: &&PartyId| {
        !writers.contains(party)
            && (decided.lines.is_empty()
                || decided.lines.iter().any(|line| line.account != AccountId(party.0)))
    };
    confirmers.iter().any(|party| independent(&party))
        && decided.lines.iter().all(|line| vouched(line.account))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::samples::{frozen, party, pick};

    fn confirmed(parties: &[(u128, i64)], confirmers: &[u128]) -> bool {
        confirmed_of(&[0], parties, confirmers)
    }

    fn confirmed_of(writers: &[u128], parties: &[(u128, i64)], confirmers: &[u128]) -> bool {
        let people = |numbers: &[u128]| numbers.iter().map(|number| party(*number)).collect::<Vec<_>>();
        let confirmers = people(confirmers).into_iter().collect();
        is_confirmed(&frozen(&pick(parties)), &people(writers), &confirmers)
    }

    #[test]
    fn nobody_confirms_for_themselves() {
        assert!(!confirmed(&[(0, 60)], &[]));
        assert!(!confirmed(&[(0, 60)], &[0]), "the recorder is not somebody else");
        assert!(!confirmed(&[(1, 60)], &[1]), "the only beneficiary");
        assert!(confirmed(&[(0, 60)], &[1]), "who saw it");
        assert!(confirmed(&[(0, 60), (1, 60)], &[1]), "for each other: one records, one confirms");
        assert!(confirmed(&[(1, 60)], &[2]));
        assert!(confirmed(&[], &[1]), "a repair without minutes");
        assert!(!confirmed(&[], &[0]));
    }

    #[test]
    fn whoever_wrote_in_it_confirms_none_of_it() {
        assert!(confirmed_of(&[0, 1], &[(0, 60)], &[2]));
        assert!(!confirmed_of(&[0, 1], &[(0, 60), (2, 5)], &[1]), "who edited it");
        assert!(!confirmed_of(&[0, 1], &[(0, 60), (2, 5)], &[0, 1]));
        assert!(confirmed_of(&[0, 1], &[(0, 60), (1, 60)], &[2]), "both lines by somebody else");
        assert!(
            !confirmed_of(&[0], &[(0, 400), (2, 1)], &[0]),
            "a line for another makes it nobody else's word"
        );
    }
}
