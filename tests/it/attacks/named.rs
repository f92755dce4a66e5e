//! Changes that name operations all over their daybook: looked up in few statements, and paid for.

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ROOT};
use daybook::api::sync::OutcomeKind;
use daybook::domain::limits::LOOK_UP_RANGES_MAX;

use super::{PREDECESSORS_MAX, forge};
use crate::floods::left;
use crate::support::both;
use crate::wire;

const ACCEPTED: (OutcomeKind, Option<&str>) = (OutcomeKind::Accepted, None);
const MISSING: (OutcomeKind, Option<&str>) = (OutcomeKind::Refused, Some("missing_predecessor"));

/// Letters of one text, and how far those are apart that are deleted: further than ranges are joined.
const LETTERS: usize = 7_000;
const APART: usize = 18;
const TEXTS: usize = 3;

/// Changes that make a text each, and one that deletes letters all over them.
fn scattered(actor: ActorId) -> (Vec<Vec<u8>>, Vec<u8>) {
    let mut doc = AutoCommit::new().with_actor(actor);
    let (mut texts, mut changes) = (Vec::new(), Vec::new());
    for at in 0..TEXTS {
        let text = doc.put_object(ROOT, format!("text {at}"), ObjType::Text).expect("put");
        doc.splice_text(&text, 0, 0, &"a".repeat(LETTERS)).expect("spliced");
        changes.push(doc.get_last_local_change().expect("a change").raw_bytes().to_vec());
        texts.push(text);
    }
    for text in &texts {
        for at in (0..LETTERS / APART).rev() {
            doc.splice_text(text, APART * at, 1, "").expect("spliced");
        }
    }
    (changes, doc.get_last_local_change().expect("a change").raw_bytes().to_vec())
}

both! {
    async fn a_change_that_names_operations_in_a_thousand_places_is_accepted(app: TestApp) {
        const { assert!(TEXTS * (LETTERS / APART) > LOOK_UP_RANGES_MAX, "each by itself would be too many") };
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let (texts, deleting) = scattered(ActorId::from(asha.random::<16>()));
        let answer = wire::send_changes(&mut asha, own, &texts).await;
        assert_eq!(wire::outcomes(&answer), [ACCEPTED; TEXTS]);
        let other = wire::forged(&deleting, |change| {
            (change.actor_id, change.seq) = (ActorId::from([9; 16]), 1);
            let nobody = automerge::legacy::OpId::new(5, &ActorId::from([8; 16]));
            change.operations[500].pred = vec![nobody].into();
        });
        let answer = wire::send_changes(&mut asha, own, &[other, deleting]).await;
        assert_eq!(wire::outcomes(&answer), [MISSING, ACCEPTED], "all that is there is found, and nothing else");
    }
}

both! {
    async fn predecessors_cost_the_budget_as_operations_do(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let own = asha.own;
        let bomb = forge::naming(&[7; 16], PREDECESSORS_MAX);
        let before = left(&app, &asha).await;
        let answer = wire::send_changes(&mut asha, own, std::slice::from_ref(&bomb)).await;
        assert_eq!(wire::outcomes(&answer), [MISSING]);
        let spent = before - left(&app, &asha).await;
        let predecessors = i64::try_from(PREDECESSORS_MAX).expect("small");
        assert_eq!(spent, predecessors + 256 + i64::try_from(bomb.len()).expect("small"));
    }
}
