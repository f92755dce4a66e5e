//! Neighbourhoods to try things in, whose clock can be moved; and a salt for names that say nothing of what they name.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

const COLUMNS: [&str; 2] = [
    "ALTER TABLE neighbourhood ADD COLUMN clock_ahead_ms bigint",
    "ALTER TABLE neighbourhood ADD COLUMN salt {bytes}",
];

const DOWN: [&str; 2] =
    ["ALTER TABLE neighbourhood DROP COLUMN salt", "ALTER TABLE neighbourhood DROP COLUMN clock_ahead_ms"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &COLUMNS).await?;
        let random = match manager.get_database_backend() {
            DbBackend::Postgres => "decode(replace(gen_random_uuid()::text, '-', ''), 'hex')",
            _ => "randomblob(16)",
        };
        let salted = format!("UPDATE neighbourhood SET salt = {random}");
        manager.get_connection().execute_unprepared(&salted).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
