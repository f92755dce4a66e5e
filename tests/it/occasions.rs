//! Stories of occasions: totals, people who are not named, and parts that claim from them.

use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId};
use daybook::domain::review::Review;
use serde_json::{Value, json};

use crate::support::app::{START_MS, activity};
use crate::support::desk::{balance, became, decide, post, rebuilt_is_live, statement, told, undo};
use crate::support::{TestPhone, both};

const DAY: &str = "2026-11-20";
const HOUR_MS: i64 = 3_600_000;
/// Ten in the morning on that day.
const TEN_MS: i64 = START_MS - 24 * HOUR_MS;

/// All minutes that stand in the neighbourhood's ledger.
async fn total(desk: &mut TestPhone) -> i64 {
    let totals: Value = desk.get("/v1/totals").await.expect("totals");
    totals["items"][0]["minutes"].as_i64().unwrap_or(0)
}

/// The minutes that stand in the ledger for an activity.
async fn posted(desk: &mut TestPhone, id: ActivityId) -> i64 {
    activity(desk, id).await["posted"].as_i64().expect("minutes")
}

/// A pick of seven people, 90 minutes each, of whom `asha` names herself and two others.
fn seven(asha: &mut TestPhone, others: [&TestPhone; 2]) -> ActivityId {
    let (me, bo, cy) = (asha.party, others[0].party, others[1].party);
    let recorded = asha.record(Kind::LitterPick, DAY, |a| {
        a.totals(7, 630).minutes(me, 90).minutes(bo, 90).minutes(cy, 90);
    });
    recorded.expect("recorded")
}

both! {
    async fn who_claims_later_takes_from_the_remainder(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (bo, cy, mut di) = (app.phone("Bo").await, app.phone("Cy").await, app.phone("Di").await);
        let mut desk = app.coordinator("Dee").await;
        let holding = app.neighbourhood;
        let occasion = seven(&mut asha, [&bo, &cy]);
        post(&app, &mut asha).await;
        assert_eq!((balance(&mut desk, bo.party).await, balance(&mut desk, holding).await), (90, 360));
        assert_eq!(total(&mut desk).await, 630);

        let me = di.party;
        let part = di.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut di).await;
        assert_eq!(told(&di, part), (Review::Approved, Some(90), ""));
        assert_eq!((balance(&mut di, me).await, balance(&mut desk, holding).await), (90, 270));
        assert_eq!(total(&mut desk).await, 630);

        di.edit(part, |a| { a.withdraw(); }).expect("edited");
        post(&app, &mut di).await;
        assert_eq!((balance(&mut di, me).await, balance(&mut desk, holding).await), (0, 360));
        assert_eq!(statement(&mut desk, holding).await, [(90, 360), (-90, 270), (360, 360)]);
        assert_eq!(total(&mut desk).await, 630);
    }
}

both! {
    async fn an_occasion_that_nobody_approved_posts_nothing(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut di = app.phone("Di").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, met) = (asha.party, asha.meet("Bo"));
        let occasion = asha.record(Kind::LitterPick, DAY, |a| {
            a.totals(7, 630).minutes(me, 90).minutes(met, 90);
        }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(total(&mut desk).await, 0);
        // A part stands on its own until the occasion counts.
        let claimant = di.party;
        di.record(Kind::LitterPick, DAY, |a| { a.minutes(claimant, 90).part_of(occasion); }).expect("recorded");
        post(&app, &mut di).await;
        assert_eq!(total(&mut desk).await, 90);
        decide(&mut desk, occasion, "approve", json!({})).await;
        assert_eq!((balance(&mut desk, app.neighbourhood).await, total(&mut desk).await), (360, 630));
        decide(&mut desk, occasion, "reject", json!({ "reason": "It rained." })).await;
        assert_eq!((balance(&mut desk, app.neighbourhood).await, total(&mut desk).await), (0, 90));
    }
}

both! {
    async fn more_than_the_remainder_goes_to_a_person_and_never_below_zero(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (bo, cy, mut di) = (app.phone("Bo").await, app.phone("Cy").await, app.phone("Di").await);
        let mut ed = app.phone("Ed").await;
        let mut desk = app.coordinator("Dee").await;
        let occasion = seven(&mut asha, [&bo, &cy]);
        post(&app, &mut asha).await;
        let (first, me) = (di.party, ed.party);
        let all = di.record(Kind::LitterPick, DAY, |a| { a.minutes(first, 200).part_of(occasion); }).expect("recorded");
        post(&app, &mut di).await;
        assert_eq!(told(&di, all), (Review::Approved, Some(200), ""));
        let part = ed.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 161).part_of(occasion); }).expect("recorded");
        post(&app, &mut ed).await;
        assert_eq!(told(&ed, part), (Review::Received, None, "check_share"));
        let approved = decide(&mut desk, part, "approve", json!({})).await;
        assert_eq!(became(&approved), (201, ""));
        assert_eq!((balance(&mut desk, app.neighbourhood).await, total(&mut desk).await), (0, 631));
        undo(&mut desk, part, &approved).await;
        assert_eq!((balance(&mut desk, app.neighbourhood).await, total(&mut desk).await), (160, 630));
    }
}

both! {
    async fn a_part_heard_before_its_occasion_takes_no_more_than_that_has(app: TestApp) {
        let (mut asha, mut bo) = (app.phone("Asha").await, app.phone("Bo").await);
        let mut desk = app.coordinator("Dee").await;
        let occasion = ActivityId(asha.uuid());
        let (a, b) = (asha.party, bo.party);
        let part = bo.record(Kind::LitterPick, DAY, |r| { r.minutes(b, 200).part_of(occasion); }).expect("recorded");
        post(&app, &mut bo).await;
        assert_eq!(told(&bo, part), (Review::Approved, Some(200), ""));
        asha.edit(occasion, |r| { r.kind(Kind::LitterPick).day(DAY).minutes(a, 90).totals(2, 180); }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, occasion), (Review::Received, None, "check_share"));
        let cards: Value = desk.get("/v1/cards").await.expect("cards");
        assert_eq!(cards["items"].as_array().map(Vec::len), Some(1), "{cards}");
        assert_eq!(cards["items"][0]["suspicions"][0]["kind"], "over_claimed");
        rebuilt_is_live(&app).await;
        // An inert edit of either finds the same, and changes nothing.
        bo.edit(part, |r| { r.note("By the canal."); }).expect("edited");
        post(&app, &mut bo).await;
        asha.edit(occasion, |r| { r.note("In the rain."); }).expect("edited");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, occasion), (Review::Received, None, "check_share"));

        let less = json!({ "corrections": { "minutes": { b.to_string(): 90 } }, "reason": "Two of you gave 180." });
        assert_eq!(became(&decide(&mut desk, part, "approve", less).await), (201, ""));
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, occasion), (Review::Approved, Some(90), ""));
        assert_eq!((total(&mut desk).await, balance(&mut bo, b).await), (180, 90));
        // What a person corrected is not held against it again.
        bo.edit(part, |r| { r.note("By the canal, twice."); }).expect("edited");
        post(&app, &mut bo).await;
        let open: Value = desk.get("/v1/suspicions?state=open").await.expect("suspicions");
        assert_eq!(open["items"], json!([]));
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_part_was_when_and_where_its_occasion_was(app: TestApp) {
        let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
        let (a, b, c) = (asha.party, bo.party, cy.party);
        let morning = asha.record(Kind::LitterPick, DAY, |r| {
            r.minutes(a, 90).totals(3, 270).started_at(TEN_MS).place(52.456, -1.890, 8.0);
        }).expect("recorded");
        post(&app, &mut asha).await;
        // Cy was at both, hours apart, and says of neither when.
        bo.record(Kind::LitterPick, DAY, |r| {
            r.minutes(b, 60).minutes(c, 60).started_at(TEN_MS + 4 * HOUR_MS).place(52.470, -1.890, 8.0);
        }).expect("recorded");
        post(&app, &mut bo).await;
        let part = cy.record(Kind::LitterPick, DAY, |r| { r.minutes(c, 80).part_of(morning); }).expect("recorded");
        post(&app, &mut cy).await;
        assert_eq!(told(&cy, part), (Review::Approved, Some(80), ""));
        // Where the times meet, one of the two may tell of the other.
        bo.record(Kind::LitterPick, DAY, |r| {
            r.minutes(b, 50).minutes(c, 50).started_at(TEN_MS + HOUR_MS / 2).place(52.456, -1.890, 8.0);
        }).expect("recorded");
        post(&app, &mut bo).await;
        let open: Value = app.coordinator("Dee").await.get("/v1/suspicions?state=open").await.expect("suspicions");
        let about: Vec<&Value> = open["items"].as_array().expect("items").iter().map(|item| &item["about"]).collect();
        assert!(about.iter().any(|about| about.as_array().expect("ids").contains(&json!(part))), "{open}");
        rebuilt_is_live(&app).await;
    }
}

both! {
    async fn a_part_that_moves_to_another_occasion_and_back_leaves_both_right(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let (bo, cy, mut di) = (app.phone("Bo").await, app.phone("Cy").await, app.phone("Di").await);
        let mut desk = app.coordinator("Dee").await;
        let (me, first) = (di.party, seven(&mut asha, [&bo, &cy]));
        let organiser = asha.party;
        let second = asha.record(Kind::LitterPick, "2026-11-19", |a| {
            a.totals(2, 200).minutes(organiser, 100);
        }).expect("recorded");
        post(&app, &mut asha).await;
        let part = di.record(Kind::LitterPick, DAY, |a| { a.minutes(me, 90).part_of(first); }).expect("recorded");
        post(&app, &mut di).await;
        decide(&mut desk, part, "approve", json!({})).await;
        assert_eq!((posted(&mut desk, first).await, posted(&mut desk, second).await), (540, 200));

        di.edit(part, |a| { a.part_of(second); }).expect("edited");
        post(&app, &mut di).await;
        let moved = decide(&mut desk, part, "approve", json!({})).await;
        assert_eq!(moved["decision"]["decision_seq"], 3);
        assert_eq!((posted(&mut desk, first).await, posted(&mut desk, second).await), (630, 110));
        assert_eq!(became(&undo(&mut desk, part, &moved).await), (201, ""));
        assert_eq!((posted(&mut desk, first).await, posted(&mut desk, second).await), (540, 200));
        assert_eq!(total(&mut desk).await, 630 + 200);
    }
}

both! {
    async fn a_group_holds_the_remainders_of_its_own_daybook(app: TestApp) {
        let mut desk = app.coordinator("Dee").await;
        let mut asha = app.phone("Asha").await;
        let (group, book) = (app.app.uuid(), DaybookId(app.app.uuid()));
        let friends = json!({ "id": group, "kind": "group", "sector": "community", "name": "Friends of the Park" });
        let _: Value = desk.post("/v1/parties", &friends).await.expect("a group");
        let member = format!("/v1/parties/{group}/members/{}", asha.party);
        let lay = br#"{"capacity":"lay"}"#.to_vec();
        desk.request(axum::http::Method::PUT, &member, "application/json", lay).await.expect("a member");
        let _: Value =
            asha.post("/v1/daybooks", &json!({ "id": book, "party_id": group })).await.expect("a daybook");
        let (me, id) = (asha.party, ActivityId(asha.uuid()));
        asha.edit_in(book, id, |a| {
            a.kind(Kind::LitterPick).day(DAY).totals(4, 240).minutes(me, 60);
        }).expect("recorded");
        post(&app, &mut asha).await;
        assert_eq!(told(&asha, id), (Review::Approved, Some(60), ""));
        assert_eq!((balance(&mut asha, group).await, balance(&mut asha, me).await), (180, 60));
        assert_eq!(total(&mut desk).await, 240);
    }
}

both! {
    async fn an_occasion_taken_up_for_a_decision_on_its_part_is_left_to_the_rules(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, met) = (asha.party, asha.meet("Bo"));
        let occasion = asha.record(Kind::LitterPick, DAY, |a| { a.totals(2, 180).minutes(me, 90); });
        let occasion = occasion.expect("recorded");
        let part = asha.record(Kind::LitterPick, DAY, |a| { a.minutes(met, 60).part_of(occasion); });
        let part = part.expect("recorded");
        asha.sync().await.expect("synced");
        // The coordinator is faster than the clerk.
        assert_eq!(became(&decide(&mut desk, part, "approve", json!({})).await), (201, ""));
        assert_eq!((posted(&mut desk, occasion).await, posted(&mut desk, part).await), (0, 60));
        assert_eq!(activity(&mut desk, occasion).await["judged_version"], 1);
        app.judge().await;
        assert_eq!((posted(&mut desk, occasion).await, posted(&mut desk, part).await), (120, 60));
    }
}
