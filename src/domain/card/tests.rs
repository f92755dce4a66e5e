//! What makes one card, in which order cards come, and what is suggested.

mod declined;
mod stakes;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    Card, ChosenBy, Correction, Disputed, DisputedValue, Entry, MinutesChosen, Need, Proposal, Question,
    Suggestion, Why, cards,
};
use crate::domain::ids::ActivityId;
use crate::domain::limits::SETTLEMENTS_MAX;
use crate::domain::reading::Value;
use crate::domain::review::Review;
use crate::domain::suspicion::tests::samples::{
    DAY, MINUTE, TEN, id, minutes, north, party, photo, pick, tally, with,
};
use crate::domain::suspicion::{
    AlsoReported, Clock, ClockSign, ClockSkew, Elsewhere, Evidence, MinorPresent, OverClaimed, Record,
    Surroundings, Suspicion, SuspicionKind, Thresholds, examine,
};

fn entry(record: Record, needs: &[Need]) -> Entry {
    Entry {
        moves: record.person_minutes(),
        waits_since_ms: Some(record.times.received_ms).filter(|_| !needs.is_empty()),
        record,
        review: Review::Received,
        needs: needs.iter().copied().collect(),
        parts: BTreeMap::new(),
        disputed: Vec::new(),
        unknown_parties: BTreeSet::new(),
        declined: BTreeSet::new(),
        merged_into: None,
        has_members: false,
        room: BTreeMap::new(),
    }
}

/// Everything that the rules find among some records.
fn open(entries: &[Entry]) -> Vec<Suspicion> {
    let records: Vec<Record> = entries.iter().map(|entry| entry.record.clone()).collect();
    let mut found: BTreeMap<String, Suspicion> = BTreeMap::new();
    for record in &records {
        let around = Surroundings {
            neighbours: records.iter().cloned().map(Into::into).collect(),
            ..Surroundings::default()
        };
        let suspicions = examine(record, &around, &Thresholds::default());
        found.extend(suspicions.into_iter().map(|suspicion| (suspicion.key(), suspicion)));
    }
    found.into_values().collect()
}

fn ids(cards: &[Card]) -> Vec<Vec<ActivityId>> {
    cards.iter().map(|card| card.activities.clone()).collect()
}

fn only(entries: &[Entry], open: &[Suspicion]) -> Card {
    let [card] = <[Card; 1]>::try_from(cards(entries, open)).expect("one card");
    card
}

fn asha_and_ben() -> [Entry; 2] {
    let asha = with(pick(1), |asha| {
        asha.activity.parties = vec![minutes(1, 90), minutes(2, 95)];
        asha.activity.tallies = vec![tally("bags", 2), tally("softdrinks.can", 30)];
        asha.activity.people = Some(7);
        asha.activity.person_minutes = Some(630);
    });
    let ben = with(pick(2), |ben| {
        ben.activity.parties = vec![minutes(1, 100), minutes(2, 100)];
        ben.activity.tallies = vec![tally("bags", 3)];
        ben.place = north(40.0, 0.0);
    });
    [entry(asha, &[]), entry(ben, &[])]
}

#[test]
fn what_is_clean_makes_no_card() {
    assert_eq!(cards(&[entry(pick(1), &[]), entry(pick(2), &[])], &[]), []);
    assert_eq!(cards(&[], &[]), []);
}

#[test]
fn one_pick_logged_by_two_is_one_card_and_is_merged() {
    let entries = asha_and_ben();
    let card = only(&entries, &open(&entries));
    assert_eq!(card.activities, [id(1), id(2)]);
    assert_eq!(card.minutes, 630 + 200);
    let [suggestion] = &card.suggested[..] else { panic!("{card:?}") };
    let Proposal::Merge { canonical, members, minutes, items, people, person_minutes } = &suggestion.proposal
    else {
        panic!("{suggestion:?}")
    };
    assert_eq!((*canonical, &members[..]), (id(1), &[id(2)][..]), "the one that states the total");
    let chosen = |number, minutes| MinutesChosen { party: party(number), minutes, from: id(number) };
    assert_eq!(minutes[..], [chosen(1, 90), chosen(2, 100)], "everybody's own word for their own time");
    let counts: Vec<_> = items.iter().map(|item| (item.item.as_str(), item.count)).collect();
    assert_eq!(counts, [("bags", 3), ("softdrinks.can", 30)], "the larger count, not the sum");
    assert_eq!((*people, *person_minutes, suggestion.minutes_after), (Some(7), Some(630), Some(630)));
}

#[test]
fn what_is_approved_stays_the_canonical_one() {
    let [asha, mut ben] = asha_and_ben();
    ben.review = Review::Approved;
    let entries = [asha, ben];
    let card = only(&entries, &open(&entries));
    assert!(matches!(&card.suggested[0].proposal, Proposal::Merge { canonical, .. } if *canonical == id(2)));
}

#[test]
fn an_occasion_and_its_parts_are_one_card_if_one_of_them_needs_a_person() {
    let part = |number| with(pick(number), |part| part.activity.part_of = Some(id(9)));
    let parts =
        [entry(part(1), &[]), entry(part(2), &[Need::Edited]), entry(pick(9), &[]), entry(pick(4), &[])];
    let card = only(&parts, &[]);
    assert_eq!(
        (card.id, &card.activities[..], &card.needing[..]),
        (id(9), &[id(1), id(2), id(9)][..], &[id(2)][..])
    );
    assert!(!card.audit_only);
}

#[test]
fn a_phone_whose_clock_is_off_and_an_unknown_person_are_one_card_each() {
    let clock = |number| {
        let signs = vec![ClockSign { sign: Clock::Measured, minutes: 60 }];
        Suspicion::new([id(number)], Evidence::ClockSkew(ClockSkew { signs }))
    };
    let of_one = |number| entry(with(pick(number), |record| record.daybook = pick(1).daybook), &[]);
    let mut entries = vec![of_one(1), of_one(2), entry(pick(3), &[])];
    for number in [4, 5, 6] {
        let mut stranger = entry(pick(number), &[Need::UnknownParty]);
        stranger.unknown_parties = [party(if number == 6 { 78 } else { 77 })].into();
        entries.push(stranger);
    }
    let cards = cards(&entries, &[clock(1), clock(2), clock(3)]);
    let expected = [vec![id(1), id(2)], vec![id(3)], vec![id(4), id(5)], vec![id(6)]];
    assert_eq!(ids(&cards).into_iter().collect::<BTreeSet<_>>(), expected.into());
    let two = cards.iter().find(|card| card.activities.len() == 2 && card.id == id(1)).expect("the phone's");
    assert!(
        matches!(&two.suggested[0].proposal, Proposal::Approve { activities, .. } if activities.len() == 2)
    );
    let stranger = cards.iter().find(|card| card.id == id(6)).expect("the stranger's");
    assert!(matches!(&stranger.suggested[0].proposal, Proposal::Ask { question: Question::Who, .. }));
}

#[test]
fn a_doubt_about_many_records_is_one_card() {
    let entries: Vec<Entry> = (1..=5).map(|number| entry(pick(number), &[])).collect();
    let evidence = Evidence::ClockSkew(ClockSkew { signs: Vec::new() });
    let card = only(&entries, &[Suspicion::new([5, 2, 4, 1].map(id), evidence)]);
    assert_eq!(card.activities, [1, 2, 4, 5].map(id));
}

#[test]
fn more_minutes_go_first_and_waiting_counts() {
    let waiting = |number, given, days: i64| {
        let record = with(pick(number), |record| {
            record.activity.parties = vec![minutes(number, given)];
            record.times.received_ms = TEN + (10 - days) * DAY;
        });
        entry(record, &[Need::Rules])
    };
    let order = |entries: &[Entry]| cards(entries, &[]).iter().map(|card| card.id).collect::<Vec<_>>();
    assert_eq!(order(&[waiting(1, 90, 0), waiting(2, 120, 0)]), [id(2), id(1)]);
    assert_eq!(order(&[waiting(1, 30, 4), waiting(2, 180, 0)]), [id(2), id(1)]);
    assert_eq!(order(&[waiting(1, 30, 6), waiting(2, 180, 0)]), [id(1), id(2)]);
    assert_eq!(order(&[waiting(2, 60, 0), waiting(1, 60, 0)]), [id(1), id(2)]);
}

#[test]
fn values_are_settled_before_anything_else() {
    let disputed = |field: &str, values: &[(Value, i64, i64)]| Disputed {
        field: field.to_owned(),
        values: values
            .iter()
            .map(|(value, recorded_ms, received_ms)| DisputedValue {
                value: value.clone(),
                recorded_ms: *recorded_ms,
                received_ms: *received_ms,
            })
            .collect(),
    };
    let settled = |disputed: Disputed| {
        let [mut asha, ben] = asha_and_ben();
        asha.needs = [Need::Conflict].into();
        asha.disputed = vec![disputed];
        let entries = [asha, ben];
        let card = only(&entries, &open(&entries));
        assert!(!card.suggested.iter().any(|one| matches!(one.proposal, Proposal::Merge { .. })), "{card:?}");
        match &card.suggested[0].proposal {
            Proposal::Settle { activity, values } if *activity == id(1) && values.len() == 1 => {
                Some(values[0].value.clone())
            }
            _ => None,
        }
    };
    let numbers = [(Value::Integer(100), 5, 9), (Value::Integer(90), 4, 9)];
    assert_eq!(settled(disputed("person_minutes", &numbers)), Some(90.into()));
    assert_eq!(settled(disputed("tally/bags#a", &numbers)), Some(100.into()));
    let words = [(Value::Text("park".to_owned()), 5, 9), (Value::Text("alley".to_owned()), 7, 9)];
    assert_eq!(settled(disputed("place_id", &words)), Some("alley".into()));
    let ahead = [(Value::Text("park".to_owned()), 90, 6), (Value::Text("alley".to_owned()), 7, 9)];
    assert_eq!(settled(disputed("place_id", &ahead)), Some("alley".into()), "a clock that is ahead");
    let [mut several, _] = asha_and_ben();
    several.needs = [Need::Conflict].into();
    several.disputed = vec![
        disputed("person_minutes", &numbers),
        disputed("withdrawn", &[(Value::Boolean(true), 5, 9), (Value::Boolean(false), 7, 9)]),
        disputed("place_id", &words),
        disputed("place.lat", &[(Value::Number(52.0), 5, 9), (Value::Number(53.0), 7, 9)]),
    ];
    let card = only(&[several], &[]);
    let [together] = &card.suggested[..] else { panic!("one decision for all of them: {card:?}") };
    let Proposal::Settle { values, .. } = &together.proposal else { panic!("{card:?}") };
    let fields: Vec<&str> = values.iter().map(|chosen| chosen.field.as_str()).collect();
    assert_eq!(
        fields,
        ["person_minutes", "place_id", "place.lat"],
        "whether it was taken back is for its people"
    );
    assert_eq!(together.why, Why::Chosen([ChosenBy::Least, ChosenBy::Last].into()), "each reason once");
    let [mut many, _] = asha_and_ben();
    many.needs = [Need::Conflict].into();
    let tallies = (0..=SETTLEMENTS_MAX).map(|register| disputed(&format!("tally/bags#{register}"), &numbers));
    many.disputed = tallies.collect();
    let suggested = only(&[many], &[]).suggested;
    let Proposal::Settle { values, .. } = &suggested[0].proposal else { panic!("{suggested:?}") };
    assert_eq!(values.len(), SETTLEMENTS_MAX, "as many as one decision settles");
    let back = disputed("withdrawn", &[(Value::Boolean(true), 5, 9), (Value::Boolean(false), 7, 9)]);
    let mut entry = entry(pick(1), &[Need::Conflict]);
    entry.disputed = vec![back];
    let card = only(&[entry], &[]);
    assert!(matches!(&card.suggested[0].proposal, Proposal::Ask { question: Question::TakenBack, .. }));
}

#[test]
fn minutes_that_would_count_twice_are_taken_off_the_later_record() {
    let hours = |number, start: i64, days: i64| {
        with(pick(number), |hours| {
            hours.activity.kind = crate::domain::activity::Kind::Hours;
            hours.activity.parties = vec![minutes(1, 60)];
            hours.activity.started_at_ms = Some(TEN + start * MINUTE);
            hours.times.recorded_ms = TEN + 200 * MINUTE;
            hours.times.received_ms += days * DAY;
        })
    };
    let entries = [entry(pick(1), &[]), entry(hours(2, 70, 1), &[]), entry(hours(3, 120, 2), &[])];
    let card = only(&entries, &open(&entries));
    let [suggestion] = &card.suggested[..] else { panic!("{card:?}") };
    let Proposal::Approve { activities, corrections } = &suggestion.proposal else { panic!("{card:?}") };
    assert_eq!(activities[..], [id(1), id(2), id(3)]);
    let corrected = |number, minutes| Correction { activity: id(number), party: party(1), minutes };
    assert_eq!(corrections[..], [corrected(2, 40), corrected(3, 50)]);
    assert_eq!(suggestion.minutes_after, Some(90 + 40 + 50));
    let inside = [entry(pick(1), &[]), entry(hours(2, 10, 1), &[])];
    let card = only(&inside, &open(&inside));
    assert!(
        matches!(&card.suggested[0].proposal, Proposal::Ask { question: Question::Times, activities } if activities[..] == [id(2)])
    );
}

#[test]
fn a_part_is_cut_to_what_its_occasion_has_left() {
    let over = |remainder| {
        let evidence = OverClaimed {
            occasion: id(9),
            claimed: 90,
            remainder,
            total: 630,
            named: 630 - remainder,
            other_parts: 0,
        };
        Suspicion::new([id(1), id(9)], Evidence::OverClaimed(evidence))
    };
    let entries = [entry(with(pick(1), |part| part.activity.part_of = Some(id(9))), &[])];
    let card = only(&entries, &[over(60)]);
    let Proposal::Approve { corrections, .. } = &card.suggested[0].proposal else { panic!("{card:?}") };
    assert_eq!(corrections[..], [Correction { activity: id(1), party: party(1), minutes: 60 }]);
    let card = only(&entries, &[over(0)]);
    assert!(matches!(&card.suggested[0].proposal, Proposal::Ask { question: Question::Times, .. }));
}

#[test]
fn what_only_people_know_is_asked_and_what_another_did_is_rejected() {
    let first =
        |evidence| only(&[entry(pick(1), &[])], &[Suspicion::new([id(1)], evidence)]).suggested.remove(0);
    let minor = MinorPresent { minors: vec![party(5)], unsupervised: vec![party(5)] };
    let asked = first(Evidence::MinorPresent(minor)).proposal;
    assert_eq!(asked, Proposal::Ask { activities: vec![id(1)], question: Question::Supervision });
    let signs = vec![ClockSign { sign: Clock::DayAhead, minutes: 1_440 }];
    let asked = first(Evidence::ClockSkew(ClockSkew { signs })).proposal;
    assert_eq!(asked, Proposal::Ask { activities: vec![id(1)], question: Question::Times });
    let done = AlsoReported {
        how: Elsewhere::DoneOfficially,
        provider: Some("city council".to_owned()),
        reference: Some("q_3".to_owned()),
        distance_m: None,
        days_apart: 0,
    };
    let rejected = first(Evidence::AlsoReported(done));
    assert_eq!(rejected.proposal, Proposal::Reject { activities: vec![id(1)] });
    assert_eq!(rejected.why, Why::DoneOfficially);
}

#[test]
fn of_two_records_with_one_photo_the_later_one_is_asked_about() {
    let shown = |number, days: u64| {
        let record = with(pick(number), |shown| {
            shown.photos.insert(photo(1), TEN);
            shown.activity.started_at_ms = None;
            shown.activity.day = shown.activity.day + chrono::Days::new(days);
            shown.times.received_ms += 9 * DAY + i64::try_from(days).expect("few") * DAY;
        });
        entry(record, &[])
    };
    let entries = [shown(1, 2), shown(2, 0)];
    let card = only(&entries, &open(&entries));
    let asked = Proposal::Ask { activities: vec![id(1)], question: Question::Photos };
    let approved = Proposal::Approve { activities: vec![id(2)], corrections: vec![] };
    let proposals: Vec<_> = card.suggested.into_iter().map(|one| one.proposal).collect();
    assert_eq!(proposals, [asked, approved]);
}

#[test]
fn what_others_are_merged_into_is_never_approved_alone() {
    let merged = |review, needs: &[Need]| {
        let mut canonical = entry(with(pick(1), |pick| pick.activity.parties = vec![minutes(1, 90)]), needs);
        (canonical.review, canonical.has_members, canonical.moves) = (review, true, -100);
        let mut member = entry(with(pick(2), |pick| pick.activity.parties = vec![minutes(2, 100)]), &[]);
        member.merged_into = Some(id(1));
        [canonical, member]
    };
    let edited = merged(Review::EditedAfterApproval, &[Need::Edited]);
    let [suggestion] = &only(&edited, &[]).suggested[..] else { panic!("one suggestion") };
    assert_eq!(suggestion.proposal, Proposal::Keep { activities: vec![id(1)] });
    assert_eq!(suggestion.minutes_after, Some(190), "what was posted");
    // Somebody was not part of it, of either record: that has to be taken apart first.
    for at in [0, 1] {
        let mut declined = edited.clone();
        declined[at].declined = [party(2)].into();
        assert_eq!(only(&declined, &[]).suggested, []);
    }
    // A third record of the same event: no merge goes over another one.
    let [canonical, member] = merged(Review::Approved, &[]);
    let third = entry(with(pick(3), |pick| pick.activity.parties = vec![minutes(1, 90)]), &[]);
    let entries = [canonical, member, third];
    let found = open(&[entries[0].clone(), entries[2].clone()]);
    assert!(found.iter().any(|suspicion| suspicion.kind() == SuspicionKind::SameEvent), "{found:?}");
    let of_canonical = |one: &Suggestion| match &one.proposal {
        Proposal::Approve { activities, .. } | Proposal::Reject { activities } => activities.contains(&id(1)),
        Proposal::Merge { .. } => true,
        _ => false,
    };
    assert!(!only(&entries, &found).suggested.iter().any(of_canonical));
}

#[test]
fn what_is_in_conflict_and_nobody_may_see_is_neither_asked_about_nor_approved() {
    let hidden = entry(pick(1), &[Need::Conflict]);
    assert_eq!(only(&[hidden], &[]).suggested, []);
}

#[test]
fn a_card_drawn_by_lot_says_so_and_is_the_same_as_json() {
    let audit = only(&[entry(pick(1), &[Need::Audit])], &[]);
    assert!(audit.audit_only);
    assert!(!only(&[entry(pick(1), &[Need::Audit, Need::Edited])], &[]).audit_only);
    let entries = asha_and_ben();
    let card = only(&entries, &open(&entries));
    let json = serde_json::to_value(&card).expect("JSON");
    assert_eq!(json["suggested"][0]["decision"], "merge");
    assert_eq!(json["suspicions"][0]["kind"], "same_event");
    assert_eq!(serde_json::from_value::<Card>(json).expect("the same"), card);
}

/// Up to 24 records, some parts of others, some merged, and pairs that are in doubt together.
fn neighbourhood() -> impl Strategy<Value = (Vec<Entry>, Vec<Suspicion>)> {
    let one = (0..24_u128, 0..24_u128, 0..4_u8, 0..200_i64, 0..3_u128);
    let pairs = proptest::collection::vec((0..30_u128, 0..30_u128), 0..12);
    (proptest::collection::vec(one, 0..24), pairs).prop_map(|(ones, pairs)| {
        let entries = ones.into_iter().enumerate().map(|(at, (occasion, other, role, waits, daybook))| {
            let number = u128::try_from(at).expect("few");
            let record = with(pick(number), |record| {
                record.activity.part_of = (role == 1).then(|| id(occasion));
                record.times.received_ms = TEN + waits * MINUTE;
                record.daybook = pick(daybook).daybook;
            });
            let mut entry = entry(record, if role == 2 { &[Need::Rules] } else { &[] });
            entry.merged_into = (role == 3).then(|| id(other));
            entry
        });
        let evidence = || Evidence::ClockSkew(ClockSkew { signs: Vec::new() });
        let open = pairs.into_iter().map(|(a, b)| Suspicion::new([id(a), id(b)], evidence()));
        (entries.collect(), open.collect())
    })
}

proptest! {
    #[test]
    fn cards_do_not_depend_on_the_order_of_anything((entries, open) in neighbourhood(), turn in 0..24_usize) {
        let expected = cards(&entries, &open);
        let (mut entries, mut open) = (entries, open);
        entries.reverse();
        let turn = turn % entries.len().max(1);
        entries.rotate_left(turn);
        open.reverse();
        prop_assert_eq!(cards(&entries, &open), expected);
    }

    #[test]
    fn an_activity_stands_in_one_card_and_all_that_needs_a_person_in_some((entries, open) in neighbourhood()) {
        let cards = cards(&entries, &open);
        let mut seen = BTreeSet::new();
        for card in &cards {
            prop_assert!(card.activities.is_sorted() && card.activities.contains(&card.id));
            prop_assert!(card.needing.iter().all(|id| card.activities.contains(id)) && !card.needing.is_empty());
            for id in &card.activities {
                prop_assert!(seen.insert(*id), "{id} stands in two cards");
            }
        }
        for entry in &entries {
            let doubted = open.iter().any(|suspicion| suspicion.about.contains(&entry.record.id));
            let needs = doubted || !entry.needs.is_empty();
            prop_assert!(!needs || seen.contains(&entry.record.id));
            let together = entry.record.activity.part_of.filter(|occasion| seen.contains(occasion));
            prop_assert!(together.is_none() || seen.contains(&entry.record.id), "a part is where its occasion is");
        }
        for suspicion in &open {
            let cards: BTreeSet<ActivityId> = cards
                .iter()
                .filter(|card| suspicion.about.iter().any(|id| card.activities.contains(id)))
                .map(|card| card.id)
                .collect();
            prop_assert!(cards.len() <= 1, "one doubt in two cards");
        }
    }
}
