//! What pages are narrowed to most often, in order: who is named, newest received first, and what was judged since.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// A column that is never empty, and has no default, comes with a table that is made anew. Nothing refers to it.
const UP: [&str; 7] = [
    "CREATE TABLE named_party_anew (
        neighbourhood_id {uuid} NOT NULL,
        party_id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        journal_no bigint NOT NULL,
        still {flag} NOT NULL,
        received_at_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, party_id, activity_id),
        FOREIGN KEY (neighbourhood_id) REFERENCES neighbourhood (neighbourhood_id)
    )",
    "INSERT INTO named_party_anew (neighbourhood_id, party_id, activity_id, journal_no, still, received_at_ms) \
     SELECT named.neighbourhood_id, named.party_id, named.activity_id, named.journal_no, named.still, \
        activity.received_at_ms \
     FROM named_party AS named JOIN activity \
        ON activity.neighbourhood_id = named.neighbourhood_id AND activity.id = named.activity_id",
    "DROP TABLE named_party",
    "ALTER TABLE named_party_anew RENAME TO named_party",
    "CREATE INDEX named_party_news ON named_party (neighbourhood_id, party_id, journal_no)",
    "CREATE INDEX named_party_received
        ON named_party (neighbourhood_id, party_id, still, received_at_ms, activity_id)",
    "CREATE INDEX judgement_judged ON judgement (neighbourhood_id, judged_at_ms, activity_id)",
];

const DOWN: [&str; 3] = [
    "DROP INDEX judgement_judged",
    "DROP INDEX named_party_received",
    "ALTER TABLE named_party DROP COLUMN received_at_ms",
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
