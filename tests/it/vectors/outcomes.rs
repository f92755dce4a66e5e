//! `outcomes.json`: changes that an honest app may send, some of them by mistake, and what becomes of each.

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType};
use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, Change, ChangeHash, ObjType, ScalarValue};
use daybook::api::sync::{DaybookAnswer, DaybookState};
use daybook::domain::limits::{ACTOR_BYTES_MAX, OBJECT_DEPTH_MAX, OPERATION_COUNTER_MAX};
use serde_json::{Value, json};

use super::stage::{Stage, daybook};
use super::writer::{OTHER, RECORD, base64url, changes, create, joined, recorded, text, writer};
use crate::support::TestPhone;
use crate::wire::{forged, outcomes, send_changes};

/// Requests to one daybook, in order: entries, and what is to become of each chunk (`held missing_dependency`).
struct Case {
    name: &'static str,
    says: &'static str,
    requests: Vec<(Vec<Vec<u8>>, Vec<&'static str>)>,
}

fn case<const N: usize>(
    name: &'static str,
    says: &'static str,
    requests: [(&[&Vec<u8>], &[&'static str]); N],
) -> Case {
    let owned = |(entries, wanted): (&[&Vec<u8>], &[&'static str])| {
        (entries.iter().map(|entry| (*entry).clone()).collect(), wanted.to_vec())
    };
    Case { name, says, requests: requests.into_iter().map(owned).collect() }
}

/// The file.
pub async fn told() -> Value {
    let stage = Stage::start().await;
    let mut phone = stage.phone("Asha").await;
    let mut told = Vec::new();
    for case in
        [taken(), waiting(), out_of_line(), misnumbered(), unfit(), out_of_place()].into_iter().flatten()
    {
        told.push(play(&mut phone, case).await);
    }
    json!({ "cases": told })
}

async fn play(phone: &mut TestPhone, case: Case) -> Value {
    let Case { name, says, requests } = case;
    let id = daybook(phone).await;
    let genesis = send_changes(phone, id, &[]).await;
    assert_eq!(genesis.changes.len(), 1, "a daybook begins with one change");
    let begins = base64url(&[genesis.changes[0].0.clone()]);
    let mut steps = Vec::new();
    for (entries, wanted) in requests {
        let answer = send_changes(phone, id, &entries).await;
        let became: Vec<String> = outcomes(&answer)
            .into_iter()
            .map(|(kind, code)| {
                let kind = json!(kind).as_str().expect("a word").to_owned();
                code.map_or(kind.clone(), |code| format!("{kind} {code}"))
            })
            .collect();
        assert_eq!(became, wanted, "{name}");
        steps.push(step(&entries, &answer));
    }
    json!({ "name": name, "says": says, "begins_with": begins, "steps": steps })
}

fn step(entries: &[Vec<u8>], answer: &DaybookAnswer) -> Value {
    assert!(matches!(answer.state, DaybookState::Ok | DaybookState::Reload), "{:?}", answer.state);
    let outcomes = answer.outcomes.iter().map(|outcome| {
        let mut told = json!({
            "hash": outcome.hash, "outcome": outcome.outcome, "activities": outcome.activities,
        });
        if let Some(code) = &outcome.code {
            told["code"] = json!(code);
        }
        told
    });
    let mut heads: Vec<String> = answer.heads.iter().flatten().map(|head| hex::encode(head.0)).collect();
    heads.sort();
    json!({
        "push": base64url(entries),
        "state": answer.state,
        "outcomes": outcomes.collect::<Vec<_>>(),
        "heads": heads,
    })
}

/// A writer's changes: one activity, and edits of it.
fn edits(actor: u8, count: i64) -> Vec<Vec<u8>> {
    let (mut doc, map) = recorded(actor);
    for people in 1..count {
        doc.put(&map, "people", people).expect("puts");
        doc.commit();
    }
    changes(&mut doc)
}

/// A change of a further writer, on top of what a writer has.
fn on_top(of: &[Vec<u8>], actor: u8) -> Vec<u8> {
    let mut doc = AutoCommit::new();
    for change in of {
        doc.load_incremental(change).expect("loads");
    }
    let mut other = joined(&mut doc, actor);
    create(&mut other, OTHER);
    changes(&mut other).pop().expect("a change")
}

fn hash(bytes: &[u8]) -> ChangeHash {
    Change::try_from(bytes).expect("a change").hash()
}

fn taken() -> Vec<Case> {
    let e = edits(1, 3);
    let both = [e[0].clone(), e[1].clone()].concat();
    let (mut long, map) = recorded(1);
    text(&mut long, &map, "note", &"Both sides of the canal. ".repeat(40));
    let plain = changes(&mut long);
    let mut change = Change::try_from(plain[1].as_slice()).expect("a change");
    let deflated = change.bytes().to_vec();
    assert_ne!(deflated, plain[1], "stock Automerge deflates what is long");
    let mut merged = AutoCommit::new();
    for change in edits(1, 1).iter().chain(&edits(2, 1)) {
        merged.load_incremental(change).expect("loads");
    }
    merged.set_actor(ActorId::from(vec![3; 16]));
    merged.empty_change(automerge::transaction::CommitOptions::default());
    let merged = changes(&mut merged);
    let twice = ["accepted", "accepted", "duplicate"];
    vec![
        case(
            "accepted, then sent again",
            "sending again changes nothing",
            [
                (&[&e[0]], &twice[..1]),
                (&[&e[0]], &twice[2..]),
                (&[&e[0], &e[1]], &["duplicate", "accepted"]),
                (&[], &[]),
            ],
        ),
        case("several chunks in one entry", "one outcome a chunk", [(&[&both, &e[2]], &["accepted"; 3])]),
        case(
            "a deflated chunk",
            "the hash is that of the change, however it is packed",
            [(&[&plain[0], &deflated], &twice[..2]), (&[&plain[1]], &twice[2..])],
        ),
        case(
            "an empty merge change",
            "as automerge-repo and others write it",
            [(&[&merged[0], &merged[1], &merged[2]], &["accepted"; 3])],
        ),
        case(
            "actors of one byte and of 64",
            "actor ids have up to 64 bytes",
            [(&[&by_actor(1), &by_actor(ACTOR_BYTES_MAX)], &twice[..2])],
        ),
    ]
}

fn by_actor(bytes: usize) -> Vec<u8> {
    let mut doc = AutoCommit::new().with_actor(ActorId::from(vec![9; bytes]));
    create(&mut doc, RECORD);
    changes(&mut doc).pop().expect("a change")
}

fn waiting() -> Vec<Case> {
    let e = edits(1, 3);
    let held = "held missing_dependency";
    let gap = forged(&e[1], |change| change.seq = 7);
    let mut on_gap = Change::try_from(e[2].as_slice()).expect("a change").decode();
    (on_gap.deps, on_gap.seq, on_gap.hash) = (vec![hash(&gap)], 8, None);
    let on_gap = Change::from(on_gap).raw_bytes().to_vec();
    // Written as of an older state by a phone that counts on from its whole document.
    let mut whole = AutoCommit::new();
    for change in &e {
        whole.load_incremental(change).expect("loads");
    }
    whole.set_actor(ActorId::from(vec![2; 16]));
    whole.isolate(&[hash(&e[0])]);
    create(&mut whole, OTHER);
    whole.integrate();
    let ahead = changes(&mut whole).into_iter().find(|change| !e.contains(change)).expect("a change");
    vec![
        case(
            "held, then admitted",
            "kept until what it builds on arrives; only the heads tell that it is in",
            [
                (&[&e[2]], &[held]),
                (&[&e[1]], &[held]),
                (&[&e[2]], &[held]),
                (&[&e[0]], &["accepted"]),
                (&[&e[1], &e[2]], &["duplicate", "duplicate"]),
            ],
        ),
        case(
            "out of order in one request",
            "all of it arrives",
            [(&[&e[1], &e[0]], &["accepted", "accepted"])],
        ),
        case(
            "operations further on",
            "held until the operations in between arrive",
            [
                (&[&e[0]], &["accepted"]),
                (&[&ahead], &["held start_op_ahead"]),
                (&[&e[1], &e[2]], &["accepted"; 2]),
                (&[&ahead], &["duplicate"]),
            ],
        ),
        case(
            "held, then refused",
            "what it waited for is refused, and so is it",
            [
                (&[&e[0]], &["accepted"]),
                (&[&on_gap], &[held]),
                (&[&gap], &["refused seq_gap"]),
                (&[&on_gap], &["refused on_refused"]),
            ],
        ),
    ]
}

/// Mistakes with actors and numbers.
fn out_of_line() -> Vec<Case> {
    let e = edits(1, 4);
    let fork = forged(&e[1], |change| change.time = 60);
    let on_fork = forged(&e[2], |change| change.deps = vec![hash(&fork)]);
    let other = on_top(&e[..2], 5);
    let gap = forged(&e[1], |change| change.seq = 3);
    let aside = forged(&e[2], |change| change.deps = vec![hash(&e[0])]);
    let accepted = "accepted";
    vec![
        case(
            "actor_fork",
            "one actor wrote two second changes: a copied or restored phone that kept its actor",
            [
                (&[&e[0], &e[1]], &[accepted; 2]),
                (&[&fork, &on_fork], &["refused actor_fork", "refused on_refused"]),
                (&[&fork], &["refused actor_fork"]),
                (&[&other], &[accepted]),
            ],
        ),
        case(
            "seq_gap",
            "the actor's second change says that it is the third",
            [
                (&[&e[0], &gap, &other], &[accepted, "refused seq_gap", "held missing_dependency"]),
                (&[&e[1]], &[accepted]),
            ],
        ),
        case(
            "seq_gap beside the last one",
            "an actor's change has to follow its own last one",
            [(&[&e[0], &e[1], &aside], &[accepted, accepted, "refused seq_gap"]), (&[&e[2]], &[accepted])],
        ),
    ]
}

/// Mistakes with the numbers of operations.
fn misnumbered() -> Vec<Case> {
    let e = edits(1, 2);
    let low = forged(&e[1], |change| change.start_op = 3.try_into().expect("not zero"));
    let far = forged(&e[0], |change| change.start_op = OPERATION_COUNTER_MAX.try_into().expect("not zero"));
    let empty = forged(&e[1], |change| {
        (change.actor_id, change.seq) = (ActorId::from(vec![4; 16]), 1);
        change.operations = Vec::new();
        change.start_op = change.start_op.checked_add(1).expect("small");
    });
    let accepted = "accepted";
    vec![
        case(
            "start_op_low",
            "operations start above all that the change builds on",
            [(&[&e[0], &low], &[accepted, "refused start_op_low"])],
        ),
        case(
            "start_op_gap",
            "an empty change starts exactly one above what it builds on",
            [(&[&e[0]], &[accepted]), (&[&empty], &["refused start_op_gap"])],
        ),
        case(
            "counter_too_large",
            "operation counters stay below 2^31",
            [(&[&far], &["refused counter_too_large"])],
        ),
    ]
}

/// Bytes and forms that no change has.
fn unfit() -> Vec<Case> {
    let e = edits(1, 2);
    let (mut doc, map) = recorded(1);
    let saved = doc.save();
    let cut = e[0][..e[0].len() - 1].to_vec();
    let mut broken = e[0].clone();
    broken[5] ^= 1;
    let twice = forged(&e[1], |change| change.deps = vec![hash(&e[0]); 2]);
    let mut inner = map;
    for _ in 1..=OBJECT_DEPTH_MAX {
        inner = doc.put_object(&inner, "in", ObjType::Map).expect("puts");
    }
    let deep = changes(&mut doc);
    let loose = b"hello".to_vec();
    let then = "accepted";
    vec![
        case(
            "chunk_type",
            "a whole saved document where changes belong",
            [(&[&saved, &e[0]], &["refused chunk_type", then])],
        ),
        case(
            "unreadable",
            "cut, of another checksum, or no chunk at all",
            [
                (&[&cut], &["refused unreadable"]),
                (&[&broken, &e[0]], &["refused unreadable", then]),
                (&[&loose], &["refused unreadable"]),
            ],
        ),
        case(
            "not_canonical",
            "dependencies are sorted, each once",
            [(&[&e[0], &twice], &[then, "refused not_canonical"])],
        ),
        case(
            "actor_too_long",
            "actor ids have up to 64 bytes",
            [(&[&by_actor(ACTOR_BYTES_MAX + 1)], &["refused actor_too_long"])],
        ),
        case("too_deep", "maps nested 33 deep", [(&[&deep[0], &deep[1]], &[then, "refused too_deep"])]),
    ]
}

/// Operations that name what is not there.
fn out_of_place() -> Vec<Case> {
    let e = edits(1, 2);
    let id = |counter: u64| OpId::new(counter, &ActorId::from(vec![1; 16]));
    let with = |operation: Op| forged(&e[1], |change| change.operations = vec![operation]);
    let one = OpType::Put(ScalarValue::Int(1));
    let put = |obj: u64, key: &str, pred: &[OpId]| {
        let (obj, key) = (ObjectId::Id(id(obj)), Key::Map(key.into()));
        with(Op { action: one.clone(), obj, key, pred: pred.iter().cloned().collect(), insert: false })
    };
    let (mut doc, map) = recorded(1);
    text(&mut doc, &map, "note", "swept");
    let noted = changes(&mut doc);
    let letter = |after: u64| {
        forged(&noted[1], |change| {
            let key = Key::Seq(ElementId::Id(id(after)));
            let value = OpType::Put(ScalarValue::Str("x".into()));
            (change.seq, change.deps) = (3, vec![hash(&noted[1])]);
            change.start_op = 10.try_into().expect("not zero");
            let obj = ObjectId::Id(id(4));
            change.operations =
                vec![Op { action: value, obj, key, pred: [].into_iter().collect(), insert: true }];
        })
    };
    let refused = |code: &'static str| ["accepted", code];
    let mut plain = writer(2);
    create(&mut plain, OTHER);
    let unseen = changes(&mut plain);
    let foreign = with(Op {
        action: one.clone(),
        obj: ObjectId::Id(OpId::new(1, &ActorId::from(vec![2; 16]))),
        key: Key::Map("people".into()),
        pred: [].into_iter().collect(),
        insert: false,
    });
    vec![
        case(
            "missing_object",
            "an operation works in an object that no earlier change made",
            [(&[&e[0], &put(9, "people", &[])], &refused("refused missing_object"))],
        ),
        case(
            "missing_object elsewhere",
            "it was made, but not in this change's past",
            [(&[&e[0], &unseen[0], &foreign], &["accepted", "accepted", "refused missing_object"])],
        ),
        case(
            "missing_predecessor",
            "an operation replaces what is not under that key",
            [(&[&e[0], &put(1, "day", &[id(2)])], &refused("refused missing_predecessor"))],
        ),
        case(
            "missing_element",
            "a letter follows one that is not there",
            [(&[&noted[0], &noted[1], &letter(3)], &["accepted", "accepted", "refused missing_element"])],
        ),
    ]
}
