//! Who hears of a record besides whose it is: those whom it names, and those whom it concerns by what was decided.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::case::Case;
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::limits::{NAMED_EVER_MAX, NAMED_PARTIES_MAX};

/// By party, the journal number at which the reason ended, if it did.
type Until = BTreeMap<PartyId, Option<i64>>;

/// See the module. Whom a record no longer concerns is told that once, with the number at which it was so; of more people
/// than [`NAMED_EVER_MAX`] those are forgotten for whom that was longest ago.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearing {
    /// Whom a version names, by the ids that it names them by.
    #[serde(flatten)]
    named: Until,
    /// Whom the newest version does not name, and what was decided concerns all the same ([`concerned`]).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    counted: Until,
}

impl Hearing {
    /// It never was anybody else's business.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.counted.is_empty()
    }

    /// Notes whom a version names that was taken up at a journal number.
    pub fn names(&mut self, named: BTreeSet<PartyId>, no: i64) {
        note(&mut self.named, named, no);
        self.forget();
    }

    /// Notes whom else it concerns since a journal number. Answers whether it concerned others before.
    pub fn counts(&mut self, concerned: BTreeSet<PartyId>, no: i64) -> bool {
        let unnamed: BTreeSet<PartyId> =
            concerned.into_iter().filter(|party| !is_still(&self.named, party)).collect();
        if unnamed.is_empty() && self.counted.is_empty() {
            return false;
        }
        let before = self.counted.clone();
        note(&mut self.counted, unnamed, no);
        self.forget();
        self.counted != before
    }

    /// Whoever edits a record may name others each time: what is kept of them all is bounded.
    fn forget(&mut self) {
        if self.named.len().saturating_add(self.counted.len()) <= NAMED_EVER_MAX {
            return;
        }
        let too_many = self.all().count().saturating_sub(NAMED_EVER_MAX);
        let ended: BTreeSet<(i64, PartyId)> =
            self.all().filter_map(|(party, until)| Some((until?, party))).collect();
        for (_, party) in ended.into_iter().take(too_many) {
            self.named.remove(&party);
            self.counted.remove(&party);
        }
    }

    /// Those whom it concerns still.
    pub fn still(&self) -> impl Iterator<Item = PartyId> {
        self.all().filter(|(_, until)| until.is_none()).map(|(party, _)| party)
    }

    /// Whether it concerns them still.
    pub fn hears(&self, party: PartyId) -> bool {
        is_still(&self.named, &party) || is_still(&self.counted, &party)
    }

    /// Everybody whom it ever concerned and who is remembered; with the journal number since which it does not, if so.
    pub fn all(&self) -> impl Iterator<Item = (PartyId, Option<i64>)> {
        let mut parties: BTreeSet<PartyId> = self.named.keys().copied().collect();
        parties.extend(self.counted.keys().copied());
        parties.into_iter().map(|party| (party, self.until(party)))
    }

    /// The last of its reasons to end, if all have.
    fn until(&self, party: PartyId) -> Option<i64> {
        let ended = [&self.named, &self.counted].map(|reason| reason.get(&party).copied());
        if ended.contains(&Some(None)) { None } else { ended.into_iter().flatten().flatten().max() }
    }
}

fn is_still(reason: &Until, party: &PartyId) -> bool {
    reason.get(party).is_some_and(Option::is_none)
}

fn note(reason: &mut Until, now: BTreeSet<PartyId>, no: i64) {
    for (party, until) in reason.iter_mut() {
        if !now.contains(party) && until.is_none() {
            *until = Some(no);
        }
    }
    reason.extend(now.into_iter().map(|party| (party, None)));
}

/// Whom a record concerns by what was decided: everybody whom its lines credit, and of what was merged into it
/// everybody who hears of that, and whose that is: whoever reads that a record counts as part of another may read the other. Of
/// those whom no line credits, as many by id as there is room for in [`NAMED_PARTIES_MAX`]. What was merged into it is
/// among the cases.
pub fn concerned(cases: &BTreeMap<ActivityId, Case>, id: ActivityId) -> BTreeSet<PartyId> {
    let Some(case) = cases.get(&id) else { return BTreeSet::new() };
    let judged = &case.judgement;
    let decided = judged.cluster.as_ref().or(judged.own.as_ref());
    let credited = decided.into_iter().flat_map(|decided| &decided.lines).map(|line| PartyId(line.account.0));
    let members = judged.members.iter().filter_map(|member| cases.get(member));
    let of_members = members.flat_map(|member| member.hearing.still().chain([member.owner]));
    let credited: BTreeSet<PartyId> = credited.filter(|party| *party != case.owner).collect();
    let others = of_members.filter(|party| *party != case.owner && !credited.contains(party));
    let others: BTreeSet<PartyId> = others.collect();
    let room = NAMED_PARTIES_MAX.saturating_sub(credited.len());
    credited.into_iter().chain(others.into_iter().take(room)).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::DaybookId;

    fn party(number: u128) -> PartyId {
        PartyId(Uuid::from_u128(number))
    }

    fn parties(numbers: &[u128]) -> BTreeSet<PartyId> {
        numbers.iter().copied().map(party).collect()
    }

    #[test]
    fn it_is_kept_as_it_was_when_only_names_counted() {
        let text = format!(r#"{{"{}":null,"{}":7}}"#, party(1), party(2));
        let hearing: Hearing = serde_json::from_str(&text).unwrap();
        assert_eq!(hearing.all().collect::<Vec<_>>(), [(party(1), None), (party(2), Some(7))]);
        assert_eq!(serde_json::to_string(&hearing).unwrap(), text);
        let mut counted = hearing;
        counted.counts(parties(&[2, 3]), 9);
        let text = serde_json::to_string(&counted).unwrap();
        assert_eq!(serde_json::from_str::<Hearing>(&text).unwrap(), counted);
    }

    #[test]
    fn whom_lines_credit_all_hear_of_it_and_of_the_others_as_many_as_there_is_room_for() {
        let [canonical, member] = [1, 2].map(|number| ActivityId(Uuid::from_u128(number)));
        let mut of_member = Case::new(DaybookId(Uuid::nil()), party(3));
        of_member.hearing.names((10..).map(party).take(NAMED_PARTIES_MAX).collect(), 1);
        for (credited, others) in
            [(0, NAMED_PARTIES_MAX), (1, NAMED_PARTIES_MAX - 1), (NAMED_PARTIES_MAX + 1, 0)]
        {
            let lines = (10_000..).map(party).take(credited).map(|party| {
                serde_json::json!({
                    "account": party, "asset": "contribution", "minutes": 1, "kind": "hours", "phase": "delivery",
                    "programme": null, "place": null, "day": "2026-11-20", "capacity": "lay",
                })
            });
            let decided = serde_json::json!({
                "heading": {
                    "kind": "hours", "phase": "delivery", "programme": null, "place": null, "day": "2026-11-20",
                },
                "lines": lines.collect::<Vec<_>>(), "person_minutes": null, "named": credited, "part_of": null,
                "started_at_ms": null, "report": [],
            });
            let mut merged = Case::new(DaybookId(Uuid::nil()), party(4));
            merged.judgement.members.extend([member]);
            merged.judgement.cluster = Some(serde_json::from_value(decided).unwrap());
            let cases = [(canonical, merged), (member, of_member.clone())].into();
            let hear = concerned(&cases, canonical);
            assert_eq!(hear.range(party(10_000)..).count(), credited);
            assert_eq!(hear.range(..party(10_000)).count(), others);
        }
    }

    #[test]
    fn of_more_people_than_are_remembered_those_are_forgotten_whom_it_concerned_longest_ago() {
        let many = |from: u128, count: usize| (from..).map(party).take(count).collect::<BTreeSet<PartyId>>();
        let mut hearing = Hearing::default();
        hearing.names(parties(&[1, 2]), 1);
        hearing.names(parties(&[2]), 2);
        hearing.names(BTreeSet::new(), 3);
        assert!(hearing.counts(parties(&[5]), 3), "credited");
        hearing.names(many(10, NAMED_EVER_MAX - 3), 4);
        assert_eq!(hearing.all().count(), NAMED_EVER_MAX, "at the limit");
        hearing.names(many(10, NAMED_EVER_MAX - 2), 5);
        let all: BTreeMap<PartyId, Option<i64>> = hearing.all().collect();
        assert_eq!(all.len(), NAMED_EVER_MAX, "one past it");
        assert_eq!(
            [1, 2, 5].map(|number| all.get(&party(number)).copied()),
            [None, Some(Some(3)), Some(None)]
        );
        // Whom it concerns now all hear of it, however many they are.
        hearing.names(many(10, NAMED_EVER_MAX), 6);
        assert!(hearing.counts(parties(&[5, 6]), 6));
        assert_eq!(hearing.still().count(), NAMED_EVER_MAX + 2);
        assert_eq!(hearing.all().count(), NAMED_EVER_MAX + 2, "and nobody else is remembered");
        // Again and again, nothing grows.
        for no in 7..12 {
            hearing.names(many(10_000 * u128::try_from(no).expect("small"), 1_000), no);
            hearing.counts(BTreeSet::new(), no);
            assert_eq!(hearing.all().count(), NAMED_EVER_MAX);
        }
    }

    #[test]
    fn somebody_hears_of_it_as_long_as_there_is_a_reason() {
        let mut hearing = Hearing::default();
        hearing.names(parties(&[1, 2]), 1);
        assert!(hearing.counts(parties(&[1, 2, 3]), 2), "one more");
        assert!(!hearing.counts(parties(&[1, 2, 3]), 3));
        // The next version names nobody; what was decided stands.
        hearing.names(BTreeSet::new(), 4);
        assert!(hearing.counts(parties(&[1, 3]), 4));
        assert_eq!(hearing.still().collect::<BTreeSet<_>>(), parties(&[1, 3]));
        assert!(hearing.counts(BTreeSet::new(), 6));
        let all: Vec<_> = hearing.all().collect();
        assert_eq!(all, [(party(1), Some(6)), (party(2), Some(4)), (party(3), Some(6))]);
        hearing.names(parties(&[2]), 8);
        assert!(hearing.hears(party(2)) && !hearing.hears(party(1)));
    }
}
