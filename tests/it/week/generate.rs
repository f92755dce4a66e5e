//! A week of a neighbourhood, from a seed: who records what on which phone, when it syncs, and what really
//! happened. Nothing here knows of a server; what is in doubt is written as people get it wrong.

use std::collections::BTreeMap;

use daybook::domain::activity::Kind;

use super::doubtful;
use super::honest;
use super::plan::Plan;

/// Days of the week, the first one that of the test's clock.
pub const DAYS: i64 = 7;
/// Minutes of a day.
pub const DAY: i64 = 24 * 60;
/// Records of a week.
pub const RECORDS: usize = 300;

/// Somebody who may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    Resident(usize),
    /// Met in the street: nobody has enrolled them.
    Stranger(usize),
    /// Under age, entered by the coordinator; [`super::plan::SUPERVISOR`] may look after them.
    Young,
}

/// Where a record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daybook {
    Own,
    /// The group's.
    Group,
}

/// What a phone writes into a record. Minutes of time count from the midnight before the week.
#[derive(Debug, Clone)]
pub enum Field {
    Kind(Kind),
    /// The day that it names, from the first of the week on.
    Day(i64),
    Started(i64),
    Minutes(Who, i64),
    Totals(i64, i64),
    PartOf(usize),
    Count(&'static str, i64),
    Place(f64, f64, f64),
    /// Which photo, and when it was taken.
    Photo(u64, i64),
    Text(&'static str, String),
    Note(&'static str),
    Withdraw,
}

/// One change on a phone.
#[derive(Debug, Clone)]
pub struct Write {
    pub phone: usize,
    pub record: usize,
    /// How far the phone's clock is ahead, in minutes.
    pub ahead: i64,
    pub fields: Vec<Field>,
}

/// What happens.
#[derive(Debug, Clone)]
pub enum Step {
    Write(Write),
    /// What one phone has written in the group's daybook and not sent, another one takes along.
    Carry {
        from: usize,
        to: usize,
    },
    Sync(usize),
    /// The clerk works.
    Judge,
}

/// What a record is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Ordinary,
    /// Looks like something that a rule doubts, and is as it should be.
    NearMiss,
    /// Somebody has to look at it.
    Doubtful,
}

/// What really happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth {
    /// It happened, as far as anybody else than the writer could have known.
    pub real: bool,
    /// The record that tells of the same event and counts for it; itself, if there is no other.
    pub event: usize,
    /// What everybody gave to the event.
    pub minutes: BTreeMap<Who, i64>,
    /// The same as far as it was known when a rule saw it first, where that is another.
    pub at_first: Option<BTreeMap<Who, i64>>,
    /// Minutes of all people of an occasion.
    pub total: Option<i64>,
    /// The day, from the first of the week on.
    pub day: i64,
}

/// A record and the truth about it.
#[derive(Debug, Clone)]
pub struct Record {
    /// For whoever reads a failure.
    pub story: &'static str,
    pub role: Role,
    pub daybook: Daybook,
    pub part_of: Option<usize>,
    pub truth: Truth,
}

/// A phone: whose it is, and whether it is their first.
#[derive(Debug, Clone, Copy)]
pub struct Handset {
    pub resident: usize,
    pub first: bool,
}

/// Everything that happens in a week.
#[derive(Debug)]
pub struct Week {
    pub seed: u64,
    pub phones: Vec<Handset>,
    /// Residents who keep the group's daybook.
    pub members: Vec<usize>,
    /// Names of strangers.
    pub strangers: Vec<&'static str>,
    pub records: Vec<Record>,
    /// By time, in minutes.
    pub steps: Vec<(i64, Step)>,
}

/// The week of a seed.
pub fn week(seed: u64) -> Week {
    let mut plan = Plan::new(seed);
    doubtful::all(&mut plan);
    honest::near_misses(&mut plan);
    honest::ordinary(&mut plan, RECORDS);
    plan.into_week(seed)
}

impl Week {
    /// Records that somebody has to look at.
    pub fn doubtful(&self) -> usize {
        self.records.iter().filter(|record| record.role == Role::Doubtful).count()
    }

    /// Minutes that stand for a record in the end: of its people, and of those without a name.
    pub fn owed(&self, record: usize) -> (BTreeMap<Who, i64>, i64) {
        let truth = &self.records[record].truth;
        if !truth.real || truth.event != record {
            return (BTreeMap::new(), 0);
        }
        let named: i64 = truth.minutes.values().sum();
        let parts = (0..self.records.len()).filter(|part| self.records[*part].part_of == Some(record));
        let claimed: i64 = parts.map(|part| self.owed(part).0.values().sum::<i64>()).sum();
        (truth.minutes.clone(), truth.total.map_or(0, |total| (total - named - claimed).max(0)))
    }
}
