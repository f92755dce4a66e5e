//! All that residents read in the server's own words, in one place: what is told is kept as a code with its figures
//! and becomes a sentence when it is read, so that another language is one more function here. None of it holds a
//! name or a blame. What a person wrote (the reason of a decision) goes out as it was written.

use serde::{Deserialize, Serialize};

use super::card::Question;
use super::suspicion::SuspicionKind;

/// The code of a reason in the words of whoever decided.
pub const DECIDED: &str = "decided";
/// Codes under which a person's words stand.
const IN_PERSON: [&str; 4] = [DECIDED, "rejected", "needs_changes", WITHDRAWN];
const WITHDRAWN: &str = "withdrawn";
const UNMERGED: &str = "unmerged";
const FEWER_MINUTES: &str = "fewer_minutes";
/// Codes of reasons that stand as long as what was decided does.
const LASTING: [&str; 3] = [DECIDED, UNMERGED, FEWER_MINUTES];

/// Something that the server tells a resident of a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// The resident took the record back.
    TakenBack,
    /// An earlier decision was undone.
    Undone,
    /// Records that counted together count apart again.
    Unmerged,
    /// The record was changed, and somebody has fewer minutes for it now.
    FewerMinutes,
    /// Several values survive in a field that matters.
    HardConflict,
    UnreadableField,
    UnknownParty,
    /// Somebody's minutes of the day, in all.
    DayMinutes(i64),
    /// Minutes of people who are not named.
    OccasionTotal(i64),
    /// All minutes of the record.
    TwoPeople(i64),
    /// Somebody named says that it was without them.
    Declined,
    /// A rule found something that a person looks at.
    Check(SuspicionKind),
}

impl Told {
    /// A stable code; it says what is checked, and not why.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TakenBack => WITHDRAWN,
            Self::Undone => DECIDED,
            Self::Unmerged => UNMERGED,
            Self::FewerMinutes => FEWER_MINUTES,
            Self::HardConflict => "hard_conflict",
            Self::UnreadableField => "unreadable_field",
            Self::UnknownParty => "unknown_party",
            Self::DayMinutes(_) => "day_minutes",
            Self::OccasionTotal(_) => "occasion_total",
            Self::TwoPeople(_) => "two_people",
            Self::Declined => "declined",
            Self::Check(kind) => match kind {
                SuspicionKind::SameEvent | SuspicionKind::AlsoReported => "check_counted_once",
                SuspicionKind::Overlap | SuspicionKind::ClockSkew => "check_times",
                SuspicionKind::ImplausibleAmount => "check_figures",
                SuspicionKind::OwnConfirmation | SuspicionKind::MutualConfirmation => "check_confirmation",
                SuspicionKind::PhotoSeenBefore => "check_photos",
                SuspicionKind::Carried => "check_writer",
                SuspicionKind::OverClaimed => "check_share",
                SuspicionKind::MinorPresent => "check_supervision",
            },
        }
    }

    /// The sentence, in English.
    #[must_use]
    pub fn text(&self) -> String {
        let sentence = match self {
            Self::TakenBack => "You took this record back.",
            Self::Undone => "An earlier decision was taken back.",
            Self::Unmerged => "This record and others that were counted as one are counted apart again.",
            Self::FewerMinutes => {
                "The record was changed, and somebody has fewer minutes for it than before."
            }
            Self::HardConflict => {
                "We need to check which of two entries is right: this was changed on two phones at once."
            }
            Self::UnreadableField => "We need to check one entry that we could not read.",
            Self::UnknownParty => "We need to check who took part: one of the people is new to us.",
            Self::DayMinutes(minutes) => {
                let all = duration(*minutes);
                return format!("We need to check the time for this day: it comes to {all} in all.");
            }
            Self::OccasionTotal(minutes) => {
                let unnamed = duration(*minutes);
                return format!("We need to check the total: {unnamed} belong to people who are not named.");
            }
            Self::TwoPeople(minutes) => {
                let all = duration(*minutes);
                return format!("We need to check the total: it is {all}, so two people look at it.");
            }
            Self::Declined => "We need to check who took part: one of the people says it was without them.",
            Self::Check(kind) => check(*kind),
        };
        sentence.to_owned()
    }
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
#[must_use]
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

/// Why a record stands as it does: a person's words, or the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Under a code, as they were written.
    InPerson {
        code: String,
        text: String,
    },
    Told(Told),
}

impl Reason {
    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::InPerson { code, .. } => code,
            Self::Told(told) => told.code(),
        }
    }

    /// Whether it holds as long as what was decided is in force.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        LASTING.contains(&self.code())
    }

    /// For the resident to read.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::InPerson { text, .. } => text.clone(),
            Self::Told(told) => told.text(),
        }
    }

    /// As it is kept: the code, and a person's words or the figures.
    #[must_use]
    pub fn kept(&self) -> (String, Option<String>) {
        let text = match self {
            Self::InPerson { text, .. } => Some(text.clone()),
            Self::Told(Told::TakenBack | Told::Undone) => None,
            Self::Told(told) => serde_json::to_string(told).ok(),
        };
        (self.code().to_owned(), text)
    }

    /// From what was kept. Sentences that were stored whole, before there were figures, are read as they stand.
    #[must_use]
    pub fn from_kept(code: Option<String>, text: Option<String>) -> Option<Self> {
        let code = code?;
        let Some(text) = text else {
            return Some(Self::Told(if code == WITHDRAWN { Told::TakenBack } else { Told::Undone }));
        };
        let told = (!IN_PERSON.contains(&code.as_str())).then(|| serde_json::from_str(&text).ok()).flatten();
        Some(told.map_or(Self::InPerson { code, text }, Self::Told))
    }
}

/// `8 hours 5 minutes`.
fn duration(minutes: i64) -> String {
    let unit = |count: i64, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    match (minutes / 60, minutes % 60) {
        (0, minutes) => unit(minutes, "minute"),
        (hours, 0) => unit(hours, "hour"),
        (hours, minutes) => format!("{} {}", unit(hours, "hour"), unit(minutes, "minute")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Told> {
        use Told::{
            Check, DayMinutes, Declined, FewerMinutes, HardConflict, OccasionTotal, TakenBack, TwoPeople,
            Undone, UnknownParty, Unmerged, UnreadableField,
        };
        let mut all = vec![TakenBack, Undone, Unmerged, FewerMinutes];
        all.extend([HardConflict, UnreadableField, UnknownParty, Declined]);
        all.extend([DayMinutes(481), OccasionTotal(60), TwoPeople(61)]);
        all.extend(SuspicionKind::ALL.map(Check));
        all
    }

    #[test]
    fn what_is_told_is_kept_as_figures_and_read_again() {
        for told in all() {
            let reason = Reason::Told(told);
            let (code, text) = reason.kept();
            let words = text.as_deref().unwrap_or_default();
            assert!(!words.contains("check "), "a sentence is kept: {words}");
            assert_eq!(Reason::from_kept(Some(code), text), Some(reason));
        }
        assert_eq!(Reason::from_kept(None, None), None);
    }

    #[test]
    fn what_a_person_wrote_stays_what_it_is() {
        for code in IN_PERSON {
            for text in ["We were ten.", "\"declined\"", "{\"day_minutes\":481}", ""] {
                let reason = Reason::InPerson { code: code.to_owned(), text: text.to_owned() };
                let (code, kept) = reason.kept();
                assert_eq!(Reason::from_kept(Some(code), kept), Some(reason.clone()));
                assert_eq!(reason.text(), text);
            }
        }
        let old = Reason::from_kept(Some("check_times".into()), Some("We need to check the times.".into()));
        assert_eq!(old.expect("a reason").text(), "We need to check the times.");
    }

    #[test]
    fn every_check_is_said_without_blame() {
        for told in all() {
            let words = told.text().to_lowercase();
            let decided =
                matches!(told, Told::TakenBack | Told::Undone | Told::Unmerged | Told::FewerMinutes);
            assert!((decided || words.starts_with("we need to check")) && words.ends_with('.'), "{words}");
            let bad = ["suspic", "fraud", "wrong", "false", "too much", "you "];
            assert!(told == Told::TakenBack || !bad.iter().any(|bad| words.contains(bad)), "{words}");
        }
        assert!(Told::DayMinutes(481).text().contains("8 hours 1 minute "));
        assert!(Told::TwoPeople(120).text().contains(" 2 hours,"));
    }
}
