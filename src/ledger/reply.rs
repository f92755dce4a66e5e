//! What a reply does to a judgement: it decides nothing, and may bring the record before a person.

use super::judgement::Judgement;
use crate::domain::ids::PartyId;
use crate::domain::reply::ReplyKind;

/// A reply, as far as judging goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    pub kind: ReplyKind,
    /// Who speaks.
    pub by: PartyId,
    /// By somebody who reconciles, about a record that is not their own.
    pub at_desk: bool,
}

/// The judgement with a reply heard. What a resident says waits for an answer or a decision; what was posted for
/// somebody who says that they were not part of it stands until a person decides. `is_speaker` tells which parties are
/// whoever says it: one person may have said something before under another id.
#[must_use]
pub fn replied(before: &Judgement, reply: Reply, is_speaker: impl Fn(PartyId) -> bool) -> Judgement {
    let (mut after, seq) = (before.clone(), before.decision_seq);
    after.revision = before.revision.saturating_add(1);
    match (reply.kind, reply.at_desk) {
        (ReplyKind::Message, at_desk) => after.unanswered = !at_desk,
        (ReplyKind::Decline, _) => {
            after.first = None;
            // Kept whatever is in force: an undo or the end of a merge may bring their minutes back.
            after.unheard.decline(reply.by, seq, &is_speaker);
            if let Some(apart) = after.apart.as_mut().filter(|_| before.cluster.is_some()) {
                apart.declined.insert(reply.by);
            }
        }
        (ReplyKind::Accept, _) => {
            after.unheard.accept(reply.by, seq, &is_speaker);
            if let Some(apart) = &mut after.apart {
                apart.unheard.accept(reply.by, seq, &is_speaker);
                apart.declined.retain(|party| !is_speaker(*party));
            }
        }
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::Review;
    use crate::ledger::tests::samples::{frozen, party, pick};
    use crate::ledger::{Covered, MarkKind};

    fn said(before: &Judgement, reply: Reply) -> Judgement {
        replied(before, reply, |party| party == reply.by)
    }

    fn approved() -> Judgement {
        let covered = Covered { version: 1, base: 1, broken: false, reads: Default::default() };
        let own = Some(frozen(&pick(&[(0, 90), (1, 60)])));
        Judgement { judged_version: 1, own, covered: Some(covered), ..Judgement::default() }
    }

    #[test]
    fn a_question_waits_for_an_answer_and_moves_nothing() {
        let message = |at_desk| Reply { kind: ReplyKind::Message, by: party(1), at_desk };
        let asked = said(&approved(), message(false));
        assert!(asked.unanswered);
        assert_eq!((asked.review(), &asked.own), (Review::Approved, &approved().own));
        assert!(!said(&asked, message(true)).unanswered);
    }

    #[test]
    fn who_was_not_part_of_it_sends_an_approval_back_and_nothing_else() {
        let decline = Reply { kind: ReplyKind::Decline, by: party(1), at_desk: false };
        let declined = said(&approved(), decline);
        assert_eq!((declined.review(), declined.minutes()), (Review::EditedAfterApproval, Some(150)));
        let received = Judgement { judged_version: 1, ..Judgement::default() };
        assert_eq!(said(&received, decline).review(), Review::Received);
        let mark = crate::ledger::Mark { kind: MarkKind::Rejected, version: 1, reason: None };
        let rejected = Judgement { own: None, mark: Some(mark), ..approved() };
        assert_eq!(said(&rejected, decline).review(), Review::Rejected);
        let accepted = said(&declined, Reply { kind: ReplyKind::Accept, ..decline });
        assert_eq!(accepted.review(), Review::EditedAfterApproval, "a person decides");
        assert!(accepted.unheard.declined.is_empty() && accepted.unheard.other.is_some());
    }
}
