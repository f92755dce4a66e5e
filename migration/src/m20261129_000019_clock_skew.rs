//! How far the phone's clock was off when it synced: measured at each accept, kept with what it brought.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 2] = [
    "ALTER TABLE daybook_change ADD COLUMN admitted_skew_ms bigint",
    "ALTER TABLE activity_version ADD COLUMN skew_ms bigint",
];

const DOWN: [&str; 2] = [
    "ALTER TABLE activity_version DROP COLUMN skew_ms",
    "ALTER TABLE daybook_change DROP COLUMN admitted_skew_ms",
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
