//! What the server writes for apps that speak JSON, from states alone, against Automerge.

use std::collections::BTreeMap;

use super::dice::Dice;
use super::phones::Phones;
use crate::domain::ids::ActivityId;
use crate::domain::reading::{Field, Value};
use crate::merge::ActivityState;
use crate::merge::admit::Admission;
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
    let (hash, bytes) = change(actor, base, 7, Some("an app".to_owned()), &[edit]);
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
