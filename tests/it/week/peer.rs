//! Where people's word approves: confirmations that confirm little make cards too.

use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::desk::{balance, became, cards, item, post, rebuilt_is_live, rules, send, told};
use crate::support::{TestPhone, both};

fn day(number: i64) -> String {
    format!("2026-11-{number:02}")
}

fn hours(phone: &mut TestPhone, number: i64) -> ActivityId {
    let me = phone.party;
    phone
        .record(Kind::Hours, &day(number), |r| {
            r.minutes(me, 30);
        })
        .expect("recorded")
}

fn confirms(phone: &mut TestPhone, number: i64, confirmed: ActivityId) -> ActivityId {
    let me = phone.party;
    let write = phone.record(Kind::Hours, &day(number), |r| {
        r.minutes(me, 0).put("confirms", confirmed.to_string());
    });
    write.expect("recorded")
}

/// Kinds of the open suspicions of cards, each once.
fn kinds(cards: &[Value]) -> Vec<&str> {
    let suspicions = cards.iter().flat_map(|card| card["suspicions"].as_array().expect("suspicions"));
    let mut kinds: Vec<&str> = suspicions.filter_map(|one| one["kind"].as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// Approves all that waits in these cards, whose records are all true.
async fn approve_all(desk: &mut TestPhone, cards: &[Value]) {
    let waiting = |one: &&Value| one["activity"]["review"] == "received";
    let records = cards.iter().flat_map(|card| card["activities"].as_array().expect("records"));
    let items: Vec<Value> =
        records.filter(waiting).map(|one| item(desk, &one["activity"], "approve", &json!({}))).collect();
    if items.is_empty() {
        return;
    }
    let outcomes = send(desk, &items).await;
    assert!(outcomes.iter().all(|outcome| became(outcome).0 == 201), "{outcomes:?}");
}

both! {
    async fn who_confirms_for_themselves_or_only_each_other_makes_a_card_that_one_look_ends(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "peer", "audit_percent": 0 })).await;
        // Once is neighbourly: Cy's word approves.
        let neighbourly = hours(&mut asha, 1);
        post(&app, &mut asha).await;
        confirms(&mut cy, 1, neighbourly);
        post(&app, &mut cy).await;
        post(&app, &mut asha).await;
        assert_eq!((told(&asha, neighbourly).0, kinds(&cards(&mut desk).await)), (Review::Approved, vec![]));

        let own = hours(&mut asha, 2);
        confirms(&mut asha, 2, own);
        post(&app, &mut asha).await;
        assert_eq!(kinds(&cards(&mut desk).await), ["own_confirmation"]);

        // Four times there and four times back.
        for number in 3..7 {
            let (of_asha, of_bo) = (hours(&mut asha, number), hours(&mut bo, number));
            post(&app, &mut asha).await;
            post(&app, &mut bo).await;
            confirms(&mut asha, number, of_bo);
            confirms(&mut bo, number, of_asha);
            post(&app, &mut asha).await;
            post(&app, &mut bo).await;
        }
        let found = cards(&mut desk).await;
        assert_eq!(kinds(&found), ["mutual_confirmation", "own_confirmation"]);
        // The honest confirmations wait for nobody.
        assert_eq!(found.len(), 2, "one of each kind: {found:?}");
        approve_all(&mut desk, &found).await;
        app.judge().await;
        let left: Vec<Value> = cards(&mut desk).await;
        approve_all(&mut desk, &left).await;
        app.judge().await;
        assert_eq!(cards(&mut desk).await, Vec::<Value>::new());
        let (a, b) = (asha.party, bo.party);
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (6 * 30, 4 * 30));
        rebuilt_is_live(&app).await;
    }
}
