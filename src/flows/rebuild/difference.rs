//! What is not as ground state says, in words: where, what was expected, what is there.

use std::fmt;

use sea_orm::{EntityTrait, IdenStatic, Iterable, ModelTrait, Value};
use sha2::{Digest as _, Sha256};

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The number in the journal, of what has one.
    pub journal_no: Option<i64>,
    /// Of what: `activity 0193…`, `account 0193…`, `the tip`.
    pub about: String,
    pub expected: String,
    pub found: String,
}

impl Difference {
    /// A difference between a row as made again and the row that is there.
    pub(super) fn between<M: ModelTrait>(
        journal_no: Option<i64>,
        about: String,
        again: Option<&M>,
        there: Option<&M>,
    ) -> Option<Self> {
        let (expected, found) = match (again, there) {
            (Some(again), Some(there)) => first_column(again, there)?,
            (Some(_), None) => ("a row".to_owned(), "none".to_owned()),
            (None, Some(_)) => ("no row".to_owned(), "one".to_owned()),
            (None, None) => return None,
        };
        Some(Self { journal_no, about, expected, found })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(no) = self.journal_no {
            write!(f, "journal number {no}, ")?;
        }
        write!(f, "{}: expected {}, found {}", self.about, self.expected, self.found)
    }
}

/// What residents wrote, which no log and no screen of an operator is for.
const PRIVATE: [&str; 2] = ["reading", "state"];
/// Characters shown of two long texts, from a little before the first that differs.
const SHOWN_CHARACTERS: usize = 60;
/// And how many of these are the same.
const SHOWN_BEFORE: usize = 20;

/// The first column in which two rows differ, as it should be and as it is.
fn first_column<M: ModelTrait>(again: &M, there: &M) -> Option<(String, String)> {
    for column in <M::Entity as EntityTrait>::Column::iter() {
        let (expected, found) = (again.get(column), there.get(column));
        if expected == found {
            continue;
        }
        let name = column.as_str();
        let (expected, found) = match (expected, found) {
            (Value::String(Some(expected)), Value::String(Some(found))) if !PRIVATE.contains(&name) => {
                excerpts(&expected, &found)
            }
            (expected, found) => (shown(&expected), shown(&found)),
        };
        return Some((format!("{name} {expected}"), format!("{name} {found}")));
    }
    None
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(Some(text)) => digest(text.as_bytes()),
        Value::Bytes(Some(bytes)) => digest(bytes),
        Value::Uuid(Some(id)) => id.to_string(),
        other => other.to_string(),
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("of {} bytes, SHA-256 {}", bytes.len(), hex::encode(Sha256::digest(bytes)))
}

/// Two texts around the first character that differs.
fn excerpts(a: &str, b: &str) -> (String, String) {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let from = same.saturating_sub(SHOWN_BEFORE);
    let excerpt = |text: &str| {
        let shown: String = text.chars().skip(from).take(SHOWN_CHARACTERS).collect();
        let (before, after) = (from > 0, text.chars().count() > from + SHOWN_CHARACTERS);
        format!("{}{shown}{}", if before { "…" } else { "" }, if after { "…" } else { "" })
    };
    (excerpt(a), excerpt(b))
}

#[cfg(test)]
mod tests {
    use super::excerpts;

    #[test]
    fn long_texts_are_shown_where_they_begin_to_differ() {
        let common = "x".repeat(100);
        let (a, b) = excerpts(&format!("{common}60 minutes"), &format!("{common}90 minutes"));
        assert_eq!(
            (a.as_str(), b.as_str()),
            ("…xxxxxxxxxxxxxxxxxxxx60 minutes", "…xxxxxxxxxxxxxxxxxxxx90 minutes")
        );
        assert_eq!(excerpts("delivery", "planning"), ("delivery".to_owned(), "planning".to_owned()));
    }
}
