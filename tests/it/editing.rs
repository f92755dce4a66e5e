//! Stories of apps without Automerge that edit: what they write is concurrent with what phones wrote since the version
//! that they saw, as if they had been phones.

mod mix;

use automerge::transaction::Transactable as _;
use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::ActivityId;
use daybook::domain::limits::EDIT_FIELDS_MAX;
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::metrics::scrape::Scrape;
use crate::support::app::activity;
use crate::support::desk::{decide, group, post, rebuilt_is_live, rules, told};
use crate::support::{TestApp, TestPhone, both};

const SCOPES: &str = "activities:read activities:write places:exact";
const DAY: &str = "2026-11-20";

struct AppToken<'a> {
    app: &'a TestApp,
    token: String,
}

impl AppToken<'_> {
    async fn raw(&self, id: ActivityId, body: &Value, if_match: Option<&str>) -> (u16, Value) {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(if_match.map(|tag| ("if-match", tag)));
        let path = format!("/v1/activities/{id}");
        let (status, answer) = self.app.request(Method::PATCH, &path, &headers, body.to_string()).await;
        (status.as_u16(), answer)
    }

    /// An edit as of what was seen.
    async fn edit(&self, seen: &Value, set: Value) -> Value {
        let body = json!({ "change_id": self.app.app.uuid(), "base_version": seen["version"], "set": set });
        let (status, answer) = self.raw(id_of(seen), &body, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

fn id_of(seen: &Value) -> ActivityId {
    seen["id"].as_str().expect("an id").parse().expect("an id")
}

async fn loads(app: &TestApp) -> f64 {
    Scrape::of(app).await.sum("daybook_documents_loaded_total{reason=\"json_edit\"}")
}

async fn token<'a>(app: &'a TestApp, phone: &mut TestPhone, scope: &str) -> AppToken<'a> {
    AppToken { app, token: app.personal_token(phone, scope).await }
}

/// Asha's pick of an hour, synced and judged.
async fn pick(app: &TestApp, asha: &mut TestPhone) -> (ActivityId, Value) {
    let me = asha.party;
    let write = |a: &mut daybook::phone::Entry<'_>| {
        a.minutes(me, 60).note("Canal").count("bags", 2);
    };
    let id = asha.record(Kind::LitterPick, DAY, write).expect("recorded");
    post(app, asha).await;
    (id, activity(asha, id).await)
}

both! {
    async fn an_edit_of_the_newest_version_is_read_by_phones_and_judged(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, seen) = pick(&app, &mut asha).await;
        let key = format!("parties.{}", asha.party);
        let set = json!({ key: 90, "note": "Both sides", "bags": 3, "place.lat": 52.45, "place.lon": -1.9,
            "started_at": "2026-11-20T09:00:00Z", "tallies.smoking.butts": 12, "tallies.drink.can:seen": 4,
            "repair.product": "bench", "grade.before": "C", "programme": "parks",
            format!("photos.{}", "ab".repeat(32)): "2026-11-20T09:05:00Z" });
        let now = script.edit(&seen, set).await;
        assert_eq!((&now["conflict"], &now["parties"][0]["minutes"], &now["note"]), (&json!("none"), &json!(90), &json!("Both sides")));
        assert_eq!((&now["bags"], &now["place"]["lat"], &now["programme"]), (&json!(5), &json!(52.45), &json!("parks")), "the app counts in its own register");
        assert_eq!((&now["started_at"], &now["grade"]["before"]), (&json!("2026-11-20T09:00:00.000Z"), &json!("C")));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::EditedAfterApproval, "as with a phone's edit, a person looks");
        // What is taken away: counts and minutes become 0, other fields are as if nobody wrote them.
        let seen = activity(&mut asha, id).await;
        let now = script.edit(&seen, json!({ "note": null, "place.lat": null, "place.lon": null, "bags": null, "repair.product": null })).await;
        assert_eq!((&now["note"], &now["place"], &now["bags"], &now["repair"]), (&Value::Null, &Value::Null, &json!(2), &Value::Null));
        let versions: Value = asha.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
        assert_eq!(versions["items"].as_array().map(Vec::len), Some(3));
        assert_eq!(loads(&app).await, 0.0, "the newest needs no document");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn an_app_that_was_offline_merges_with_what_the_phone_did_meanwhile(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, seen) = pick(&app, &mut asha).await;
        let me = asha.party;
        asha.edit(id, |a| { a.minutes(me, 45).count("bags", 1); }).expect("edited");
        post(&app, &mut asha).await;
        // Another field: both hold. Nobody disagrees.
        let merged = script.edit(&seen, json!({ "grade.before": "D" })).await;
        assert_eq!((&merged["conflict"], &merged["parties"][0]["minutes"], &merged["grade"]["before"], &merged["bags"]),
            (&json!("none"), &json!(45), &json!("D"), &json!(3)));
        // The same field: both values are kept, and it says so.
        let minutes = format!("parties.{me}");
        let merged = script.edit(&seen, json!({ minutes: 75 })).await;
        assert_eq!(merged["conflict"], "hard", "{merged}");
        let values: Vec<i64> = merged["conflicts"][0]["values"].as_array().expect("values").iter().filter_map(|v| v["value"].as_i64()).collect();
        assert_eq!((values.contains(&45), values.contains(&75)), (true, true), "{merged}");
        assert_eq!(loads(&app).await, 1.0, "the second finds it in memory");
        // Seen and written again, it is settled.
        let settled = script.edit(&merged, json!({ format!("parties.{me}"): 75 })).await;
        assert_eq!((&settled["conflict"], &settled["parties"][0]["minutes"]), (&json!("none"), &json!(75)));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::EditedAfterApproval);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn an_edit_sent_again_changes_nothing_whatever_happened_since(app: TestApp) {
        let replica = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let other = AppToken { app: &replica, token: script.token.clone() };
        let (id, seen) = pick(&app, &mut asha).await;
        let body = json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": { "note": "Once" } });
        // Twice at once, on two replicas, it is one.
        let (one, two) = tokio::join!(script.raw(id, &body, None), other.raw(id, &body, None));
        for (status, answer) in [one, two] {
            assert!(status == 200 && answer["note"] == "Once" || status == 503, "{status} {answer}");
        }
        post(&app, &mut asha).await;
        asha.edit(id, |a| { a.note("Twice"); }).expect("edited");
        post(&app, &mut asha).await;
        let (status, answer) = other.raw(id, &body, None).await;
        assert_eq!((status, &answer["note"], &answer["conflict"]), (200, &json!("Twice"), &json!("none")));
        let versions: Value = asha.get(&format!("/v1/activities/{id}/versions")).await.expect("versions");
        assert_eq!(versions["items"].as_array().map(Vec::len), Some(3));
        // With another content it is another edit, and needs another name.
        for (field, value) in [("set", json!({ "note": "Other" })), ("base_version", json!("2-00000000"))] {
            let mut changed = body.clone();
            changed[field] = value;
            let (status, problem) = script.raw(id, &changed, None).await;
            assert_eq!((status, problem["code"].as_str()), (409, Some("change_id_reused")), "{problem}");
        }
        // Two at once with one name and two contents: one of them is it.
        let seen = activity(&mut asha, id).await;
        let change = app.app.uuid();
        let named = |people: i64| json!({ "change_id": change, "base_version": seen["version"], "set": { "people": people } });
        let (ten, eleven) = (named(10), named(11));
        let (one, two) = tokio::join!(script.raw(id, &ten, None), script.raw(id, &eleven, None));
        let mut statuses = [one.0, two.0];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.1, two.1);
        assert_eq!(activity(&mut asha, id).await["conflict"], "none");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn an_edit_shows_no_more_than_its_token_may_read(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (id, seen) = pick(&app, &mut asha).await;
        let exact = token(&app, &mut asha, SCOPES).await;
        let now = exact.edit(&seen, json!({ "place.lat": 52.457_123, "place.lon": -1.884_321 })).await;
        let reader = token(&app, &mut asha, "activities:read").await;
        let bearer = format!("Bearer {}", reader.token);
        let path = format!("/v1/activities/{id}/versions");
        let (_, versions) = app.request(Method::GET, &path, &[("authorization", &bearer)], "").await;
        let shown = versions["items"][0]["reading"]["fields"]["place.lat"].to_string();
        assert!(shown.contains("52.457") && !shown.contains("52.457123"), "{shown}");
        let writer = token(&app, &mut asha, "activities:write").await;
        let body = json!({ "change_id": app.app.uuid(), "base_version": now["version"], "set": { "note": "x" } });
        let (status, problem) = writer.raw(id, &body, Some("\"0-exact\"")).await;
        assert_eq!((status, &problem["present"]), (412, &Value::Null), "who may only write is told that it changed");
        // A name that is no key comes back cut off.
        let long = "/".repeat(50_000);
        let body = json!({ "change_id": app.app.uuid(), "base_version": now["version"], "set": { long: 1 } });
        let (status, problem) = exact.raw(id, &body, None).await;
        assert_eq!((status, problem["errors"][0]["code"].as_str()), (422, Some("unknown_field")));
        assert!(problem.to_string().len() < 2_500);
    }
}

both! {
    async fn what_the_app_never_saw_is_no_version_to_edit(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, seen) = pick(&app, &mut asha).await;
        let version = seen["version"].as_str().expect("a version");
        for base in ["2-5bb5a4c5", "1-00000000", "999999999999999999-00000000"] {
            let body = json!({ "change_id": app.app.uuid(), "base_version": base, "set": { "note": "x" } });
            let (status, problem) = script.raw(id, &body, None).await;
            assert_eq!((status, problem["code"].as_str()), (409, Some("version_unknown")), "{base}: {problem}");
        }
        for base in ["", "1", "0-00000000", "-1-00000000", "01-5bb5a4c5", "1-5BB5A4C5", &format!("{version}0"), "1-5bb5a4cg"] {
            let body = json!({ "change_id": app.app.uuid(), "base_version": base, "set": { "note": "x" } });
            let (status, problem) = script.raw(id, &body, None).await;
            assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (422, Some("/base_version")), "{base}: {problem}");
        }
        // Somebody who sits at a screen wants to be told first.
        let body = json!({ "change_id": app.app.uuid(), "base_version": version, "set": { "note": "x" } });
        let (status, problem) = script.raw(id, &body, Some("\"99-exact\"")).await;
        assert_eq!((status, &problem["code"], &problem["present"]["etag"]), (412, &json!("precondition_failed"), &seen["etag"]), "{problem}");
        let tags = format!("\"99-exact\", {}", seen["etag"].as_str().expect("a tag"));
        assert_eq!(script.raw(id, &body, Some(&tags)).await.0, 200);
        // Whose answer was lost comes again with the same tag.
        let (status, again) = script.raw(id, &body, Some(&tags)).await;
        assert_eq!((status, &again["note"]), (200, &json!("x")));
    }
}

both! {
    async fn only_ones_own_records_are_edited_and_only_with_the_scope(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let you = bo.party;
        let id = asha.record(Kind::Hours, DAY, |a| { a.minutes(you, 30); }).expect("recorded");
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, id).await;
        let body = json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": { "note": "x" } });
        // Neither who is named in it nor a coordinator writes in somebody else's daybook.
        for phone in [&mut bo, &mut desk] {
            let other = token(&app, phone, SCOPES).await;
            let (status, problem) = other.raw(id, &body, None).await;
            assert_eq!((status, problem["code"].as_str()), (404, Some("not_found")), "{problem}");
        }
        let reader = token(&app, &mut asha, "activities:read").await;
        assert_eq!(reader.raw(id, &body, None).await.0, 403);
        let script = token(&app, &mut asha, SCOPES).await;
        assert_eq!(script.raw(ActivityId(app.app.uuid()), &body, None).await.0, 404);
        assert_eq!(activity(&mut asha, id).await["version"], seen["version"], "nothing was written");
    }
}

both! {
    async fn what_does_not_fit_names_each_field(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, seen) = pick(&app, &mut asha).await;
        let set = json!({ "day": "2026-02-30", "kind": null, "note": 7, "weather": "rain", "parties.me": 5, "parties.": 5,
            format!("parties.{}", asha.party): 1_441, "tallies.butts": 1, "bags": 1.5, "place": { "lat": 1 },
            "photos.abc": "2026-11-20T09:05:00Z", "started_at": "nine", "party/x": 1, "part_of": id.to_string().to_uppercase(), "withdrawn": "yes", "tally/bags": 3, "tally/bags#a": 3, "tallies.bags#a": 3 });
        let body = json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": set });
        let (status, problem) = script.raw(id, &body, None).await;
        assert_eq!((status, problem["code"].as_str()), (422, Some("field_invalid")), "{problem}");
        let errors: Vec<(&str, &str)> = problem["errors"].as_array().expect("errors").iter()
            .filter_map(|one| Some((one["pointer"].as_str()?, one["code"].as_str()?))).collect();
        let minutes = format!("/set/parties.{}", asha.party);
        let expected = [("/set/bags", "wrong_type"), ("/set/day", "out_of_range"), ("/set/kind", "required"), ("/set/note", "wrong_type"),
            ("/set/part_of", "wrong_type"), ("/set/parties.", "unknown_field"), (&minutes, "out_of_range"), ("/set/parties.me", "unknown_field"),
            ("/set/party~1x", "unknown_field"), ("/set/photos.abc", "unknown_field"), ("/set/place", "unknown_field"),
            ("/set/started_at", "wrong_type"), ("/set/tallies.butts", "unknown_field"), ("/set/tally~1bags", "unknown_field"),
            ("/set/tally~1bags#a", "twice"), ("/set/weather", "unknown_field"), ("/set/withdrawn", "wrong_type")];
        assert_eq!(errors, expected);
        let detail = "At /set/bags: expected a whole number from 0 to 1,000,000,000. 16 more fields do not fit: see errors.";
        assert_eq!(problem["detail"], detail);
        // Who misspells a name is told those of its family.
        let meant = [
            ("place", "no field has this name; expected place.lat, place.lon, place.accuracy_m."),
            ("grades.before", "expected one of kind, day, "),
            ("grade.now", "expected grade.before, grade.after."),
            ("parties", "expected parties.<party id> or parties.<party id>@<organisation id>"),
            ("tally/bags", "expected tallies.<item>, tallies.<item>:seen or tallies.<item>#<register>"),
            ("photo/abc", "expected photos.<sha256>, 64 lower-case hexadecimal digits"),
            ("street.colour", "expected street.service_code, street.fixes_request."),
        ];
        for (name, says) in meant {
            let body = json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": { name: {} } });
            let (status, problem) = script.raw(id, &body, None).await;
            let detail = problem["detail"].as_str().unwrap_or_default();
            assert!(status == 422 && detail.contains(says), "{name}: {problem}");
        }
        // As many fields as an edit may have, and one more.
        let many = |count: usize| {
            let set: serde_json::Map<String, Value> = (0..count).map(|n| (format!("tallies.smoking.n{n}"), json!(1))).collect();
            json!({ "change_id": app.app.uuid(), "base_version": seen["version"], "set": set })
        };
        for count in [0, EDIT_FIELDS_MAX + 1] {
            let (status, problem) = script.raw(id, &many(count), None).await;
            assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (422, Some("/set")), "{count}");
        }
        assert_eq!(script.raw(id, &many(EDIT_FIELDS_MAX), None).await.0, 200);
    }
}

both! {
    async fn the_field_of_a_conflict_is_a_name_as_it_stands(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, seen) = pick(&app, &mut asha).await;
        let me = asha.party;
        asha.edit(id, |a| { a.minutes(me, 45); }).expect("edited");
        post(&app, &mut asha).await;
        let merged = script.edit(&seen, json!({ format!("parties.{me}"): 75 })).await;
        let field = merged["conflicts"][0]["field"].as_str().expect("a field").to_owned();
        assert_eq!(field, format!("party/{me}"));
        let settled = script.edit(&merged, json!({ field: 50 })).await;
        assert_eq!((&settled["conflict"], &settled["parties"][0]["minutes"]), (&json!("none"), &json!(50)));
        let register = settled["tallies"][0]["registers"][0]["register"].as_str().expect("a register").to_owned();
        let photo = "ab".repeat(32);
        let set = json!({ format!("tally/bags#{register}"): 7, "tally/drink.can:seen#r": 2, format!("photo/{photo}"): "2026-11-20T09:05:00Z" });
        let now = script.edit(&settled, set).await;
        assert_eq!((&now["bags"], &now["photos"][0]["sha256"]), (&json!(7), &json!(photo)));
        // One field under two names.
        let both = json!({ format!("photos.{photo}"): null, format!("photo/{photo}"): "2026-11-20T09:05:00Z" });
        let body = json!({ "change_id": app.app.uuid(), "base_version": now["version"], "set": both });
        let (status, problem) = script.raw(id, &body, None).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (422, &json!("twice")), "{problem}");
    }
}

both! {
    async fn an_approved_record_is_edited_and_withdrawn_as_by_a_phone(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, _) = pick(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::Approved);
        decide(&mut desk, id, "reject", json!({ "reason": "Not ours" })).await;
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, id).await;
        let edited = script.edit(&seen, json!({ "day": "2026-11-19" })).await;
        assert_eq!(edited["day"], "2026-11-19");
        let gone = script.edit(&edited, json!({ "withdrawn": true })).await;
        assert_eq!(gone["withdrawn"], true);
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id).0, Review::Withdrawn);
        let back = script.edit(&activity(&mut asha, id).await, json!({ "withdrawn": null })).await;
        assert_eq!(back["withdrawn"], false);
        // Somebody else's count is corrected by name.
        let register = back["tallies"][0]["registers"][0]["register"].as_str().expect("a register").to_owned();
        let corrected = script.edit(&back, json!({ format!("tallies.bags#{register}"): 1, "bags": 1 })).await;
        assert_eq!(corrected["bags"], 2, "one in each register");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_a_phone_deleted_is_written_anew_with_all_that_it_held(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let script = token(&app, &mut asha, SCOPES).await;
        let (id, _) = pick(&app, &mut asha).await;
        let own = asha.own;
        let now_ms = asha.now_ms;
        let book = asha.book(own);
        book.doc.delete(automerge::ROOT, id.to_string()).expect("deleted");
        book.commit(now_ms);
        post(&app, &mut asha).await;
        let seen = activity(&mut asha, id).await;
        assert_eq!(seen["withdrawn"], true);
        let back = script.edit(&seen, json!({ "grade.after": "A" })).await;
        assert_eq!((&back["withdrawn"], &back["note"], &back["bags"], &back["grade"]["after"]), (&json!(false), &json!("Canal"), &json!(2), &json!("A")));
        post(&app, &mut asha).await;
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn in_a_groups_daybook_both_names_are_kept(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (_, book) = group(&mut desk, &mut asha, &[bo.party]).await;
        let item = json!({ "id": asha.uuid(), "daybook_id": book, "kind": "hours", "day": DAY });
        let answer: Value = asha.post("/v1/activities", &json!({ "items": [item] })).await.expect("outcomes");
        let seen = &answer["items"][0]["activity"];
        let script = token(&app, &mut bo, SCOPES).await;
        script.edit(seen, json!({ "note": "With Bo" })).await;
        let versions: Value = bo.get(&format!("/v1/activities/{}/versions", id_of(seen))).await.expect("versions");
        let grants: Vec<&Value> = versions["items"].as_array().expect("versions").iter().map(|one| &one["grant_id"]).collect();
        assert!(grants.len() == 2 && grants[0] != grants[1], "{versions}");
    }
}
