//! Stories of closed accounts: the remainder goes to the pot, with a reason, and nothing is ever deleted.

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::flows::rebuild::{Mode, rebuild};
use daybook::store::entity::{account, account_closing};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::desk::{balance, became, decide, join, post, refused, sound, statement};
use crate::support::{TestPhone, both};

const WHY: &str = "You moved away.";

fn request(id: Uuid, reason: &str) -> Vec<u8> {
    json!({ "id": id, "reason": reason }).to_string().into_bytes()
}

/// Closes an account under an id: status and answer.
async fn close(desk: &mut TestPhone, account: PartyId, id: Uuid) -> (u16, Value) {
    let path = format!("/v1/accounts/{account}/closing");
    let answer =
        desk.request(Method::POST, &path, "application/json", request(id, WHY)).await.expect("closed");
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).expect("JSON"))
}

/// The status and the code that it is refused with.
async fn not_closed(desk: &mut TestPhone, account: impl ToString, id: Uuid, reason: &str) -> (u16, String) {
    let path = format!("/v1/accounts/{}/closing", account.to_string());
    refused(desk.request(Method::POST, &path, "application/json", request(id, reason)).await)
}

fn hours(phone: &mut TestPhone, day: &str, minutes: i64) -> ActivityId {
    let me = phone.party;
    phone.record(Kind::Hours, day, |a| _ = a.minutes(me, minutes)).expect("recorded")
}

async fn totals(desk: &mut TestPhone) -> Vec<Value> {
    let mut found = Vec::new();
    for by in ["kind", "month", "programme", "sector", "party", "party,kind,sector"] {
        let totals: Value = desk.get(&format!("/v1/totals?by={by}")).await.expect("totals");
        found.push(totals["items"].clone());
    }
    found
}

both! {
    async fn what_a_closed_account_held_goes_to_the_pot_with_a_reason(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, id) = (asha.party, app.app.uuid());
        let kept = hours(&mut asha, "2026-11-20", 60);
        hours(&mut asha, "2026-11-19", 30);
        post(&app, &mut asha).await;
        let before = totals(&mut desk).await;
        let (status, closed) = close(&mut desk, me, id).await;
        assert_eq!(status, 201, "{closed}");
        let no = closed["journal_no"].as_i64().expect("a number");
        assert_eq!(closed, json!({
            "id": id, "account_id": me, "reason": WHY, "contribution_minutes": 90, "credit_minutes": 0,
            "closed_by": desk.party, "journal_no": no, "closed_at": closed["closed_at"],
        }));
        assert_eq!((balance(&mut asha, me).await, balance(&mut desk, app.neighbourhood).await), (0, 90));
        let account: Value = asha.get(&format!("/v1/accounts/{me}")).await.expect("an account");
        assert_eq!(account["closed_at"], closed["closed_at"]);
        let page: Value = asha.get(&format!("/v1/accounts/{me}/statement")).await.expect("a statement");
        let line = &page["items"][0];
        let said = (&line["minutes"], &line["balance_after"], &line["cause"], &line["reason"], &line["counter_account_id"]);
        assert_eq!(said, (&json!(-90), &json!(0), &json!("account_closed"), &json!(WHY), &json!(app.neighbourhood)));
        assert_eq!(totals(&mut desk).await, before, "what was given stays given");
        let then: Value = desk.get(&format!("/v1/accounts/{me}?journal_no={}", no - 1)).await.expect("then");
        assert_eq!(then["contribution_minutes"], 90);
        let then: Value = desk.get(&format!("/v1/accounts/{me}?day=2026-11-20")).await.expect("an account");
        assert_eq!(then["contribution_minutes"], 90, "up to the day before it was closed");

        // Sent again it is answered as it was; the id is of nothing else.
        app.pass(60_000);
        assert_eq!(close(&mut desk, me, id).await, (200, closed.clone()));
        assert_eq!(not_closed(&mut desk, me, id, "Because.").await, (409, "id_reused".to_owned()));
        let party = desk.party;
        assert_eq!(not_closed(&mut desk, party, id, WHY).await, (409, "id_reused".to_owned()));

        // A later correction posts there all the same, and closing again moves what came since.
        let more = json!({ "corrections": { "minutes": { me.to_string(): 45 } }, "reason": "You left early." });
        assert_eq!(became(&decide(&mut desk, kept, "approve", more).await), (201, ""));
        assert_eq!(balance(&mut asha, me).await, -15);
        hours(&mut asha, "2026-11-18", 5);
        post(&app, &mut asha).await;
        assert_eq!(balance(&mut asha, me).await, -10);
        let (status, again) = close(&mut desk, me, app.app.uuid()).await;
        assert_eq!((status, &again["contribution_minutes"]), (201, &json!(-10)));
        assert_eq!((balance(&mut asha, me).await, balance(&mut desk, app.neighbourhood).await), (0, 80));
        let account: Value = asha.get(&format!("/v1/accounts/{me}")).await.expect("an account");
        assert_eq!(account["closed_at"], closed["closed_at"], "since it was closed first");
        assert_eq!(statement(&mut desk, app.neighbourhood).await, [(-10, 80), (90, 90)]);
        sound(&app).await;
    }
}

both! {
    async fn an_empty_account_closes_without_a_transfer(app: TestApp) {
        let asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let (status, closed) = close(&mut desk, asha.party, app.app.uuid()).await;
        assert_eq!((status, &closed["contribution_minutes"]), (201, &json!(0)));
        let account: Value = desk.get(&format!("/v1/accounts/{}", asha.party)).await.expect("an account");
        assert_eq!((&account["closed_at"], &account["contribution_minutes"]), (&closed["closed_at"], &json!(0)));
        assert_eq!(statement(&mut desk, asha.party).await, []);
        sound(&app).await;
        // Made again from the journal alone.
        let db = app.app.db().writer();
        let row = account_closing::Entity::find().one(db).await.expect("read").expect("a closing");
        account_closing::Entity::delete_many().exec(db).await.expect("lost");
        account::Entity::delete_many().filter(account::Column::Id.eq(asha.party.0)).exec(db).await.expect("lost");
        let found = rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("made again");
        assert_eq!((found.accounts.differing, found.closings.differing), (1, 1), "{found:?}");
        let again = account_closing::Entity::find().one(db).await.expect("read");
        assert_eq!(again, Some(row));
        sound(&app).await;
    }
}

both! {
    async fn what_is_no_account_to_close_is_refused(app: TestApp) {
        let (mut asha, again) = (app.phone("Asha").await, app.phone("Asha K.").await);
        let (mut dee, mut eve) = (app.coordinator("Dee").await, app.coordinator("Eve").await);
        join(&mut dee, asha.party, again.party).await;
        let id = app.app.uuid();
        for (account, status, code) in [
            (app.neighbourhood.0, 409, "account_holds"),
            (again.party.0, 409, "is_alias"),
            (id, 404, "not_found"),
        ] {
            assert_eq!(not_closed(&mut dee, account, id, WHY).await, (status, code.to_owned()));
        }
        for reason in ["", "  ", &"x".repeat(1_001), "a\u{0}"] {
            assert_eq!(not_closed(&mut dee, asha.party, id, reason).await, (422, "field_invalid".to_owned()));
        }
        let me = asha.party;
        assert_eq!(not_closed(&mut asha, me, id, WHY).await.0, 403);
        // Whoever leaves may close the own account, and not have it made up for.
        let mine = hours(&mut dee, "2026-11-20", 30);
        post(&app, &mut dee).await;
        let me = dee.party;
        assert_eq!(close(&mut dee, me, app.app.uuid()).await.0, 201);
        assert_eq!(became(&decide(&mut eve, mine, "reject", json!({ "reason": "Not there." })).await).0, 201);
        assert_eq!(balance(&mut dee, me).await, -30);
        assert_eq!(not_closed(&mut dee, me, id, WHY).await, (409, "own_credit".to_owned()));
        assert_eq!(close(&mut eve, me, id).await.1["contribution_minutes"], -30);
        sound(&app).await;
    }
}

both! {
    async fn of_two_who_close_an_account_at_once_the_remainder_goes_once(app: TestApp) {
        let replica = app.another_replica().await;
        let mut asha = app.phone("Asha").await;
        let (mut dee, mut eve) = (app.coordinator("Dee").await, replica.new_phone("Eve"));
        eve.enrol(&app.invitation(true).await).await.expect("enrolled");
        let me = asha.party;
        hours(&mut asha, "2026-11-20", 60);
        post(&app, &mut asha).await;
        let (here, there) =
            tokio::join!(close(&mut dee, me, app.app.uuid()), close(&mut eve, me, app.app.uuid()));
        let mut moved = [&here, &there].map(|(_, closed)| closed["contribution_minutes"].as_i64());
        moved.sort_unstable();
        assert_eq!((here.0, there.0, moved), (201, 201, [Some(0), Some(60)]));
        assert_eq!(statement(&mut dee, app.neighbourhood).await, [(60, 60)]);
        sound(&app).await;
    }
}

both! {
    async fn a_closing_that_is_not_as_the_journal_says_is_named(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut desk = app.coordinator("Dee").await;
        let id = app.app.uuid();
        hours(&mut asha, "2026-11-20", 60);
        post(&app, &mut asha).await;
        let no = close(&mut desk, asha.party, id).await.1["journal_no"].as_i64().expect("a number");
        let db = app.app.db().writer();
        let first = async || {
            let found = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared");
            let first = found.first().expect("it is seen").clone();
            (first.journal_no, first.to_string())
        };
        let reason = account_closing::Entity::update_many()
            .col_expr(account_closing::Column::Reason, Expr::value("Because."));
        reason.exec(db).await.expect("damaged");
        let (at, words) = first().await;
        assert!(at == Some(no) && words.contains("reason You moved away."), "{words}");
        let reason = account_closing::Entity::update_many().col_expr(account_closing::Column::Reason, Expr::value(WHY));
        reason.exec(db).await.expect("mended");
        let open = account::Entity::update_many()
            .col_expr(account::Column::ClosedAtMs, Expr::value(None::<i64>))
            .filter(account::Column::Id.eq(asha.party.0));
        open.exec(db).await.expect("damaged");
        let (_, words) = first().await;
        assert!(words.contains(&format!("account {}", asha.party)) && words.contains("closed_at_ms"), "{words}");
        rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("made again");
        sound(&app).await;
    }
}
