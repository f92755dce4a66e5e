//! Every change of a thing by `PATCH`, but for activities, which merge: it says which revision it is of.

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::{Value, json};

use super::operation::{Operation, operations};
use super::world::{Answer, Request, Who, World};
use super::writes::make;
use crate::support::both;

fn changes() -> Vec<Operation> {
    let patches = operations().into_iter().filter(|one| one.method == Method::PATCH);
    patches.filter(|one| one.id != "edit_activity").collect()
}

/// The request as one of another revision, or of none.
fn of(request: &Request, tag: Option<&str>) -> Request {
    let mut headers = request.headers.clone();
    headers.retain(|(name, _)| *name != "if-match");
    headers.extend(tag.map(|tag| ("if-match", tag.to_owned())));
    Request { headers, ..request.clone() }
}

fn tag(answer: &Answer) -> &str {
    answer.headers.get("etag").expect("a tag").to_str().expect("text")
}

/// The thing as its list shows it.
async fn listed(world: &World, change: &Operation, id: &Value) -> Value {
    let path = change.path.trim_end_matches("/{id}");
    let all = operations();
    let list = all.iter().find(|one| one.method == Method::GET && one.path == path).expect("its list");
    let page = world.get(list, "?limit=200").await.json();
    let found = page["items"].as_array().expect("items").iter().find(|item| item["id"] == *id);
    found.expect("the thing in its list").clone()
}

#[test]
fn every_change_takes_what_was_seen() {
    let all = changes();
    let found: BTreeSet<&str> = all.iter().map(|one| one.id.as_str()).collect();
    assert!(found.len() >= 3, "{found:?}");
    for change in &all {
        let parameters = change.spec["parameters"].as_array().expect("parameters");
        let condition = parameters.iter().find(|one| one["name"] == "If-Match").expect("If-Match");
        assert_eq!(condition["required"], true, "{}", change.id);
        assert!([412, 428].iter().all(|status| change.documents(*status)), "{}", change.id);
    }
}

both! {
    async fn a_change_is_of_what_was_seen_and_a_lost_answer_is_asked_for_again(app: TestApp) {
        let mut world = World::of(app).await;
        for change in changes() {
            let id = &change.id;
            let made = make(&mut world, &change).await;
            let send = async |tag| world.call(&change, made.who, &of(&made.request, tag)).await;
            assert_eq!(send(None).await.told(), (428, "precondition_required".to_owned()), "{id}");
            let stale = send(Some("\"0\"")).await;
            assert_eq!(stale.told(), (412, "precondition_failed".to_owned()), "{id}");
            let present = stale.json()["present"].clone();
            assert_eq!((&present["etag"], tag(&stale)), (&json!("\"1\""), "\"1\""), "{id}: as it is");
            assert_eq!(listed(&world, &change, &present["id"]).await, present, "{id}: nothing was written");

            let done = send(Some("\"1\"")).await;
            assert_eq!((done.status, tag(&done)), (200, "\"2\""), "{id}");
            assert_eq!((&done.json()["revision"], &done.json()["etag"]), (&json!(2), &json!("\"2\"")), "{id}");
            assert_eq!(listed(&world, &change, &present["id"]).await, done.json(), "{id}");
            // It is as asked: whichever revision was seen, nothing is written.
            for seen in ["\"1\"", "\"2\"", "\"0\"", "*"] {
                let again = send(Some(seen)).await;
                assert_eq!((again.status, tag(&again), again.json()), (200, "\"2\"", done.json()), "{id} {seen}");
            }
            assert_eq!(send(None).await.told().0, 428, "{id}");
        }
    }
}

both! {
    async fn what_a_tag_names_is_not_sent_again_to_who_has_it(app: TestApp) {
        let mut world = World::of(app).await;
        let (all, mut walked) = (operations(), 0);
        for change in changes() {
            let Some(get) = all.iter().find(|one| one.method == Method::GET && one.path == change.path) else { continue };
            let made = make(&mut world, &change).await;
            let path = made.request.path.clone();
            let ask = async |tag: Option<String>| {
                let headers = tag.map(|tag| ("if-none-match", tag)).into_iter().collect();
                world.call(get, Who::Dee, &Request { path: path.clone(), headers, body: None }).await
            };
            let first = ask(None).await;
            assert_eq!((first.status, &first.json()["etag"]), (200, &json!(tag(&first))), "{}", get.id);
            let known = ask(Some(tag(&first).to_owned())).await;
            assert_eq!((known.status, known.bytes.len(), tag(&known)), (304, 0, tag(&first)), "{}", get.id);
            world.call(&change, made.who, &made.request).await;
            let other = ask(Some(tag(&first).to_owned())).await;
            assert_eq!((other.status, tag(&other)), (200, "\"2\""), "{}", get.id);
            walked += 1;
        }
        assert!(walked > 0, "a party at least");
    }
}
