//! What the model expects, said a second time and as plainly as possible: no lines, no targets, only who
//! should stand at how many minutes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;

use super::samples::{account, holding};
use crate::domain::ids::{AccountId, DecisionId};

/// Minutes by account, day and programme.
pub type Sums = BTreeMap<(AccountId, NaiveDate, Option<u32>), i64>;

/// What counts for one activity.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    pub minutes: BTreeMap<u128, i64>,
    pub total: Option<i64>,
    pub part_of: Option<usize>,
    pub day: NaiveDate,
    /// First minute, and the parties' lengths run from there.
    pub start: Option<i64>,
    pub programme: Option<u32>,
    pub items: i64,
}

/// Which operations somebody settled, and to what.
pub type Settled = Option<(BTreeSet<u32>, u32)>;

/// What an undo brings back.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct State {
    pub own: Option<Counted>,
    pub cluster: Option<Counted>,
    pub settled: Settled,
    /// Who approved first, and what.
    pub first: Option<(u128, Counted)>,
}

/// One activity as expected.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    pub state: State,
    pub decisions: i64,
    pub person: bool,
    pub withdrawn_ever: bool,
    /// The latest decision, and the state before it.
    pub latest: Option<(DecisionId, State)>,
    pub into: Option<usize>,
    pub members: Vec<usize>,
}

impl Counted {
    pub fn named(&self) -> i64 {
        self.minutes.values().sum()
    }

    pub fn of(&self, party: u128) -> i64 {
        self.minutes.get(&party).copied().unwrap_or(0)
    }

    /// All that is posted for it while it has no parts.
    pub fn posted(&self) -> i64 {
        let total = self.total.filter(|_| self.part_of.is_none()).unwrap_or(0);
        total.max(self.named())
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

impl State {
    pub fn in_force(&self) -> Option<&Counted> {
        self.cluster.as_ref().or(self.own.as_ref())
    }

    /// What a decision about the lines replaces.
    pub fn with(mut self, counted: Option<Counted>) -> Self {
        if self.cluster.is_some() {
            self.cluster = counted;
        } else {
            self.own = counted;
        }
        self
    }
}

impl Expected {
    pub fn in_force(&self) -> Option<&Counted> {
        self.state.in_force().filter(|_| self.into.is_none())
    }

    pub fn decided(&mut self, id: DecisionId, state: State) {
        self.decisions += 1;
        let before = std::mem::replace(&mut self.state, state);
        self.latest = Some((id, before));
    }

    /// Merging and unmerging: nothing before can be undone.
    pub fn cut(&mut self) {
        self.decisions += 1;
        self.person = true;
        self.latest = None;
        self.state.first = None;
    }
}

/// The programme that these operations come to, and whether they are in conflict.
pub fn view(operations: &[u32], settled: &Settled) -> (Option<u32>, bool) {
    match settled {
        Some((named, value))
            if !operations.is_empty() && operations.iter().all(|one| named.contains(one)) =>
        {
            (Some(*value), false)
        }
        _ => (operations.iter().max().copied(), operations.len() > 1),
    }
}

/// Several records of one thing as one, the canonical one first: items once, each person's minutes once.
pub fn together(records: &[Counted], within: &[usize], correction: Option<(u128, i64)>) -> Counted {
    let mut minutes = BTreeMap::new();
    for (who, given) in records.iter().flat_map(|record| &record.minutes) {
        let most: &mut i64 = minutes.entry(*who).or_default();
        *most = (*given).max(*most);
    }
    minutes.extend(correction.filter(|(who, _)| minutes.contains_key(who)));
    let part_of = records.iter().find_map(|record| record.part_of);
    Counted {
        minutes,
        total: records.iter().filter_map(|record| record.total).max(),
        part_of: part_of.filter(|of| !within.contains(of)),
        day: records[0].day,
        start: records.iter().find_map(|record| record.start),
        programme: records[0].programme,
        items: records.iter().map(|record| record.items).max().unwrap_or(0),
    }
    .without_zeros()
}

/// Σ minutes that the parts of an occasion take, those of what was merged into it too.
pub fn parts(all: &[Expected], occasion: usize) -> i64 {
    let stands_for = |of: usize| all[of].into.unwrap_or(of);
    let others = all.iter().enumerate().filter(|(index, _)| *index != occasion);
    others
        .filter_map(|(_, expected)| expected.in_force())
        .filter(|counted| counted.part_of.map(stands_for) == Some(occasion))
        .map(Counted::named)
        .sum()
}

/// Where the ledger should stand for one activity.
pub fn sums(all: &[Expected], of: usize) -> Sums {
    let mut sums = Sums::new();
    let Some(counted) = all[of].in_force() else {
        return sums;
    };
    let key = |account| (account, counted.day, counted.programme);
    for (party, minutes) in &counted.minutes {
        *sums.entry(key(account(*party))).or_default() += minutes;
    }
    if let (Some(total), None) = (counted.total, counted.part_of) {
        let rest = total - counted.named() - parts(all, of);
        if rest > 0 {
            *sums.entry(key(holding())).or_default() += rest;
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
