//! Small records for the tests: parties, activities and their lines by number.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use uuid::Uuid;

use crate::domain::activity::{Activity, Grades, Kind, PartyMinutes, Phase, Tally};
use crate::domain::ids::{AccountId, ActivityId, DecisionId, NeighbourhoodId, PartyId};
use crate::domain::review::Conflict;
use crate::ledger::{Ask, Corrections, Decided, Decider, LineContext, NewVersion, Request, decide_lines};
use crate::ledger::{Changed, Line, RuleFacts, Settlements};

pub fn neighbourhood() -> NeighbourhoodId {
    NeighbourhoodId(Uuid::from_u128(0xFFFF))
}

pub fn party(number: u128) -> PartyId {
    PartyId(Uuid::from_u128(0x1000 + number))
}

pub fn account(number: u128) -> AccountId {
    AccountId(party(number).0)
}

pub fn holding() -> AccountId {
    AccountId(neighbourhood().0)
}

pub fn activity_id(number: u128) -> ActivityId {
    ActivityId(Uuid::from_u128(0x2000 + number))
}

pub fn decision_id(number: u128) -> DecisionId {
    DecisionId(Uuid::from_u128(0x3000 + number))
}

pub fn day(of_month: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, of_month).unwrap()
}

/// A litter pick on the first, by these (party, minutes).
pub fn pick(parties: &[(u128, i64)]) -> Activity {
    let named = |(number, minutes): &(u128, i64)| PartyMinutes {
        party_id: party(*number),
        organisation_id: None,
        minutes: *minutes,
    };
    Activity {
        kind: Kind::LitterPick,
        day: day(1),
        started_at_ms: None,
        phase: Phase::Delivery,
        programme: None,
        place_id: None,
        part_of: None,
        confirms: None,
        parties: parties.iter().map(named).collect(),
        people: None,
        person_minutes: None,
        tallies: Vec::new(),
        grades: Grades::default(),
        withdrawn: false,
    }
}

pub fn tally(count: i64) -> Tally {
    Tally { item: "drink.can".to_owned(), seen: false, count, registers: Vec::new() }
}

pub fn frozen(activity: &Activity) -> Decided {
    corrected(activity, &Corrections::default())
}

pub fn corrected(activity: &Activity, corrections: &Corrections) -> Decided {
    let (aliases, capacities) = (BTreeMap::new(), BTreeMap::new());
    decide_lines(activity, &LineContext { aliases: &aliases, capacities: &capacities, corrections })
}

/// A version of a record of party 0, clean.
pub fn new_version(version: i64, activity: &Activity) -> NewVersion {
    NewVersion {
        version,
        decided: Some(frozen(activity)),
        withdrawn: activity.withdrawn,
        withdrawn_meanwhile: false,
        changed: Changed::Ledger,
        doubts: Vec::new(),
        owner: party(0),
        owner_aliases: BTreeSet::new(),
        has_parts: false,
        decision: decision_id(0xF000 + u128::try_from(version).unwrap()),
        rule: RuleFacts::default(),
        reads: BTreeMap::new(),
    }
}

/// A request by party 9, who appears in no record.
pub fn request(number: u128, seen: (i64, i64), ask: Ask) -> Request {
    Request {
        id: decision_id(number),
        version: seen.0,
        decision_seq: seen.1,
        decider: Decider { party: party(9), aliases: Vec::new() },
        reason: Some("as agreed with the crew".to_owned()),
        settles: Settlements::new(),
        reads: BTreeMap::new(),
        ask,
    }
}

pub fn approve(decided: Decided) -> Ask {
    Ask::Approve { decided: Some(decided), corrected: false, conflict: Conflict::None }
}

/// (account, minutes) of lines.
pub fn minutes(lines: &[Line]) -> Vec<(AccountId, i64)> {
    lines.iter().map(|line| (line.account, line.minutes)).collect()
}
