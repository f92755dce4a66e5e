//! All that people read of records in the server's own words, in one place and ready for other languages: what is told is
//! kept as a code with its figures, and becomes a sentence when it is read. A language is one more folder like
//! `english`; the compiler names what it lacks. None of it holds a name or a blame. What a person wrote (the reason of
//! a decision) goes out as it was written.
//!
//! What a request is refused with is for whoever writes the app, and stands where it is refused.

mod english;
mod reason;

use super::card::{Question, Why};
use super::suspicion::Suspicion;

pub use reason::{DECIDED, Reason, Told};

/// The language that somebody reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Language {
    #[default]
    English,
}

impl Language {
    /// Every language.
    pub const ALL: [Self; 1] = [Self::English];
}

/// A question to the resident, as it is suggested to whoever decides: they may word it anew.
#[must_use]
pub fn question(question: Question, language: Language) -> &'static str {
    match language {
        Language::English => english::question(question),
    }
}

/// Why a change waits, by the code of the reason, for the resident.
#[must_use]
pub fn held(reason: &str, language: Language) -> &'static str {
    match language {
        Language::English => english::held(reason),
    }
}

impl Why {
    /// For the coordinator; and for the resident, where whoever decides does not word it anew.
    #[must_use]
    pub fn text(&self, language: Language) -> String {
        match language {
            Language::English => english::why(self),
        }
    }
}

impl Suspicion {
    /// For the coordinator alone: what was found, in plain words, with its figures.
    #[must_use]
    pub fn words(&self, language: Language) -> String {
        match language {
            Language::English => english::suspicion(&self.evidence),
        }
    }
}
