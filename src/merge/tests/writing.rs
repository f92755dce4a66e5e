//! What the server writes for apps that speak JSON, from states alone, against Automerge.

use std::collections::{BTreeMap, HashSet};

use super::dice::Dice;
use super::phones::Phones;
use crate::domain::ids::ActivityId;
use crate::domain::reading::{Field, Value};
use crate::merge::ActivityState;
use crate::merge::admit::Admission;
use crate::merge::loaded::Loaded;
use crate::merge::op::Scalar;
use crate::merge::replay::Replay;
use crate::merge::write::{Base, Edit, Written, change};

fn fields(dice: &mut Dice) -> BTreeMap<String, (Written, Value)> {
    let number = i64::try_from(dice.below(1_000)).expect("small");
    let text = ["", "Both sides of the canal", "ü 👪\n"][dice.below(3)].to_owned();
    let integer = |number| (Written::Scalar(Scalar::Integer(number)), Value::Integer(number));
    let mut all = BTreeMap::from([
        ("people".to_owned(), integer(number)),
        ("person_minutes".to_owned(), integer(number * 2)),
        ("tally/bags#a".to_owned(), integer(number + 1)),
        ("note".to_owned(), (Written::Text(text.clone()), Value::Text(text))),
        ("kind".to_owned(), (Written::Scalar(Scalar::Text("hours".into())), Value::Text("hours".into()))),
        ("started_at".to_owned(), (Written::Scalar(Scalar::Instant(number)), Value::Instant(number))),
        ("place.lat".to_owned(), (Written::Scalar(Scalar::Float(52.5)), Value::Number(52.5))),
        ("withdrawn".to_owned(), (Written::Scalar(Scalar::Boolean(true)), Value::Boolean(true))),
    ]);
    all.retain(|_, _| !dice.one_in(3));
    all
}

/// Writes in a random activity or makes a new one, and looks at what everybody reads then.
fn write(daybook: &mut Replay, dice: &mut Dice, seed: u64) {
    let known: Vec<ActivityId> = daybook.readings().expect("reads").into_keys().collect();
    let new = ActivityId(uuid::Uuid::from_u128(
        0x0193_a5b0_7c2e_7d44_9a51_0000_0000_0000 + u128::from(dice.roll()),
    ));
    let at = dice.below(known.len() + 1);
    let id = known.get(at).copied().unwrap_or(new);
    let state = daybook.states().get(&id).map(|stored| ActivityState::decode(stored).expect("reads"));
    let wanted = fields(dice);
    let heads: Vec<_> =
        daybook.document().expect("loads").get_heads().into_iter().map(|hash| hash.0).collect();
    let mut actor = [0; 16];
    actor[..8].copy_from_slice(&dice.roll().to_be_bytes());
    let edit = Edit {
        id,
        state: state.as_ref(),
        fields: wanted.iter().map(|(key, (written, _))| (key.clone(), written.clone())).collect(),
    };
    let base = Base { heads: &heads, max_op: daybook.max_op() };
    let (hash, bytes) = change(&actor, base, 7, &[edit]);
    let outcomes = daybook.push(&bytes).expect("takes");
    assert!(
        matches!(outcomes.as_slice(), [(of, Admission::Accept { .. })] if *of == hash),
        "seed {seed}: {outcomes:?}"
    );
    daybook.compare().unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let reading = daybook.readings().expect("reads").remove(&id).expect("an activity");
    for (key, (_, value)) in wanted {
        assert_eq!(reading.fields.get(&key), Some(&Field::One(value)), "seed {seed}, {key}");
    }
}

#[test]
fn what_the_server_writes_from_a_state_is_what_everybody_reads() {
    for seed in 0..40 {
        let mut phones = Phones::new(seed);
        phones.live(30);
        let mut daybook = Replay::default();
        for change in phones.deliver() {
            daybook.push(change.raw_bytes()).expect("takes");
        }
        let mut dice = Dice::new(seed ^ 0x0a77);
        for _ in 0..8 {
            write(&mut daybook, &mut dice, seed);
        }
    }
}

/// A daybook of several phones, and the chunks of its changes in the order in which they came.
fn lived(seed: u64) -> (Replay, Vec<Vec<u8>>) {
    let mut phones = Phones::new(seed);
    phones.live(30);
    let mut daybook = Replay::default();
    let chunks: Vec<Vec<u8>> = phones.deliver().iter().map(|change| change.raw_bytes().to_vec()).collect();
    for chunk in &chunks {
        daybook.push(chunk).expect("takes");
    }
    (daybook, chunks)
}

fn edit_of<'a>(
    id: ActivityId,
    state: Option<&'a ActivityState>,
    wanted: &BTreeMap<String, (Written, Value)>,
) -> Edit<'a> {
    Edit {
        id,
        state,
        fields: wanted.iter().map(|(key, (written, _))| (key.clone(), written.clone())).collect(),
    }
}

/// The fast path, from states, and the slow one, through Automerge, write the same.
#[test]
fn as_of_the_newest_the_document_writes_what_the_state_does() {
    for seed in 0..40 {
        let (daybook, _) = lived(seed);
        let document = daybook.document().expect("loads");
        let heads: Vec<_> = document.get_heads().into_iter().map(|hash| hash.0).collect();
        let all: HashSet<_> =
            document.get_changes_meta(&[]).into_iter().map(|change| change.hash.0).collect();
        let mut dice = Dice::new(seed ^ 0x0b88);
        for (id, stored) in daybook.states() {
            let state = ActivityState::decode(stored).expect("reads");
            let wanted = fields(&mut dice);
            let base = Base { heads: &heads, max_op: daybook.max_op() };
            let (_, from_state) = change(&[7; 16], base, 7, &[edit_of(*id, Some(&state), &wanted)]);
            let loaded = Loaded::of(document.clone());
            let (_, from_document) =
                loaded.edit_as_of(&all, &[7; 16], 7, &edit_of(*id, None, &wanted)).expect("writes");
            let read = |bytes: &[u8]| {
                let mut daybook = daybook.clone();
                let outcomes = daybook.push(bytes).expect("takes");
                assert!(matches!(outcomes.as_slice(), [(_, Admission::Accept { .. })]), "{outcomes:?}");
                daybook.readings().expect("reads").remove(id)
            };
            assert_eq!(read(&from_state), read(&from_document), "seed {seed}, {id}");
        }
    }
}

/// Two write in an activity as of an older state, one after the other: how many fields hold what both wrote.
fn write_as_of(daybook: &Replay, then: &Replay, id: ActivityId, dice: &mut Dice) -> usize {
    let known: HashSet<_> = then
        .document()
        .expect("loads")
        .get_changes_meta(&[])
        .into_iter()
        .map(|change| change.hash.0)
        .collect();
    let mut written = daybook.clone();
    let both = [fields(dice), fields(dice)];
    for (wanted, actor) in both.iter().zip([[8; 32], [9; 32]]) {
        let newest = Loaded::of(written.document().expect("loads"));
        let (_, bytes) = newest.edit_as_of(&known, &actor, 7, &edit_of(id, None, wanted)).expect("writes");
        let outcomes = written.push(&bytes).expect("takes");
        assert!(matches!(outcomes.as_slice(), [(_, Admission::Accept { .. })]), "{outcomes:?}");
    }
    written.compare().expect("everybody reads the same");
    let state = |daybook: &Replay| ActivityState::decode(&daybook.states()[&id]).expect("reads");
    // What is written into a map that somebody replaced meanwhile is not seen.
    if state(then).slot != state(daybook).slot {
        return 0;
    }
    let read = |daybook: &Replay| daybook.readings().expect("reads").remove(&id).expect("an activity");
    let (was, is) = (read(then), read(&written));
    let mut several = 0;
    for (key, field) in &is.fields {
        // What read so already is not written again.
        let new = |wanted: &BTreeMap<String, (Written, Value)>| {
            let (_, value) = wanted.get(key)?;
            (was.fields.get(key) != Some(&Field::One(value.clone()))).then(|| value.clone())
        };
        let wrote: Vec<Value> = both.iter().filter_map(new).collect();
        let readable = !matches!(field, Field::Unreadable(_));
        assert!(
            !readable || wrote.iter().all(|value| field.values().contains(value)),
            "{key}: {field:?}, {wrote:?}"
        );
        let alone = state(then).values(key) == state(daybook).values(key);
        if let ([only], true, true) = (wrote.as_slice(), readable, alone) {
            assert_eq!(field, &Field::One(only.clone()), "{key}: nobody else wrote it");
        }
        several += usize::from(matches!(wrote.as_slice(), [one, other] if one != other));
    }
    several
}

/// As if a phone had been offline since then: accepted, read alike by all, and never in the place of what it had not
/// seen.
#[test]
fn an_edit_as_of_an_older_state_is_concurrent_with_all_that_came_after() {
    let mut several = 0;
    for seed in 0..10 {
        let (daybook, chunks) = lived(seed);
        let mut dice = Dice::new(seed ^ 0x0c99);
        let mut then = Replay::default();
        for chunk in &chunks[..dice.below(chunks.len()) + 1] {
            then.push(chunk).expect("takes");
        }
        let ids: Vec<ActivityId> = then.states().keys().copied().collect();
        several += ids.into_iter().map(|id| write_as_of(&daybook, &then, id, &mut dice)).sum::<usize>();
    }
    assert!(several > 3, "{several} fields hold what both wrote");
}
