//! Stories of parties and devices that several people change: nobody's change is lost, and whoever keeps a copy knows
//! by the revision that it is old.

use axum::http::Method;
use daybook::domain::ids::PartyId;
use serde_json::{Value, json};

use crate::support::desk::{change, entered, group, rebuilt_is_live, refused};
use crate::support::{TestPhone, both};
use crate::wire;

/// Puts something, twice: the second time changes nothing.
async fn put(desk: &mut TestPhone, path: &str, body: &Value) {
    for _ in 0..2 {
        let bytes = body.to_string().into_bytes();
        desk.request(Method::PUT, path, "application/json", bytes).await.expect("put");
    }
}

async fn join(desk: &mut TestPhone, party: PartyId, alias: PartyId) {
    let path = format!("/v1/parties/{party}/aliases/{alias}");
    put(desk, &path, &json!({ "reason": "You were entered twice." })).await;
}

/// The code that a request without a body is refused with; nothing if it is not.
async fn asked(phone: &mut TestPhone, method: Method, path: &str) -> Option<(u16, String)> {
    phone
        .request(method, path, "application/json", Vec::new())
        .await
        .err()
        .map(|error| refused::<()>(Err(error)))
}

/// The revisions of parties.
async fn revisions(desk: &mut TestPhone, parties: &[PartyId]) -> Vec<i64> {
    let mut found = Vec::new();
    for id in parties {
        let party: Value = desk.get(&format!("/v1/parties/{id}")).await.expect("a party");
        let revision = party["revision"].as_i64().expect("a revision");
        assert_eq!(party["etag"], format!("\"{revision}\""));
        found.push(revision);
    }
    found
}

both! {
    async fn of_two_who_change_a_party_at_once_one_sees_the_other_first(app: TestApp) {
        let replica = app.another_replica().await;
        let (mut dee, mut eve) = (app.coordinator("Dee").await, replica.new_phone("Eve"));
        eve.enrol(&app.invitation(true).await).await.expect("enrolled");
        let id = entered(&mut dee, "resident", "Olu").await;
        let path = format!("/v1/parties/{id}");
        let (mine, yours) = (json!({ "name": "Olu A." }), json!({ "name": "Olu B." }));
        let (here, there) = tokio::join!(change(&mut dee, &path, "\"1\"", &mine), change(&mut eve, &path, "\"1\"", &yours));
        assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
        let won = if here.is_ok() { "Olu A." } else { "Olu B." };
        let (lost, wanted) = if here.is_ok() { (refused(there), &yours) } else { (refused(here), &mine) };
        assert_eq!(lost, (412, "precondition_failed".to_owned()));
        let seen: Value = dee.get(&path).await.expect("the party");
        assert_eq!((&seen["name"], &seen["revision"]), (&json!(won), &json!(2)));
        // Whoever lost looks at it, and decides anew.
        let etag = seen["etag"].as_str().expect("a tag");
        let done = change(&mut eve, &path, etag, wanted).await.expect("changed");
        assert_eq!((&done["name"], &done["revision"]), (&wanted["name"], &json!(3)));
        // The same wish of both at once is one change.
        let same = json!({ "name": "Olu" });
        let (here, there) = tokio::join!(change(&mut dee, &path, "\"3\"", &same), change(&mut eve, &path, "\"3\"", &same));
        assert_eq!([here.expect("done")["revision"].clone(), there.expect("done")["revision"].clone()], [json!(4), json!(4)]);
    }
}

both! {
    async fn a_device_is_named_by_its_owner_and_a_coordinator_and_neither_overwrites_the_other(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let path = format!("/v1/devices/{}", asha.device);
        let (old, lost) = (json!({ "name": "Old phone" }), json!({ "name": "Lost phone" }));
        let (here, there) = tokio::join!(change(&mut asha, &path, "\"1\"", &old), change(&mut desk, &path, "\"1\"", &lost));
        assert!(here.is_ok() != there.is_ok(), "{here:?} {there:?}");
        let (refusal, wanted) = if here.is_ok() { (refused(there), &lost) } else { (refused(here), &old) };
        assert_eq!(refusal, (412, "precondition_failed".to_owned()));
        let done = change(&mut desk, &path, "\"2\"", wanted).await.expect("named");
        assert_eq!((&done["revision"], &done["etag"]), (&json!(3), &json!("\"3\"")));
        // Revoked, once and again: one change, which a name given meanwhile does not hide.
        let mut tablet = app.second_device(&mut asha, "Asha's tablet").await;
        for _ in 0..2 {
            wire::call(&mut tablet, Method::DELETE, &path, &Value::Null).await;
        }
        let listed: Value = desk.get("/v1/devices?limit=200").await.expect("devices");
        let shown = listed["items"].as_array().expect("items").iter().find(|item| item["id"] == json!(asha.device));
        let shown = shown.expect("it stays in the list");
        assert_eq!((shown["revoked_at"].is_string(), &shown["etag"]), (true, &json!("\"4\"")));
        let answer = change(&mut desk, &path, "\"3\"", &json!({ "name": "Nobody's" })).await;
        assert_eq!(refused(answer), (412, "precondition_failed".to_owned()));
    }
}

both! {
    async fn the_revision_of_a_party_rises_with_every_change_and_with_nothing_else(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let stays = entered(&mut desk, "resident", "Asha").await;
        let again = entered(&mut desk, "resident", "Asha K.").await;
        let first = entered(&mut desk, "resident", "A. Khan").await;
        let friends = entered(&mut desk, "group", "Friends of the Park").await;
        let walkers = entered(&mut desk, "group", "Walkers").await;
        let all = [stays, again, first, friends, walkers];
        // Who joins a group makes it another; in another capacity, too.
        let member = format!("/v1/parties/{friends}/members/{again}");
        put(&mut desk, &member, &json!({ "capacity": "lay", "from_day": "2026-11-01" })).await;
        assert_eq!(revisions(&mut desk, &all).await, [1, 1, 1, 2, 1]);
        put(&mut desk, &member, &json!({ "capacity": "professional", "from_day": "2026-11-01" })).await;
        assert_eq!(revisions(&mut desk, &all).await, [1, 1, 1, 3, 1]);
        // Both of two that are made one are others.
        join(&mut desk, again, first).await;
        assert_eq!(revisions(&mut desk, &all).await, [1, 2, 2, 3, 1]);
        // So are the groups that are carried over, and what stood for the alias.
        join(&mut desk, stays, again).await;
        assert_eq!(revisions(&mut desk, &all).await, [2, 3, 3, 4, 1]);
        let seen: Value = desk.get(&format!("/v1/parties/{first}")).await.expect("a party");
        assert_eq!(seen["alias_of"], json!(stays));
        // A change of an alias answers what reading it does.
        let path = format!("/v1/parties/{first}");
        let named = change(&mut desk, &path, "\"3\"", &json!({ "name": "Asha Khan" })).await.expect("named");
        assert_eq!(desk.get::<Value>(&path).await.expect("a party"), named);
        assert_eq!((&named["alias_of"], &named["revision"]), (&json!(stays), &json!(4)));
    }
}

both! {
    async fn whom_a_phone_met_is_another_once_enrolled_or_handed_over(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let bilal = asha.meet("Bilal");
        let me = asha.party;
        asha.record(daybook::domain::activity::Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 30).minutes(bilal, 30)).expect("recorded");
        asha.sync().await.expect("synced");
        asha.sync().await.expect("synced again, and with whom it met");
        assert_eq!(revisions(&mut desk, &[bilal, me]).await, [1, 1]);
        // A phone that becomes another party's is another one.
        let other = app.phone("Asha K.").await;
        join(&mut desk, me, other.party).await;
        let listed: Value = desk.get("/v1/devices?limit=200").await.expect("devices");
        let shown = listed["items"].as_array().expect("items").iter().find(|item| item["id"] == json!(other.device));
        let shown = shown.expect("the phone");
        assert_eq!((&shown["party_id"], &shown["etag"]), (&json!(me), &json!("\"2\"")));
        let body = json!({ "id": desk.uuid(), "party_id": bilal });
        let invitation: Value = desk.post("/v1/invitations", &body).await.expect("invited");
        let mut phone = app.new_phone("Bilal");
        phone.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        let party: Value = desk.get(&format!("/v1/parties/{bilal}")).await.expect("a party");
        assert_eq!((&party["known"], &party["etag"]), (&json!(true), &json!("\"2\"")));
    }
}

both! {
    async fn a_role_is_given_and_taken_at_once_and_somebody_always_coordinates(app: TestApp) {
        let mut dee = app.coordinator("Dee").await;
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let role = |of: PartyId| format!("/v1/parties/{of}/roles/coordinator");
        let (hers, his, mine) = (role(asha.party), role(bo.party), role(dee.party));
        assert_eq!(asked(&mut asha, Method::PUT, &hers).await, Some((403, "insufficient_scope".to_owned())));
        assert_eq!(asked(&mut dee, Method::DELETE, &mine).await, Some((409, "last_coordinator".to_owned())));
        let before = revisions(&mut dee, &[asha.party, bo.party]).await;
        for _ in 0..2 {
            assert_eq!(asked(&mut dee, Method::PUT, &hers).await, None);
        }
        // Her phone may what a coordinator's may with its next token, and shows it.
        let now_ms = asha.now_ms;
        asha.session.refresh(now_ms).await.expect("a fresh token");
        let me: Value = asha.get("/v1/me").await.expect("me");
        assert_eq!(me["roles"], json!(["coordinator"]));
        let seen: Value = asha.get(&format!("/v1/parties/{}", asha.party)).await.expect("a party");
        assert_eq!((&seen["roles"], seen["revision"].as_i64()), (&json!(["coordinator"]), Some(before[0] + 1)));
        let listed: Value = asha.get("/v1/parties?limit=200").await.expect("parties");
        let coordinate = listed["items"].as_array().expect("items").iter().filter(|item| !item["roles"].is_null());
        assert_eq!(coordinate.count(), 2);
        // Of two who step down at once one stays.
        let (here, there) = tokio::join!(asked(&mut dee, Method::DELETE, &mine), asked(&mut asha, Method::DELETE, &hers));
        let last = Some((409, "last_coordinator".to_owned()));
        assert!([(&None, &last), (&last, &None)].contains(&(&here, &there)), "{here:?} {there:?}");
        let (mut stayed, mut left) = if here.is_some() { (dee, asha) } else { (asha, dee) };
        assert_eq!(asked(&mut left, Method::PUT, &his).await, Some((403, "insufficient_scope".to_owned())));
        assert_eq!(asked(&mut stayed, Method::PUT, &his).await, None);
        let now_ms = bo.now_ms;
        bo.session.refresh(now_ms).await.expect("a fresh token");
        // What an alias had ends with it, and is given by either id.
        join(&mut bo, left.party, stayed.party).await;
        assert_eq!(asked(&mut bo, Method::PUT, &role(stayed.party)).await, None);
        let me: Value = left.get("/v1/me").await.expect("me");
        assert_eq!((&me["party_id"], &me["roles"]), (&json!(left.party), &json!(["coordinator"])));
        // Who has none; and who cannot act counts for nobody.
        let friends = entered(&mut bo, "group", "Friends").await;
        let met = left.meet("Cy");
        let me = left.party;
        left.record(daybook::domain::activity::Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 30).minutes(met, 30)).expect("recorded");
        left.sync().await.expect("synced");
        for nobody in [friends, met] {
            assert_eq!(asked(&mut bo, Method::PUT, &role(nobody)).await, Some((409, "not_residents".to_owned())));
        }
        let rose = entered(&mut bo, "resident", "Rose").await;
        assert_eq!(asked(&mut bo, Method::PUT, &role(rose)).await, None);
        assert_eq!(asked(&mut bo, Method::DELETE, &role(left.party)).await, None);
        assert_eq!(asked(&mut bo, Method::DELETE, &his).await, Some((409, "last_coordinator".to_owned())));
        for path in [role(PartyId(bo.uuid())), format!("/v1/parties/{}/roles/king", bo.party)] {
            assert_eq!(asked(&mut bo, Method::PUT, &path).await, Some((404, "not_found".to_owned())), "{path}");
        }
        let entries: Value = bo.get("/v1/journal/entries?limit=200").await.expect("entries");
        let kinds = entries["items"].as_array().expect("items").iter().map(|entry| entry["kind"].as_str().expect("a kind"));
        let kinds: Vec<&str> = kinds.filter(|kind| kind.starts_with("role_")).collect();
        assert_eq!(kinds, ["role_given", "role_taken", "role_given", "role_given", "role_given", "role_taken"], "each once");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn whom_somebody_invited_who_coordinates_no_more_does_not_come_in(app: TestApp) {
        let (mut dee, mut eve) = (app.coordinator("Dee").await, app.coordinator("Eve").await);
        let invited = async |desk: &mut TestPhone, more: Value| {
            let mut body = json!({ "id": desk.uuid() });
            body.as_object_mut().expect("a body").extend(more.as_object().expect("fields").clone());
            let made: Value = desk.post("/v1/invitations", &body).await.expect("invited");
            made["token"].as_str().expect("a token").to_owned()
        };
        let mut tokens = Vec::new();
        for more in [json!({ "coordinator": true }), json!({ "party_id": dee.party }), json!({})] {
            tokens.push(invited(&mut eve, more).await);
        }
        let me = eve.party;
        let own = invited(&mut eve, json!({ "party_id": me })).await;
        let path = format!("/v1/parties/{}/roles/coordinator", eve.party);
        assert_eq!(asked(&mut dee, Method::DELETE, &path).await, None);
        for token in &tokens {
            let answer = app.new_phone("Mallory").enrol(token).await;
            assert_eq!(refused(answer), (404, "invitation_invalid".to_owned()));
        }
        app.new_phone("Eve's tablet").enrol(&own).await.expect("a device of her own");
        // With the role they would be good again: it is for the invitations to be taken back.
        assert_eq!(asked(&mut dee, Method::PUT, &path).await, None);
        app.new_phone("Fay").enrol(&tokens[2]).await.expect("enrolled");
    }
}

both! {
    async fn who_leaves_a_group_writes_there_no_more_and_what_they_did_stays(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let (friends, book) = group(&mut desk, &mut asha, &[]).await;
        let item = |phone: &mut TestPhone| json!({ "id": phone.uuid(), "daybook_id": book, "kind": "hours", "day": "2026-11-20" });
        let first = item(&mut asha);
        let answer: Value = asha.post("/v1/activities", &json!({ "items": [first] })).await.expect("outcomes");
        assert_eq!(answer["items"][0]["status"], 201);
        let member = format!("/v1/parties/{friends}/members/{}", asha.party);
        let before = revisions(&mut desk, &[friends]).await;
        for _ in 0..2 {
            assert_eq!(asked(&mut desk, Method::DELETE, &member).await, None);
        }
        assert_eq!(revisions(&mut desk, &[friends]).await, [before[0] + 1]);
        let seen: Value = desk.get(&format!("/v1/parties/{friends}")).await.expect("a party");
        assert_eq!(seen["members"], Value::Null);
        let second = item(&mut asha);
        let answer: Value = asha.post("/v1/activities", &json!({ "items": [second] })).await.expect("outcomes");
        assert_eq!(answer["items"][0]["status"], 404);
        let seen: Value = desk.get(&format!("/v1/activities/{}", first["id"].as_str().expect("an id"))).await.expect("it stays");
        assert_eq!(seen["daybook_id"], json!(book));
        // Back again, and never there.
        put(&mut desk, &member, &json!({ "capacity": "lay", "from_day": "2026-11-01" })).await;
        let seen: Value = desk.get(&format!("/v1/parties/{friends}")).await.expect("a party");
        assert_eq!(seen["members"], json!([{ "party_id": asha.party, "capacity": "lay", "from_day": "2026-11-01" }]));
        let answer: Value = asha.post("/v1/activities", &json!({ "items": [second] })).await.expect("outcomes");
        assert_eq!(answer["items"][0]["status"], 201);
        let me = desk.party;
        assert_eq!(asked(&mut desk, Method::DELETE, &format!("/v1/parties/{friends}/members/{me}")).await, None);
        let itself = format!("/v1/parties/{friends}/members/{friends}");
        let body = br#"{"capacity":"lay"}"#.to_vec();
        let answer = desk.request(Method::PUT, &itself, "application/json", body).await;
        assert_eq!(refused(answer), (409, "same_party".to_owned()));
        let nobody = desk.uuid();
        let answer = asked(&mut desk, Method::DELETE, &format!("/v1/parties/{friends}/members/{nobody}")).await;
        assert_eq!(answer, Some((404, "not_found".to_owned())));
    }
}
