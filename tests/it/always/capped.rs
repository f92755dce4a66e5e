//! What caps leave: no approval and no merge gives anybody more than the rules in force then count in a record, or on
//! its day beside what others had posted.

use std::collections::BTreeMap;

use daybook::domain::ids::AccountId;
use daybook::ledger::{Asset, Decided, DecisionStep, StoredDecision};
use daybook::store::entity::decision;

use super::books::Books;
use super::check::hold;

/// See the module. Answers whether anything was clipped.
pub fn follow(books: &Books) -> Result<bool, String> {
    let mut clipped = false;
    for (row, stored) in &books.decisions {
        let freezes =
            matches!(stored.step, DecisionStep::Approve | DecisionStep::FirstApproval | DecisionStep::Merge);
        let Some(decided) = stored.decided.as_ref().filter(|_| freezes) else { continue };
        let pack = books.packs.get(&stored.pack_version);
        let caps = pack.ok_or_else(|| format!("no rules {}", stored.pack_version))?.caps;
        hold(!caps.is_none() || decided.clipped.is_empty(), || {
            format!("{} clips {:?} without a cap", row.id, decided.clipped)
        })?;
        clipped |= !decided.clipped.is_empty();
        for (account, minutes) in given(decided) {
            let others = others(books, (row, stored), decided, account);
            let most = caps.room(others).unwrap_or(i64::MAX);
            hold(minutes <= most, || {
                format!("{} gives {} {minutes} minutes, {most} may be", row.id, account.0)
            })?;
        }
    }
    Ok(clipped)
}

fn given(decided: &Decided) -> BTreeMap<AccountId, i64> {
    let mut minutes = BTreeMap::new();
    for line in decided.lines.iter().filter(|line| line.asset == Asset::Contribution) {
        *minutes.entry(line.account).or_insert(0) += line.minutes;
    }
    minutes
}

/// What an account had for other records of that day when it was decided.
fn others(
    books: &Books,
    (row, stored): (&decision::Model, &StoredDecision),
    decided: &Decided,
    account: AccountId,
) -> i64 {
    let day = decided.heading.day.to_string();
    let of_these = |activity: uuid::Uuid| {
        activity == row.activity_id || stored.members.iter().any(|member| member.0 == activity)
    };
    let then = books.transfers.iter().filter(|transfer| {
        transfer.journal_no < row.journal_no
            && transfer.day == day
            && transfer.asset == "contribution"
            && transfer.activity_id.is_some_and(|activity| !of_these(activity))
            && books.resolved_at(transfer.account_id, row.journal_no) == account.0
    });
    then.map(|transfer| transfer.minutes).sum()
}
