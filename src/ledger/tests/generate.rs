//! Random steps for the model.

use proptest::prelude::*;

use super::merging::Merging;
use super::model::{ACTIVITIES, COORDINATORS};

#[derive(Debug, Clone)]
pub enum Op {
    Edit {
        activity: usize,
        edit: Edit,
    },
    Round {
        activity: usize,
    },
    LookAgain {
        activity: usize,
    },
    See {
        coordinator: usize,
        activity: usize,
    },
    Decide {
        coordinator: usize,
        activity: usize,
        fresh: bool,
        reason: bool,
        wish: Wish,
    },
    Merge {
        fresh: bool,
        merging: Merging,
    },
    Unmerge {
        coordinator: usize,
        canonical: usize,
        fresh: bool,
    },
    /// Two approvals one after the other, perhaps with an edit between them.
    TwoPeople {
        first: usize,
        second: usize,
        activity: usize,
        between: Option<Edit>,
        correction: Option<(u128, i64)>,
    },
    /// A conflict settled, an edit after it, and an approval.
    Settled {
        coordinator: usize,
        activity: usize,
        later: Edit,
    },
    Replay {
        nth: usize,
    },
}

#[derive(Debug, Clone)]
pub enum Edit {
    Minutes(u128, i64),
    Total(Option<i64>),
    PartOf(Option<usize>),
    Day(u32),
    Start(Option<i64>),
    Items(i64),
    Note,
    Withdrawn(bool),
    Dispute,
    Agree,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    Approve(Option<(u128, i64)>),
    Reject,
    Keep,
    AskForChanges,
    /// Settles the programme, and approves.
    ApproveSettled(u32),
    Settle(u32),
    /// The day, and the programme.
    Reclassify(Option<u32>, Option<u32>),
    Undo,
    UndoAnother,
}

/// Random steps, with enough looking that many decisions are accepted and enough not that many are stale.
pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    prop::collection::vec(op(), 1..60)
}

fn op() -> impl Strategy<Value = Op> {
    let activity = 0..ACTIVITIES;
    let coordinator = 0..COORDINATORS.len();
    prop_oneof![
        4 => (activity.clone(), edit()).prop_map(|(activity, edit)| Op::Edit { activity, edit }),
        3 => activity.clone().prop_map(|activity| Op::Round { activity }),
        1 => activity.clone().prop_map(|activity| Op::LookAgain { activity }),
        1 => (coordinator.clone(), activity.clone())
            .prop_map(|(coordinator, activity)| Op::See { coordinator, activity }),
        6 => (coordinator.clone(), activity.clone(), prop::bool::weighted(0.7), prop::bool::weighted(0.9), wish()).prop_map(
            |(coordinator, activity, fresh, reason, wish)| Op::Decide { coordinator, activity, fresh, reason, wish }
        ),
        2 => (prop::bool::weighted(0.8), merging()).prop_map(|(fresh, merging)| Op::Merge { fresh, merging }),
        1 => (coordinator.clone(), activity.clone(), prop::bool::weighted(0.8)).prop_map(
            |(coordinator, canonical, fresh)| Op::Unmerge { coordinator, canonical, fresh }
        ),
        1 => (
            coordinator.clone(),
            coordinator.clone(),
            activity.clone(),
            prop::option::weighted(0.3, edit()),
            prop::option::weighted(0.2, (0..4_u128, 0..200_i64))
        )
            .prop_map(|(first, second, activity, between, correction)| Op::TwoPeople {
                first,
                second,
                activity,
                between,
                correction
            }),
        1 => (coordinator, activity, prop_oneof![Just(Edit::Dispute), edit()])
            .prop_map(|(coordinator, activity, later)| Op::Settled { coordinator, activity, later }),
        1 => (0..50_usize).prop_map(|nth| Op::Replay { nth }),
    ]
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0..4_u128, prop_oneof![Just(0), 1..300_i64]).prop_map(|(who, minutes)| Edit::Minutes(who, minutes)),
        2 => prop::option::weighted(0.8, 0..900_i64).prop_map(Edit::Total),
        2 => prop::option::weighted(0.8, 0..2_usize).prop_map(Edit::PartOf),
        1 => (1..3_u32).prop_map(Edit::Day),
        1 => prop::option::weighted(0.8, 0..300_i64).prop_map(Edit::Start),
        1 => (0..15_i64).prop_map(Edit::Items),
        1 => Just(Edit::Note),
        2 => any::<bool>().prop_map(Edit::Withdrawn),
        2 => Just(Edit::Dispute),
        1 => Just(Edit::Agree),
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        6 => Just(Wish::Approve(None)),
        2 => (0..4_u128, 0..200_i64).prop_map(|correction| Wish::Approve(Some(correction))),
        3 => Just(Wish::Reject),
        2 => Just(Wish::Keep),
        2 => Just(Wish::AskForChanges),
        2 => (100..103_u32).prop_map(Wish::ApproveSettled),
        1 => (100..103_u32).prop_map(Wish::Settle),
        2 => (prop::option::of(1..3_u32), prop::option::of(200..202_u32))
            .prop_map(|(day, programme)| Wish::Reclassify(day, programme)),
        5 => Just(Wish::Undo),
        1 => Just(Wish::UndoAnother),
    ]
}

fn merging() -> impl Strategy<Value = Merging> {
    let coordinator = 0..COORDINATORS.len();
    let members = prop::collection::vec(0..ACTIVITIES, 0..3);
    let correction = prop::option::weighted(0.3, (0..4_u128, 0..200_i64));
    (coordinator, 0..ACTIVITIES, members, prop::bool::weighted(0.9), correction).prop_map(
        |(coordinator, canonical, members, reason, correction)| Merging {
            coordinator,
            canonical,
            members,
            reason,
            correction,
        },
    )
}
