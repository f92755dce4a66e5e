//! The share of records that rules approve by themselves, and whether it has drifted: the audit sample is drawn from
//! it, so a share that moves says that records or rules have become others.

/// Lately: seven days.
pub const LATELY_MS: i64 = 7 * 24 * 60 * 60 * 1_000;
/// Before that: four times as long.
pub const BEFORE_MS: i64 = 4 * LATELY_MS;
/// With fewer records than this in either time a share is chance.
pub const RECORDS_MIN: i64 = 20;

/// A record's first decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    pub by_rule: bool,
    pub at_ms: i64,
}

/// Records whose first decision was made within a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    pub records: i64,
    pub by_rule: i64,
}

/// How much rules decide, lately and before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    pub lately: Decided,
    pub before: Decided,
}

impl Decided {
    /// Of a hundred records so many, rounded down; none where there are none.
    #[must_use]
    pub fn percent(self) -> Option<i64> {
        self.by_rule.saturating_mul(100).checked_div(self.records)
    }

    fn add(&mut self, first: First) {
        self.records += 1;
        self.by_rule += i64::from(first.by_rule);
    }
}

impl Share {
    /// Counts first decisions; what is older than both times is left out.
    #[must_use]
    pub fn of(decisions: impl IntoIterator<Item = First>, now_ms: i64) -> Self {
        let mut share = Self::default();
        for first in decisions {
            let age_ms = now_ms.saturating_sub(first.at_ms);
            if age_ms < LATELY_MS {
                share.lately.add(first);
            } else if age_ms < LATELY_MS + BEFORE_MS {
                share.before.add(first);
            }
        }
        share
    }

    /// It moved by more than so many of a hundred, either way.
    #[must_use]
    pub fn has_drifted(self, most: i64) -> bool {
        let enough = self.lately.records >= RECORDS_MIN && self.before.records >= RECORDS_MIN;
        match (self.lately.percent(), self.before.percent()) {
            (Some(lately), Some(before)) => enough && (lately - before).abs() > most,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 100 * LATELY_MS;

    fn firsts(by_rule: i64, by_person: i64, age_ms: i64) -> Vec<First> {
        let of = |count, by_rule| (0..count).map(move |_| First { by_rule, at_ms: NOW - age_ms });
        of(by_rule, true).chain(of(by_person, false)).collect()
    }

    #[test]
    fn a_share_drifts_beyond_the_limit_and_not_at_it_either_way() {
        let share = |lately: (i64, i64)| {
            let all = [firsts(lately.0, lately.1, LATELY_MS - 1), firsts(80, 20, LATELY_MS)].concat();
            Share::of(all, NOW)
        };
        assert_eq!(share((65, 35)).lately, Decided { records: 100, by_rule: 65 });
        let drifted = |by_rule| share((by_rule, 100 - by_rule)).has_drifted(15);
        assert_eq!([64, 65, 80, 95, 96].map(drifted), [true, false, false, false, true]);
    }

    #[test]
    fn few_records_and_old_ones_say_nothing() {
        let share = |records, age_ms| {
            Share::of([firsts(0, records, 0), firsts(100, 0, age_ms)].concat(), NOW).has_drifted(15)
        };
        assert_eq!([RECORDS_MIN - 1, RECORDS_MIN].map(|records| share(records, LATELY_MS)), [false, true]);
        assert!(share(50, LATELY_MS + BEFORE_MS - 1));
        assert!(!share(50, LATELY_MS + BEFORE_MS), "too long ago");
        assert!(!Share::of([], NOW).has_drifted(0));
    }
}
