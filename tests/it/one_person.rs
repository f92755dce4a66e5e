//! Stories of two parties that are one person: an alias, one closing transfer, and everything that acts as the party
//! from then on.

mod joining;

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::desk::{
    ENTERED_TWICE, balance, became, decide, entered, join, post, refused, rules, sound, statement, told, undo,
};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";
const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The status and the code that it is refused with.
async fn not_joined(desk: &mut TestPhone, party: impl ToString, alias: impl ToString) -> (u16, String) {
    let path = format!("/v1/parties/{}/aliases/{}", party.to_string(), alias.to_string());
    let body = json!({ "reason": ENTERED_TWICE }).to_string().into_bytes();
    refused(desk.request(Method::PUT, &path, "application/json", body).await)
}

fn hours(phone: &mut TestPhone, day: &str, minutes: i64) -> ActivityId {
    let me = phone.party;
    phone.record(Kind::Hours, day, |a| _ = a.minutes(me, minutes)).expect("recorded")
}

async fn totals(phone: &mut TestPhone, query: &str) -> Value {
    let totals: Value = phone.get(&format!("/v1/totals?{query}")).await.expect("totals");
    totals["items"].clone()
}

/// By either id it is the same account, with the transfer that closed the other.
async fn one_account(phone: &mut TestPhone, me: PartyId, other: PartyId) {
    for id in [me, other] {
        let account: Value = phone.get(&format!("/v1/accounts/{id}")).await.expect("an account");
        assert_eq!((&account["id"], &account["contribution_minutes"]), (&json!(me), &json!(90)));
        let page: Value = phone.get(&format!("/v1/accounts/{id}/statement")).await.expect("a statement");
        let lines: Vec<Value> = page["items"]
            .as_array()
            .expect("lines")
            .iter()
            .map(|line| {
                json!([
                    line["account_id"],
                    line["minutes"],
                    line["balance_after"],
                    line["cause"],
                    line["counter_account_id"]
                ])
            })
            .collect();
        let expected = [
            json!([me, 30, 90, "party_alias", other]),
            json!([other, -30, 0, "party_alias", me]),
            json!([other, 30, 30, null, null]),
            json!([me, 60, 60, null, null]),
        ];
        assert_eq!(lines, expected);
        assert_eq!(page["items"][0]["reason"], ENTERED_TWICE);
        assert!(page["items"][0].get("activity_id").is_none() && page["items"][0].get("kind").is_none());
    }
}

/// By party before and after a number, and everything else as it was.
async fn as_it_was_then(
    (desk, asha): (&mut TestPhone, &mut TestPhone),
    (me, other): (PartyId, PartyId),
    no: i64,
) {
    let of = |party: PartyId, minutes: i64, activities: i64| json!({ "party_id": party, "minutes": minutes, "activities": activities });
    assert_eq!(totals(desk, "by=party").await, json!([of(me, 90, 2)]));
    let mut then = [of(me, 60, 1), of(other, 30, 1)];
    then.sort_by_key(|total| total["party_id"].to_string());
    let mut found = totals(desk, &format!("by=party&journal_no={}", no - 1)).await;
    found.as_array_mut().expect("items").sort_by_key(|total| total["party_id"].to_string());
    assert_eq!(found, json!(then));
    let restated = totals(desk, &format!("by=party&journal_no={}&restated_no=latest", no - 1)).await;
    let moved: Vec<(i64, i64)> = restated
        .as_array()
        .expect("items")
        .iter()
        .map(|total| {
            (
                total["minutes"].as_i64().expect("minutes"),
                total["restated"]["minutes"].as_i64().expect("minutes"),
            )
        })
        .collect();
    assert!(moved.contains(&(60, 90)) && moved.contains(&(30, 0)) && moved.len() == 2, "{moved:?}");
    for id in [me, other] {
        assert_eq!(
            totals(asha, &format!("by=kind&party_id={id}")).await,
            json!([
                { "kind": "hours", "minutes": 60, "activities": 1 }, { "kind": "repair", "minutes": 30, "activities": 1 },
            ])
        );
    }
    let then = format!("party_id={other}&journal_no={}", no - 1);
    assert_eq!(totals(asha, &then).await, json!([{ "minutes": 30, "activities": 1 }]));
    let account: Value =
        asha.get(&format!("/v1/accounts/{other}?journal_no={}", no - 1)).await.expect("then");
    assert_eq!((&account["id"], &account["contribution_minutes"]), (&json!(other), &json!(30)));
    let account: Value = asha.get(&format!("/v1/accounts/{me}?day=2026-11-01")).await.expect("an account");
    assert_eq!(account["contribution_minutes"], 30, "of days up to then");
}

both! {
    async fn two_parties_that_are_one_person_have_one_account(app: TestApp) {
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, again.party);
        hours(&mut asha, DAY, 60);
        again.record(Kind::Repair, "2026-10-31", |a| _ = a.minutes(other, 30).put("programme", "canal")).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut again).await;
        let grouped = ["by=kind", "by=month", "by=programme", "by=sector", "by=kind,sector,month", ""];
        let mut before = Vec::new();
        for by in grouped {
            before.push(totals(&mut desk, by).await);
        }

        let record = |page: Value| page["items"][0].clone();
        let was = record(desk.get(&format!("/v1/activities?party_id={other}")).await.expect("a page"));

        let (status, alias) = join(&mut desk, me, other).await;
        assert_eq!(status, 201, "{alias}");
        let is: Value = desk.get(&format!("/v1/activities/{}", was["id"].as_str().expect("an id"))).await.expect("it");
        assert_eq!((&was["party_id"], &is["party_id"]), (&json!(other), &json!(me)));
        assert!(is["etag"] != was["etag"] && is["revision"] == was["revision"], "{was} {is}");
        let no = alias["journal_no"].as_i64().expect("a number");
        let said = json!({
            "alias_id": other, "party_id": me, "made_by": desk.party, "reason": ENTERED_TWICE, "contribution_minutes": 30,
            "credit_minutes": 0, "journal_no": no, "created_at": alias["created_at"],
        });
        assert_eq!(alias, said);

        // One account, by either id and for either phone.
        for phone in [&mut asha, &mut again, &mut desk] {
            one_account(phone, me, other).await;
        }
        let listed: Value = desk.get("/v1/accounts").await.expect("accounts");
        let listed = listed["items"].as_array().expect("items").iter().find(|row| row["id"] == json!(other)).cloned();
        let listed = listed.expect("the alias's account is still there");
        assert_eq!((&listed["alias_of"], &listed["contribution_minutes"]), (&json!(me), &json!(0)));

        // No total moves, but by party; and as of earlier numbers everything is as it was then.
        for (by, before) in grouped.iter().zip(&before) {
            assert_eq!(totals(&mut desk, by).await, *before, "{by}");
        }
        as_it_was_then((&mut desk, &mut asha), (me, other), no).await;

        // Sent again, it is answered as it was, and nothing moves.
        let tip = totals_no(&mut desk).await;
        app.pass(60_000);
        assert_eq!(join(&mut desk, me, other).await, (200, alias.clone()));
        assert_eq!(totals_no(&mut desk).await, tip);
        let party: Value = desk.get(&format!("/v1/parties/{other}")).await.expect("a party");
        assert_eq!((&party["alias_of"], &party["name"]), (&json!(me), &json!("Asha K.")));
        let page: Value = desk.get("/v1/journal/entries?limit=200").await.expect("entries");
        let entry = page["items"].as_array().expect("items").iter().find(|entry| entry["no"] == no).cloned();
        let entry = entry.expect("the entry");
        assert_eq!((&entry["kind"], &entry["subject_id"]), (&json!("party_alias"), &json!(other)));
        let body: Value = serde_json::from_str(entry["body"].as_str().expect("a body")).expect("JSON");
        assert_eq!((&body["by"], &body["reason"]), (&json!(desk.party), &json!(ENTERED_TWICE)));
        sound(&app).await;
    }
}

async fn totals_no(desk: &mut TestPhone) -> i64 {
    let totals: Value = desk.get("/v1/totals").await.expect("totals");
    totals["journal_no"].as_i64().expect("a number")
}

both! {
    async fn a_phone_of_the_alias_that_was_offline_for_a_week_goes_on_as_the_party(app: TestApp) {
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, again.party);
        let first = hours(&mut again, DAY, 30);
        post(&app, &mut again).await;
        let script = app.personal_token(&mut again, "activities:read ledger:read").await;
        again.go_offline();
        let offline = hours(&mut again, "2026-11-19", 45);
        let also = hours(&mut again, "2026-11-18", 15);
        assert_eq!(join(&mut desk, me, other).await.0, 201);
        hours(&mut asha, "2026-11-17", 5);
        post(&app, &mut asha).await;
        // What else acted for the alias acts for her.
        let bearer = format!("Bearer {script}");
        let headers = [("authorization", bearer.as_str())];
        let (status, account) = app.request(Method::GET, &format!("/v1/accounts/{other}"), &headers, "").await;
        assert_eq!((status.as_u16(), &account["contribution_minutes"]), (200, &json!(35)));
        app.pass(7 * 24 * HOUR_MS);

        again.go_online();
        let report = again.sync().await.expect("synced");
        assert_eq!((report.accepted, report.refused, report.restarts), (2, 0, 0), "{report:?}");
        post(&app, &mut again).await;
        for (id, minutes) in [(first, 30), (offline, 45), (also, 15)] {
            assert_eq!(told(&again, id), (Review::Approved, Some(minutes), ""));
        }
        assert_eq!(balance(&mut asha, me).await, 95);
        let whoami: Value = again.get("/v1/me").await.expect("me");
        assert_eq!((&whoami["party_id"], &whoami["name"]), (&json!(me), &json!("Asha")));
        assert_eq!(whoami["daybooks"].as_array().map(Vec::len), Some(2), "both phones' daybooks are hers");
        // Either id lists and reads what either recorded.
        for phone in [&mut asha, &mut again] {
            for query in ["", &format!("?party_id={me}"), &format!("?party_id={other}")] {
                let page: Value = phone.get(&format!("/v1/activities{query}")).await.expect("activities");
                let items = page["items"].as_array().expect("items");
                assert!(items.len() == 4 && items.iter().all(|item| item["party_id"] == json!(me)), "{page}");
            }
            assert_eq!(activity(phone, offline).await["posted"], 45);
            let devices: Value = phone.get("/v1/devices").await.expect("devices");
            assert_eq!(devices["items"].as_array().map(Vec::len), Some(2));
        }
        // A new daybook, a further device and a new token of that phone are the party's.
        let book = DaybookId(again.uuid());
        let made: Value = again.post("/v1/daybooks", &json!({ "id": book, "party_id": other })).await.expect("a daybook");
        assert_eq!(made["party_id"], json!(me));
        let mut tablet = app.second_device(&mut again, "A tablet").await;
        hours(&mut tablet, "2026-11-16", 10);
        post(&app, &mut tablet).await;
        assert_eq!(balance(&mut asha, me).await, 105);
        sound(&app).await;
    }
}

both! {
    async fn a_phone_that_syncs_through_another_replica_right_after_is_not_told_that_its_daybook_is_gone(app: TestApp) {
        let replica = app.another_replica().await;
        let asha = app.phone("Asha").await;
        let mut again = replica.new_phone("Asha K.");
        again.enrol(&app.invitation(false).await).await.expect("enrolled");
        hours(&mut again, DAY, 30);
        again.sync().await.expect("synced: the replica remembers who this is");
        let mut desk = app.coordinator("Dee").await;
        assert_eq!(join(&mut desk, asha.party, again.party).await.0, 201);
        let id = hours(&mut again, "2026-11-19", 20);
        let report = again.sync().await.expect("synced");
        assert_eq!((report.accepted, report.restarts, report.requests), (1, 0, 1), "{report:?}");
        let body = json!({ "id": again.uuid() });
        let made: Value = again.post("/v1/daybooks", &body).await.expect("a daybook");
        assert_eq!(made["party_id"], json!(asha.party));
        let item = json!({ "id": again.uuid(), "kind": "hours", "day": DAY });
        let made: Value = again.post("/v1/activities", &json!({ "items": [item] })).await.expect("an answer");
        assert_eq!(made["items"][0]["status"], 201, "{made}");
        app.judge().await;
        again.sync().await.expect("synced");
        assert_eq!(told(&again, id), (Review::Approved, Some(20), ""));
        sound(&app).await;
    }
}

both! {
    async fn what_was_posted_to_the_alias_is_corrected_on_the_partys_account(app: TestApp) {
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, again.party);
        let id = hours(&mut again, DAY, 90);
        let taken_back = hours(&mut again, "2026-11-19", 20);
        post(&app, &mut again).await;
        assert_eq!(join(&mut desk, me, other).await.1["contribution_minutes"], 110);
        let more = json!({ "corrections": { "minutes": { other.to_string(): 60 } }, "reason": "You left at eleven." });
        let corrected = decide(&mut desk, id, "approve", more).await;
        assert_eq!(became(&corrected), (201, ""));
        assert_eq!(balance(&mut asha, me).await, 80);
        assert_eq!(became(&decide(&mut desk, taken_back, "reject", json!({ "reason": "Not there." })).await).0, 201);
        assert_eq!(balance(&mut asha, me).await, 60);
        assert_eq!(became(&undo(&mut desk, id, &corrected).await), (201, ""));
        assert_eq!(balance(&mut asha, me).await, 90);
        let page: Value = asha.get(&format!("/v1/accounts/{me}/statement")).await.expect("a statement");
        let on = |id: PartyId| page["items"].as_array().expect("lines").iter().filter(|line| line["account_id"] == json!(id)).count();
        assert_eq!((on(other), on(me)), (3, 4), "two postings and the closing on the alias's, everything else on hers: {page}");
        // The resident edits it herself: the line that is approved then is hers, and only what differs is posted.
        again.edit(id, |a| _ = a.minutes(other, 75)).expect("edited");
        post(&app, &mut again).await;
        decide(&mut desk, id, "approve", json!({})).await;
        assert_eq!(statement(&mut asha, me).await[..2], [(-15, 75), (30, 90)]);
        again.edit(id, |a| _ = a.minutes(other, 0).minutes(me, 75)).expect("edited");
        post(&app, &mut again).await;
        assert_eq!(became(&decide(&mut desk, id, "approve", json!({})).await), (201, ""));
        assert_eq!(statement(&mut asha, me).await[0], (-15, 75), "the same minutes under the other id move nothing");
        sound(&app).await;
    }
}

both! {
    async fn both_ids_minutes_count_as_one_persons(app: TestApp) {
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let ten_ms = START_MS - 24 * HOUR_MS;
        let other = again.party;
        again.record(Kind::Hours, DAY, |a| _ = a.minutes(other, 300).started_at(ten_ms)).expect("recorded");
        hours(&mut again, "2026-11-18", 300);
        post(&app, &mut again).await;
        assert_eq!(join(&mut desk, asha.party, other).await.0, 201);
        let me = asha.party;
        let overlaps = asha.record(Kind::Repair, DAY, |a| _ = a.minutes(me, 60).started_at(ten_ms + HOUR_MS)).expect("recorded");
        let too_much = hours(&mut asha, "2026-11-18", 200);
        let fits = hours(&mut asha, "2026-11-17", 200);
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, overlaps), (Review::Received, None, "check_times"));
        assert_eq!(told(&asha, too_much), (Review::Received, None, "day_minutes"));
        assert_eq!(told(&asha, fits), (Review::Approved, Some(200), ""));
        sound(&app).await;
    }
}

both! {
    async fn what_waits_of_either_is_judged_again(app: TestApp) {
        let (mut asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "mode": "peer", "silence_days": 3, "audit_percent": 0 })).await;
        let ten_ms = START_MS - 24 * HOUR_MS;
        let (me, other, you) = (asha.party, again.party, bo.party);
        let mine = asha.record(Kind::Hours, DAY, |a| _ = a.minutes(me, 60).started_at(ten_ms)).expect("recorded");
        let same = again.record(Kind::Hours, DAY, |a| _ = a.minutes(other, 60).started_at(ten_ms)).expect("recorded");
        // Named by somebody else, and nothing to do with them.
        let named = bo.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(other, 30)).expect("recorded");
        let apart = bo.record(Kind::Hours, "2026-11-18", |a| _ = a.minutes(you, 30)).expect("recorded");
        for phone in [&mut asha, &mut again, &mut bo] {
            post(&app, phone).await;
        }
        let open: Value = desk.get("/v1/suspicions?state=open").await.expect("suspicions");
        assert_eq!(open["items"], json!([]), "of two people these are two records");
        assert_eq!(told(&asha, mine).0, Review::Received);

        assert_eq!(join(&mut desk, me, other).await.0, 201);
        app.judge().await;
        let open: Value = desk.get("/v1/suspicions?state=open").await.expect("suspicions");
        let items = open["items"].as_array().expect("items");
        assert!(!items.is_empty(), "one person was twice at one place");
        for item in items {
            let mut about: Vec<ActivityId> = serde_json::from_value(item["about"].clone()).expect("ids");
            about.sort_unstable();
            let mut both = vec![mine, same];
            both.sort_unstable();
            assert_eq!(about, both);
        }
        asha.sync().await.expect("synced");
        assert_eq!(told(&asha, mine), (Review::Received, None, "check_counted_once"));
        // Silence approves what is clean, as it would have.
        app.pass(4 * 24 * HOUR_MS);
        app.judge().await;
        assert_eq!(activity(&mut desk, named).await["review"], "approved");
        assert_eq!(activity(&mut desk, apart).await["review"], "approved");
        assert_eq!(activity(&mut desk, same).await["review"], "received");
        assert_eq!(balance(&mut desk, me).await, 30);
        sound(&app).await;
    }
}

both! {
    async fn nobody_approves_a_line_of_an_id_that_is_them(app: TestApp) {
        let replica = app.another_replica().await;
        let (mut dee, mut eve) = (app.coordinator("Dee").await, replica.new_phone("Eve"));
        eve.enrol(&app.invitation(true).await).await.expect("enrolled");
        let mut bo = app.phone("Bo").await;
        let hub = entered(&mut dee, "resident", "Asha K.").await;
        let (d, e) = (dee.party, eve.party);
        // Somebody else joins Dee with whom the hub had entered; then Dee's line comes under that id.
        assert_eq!(not_joined(&mut dee, d, hub).await, (409, "own_credit".to_owned()));
        assert_eq!(not_joined(&mut dee, hub, d).await, (409, "own_credit".to_owned()));
        assert_eq!(join(&mut eve, d, hub).await.0, 201);
        let id = bo.record(Kind::Hours, DAY, |a| _ = a.minutes(hub, 700)).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(became(&decide(&mut dee, id, "approve", json!({})).await), (409, "own_credit"));
        // And the other way round: a coordinator whose own party became the alias.
        let known = entered(&mut dee, "resident", "Asha K.").await;
        let _: Value = eve.get("/v1/cards").await.expect("her replica remembers who this is");
        assert_eq!(join(&mut dee, known, e).await.0, 201);
        let late = decide(&mut eve, id, "reject", json!({ "reason": "Not there." })).await;
        assert_eq!(became(&late), (403, "insufficient_scope"), "whatever her replica remembers");
        replica.app.forget_access();
        let whoami: Value = eve.get("/v1/me").await.expect("me");
        assert_eq!((&whoami["party_id"], &whoami["roles"]), (&json!(known), &json!([])), "roles are not carried over");
        assert_eq!(refused(eve.get::<Value>("/v1/cards").await).0, 403);
        sound(&app).await;
    }
}

both! {
    async fn groups_are_carried_over_where_the_party_is_not_in_them(app: TestApp) {
        let (asha, mut again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, other) = (asha.party, again.party);
        let friends = entered(&mut desk, "group", "Friends").await;
        let both = entered(&mut desk, "group", "Both").await;
        for (group, member, capacity) in [(friends, other, "professional"), (both, other, "professional"), (both, me, "lay")] {
            let path = format!("/v1/parties/{group}/members/{member}");
            let body = json!({ "capacity": capacity, "from_day": "2026-11-01" }).to_string().into_bytes();
            desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
        }
        let book = DaybookId(again.uuid());
        let _: Value = again.post("/v1/daybooks", &json!({ "id": book, "party_id": friends })).await.expect("a daybook");
        assert_eq!(join(&mut desk, me, other).await.0, 201);
        // The group's daybook is open to the phone as before.
        let id = ActivityId(again.uuid());
        again.edit_in(book, id, |a| _ = a.kind(Kind::LitterPick).day(DAY).totals(3, 90).minutes(other, 30)).expect("recorded");
        post(&app, &mut again).await;
        assert_eq!(told(&again, id), (Review::Approved, Some(30), ""));
        assert_eq!((balance(&mut again, me).await, balance(&mut again, friends).await), (30, 60));
        // In which capacity, by each group.
        for (group, capacity, day) in [(friends, "professional", "2026-11-19"), (both, "lay", "2026-11-18")] {
            let at = format!("party/{other}@{group}");
            again.record(Kind::Hours, day, |a| _ = a.put(&at, 20)).expect("recorded");
            post(&app, &mut again).await;
            let page: Value = again.get(&format!("/v1/accounts/{me}/statement?limit=1")).await.expect("a statement");
            assert_eq!(page["items"][0]["capacity"], capacity);
        }
        sound(&app).await;
    }
}
