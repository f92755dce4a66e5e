//! Histories from a seed: some writers that record, edit, delete, count, splice and meet.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjId, ObjType, ROOT, ReadDoc as _, ScalarValue};

use super::readings::Case;
use super::writer::{OTHER, PARTY, RECORD, create, met, text, writer};
use crate::phone_js::histories::dice::Dice;

const STEPS: usize = 24;

/// One history.
pub fn case(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let count = 2 + dice.below(3);
    let mut writers: Vec<AutoCommit> = (0..count)
        .map(|at| {
            let mut actor = [0; 16];
            actor.fill_with(|| (dice.roll() & 0xff) as u8);
            actor[0] = u8::try_from(at).expect("few");
            writer(0).with_actor(ActorId::from(actor))
        })
        .collect();
    for _ in 0..STEPS {
        let at = dice.below(count);
        if dice.one_in(4) {
            let other = dice.below(count);
            if other != at {
                let mut theirs = writers[other].fork();
                writers[at].merge(&mut theirs).expect("merges");
            }
        } else {
            for _ in 0..=dice.below(3) {
                act(&mut dice, &mut writers[at]);
            }
            writers[at].commit();
        }
    }
    let mut writers: Vec<&mut AutoCommit> = writers.iter_mut().collect();
    Case { name: format!("history {seed}"), says: "writers from a seed", daybook: met(&mut writers) }
}

fn act(dice: &mut Dice, doc: &mut AutoCommit) {
    let id = *dice.pick(&[RECORD, RECORD, OTHER]);
    let maps: Vec<ObjId> = doc
        .get_all(ROOT, id)
        .expect("reads")
        .into_iter()
        .filter(|(value, _)| value.is_object())
        .map(|(_, map)| map)
        .collect();
    match dice.below(30) {
        _ if maps.is_empty() => drop(create(doc, id)),
        0 => drop(create(doc, id)),
        1 => doc.delete(ROOT, id).expect("deletes"),
        2 => doc.put(ROOT, id, 1).expect("puts"),
        _ => {
            let map = dice.pick(&maps).clone();
            write(dice, doc, &map);
        }
    }
}

fn write(dice: &mut Dice, doc: &mut AutoCommit, map: &ObjId) {
    let party = format!("party/{PARTY}");
    let keys =
        ["people", "note", "day", "tally/bags#k1", "place.lat", "weather", "started_at", party.as_str()];
    let key = *dice.pick(&keys);
    let inner = doc.get_all(map, key).expect("reads").into_iter().find(|(value, _)| value.is_object());
    match (dice.below(10), inner) {
        (0, _) => drop(doc.delete(map, key)),
        (1, _) => doc.put(map, key, ScalarValue::counter(dice.below(5) as i64)).expect("puts"),
        (2 | 3, _) => drop(doc.increment(map, key, dice.below(9) as i64 - 3)),
        (4..=7, Some((_, inner))) if matches!(doc.object_type(&inner), Ok(ObjType::Text)) => {
            let length = doc.length(&inner);
            let at = dice.below(length + 1);
            let delete = dice.below(length - at + 1).min(3) as isize;
            doc.splice_text(&inner, at, delete, dice.pick::<&str>(&["a", "bc", "ü", "👪"])).expect("splices");
        }
        (4 | 5, _) => {
            drop(text(doc, map, key, dice.pick::<&str>(&["swept", "swept the alley", "2026-11-20", ""])))
        }
        _ => doc.put(map, key, scalar(dice)).expect("puts"),
    }
}

fn scalar(dice: &mut Dice) -> ScalarValue {
    match dice.below(9) {
        0 => ScalarValue::Null,
        1 => dice.one_in(2).into(),
        2 => ScalarValue::Uint(dice.roll() % 5),
        3 => (dice.below(8) as f64 / 2.0).into(),
        4 => ScalarValue::Timestamp((dice.roll() % 5) as i64 * 86_400_000),
        5 => ScalarValue::Bytes(vec![1; dice.below(4)]),
        6 => "2026-11-21".into(),
        _ => (dice.below(6) as i64 - 1).into(),
    }
}
