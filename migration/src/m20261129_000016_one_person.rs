//! Two parties that are one person, and accounts that are closed: transfers that belong to no activity.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 5] = [
    // Where an id had an account of its own, the number at which it became another's.
    "ALTER TABLE party_alias ADD COLUMN journal_no bigint",
    "CREATE INDEX party_alias_party ON party_alias (neighbourhood_id, party_id)",
    // Few of all aliases had accounts, and every read-out asks for them.
    "CREATE INDEX party_alias_journal ON party_alias (neighbourhood_id, journal_no) WHERE journal_no IS NOT NULL",
    "ALTER TABLE account ADD COLUMN closed_at_ms bigint",
    "CREATE TABLE account_closing (
        neighbourhood_id {uuid} NOT NULL,
        id {uuid} NOT NULL,
        account_id {uuid} NOT NULL,
        reason text NOT NULL,
        contribution bigint NOT NULL,
        credit bigint NOT NULL,
        closed_by {uuid} NOT NULL,
        journal_no bigint NOT NULL,
        closed_at_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, id),
        UNIQUE (neighbourhood_id, journal_no),
        FOREIGN KEY (neighbourhood_id, account_id) REFERENCES account (neighbourhood_id, id)
    )",
];

/// What closes an account has no activity, and nothing that an activity has.
const UP_POSTGRES: [&str; 7] = [
    "ALTER TABLE transfer ALTER COLUMN activity_id DROP NOT NULL",
    "ALTER TABLE transfer ALTER COLUMN kind DROP NOT NULL",
    "ALTER TABLE transfer ALTER COLUMN phase DROP NOT NULL",
    "ALTER TABLE transfer ALTER COLUMN capacity DROP NOT NULL",
    "ALTER TABLE transfer ADD COLUMN cause text",
    "ALTER TABLE transfer ADD COLUMN counter_account_id {uuid}",
    "ALTER TABLE transfer ADD COLUMN reason text",
];

/// SQLite drops no NOT NULL: the table is made anew. Nothing refers to it.
const UP_SQLITE: [&str; 5] = [
    "CREATE TABLE transfer_anew (
        neighbourhood_id {uuid} NOT NULL,
        id {uuid} NOT NULL,
        activity_id {uuid},
        posting_seq bigint NOT NULL,
        line_no bigint NOT NULL,
        account_id {uuid} NOT NULL,
        asset text NOT NULL,
        minutes bigint NOT NULL,
        balance_after bigint NOT NULL,
        kind text,
        phase text,
        programme text,
        place text,
        day text NOT NULL,
        capacity text,
        journal_no bigint NOT NULL,
        posted_at_ms bigint NOT NULL,
        cause text,
        counter_account_id {uuid},
        reason text,
        PRIMARY KEY (neighbourhood_id, id),
        UNIQUE (neighbourhood_id, activity_id, posting_seq, line_no),
        UNIQUE (neighbourhood_id, account_id, asset, journal_no),
        FOREIGN KEY (neighbourhood_id, account_id) REFERENCES account (neighbourhood_id, id)
    )",
    "INSERT INTO transfer_anew (neighbourhood_id, id, activity_id, posting_seq, line_no, account_id, asset, \
        minutes, balance_after, kind, phase, programme, place, day, capacity, journal_no, posted_at_ms) \
     SELECT neighbourhood_id, id, activity_id, posting_seq, line_no, account_id, asset, \
        minutes, balance_after, kind, phase, programme, place, day, capacity, journal_no, posted_at_ms \
     FROM transfer",
    "DROP TABLE transfer",
    "ALTER TABLE transfer_anew RENAME TO transfer",
    "CREATE INDEX transfer_day ON transfer (neighbourhood_id, day, account_id)",
];

/// Transfers stay as they can be now: those of no activity have no other place.
const DOWN: [&str; 5] = [
    "DROP TABLE account_closing",
    "ALTER TABLE account DROP COLUMN closed_at_ms",
    "DROP INDEX party_alias_journal",
    "DROP INDEX party_alias_party",
    "ALTER TABLE party_alias DROP COLUMN journal_no",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await?;
        match manager.get_database_backend() {
            DbBackend::Postgres => crate::sql::run(manager, &UP_POSTGRES).await,
            _ => crate::sql::run(manager, &UP_SQLITE).await,
        }
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
