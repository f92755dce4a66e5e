//! Why a record needs a person.

use std::collections::BTreeSet;

use crate::domain::card::Need;
use crate::domain::review::{Conflict, Review};
use crate::ledger::{Doubt, Judgement};

/// Why something that waits needs a person, besides the suspicions about it that are open: never nothing at all, or
/// nobody would ever see it.
pub(super) fn needs(
    judged: &Judgement,
    doubts: &[Doubt],
    conflict: Conflict,
    doubted: bool,
) -> BTreeSet<Need> {
    if judged.unanswered && !judged.review().is_undecided() {
        let audit = judged.audit.then_some(Need::Audit);
        return [Need::Reply].into_iter().chain(audit).collect();
    }
    let mut needs: BTreeSet<Need> = doubts
        .iter()
        .filter_map(|doubt| match doubt {
            Doubt::HardConflict => (conflict == Conflict::Hard).then_some(Need::Conflict),
            Doubt::UnreadableField => Some(Need::Unreadable),
            Doubt::UnknownParty { .. } => Some(Need::UnknownParty),
            Doubt::DayMinutes { .. } => Some(Need::DayMinutes),
            Doubt::OccasionTotal { .. } => Some(Need::OccasionTotal),
            Doubt::TwoPeople { .. } => Some(Need::SecondPerson),
            Doubt::Crowded => Some(Need::Rules),
            Doubt::Declined { .. } => Some(Need::Declined),
            Doubt::Suspicion { .. } => None,
        })
        .collect();
    needs.extend(judged.audit.then_some(Need::Audit));
    needs.extend((judged.review() == Review::EditedAfterApproval).then_some(Need::Edited));
    needs.extend(judged.withdrawn.then_some(Need::Withdrawn));
    needs.extend(judged.first.is_some().then_some(Need::SecondPerson));
    needs.extend(judged.unanswered.then_some(Need::Reply));
    if needs.iter().all(|need| *need == Need::Reply) && (doubts.is_empty() || !doubted) {
        needs.insert(Need::Rules);
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::suspicion::SuspicionKind;

    #[test]
    fn what_waits_is_needed_for_something_whatever_became_of_its_doubts() {
        let waiting = Judgement { judged_version: 1, ..Judgement::default() };
        let found = |doubts: &[Doubt], conflict, doubted| {
            needs(&waiting, doubts, conflict, doubted).into_iter().collect::<Vec<_>>()
        };
        let suspected = [Doubt::Suspicion { kind: SuspicionKind::SameEvent }];
        assert_eq!(found(&suspected, Conflict::None, true), [], "the suspicion itself makes the card");
        assert_eq!(found(&suspected, Conflict::None, false), [Need::Rules], "it is settled, or lapsed");
        assert_eq!(found(&[], Conflict::None, false), [Need::Rules]);
        assert_eq!(found(&[Doubt::HardConflict], Conflict::Hard, false), [Need::Conflict]);
        assert_eq!(found(&[Doubt::HardConflict], Conflict::None, false), [Need::Rules], "it is settled");
        let asked = Judgement { unanswered: true, ..waiting.clone() };
        let asked: Vec<Need> = needs(&asked, &suspected, Conflict::None, false).into_iter().collect();
        assert_eq!(asked, [Need::Rules, Need::Reply], "an answer alone decides nothing");
    }
}
