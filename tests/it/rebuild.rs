//! Derived rows are made again from ground state, and are the same.

use daybook::domain::activity::Kind;
use daybook::domain::ids::DaybookId;
use daybook::flows::compact::Compacted;
use daybook::flows::rebuild::{Mode, rebuild};
use daybook::store;
use daybook::store::entity::{account, activity, activity_version, judgement};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::json;

use crate::support::app::activity as seen;
use crate::support::{TestApp, both};

/// Every derived row, in order.
async fn derived(
    app: &TestApp,
) -> (Vec<activity::Model>, Vec<activity_version::Model>, Vec<judgement::Model>, Vec<account::Model>) {
    let db = app.app.db().read();
    (
        activity::Entity::find().order_by_asc(activity::Column::Id).all(db).await.expect("activities"),
        activity_version::Entity::find()
            .order_by_asc(activity_version::Column::ActivityId)
            .order_by_asc(activity_version::Column::Version)
            .all(db)
            .await
            .expect("versions"),
        judgement::Entity::find()
            .order_by_asc(judgement::Column::ActivityId)
            .all(db)
            .await
            .expect("judgements"),
        account::Entity::find().order_by_asc(account::Column::Id).all(db).await.expect("accounts"),
    )
}

/// Two residents, a second device, edits before and after judging, a conflict, text edited later, an occasion
/// with a part, decisions and an undo, a withdrawal, and something that still waits.
async fn some_weeks(app: &TestApp) {
    let mut asha = app.phone("Asha").await;
    let mut ben = app.phone("Ben").await;
    let mut tablet = app.second_device(&mut asha, "Tablet").await;
    let (me, other) = (asha.party, ben.party);
    let note = asha
        .record(Kind::LitterPick, "2026-11-10", |a| {
            a.minutes(me, 50).count("bags", 2).note("by the canal");
        })
        .expect("recorded");
    let occasion = asha
        .record(Kind::LitterPick, "2026-11-12", |a| {
            a.minutes(me, 90).totals(4, 360);
        })
        .expect("recorded");
    asha.sync().await.expect("synced");
    app.judge().await;
    app.pass(60_000);
    tablet.sync().await.expect("synced");
    let book = tablet.own;
    tablet
        .edit_in(book, note, |a| {
            a.note_more(", twice");
        })
        .expect("edited");
    tablet
        .edit_in(book, note, |a| {
            a.minutes(me, 60);
        })
        .expect("edited");
    asha.edit(note, |a| {
        a.minutes(me, 70);
    })
    .expect("edited");
    asha.sync().await.expect("synced");
    tablet.sync().await.expect("synced");
    ben.record(Kind::LitterPick, "2026-11-12", |b| {
        b.minutes(other, 90).part_of(occasion);
    })
    .expect("recorded");
    let taken_back = ben
        .record(Kind::Hours, "2026-11-13", |b| {
            b.minutes(other, 30);
        })
        .expect("recorded");
    ben.sync().await.expect("synced");
    app.judge().await;
    app.pass(60_000);
    ben.edit(taken_back, |b| {
        b.withdraw();
    })
    .expect("edited");
    ben.sync().await.expect("synced");
    app.judge().await;
    decide_and_undo(app, occasion).await;
    ben.record(Kind::Hours, "2026-11-14", |b| {
        b.minutes(other, 20);
    })
    .expect("recorded");
    ben.sync().await.expect("synced");
}

async fn decide_and_undo(app: &TestApp, id: daybook::domain::ids::ActivityId) {
    let mut maryam = app.coordinator("Maryam").await;
    for step in ["reject", "undo"] {
        let now = seen(&mut maryam, id).await;
        let latest: serde_json::Value =
            maryam.get(&format!("/v1/decisions?activity_id={id}&limit=1")).await.expect("decisions");
        let mut item = json!({
            "id": app.app.uuid(), "activity_id": id, "version": now["version"],
            "decision_seq": now["decision_seq"], "step": step, "reason": "counted again",
        });
        if step == "undo" {
            item["decision_id"] = latest["items"][0]["id"].clone();
        }
        let answer: serde_json::Value =
            maryam.post("/v1/decisions", &json!({ "items": [item] })).await.expect("an answer");
        assert_eq!(answer["items"][0]["status"], 201, "{answer}");
    }
}

both! {
    async fn rebuilding_finds_everything_the_same(app: TestApp) {
        some_weeks(&app).await;
        let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("rebuilt");
        assert!(rebuilt.is_same(), "{rebuilt:#?}");
        assert!(rebuilt.activities.rows >= 5 && rebuilt.judgements.rows >= 4 && rebuilt.transfers.rows >= 6, "{rebuilt:#?}");
    }
}

both! {
    async fn rebuilding_finds_everything_the_same_after_compaction(app: TestApp) {
        some_weeks(&app).await;
        let before = derived(&app).await;
        for daybook in store::daybooks::all(app.app.db().read(), app.neighbourhood).await.expect("daybooks") {
            let compacted = app.compact(DaybookId(daybook.id)).await;
            assert!(matches!(compacted, Compacted::Done { .. }), "{compacted:?}");
        }
        let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("rebuilt");
        assert!(rebuilt.is_same(), "{rebuilt:#?}");
        activity::Entity::update_many()
            .col_expr(activity::Column::State, Expr::value(vec![1_u8]))
            .exec(app.app.db().writer())
            .await
            .expect("bent");
        rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("rebuilt");
        assert!(derived(&app).await == before, "rows differ from those before");
    }
}

both! {
    async fn what_was_lost_or_bent_is_made_again_as_it_was(app: TestApp) {
        some_weeks(&app).await;
        let before = derived(&app).await;
        let db = app.app.db().writer();
        activity::Entity::update_many()
            .col_expr(activity::Column::Reading, Expr::value(r#"{"fields":{},"deleted":true,"unreadable":null}"#))
            .col_expr(activity::Column::Version, Expr::value(9))
            .exec(db)
            .await
            .expect("bent");
        judgement::Entity::delete_many()
            .filter(judgement::Column::Review.eq("approved"))
            .exec(db)
            .await
            .expect("lost");
        account::Entity::update_many()
            .col_expr(account::Column::Contribution, Expr::value(1))
            .exec(db)
            .await
            .expect("bent");

        let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("rebuilt");
        assert!(!rebuilt.is_same(), "what was bent is seen");
        assert!(derived(&app).await == before, "rows differ from those before");
        let again = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("rebuilt");
        assert!(again.is_same(), "{again:#?}");
    }
}
