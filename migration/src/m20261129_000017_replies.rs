//! What people say about records, and who is named in whose.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// A named party's news is found by the journal's number, as an owner's is.
const UP: [&str; 6] = [
    "CREATE TABLE reply (
        neighbourhood_id {uuid} NOT NULL,
        id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        party_id {uuid} NOT NULL,
        kind text NOT NULL,
        text text,
        at_desk {flag} NOT NULL,
        journal_no bigint NOT NULL,
        said_at_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, id),
        FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
    )",
    "CREATE UNIQUE INDEX reply_activity ON reply (neighbourhood_id, activity_id, journal_no)",
    "CREATE TABLE named_party (
        neighbourhood_id {uuid} NOT NULL,
        party_id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        journal_no bigint NOT NULL,
        still {flag} NOT NULL,
        PRIMARY KEY (neighbourhood_id, party_id, activity_id),
        FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
    )",
    "CREATE INDEX named_party_news ON named_party (neighbourhood_id, party_id, journal_no)",
    "ALTER TABLE judgement ADD COLUMN named text",
    "ALTER TABLE judgement ADD COLUMN replies bigint",
];

const DOWN: [&str; 4] = [
    "ALTER TABLE judgement DROP COLUMN replies",
    "ALTER TABLE judgement DROP COLUMN named",
    "DROP TABLE named_party",
    "DROP TABLE reply",
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
