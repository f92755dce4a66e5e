//! Stories of suspicions: what rules notice, that it waits for a person, and what ends it.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, PartyId};
use daybook::domain::limits::{ANSWER_MS, SUPERVISORS_MAX, TRACE_ACTIVITIES_MAX};
use daybook::domain::review::Review;
use daybook::domain::rules::RulePack;
use daybook::phone::{ClockSource, Entry};
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::desk::{
    balance, became, change, decide, merge, post, rebuilt_is_live, refused, rules, told, undo,
};
use crate::support::{TestApp, TestPhone, both};
use crate::wire;

const DAY: &str = "2026-11-20";
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Ten in the morning on that day.
const TEN_MS: i64 = START_MS - 24 * HOUR_MS;
const PARK: (f64, f64) = (52.456, -1.890);

/// The suspicions in a state: kind and what each is about.
async fn suspicions(desk: &mut TestPhone, state: &str) -> Vec<(String, Vec<ActivityId>)> {
    let page: Value = desk.get(&format!("/v1/suspicions?state={state}")).await.expect("suspicions");
    let items = page["items"].as_array().expect("items").iter();
    let found = items.map(|item| {
        let about = serde_json::from_value(item["about"].clone()).expect("ids");
        (item["kind"].as_str().expect("a kind").to_owned(), about)
    });
    found.collect()
}

fn sorted(mut ids: Vec<ActivityId>) -> Vec<ActivityId> {
    ids.sort_unstable();
    ids
}

fn hours(phone: &mut TestPhone, from_minute: i64, minutes: i64) -> ActivityId {
    let me = phone.party;
    let write = |a: &mut Entry<'_>| {
        a.minutes(me, minutes).started_at(TEN_MS + from_minute * MINUTE_MS);
    };
    phone.record(Kind::Hours, DAY, write).expect("recorded")
}

both! {
    async fn one_pick_logged_by_two_waits_for_a_person_and_a_merge_settles_it(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let (a, b) = (asha.party, bo.party);
        let mine = asha.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 90).minutes(b, 90).started_at(TEN_MS).place(PARK.0, PARK.1, 8.0).count("bags", 3);
        }).expect("recorded");
        let theirs = bo.record(Kind::LitterPick, DAY, |r| {
            r.minutes(b, 100).started_at(TEN_MS + 5 * MINUTE_MS).place(PARK.0 + 0.0003, PARK.1, 8.0).count("bags", 3);
        }).expect("recorded");
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        assert_eq!(told(&asha, mine), (Review::Approved, Some(180), ""));
        assert_eq!(told(&bo, theirs), (Review::Received, None, "check_counted_once"));
        // Somebody looks within a week.
        let by = bo.verdicts[&theirs].expected_by.expect("a time").0;
        assert_eq!(by, START_MS + ANSWER_MS);
        assert!(asha.verdicts[&mine].expected_by.is_none());
        let about = sorted(vec![mine, theirs]);
        let open = suspicions(&mut desk, "open").await;
        assert_eq!(open, [("overlap".to_owned(), about.clone()), ("same_event".to_owned(), about)]);
        let page: Value = desk.get(&format!("/v1/suspicions?activity_id={theirs}&limit=1")).await.expect("a page");
        assert!(page["next"].is_string());
        let words = page["items"][0]["words"].as_str().expect("words");
        assert!(words.contains("85 minutes"), "{words}");
        rebuilt_is_live(&app).await;

        let merged = merge(&mut desk, mine, theirs, json!({ "corrections": { "minutes": { b.to_string(): 90 } } })).await;
        assert_eq!(became(&merged), (201, ""));
        assert_eq!((balance(&mut asha, a).await, balance(&mut bo, b).await), (90, 90));
        assert_eq!(suspicions(&mut desk, "open").await, []);
        assert_eq!(suspicions(&mut desk, "settled").await.len(), 2);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_was_corrected_or_taken_back_is_doubted_no_more_and_the_rules_go_on(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let first = hours(&mut asha, 0, 60);
        let second = hours(&mut asha, 50, 45);
        let third = hours(&mut asha, 85, 40);
        post(&app, &mut asha).await;
        let reviews = [first, second, third].map(|id| told(&asha, id).0);
        assert_eq!(reviews, [Review::Approved, Review::Received, Review::Received]);
        // The second ends before the third begins, and still overlaps the first.
        let me = asha.party;
        asha.edit(second, |a| { a.minutes(me, 35); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, second).0, Review::Received);
        assert_eq!(told(&asha, third), (Review::Approved, Some(40), ""));
        rebuilt_is_live(&app).await;
        asha.edit(second, |a| { a.withdraw(); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(suspicions(&mut desk, "open").await, []);
        assert_eq!(suspicions(&mut desk, "lapsed").await.len(), 2);
        assert_eq!(balance(&mut asha, me).await, 100);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn what_a_person_rejects_holds_up_nobody_else(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let first = hours(&mut asha, 0, 60);
        let second = hours(&mut asha, 35, 60);
        let third = hours(&mut asha, 80, 40);
        post(&app, &mut asha).await;
        assert_eq!(became(&decide(&mut desk, second, "reject", json!({ "reason": "You were at the first." })).await), (201, ""));
        assert_eq!(suspicions(&mut desk, "settled").await, [("overlap".to_owned(), sorted(vec![first, second]))]);
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, third), (Review::Approved, Some(40), ""));
        assert_eq!(suspicions(&mut desk, "lapsed").await, [("overlap".to_owned(), sorted(vec![second, third]))]);
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_settled_doubt_comes_back_with_new_evidence_and_with_an_undo_only(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let first = hours(&mut asha, 0, 120);
        let second = hours(&mut asha, 110, 60);
        post(&app, &mut asha).await;
        let both = ("overlap".to_owned(), sorted(vec![first, second]));
        let approved = decide(&mut desk, second, "approve", json!({})).await;
        assert_eq!((became(&approved), suspicions(&mut desk, "open").await), ((201, ""), vec![]));
        assert_eq!(became(&undo(&mut desk, second, &approved).await), (201, ""));
        assert_eq!(suspicions(&mut desk, "open").await, std::slice::from_ref(&both));
        rebuilt_is_live(&app).await;
        decide(&mut desk, second, "approve", json!({})).await;
        assert_eq!(suspicions(&mut desk, "open").await, []);
        // A little more of the same is no news; an hour of it is.
        for from_minute in [109, 106] {
            asha.edit(second, |a| { a.started_at(TEN_MS + from_minute * MINUTE_MS); }).expect("edited");
            post(&app, &mut asha).await;
            assert_eq!(suspicions(&mut desk, "open").await, []);
        }
        asha.edit(second, |a| { a.started_at(TEN_MS + 60 * MINUTE_MS); }).expect("edited");
        post(&app, &mut asha).await;
        let one = ("same_event".to_owned(), both.1.clone());
        assert_eq!(suspicions(&mut desk, "open").await, [both, one]);
        assert_eq!(told(&asha, second), (Review::EditedAfterApproval, Some(60), "check_counted_once"));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn every_kind_of_doubt_is_raised_by_what_phones_write(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let (a, b) = (asha.party, bo.party);
        let photo = format!("photo/{}", "ab".repeat(32));
        let taken = || daybook_timestamp(TEN_MS);
        asha.record(Kind::LitterPick, "2026-11-02", |r| { r.minutes(a, 30).put(&photo, taken()); }).expect("recorded");
        asha.record(Kind::Repair, "2026-11-03", |r| {
            r.minutes(a, 30).put("source.provider", "restarters").put("source.id", "77");
        }).expect("recorded");
        post(&app, &mut asha).await;
        let mut expected = vec![
            ("implausible_amount", bo.record(Kind::LitterPick, "2026-11-04", |r| { r.minutes(b, 20).count("bags", 40); })),
            ("clock_skew", bo.record(Kind::Hours, "2026-12-25", |r| { r.minutes(b, 20); })),
            ("photo_seen_before", bo.record(Kind::LitterPick, "2026-11-05", |r| { r.minutes(b, 30).put(&photo, taken()); })),
            ("also_reported", bo.record(Kind::Repair, "2026-11-06", |r| {
                r.minutes(b, 30).put("source.provider", "restarters").put("source.id", "77");
            })),
        ];
        post(&app, &mut bo).await;
        expected.push(("carried", Ok(carried(&app, &mut desk, &mut asha, &mut bo).await)));
        for (kind, id) in expected {
            let id = id.expect("recorded");
            let page: Value = desk.get(&format!("/v1/suspicions?activity_id={id}")).await.expect("suspicions");
            let kinds: Vec<&str> = page["items"].as_array().expect("items").iter().filter_map(|one| one["kind"].as_str()).collect();
            assert_eq!(kinds, [kind], "{page}");
            assert_ne!(activity(&mut desk, id).await["review"], "approved", "{kind}");
        }
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn how_far_a_phones_clock_is_off_is_kept_with_what_it_wrote_and_a_right_clock_ends_the_doubt(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let most = RulePack::first().thresholds.skew_minutes_max;
        let off = |ms: i64| -> ClockSource { let right = app.phone_clock(); Box::new(move || right() + ms) };
        asha.clock = off(-most * MINUTE_MS);
        bo.clock = off(-(most + 1) * MINUTE_MS);
        let (near, far) = (hours(&mut asha, 0, 60), hours(&mut bo, 0, 60));
        post(&app, &mut asha).await;
        post(&app, &mut bo).await;
        assert_eq!(told(&asha, near), (Review::Approved, Some(60), ""));
        assert_eq!(told(&bo, far), (Review::Received, None, "check_times"));
        let page: Value = desk.get(&format!("/v1/suspicions?activity_id={far}")).await.expect("suspicions");
        let signs = &page["items"][0]["evidence"]["signs"];
        assert_eq!(*signs, json!([{ "sign": "measured", "minutes": most + 1 }]), "{page}");
        let versions: Value = desk.get(&format!("/v1/activities/{far}/versions")).await.expect("versions");
        assert_eq!(versions["items"][0]["skew_ms"], -(most + 1) * MINUTE_MS);
        rebuilt_is_live(&app).await;
        bo.clock = app.phone_clock();
        let me = bo.party;
        bo.edit(far, |a| { a.minutes(me, 50); }).expect("edited");
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, far), (Review::Approved, Some(50), ""));
        rebuilt_is_live(&app).await;
    }
}

fn daybook_timestamp(at_ms: i64) -> automerge::ScalarValue {
    automerge::ScalarValue::Timestamp(at_ms)
}

both! {
    async fn what_comes_with_a_members_own_words_is_carried_all_the_same(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let mut desk = app.coordinator("Dee").await;
        let (book, id) = in_a_group(&app, &mut desk, &mut asha, &mut bo).await;
        bo.edit_in(book, id, |r| {
            r.note("Seen by Bo.");
        })
        .expect("edited");
        post(&app, &mut bo).await;
        let about = suspicions(&mut desk, "open").await;
        assert_eq!(about, [("carried".to_owned(), vec![id])]);
        assert_eq!(activity(&mut desk, id).await["posted"], 20, "what Asha brought herself");
        rebuilt_is_live(&app).await;
    }
}

/// In a group's daybook a phone goes on as the writer whose earlier changes another member brought.
async fn carried(
    app: &TestApp,
    desk: &mut TestPhone,
    asha: &mut TestPhone,
    bo: &mut TestPhone,
) -> ActivityId {
    let (_, id) = in_a_group(app, desk, asha, bo).await;
    post(app, bo).await;
    id
}

/// A group's daybook with a record that Asha sent, and an edit of it that Bo's phone has from hers and not sent yet.
async fn in_a_group(
    app: &TestApp,
    desk: &mut TestPhone,
    asha: &mut TestPhone,
    bo: &mut TestPhone,
) -> (DaybookId, ActivityId) {
    let (group, book) = (PartyId(app.app.uuid()), DaybookId(app.app.uuid()));
    let friends =
        json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" });
    let _: Value = desk.post("/v1/parties", &friends).await.expect("a group");
    for member in [asha.party, bo.party] {
        let path = format!("/v1/parties/{group}/members/{member}");
        let body = br#"{"capacity":"lay","from_day":"2026-01-01"}"#.to_vec();
        desk.request(Method::PUT, &path, "application/json", body).await.expect("a member");
    }
    let _: Value =
        asha.post("/v1/daybooks", &json!({ "id": book, "party_id": group })).await.expect("a daybook");
    let id = ActivityId(app.app.uuid());
    let me = asha.party;
    asha.book(book);
    bo.book(book);
    asha.edit_in(book, id, |r| {
        r.kind(Kind::Hours).day("2026-11-07").minutes(me, 20);
    })
    .expect("recorded");
    post(app, asha).await;
    post(app, bo).await;
    asha.edit_in(book, id, |r| {
        r.minutes(me, 25);
    })
    .expect("edited");
    // Bo sends what Asha's phone wrote.
    let changes = wire::unsent_in(asha, book);
    bo.book(book).apply(&changes).expect("applied");
    (book, id)
}

both! {
    async fn a_record_with_a_minor_names_who_looked_after_them_or_waits(app: TestApp) {
        let (mut asha, bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let (me, other, kim) = (asha.party, bo.party, PartyId(app.app.uuid()));
        let of = |supervisors: Vec<PartyId>| json!({ "age_band": "under_18", "supervisors": supervisors });
        let mut young = of(vec![other]);
        for (key, value) in [("id", json!(kim)), ("kind", json!("resident")), ("sector", json!("resident")), ("name", json!("Kim"))] {
            young[key] = value;
        }
        let made: Value = desk.post("/v1/parties", &young).await.expect("a party");
        assert_eq!((&made["age_band"], &made["supervisors"]), (&json!("under_18"), &json!([other])));
        let _: Value = desk.post("/v1/parties", &young).await.expect("the same again");
        let alone = asha.record(Kind::LitterPick, DAY, |r| { r.minutes(me, 90).minutes(kim, 60); }).expect("recorded");
        let with = asha.record(Kind::LitterPick, "2026-11-19", |r| { r.minutes(other, 90).minutes(kim, 60); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, alone), (Review::Received, None, "check_supervision"));
        assert_eq!(told(&asha, with), (Review::Approved, Some(150), ""));
        // Asha may look after Kim too, as it turns out.
        let (path, etag) = (format!("/v1/parties/{kim}"), made["etag"].as_str().expect("a tag"));
        for (body, code) in [
            (of(vec![kim]), "field_invalid"),
            (of(vec![PartyId(app.app.uuid())]), "field_invalid"),
            (json!({ "supervisors": [me] }), "field_invalid"),
            (json!({ "age_band": "adult", "supervisors": [me] }), "field_invalid"),
            (of((0..=SUPERVISORS_MAX).map(|_| PartyId(app.app.uuid())).collect()), "field_invalid"),
        ] {
            assert_eq!(refused(change(&mut desk, &path, etag, &body).await), (422, code.to_owned()));
        }
        change(&mut desk, &path, etag, &of(vec![me, other])).await.expect("changed");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, alone), (Review::Approved, Some(150), ""));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_record_near_more_than_it_can_be_compared_with_goes_to_a_person(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut bo = app.phone("Bo").await;
        let (a, b) = (asha.party, bo.party);
        let at = |r: &mut Entry<'_>, minute: i64| {
            r.started_at(TEN_MS + minute * MINUTE_MS).place(PARK.0, PARK.1, 5.0);
        };
        for minute in 0..TRACE_ACTIVITIES_MAX {
            let minute = i64::try_from(minute).expect("few");
            asha.record(Kind::LitterPick, DAY, |r| { r.minutes(a, 1); at(r, minute); }).expect("recorded");
        }
        post(&app, &mut asha).await;
        let mut record = |minute: i64, minutes: i64| bo.record(Kind::LitterPick, DAY, |r| { r.minutes(b, minutes); at(r, minute); }).expect("recorded");
        let (last, beyond) = (record(300, 20), record(330, 21));
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, last), (Review::Approved, Some(20), ""));
        assert_eq!(told(&bo, beyond), (Review::Received, None, "check_counted_once"));
    }
}
