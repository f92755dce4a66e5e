//! How much one grant may push: a bucket that fills with time. Kept in memory, so each replica counts for
//! itself; after a restart it is full.

use super::limits::{GRANT_BYTES_BURST, GRANT_BYTES_PER_HOUR};

const HOUR_MS: i64 = 3_600_000;

/// What is left to push, in bytes; below nothing after a push that turned out heavier than its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    left: i64,
    at_ms: i64,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(now_ms: i64) -> Self {
        Self { left: signed(GRANT_BYTES_BURST), at_ms: now_ms }
    }

    /// What is left, as of the last look.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.left
    }

    /// How many bytes are left now, and the seconds until it is full.
    pub fn remaining(&mut self, now_ms: i64) -> (u64, u64) {
        self.fill(now_ms);
        let lacking = signed(GRANT_BYTES_BURST).saturating_sub(self.left).max(0);
        let ms = lacking.saturating_mul(HOUR_MS) / signed(GRANT_BYTES_PER_HOUR).max(1);
        let seconds = u64::try_from(ms.saturating_add(999) / 1_000).unwrap_or(0);
        (u64::try_from(self.left).unwrap_or(0), seconds)
    }

    /// Takes so many bytes out. Who asks for nothing never waits, whatever is owed.
    ///
    /// # Errors
    /// The seconds until there are as many, at least 1; nothing was taken then.
    pub fn take(&mut self, bytes: u64, now_ms: i64) -> Result<(), u64> {
        if bytes == 0 {
            return Ok(());
        }
        // What is larger than the whole bucket needs a full one.
        let bytes = signed(bytes).min(signed(GRANT_BYTES_BURST));
        self.has(bytes, now_ms)?;
        self.left = self.left.saturating_sub(bytes);
        Ok(())
    }

    /// Asks whether anything is owed; takes nothing out.
    ///
    /// # Errors
    /// The seconds until nothing is, at least 1.
    pub fn owes_nothing(&mut self, now_ms: i64) -> Result<(), u64> {
        self.has(0, now_ms)
    }

    fn has(&mut self, bytes: i64, now_ms: i64) -> Result<(), u64> {
        self.fill(now_ms);
        let lacking = bytes.saturating_sub(self.left);
        if lacking <= 0 {
            return Ok(());
        }
        let ms = lacking.saturating_mul(HOUR_MS) / signed(GRANT_BYTES_PER_HOUR).max(1);
        Err(u64::try_from(ms / 1_000).unwrap_or(0).saturating_add(1))
    }

    /// Takes out what is known only afterwards, there or not: the next push waits for it.
    pub fn spend(&mut self, bytes: u64, now_ms: i64) {
        self.fill(now_ms);
        self.left = self.left.saturating_sub(signed(bytes)).max(signed(GRANT_BYTES_BURST).saturating_neg());
    }

    /// A clock set back fills nothing, and takes nothing away.
    fn fill(&mut self, now_ms: i64) {
        let passed = now_ms.saturating_sub(self.at_ms).clamp(0, 24 * HOUR_MS);
        let more = signed(GRANT_BYTES_PER_HOUR).saturating_mul(passed) / HOUR_MS;
        // Less than a byte's time is kept for the next look.
        if more > 0 || passed == 0 {
            self.left = self.left.saturating_add(more).min(signed(GRANT_BYTES_BURST));
            self.at_ms = now_ms;
        }
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_gives_all_that_it_holds_and_not_a_byte_more() {
        let mut bucket = Bucket::full(0);
        assert_eq!(bucket.take(GRANT_BYTES_BURST, 0), Ok(()));
        assert_eq!(bucket.take(0, 0), Ok(()), "who pushes nothing never waits");
        assert_eq!(bucket.take(1, 0), Err(1));
    }

    #[test]
    fn who_asks_for_nothing_never_waits_though_something_is_owed() {
        let mut bucket = Bucket::full(0);
        bucket.spend(GRANT_BYTES_BURST, 0);
        assert_eq!(bucket.owes_nothing(0), Ok(()), "at the limit");
        bucket.spend(1, 0);
        assert_eq!(bucket.owes_nothing(0), Err(1), "one past it");
        assert_eq!((bucket.take(0, 0), bucket.take(1, 0)), (Ok(()), Err(1)));
        assert_eq!(bucket.left(), -1, "and nothing is taken");
    }

    #[test]
    fn it_fills_with_time_and_says_when_there_is_enough() {
        let mut bucket = Bucket::full(0);
        bucket.take(GRANT_BYTES_BURST, 0).expect("full");
        let tenth = GRANT_BYTES_PER_HOUR / 10;
        let after = bucket.take(tenth, 0).expect_err("empty");
        assert!((360..=361).contains(&after), "{after}");
        assert!(bucket.take(tenth, 359_000).is_err());
        assert_eq!(bucket.take(tenth, i64::try_from(after).expect("small") * 1_000), Ok(()));
        assert_eq!(bucket.take(GRANT_BYTES_BURST + 1, 30 * HOUR_MS), Ok(()), "a full one is always enough");
    }

    #[test]
    fn it_tells_what_is_left_and_when_it_is_full() {
        let mut bucket = Bucket::full(0);
        assert_eq!(bucket.remaining(0), (GRANT_BYTES_BURST, 0));
        bucket.take(GRANT_BYTES_PER_HOUR / 10, 0).expect("full");
        assert_eq!(bucket.remaining(0).1, 360);
        assert_eq!(bucket.remaining(180_000).1, 180);
        bucket.spend(2 * GRANT_BYTES_BURST, 180_000);
        assert_eq!(bucket.remaining(180_000).0, 0, "never less than nothing");
        assert_eq!(bucket.remaining(3 * HOUR_MS), (GRANT_BYTES_BURST, 0));
    }

    #[test]
    fn what_turned_out_heavy_is_paid_for_later_and_a_clock_set_back_costs_nothing() {
        let mut bucket = Bucket::full(HOUR_MS);
        bucket.spend(2 * GRANT_BYTES_BURST, HOUR_MS);
        assert!(bucket.take(1, HOUR_MS).is_err());
        assert!(bucket.take(1, 0).is_err());
        assert_eq!(bucket.take(1, 3 * HOUR_MS), Ok(()));
    }
}
