//! What residents read.

use super::duration;
use crate::domain::card::{ChosenBy, Question, Why};
use crate::domain::held::LEFT_GROUP;
use crate::domain::suspicion::SuspicionKind;
use crate::domain::words::Told;

/// What is told of a record.
pub fn told(told: &Told) -> String {
    let sentence = match told {
        Told::TakenBack => "You took this record back.",
        Told::Undone => "An earlier decision was taken back.",
        Told::Unmerged => "This record and others that were counted as one are counted apart again.",
        Told::FewerMinutes => "The record was changed, and somebody has fewer minutes for it than before.",
        Told::Shared => {
            "Somebody who was there has their own share of the time now: it is no longer counted without a name."
        }
        Told::Capped(minutes) => {
            let above = duration(*minutes);
            return format!(
                "The neighbourhood counts so much time of one person in a record or a day, and {above} are above it."
            );
        }
        Told::HardConflict => {
            "We need to check which of two entries is right: this was changed on two phones at once."
        }
        Told::UnreadableField => "We need to check one entry that we could not read.",
        Told::UnknownParty => "We need to check who took part: one of the people is new to us.",
        Told::DayMinutes(minutes) => {
            let all = duration(*minutes);
            return format!("We need to check the time for this day: it comes to {all} in all.");
        }
        Told::OccasionTotal(minutes) => {
            let unnamed = duration(*minutes);
            return format!("We need to check the total: {unnamed} belong to people who are not named.");
        }
        Told::TwoPeople(minutes) => {
            let all = duration(*minutes);
            return format!("We need to check the total: it is {all}, so two people look at it.");
        }
        Told::Declined => "We need to check who took part: one of the people says it was without them.",
        Told::Check(kind) => check(*kind),
    };
    sentence.to_owned()
}

fn check(kind: SuspicionKind) -> &'static str {
    match kind {
        SuspicionKind::SameEvent => {
            "We need to check this with another record of the same day, so that nothing is counted twice."
        }
        SuspicionKind::Overlap => "We need to check the times: another record covers part of the same time.",
        SuspicionKind::ImplausibleAmount => "We need to check one of the figures with you.",
        SuspicionKind::ClockSkew => {
            "We need to check the date and time: the phone's clock may have been off."
        }
        SuspicionKind::OwnConfirmation | SuspicionKind::MutualConfirmation => {
            "We need to check this with one more person who was there."
        }
        SuspicionKind::PhotoSeenBefore => {
            "We need to check the photos: one of them is in another record as well."
        }
        SuspicionKind::Carried => "We need to check who wrote this: it came by another phone than before.",
        SuspicionKind::OverClaimed => "We need to check how the time of the occasion is shared.",
        SuspicionKind::MinorPresent => "We need to check who looked after the young people.",
        SuspicionKind::AlsoReported => "We need to check whether this is counted somewhere else already.",
    }
}

/// A question to the resident, as it is suggested to whoever decides: they may word it anew.
pub fn question(question: Question) -> &'static str {
    match question {
        Question::Supervision => "Who looked after the young people? Please add them to the record.",
        Question::Who => "Who is the person that you named? We don't know them yet.",
        Question::TakenBack => "Did you mean to take this record back?",
        Question::Confirmation => "Could somebody else who was there confirm this?",
        Question::Times => "On which day was it, and from when until when?",
        Question::Figures => "How much was it? Please check the figures.",
        Question::Photos => "Which photos belong to this record?",
        Question::Writer => "Who wrote this? It came by another phone than before.",
        Question::Elsewhere => "Is this counted somewhere else already?",
    }
}

/// Why a decision is suggested: proposed words for the resident too, where whoever decides does not word it anew.
pub fn why(why: &Why) -> String {
    let sentence = match why {
        Why::Chosen(by) => return by.iter().map(|by| chosen(*by)).collect::<Vec<_>>().join(" "),
        Why::OneEvent(records) => {
            return format!(
                "{records} records tell of one event: each count once, each person's own minutes."
            );
        }
        Why::DoneOfficially => "An official service says that it did this work itself.",
        Why::MergeStands => {
            "Several records count as one here, and one of them was changed since. What was counted stands; \
             to count the change, take the records apart first."
        }
        Why::WithoutWhoDeclined => "Without whoever says that they were not part of it the rest stands.",
        Why::CountedTwice(minutes) => {
            return format!("{minutes} minutes would count twice; without them the rest stands.");
        }
        Why::Ordinary(1) => "The figures are ordinary; what was noticed does not change them.",
        Why::Ordinary(records) => {
            return format!("All {records} are ordinary; what was noticed does not change their figures.");
        }
        Why::Ask(question) => asking(*question),
    };
    sentence.to_owned()
}

fn chosen(by: ChosenBy) -> &'static str {
    match by {
        ChosenBy::Least => "The lesser of the values: what is missing can be added without taking back.",
        ChosenBy::GreatestCount => {
            "A phone only counts up in its own register: the greater count is the later one."
        }
        ChosenBy::Last => "The value that was written last.",
    }
}

/// What the coordinator is to do who asks.
fn asking(question: Question) -> &'static str {
    match question {
        Question::Supervision => "Ask who looked after the young people.",
        Question::Who => "Confirm who the new person is; the records can follow then.",
        Question::TakenBack => "Ask whether the record was taken back.",
        Question::Confirmation => "Ask somebody else who was there to confirm.",
        Question::Times => "Ask for the day and the times.",
        Question::Figures => "Ask for the figure: the record cannot tell what is right.",
        Question::Photos => "Ask which photos belong to which record.",
        Question::Writer => "Ask who wrote it.",
        Question::Elsewhere => "Ask whether it is counted elsewhere already.",
    }
}

/// Why a change waits, in plain words for the resident.
pub fn held(reason: &str) -> &'static str {
    match reason {
        "missing_dependency" => {
            "This builds on something that has not arrived yet. It is taken up by itself as soon as the phone that \
             has the rest syncs."
        }
        "start_op_ahead" => {
            "This was written after something that has not arrived yet. It is taken up by itself as soon as the \
             phone that has the rest syncs."
        }
        "quota" => {
            "This is unusually large for what it says. It waits until the daybook has grown enough; ask the \
             people who run the server if it should not wait."
        }
        LEFT_GROUP => {
            "This came from somebody who had left the group. It is taken up as soon as a coordinator puts them into \
             the group again."
        }
        _ => "This waits, and is taken up by itself when it can be.",
    }
}
