//! The model run over random steps.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::generate::ops;
use super::model::{Neighbourhood, SOUND};
use super::samples::holding;
use crate::ledger::By;

#[test]
fn the_steps_reach_every_kind_of_decision_and_of_refusal() {
    let mut runner = TestRunner::deterministic();
    let (mut decided, mut refused) = (BTreeSet::new(), BTreeSet::new());
    let mut remainders_fell = 0;
    for _ in 0..200 {
        let ops = ops().new_tree(&mut runner).unwrap().current();
        let mut neighbourhood = Neighbourhood::new(SOUND);
        for op in &ops {
            neighbourhood.step(op).unwrap();
        }
        let mut held =
            neighbourhood.transfers.iter().filter(|(_, transfer)| transfer.line.account == holding());
        remainders_fell += usize::from(held.any(|(_, transfer)| transfer.line.minutes < 0));
        let stored = neighbourhood.records.iter().flat_map(|record| &record.stored);
        decided.extend(stored.map(|decision| (format!("{:?}", decision.step), decision.by == By::Rule)));
        refused.extend(neighbourhood.refused);
    }
    assert!(remainders_fell > 50, "in {remainders_fell} of 200 runs");
    let steps = [
        "Approve",
        "Approve",
        "AskForChanges",
        "FirstApproval",
        "Keep",
        "Merge",
        "Reclassify",
        "Reject",
        "Settle",
        "Undo",
        "Unmerge",
        "Withdraw",
    ];
    assert_eq!(decided.iter().map(|(step, _)| step.as_str()).collect::<Vec<_>>(), steps);
    let codes = [
        "conflict_unsettled",
        "members_unfit",
        "merged",
        "merged_away",
        "not_merged",
        "nothing_changes",
        "nothing_posted",
        "own_credit",
        "reason_required",
        "second_person",
        "settlement_unfit",
        "undo_blocked",
        "version_changed",
    ];
    assert_eq!(refused.into_iter().collect::<Vec<_>>(), codes);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn posted_is_target_after_every_step(ops in ops()) {
        Neighbourhood::run(SOUND, &ops).map_err(TestCaseError::fail)?;
    }
}
