//! A read-out costs what it shows, however long the ledger is.

use std::collections::BTreeSet;

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{DbBackend, QueryTrait as _, Statement};
use uuid::Uuid;

use super::*;
use crate::domain::ids::ActivityId;
use crate::store::{journal, ledger};

const HERE: NeighbourhoodId = NeighbourhoodId(Uuid::nil());
const ACCOUNT: AccountId = AccountId(Uuid::max());

/// How SQLite would go about a statement.
pub(in crate::store) async fn steps(statement: Statement) -> Vec<String> {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = sea_orm::Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    let explain = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement };
    let rows = db.query_all_raw(explain).await.unwrap();
    rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap()).collect()
}

#[tokio::test]
async fn a_balance_at_a_number_is_one_step_of_an_index() {
    let steps = steps(last_balance(HERE, ACCOUNT, "contribution", 7).build(DbBackend::Sqlite)).await;
    let by = "(neighbourhood_id=? AND account_id=? AND asset=? AND journal_no<?)";
    assert!(steps.len() == 1 && steps[0].ends_with(by), "{steps:?}");
}

#[tokio::test]
async fn the_totals_of_some_days_look_only_at_these() {
    let days = (Some("2026-11-01".to_owned()), Some("2026-11-30".to_owned()));
    let narrowed = Narrowed { day_from: days.0, day_until: days.1, ..Narrowed::default() };
    let by = TotalsBy { kind: true, sector: true, ..TotalsBy::default() };
    let nobody = Holders::default();
    let query = totals_query(HERE, by, &narrowed, (Between { earlier: 3, later: 7 }, &nobody));
    let steps = steps(DbBackend::Sqlite.build(&query)).await;
    let on = |table: &str| {
        steps.iter().filter(|step| step.split(' ').any(|word| word == table)).collect::<Vec<_>>()
    };
    let (transfers, parties) = (on("transfer"), on("party"));
    assert!(
        transfers.len() == 1 && transfers[0].ends_with("(neighbourhood_id=? AND day>? AND day<?)"),
        "{steps:?}"
    );
    assert!(parties.len() == 1 && parties[0].contains("(neighbourhood_id=? AND id=?)"), "{steps:?}");
}

#[tokio::test]
async fn what_closed_accounts_since_is_looked_up() {
    let accounts = BTreeSet::from([ACCOUNT]);
    let steps = steps(journal::closing(HERE, &accounts, (3, 7), 50).build(DbBackend::Sqlite)).await;
    let by = "(neighbourhood_id=? AND account_id=? AND asset=? AND journal_no>? AND journal_no<?)";
    assert!(steps.iter().any(|step| step.ends_with(by)), "{steps:?}");
}

#[tokio::test]
async fn the_entries_of_an_activity_are_looked_up() {
    let of = journal::entries(HERE, Some(ActivityId(Uuid::max())), 3, 50).build(DbBackend::Sqlite);
    let of = steps(of).await;
    assert!(of.len() == 1 && of[0].ends_with("(neighbourhood_id=? AND activity_id=? AND no>?)"), "{of:?}");
    let all = steps(journal::entries(HERE, None, 3, 50).build(DbBackend::Sqlite)).await;
    assert!(all.len() == 1 && all[0].ends_with("(neighbourhood_id=? AND no>?)"), "{all:?}");
}

#[tokio::test]
async fn what_people_have_on_a_day_is_looked_up_by_day_and_account() {
    let by = "(neighbourhood_id=? AND day=? AND account_id=?)";
    // However many there are: for one person on one day, too, SQLite has to find this way the best.
    for (people, days) in [(1, 1), (1, 2), (1, 4), (1, 12), (1, 31), (2, 1), (2, 4), (10, 1), (10, 31)] {
        let accounts = (1..=people).map(|number| AccountId(Uuid::from_u128(number))).collect();
        let days: BTreeSet<String> = (1..=days).map(|day| format!("2026-10-{day:02}")).collect();
        let query = ledger::minutes_query(HERE, &accounts, &days);
        let steps = steps(query.build(DbBackend::Sqlite)).await;
        let found = steps.iter().any(|step| step.contains("transfer_day") && step.ends_with(by));
        assert!(found, "{people} people on {} days: {steps:?}", days.len());
    }
}
