//! What somebody wrote into a table by hand, or what was lost there: it is named, and made again as it was.

mod derived;
mod ground;
mod waiting;

use std::collections::BTreeMap;

use axum::http::Method;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, PartyId};
use daybook::flows::compact::Compacted;
use daybook::flows::rebuild::{Difference, Mode, rebuild};
use daybook::store::Batch;
use daybook::store::entity::{
    account, account_closing, activity, activity_trace, activity_version, closed_period, daybook as book,
    daybook_change, daybook_snapshot, decision, journal, judgement, named_party, party_alias, reply,
    rule_pack, suspicion, suspicion_about, tip, transfer,
};
use sea_orm::{EntityTrait, ModelTrait};
use serde_json::{Value, json};

use crate::support::app::START_MS;
use crate::support::desk::{became, decide, post, rules};
use crate::support::{TestApp, TestPhone};

const MINUTE_MS: i64 = 60_000;

/// Records of every kind that the tables have a place for.
struct Weeks {
    asha: TestPhone,
    desk: TestPhone,
    /// Waits for a person: another covers part of its time.
    doubtful: ActivityId,
    /// Waits for somebody's word, or for silence.
    silent: ActivityId,
    /// Nobody has looked at it yet.
    untouched: ActivityId,
    /// Whose account was closed.
    closed: PartyId,
}

/// Sends a body as it is; the answer does not matter.
async fn request(phone: &mut TestPhone, method: Method, path: &str, body: &Value) {
    let body = body.to_string().into_bytes();
    phone.request(method, path, "application/json", body).await.expect("an answer");
}

/// Some weeks in which everything happens once.
async fn weeks(app: &TestApp) -> Weeks {
    let (mut asha, mut bo, mut cy) = (app.phone("Asha").await, app.phone("Bo").await, app.phone("Cy").await);
    let mut again = app.phone("Asha K.").await;
    let mut desk = app.coordinator("Dee").await;
    rules(&mut desk, json!({ "audit_percent": 0 })).await;
    let (me, other, third, second) = (asha.party, bo.party, cy.party, again.party);
    let write = |r: &mut daybook::phone::Entry<'_>| _ = r.minutes(me, 90).minutes(other, 60);
    let pick = asha.record(Kind::LitterPick, "2026-11-10", write).expect("recorded");
    let ten_ms = START_MS - 24 * 60 * MINUTE_MS;
    let mut hours = |from: i64, minutes: i64| {
        let started_at = ten_ms + from * MINUTE_MS;
        asha.record(Kind::Hours, "2026-11-20", |r| _ = r.minutes(me, minutes).started_at(started_at))
            .expect("recorded")
    };
    let corrected = hours(0, 60);
    cy.record(Kind::Hours, "2026-11-11", |r| _ = r.minutes(third, 20)).expect("recorded");
    again.record(Kind::Hours, "2026-11-12", |r| _ = r.minutes(second, 30)).expect("recorded");
    for phone in [&mut asha, &mut cy, &mut again] {
        post(app, phone).await;
    }
    app.pass(MINUTE_MS);
    let corrections = json!({ "minutes": { me.to_string(): 45 } });
    let more = json!({ "corrections": corrections, "reason": "You left at eleven." });
    assert_eq!(became(&decide(&mut desk, corrected, "approve", more).await), (201, ""));
    let doubtful = asha.record(Kind::Hours, "2026-11-20", |r| {
        _ = r.minutes(me, 40).started_at(ten_ms + 30 * MINUTE_MS);
    });
    let doubtful = doubtful.expect("recorded");
    post(app, &mut asha).await;
    app.pass(MINUTE_MS);
    let said = json!({ "id": bo.uuid(), "text": "Was it not an hour and a half?" });
    let _: Value = bo.post(&format!("/v1/activities/{pick}/replies"), &said).await.expect("said");
    let days = json!({ "id": desk.uuid(), "day_from": "2026-11-01", "day_until": "2026-11-09" });
    let _: Value = desk.post("/v1/periods", &days).await.expect("closed");
    let why = json!({ "reason": "You were entered twice." });
    request(&mut desk, Method::PUT, &format!("/v1/parties/{me}/aliases/{second}"), &why).await;
    let closing = json!({ "id": desk.uuid(), "reason": "You moved away." });
    request(&mut desk, Method::POST, &format!("/v1/accounts/{third}/closing"), &closing).await;
    app.judge().await;
    app.pass(MINUTE_MS);
    rules(&mut desk, json!({ "mode": "peer", "silence_days": 3 })).await;
    let silent = asha.record(Kind::Hours, "2026-11-13", |r| _ = r.minutes(me, 25)).expect("recorded");
    post(app, &mut asha).await;
    assert!(matches!(app.compact(asha.own).await, Compacted::Done { .. }));
    let untouched = asha.record(Kind::Hours, "2026-11-14", |r| _ = r.minutes(me, 15)).expect("recorded");
    asha.sync().await.expect("synced");
    Weeks { asha, desk, doubtful, silent, untouched, closed: third }
}

/// All rows of the tables that are made again, and of those they are made of, as text.
async fn tables(app: &TestApp) -> BTreeMap<&'static str, Vec<String>> {
    let mut tables = BTreeMap::new();
    macro_rules! read {
        ($($table:ident),+) => {$(
            let table = rows::<$table::Entity>(app).await.into_iter();
            let mut table: Vec<String> = table.map(|row| format!("{row:?}")).collect();
            table.sort();
            tables.insert(stringify!($table), table);
        )+};
    }
    read!(account, account_closing, activity, activity_trace, activity_version, book, closed_period);
    read!(daybook_change, daybook_snapshot, decision, journal, judgement, named_party, party_alias);
    read!(reply, rule_pack, suspicion, suspicion_about, tip, transfer);
    tables
}

/// All rows of a table: the test has one neighbourhood.
async fn rows<E: EntityTrait>(app: &TestApp) -> Vec<E::Model> {
    E::find().all(app.app.db().read()).await.expect("rows")
}

/// The tables are as they were.
async fn are_as_they_were(app: &TestApp, before: &BTreeMap<&'static str, Vec<String>>, after_what: &str) {
    let now = tables(app).await;
    for (table, rows) in before {
        let gone: Vec<&String> = rows.iter().filter(|row| !now[table].contains(row)).collect();
        let new: Vec<&String> = now[table].iter().filter(|row| !rows.contains(row)).collect();
        assert!(gone.is_empty() && new.is_empty(), "{after_what}: {table} had {gone:#?}\nand has {new:#?}");
    }
}

/// The first difference that is named.
async fn first(app: &TestApp, what: &str) -> Difference {
    let compared = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared");
    compared.first().unwrap_or_else(|| panic!("{what} is not seen")).clone()
}

/// Makes everything again.
async fn mend(app: &TestApp) {
    rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("made again");
}

/// Rows written by hand.
#[derive(Clone, Copy)]
struct Hand<'a>(&'a TestApp);

impl Hand<'_> {
    /// A row is another.
    async fn bends<E>(self, row: E::Model)
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E> + 'static,
    {
        self.sends(|batch, backend| batch.rewrite::<E>(backend, &[row])).await;
    }

    /// A row is gone.
    async fn loses<E>(self, row: E::Model)
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E> + 'static,
    {
        self.sends(|batch, backend| batch.remove::<E>(backend, &[row])).await;
    }

    /// There is one more.
    async fn plants<E>(self, row: E::Model)
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E> + 'static,
    {
        self.sends(|batch, backend| batch.insert::<E>(backend, vec![row])).await;
    }

    async fn sends(self, add: impl FnOnce(&mut Batch, sea_orm::DbBackend)) {
        let db = self.0.app.db().writer();
        let mut batch = Batch::default();
        add(&mut batch, db.get_database_backend());
        batch.execute(db).await.expect("written by hand");
    }
}
