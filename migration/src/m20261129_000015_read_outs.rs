//! What the ledger's read-outs stand on: closed periods, the entries of an activity, the minutes of some days.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// The days of an account are found by day first as well: one index serves the clerk and the totals.
const UP: [&str; 4] = [
    "CREATE TABLE closed_period (
        neighbourhood_id {uuid} NOT NULL,
        id {uuid} NOT NULL,
        day_from text NOT NULL,
        day_until text NOT NULL,
        journal_no bigint NOT NULL,
        closed_by {uuid} NOT NULL,
        closed_at_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, id),
        UNIQUE (neighbourhood_id, journal_no),
        FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
    )",
    "CREATE INDEX journal_activity ON journal (neighbourhood_id, activity_id, no) WHERE activity_id IS NOT NULL",
    "DROP INDEX transfer_day",
    "CREATE INDEX transfer_day ON transfer (neighbourhood_id, day, account_id)",
];

const DOWN: [&str; 4] = [
    "DROP INDEX transfer_day",
    "CREATE INDEX transfer_day ON transfer (neighbourhood_id, account_id, day)",
    "DROP INDEX journal_activity",
    "DROP TABLE closed_period",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
