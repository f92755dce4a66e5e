//! Rows that nobody but the server makes, in the transaction that made or locked what they belong to, are not looked up
//! in what they belong to once more: entries of the journal (numbered under the lock of the tip, which belongs to the
//! neighbourhood), the traces by which records find each other, and who is named in them. The look took a sixth of
//! PostgreSQL's time while a neighbourhood was judged.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

#[derive(DeriveMigrationName)]
pub struct Migration;

const ON_POSTGRES: [&str; 3] = [
    "ALTER TABLE journal DROP CONSTRAINT journal_neighbourhood_id_fkey",
    "ALTER TABLE activity_trace DROP CONSTRAINT activity_trace_neighbourhood_id_activity_id_fkey",
    "ALTER TABLE named_party DROP CONSTRAINT named_party_anew_neighbourhood_id_fkey",
];

/// SQLite has no other way than to make the tables anew. Nothing refers to them.
const ON_SQLITE: [&str; 16] = [
    "CREATE TABLE journal_anew (
        neighbourhood_id {uuid} NOT NULL,
        no bigint NOT NULL,
        kind text NOT NULL,
        subject_id {uuid} NOT NULL,
        activity_id {uuid},
        at_ms bigint NOT NULL,
        body text NOT NULL,
        salt {bytes} NOT NULL,
        commitment {bytes} NOT NULL,
        chain {bytes} NOT NULL,
        PRIMARY KEY (neighbourhood_id, no)
    )",
    "INSERT INTO journal_anew (neighbourhood_id, no, kind, subject_id, activity_id, at_ms, body, salt, commitment, \
        chain) \
     SELECT neighbourhood_id, no, kind, subject_id, activity_id, at_ms, body, salt, commitment, chain FROM journal \
     ORDER BY neighbourhood_id, no",
    "DROP TABLE journal",
    "ALTER TABLE journal_anew RENAME TO journal",
    "CREATE INDEX journal_activity ON journal (neighbourhood_id, activity_id, no) WHERE activity_id IS NOT NULL",
    "CREATE TABLE activity_trace_anew (
        neighbourhood_id {uuid} NOT NULL,
        trace bigint NOT NULL,
        activity_id {uuid} NOT NULL,
        PRIMARY KEY (neighbourhood_id, trace, activity_id)
    )",
    "INSERT INTO activity_trace_anew (neighbourhood_id, trace, activity_id) \
     SELECT neighbourhood_id, trace, activity_id FROM activity_trace ORDER BY neighbourhood_id, trace, activity_id",
    "DROP TABLE activity_trace",
    "ALTER TABLE activity_trace_anew RENAME TO activity_trace",
    "CREATE INDEX activity_trace_activity ON activity_trace (neighbourhood_id, activity_id)",
    "CREATE TABLE named_party_unchecked (
        neighbourhood_id {uuid} NOT NULL,
        party_id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        journal_no bigint NOT NULL,
        still {flag} NOT NULL,
        received_at_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, party_id, activity_id)
    )",
    "INSERT INTO named_party_unchecked (neighbourhood_id, party_id, activity_id, journal_no, still, received_at_ms) \
     SELECT neighbourhood_id, party_id, activity_id, journal_no, still, received_at_ms FROM named_party",
    "DROP TABLE named_party",
    "ALTER TABLE named_party_unchecked RENAME TO named_party",
    "CREATE INDEX named_party_news ON named_party (neighbourhood_id, party_id, journal_no)",
    "CREATE INDEX named_party_received
        ON named_party (neighbourhood_id, party_id, still, received_at_ms, activity_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// On SQLite too: stopped in the middle, it has not begun.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements: &[&str] = match manager.get_database_backend() {
            DbBackend::Postgres => &ON_POSTGRES,
            _ => &ON_SQLITE,
        };
        crate::sql::run(manager, statements).await
    }

    /// Rows are as they were; an older version needs no more.
    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Ok(())
    }
}
