//! Every body: an unknown field is named, another type and too many bytes are refused, and nothing is written.

use daybook::domain::limits::BODY_BYTES_MAX;
use serde_json::{Value, json};

use super::operation::operations;
use super::world::World;
use super::writes::make;
use crate::support::both;

/// Where a body may hold a field that nobody knows: in itself, and in every object within it that has fixed fields.
fn places(body: &Value, at: &str, found: &mut Vec<String>) {
    match body {
        Value::Object(fields) => {
            found.push(at.to_owned());
            // Keys of these are data.
            let free = ["set", "corrections", "minutes_max"];
            for (name, field) in fields.iter().filter(|(name, _)| !free.contains(&name.as_str())) {
                places(field, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                places(item, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

both! {
    async fn a_field_that_nobody_knows_is_refused_by_its_pointer(app: TestApp) {
        let mut world = World::of(app).await;
        let mut walked = 0;
        for operation in operations().iter().filter(|one| one.takes("application/json")) {
            let made = make(&mut world, operation).await;
            let mut all = Vec::new();
            places(&made.body, "", &mut all);
            assert!(!all.is_empty(), "{}", operation.id);
            for place in all {
                let mut body = made.body.clone();
                body.pointer_mut(&place).expect("an object")["colour"] = json!("red");
                let answer = world.call(operation, made.who, &made.with_body(&body)).await;
                assert_eq!(answer.told(), (422, "field_invalid".to_owned()), "{} {place}", operation.id);
                let expected = json!([{ "pointer": format!("{place}/colour"), "code": "unknown_field" }]);
                assert_eq!(answer.json()["errors"], expected, "{}", operation.id);
                walked += 1;
            }
            // As it was, it is good: nothing was written meanwhile.
            let answer = world.call(operation, made.who, &made.request).await;
            assert!((200..300).contains(&answer.status), "{}: {}", operation.id, answer.json());
        }
        assert!(walked >= 30, "{walked}");
    }
}

both! {
    async fn a_body_of_another_type_or_too_large_is_refused(app: TestApp) {
        let mut world = World::of(app).await;
        for operation in operations().iter().filter(|one| one.takes("application/json")) {
            let made = make(&mut world, operation).await;
            let good = made.body.to_string().into_bytes();
            for kind in ["text/plain", "application/x-www-form-urlencoded", "application/merge-patch"] {
                let answer = world.call(operation, made.who, &made.with_bytes(kind, good.clone())).await;
                assert_eq!(answer.told(), (415, "media_type_unsupported".to_owned()), "{} {kind}", operation.id);
            }
            let cut = made.with_bytes("application/json", good[..good.len() - 1].to_vec());
            let answer = world.call(operation, made.who, &cut).await;
            assert_eq!(answer.told(), (400, "body_unreadable".to_owned()), "{}", operation.id);
            let mut large = good;
            large.resize(BODY_BYTES_MAX + 1, b' ');
            let answer = world.call(operation, made.who, &made.with_bytes("application/json", large)).await;
            assert_eq!(answer.told(), (413, "body_too_large".to_owned()), "{}", operation.id);
            let answer = world.call(operation, made.who, &made.request).await;
            assert!((200..300).contains(&answer.status), "{}: {}", operation.id, answer.json());
        }
    }
}
