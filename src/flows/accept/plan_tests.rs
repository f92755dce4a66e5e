//! The limits of one plan, at each and one past it.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ROOT};

use super::*;
use crate::merge::guard::inspect;

/// Two changes of one phone, the second on top of the first.
fn two(actor: u8) -> [Arc<Checked>; 2] {
    let mut phone = AutoCommit::new().with_actor(ActorId::from([actor; 16]));
    [1, 2].map(|value| {
        phone.put(ROOT, "a", value).expect("put");
        let change = phone.get_last_local_change().expect("a change");
        match inspect(change.raw_bytes()).remove(0) {
            Chunk::Change(change) => Arc::new(*change),
            refused => panic!("{refused:?}"),
        }
    })
}

fn push(chunks: &[Incoming], totals: HeldTotals) -> Plan {
    plan(&mut Facts::new(0, 0), chunks, &[], totals, false)
}

fn became(plan: &Plan) -> Vec<Became> {
    plan.outcomes().map(|(_, became)| became).collect()
}

fn held() -> Became {
    Became::Held("missing_dependency".to_owned())
}

#[test]
fn a_daybook_holds_so_many_changes_and_the_next_is_deferred() {
    let orphans = [1, 2].map(|actor| Incoming::Change(two(actor)[1].clone()));
    let most = usize::try_from(HELD_CHANGES_MAX).expect("small");
    let at = |changes| became(&push(&orphans, HeldTotals { changes, bytes: 0 }));
    assert_eq!(at(most - 2), [held(), held()]);
    let full = || Became::Deferred(Deferral::HeldFull);
    assert_eq!(at(most - 1), [held(), full()]);
    assert_eq!(at(most), [full(), full()]);
}

#[test]
fn a_daybook_holds_so_many_bytes_and_the_next_is_deferred() {
    let orphan = two(1)[1].clone();
    let at = |bytes| became(&push(&[Incoming::Change(orphan.clone())], HeldTotals { changes: 0, bytes }));
    assert_eq!(at(HELD_BYTES_MAX - orphan.size()), [held()]);
    assert_eq!(at(HELD_BYTES_MAX - orphan.size() + 1), [Became::Deferred(Deferral::HeldFull)]);
}

#[test]
fn who_has_left_is_held_up_to_a_part_of_the_room() {
    let [change, _] = two(1);
    let at = |changes, bytes| {
        let chunks = [Incoming::Change(change.clone())];
        became(&set_aside(&mut Facts::new(0, 0), &chunks, HeldTotals { changes, bytes }))
    };
    let most = usize::try_from(HELD_LEFT_CHANGES_MAX).expect("small");
    let (kept, full) = ([Became::Held("left_group".to_owned())], [Became::Deferred(Deferral::HeldFull)]);
    assert_eq!((at(most - 1, 0), at(most, 0)), (kept.to_vec(), full.to_vec()));
    let bytes = HELD_LEFT_BYTES_MAX - change.size();
    assert_eq!((at(0, bytes), at(0, bytes + 1)), (kept.to_vec(), full.to_vec()));
}

#[test]
fn of_who_has_left_nothing_is_accepted_and_each_is_told_what_is_known() {
    let ([first, second], [other, on_refused]) = (two(1), two(2));
    let mut facts = Facts::new(0, 0);
    facts.refused.insert(other.hash, RefusalCode::SeqGap);
    let changes = [&first, &second, &other, &on_refused].map(|change| Incoming::Change(change.clone()));
    let chunks = [&changes[..], &[Incoming::Known([4; 32])]].concat();
    let plan = set_aside(&mut facts, &chunks, HeldTotals::default());
    let refused = |code: RefusalCode| Became::Refused(code.as_str().to_owned(), advice(code).to_owned());
    let kept = Became::Held("left_group".to_owned());
    let told = [
        kept.clone(),
        kept,
        refused(RefusalCode::SeqGap),
        refused(RefusalCode::OnRefused),
        Became::Duplicate,
    ];
    assert_eq!(became(&plan), told);
    assert!(plan.accepted.is_empty() && plan.held.len() == 2);
    assert!(plan.held.iter().all(|held| held.missing.is_empty()), "they wait for a person");
}

#[test]
fn what_is_held_says_what_it_waits_for_and_goes_when_that_has_come() {
    let [first, second] = two(1);
    let plan_of_second = push(&[Incoming::Change(second.clone())], HeldTotals::default());
    assert_eq!(plan_of_second.held[0].missing, [first.hash]);
    let mut facts = Facts::new(0, 0);
    facts.held.insert(second.hash);
    let totals = HeldTotals { changes: 1, bytes: second.size() };
    let chunks = [Incoming::Change(first.clone())];
    let completed = plan(&mut facts, &chunks, std::slice::from_ref(&second), totals, false);
    assert_eq!(
        completed.accepted.iter().map(|accepted| accepted.change.hash).collect::<Vec<_>>(),
        [first.hash, second.hash]
    );
    assert_eq!((completed.released, completed.more), (vec![second.hash], false));
}

#[test]
fn after_what_was_not_decoded_nothing_else_is_taken() {
    let [first, second] = two(1);
    let unread = |hash| Incoming::Unread(hash);
    let plan = push(&[unread([1; 32]), Incoming::Change(first.clone())], HeldTotals::default());
    let again = || Became::Deferred(Deferral::RequestFull);
    assert_eq!(became(&plan), [again(), again()]);
    assert!(plan.is_empty());

    let mut facts = Facts::new(0, 0);
    facts.held.insert([2; 32]);
    facts.refused.insert([3; 32], RefusalCode::SeqGap);
    let chunks = [
        unread([2; 32]),
        unread([3; 32]),
        Incoming::Known([4; 32]),
        Incoming::Change(first),
        Incoming::Change(second),
    ];
    let plan = super::plan(&mut facts, &chunks, &[], HeldTotals::default(), false);
    let found = became(&plan);
    assert_eq!(found[0], held());
    assert!(matches!(&found[1], Became::Refused(code, _) if code == "seq_gap"));
    assert_eq!(found[2..], [Became::Duplicate, Became::Accepted, Became::Accepted]);
}

#[test]
fn the_budget_of_operations_holds_at_the_limit_and_gives_way_one_past_it() {
    let mut facts = Facts::new(0, 0);
    let base = crate::domain::limits::DAYBOOK_OPERATIONS_BASE;
    (facts.operations, facts.raw_bytes) = (base + 500 - 180, 400);
    assert!(facts.has_room(180, 100) && !facts.has_room(181, 100));
    // A byte for each operation leaves the room as it is, however little there is.
    facts.operations = 10 * base;
    assert!(facts.has_room(100, 100) && !facts.has_room(101, 100));
}
