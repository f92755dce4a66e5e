//! Lines: what an approval of a version freezes, computed once and never again.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::activity::{Activity, Grades, Kind, Phase};
use crate::domain::ids::{AccountId, ActivityId, PartyId};
use crate::domain::key::PERSON_MINUTES_MAX;
use crate::domain::limits::PARTY_MINUTES_MAX;

/// How many aliases are followed before the chain is taken for a circle.
const ALIAS_STEPS_MAX: usize = 32;

/// What is counted. Both are minutes, and they never mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Asset {
    /// Minutes recognised, never spendable.
    Contribution,
    /// Minutes that may be spent where a neighbourhood's rules switch it on; zero-sum.
    Credit,
}

/// In which capacity somebody gave the minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    Professional,
    /// Everybody who is not known to be there as a professional.
    Lay,
}

/// One line of a decision, or of what is posted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub account: AccountId,
    pub asset: Asset,
    /// Above zero in decisions and targets; signed in differences.
    pub minutes: i64,
    pub kind: Kind,
    pub phase: Phase,
    pub programme: Option<String>,
    pub place: Option<String>,
    pub day: NaiveDate,
    pub capacity: Capacity,
}

/// A line without its minutes: lines with equal keys are one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LineKey {
    pub account: AccountId,
    pub asset: Asset,
    pub kind: Kind,
    pub phase: Phase,
    pub programme: Option<String>,
    pub place: Option<String>,
    pub day: NaiveDate,
    pub capacity: Capacity,
}

/// What all lines of one decision share; kept beside them because a holding line needs it even where no
/// party is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    pub kind: Kind,
    pub phase: Phase,
    pub programme: Option<String>,
    pub place: Option<String>,
    pub day: NaiveDate,
}

/// One report figure, frozen: the sum over the registers of one item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Figure {
    pub item: String,
    pub seen: bool,
    pub count: i64,
}

/// What an approval freezes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    pub heading: Heading,
    /// Sorted by key, one per key, all above zero; possibly none (a repair without minutes).
    pub lines: Vec<Line>,
    /// The stated total of an occasion, 0 to [`PERSON_MINUTES_MAX`].
    pub person_minutes: Option<i64>,
    /// Σ contribution minutes of `lines`.
    pub named: i64,
    /// The occasion this is a part of, as the version says; resolve it through `merged_into`.
    pub part_of: Option<ActivityId>,
    pub started_at_ms: Option<i64>,
    /// Sorted by item.
    pub report: Vec<Figure>,
    /// How clean it was, as far as the version says.
    #[serde(default, skip_serializing_if = "Grades::is_none")]
    pub grades: Grades,
    /// Minutes that caps took from whom; they are in no line, nor in the total.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clipped: BTreeMap<AccountId, i64>,
}

/// What an approver changes in the lines, with a reason; the daybook keeps what it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Corrections {
    /// The whole minutes of a party, however often and in whatever capacity the version names it;
    /// 0 takes it out. 0 to 1,440.
    #[schema(value_type = BTreeMap<uuid::Uuid, i64>)]
    pub minutes: BTreeMap<PartyId, i64>,
    /// The total of all people: 0 to 1,440,000,000.
    #[schema(minimum = 0, maximum = 1_440_000_000)]
    pub person_minutes: Option<i64>,
    /// The civil day that the minutes belong to.
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-21")]
    pub day: Option<NaiveDate>,
    /// The programme that they count under.
    #[schema(pattern = r"^[^\x00]*$")]
    pub programme: Option<String>,
    /// The place that they count under.
    #[schema(pattern = r"^[^\x00]*$")]
    pub place: Option<String>,
}

/// Where minutes are to be counted instead; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Reclassification {
    /// The programme that they count under.
    #[schema(pattern = r"^[^\x00]*$")]
    pub programme: Option<String>,
    /// The civil day that they belong to.
    #[schema(value_type = Option<String>, format = Date, example = "2026-11-21")]
    pub day: Option<NaiveDate>,
    /// The place that they count under.
    #[schema(pattern = r"^[^\x00]*$")]
    pub place: Option<String>,
}

/// Why corrections cannot be applied to a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionFault {
    /// Only the minutes of parties that the version names can be corrected.
    #[error("party {0} is not named in this version")]
    PartyNotNamed(PartyId),
    #[error("{0} minutes is outside what is allowed")]
    MinutesOutOfRange(i64),
    /// The total of something that states none.
    #[error("this version states no total of person-minutes")]
    NoTotal,
}

/// What lines depend on besides the version itself.
#[derive(Debug, Clone, Copy)]
pub struct LineContext<'a> {
    /// From a party's other ids to its own; chains are followed.
    pub aliases: &'a BTreeMap<PartyId, PartyId>,
    /// (party, organisation), both resolved, to the capacity of that membership on the activity's day;
    /// what is absent is lay.
    pub capacities: &'a BTreeMap<(PartyId, PartyId), Capacity>,
    /// From outside: [`Corrections::check`] first.
    pub corrections: &'a Corrections,
}

impl Line {
    /// The line without its minutes.
    #[must_use]
    pub fn key(&self) -> LineKey {
        LineKey {
            account: self.account,
            asset: self.asset,
            kind: self.kind,
            phase: self.phase,
            programme: self.programme.clone(),
            place: self.place.clone(),
            day: self.day,
            capacity: self.capacity,
        }
    }
}

impl LineKey {
    /// A line with these minutes.
    #[must_use]
    pub fn line(self, minutes: i64) -> Line {
        Line {
            account: self.account,
            asset: self.asset,
            minutes,
            kind: self.kind,
            phase: self.phase,
            programme: self.programme,
            place: self.place,
            day: self.day,
            capacity: self.capacity,
        }
    }
}

impl Heading {
    /// The key of a line under this heading.
    #[must_use]
    pub fn key(&self, account: AccountId, asset: Asset, capacity: Capacity) -> LineKey {
        LineKey {
            account,
            asset,
            kind: self.kind,
            phase: self.phase,
            programme: self.programme.clone(),
            place: self.place.clone(),
            day: self.day,
            capacity,
        }
    }
}

impl Decided {
    /// What the lines give an account.
    #[must_use]
    pub fn minutes_of(&self, account: AccountId, asset: Asset) -> i64 {
        sum(self.lines.iter().filter(|line| line.account == account && line.asset == asset))
    }

    /// What nobody named claims of the stated total: at least 0, and 0 without a total.
    #[must_use]
    pub fn unnamed(&self) -> i64 {
        self.person_minutes.map_or(0, |total| total.saturating_sub(self.named).max(0))
    }

    /// Everything that an approval posts for it: what is named, and a remainder that it holds. A part holds none.
    #[must_use]
    pub fn minutes(&self) -> i64 {
        let held = if self.part_of.is_none() { self.unnamed() } else { 0 };
        self.named.saturating_add(held)
    }

    /// The same minutes under another heading; the capacities stay as frozen.
    #[must_use]
    pub fn reclassified(&self, to: &Reclassification) -> Self {
        let mut moved = self.clone();
        let heading = &mut moved.heading;
        heading.programme = to.programme.clone().or(heading.programme.take());
        heading.place = to.place.clone().or(heading.place.take());
        heading.day = to.day.unwrap_or(heading.day);
        for line in &mut moved.lines {
            *line = moved.heading.key(line.account, line.asset, line.capacity).line(line.minutes);
        }
        moved
    }

    /// The same under the accounts that its own stand for by now: what one person has under two ids is one line.
    #[must_use]
    pub fn under(&self, stands_for: impl Fn(AccountId) -> AccountId) -> Self {
        let mut minutes: BTreeMap<LineKey, i64> = BTreeMap::new();
        for line in &self.lines {
            let key = LineKey { account: stands_for(line.account), ..line.key() };
            *minutes.entry(key).or_default() += line.minutes;
        }
        let mut clipped: BTreeMap<AccountId, i64> = BTreeMap::new();
        for (account, taken) in &self.clipped {
            *clipped.entry(stands_for(*account)).or_default() += taken;
        }
        let lines = minutes.into_iter().map(|(key, minutes)| key.line(minutes)).collect();
        Self { lines, clipped, ..self.clone() }
    }

    /// Somebody else than this party is named, whom caps left nothing among them.
    #[must_use]
    pub fn names_others_than(&self, is_party: impl Fn(PartyId) -> bool) -> bool {
        let mut named = self.lines.iter().map(|line| line.account).chain(self.clipped.keys().copied());
        named.any(|account| !is_party(PartyId(account.0)))
    }
}

impl Corrections {
    /// Nothing is corrected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether they fit this version.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(
        &self,
        activity: &Activity,
        aliases: &BTreeMap<PartyId, PartyId>,
    ) -> Result<(), CorrectionFault> {
        for (party, minutes) in &self.minutes {
            let wanted = resolved(aliases, *party);
            if !activity.parties.iter().any(|named| resolved(aliases, named.party_id) == wanted) {
                return Err(CorrectionFault::PartyNotNamed(*party));
            }
            if !(0..=PARTY_MINUTES_MAX).contains(minutes) {
                return Err(CorrectionFault::MinutesOutOfRange(*minutes));
            }
        }
        match self.person_minutes {
            Some(_) if activity.person_minutes.is_none() => Err(CorrectionFault::NoTotal),
            Some(total) if !(0..=PERSON_MINUTES_MAX).contains(&total) => {
                Err(CorrectionFault::MinutesOutOfRange(total))
            }
            _ => Ok(()),
        }
    }
}

/// What an approval of this version freezes. Ids that resolve to one party are summed, apart by capacity;
/// zero minutes give no line. Values outside their range are held at its ends.
#[must_use]
pub fn decide_lines(activity: &Activity, context: &LineContext<'_>) -> Decided {
    let corrections = context.corrections;
    let heading = Heading {
        kind: activity.kind,
        phase: activity.phase,
        programme: corrections.programme.clone().or_else(|| activity.programme.clone()),
        place: corrections.place.clone().or_else(|| activity.place_id.clone()),
        day: corrections.day.unwrap_or(activity.day),
    };
    let lines: Vec<Line> = minutes_by_party(activity, context)
        .into_iter()
        .filter(|(_, minutes)| *minutes > 0)
        .map(|((party, capacity), minutes)| {
            heading.key(AccountId(party.0), Asset::Contribution, capacity).line(minutes)
        })
        .collect();
    let stated = corrections.person_minutes.or(activity.person_minutes);
    Decided {
        named: sum(&lines),
        heading,
        lines,
        person_minutes: stated.map(|total| total.clamp(0, PERSON_MINUTES_MAX)),
        part_of: activity.part_of,
        started_at_ms: activity.started_at_ms,
        report: figures(activity),
        grades: activity.grades,
        clipped: BTreeMap::new(),
    }
}

/// The party that an id stands for in the end. A circle ends at the id it began with.
#[must_use]
pub fn resolved(aliases: &BTreeMap<PartyId, PartyId>, party: PartyId) -> PartyId {
    let mut at = party;
    for _ in 0..ALIAS_STEPS_MAX {
        match aliases.get(&at) {
            Some(next) if *next != at => at = *next,
            _ => return at,
        }
    }
    party
}

/// Σ minutes.
pub(super) fn sum<'a>(lines: impl IntoIterator<Item = &'a Line>) -> i64 {
    lines.into_iter().fold(0, |sum, line| sum.saturating_add(line.minutes))
}

fn minutes_by_party(activity: &Activity, context: &LineContext<'_>) -> BTreeMap<(PartyId, Capacity), i64> {
    let mut minutes: BTreeMap<(PartyId, Capacity), i64> = BTreeMap::new();
    for named in &activity.parties {
        let party = resolved(context.aliases, named.party_id);
        let membership = named.organisation_id.map(|organisation| resolved(context.aliases, organisation));
        let capacity = membership.and_then(|organisation| context.capacities.get(&(party, organisation)));
        let held = minutes.entry((party, capacity.copied().unwrap_or(Capacity::Lay))).or_default();
        *held = held.saturating_add(named.minutes.clamp(0, PARTY_MINUTES_MAX));
    }
    for (party, corrected) in &context.corrections.minutes {
        correct(&mut minutes, resolved(context.aliases, *party), (*corrected).clamp(0, PARTY_MINUTES_MAX));
    }
    minutes
}

/// Sets the whole minutes of one party. Where it gave them in two capacities, the smaller share gives way
/// first, and what is added goes to the greater one.
pub(super) fn correct(minutes: &mut BTreeMap<(PartyId, Capacity), i64>, party: PartyId, corrected: i64) {
    let mut shares: Vec<(Capacity, i64)> = minutes
        .iter()
        .filter(|((of, _), _)| *of == party)
        .map(|((_, capacity), held)| (*capacity, *held))
        .collect();
    shares.sort_by_key(|(_, held)| std::cmp::Reverse(*held));
    let greatest = shares.first().map_or(Capacity::Lay, |(capacity, _)| *capacity);
    let mut rest = corrected;
    for (capacity, held) in shares {
        let kept = held.min(rest);
        minutes.insert((party, capacity), kept);
        rest -= kept;
    }
    *minutes.entry((party, greatest)).or_default() += rest;
}

fn figures(activity: &Activity) -> Vec<Figure> {
    let mut figures: Vec<Figure> = activity
        .tallies
        .iter()
        .map(|tally| Figure { item: tally.item.clone(), seen: tally.seen, count: tally.count })
        .collect();
    figures.sort();
    figures
}
