//! Clean or not: the doubts that keep a rule from approving.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::lines::Decided;
use crate::domain::activity::Activity;
use crate::domain::ids::{AccountId, PartyId};
use crate::domain::review::Conflict;
use crate::domain::rules::RulePack;
use crate::domain::suspicion::SuspicionKind;
use crate::domain::words::Told;

/// What is known around a version. All parties resolved; all other activities as last taken up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CleanFacts {
    /// Parties of this version that nobody has enrolled or confirmed.
    pub unknown_parties: Vec<PartyId>,
    /// Contribution minutes that *other* activities in force give a party on this version's day.
    pub minutes_that_day: BTreeMap<PartyId, i64>,
    /// Some field of this version cannot be read, so its lines may lack something.
    pub unreadable_fields: bool,
    /// Kinds of the suspicions about it that nobody has settled.
    pub open_suspicions: Vec<SuspicionKind>,
    /// More records are near it than it was compared with.
    pub crowded: bool,
    /// People of this version who say that they were not part of it.
    pub declined: Vec<PartyId>,
}

/// One reason for a person to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Doubt {
    /// Several values survive in a field that matters.
    HardConflict,
    /// A field that cannot be read.
    UnreadableField,
    /// Nobody has enrolled or confirmed this party.
    UnknownParty { party: PartyId },
    /// The party's minutes on this day, this version included, are above the rule pack's.
    DayMinutes { party: PartyId, minutes: i64, most: i64 },
    /// An occasion whose unnamed people cannot have given that many minutes in a day, or are not counted.
    OccasionTotal { unnamed_minutes: i64, unnamed_people: Option<i64> },
    /// More minutes than one person may approve, so no rule does either.
    TwoPeople { minutes: i64 },
    /// A suspicion that is still open.
    Suspicion { kind: SuspicionKind },
    /// More records are near than it was compared with.
    Crowded,
    /// The party says that it was not part of it.
    Declined { party: PartyId },
}

impl Doubt {
    /// What the resident is told of it.
    #[must_use]
    pub fn told(&self) -> Told {
        match self {
            Self::HardConflict => Told::HardConflict,
            Self::UnreadableField => Told::UnreadableField,
            Self::UnknownParty { .. } => Told::UnknownParty,
            Self::DayMinutes { minutes, .. } => Told::DayMinutes(*minutes),
            Self::OccasionTotal { unnamed_minutes, .. } => Told::OccasionTotal(*unnamed_minutes),
            Self::TwoPeople { minutes } => Told::TwoPeople(*minutes),
            Self::Suspicion { kind } => Told::Check(*kind),
            Self::Crowded => Told::Check(SuspicionKind::SameEvent),
            Self::Declined { .. } => Told::Declined,
        }
    }

    /// A stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.told().code()
    }
}

/// All reasons why a person should look at this version; none is *clean*. `decided` is what an approval of
/// `activity` would freeze.
#[must_use]
pub fn doubts(
    activity: &Activity,
    decided: &Decided,
    conflict: Conflict,
    facts: &CleanFacts,
    pack: &RulePack,
) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    if conflict == Conflict::Hard {
        doubts.push(Doubt::HardConflict);
    }
    if facts.unreadable_fields {
        doubts.push(Doubt::UnreadableField);
    }
    doubts.extend(facts.unknown_parties.iter().map(|party| Doubt::UnknownParty { party: *party }));
    doubts.extend(day_minutes(decided, facts, pack));
    doubts.extend(occasion_total(activity, decided, pack));
    let minutes = decided.minutes();
    doubts.extend(pack.needs_two(minutes).then_some(Doubt::TwoPeople { minutes }));
    doubts.extend(facts.open_suspicions.iter().map(|kind| Doubt::Suspicion { kind: *kind }));
    doubts.extend(facts.crowded.then_some(Doubt::Crowded));
    doubts.extend(facts.declined.iter().map(|party| Doubt::Declined { party: *party }));
    doubts
}

fn day_minutes<'a>(
    decided: &'a Decided,
    facts: &'a CleanFacts,
    pack: &'a RulePack,
) -> impl Iterator<Item = Doubt> {
    named(decided).into_iter().filter_map(|account| {
        let party = PartyId(account.0);
        let elsewhere = facts.minutes_that_day.get(&party).copied().unwrap_or(0);
        let minutes = decided.recorded_by(account).saturating_add(elsewhere);
        let most = pack.person_day_minutes_max;
        (minutes > most).then_some(Doubt::DayMinutes { party, minutes, most })
    })
}

/// The limit for a person and a day holds for those without a name too.
fn occasion_total(activity: &Activity, decided: &Decided, pack: &RulePack) -> Option<Doubt> {
    let unnamed_minutes = decided.unnamed();
    if unnamed_minutes == 0 || decided.part_of.is_some() {
        return None;
    }
    let names = i64::try_from(named(decided).len()).unwrap_or(i64::MAX);
    let unnamed_people = activity.people.map(|people| people.saturating_sub(names).max(0));
    let possible = unnamed_people.unwrap_or(0).saturating_mul(pack.person_day_minutes_max);
    (unnamed_minutes > possible).then_some(Doubt::OccasionTotal { unnamed_minutes, unnamed_people })
}

/// Those whom caps left nothing among them.
fn named(decided: &Decided) -> BTreeSet<AccountId> {
    decided.lines.iter().map(|line| line.account).chain(decided.clipped.keys().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::samples::{activity_id, frozen, party, pick};

    fn found(activity: &Activity, conflict: Conflict, facts: &CleanFacts) -> Vec<Doubt> {
        doubts(activity, &frozen(activity), conflict, facts, &RulePack::first())
    }

    #[test]
    fn an_ordinary_record_is_clean_with_a_soft_conflict_too() {
        let record = pick(&[(0, 480), (1, 60)]);
        let facts = CleanFacts { minutes_that_day: [(party(1), 420)].into(), ..CleanFacts::default() };
        assert_eq!(found(&record, Conflict::Soft, &facts), []);
    }

    #[test]
    fn a_day_is_counted_over_all_activities() {
        let facts = CleanFacts { minutes_that_day: [(party(1), 421)].into(), ..CleanFacts::default() };
        let doubts = found(&pick(&[(0, 480), (1, 60)]), Conflict::None, &facts);
        assert_eq!(doubts, [Doubt::DayMinutes { party: party(1), minutes: 481, most: 480 }]);
    }

    #[test]
    fn a_total_has_to_be_possible_for_the_people_it_counts() {
        let of = |people, total| {
            let occasion = Activity { people, person_minutes: Some(total), ..pick(&[(0, 90), (1, 90)]) };
            found(&occasion, Conflict::None, &CleanFacts::default()).len()
        };
        assert_eq!((of(Some(3), 180 + 480), of(Some(3), 180 + 481)), (0, 1));
        assert_eq!((of(None, 180), of(None, 181)), (0, 1), "unnamed people that nobody counted");
        assert_eq!(of(Some(1), 181), 1, "fewer people than names");
    }

    #[test]
    fn every_doubt_has_a_code_that_phones_are_told() {
        let facts = CleanFacts {
            declined: vec![party(4)],
            unknown_parties: vec![party(0)],
            minutes_that_day: [(party(0), 500)].into(),
            unreadable_fields: true,
            open_suspicions: SuspicionKind::ALL.to_vec(),
            crowded: true,
        };
        let part = Activity { part_of: Some(activity_id(1)), ..pick(&[(0, 60)]) };
        let mut all = found(&part, Conflict::Hard, &facts);
        all.push(Doubt::OccasionTotal { unnamed_minutes: 1, unnamed_people: None });
        let strict = RulePack { second_person_above_minutes: Some(59), ..RulePack::first() };
        let part_alone = doubts(&part, &frozen(&part), Conflict::None, &CleanFacts::default(), &strict);
        assert_eq!(part_alone, [Doubt::TwoPeople { minutes: 60 }]);
        all.extend(part_alone);
        let codes: Vec<_> = all.iter().map(Doubt::code).collect();
        let expected = [
            "hard_conflict",
            "unreadable_field",
            "unknown_party",
            "day_minutes",
            "check_counted_once",
            "check_times",
            "check_figures",
            "check_times",
            "check_confirmation",
            "check_confirmation",
            "check_photos",
            "check_writer",
            "check_share",
            "check_supervision",
            "check_counted_once",
            "check_counted_once",
            "declined",
            "occasion_total",
            "two_people",
        ];
        assert_eq!(codes, expected);
        for doubt in &all {
            let json = serde_json::to_value(doubt).unwrap();
            let told = !matches!(doubt, Doubt::Suspicion { .. } | Doubt::Crowded);
            assert!(!told || json["code"] == doubt.code(), "{json}");
        }
    }
}
