//! The tables of the guides against the code: keys with their classes and ranges, and every word of the sync.

use std::collections::BTreeSet;

use daybook::domain::ids::ActivityId;
use daybook::domain::key::{Class, Key, Raw};
use daybook::domain::review::Review;
use daybook::flows::accept::Deferral;
use daybook::ledger::Refusal;
use daybook::merge::RefusalCode;
use daybook::merge::admit::HeldReason;

use super::text;

/// The sections of the document guide that hold keys, and the class of what stands there.
const SECTIONS: [(&str, Class); 3] = [
    ("### What the ledger counts", Class::Ledger),
    ("### What reports count", Class::Report),
    ("### What nobody counts", Class::Inert),
];

/// A row: class, key, what it may hold.
struct Row {
    class: Class,
    key: String,
    holds: String,
}

fn rows() -> Vec<Row> {
    let guide = text("document");
    let mut rows = Vec::new();
    for (title, class) in SECTIONS {
        let (_, section) = guide.split_once(title).unwrap_or_else(|| panic!("no section {title}"));
        let section = section.split("\n## ").next().and_then(|rest| rest.split("\n### ").next());
        for line in section.unwrap_or_default().lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (key, holds) = (cells[1].trim_matches('`').to_owned(), cells[2].to_owned());
            rows.push(Row { class, key, holds });
        }
    }
    rows
}

/// A key of the kind that a row tells of.
fn sample(key: &str) -> String {
    let id = "01a1fd8c-6900-7a51-8d2f-0c9e1b77a501";
    let parts = [
        ("<party id>", id),
        ("[@<organisation id>]", ""),
        ("<category>.<object>[.<type>][:seen]", "smoking.butts"),
        ("<register>", "5e0c"),
        ("<sha256>", &"ab".repeat(32)),
    ];
    parts.iter().fold(key.to_owned(), |key, (part, put)| key.replace(part, put))
}

/// Every sort of key has a number here, and so a row in the guide.
fn number(key: &Key<'_>) -> Option<usize> {
    Some(match key {
        Key::Kind => 0,
        Key::Day => 1,
        Key::StartedAt => 2,
        Key::MinutesSource => 3,
        Key::Phase => 4,
        Key::Note => 5,
        Key::Programme => 6,
        Key::Action => 7,
        Key::PlaceId => 8,
        Key::PartOf => 9,
        Key::Confirms => 10,
        Key::Party { .. } => 11,
        Key::People => 12,
        Key::PersonMinutes => 13,
        Key::Tally { .. } => 14,
        Key::PlaceLat => 15,
        Key::PlaceLon => 16,
        Key::PlaceAccuracy => 17,
        Key::GradeBefore => 18,
        Key::GradeAfter => 19,
        Key::Repair(_) => 20,
        Key::Street(_) => 21,
        Key::Source(_) => 22,
        Key::Photo(_) => 23,
        Key::Withdrawn => 24,
        Key::Unknown(_) => return None,
    })
}

#[test]
fn every_key_stands_in_the_guide_with_what_it_matters_to() {
    let mut seen = BTreeSet::new();
    for Row { class, key, .. } in rows() {
        let sample = sample(&key);
        let read = Key::parse(&sample);
        let number = number(&read).unwrap_or_else(|| panic!("nobody knows {key}"));
        assert_eq!(read.class(), class, "{key}");
        seen.insert((number, if number < 14 { String::new() } else { sample }));
    }
    let numbers: BTreeSet<usize> = seen.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (0..=24).collect(), "a key has no row");
    let of = |wanted: usize| seen.iter().filter(|(number, _)| *number == wanted).count();
    assert_eq!((of(14), of(20), of(21), of(22)), (3, 9, 2, 4), "tallies, repair, street, source");
}

#[test]
fn every_range_is_what_is_read() {
    let mut checked = 0;
    for Row { key, holds, .. } in rows() {
        let sample = sample(&key);
        let key = Key::parse(&sample);
        let plain = holds.replace(',', "");
        let numbers: Vec<i64> = plain.split(' ').filter_map(|word| word.parse().ok()).collect();
        let reads = |raw: Raw<'_>| key.read(&raw).is_ok();
        match numbers[..] {
            [least, most] if plain.contains("characters") => {
                let text = |count: i64| "x".repeat(usize::try_from(count).expect("small"));
                assert!(reads(Raw::Text(&text(least))) && reads(Raw::Text(&text(most))), "{sample}");
                assert!(!reads(Raw::Text(&text(most + 1))), "{sample}");
            }
            [least, most] => {
                assert!(reads(Raw::Integer(least)) && reads(Raw::Integer(most)), "{sample}");
                assert!(!reads(Raw::Integer(least - 1)) && !reads(Raw::Integer(most + 1)), "{sample}");
            }
            _ => continue,
        }
        checked += 1;
    }
    assert!(checked >= 20, "only {checked} ranges");
}

#[test]
fn the_guide_of_the_sync_names_every_state_outcome_and_code() {
    let guide = text("offline-sync");
    let words = ["ok", "restart", "reload", "busy", "gone", "not_found"].into_iter();
    let words = words.chain(["accepted", "duplicate", "held", "deferred", "refused"]);
    let words = words.chain(HeldReason::ALL.map(HeldReason::as_str));
    let words = words.chain(Deferral::ALL.map(Deferral::as_str));
    for word in words.chain(RefusalCode::ALL.iter().map(|code| code.as_str())) {
        assert!(guide.contains(&format!("| `{word}` |")), "{word} has no row");
    }
}

/// Every refusal of a decision, in turn: the match has none of them left out.
fn after(refusal: &Refusal) -> Option<Refusal> {
    use Refusal as R;
    Some(match refusal {
        R::VersionChanged { .. } => R::ReasonRequired,
        R::ReasonRequired => R::OwnCredit,
        R::OwnCredit => R::UndoBlocked { latest: None },
        R::UndoBlocked { .. } => R::ConflictUnsettled,
        R::ConflictUnsettled => R::NothingPosted,
        R::NothingPosted => R::Unreadable,
        R::Unreadable => R::MergedAway { into: ActivityId(uuid::Uuid::nil()) },
        R::MergedAway { .. } => R::Merged,
        R::Merged => R::NotMerged,
        R::NotMerged => R::MembersUnfit,
        R::MembersUnfit => R::SecondPerson,
        R::SecondPerson => R::MergeRaises,
        R::MergeRaises => R::NothingChanges,
        R::NothingChanges => R::NothingToSettle,
        R::NothingToSettle => R::SettlementUnfit { field: String::new() },
        R::SettlementUnfit { .. } => return None,
    })
}

#[test]
fn the_guide_of_reconciling_names_every_code_of_a_decision() {
    let guide = text("reconcile");
    let first = Refusal::VersionChanged { version: 1, decision_seq: 0, review: Review::Received };
    for refusal in std::iter::successors(Some(first), after) {
        assert!(guide.contains(&format!("| `{}` |", refusal.code())), "{refusal:?} has no row");
    }
}
