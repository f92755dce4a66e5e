//! Who is under age, and who may look after them.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 2] =
    ["ALTER TABLE party ADD COLUMN age_band text", "ALTER TABLE party ADD COLUMN supervisors text"];

const DOWN: [&str; 2] =
    ["ALTER TABLE party DROP COLUMN supervisors", "ALTER TABLE party DROP COLUMN age_band"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
