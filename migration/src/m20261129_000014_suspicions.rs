//! Doubts about records, the records that each is about, and the traces by which records find each other; what
//! waits for a person since when, and who is at it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 13] = [
    "CREATE TABLE activity_trace (
        neighbourhood_id {uuid} NOT NULL,
        trace bigint NOT NULL,
        activity_id {uuid} NOT NULL,
        PRIMARY KEY (neighbourhood_id, trace, activity_id),
        FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id)
    )",
    "CREATE INDEX activity_trace_activity ON activity_trace (neighbourhood_id, activity_id)",
    "CREATE TABLE suspicion (
        neighbourhood_id {uuid} NOT NULL,
        id {uuid} NOT NULL,
        kind text NOT NULL,
        state text NOT NULL,
        body text NOT NULL,
        settled text NOT NULL,
        settled_by {uuid},
        raised_at_ms bigint NOT NULL,
        raised_no bigint NOT NULL,
        journal_no bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, id)
    )",
    "CREATE INDEX suspicion_state ON suspicion (neighbourhood_id, state, raised_no)",
    "CREATE TABLE suspicion_about (
        neighbourhood_id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        suspicion_id {uuid} NOT NULL,
        PRIMARY KEY (neighbourhood_id, activity_id, suspicion_id),
        FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id),
        FOREIGN KEY (neighbourhood_id, suspicion_id) REFERENCES suspicion (neighbourhood_id, id)
    )",
    // Whose confirmations: two who confirm hardly anybody but each other are found by it.
    "CREATE INDEX judgement_confirmers ON judgement (neighbourhood_id, party_id) WHERE confirms IS NOT NULL",
    "ALTER TABLE judgement ADD COLUMN doubts text",
    "ALTER TABLE judgement ADD COLUMN waits_since_ms bigint",
    // What waited before there were cards gets one too; what silence will approve waits for nobody.
    "UPDATE judgement SET waits_since_ms = judged_at_ms \
     WHERE review IN ('received', 'edited_after_approval') AND due_at_ms IS NULL",
    // What needs a person.
    "CREATE INDEX judgement_waits ON judgement (neighbourhood_id, waits_since_ms) WHERE waits_since_ms IS NOT NULL",
    // Decisions that were previewed and applied as one.
    "ALTER TABLE decision ADD COLUMN batch_id {uuid}",
    "CREATE INDEX decision_batch ON decision (neighbourhood_id, batch_id) WHERE batch_id IS NOT NULL",
    "CREATE TABLE card_lease (
        neighbourhood_id {uuid} NOT NULL,
        activity_id {uuid} NOT NULL,
        party_id {uuid} NOT NULL,
        until_ms bigint NOT NULL,
        PRIMARY KEY (neighbourhood_id, activity_id),
        FOREIGN KEY (neighbourhood_id, activity_id) REFERENCES activity (neighbourhood_id, id)
    )",
];

const DOWN: [&str; 10] = [
    "DROP TABLE card_lease",
    "DROP INDEX decision_batch",
    "ALTER TABLE decision DROP COLUMN batch_id",
    "DROP INDEX judgement_waits",
    "ALTER TABLE judgement DROP COLUMN waits_since_ms",
    "ALTER TABLE judgement DROP COLUMN doubts",
    "DROP INDEX judgement_confirmers",
    "DROP TABLE suspicion_about",
    "DROP TABLE suspicion",
    "DROP TABLE activity_trace",
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
