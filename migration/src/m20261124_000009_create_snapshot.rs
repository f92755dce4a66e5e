//! Compaction: one snapshot a daybook in place of the bytes of its older changes.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// `compact_at_raw_bytes` is null until the first snapshot, and `compaction_alarm` unless a snapshot could not
/// be proved. The blob of the snapshot comes last, so that what stands before it is read without it.
const UP: &[&str] = &[
    "ALTER TABLE daybook ADD COLUMN compact_at_raw_bytes bigint",
    "ALTER TABLE daybook ADD COLUMN compaction_alarm text",
    "CREATE TABLE daybook_snapshot (
        neighbourhood_id {uuid} NOT NULL,
        daybook_id {uuid} NOT NULL,
        position bigint NOT NULL,
        chain {bytes} NOT NULL,
        heads {bytes} NOT NULL,
        raw_bytes bigint NOT NULL,
        kept_from bigint NOT NULL,
        made_at_ms bigint NOT NULL,
        bytes_count bigint NOT NULL,
        hash {bytes} NOT NULL,
        bytes {bytes} NOT NULL,
        PRIMARY KEY (neighbourhood_id, daybook_id),
        FOREIGN KEY (neighbourhood_id, daybook_id) REFERENCES daybook (neighbourhood_id, id)
    )",
];
const DOWN: &[&str] = &[
    "DROP TABLE daybook_snapshot",
    "ALTER TABLE daybook DROP COLUMN compaction_alarm",
    "ALTER TABLE daybook DROP COLUMN compact_at_raw_bytes",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, DOWN).await
    }
}
