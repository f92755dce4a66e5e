//! What a resident is told of a record: a code with its figures, kept as such, and a sentence when it is read.

use serde::{Deserialize, Serialize};

use super::{Language, english};
use crate::domain::suspicion::SuspicionKind;

/// The code of a reason in the words of whoever decided.
pub const DECIDED: &str = "decided";
/// Codes under which a person's words stand.
const IN_PERSON: [&str; 4] = [DECIDED, "rejected", "needs_changes", WITHDRAWN];
const WITHDRAWN: &str = "withdrawn";
const UNMERGED: &str = "unmerged";
const FEWER_MINUTES: &str = "fewer_minutes";
const SHARED: &str = "shared";
/// Codes of reasons that stand as long as what was decided does.
const LASTING: [&str; 4] = [DECIDED, UNMERGED, FEWER_MINUTES, SHARED];

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
    /// People whom an occasion counted without a name have their share themselves now.
    Shared,
    /// Minutes above the neighbourhood's caps.
    Capped(i64),
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
            Self::Shared => SHARED,
            Self::Capped(_) => "capped",
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

    /// The sentence.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::English => english::told(self),
        }
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
    pub fn text(&self, language: Language) -> String {
        match self {
            Self::InPerson { text, .. } => text.clone(),
            Self::Told(told) => told.text(language),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Told> {
        use Told::{
            Capped, Check, DayMinutes, Declined, FewerMinutes, HardConflict, OccasionTotal, Shared,
            TakenBack, TwoPeople, Undone, UnknownParty, Unmerged, UnreadableField,
        };
        let mut all = vec![TakenBack, Undone, Unmerged, FewerMinutes, Shared, Capped(30)];
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
                assert_eq!(reason.text(Language::English), text);
            }
        }
        let old = Reason::from_kept(Some("check_times".into()), Some("We need to check the times.".into()));
        assert_eq!(old.expect("a reason").text(Language::English), "We need to check the times.");
    }

    #[test]
    fn every_check_is_said_without_blame() {
        for told in all() {
            let words = told.text(Language::English).to_lowercase();
            use Told::{Capped, FewerMinutes, Shared, TakenBack, Undone, Unmerged};
            let decided = matches!(told, TakenBack | Undone | Unmerged | FewerMinutes | Shared | Capped(_));
            assert!((decided || words.starts_with("we need to check")) && words.ends_with('.'), "{words}");
            let bad = ["suspic", "fraud", "wrong", "false", "too much", "you "];
            assert!(told == Told::TakenBack || !bad.iter().any(|bad| words.contains(bad)), "{words}");
        }
        assert!(Told::DayMinutes(481).text(Language::English).contains("8 hours 1 minute "));
        assert!(Told::TwoPeople(120).text(Language::English).contains(" 2 hours,"));
    }
}
