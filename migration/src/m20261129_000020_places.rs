//! Where activities were, on a grid of about 100 m, for lists narrowed to a box. What was recorded before gets its place
//! with the next rebuild.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 2] =
    ["ALTER TABLE activity ADD COLUMN lat integer", "ALTER TABLE activity ADD COLUMN lon integer"];

const DOWN: [&str; 2] = ["ALTER TABLE activity DROP COLUMN lon", "ALTER TABLE activity DROP COLUMN lat"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
