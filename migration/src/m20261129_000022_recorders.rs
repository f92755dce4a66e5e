//! Who wrote an activity down first, by grant: it may be another one than whose daybook it stands in.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: [&str; 2] = [
    "ALTER TABLE activity ADD COLUMN grant_id {uuid}",
    "UPDATE activity SET grant_id = (
        SELECT first.grant_id FROM activity_version AS first
        WHERE first.neighbourhood_id = activity.neighbourhood_id AND first.activity_id = activity.id
            AND first.version = 1
    )",
];

const DOWN: [&str; 1] = ["ALTER TABLE activity DROP COLUMN grant_id"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, &DOWN).await
    }
}
