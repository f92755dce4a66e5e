//! What a field of an activity takes: one place that reads a value by it, and tells in words what is wanted.

use std::fmt;

use super::key::{INSTANT_MS_MAX, Raw, integer_as_float, parse_plain_uuid, whole};
use super::reading::{Unreadable, Value};
use super::time::parse_day;

/// What the item of a tally is made of, in words.
pub const ITEM: &str = "two or three words joined by dots, of letters, digits, _ and -, as smoking.butts";
/// What names a photo, in words.
pub const DIGEST: &str = "64 lower-case hexadecimal digits, the SHA-256 of the photo";

/// What a field takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Wants {
    /// A text of so many characters at most.
    Text(usize),
    /// A civil day.
    Day,
    /// One of these words.
    Word(&'static [&'static str]),
    /// The id of an activity.
    Id,
    /// A point in time.
    Instant,
    /// A whole number, from one to the other.
    Whole(i64, i64),
    /// A number, from one to the other.
    Number(f64, f64),
    /// Yes or no.
    Flag,
    /// Whatever stands there.
    Anything,
}

impl Wants {
    /// Normalises a value that is there.
    ///
    /// # Errors
    /// `wrong_type` or `out_of_range`.
    pub fn read(self, raw: &Raw<'_>) -> Result<Value, Unreadable> {
        match self {
            Self::Text(most) => text(raw, most),
            Self::Day => text_where(raw, |day| parse_day(day).is_some()),
            Self::Word(words) => text_where(raw, |word| words.contains(&word)),
            Self::Id => activity_id(raw),
            Self::Instant => instant(raw),
            Self::Whole(min, max) => integer(raw, min, max),
            Self::Number(min, max) => number(raw, min, max),
            Self::Flag => match raw {
                Raw::Boolean(value) => Ok(Value::Boolean(*value)),
                _ => Err(Unreadable::WrongType),
            },
            Self::Anything => Ok(Value::Unknown(raw.json())),
        }
    }
}

/// As it goes on from "expected".
impl fmt::Display for Wants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Text(most) => write!(f, "a text of at most {} characters, without NUL", grouped(most)),
            Self::Day => f.write_str("a day that exists, as 2026-11-21"),
            Self::Word(words) => write!(f, "one of {}", words.join(", ")),
            Self::Id => f.write_str("the id of an activity, as 0193a5b0-7c2e-7d44-9a51-5d2f0c9e1b77"),
            Self::Instant => f.write_str("a time, as 2026-11-21T10:30:00Z"),
            Self::Whole(min, max) => write!(f, "a whole number from {} to {}", grouped(min), grouped(max)),
            Self::Number(min, f64::MAX) => write!(f, "a number of {} or more", grouped(min)),
            Self::Number(min, max) => write!(f, "a number from {} to {}", grouped(min), grouped(max)),
            Self::Flag => f.write_str("true or false"),
            Self::Anything => f.write_str("any value"),
        }
    }
}

/// A whole number with commas between thousands.
fn grouped(number: impl fmt::Display) -> String {
    let text = number.to_string();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |digits| ("-", digits));
    let mut grouped = sign.to_owned();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Texts that are kept in columns of their own cannot hold NUL, which `PostgreSQL` refuses.
fn text(raw: &Raw<'_>, characters_max: usize) -> Result<Value, Unreadable> {
    text_where(raw, |text| text.chars().count() <= characters_max && !text.contains('\0'))
}

fn text_where(raw: &Raw<'_>, allowed: impl Fn(&str) -> bool) -> Result<Value, Unreadable> {
    match raw {
        Raw::Text(text) if allowed(text) => Ok(Value::Text((*text).to_owned())),
        Raw::Text(_) => Err(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

/// Ids may be written in capitals; they are one value with their lower-case form.
fn activity_id(raw: &Raw<'_>) -> Result<Value, Unreadable> {
    match raw {
        Raw::Text(text) => parse_plain_uuid(&text.to_ascii_lowercase())
            .map(|id| Value::Text(id.to_string()))
            .ok_or(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

fn integer(raw: &Raw<'_>, min: i64, max: i64) -> Result<Value, Unreadable> {
    let value = as_integer(raw)?;
    if (min..=max).contains(&value) { Ok(Value::Integer(value)) } else { Err(Unreadable::OutOfRange) }
}

fn as_integer(raw: &Raw<'_>) -> Result<i64, Unreadable> {
    match raw {
        Raw::Integer(value) => Ok(*value),
        Raw::Unsigned(value) => i64::try_from(*value).map_err(|_| Unreadable::OutOfRange),
        Raw::Float(value) if value.fract() == 0.0 => whole(*value).ok_or(Unreadable::OutOfRange),
        Raw::Float(value) if value.is_infinite() => Err(Unreadable::OutOfRange),
        _ => Err(Unreadable::WrongType),
    }
}

fn instant(raw: &Raw<'_>) -> Result<Value, Unreadable> {
    let at_ms = match raw {
        Raw::Instant(at_ms) => *at_ms,
        other => as_integer(other)?,
    };
    if (-INSTANT_MS_MAX..=INSTANT_MS_MAX).contains(&at_ms) {
        Ok(Value::Instant(at_ms))
    } else {
        Err(Unreadable::OutOfRange)
    }
}

fn number(raw: &Raw<'_>, min: f64, max: f64) -> Result<Value, Unreadable> {
    let value = match raw {
        Raw::Float(value) => *value,
        other => integer_as_float(as_integer(other)?).ok_or(Unreadable::OutOfRange)?,
    };
    if value.is_nan() || value < min || value > max {
        return Err(Unreadable::OutOfRange);
    }
    // Negative zero equals zero and must not be told apart by a hash.
    Ok(Value::Number(value + 0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_is_told_in_words_and_numbers() {
        let told = [
            (Wants::Text(2_000), "a text of at most 2,000 characters, without NUL"),
            (Wants::Word(&["A", "B"]), "one of A, B"),
            (Wants::Whole(0, 1_440), "a whole number from 0 to 1,440"),
            (Wants::Whole(-1, 1_000_000), "a whole number from -1 to 1,000,000"),
            (Wants::Number(-90.0, 90.0), "a number from -90 to 90"),
            (Wants::Number(-180.0, 10_000.0), "a number from -180 to 10,000"),
            (Wants::Number(0.0, f64::MAX), "a number of 0 or more"),
        ];
        for (wants, words) in told {
            assert_eq!(wants.to_string(), words);
        }
    }
}
