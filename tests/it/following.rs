//! Stories of programs that follow along: `GET /v1/events`, as JSON and as a stream.

mod mirror;

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Method, Request};
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::{EVENTS_LIFE_MS, STREAMS_PER_GRANT_MAX};
use daybook::store;
use futures_util::StreamExt as _;
use mirror::Mirror;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::desk::{decide, group, join, post, rules};
use crate::support::{TestApp, TestPhone, both};

const DAY: &str = "2026-11-20";
const READS: &str = "activities:read places:exact";
/// However busy the machine is.
const SOON: Duration = Duration::from_secs(60);

async fn events(app: &TestApp, token: &str, query: &str) -> (u16, Value) {
    let bearer = format!("Bearer {token}");
    let path = format!("/v1/events?{query}");
    let (status, page) = app.request(Method::GET, &path, &[("authorization", &bearer)], "").await;
    (status.as_u16(), page)
}

fn told(page: &Value) -> Vec<(&str, &str)> {
    let items = page["items"].as_array().expect("items").iter();
    items
        .map(|event| (event["type"].as_str().expect("a type"), event["subject"].as_str().expect("a subject")))
        .collect()
}

/// A day's hours, said differently each time: what says the same would be taken for one.
fn hours(phone: &mut TestPhone, minutes: i64) -> ActivityId {
    let (me, day) = (phone.party, format!("2026-11-{:02}", 1 + minutes % 20));
    phone.record(Kind::Hours, &day, |a| _ = a.minutes(me, minutes)).expect("recorded")
}

both! {
    async fn a_token_that_is_taken_back_is_told_to_coordinators_once(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut desk, "activities:read reconcile").await;
        app.personal_token(&mut asha, READS).await;
        let grants: Value = asha.get("/v1/grants").await.expect("grants");
        let items = grants["items"].as_array().expect("items");
        let script = items.iter().find(|grant| grant["name"] == "script").expect("the token's");
        let id = script["id"].as_str().expect("an id").to_owned();
        for _ in 0..2 {
            let path = format!("/v1/grants/{id}");
            asha.request(Method::DELETE, &path, "application/json", Vec::new()).await.expect("revoked");
        }
        let (_, page) = events(&app, &token, "").await;
        let revoked: Vec<_> = told(&page).into_iter().filter(|(kind, _)| *kind == "grant.revoked").collect();
        assert_eq!(revoked, [("grant.revoked", id.as_str())]);
        crate::support::desk::rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_coordinator_hears_of_everything_in_the_journals_order(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut desk, "activities:read reconcile").await;
        let id = hours(&mut asha, 60);
        post(&app, &mut asha).await;
        decide(&mut desk, id, "reject", json!({ "reason": "Not ours." })).await;
        let entries = store::journal::page(app.app.db().read(), app.neighbourhood, None, 0, 1_000).await.expect("entries");
        // Page by page, nothing comes twice and nothing is skipped.
        for limit in [1, 2, 200] {
            let (mut heard, mut after) = (Vec::new(), String::new());
            loop {
                let (status, page) = events(&app, &token, &format!("limit={limit}{after}")).await;
                assert_eq!(status, 200, "{page}");
                heard.extend(told(&page).into_iter().map(|(kind, subject)| (kind.to_owned(), subject.to_owned())));
                let Some(next) = page["next"].as_str() else { break };
                after = format!("&after={next}");
            }
            assert_eq!(heard.len(), entries.len(), "with pages of {limit}");
            let of_activity: Vec<&str> = heard.iter().filter(|(_, subject)| *subject == id.to_string()).map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(of_activity.first(), Some(&"activity.recorded"));
            assert!(of_activity.contains(&"activity.posted") && of_activity.contains(&"activity.reviewed"), "{of_activity:?}");
            assert!(heard.iter().any(|(kind, _)| kind == "device.enrolled"), "{heard:?}");
        }
        // From the last event on there is nothing, until there is.
        let (_, page) = events(&app, &token, "limit=200").await;
        let last = page["items"].as_array().expect("items").last().expect("an event")["id"].as_str().expect("an id").to_owned();
        let (_, page) = events(&app, &token, &format!("after={last}")).await;
        assert_eq!((&page["items"], &page["next"]), (&json!([]), &Value::Null));
        asha.edit(id, |a| _ = a.withdraw()).expect("edited");
        post(&app, &mut asha).await;
        let (_, page) = events(&app, &token, &format!("after={last}")).await;
        let first = &page["items"][0];
        assert_eq!((&first["type"], &first["reason"]), (&json!("activity.removed"), &json!("withdrawn")), "{page}");
    }
}

both! {
    async fn a_resident_hears_of_their_own_records_and_of_those_that_name_them(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (token, other) = (app.personal_token(&mut asha, READS).await, app.personal_token(&mut bo, READS).await);
        let (me, you) = (asha.party, bo.party);
        let alone = hours(&mut asha, 30);
        let both = asha.record(Kind::Repair, DAY, |a| _ = a.minutes(me, 20).minutes(you, 20)).expect("recorded");
        post(&app, &mut asha).await;
        let subjects = |page: &Value| told(page).into_iter().map(|(_, subject)| subject.to_owned()).collect::<Vec<_>>();
        let (_, mine) = events(&app, &token, "").await;
        let mut heard = subjects(&mine);
        heard.sort();
        let mut expected = vec![alone.to_string(), both.to_string()];
        expected.sort();
        assert_eq!(heard, expected, "each once, with the latest");
        let (_, yours) = events(&app, &other, "").await;
        assert_eq!(subjects(&yours), [both.to_string()], "and of nobody else's");
        // What no longer names them is removed.
        let after = yours["events_after"].as_str().expect("a cursor").to_owned();
        asha.edit(both, |a| _ = a.minutes(you, 0)).expect("edited");
        post(&app, &mut asha).await;
        decide(&mut desk, both, "approve", json!({})).await;
        let (_, yours) = events(&app, &other, &format!("after={after}")).await;
        let last = yours["items"].as_array().expect("items").last().expect("an event");
        assert_eq!((&last["type"], &last["reason"]), (&json!("activity.removed"), &json!("not_visible")), "{yours}");
    }
}

both! {
    async fn a_resident_hears_of_what_closed_an_account_of_theirs_and_nobody_else_does(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (token, other) = (app.personal_token(&mut asha, READS).await, app.personal_token(&mut bo, READS).await);
        for (phone, minutes) in [(&mut asha, 30), (&mut bo, 50)] {
            hours(phone, minutes);
            post(&app, phone).await;
        }
        let mut after = Vec::new();
        for token in [&token, &other] {
            let (_, page) = events(&app, token, "").await;
            assert!(told(&page).iter().all(|(kind, _)| kind.starts_with("activity.")), "{page}");
            after.push(page["events_after"].as_str().expect("a cursor").to_owned());
        }
        let body = json!({ "id": desk.uuid(), "reason": "She moved away." });
        let _: Value = desk.post(&format!("/v1/accounts/{}/closing", asha.party), &body).await.expect("closed");
        let last = hours(&mut asha, 20);
        post(&app, &mut asha).await;
        // One at a time, in order.
        let (mut seen, mut cursor) = (Vec::new(), after[0].clone());
        loop {
            let (_, page) = events(&app, &token, &format!("after={cursor}&limit=1")).await;
            seen.extend(told(&page).into_iter().map(|(kind, subject)| (kind.to_owned(), subject.to_owned())));
            cursor = page["events_after"].as_str().expect("a cursor").to_owned();
            if page["next"].is_null() {
                break;
            }
        }
        let kinds: Vec<&str> = seen.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["transfer.posted", "activity.posted"]);
        assert_eq!(seen[1].1, last.to_string());
        let (_, page) = events(&app, &other, &format!("after={}", after[1])).await;
        assert_eq!(told(&page), [], "Bo's account is as it was");
    }
}

both! {
    async fn who_may_see_more_or_less_than_before_lists_again(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let (token, other) = (app.personal_token(&mut asha, READS).await, app.personal_token(&mut bo, READS).await);
        let cursor = async |token: &str| {
            let (_, page) = events(&app, token, "").await;
            page["events_after"].as_str().expect("a cursor").to_owned()
        };
        let (mine, theirs) = (cursor(&token).await, cursor(&other).await);
        let (friends, book) = group(&mut desk, &mut asha, &[]).await;
        let expired = async |token: &str, after: &str| {
            let (status, page) = events(&app, token, &format!("after={after}")).await;
            (status, page["code"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(expired(&token, &mine).await, (410, "cursor_expired".to_owned()), "she is in a group now");
        assert_eq!(expired(&other, &theirs).await.0, 200);
        // What is in the group's daybook is hers to follow, until she leaves.
        let item = json!({ "id": asha.uuid(), "daybook_id": book, "kind": "hours", "day": DAY });
        let _: Value = asha.post("/v1/activities", &json!({ "items": [item] })).await.expect("recorded");
        app.judge().await;
        let (_, page) = events(&app, &token, "").await;
        assert_eq!(told(&page).len(), 1);
        let mine = page["events_after"].as_str().expect("a cursor").to_owned();
        let member = format!("/v1/parties/{friends}/members/{}", asha.party);
        desk.request(Method::DELETE, &member, "application/json", Vec::new()).await.expect("left");
        assert_eq!(expired(&token, &mine).await, (410, "cursor_expired".to_owned()));
        // Whoever is named by two ids hears once, and of a record that still names them by one that it is there.
        let old = app.phone("Bo's old phone").await;
        let (b, alias) = (bo.party, old.party);
        join(&mut desk, b, alias).await;
        let theirs = cursor(&other).await;
        let id = asha.record(Kind::Hours, DAY, |a| _ = a.minutes(b, 20).minutes(alias, 20)).expect("recorded");
        post(&app, &mut asha).await;
        for limit in [1, 50] {
            let (_, page) = events(&app, &other, &format!("after={theirs}&limit={limit}")).await;
            assert_eq!(told(&page).len(), 1, "{page}");
        }
        asha.edit(id, |a| _ = a.minutes(alias, 0)).expect("edited");
        post(&app, &mut asha).await;
        for limit in [1, 50] {
            let (mut after, mut kinds) = (theirs.clone(), Vec::new());
            loop {
                let (_, page) = events(&app, &other, &format!("after={after}&limit={limit}")).await;
                kinds.extend(told(&page).into_iter().map(|(kind, _)| kind.to_owned()));
                after = page["events_after"].as_str().expect("a cursor").to_owned();
                if page["next"].is_null() {
                    break;
                }
            }
            assert!(!kinds.is_empty() && kinds.iter().all(|kind| kind != "activity.removed"), "{limit}: {kinds:?}");
        }
    }
}

both! {
    async fn a_cursor_is_good_for_thirty_days_of_this_journal(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let token = app.personal_token(&mut desk, "activities:read reconcile").await;
        hours(&mut desk, 10);
        post(&app, &mut desk).await;
        let (_, page) = events(&app, &token, "").await;
        let after = page["events_after"].as_str().expect("a cursor").to_owned();
        for text in ["x", "", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            let (status, problem) = events(&app, &token, &format!("after={text}")).await;
            assert_eq!((status, problem["code"].as_str()), (400, Some("cursor_invalid")), "{text}");
        }
        // Another list's, and another neighbourhood's journal, which has other chains.
        let bearer = format!("Bearer {token}");
        let (_, list) = app.request(Method::GET, "/v1/journal/entries?limit=1", &[("authorization", &bearer)], "").await;
        if let Some(next) = list["next"].as_str() {
            assert_eq!(events(&app, &token, &format!("after={next}")).await.0, 400);
        }
        use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, sea_query::Expr};
        use store::entity::journal;
        let tip = store::ledger::find_tip(app.app.db().read(), app.neighbourhood).await.expect("read").expect("a tip");
        let chain = |bytes: Vec<u8>| {
            journal::Entity::update_many().col_expr(journal::Column::Chain, Expr::value(bytes))
                .filter(journal::Column::NeighbourhoodId.eq(app.neighbourhood.0)).filter(journal::Column::No.eq(tip.journal_no))
        };
        chain(vec![7; 32]).exec(app.app.db().writer()).await.expect("another chain");
        let (status, problem) = events(&app, &token, &format!("after={after}")).await;
        assert_eq!((status, problem["code"].as_str()), (410, Some("cursor_expired")), "a restored server is behind what was followed");
        chain(tip.chain.clone()).exec(app.app.db().writer()).await.expect("its own chain");
        app.pass(EVENTS_LIFE_MS);
        let token = app.personal_token(&mut desk, "activities:read reconcile").await;
        assert_eq!(events(&app, &token, &format!("after={after}")).await.0, 200, "on the last day");
        app.pass(1);
        let (status, problem) = events(&app, &token, &format!("after={after}")).await;
        assert_eq!((status, problem["code"].as_str()), (410, Some("cursor_expired")));
    }
}

both! {
    async fn a_mirror_equals_the_server_after_a_storm_of_writes_and_lost_answers(app: TestApp) {
        let replica = app.another_replica().await;
        let mut desk = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, replica.phone("Bo").await);
        let mut all = Mirror::new(app.personal_token(&mut desk, "activities:read reconcile places:exact").await, &["/v1/activities"]);
        let mut one = Mirror::new(app.personal_token(&mut bo, READS).await, &["/v1/activities", "/v1/activities?names_me=true"]);
        let script = app.personal_token(&mut asha, "activities:read activities:write places:exact").await;
        let mut ids = Vec::new();
        for round in 0..12_i64 {
            let (me, you) = (asha.party, bo.party);
            ids.push(hours(&mut asha, 10 + round));
            hours(&mut bo, 40 + round);
            let met = asha.record(Kind::Repair, DAY, |a| _ = a.minutes(me, 5).minutes(you, 5 + round).put("repair.product", format!("Kettle {round}")));
            ids.push(met.expect("recorded"));
            let old = ids[usize::try_from(round * 7).expect("small") % ids.len()];
            if round % 3 == 1 {
                asha.edit(old, |a| _ = a.count("bags", 1).minutes(me, 3 + round)).expect("edited");
            }
            if round % 5 == 2 {
                asha.edit(old, |a| _ = a.withdraw()).expect("edited");
            }
            let judging = async { if round % 2 == 0 { app.judge().await } else { replica.judge().await } };
            let (first, second, _, _, _) =
                tokio::join!(asha.sync(), bo.sync(), judging, all.step(&replica, 3), one.step(&app, 2));
            first.expect("synced");
            second.expect("synced");
            if round % 4 == 3 {
                decide(&mut desk, old, ["approve", "reject"][usize::from(round % 8 == 3)], json!({ "reason": "Looked." })).await;
            }
            if round % 3 == 2 {
                let seen: Value = asha.get(&format!("/v1/activities/{old}")).await.expect("the activity");
                let body = json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": { "note": format!("Round {round}") } });
                let bearer = format!("Bearer {script}");
                let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
                let (status, answer) = replica.request(Method::PATCH, &format!("/v1/activities/{old}"), &headers, body.to_string()).await;
                assert_eq!(status, 200, "{answer}");
            }
            // An answer that is lost is asked for again; a program that ends goes on where it was.
            let before = all.after.clone();
            all.step(&app, 5).await;
            if round % 2 == 0 {
                all.after = before;
            }
        }
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        all.is_the_same(&app).await;
        one.is_the_same(&replica).await;
        assert!(all.heard > 60 && one.heard > 20, "{} and {}", all.heard, one.heard);
        assert!(one.copy.len() < all.copy.len(), "a resident's copy has less");
    }
}

/// An open stream, read event by event.
struct Listener {
    body: BodyDataStream,
    read: String,
}

impl Listener {
    async fn open(app: &TestApp, token: &str, last: Option<&str>) -> Result<Self, u16> {
        let mut request = Request::get("/v1/events")
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = app
            .router
            .clone()
            .oneshot(request.body(Body::empty()).expect("a request"))
            .await
            .expect("an answer");
        if answer.status() != 200 {
            return Err(answer.status().as_u16());
        }
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Ok(Self { body: answer.into_body().into_data_stream(), read: String::new() })
    }

    /// The next event: its name, id and data; nothing at the end of the stream.
    async fn next(&mut self) -> Option<(String, String, Value)> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let line = |name: &str| {
                    event
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .unwrap_or_default()
                        .trim()
                        .to_owned()
                };
                let found = (
                    line("event:"),
                    line("id:"),
                    serde_json::from_str(&line("data:")).unwrap_or(Value::Null),
                );
                self.read = rest.to_owned();
                if found.0.is_empty() {
                    continue;
                }
                return Some(found);
            }
            let bytes = tokio::time::timeout(SOON, self.body.next()).await.expect("it says something")?;
            self.read.push_str(std::str::from_utf8(&bytes.expect("bytes")).expect("text"));
        }
    }
}

both! {
    async fn a_stream_wakes_up_and_goes_on_at_any_replica(app: TestApp) {
        let replica = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, READS).await;
        let mut stream = Listener::open(&app, &token, None).await.expect("a stream");
        assert_eq!(stream.next().await.expect("an event").0, "ready");
        let id = hours(&mut asha, 60);
        asha.sync().await.expect("synced");
        // Judged on another replica: the stream hears of it all the same.
        replica.judge().await;
        let (kind, last, data) = stream.next().await.expect("an event");
        assert_eq!((kind.as_str(), data["type"].as_str(), data["subject"].as_str(), data["id"].as_str()),
            ("activity.posted", Some("activity.posted"), Some(id.to_string().as_str()), Some(last.as_str())));
        drop(stream);
        asha.edit(id, |a| _ = a.note("More")).expect("edited");
        post(&app, &mut asha).await;
        let mut stream = Listener::open(&replica, &token, Some(&last)).await.expect("a stream");
        let (ready, at, _) = stream.next().await.expect("an event");
        assert_eq!(ready, "ready");
        assert!(!at.is_empty(), "a stream without events has a place as well");
        let (kind, _, data) = stream.next().await.expect("an event");
        assert_eq!((kind.as_str(), data["subject"].as_str()), ("activity.edited", Some(id.to_string().as_str())));
        assert_eq!(Listener::open(&app, &token, Some("x")).await.err(), Some(400));
    }
}

both! {
    async fn a_stream_ends_with_its_grant_and_with_its_server(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let token = app.personal_token(&mut asha, READS).await;
        let grants: Value = asha.get("/v1/grants").await.expect("grants");
        let grant = grants["items"].as_array().expect("grants").iter().find(|one| one["name"] == "script").expect("the token")["id"].clone();
        let mut open = Vec::new();
        for _ in 0..STREAMS_PER_GRANT_MAX {
            open.push(Listener::open(&app, &token, None).await.expect("a stream"));
        }
        assert_eq!(Listener::open(&app, &token, None).await.err(), Some(429), "one more");
        open.pop();
        let mut stream = Listener::open(&app, &token, None).await.expect("one was closed");
        assert_eq!(stream.next().await.expect("an event").0, "ready");
        drop(open);
        let path = format!("/v1/grants/{}", grant.as_str().expect("an id"));
        asha.request(Method::DELETE, &path, "application/json", Vec::new()).await.expect("revoked");
        app.app.access_cache().invalidate_all();
        hours(&mut asha, 60);
        post(&app, &mut asha).await;
        assert_eq!(stream.next().await, None, "nobody who may no longer read hears more");
        assert_eq!(Listener::open(&app, &token, None).await.err(), Some(401));
        let token = app.personal_token(&mut asha, READS).await;
        let mut stream = Listener::open(&app, &token, None).await.expect("a stream");
        while stream.next().await.expect("an event").0 != "activity.posted" {}
        app.app.drain();
        assert_eq!(stream.next().await, None, "it does not hold the server up");
    }
}
