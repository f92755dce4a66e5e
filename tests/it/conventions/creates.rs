//! Every creation with an id of the client's: new, sent again, and sent with other content.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::operation::{Operation, operations};
use super::world::World;
use super::writes::{Made, make};
use crate::support::both;

/// Where the content of a creation is another, and what it is then; of the first item in a batch.
const OTHER: [(&str, &str, &str); 10] = [
    ("close_account", "/reason", r#""You asked for it.""#),
    ("create_daybook", "/party_id", r#""the group""#),
    ("create_grant", "/name", r#""Another""#),
    ("create_invitation", "/coordinator", "true"),
    ("create_neighbourhood", "/name", r#""Elsewhere""#),
    ("create_party", "/name", r#""Another""#),
    ("create_period", "/day_until", r#""2018-12-31""#),
    ("decide", "/items/0/reason", r#""It was another day.""#),
    ("record_activities", "/items/0/day", r#""2026-11-02""#),
    ("reply_to_activity", "/text", r#""Something else.""#),
];

fn changed(world: &World, operation: &Operation, body: &Value) -> Value {
    let row = OTHER.iter().find(|(id, _, _)| *id == operation.id);
    let (_, pointer, value) = row.expect("a row for every creation");
    let mut value: Value = serde_json::from_str(value).expect("JSON");
    if value == "the group" {
        value = json!(world.group);
    }
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let mut other = body.clone();
    other.pointer_mut(parent).expect("the parent")[name] = value;
    assert_ne!(&other, body);
    other
}

/// Status and code of what was made: of the request, or of the first item of a batch.
fn became(status: u16, answer: &Value) -> (u64, &str) {
    let outcome = &answer["items"][0];
    let batch = outcome["status"].as_u64();
    let code = |of: &Value| of["code"].as_str().map(str::to_owned);
    let found = batch.map_or((u64::from(status), code(answer)), |status| (status, code(outcome)));
    let codes = ["id_reused"];
    let code = codes.into_iter().find(|code| found.1.as_deref() == Some(code));
    (found.0, code.unwrap_or_default())
}

/// An answer without the statuses of its items.
fn content(mut answer: Value) -> Value {
    for item in answer["items"].as_array_mut().into_iter().flatten() {
        item.as_object_mut().expect("an outcome").remove("status");
    }
    answer
}

#[test]
fn every_creation_has_a_row() {
    let walked: BTreeSet<String> =
        operations().into_iter().filter(Operation::is_create).map(|one| one.id).collect();
    let rows: BTreeSet<String> = OTHER.iter().map(|(id, _, _)| (*id).to_owned()).collect();
    assert_eq!(walked, rows, "say in conventions/creates.rs what other content a new creation may have");
}

both! {
    async fn new_is_201_again_is_200_and_other_content_is_409(app: TestApp) {
        let mut world = World::of(app).await;
        for operation in operations().iter().filter(|one| one.is_create()) {
            let id = &operation.id;
            let made: Made = make(&mut world, operation).await;
            let send = async |request| {
                let answer = world.call(operation, made.who, &request).await;
                (answer.status, answer.json())
            };
            let (status, first) = send(made.request.clone()).await;
            assert_eq!(became(status, &first), (201, ""), "{id}: {first}");
            let (status, again) = send(made.request.clone()).await;
            assert_eq!(became(status, &again), (200, ""), "{id}: {again}");
            assert_eq!(content(again), content(first), "{id}");
            let other = changed(&world, operation, &made.body);
            let (status, refused) = send(made.with_body(&other)).await;
            assert_eq!(became(status, &refused), (409, "id_reused"), "{id}: {refused}");
        }
    }
}
