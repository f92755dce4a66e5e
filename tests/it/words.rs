//! Words for people: every code has some, in every language, and all of them stand in one place.

use std::collections::BTreeSet;
use std::path::Path;

use daybook::domain::card::{ChosenBy, Question, Why};
use daybook::domain::suspicion::SuspicionKind;
use daybook::domain::words::{self, Language, Told};
use daybook::merge::admit::HeldReason;

/// The folder of the sentences.
const HOME: &str = "src/domain/words/";
/// Shorter pieces of a sentence may stand anywhere.
const PIECE_CHARACTERS_MIN: usize = 16;

/// One of each; a new one does not compile until it is here.
fn all_told() -> Vec<Told> {
    use Told::{
        Capped, Check, DayMinutes, Declined, FewerMinutes, HardConflict, OccasionTotal, Shared, TakenBack,
        TwoPeople, Undone, UnknownParty, Unmerged, UnreadableField,
    };
    let mut all = vec![TakenBack, Undone, Unmerged, FewerMinutes, Capped(481), HardConflict, UnreadableField];
    all.extend([UnknownParty, DayMinutes(481), OccasionTotal(481), TwoPeople(481), Declined, Shared]);
    all.extend(SuspicionKind::ALL.map(Check));
    for told in &all {
        match told {
            TakenBack | Undone | Unmerged | FewerMinutes | Capped(_) | HardConflict | UnreadableField => {}
            UnknownParty | DayMinutes(_) | OccasionTotal(_) | TwoPeople(_) | Declined | Check(_) | Shared => {
            }
        }
    }
    all
}

/// The same for what is suggested.
fn all_why() -> Vec<Why> {
    use Why::{
        Ask, Chosen, CountedTwice, DoneOfficially, MergeStands, OneEvent, Ordinary, WithoutWhoDeclined,
    };
    let mut all = vec![OneEvent(481), DoneOfficially, MergeStands, WithoutWhoDeclined, CountedTwice(481)];
    all.extend([Ordinary(1), Ordinary(481)]);
    all.extend([ChosenBy::Least, ChosenBy::GreatestCount, ChosenBy::Last].map(|by| Chosen([by].into())));
    all.extend(Question::ALL.map(Ask));
    for why in &all {
        match why {
            Chosen(_) | OneEvent(_) | DoneOfficially | MergeStands | WithoutWhoDeclined => {}
            CountedTwice(_) | Ordinary(_) | Ask(_) => {}
        }
    }
    all
}

/// All sentences of a language that residents read or may read.
fn sentences(language: Language) -> Vec<String> {
    let told = all_told().into_iter().map(|told| told.text(language));
    let why = all_why().into_iter().map(|why| why.text(language));
    let asked = Question::ALL.into_iter().map(|question| words::question(question, language).to_owned());
    let held = HeldReason::ALL.into_iter().map(|reason| words::held(reason.as_str(), language).to_owned());
    told.chain(why).chain(asked).chain(held).collect()
}

#[test]
fn every_code_that_people_are_told_has_words_in_every_language() {
    for language in Language::ALL {
        for sentence in sentences(language) {
            assert!(sentence.ends_with(['.', '?']) && sentence.len() >= PIECE_CHARACTERS_MIN, "{sentence}");
        }
        // What waits says for what: each code by its own sentence, and none by that of one that nobody knows.
        let held: BTreeSet<&str> =
            HeldReason::ALL.into_iter().map(|reason| words::held(reason.as_str(), language)).collect();
        assert_eq!(held.len(), HeldReason::ALL.len());
        assert!(!held.contains(words::held("of a later version", language)));
        // Who reads another code reads another sentence.
        let all = all_told();
        for one in &all {
            for other in all.iter().filter(|other| other.code() != one.code()) {
                assert_ne!(one.text(language), other.text(language), "{one:?} {other:?}");
            }
        }
    }
}

/// Source as one line: no comments, and texts that go on in the next line put together.
fn one_line(source: &str) -> String {
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut joined = String::new();
    for line in code {
        if joined.ends_with('\\') {
            joined.pop();
        } else {
            joined.push(' ');
        }
        joined.push_str(line.trim());
    }
    joined
}

/// What stands between the figures of a sentence.
fn pieces(sentence: &str) -> impl Iterator<Item = &str> {
    sentence.split(|letter: char| letter.is_ascii_digit()).filter(|piece| piece.len() >= PIECE_CHARACTERS_MIN)
}

fn look(folder: &Path, found: &mut impl FnMut(&str, &str)) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let name = entry.to_str().expect("a name").to_owned();
        if entry.is_dir() {
            look(&entry, found);
        } else if name.ends_with(".rs") {
            found(&name, &one_line(&std::fs::read_to_string(&entry).expect("a file")));
        }
    }
}

#[test]
fn no_sentence_for_residents_stands_outside_of_its_module() {
    let all: Vec<String> = Language::ALL.into_iter().flat_map(sentences).collect();
    let (mut at_home, mut elsewhere) = (BTreeSet::new(), Vec::new());
    look(Path::new("src"), &mut |file, code| {
        let home = file.starts_with(HOME);
        for piece in all.iter().flat_map(|sentence| pieces(sentence)).filter(|piece| code.contains(piece)) {
            if home {
                at_home.insert(piece);
            } else {
                elsewhere.push(format!("{file}: {piece}"));
            }
        }
        // How all that is in doubt is told to residents: nobody else begins so, but for examples.
        let openings = code.match_indices("\"We need to check").map(|(at, _)| &code[..at]);
        let told = openings.filter(|before| !home && !before.ends_with("example = "));
        elsewhere.extend(told.map(|_| format!("{file}: We need to check")));
    });
    assert_eq!(elsewhere, Vec::<String>::new());
    // Otherwise nothing would have been looked for.
    let whole = all.iter().filter(|sentence| pieces(sentence).any(|piece| at_home.contains(piece)));
    assert_eq!(whole.count(), all.len());
}
