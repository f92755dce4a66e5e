//! What was found: a line for each check.

use std::fmt::Debug;

/// What was expected, and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(pub String);

/// What a check finds.
pub type Found<T> = Result<T, Wrong>;

impl Wrong {
    /// From what was expected and what came.
    pub fn new(expected: impl AsRef<str>, came: impl AsRef<str>) -> Self {
        Self(format!("expected {}; came {}", expected.as_ref(), came.as_ref()))
    }
}

/// The two are equal.
pub fn equal<T: PartialEq + Debug>(what: &str, expected: &T, came: &T) -> Found<()> {
    that(expected == came, || Wrong::new(format!("{what} {expected:?}"), format!("{came:?}")))
}

/// It holds.
pub fn that(good: bool, wrong: impl FnOnce() -> Wrong) -> Found<()> {
    if good { Ok(()) } else { Err(wrong()) }
}

/// The checks so far.
#[derive(Debug, Default)]
pub struct Report {
    checks: usize,
    failed: usize,
}

impl Report {
    /// Prints the line of a check; what it found goes on where it is good.
    pub fn line<T>(&mut self, check: &str, found: Found<T>) -> Option<T> {
        self.checks += 1;
        match found {
            Ok(found) => {
                println!("ok      {check}");
                Some(found)
            }
            Err(Wrong(why)) => {
                self.failed += 1;
                println!("FAILED  {check}: {why}");
                None
            }
        }
    }

    pub fn checks(&self) -> usize {
        self.checks
    }

    pub fn failed(&self) -> usize {
        self.failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_fails_is_counted_and_says_what_was_expected() {
        let mut report = Report::default();
        assert_eq!(report.line("one", Ok(1)), Some(1));
        assert_eq!(report.line("other", equal("a status", &200, &404)), None);
        assert_eq!((report.checks(), report.failed()), (2, 1));
        assert_eq!(equal("a status", &200, &404), Err(Wrong("expected a status 200; came 404".to_owned())));
    }
}
