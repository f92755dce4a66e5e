//! `readings.json`: what several writers wrote, and how each activity is read.

use std::collections::BTreeSet;

use automerge::transaction::Transactable as _;
use automerge::{AutoCommit, ObjType, ROOT, ScalarValue};
use daybook::domain::limits::{FIELD_VALUES_MAX, NOTE_CHARACTERS_MAX};
use daybook::merge::replay::Replay;
use serde_json::{Value, json};

use super::writer::{
    OTHER, PARTY, RECORD, activities, base64url, create, heads, joined, met, recorded, writer,
};
use super::{random, writer as write};

/// Histories that nobody thought up.
const RANDOM: u64 = 12;

/// One document.
pub struct Case {
    pub name: String,
    pub says: &'static str,
    pub daybook: Replay,
}

fn case(name: &str, says: &'static str, writers: &mut [&mut AutoCommit]) -> Case {
    Case { name: name.to_owned(), says, daybook: met(writers) }
}

/// The file.
pub fn told() -> Value {
    let thought_up = [alone(), at_once(), counted(), taken_away(), types()].into_iter().flatten();
    let cases: Vec<Case> = thought_up.chain((1..=RANDOM).map(random::case)).collect();
    let names: BTreeSet<&String> = cases.iter().map(|case| &case.name).collect();
    assert_eq!(names.len(), cases.len(), "every case has a name of its own");
    let told: Vec<Value> = cases
        .iter()
        .map(|Case { name, says, daybook }| {
            daybook.compare().unwrap_or_else(|error| panic!("{name}: {error}"));
            json!({
                "name": name,
                "says": says,
                "changes": base64url(daybook.accepted()),
                "heads": heads(daybook),
                "activities": activities(&daybook.readings().expect("reads")),
            })
        })
        .collect();
    json!({ "cases": told })
}

/// One writer.
fn alone() -> Vec<Case> {
    let mut all = writer(1);
    every_field(&mut all);
    let (mut replaced, map) = recorded(1);
    replaced.put(&map, "people", 3).expect("puts");
    create(&mut replaced, RECORD);
    let mut plain = writer(1);
    plain.put(ROOT, RECORD, "a string").expect("puts");
    let (mut beside, _) = recorded(2);
    let mut lacking = writer(1);
    for (id, key, value) in
        [(RECORD, "day", "2026-11-21"), (OTHER, "kind", "hours"), (PARTY, "kind", "dancing")]
    {
        let map = lacking.put_object(ROOT, id, ObjType::Map).expect("puts");
        lacking.put(&map, key, value).expect("puts");
    }
    let mut started = writer(1);
    let map = started.put_object(ROOT, RECORD, ObjType::Map).expect("puts");
    started.put(&map, "kind", "repair").expect("puts");
    started.put(&map, "started_at", ScalarValue::Timestamp(1_795_255_200_000)).expect("puts");
    let (mut others, _) = recorded(1);
    others.put(ROOT, "settings", 1).expect("puts");
    others.put_object(ROOT, OTHER.to_uppercase(), ObjType::Map).expect("puts");
    vec![
        case("every field", "one writer, every field of the document", &mut [&mut all]),
        case("map replaced", "only the visible map is read", &mut [&mut replaced]),
        case("not a map", "what stands there is no map", &mut [&mut plain]),
        case(
            "a map beside a string",
            "where there is a map, only maps are read",
            &mut [&mut plain, &mut beside],
        ),
        case(
            "kind or day missing",
            "kind and day make an activity; the rest is read all the same",
            &mut [&mut lacking],
        ),
        case("started_at instead of day", "the day follows from it", &mut [&mut started]),
        case("other keys of the root", "only lower-case UUIDs are activities", &mut [&mut others]),
    ]
}

fn every_field(doc: &mut AutoCommit) {
    let map = doc.put_object(ROOT, RECORD, ObjType::Map).expect("puts");
    let mut put = |key: &str, value: ScalarValue| doc.put(&map, key, value).expect("puts");
    let texts = [
        ("kind", "litter_pick"),
        ("day", "2026-11-21"),
        ("minutes_source", "recalled"),
        ("phase", "planning"),
        ("note", "Both sides of the canal"),
        ("programme", "canal"),
        ("action", "sweep"),
        ("place_id", "lock-7"),
        ("part_of", OTHER),
        ("confirms", OTHER),
        ("grade.before", "C"),
        ("grade.after", "A"),
        ("repair.product", "kettle"),
        ("repair.category", "Kettle"),
        ("repair.brand", "Acme"),
        ("repair.status", "Fixed"),
        ("repair.barrier", "none"),
        ("repair.problem", "would not boil"),
        ("street.service_code", "pothole"),
        ("street.fixes_request", "17"),
        ("source.provider", "restarters"),
        ("source.id", "r1"),
        ("source.country", "GBR"),
        ("source.group", "Balsall Heath"),
    ];
    texts.into_iter().for_each(|(key, text)| put(key, text.into()));
    let party = format!("party/{PARTY}");
    let employed = format!("party/{PARTY}@{OTHER}");
    let integers = [
        (party.as_str(), 90),
        (employed.as_str(), 15),
        ("people", 7),
        ("person_minutes", 630),
        ("tally/smoking.butts#k1", 12),
        ("tally/drink.can.metal:seen#k1", 4),
        ("tally/bags#k1", 2),
        ("tally/weight_g#k1", 4_200),
        ("repair.category_id", 14),
        ("repair.year", 2_011),
    ];
    integers.into_iter().for_each(|(key, number)| put(key, number.into()));
    let numbers =
        [("place.lat", 52.456), ("place.lon", -1.89), ("place.accuracy_m", 8.0), ("repair.age_years", 12.5)];
    numbers.into_iter().for_each(|(key, number)| put(key, number.into()));
    put("started_at", ScalarValue::Timestamp(1_795_255_200_000));
    put(&format!("photo/{}", "ab".repeat(32)), ScalarValue::Timestamp(1_795_255_260_000));
    put("withdrawn", true.into());
}

/// Several writers who did not know of each other.
fn at_once() -> Vec<Case> {
    let (mut one, map) = recorded(1);
    one.put(&map, "people", 3).expect("puts");
    one.put(&map, "programme", "alleys").expect("puts");
    let (mut two, map) = recorded(2);
    two.put(&map, "people", 4).expect("puts");
    two.put(&map, "note", "from the other phone").expect("puts");
    let twice = case(
        "created twice at once",
        "the union of both, and each key as several values",
        &mut [&mut one, &mut two],
    );

    let (mut low, map) = recorded(1);
    let (mut high, mut later) = (joined(&mut low, 9), joined(&mut low, 5));
    low.put(&map, "people", 1).expect("puts");
    high.put(&map, "people", 2).expect("puts");
    later.put(&map, "programme", "x").expect("puts");
    later.put(&map, "people", 3).expect("puts");
    let hard = case(
        "several values, hard",
        "the greatest (counter, actor) comes first",
        &mut [&mut low, &mut high, &mut later],
    );

    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    for (doc, text) in [(&mut one, "sunny"), (&mut two, "windy")] {
        doc.put(&map, "weather", text).expect("puts");
        doc.put(&map, "minutes_source", text).expect("puts");
    }
    let soft = case(
        "several values, soft",
        "a field that does not matter to ledger or reports",
        &mut [&mut one, &mut two],
    );

    let (mut one, map) = recorded(1);
    let (mut two, mut three) = (joined(&mut one, 2), joined(&mut one, 3));
    one.put(&map, "note", "swept").expect("puts");
    one.put(&map, "people", 7).expect("puts");
    let text = two.put_object(&map, "note", ObjType::Text).expect("puts");
    two.splice_text(&text, 0, 0, "swept").expect("splices");
    two.put(&map, "people", 7.0).expect("puts");
    three.put(&map, "note", "swept").expect("puts");
    three.put(&map, "people", ScalarValue::Uint(7)).expect("puts");
    let same = case(
        "values that agree",
        "equal after normalising is one value",
        &mut [&mut one, &mut two, &mut three],
    );

    let (mut one, map) = recorded(1);
    let text = one.put_object(&map, "note", ObjType::Text).expect("puts");
    one.splice_text(&text, 0, 0, "alley").expect("splices");
    let (mut two, mut three) = (joined(&mut one, 2), joined(&mut one, 3));
    one.splice_text(&text, 0, 0, "the ").expect("splices");
    two.splice_text(&text, 5, 0, " swept 👪").expect("splices");
    three.splice_text(&text, 2, 2, "").expect("splices");
    let spliced = case(
        "note spliced by several",
        "Automerge's merge, letter by letter",
        &mut [&mut one, &mut two, &mut three],
    );
    let mut cases = vec![twice, hard, soft, same, spliced];
    for values in [FIELD_VALUES_MAX, FIELD_VALUES_MAX + 1] {
        cases.push(crowd(values));
    }
    cases
}

fn crowd(values: usize) -> Case {
    let (mut first, map) = recorded(1);
    let mut all = vec![first.fork()];
    for at in 0..values {
        let mut one = joined(&mut first, 10 + u8::try_from(at).expect("few"));
        one.put(&map, "people", i64::try_from(at).expect("few")).expect("puts");
        all.push(one);
    }
    let mut all: Vec<&mut AutoCommit> = all.iter_mut().collect();
    case(&format!("{values} values"), "up to 64 values of one field are read", &mut all)
}

/// Counters of stock clients, and registers.
fn counted() -> Vec<Case> {
    let key = "tally/bags#k1";
    let (mut one, map) = recorded(1);
    one.put(&map, key, ScalarValue::counter(3)).expect("puts");
    one.increment(&map, key, 4).expect("increments");
    let mut two = joined(&mut one, 2);
    one.increment(&map, key, 10).expect("increments");
    two.increment(&map, key, -1).expect("increments");
    let alone = case("one counter", "its start and all its increments", &mut [&mut one, &mut two]);

    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    one.put(&map, key, ScalarValue::counter(3)).expect("puts");
    two.put(&map, key, ScalarValue::counter(4)).expect("puts");
    one.merge(&mut two).expect("merges");
    one.increment(&map, key, 10).expect("increments");
    two.increment(&map, key, 100).expect("increments");
    let says = "several, and first what they amount to: starts and increments, each once";
    let several = case("several counters", says, &mut [&mut one, &mut two]);

    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    one.put(&map, "people", 5).expect("puts");
    two.put(&map, "people", ScalarValue::counter(1)).expect("puts");
    one.merge(&mut two).expect("merges");
    one.increment(&map, "people", 1).expect("increments");
    let number = case(
        "a counter beside a number",
        "an increment of both replaces the number",
        &mut [&mut one, &mut two],
    );

    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    one.put(&map, "tally/bags#one", 2).expect("puts");
    two.put(&map, "tally/bags#two", 3).expect("puts");
    let registers = case(
        "registers",
        "each phone counts in its own: no conflict, the total is the sum",
        &mut [&mut one, &mut two],
    );
    vec![alone, several, number, registers]
}

/// Deletions.
fn taken_away() -> Vec<Case> {
    let (mut one, map) = recorded(1);
    one.put(&map, "people", 1).expect("puts");
    one.put(&map, "note", "gone").expect("puts");
    let mut two = joined(&mut one, 2);
    one.delete(&map, "people").expect("deletes");
    one.delete(&map, "note").expect("deletes");
    two.put(&map, "people", 2).expect("puts");
    let field = case("field deleted and written at once", "what was written", &mut [&mut one, &mut two]);

    let (mut one, map) = recorded(1);
    one.put(&map, "people", 3).expect("puts");
    let text = one.put_object(&map, "note", ObjType::Text).expect("puts");
    one.splice_text(&text, 0, 0, "swept").expect("splices");
    let mut two = joined(&mut one, 2);
    one.delete(ROOT, RECORD).expect("deletes");
    two.put(&map, "programme", "alleys").expect("puts");
    two.splice_text(&text, 5, 0, " twice").expect("splices");
    let says = "withdrawn, with what the deleted map held, later writing in it included";
    let deleted = case("activity deleted", says, &mut [&mut one, &mut two]);

    let (mut one, map) = recorded(1);
    one.put(&map, "people", 3).expect("puts");
    let mut two = joined(&mut one, 2);
    create(&mut one, RECORD);
    one.delete(ROOT, RECORD).expect("deletes");
    two.delete(ROOT, RECORD).expect("deletes");
    let says = "the maps that deletions named, united: also one that was replaced elsewhere";
    let hidden = case("activity deleted by two", says, &mut [&mut one, &mut two]);

    let (mut one, _) = recorded(1);
    let mut two = joined(&mut one, 2);
    one.delete(ROOT, RECORD).expect("deletes");
    create(&mut two, RECORD);
    let again = case("activity deleted and created at once", "it is there", &mut [&mut one, &mut two]);

    let (mut one, map) = recorded(1);
    one.put(&map, format!("party/{PARTY}"), 60).expect("puts");
    one.put(&map, format!("party/{PARTY}"), 0).expect("puts");
    one.put(&map, "withdrawn", true).expect("puts");
    let value = case("removing is a value", "minutes 0, withdrawn true", &mut [&mut one]);
    vec![field, deleted, hidden, again, value]
}

/// Values of all types, where they fit and where they do not.
fn types() -> Vec<Case> {
    let (mut one, map) = recorded(1);
    let mut two = joined(&mut one, 2);
    one.put(&map, "people", 7).expect("puts");
    two.put(&map, "people", "seven").expect("puts");
    let says = "the field cannot be read";
    vec![
        tolerant(),
        wrong(),
        unknown(),
        case("one of two values does not fit", says, &mut [&mut one, &mut two]),
    ]
}

fn tolerant() -> Case {
    let (mut tolerant, map) = recorded(1);
    let fits: [(&str, ScalarValue); 12] = [
        ("people", 7.0.into()),
        ("person_minutes", ScalarValue::Uint(90)),
        ("place.lat", 52.into()),
        ("place.lon", (-0.0).into()),
        ("repair.age_years", 3.into()),
        ("repair.year", 2011.0.into()),
        ("started_at", 1_795_255_200_000_i64.into()),
        ("part_of", OTHER.to_uppercase().into()),
        ("phase", ScalarValue::Null),
        ("programme", "as a scalar".into()),
        ("place.accuracy_m", 1e-3.into()),
        ("tally/bags#k1", ScalarValue::counter(2)),
    ];
    for (key, value) in fits {
        tolerant.put(&map, key, value).expect("puts");
    }
    write::text(&mut tolerant, &map, "action", "as a text");
    write::text(&mut tolerant, &map, "grade.before", "B");
    let says = "integer as float and the other way round, strings as text or scalar";
    case("tolerant reading", says, &mut [&mut tolerant])
}

fn wrong() -> Case {
    let (mut wrong, map) = recorded(1);
    let misfits: [(&str, ScalarValue); 14] = [
        ("day", "2026-02-30".into()),
        ("people", "seven".into()),
        ("person_minutes", 1.5.into()),
        ("place.lat", 90.5.into()),
        ("place.lon", "east".into()),
        ("grade.before", "E".into()),
        ("grade.after", 1.into()),
        ("phase", "later".into()),
        ("withdrawn", 1.into()),
        ("part_of", "mine".into()),
        ("repair.year", 10_000.into()),
        ("started_at", true.into()),
        ("tally/bags#k1", (-1).into()),
        ("tally/weight_g#k1", f64::INFINITY.into()),
    ];
    for (key, value) in misfits {
        wrong.put(&map, key, value).expect("puts");
    }
    wrong.put(&map, format!("party/{PARTY}"), 1_441).expect("puts");
    write::text(&mut wrong, &map, "note", &"x".repeat(NOTE_CHARACTERS_MAX + 1));
    wrong.put_object(&map, "repair.product", ObjType::Map).expect("puts");
    wrong.put_object(&map, "repair.brand", ObjType::List).expect("puts");
    case("what does not fit", "makes that field unreadable, and nothing else", &mut [&mut wrong])
}

fn unknown() -> Case {
    let (mut unknown, map) = recorded(1);
    let kept: [(&str, ScalarValue); 12] = [
        ("weather", "sunny \"and\" warm\n\u{1}".into()),
        ("wind", 3.5.into()),
        ("whole", 3.0.into()),
        ("nothing", ScalarValue::Null),
        ("yes", true.into()),
        ("when", ScalarValue::Timestamp(-1)),
        ("raw", ScalarValue::Bytes(vec![0, 250, 255])),
        ("count", ScalarValue::counter(5)),
        ("tally/bags", 3.into()),
        ("party/me", 60.into()),
        ("repair.colour", "red".into()),
        ("ünï 👪", 1.into()),
    ];
    for (key, value) in kept {
        unknown.put(&map, key, value).expect("puts");
    }
    case("unknown keys", "are kept and read as they are", &mut [&mut unknown])
}
