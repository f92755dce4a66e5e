//! Every parameter of a path: what it does not name, and what belongs to others, is not there.

use serde_json::Value;

use super::operation::{Operation, operations};
use super::world::{Request, Who, World};
use super::writes::{Made, make};
use crate::support::both;

/// Nothing of this form is an id, a hash or a number of rules.
const MALFORMED: [&str; 6] =
    ["nothing", "%00", "%FF", "%C3%A9", "-1", "0193A5B0-7C2E-7D44-9A51-5D2F0C9E1B77"];
/// Everybody in the neighbourhood reads these.
const EVERYBODYS: [&str; 3] = ["get_period", "get_rules_version", "compare_rules"];

/// A good request for the operation, and its path in parts.
async fn good(world: &mut World, operation: &Operation) -> Made {
    if operation.is_write() {
        return make(world, operation).await;
    }
    let path = operation.filled(|before, name| world.in_path(before, name));
    let request = Request { path, ..Request::default() };
    Made { who: World::whose(operation), request, body: Value::Null }
}

/// The path with another value for one of its parameters.
fn with(operation: &Operation, path: &str, name: &str, value: &str) -> String {
    let parts = operation.path.split('/').zip(path.split('/'));
    let parts = parts.map(|(of, part)| if of == format!("{{{name}}}") { value } else { part });
    parts.collect::<Vec<_>>().join("/")
}

/// Something of the right form that there is not.
fn unknown(world: &World, name: &str) -> String {
    match name {
        "hash" => "0".repeat(64),
        "version" => "999".to_owned(),
        _ => world.app.app.uuid().to_string(),
    }
}

both! {
    async fn what_a_path_does_not_name_is_not_there(app: TestApp) {
        let mut world = World::of(app).await;
        let mut walked = 0;
        for operation in operations() {
            for (_, name) in operation.path_parameters() {
                let made = good(&mut world, &operation).await;
                let nothing = unknown(&world, name);
                for value in MALFORMED.iter().copied().chain([nothing.as_str()]) {
                    let path = with(&operation, &made.request.path, name, value);
                    let request = Request { path: path.clone(), ..made.request.clone() };
                    let answer = world.call(&operation, made.who, &request).await;
                    assert_eq!(answer.told(), (404, "not_found".to_owned()), "{} {path}", operation.id);
                    walked += 1;
                }
            }
        }
        assert!(walked > 200, "{walked}");
    }
}

both! {
    async fn what_is_anothers_is_as_if_it_were_not_there(app: TestApp) {
        let mut world = World::of(app).await;
        for operation in operations() {
            let id = operation.id.clone();
            if operation.path_parameters().is_empty() || operation.is_operators() {
                continue;
            }
            let made = good(&mut world, &operation).await;
            // Rules have numbers, which each neighbourhood has.
            if !operation.path.contains("{version}") {
                let answer = world.call(&operation, Who::Stranger, &made.request).await;
                assert_eq!(answer.told(), (404, "not_found".to_owned()), "{id} {}", made.request.path);
            }
            if EVERYBODYS.contains(&id.as_str()) {
                continue;
            }
            let theirs = if matches!(id.as_str(), "update_device" | "revoke_device") {
                operation.filled(|_, _| world.asha.device.to_string())
            } else {
                made.request.path.clone()
            };
            let nobodys = operation.filled(|_, name| unknown(&world, name));
            let ask = async |path: String| {
                let answer = world.call(&operation, Who::Bo, &Request { path, ..made.request.clone() }).await;
                answer.told()
            };
            let (theirs, nobodys) = (ask(theirs).await, ask(nobodys).await);
            assert_eq!(theirs, nobodys, "{id}: whether it is there is not told");
            let scope = (403, "insufficient_scope".to_owned());
            assert!(theirs == scope || theirs == (404, "not_found".to_owned()), "{id}: {theirs:?}");
        }
    }
}

both! {
    async fn a_token_without_the_scope_is_told_so_before_anything_else(app: TestApp) {
        let mut world = World::of(app).await;
        let all = daybook::auth::scopes::Scopes::ALL.to_string();
        let mut walked = 0;
        for operation in operations() {
            let Some(scope) = operation.scope().map(str::to_owned) else { continue };
            let rest: Vec<&str> = all.split(' ').filter(|one| *one != scope).collect();
            let token = crate::wire::bearer(&world.app, &mut world.dee, &rest.join(" ")).await;
            let path = operation.filled(|before, name| world.in_path(before, name));
            let request = Request { path, ..Request::default() };
            let answer = world.call_with(&operation, Some(&token), &request).await;
            assert_eq!(answer.told(), (403, "insufficient_scope".to_owned()), "{}", operation.id);
            assert!(answer.json()["detail"].as_str().is_some_and(|text| text.contains(&scope)), "{}", operation.id);
            let answer = world.call(&operation, Who::Nobody, &request).await;
            assert_eq!(answer.told(), (401, "token_missing".to_owned()), "{}", operation.id);
            walked += 1;
        }
        assert!(walked > 30, "{walked}");
    }
}
