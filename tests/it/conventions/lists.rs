//! Every list: its pages, its bounds, its cursors.

use serde_json::{Value, json};

use super::operation::{Operation, operations};
use super::world::{Request, World};
use crate::support::both;

fn lists() -> Vec<Operation> {
    operations().into_iter().filter(Operation::is_list).collect()
}

/// A page, after a look at its envelope.
async fn page(world: &World, list: &Operation, query: &str) -> Value {
    let answer = world.get(list, query).await;
    let page = answer.json();
    assert_eq!(answer.status, 200, "{}{query}: {page}", list.id);
    let fields = page.as_object().expect("an object");
    // What more there is to say of a list, beside its pages.
    let more: &[&str] = if list.id == "list_cards" { &["waiting", "looked_at"] } else { &[] };
    let of_pages = ["items", "next", "events_after"];
    let strange =
        fields.keys().find(|name| !of_pages.iter().chain(more).any(|known| *known == name.as_str()));
    assert_eq!(strange, None, "{}", list.id);
    let link = answer.headers.get("link").map(|link| link.to_str().expect("text").to_owned());
    let Some(next) = page["next"].as_str() else {
        assert!(
            page.get("next").is_none() && link.is_none(),
            "{}: the last page says so by silence",
            list.id
        );
        return page;
    };
    let link = link.unwrap_or_else(|| panic!("{}: a next page, and no link to it", list.id));
    let address = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
    let (_, linked) = address.and_then(|address| address.split_once('?')).expect("a link to the next page");
    assert!(linked.split('&').any(|pair| pair == format!("after={next}")), "{}: {link}", list.id);
    let here = world.get(list, &format!("?{linked}")).await;
    let size = items(&page).len();
    let there = world.get(list, &format!("?limit={size}&after={next}")).await;
    assert_eq!(here.json(), there.json(), "{}: {link}", list.id);
    page
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().expect("items")
}

both! {
    async fn pages_of_one_hold_what_the_whole_list_holds_in_its_order(app: TestApp) {
        let world = World::of(app).await;
        for list in lists() {
            let whole = page(&world, &list, "?limit=200").await;
            assert!(items(&whole).len() >= 3, "{}: give it three items in conventions/world.rs: {whole}", list.id);
            assert_eq!(whole.get("next"), None, "{}", list.id);
            let (mut query, mut found) = ("?limit=1".to_owned(), Vec::new());
            loop {
                let page = page(&world, &list, &query).await;
                found.extend(items(&page).iter().cloned());
                let Some(next) = page["next"].as_str() else { break };
                assert_eq!(items(&page).len(), 1, "{}", list.id);
                query = format!("?limit=1&after={next}");
            }
            assert_eq!(json!(found), whole["items"], "{}: nothing twice, nothing left out", list.id);
        }
    }
}

both! {
    async fn the_first_page_says_from_where_to_follow_to_who_may_and_the_second_does_not(app: TestApp) {
        let mut world = World::of(app).await;
        let all = daybook::auth::scopes::Scopes::ALL.to_string();
        let rest: Vec<&str> = all.split(' ').filter(|one| *one != "activities:read").collect();
        let deaf = crate::wire::bearer(&world.app, &mut world.dee, &rest.join(" ")).await;
        let events = lists().into_iter().find(|list| list.id == "list_events").expect("events");
        let now = page(&world, &events, "?limit=200").await;
        for list in lists().iter().filter(|list| list.id != "list_events") {
            let first = page(&world, list, "?limit=1").await;
            let after = first["events_after"].as_str();
            assert_eq!(after.is_some(), !list.is_operators(), "{}: {first}", list.id);
            if let Some(after) = after {
                assert_eq!(after, now["events_after"], "{}: nothing has happened meanwhile", list.id);
                let further = page(&world, &events, &format!("?after={after}")).await;
                assert_eq!(further["items"], json!([]), "{}", list.id);
            }
            let next = first["next"].as_str().expect("there is more");
            let second = page(&world, list, &format!("?limit=1&after={next}")).await;
            assert_eq!(second.get("events_after"), None, "{}", list.id);
            if list.scope() != Some("activities:read") && !list.is_operators() {
                let path = list.filled(|before, name| world.in_path(before, name));
                let answer = world.call_with(list, Some(&deaf), &Request { path, ..Request::default() }).await;
                assert_eq!((answer.status, answer.json().get("events_after")), (200, None), "{}", list.id);
            }
        }
    }
}

both! {
    async fn a_limit_is_held_within_one_and_two_hundred(app: TestApp) {
        let mut world = World::of(app).await;
        for at in 0..220 {
            let body = json!({ "id": world.dee.uuid(), "kind": "resident", "sector": "resident", "name": format!("Somebody {at}") });
            let _: Value = world.dee.post("/v1/parties", &body).await.expect("a party");
        }
        for list in lists() {
            let least = page(&world, &list, "?limit=0").await;
            assert_eq!(items(&least).len(), 1, "{}: {least}", list.id);
            let [most, plain, huge] = ["?limit=200", "", "?limit=10000"].map(|query| page(&world, &list, query));
            let (most, plain, huge) = (most.await, plain.await, huge.await);
            assert_eq!(items(&huge), items(&most), "{}", list.id);
            assert_eq!(items(&plain), &items(&most)[..items(&most).len().min(50)], "{}", list.id);
            if list.id == "list_parties" {
                assert_eq!((items(&huge).len(), huge["next"].is_string()), (200, true));
            }
            for (query, code) in [("?limit=-1", "query_invalid"), ("?limit=many", "query_invalid"), ("?colour=red", "query_invalid"), ("?after=x", "cursor_invalid")] {
                let told = world.get(&list, query).await.told();
                assert_eq!(told, (400, code.to_owned()), "{}{query}", list.id);
            }
        }
    }
}

both! {
    async fn a_list_takes_no_other_lists_cursor(app: TestApp) {
        let world = World::of(app).await;
        let lists = lists();
        let mut cursors = Vec::new();
        for list in &lists {
            let page = page(&world, list, "?limit=1").await;
            cursors.push(page["next"].as_str().expect("there is more").to_owned());
        }
        for (at, list) in lists.iter().enumerate() {
            for (of, cursor) in cursors.iter().enumerate().filter(|(of, _)| *of != at) {
                let told = world.get(list, &format!("?after={cursor}")).await.told();
                assert_eq!(told, (400, "cursor_invalid".to_owned()), "{} with one of {}", list.id, lists[of].id);
            }
        }
    }
}

both! {
    async fn what_has_a_revision_has_an_etag_where_a_write_takes_one(app: TestApp) {
        let world = World::of(app).await;
        let all = operations();
        let conditional = |list: &Operation| {
            let one = format!("{}/{{id}}", list.path);
            all.iter().any(|other| other.path == one && {
                let parameters = other.spec["parameters"].as_array().into_iter().flatten();
                parameters.into_iter().any(|parameter| parameter["name"] == "If-Match")
            })
        };
        let mut tagged = 0;
        for list in lists().iter().filter(|list| conditional(list)) {
            for item in items(&page(&world, list, "?limit=200").await) {
                let (etag, revision) = (item["etag"].as_str().expect("an etag"), &item["revision"]);
                assert!(etag.starts_with(&format!("\"{revision}")) && etag.ends_with('"'), "{}: {etag}", list.id);
                tagged += 1;
            }
        }
        assert!(tagged > 3, "{tagged}");
    }
}
