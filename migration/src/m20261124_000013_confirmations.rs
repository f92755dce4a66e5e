//! Which activities confirm another one.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 2] = [
    "ALTER TABLE judgement ADD COLUMN confirms {uuid}",
    "CREATE INDEX judgement_confirms ON judgement (neighbourhood_id, confirms) WHERE confirms IS NOT NULL",
];

const DOWN: [&str; 2] = ["DROP INDEX judgement_confirms", "ALTER TABLE judgement DROP COLUMN confirms"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
