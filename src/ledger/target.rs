//! Target and posting: what should stand in the ledger for an activity, and the transfers that bring it there.

use std::collections::BTreeMap;

use super::derived_id::transfer_id;
use super::judgement::Judgement;
use super::lines::{Asset, Capacity, Line, LineKey};
use crate::domain::ids::{AccountId, ActivityId, NeighbourhoodId, TransferId};

/// What [`post`] gives: the judgement afterwards, with `posted` at the target, and the transfers to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posting {
    pub after: Judgement,
    /// In order of their numbers; empty if nothing differs, and then `after` is what came in.
    pub transfers: Vec<Transfer>,
}

/// One transfer between the commons and an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub id: TransferId,
    pub posting_seq: i64,
    /// 1, 2, 3 … within the posting.
    pub line_no: i64,
    /// Signed: above zero from the commons to the account, below zero back. The account is the one that the frozen one
    /// stands for.
    pub line: Line,
}

/// What should stand in the ledger for an activity, sorted by key. `parts_minutes` is Σ
/// [`Judgement::claim`] over the parts of this occasion; `holding` is the account of the group whose daybook
/// it is, else the neighbourhood's. A part never has a holding line.
#[must_use]
pub fn target(judgement: &Judgement, parts_minutes: i64, holding: AccountId) -> Vec<Line> {
    let Some(decided) = judgement.in_force() else {
        return Vec::new();
    };
    let mut minutes: BTreeMap<LineKey, i64> = BTreeMap::new();
    add(&mut minutes, &decided.lines, 1);
    if decided.part_of.is_none() {
        let remainder = decided.unnamed().saturating_sub(parts_minutes.max(0)).max(0);
        let key = decided.heading.key(holding, Asset::Contribution, Capacity::Lay);
        let held = minutes.entry(key).or_default();
        *held = held.saturating_add(remainder);
    }
    lines(minutes)
}

/// What is to be posted so that `posted` becomes `target`: one line per key that differs, signed, sorted by key.
#[must_use]
pub fn difference(target: &[Line], posted: &[Line]) -> Vec<Line> {
    let mut minutes: BTreeMap<LineKey, i64> = BTreeMap::new();
    add(&mut minutes, target, 1);
    add(&mut minutes, posted, -1);
    lines(minutes)
}

/// Posts the difference. Always the last step for an activity, whatever moved its target. `stands_for` gives the account
/// that a frozen one stands for now: what two ids of one person differ by is nothing.
#[must_use]
pub fn post(
    before: &Judgement,
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    parts_minutes: i64,
    holding: AccountId,
    stands_for: impl Fn(AccountId) -> AccountId,
) -> Posting {
    let target = target(before, parts_minutes, holding);
    let resolved = |lines: &[Line]| -> Vec<Line> {
        lines.iter().map(|line| Line { account: stands_for(line.account), ..line.clone() }).collect()
    };
    let difference = difference(&resolved(&target), &resolved(&before.posted));
    let mut after = before.clone();
    if difference.is_empty() {
        after.posted = target;
        return Posting { after, transfers: Vec::new() };
    }
    let posting_seq = before.posting_seq.saturating_add(1);
    after.posting_seq = posting_seq;
    after.revision = before.revision.saturating_add(1);
    after.posted = target;
    let transfers = (1..)
        .zip(difference)
        .map(|(line_no, line)| Transfer {
            id: transfer_id(neighbourhood, activity, posting_seq, line_no),
            posting_seq,
            line_no,
            line,
        })
        .collect();
    Posting { after, transfers }
}

fn add(minutes: &mut BTreeMap<LineKey, i64>, lines: &[Line], sign: i64) {
    for line in lines {
        let held = minutes.entry(line.key()).or_default();
        *held = held.saturating_add(sign.saturating_mul(line.minutes));
    }
}

fn lines(minutes: BTreeMap<LineKey, i64>) -> Vec<Line> {
    minutes.into_iter().filter(|(_, minutes)| *minutes != 0).map(|(key, minutes)| key.line(minutes)).collect()
}

/// Whether somebody has fewer minutes by some lines than by others; `holder` is whose an account is by now.
#[must_use]
pub fn somebody_has_fewer(before: &[Line], after: &[Line], holder: impl Fn(AccountId) -> AccountId) -> bool {
    let by_account = |lines: &[Line]| {
        let mut minutes: BTreeMap<AccountId, i64> = BTreeMap::new();
        for line in lines {
            *minutes.entry(holder(line.account)).or_default() += line.minutes;
        }
        minutes
    };
    let after = by_account(after);
    by_account(before)
        .iter()
        .any(|(account, minutes)| after.get(account).copied().unwrap_or_default() < *minutes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::activity::Activity;
    use crate::ledger::tests::samples::{
        account, activity_id, day, frozen, holding, minutes, neighbourhood, pick,
    };

    fn judged(activity: &Activity) -> Judgement {
        Judgement { own: Some(frozen(activity)), ..Judgement::default() }
    }

    fn occasion() -> Activity {
        Activity { person_minutes: Some(200), ..pick(&[(0, 60)]) }
    }

    #[test]
    fn the_remainder_falls_with_its_parts_and_never_below_zero() {
        for (parts, rest) in [(0, Some(140)), (90, Some(50)), (140, None), (300, None)] {
            let target = target(&judged(&occasion()), parts, holding());
            let held = target.iter().find(|line| line.account == holding()).map(|line| line.minutes);
            assert_eq!(held, rest, "{parts} minutes claimed");
        }
    }

    #[test]
    fn a_part_and_what_is_merged_away_hold_nothing() {
        let part = judged(&Activity { part_of: Some(activity_id(2)), ..occasion() });
        assert_eq!(minutes(&target(&part, 0, holding())), [(account(0), 60)]);
        let away = Judgement { merged_into: Some(activity_id(2)), ..judged(&occasion()) };
        assert_eq!(target(&away, 0, holding()), []);
        assert_eq!(target(&Judgement::default(), 0, holding()), []);
    }

    #[test]
    fn the_cluster_goes_before_the_activitys_own() {
        let cluster = Some(frozen(&pick(&[(1, 10)])));
        let judgement = Judgement { cluster, ..judged(&occasion()) };
        assert_eq!(minutes(&target(&judgement, 0, holding())), [(account(1), 10)]);
    }

    #[test]
    fn a_group_that_is_named_and_holds_has_one_line() {
        assert_eq!(minutes(&target(&judged(&occasion()), 0, account(0))), [(account(0), 200)]);
    }

    #[test]
    fn another_day_takes_the_old_line_out_and_puts_the_new_one_in() {
        let old = frozen(&pick(&[(0, 60), (1, 5)])).lines;
        let new = frozen(&Activity { day: day(2), ..pick(&[(0, 60), (1, 5)]) }).lines;
        let moved: Vec<_> =
            difference(&new, &old).iter().map(|line| (line.account, line.day, line.minutes)).collect();
        let expected = [(account(0), 1, -60), (account(0), 2, 60), (account(1), 1, -5), (account(1), 2, 5)];
        assert_eq!(moved, expected.map(|(account, of_month, minutes)| (account, day(of_month), minutes)));
        assert_eq!(difference(&new, &new), []);
    }

    #[test]
    fn what_one_person_has_under_two_ids_is_one_line() {
        let own = |party, minutes| Some(frozen(&pick(&[(party, minutes)])));
        let posted = |before: &Judgement| {
            let one = |_| account(9);
            let Posting { after, transfers } =
                post(before, neighbourhood(), activity_id(1), 0, holding(), one);
            assert_eq!(after.posted, target(before, 0, holding()));
            (
                after,
                transfers
                    .iter()
                    .map(|transfer| (transfer.line.account, transfer.line.minutes))
                    .collect::<Vec<_>>(),
            )
        };
        let (first, transfers) = posted(&Judgement { own: own(0, 90), ..Judgement::default() });
        assert_eq!(transfers, [(account(9), 90)]);
        let (second, transfers) = posted(&Judgement { own: own(1, 60), ..first });
        assert_eq!(transfers, [(account(9), -30)]);
        let (third, transfers) = posted(&Judgement { own: own(0, 60), ..second.clone() });
        assert_eq!((transfers, third.posting_seq), (Vec::new(), second.posting_seq));
    }

    #[test]
    fn posting_twice_posts_once() {
        let first = post(&judged(&occasion()), neighbourhood(), activity_id(1), 0, holding(), |id| id);
        assert_eq!(first.transfers.iter().map(|transfer| transfer.line_no).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((first.after.posting_seq, first.after.revision), (1, 1));
        let second = post(&first.after, neighbourhood(), activity_id(1), 0, holding(), |id| id);
        assert_eq!(second, Posting { after: first.after, transfers: Vec::new() });
    }
}
