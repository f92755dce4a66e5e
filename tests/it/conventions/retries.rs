//! Every write whose answer is lost, sent again: the same outcome, and the same things there as after the first.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use super::operation::{Operation, operations};
use super::world::World;
use super::writes::make;
use crate::support::both;
use crate::support::desk::rebuilt_is_live;

/// What differs by nature from one answer to the next: signatures, and whether it was there before.
pub fn outcome(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(fields) => {
            fields.remove("access_token");
            // Sync names the activities of a change when it takes it, and only then.
            if fields.contains_key("outcome") {
                fields.remove("activities");
            }
            for (name, value) in fields.iter_mut() {
                let again = (name == "status" && value == 201) || (name == "outcome" && value == "accepted");
                *value = if again { json!("there") } else { outcome(value.take()) };
                if (name == "status" && *value == 200) || (name == "outcome" && *value == "duplicate") {
                    *value = json!("there");
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = outcome(item.take())),
        _ => {}
    }
    answer
}

/// Everything that can be read, by operation.
async fn everything(world: &World) -> BTreeMap<String, (u16, Vec<u8>)> {
    let mut found = BTreeMap::new();
    for operation in operations().into_iter().filter(|one| one.method == Method::GET) {
        let query = if operation.is_list() { "?limit=200" } else { "" };
        let answer = world.get(&operation, query).await;
        // A problem names its request.
        let seen = if answer.status < 400 { answer.bytes } else { Vec::new() };
        found.insert(operation.id, (answer.status, seen));
    }
    found
}

/// What shows a second time without anything having happened, and why.
const SHOWS: [(&str, [&str; 2]); 1] = [
    // A daybook's revision rises with every look at a change in quarantine, whatever becomes of the change.
    ("replay_quarantined", ["get_me", "list_daybooks"]),
];

fn differences<'a>(
    before: &'a BTreeMap<String, (u16, Vec<u8>)>,
    after: &BTreeMap<String, (u16, Vec<u8>)>,
) -> Vec<&'a str> {
    before.iter().filter(|(id, seen)| after[*id] != **seen).map(|(id, _)| id.as_str()).collect()
}

both! {
    async fn a_lost_answer_is_asked_for_again_and_nothing_happens_twice(app: TestApp) {
        let mut world = World::of(app).await;
        let mut changed = 0;
        for operation in operations().iter().filter(|one| Operation::is_write(one)) {
            let id = &operation.id;
            let made = make(&mut world, operation).await;
            let before = everything(&world).await;
            // Nobody reads this one.
            let lost = world.call(operation, made.who, &made.request).await;
            assert!((200..300).contains(&lost.status), "{id}: {}", String::from_utf8_lossy(&lost.bytes));
            let after = everything(&world).await;
            changed += usize::from(!differences(&before, &after).is_empty());
            let again = world.call(operation, made.who, &made.request).await;
            assert!((200..300).contains(&again.status), "{id}: {}", String::from_utf8_lossy(&again.bytes));
            assert_eq!(outcome(again.json()), outcome(lost.json()), "{id}: the same outcome");
            let now = everything(&world).await;
            let shows = SHOWS.iter().find(|(of, _)| of == id).map(|(_, shows)| shows.as_slice());
            let mut twice = differences(&after, &now);
            twice.retain(|seen| !shows.is_some_and(|shows| shows.contains(seen)));
            assert!(twice.is_empty(), "{id} happened twice: see {twice:?}");
        }
        assert!(changed > 15, "{changed} writes can be seen in what is read");
        world.app.judge().await;
        rebuilt_is_live(&world.app).await;
    }
}
