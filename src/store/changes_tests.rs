//! What a push asks of its daybook, and the clerk of a neighbourhood, is looked up, however old they are.

use migration::{Migrator, MigratorTrait as _};
use sea_orm::{DatabaseConnection, Statement};
use uuid::Uuid;

use super::*;
use crate::domain::ids::ActivityId;
use crate::store::entity::daybook;
use crate::store::{daybooks, waiting};

const OF: Of = Of { neighbourhood: NeighbourhoodId(Uuid::nil()), daybook: DaybookId(Uuid::max()) };

/// How SQLite would go about a statement: a line each time that it goes through this table.
async fn steps(db: &DatabaseConnection, table: &str, statement: Statement) -> Vec<String> {
    let explain = Statement { sql: format!("EXPLAIN QUERY PLAN {}", statement.sql), ..statement };
    let rows = db.query_all_raw(explain).await.unwrap();
    let steps = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
    steps.filter(|step| step.split(' ').any(|word| word == table)).collect()
}

async fn migrated() -> DatabaseConnection {
    let mut options = sea_orm::ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    let db = sea_orm::Database::connect(options).await.unwrap();
    Migrator::up(&db, None).await.unwrap();
    db
}

async fn steps_of<M: PartialModelTrait>(wanted: Vec<Condition>) -> Vec<String> {
    let db = migrated().await;
    steps(&db, "daybook_change", db.get_database_backend().build(&union::<M>(OF, &wanted).unwrap())).await
}

#[tokio::test]
async fn known_changes_are_looked_up_by_hash_and_by_number() {
    let numbers = [(vec![7; 16], vec![1, 2]), (vec![8; 16], vec![0, 1])];
    let steps = steps_of::<Known>(by_hash_or_number(&[vec![1; 32], vec![2; 32]], &numbers)).await;
    let by = |end: &str| steps.iter().filter(|step| step.ends_with(end)).count();
    assert_eq!(by("(neighbourhood_id=? AND daybook_id=? AND hash=?)"), 1, "{steps:?}");
    assert_eq!(by("(neighbourhood_id=? AND daybook_id=? AND actor=? AND seq=?)"), 2, "{steps:?}");
    assert_eq!(steps.len(), 3, "{steps:?}");
}

#[tokio::test]
async fn changes_that_hold_operations_are_looked_up_by_where_they_start() {
    let steps = steps_of::<Covering>(overlapping(OF, &[(vec![7; 16], 5, 9), (vec![8; 16], 1, 1)])).await;
    let by = |end: &str| steps.iter().filter(|step| step.ends_with(end)).count();
    // Between the last that starts before the range and its end; and to find that last one.
    assert_eq!(by("AND actor=? AND start_op>? AND start_op<?)"), 2, "{steps:?}");
    assert_eq!(by("AND actor=? AND start_op<?)"), 2, "{steps:?}");
    assert_eq!(steps.len(), 4, "{steps:?}");
}

#[tokio::test]
async fn versions_are_numbered_by_their_keys() {
    let numbers: Vec<_> = (1..=3).map(|no| (ActivityId(Uuid::from_u128(no)), 1, 7)).collect();
    let statement = waiting::number(DbBackend::Sqlite, OF.neighbourhood, &numbers);
    let steps = steps(&migrated().await, "activity_version", statement).await;
    let by_key = "(neighbourhood_id=? AND activity_id=? AND version=?)";
    assert!(!steps.is_empty() && steps.iter().all(|step| step.ends_with(by_key)), "{steps:?}");
}

#[tokio::test]
async fn a_daybook_is_written_anew_without_its_key() {
    let row = daybook::Model {
        neighbourhood_id: Uuid::nil(),
        id: Uuid::max(),
        party_id: Uuid::nil(),
        position: 1,
        chain: Vec::new(),
        heads: Vec::new(),
        max_op: 0,
        operations: 0,
        raw_bytes: 0,
        revision: 1,
        gone_at_ms: None,
        created_at_ms: 0,
        held_changes: None,
        refused_changes: None,
        compact_at_raw_bytes: None,
        compaction_alarm: None,
    };
    for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
        let sql = daybooks::update(backend, row.clone()).sql;
        let (set, found) = sql.split_once("WHERE").unwrap();
        assert!(set.contains("\"revision\"") && !set.contains("\"neighbourhood_id\""), "{set}");
        assert!(!set.contains("\"id\"") && found.contains("\"id\""), "{sql}");
    }
}
