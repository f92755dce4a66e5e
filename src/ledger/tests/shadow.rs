//! What the model expects, said a second time and as plainly as possible: no lines, no targets, only who
//! should stand at how many minutes.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::samples::{account, holding};
use crate::domain::ids::{AccountId, DecisionId};

/// Minutes by account and day.
pub type Sums = BTreeMap<(AccountId, NaiveDate), i64>;

/// What counts for one activity.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub minutes: BTreeMap<u128, i64>,
    pub total: Option<i64>,
    pub part_of: Option<usize>,
    pub day: NaiveDate,
    /// First minute, and the parties' lengths run from there.
    pub start: Option<i64>,
}

/// One activity as expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    pub counted: Option<Counted>,
    pub decisions: i64,
    pub person: bool,
    pub withdrawn_ever: bool,
    /// The latest decision, and what counted before it.
    pub latest: Option<(DecisionId, Option<Counted>)>,
}

impl Counted {
    pub fn named(&self) -> i64 {
        self.minutes.values().sum()
    }

    pub fn of(&self, party: u128) -> i64 {
        self.minutes.get(&party).copied().unwrap_or(0)
    }

    /// Whether these give anybody more, those without a name included.
    pub fn raised_by(&self, newer: &Self) -> bool {
        let unnamed = |counted: &Self| (counted.total.unwrap_or(0) - counted.named()).max(0);
        newer.minutes.iter().any(|(who, minutes)| *minutes > self.of(*who)) || unnamed(newer) > unnamed(self)
    }

    pub fn without_zeros(mut self) -> Self {
        self.minutes.retain(|_, minutes| *minutes > 0);
        self
    }
}

impl Expected {
    pub fn decided(&mut self, id: DecisionId, counted: Option<Counted>) {
        self.decisions += 1;
        let before = std::mem::replace(&mut self.counted, counted);
        self.latest = Some((id, before));
    }
}

/// Σ minutes that the parts of an occasion take.
pub fn parts(all: &[Expected], occasion: usize) -> i64 {
    all.iter()
        .filter_map(|expected| expected.counted.as_ref())
        .filter(|counted| counted.part_of == Some(occasion))
        .map(Counted::named)
        .sum()
}

/// Where the ledger should stand for one activity.
pub fn sums(all: &[Expected], of: usize) -> Sums {
    let mut sums = Sums::new();
    let Some(counted) = &all[of].counted else {
        return sums;
    };
    for (party, minutes) in &counted.minutes {
        *sums.entry((account(*party), counted.day)).or_default() += minutes;
    }
    if let (Some(total), None) = (counted.total, counted.part_of) {
        let rest = total - counted.named() - parts(all, of);
        if rest > 0 {
            *sums.entry((holding(), counted.day)).or_default() += rest;
        }
    }
    sums
}

/// Whether any party's minutes of both fall together.
pub fn clash(a: &Counted, b: &Counted) -> bool {
    let (Some(from_a), Some(from_b)) = (a.start, b.start) else {
        return false;
    };
    a.minutes.iter().any(|(party, minutes)| {
        let other = b.of(*party);
        other > 0 && (from_a..from_a + minutes).any(|minute| (from_b..from_b + other).contains(&minute))
    })
}
