//! What an approval freezes: aliases, capacities, corrections.

use std::collections::BTreeMap;

use super::samples::{account, corrected, day, frozen, minutes, party, pick, tally};
use crate::domain::activity::{Activity, Grade, Grades, PartyMinutes};
use crate::ledger::{
    Capacity, CorrectionFault, Corrections, Decided, LineContext, decide_lines, merged_lines,
};

fn with(aliases: &[(u128, u128)], professionals: &[(u128, u128)], activity: &Activity) -> Decided {
    let aliases = aliases.iter().map(|(from, to)| (party(*from), party(*to))).collect();
    let capacities =
        professionals.iter().map(|(who, at)| ((party(*who), party(*at)), Capacity::Professional)).collect();
    let corrections = Corrections { minutes: BTreeMap::new(), ..Corrections::default() };
    decide_lines(
        activity,
        &LineContext { aliases: &aliases, capacities: &capacities, corrections: &corrections },
    )
}

fn at(number: u128, organisation: u128, minutes: i64) -> PartyMinutes {
    PartyMinutes { party_id: party(number), organisation_id: Some(party(organisation)), minutes }
}

#[test]
fn ids_of_one_party_are_summed_and_zero_gives_no_line() {
    let record = pick(&[(0, 60), (1, 0), (2, 30), (3, 5)]);
    let decided = with(&[(2, 4), (4, 0)], &[], &record);
    assert_eq!(minutes(&decided.lines), [(account(0), 90), (account(3), 5)]);
    assert_eq!(decided.named, 95);
    let circle = with(&[(0, 2), (2, 0)], &[], &record);
    assert_eq!(circle.named, 95, "a circle of aliases loses nobody");
}

#[test]
fn minutes_in_two_capacities_stay_apart() {
    let mut record = pick(&[(0, 60)]);
    record.parties.extend([at(0, 7, 30), at(1, 7, 20)]);
    let decided = with(&[(17, 7)], &[(0, 7)], &record);
    let lines: Vec<_> = decided.lines.iter().map(|line| (line.minutes, line.capacity)).collect();
    assert_eq!(lines, [(30, Capacity::Professional), (60, Capacity::Lay), (20, Capacity::Lay)]);
    record.parties[1].organisation_id = Some(party(17));
    assert_eq!(with(&[(17, 7)], &[(0, 7)], &record), decided, "organisations have aliases too");
}

#[test]
fn a_correction_sets_the_whole_of_a_party() {
    let mut record = pick(&[(0, 60), (1, 10)]);
    record.parties.push(at(0, 7, 30));
    let capacities = BTreeMap::from([((party(0), party(7)), Capacity::Professional)]);
    for (to, professional, lay) in [(0, 0, 0), (50, 0, 50), (80, 20, 60), (90, 30, 60), (100, 30, 70)] {
        let corrections = Corrections { minutes: [(party(0), to)].into(), ..Corrections::default() };
        let context =
            LineContext { aliases: &BTreeMap::new(), capacities: &capacities, corrections: &corrections };
        let decided = decide_lines(&record, &context);
        let of = |capacity| {
            let mine = decided.lines.iter().filter(|line| line.account == account(0));
            mine.filter(|line| line.capacity == capacity).map(|line| line.minutes).sum::<i64>()
        };
        assert_eq!((of(Capacity::Professional), of(Capacity::Lay)), (professional, lay), "to {to}");
        assert_eq!(decided.named, to + 10);
    }
}

#[test]
fn corrections_change_the_lines_and_their_heading() {
    let record = Activity { person_minutes: Some(500), tallies: vec![tally(7)], ..pick(&[(0, 60)]) };
    let corrections = Corrections {
        person_minutes: Some(400),
        day: Some(day(2)),
        programme: Some("parks".to_owned()),
        place: Some("mill-lane".to_owned()),
        ..Corrections::default()
    };
    let decided = corrected(&record, &corrections);
    assert_eq!((decided.person_minutes, decided.unnamed()), (Some(400), 340));
    let line = &decided.lines[0];
    assert_eq!((line.day, line.programme.as_deref()), (day(2), Some("parks")));
    assert_eq!(decided.heading.place.as_deref(), Some("mill-lane"));
    assert_eq!(decided.report, frozen(&record).report, "figures stay as reported");
}

#[test]
fn corrections_that_do_not_fit_are_named() {
    let record = pick(&[(0, 60)]);
    let aliases = BTreeMap::from([(party(5), party(0))]);
    let of = |number, minutes| {
        let fix = Corrections { minutes: [(party(number), minutes)].into(), ..Corrections::default() };
        fix.check(&record, &aliases)
    };
    assert_eq!(of(5, 30), Ok(()), "by another id of the same party");
    assert_eq!(of(1, 30), Err(CorrectionFault::PartyNotNamed(party(1))));
    assert_eq!(of(0, 1_441), Err(CorrectionFault::MinutesOutOfRange(1_441)));
    assert_eq!(of(0, -1), Err(CorrectionFault::MinutesOutOfRange(-1)));
    let total = |total| Corrections { person_minutes: Some(total), ..Corrections::default() };
    assert_eq!(total(5).check(&record, &aliases), Err(CorrectionFault::NoTotal));
    let occasion = Activity { person_minutes: Some(1), ..record.clone() };
    assert_eq!(total(-5).check(&occasion, &aliases), Err(CorrectionFault::MinutesOutOfRange(-5)));
}

#[test]
fn what_is_above_a_cap_is_in_no_line_and_in_no_remainder() {
    let mut record = Activity { person_minutes: Some(300), ..pick(&[(0, 60), (1, 90), (2, 40)]) };
    record.parties.push(at(0, 7, 30));
    let free = with(&[], &[(0, 7)], &record);
    assert_eq!((free.named, free.unnamed()), (220, 80));
    let room = [(party(0), 50), (party(1), 0), (party(2), 40), (party(9), 0)].into();
    let within = free.clone().within(&room);
    let lines: Vec<_> = within.lines.iter().map(|line| (line.account, line.minutes, line.capacity)).collect();
    assert_eq!(lines, [(account(0), 50, Capacity::Lay), (account(2), 40, Capacity::Lay)]);
    assert_eq!((within.named, within.unnamed(), within.person_minutes), (90, 80, Some(170)));
    assert_eq!(within.clipped, [(account(0), 40), (account(1), 90)].into());
    assert_eq!([0, 1, 2].map(|number| within.recorded_by(account(number))), [90, 90, 40]);
    assert_eq!(free.clone().within(&[(party(0), 90), (party(1), 90)].into()), free, "at the cap all counts");
    assert_eq!(free.clone().within(&[(party(0), 89)].into()).clipped, [(account(0), 1)].into());
}

#[test]
fn grades_are_frozen_beside_the_figures() {
    let grades = Grades { before: Some(Grade::D), after: Some(Grade::A) };
    let record = Activity { grades, ..pick(&[(0, 60)]) };
    let decided = frozen(&record);
    assert_eq!(decided.grades, grades);
    let json = serde_json::to_string(&decided).unwrap();
    assert!(json.contains(r#""grades":{"before":"D","after":"A"}"#), "{json}");
    assert_eq!(serde_json::from_str::<Decided>(&json).unwrap(), decided);
    let other = Activity { grades: Grades { before: Some(Grade::B), after: None }, ..pick(&[(0, 60)]) };
    let ungraded = frozen(&pick(&[(0, 60)]));
    let merged =
        merged_lines(&ungraded, &[frozen(&other), decided], &Corrections::default(), &BTreeMap::new());
    assert_eq!(merged.unwrap().grades, Grades { before: Some(Grade::B), after: Some(Grade::A) });
}

#[test]
fn what_was_clipped_comes_back_whole_before_several_are_clipped_together() {
    let mut record = Activity { person_minutes: Some(300), ..pick(&[(0, 60), (1, 90)]) };
    record.parties.push(at(0, 7, 30));
    let free = with(&[], &[(0, 7)], &record);
    let room = [(party(0), 70), (party(1), 30)].into();
    let within = free.clone().within(&room);
    assert_eq!((within.named, within.claimed(), within.person_minutes), (100, 180, Some(220)));
    let whole = within.clone().unclipped();
    assert_eq!((whole.named, whole.person_minutes, whole.clipped.len()), (180, Some(300), 0));
    assert_eq!(whole.within(&room).clipped, within.clipped);
    assert_eq!(free.clone().unclipped(), free);
    // Two parts of an occasion that tell of one event, approved within a cap of 60, claim 90 together.
    let part = || frozen(&pick(&[(0, 90)])).within(&[(party(0), 60)].into()).unclipped();
    let merged = merged_lines(&part(), &[part()], &Corrections::default(), &BTreeMap::new()).unwrap();
    let merged = merged.within(&[(party(0), 60)].into());
    assert_eq!((merged.named, merged.claimed()), (60, 90));
}
