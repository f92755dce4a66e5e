//! Counts in a daybook's row of what is held and refused in it, so that a sync of a daybook in order looks for
//! neither.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Null is none: a column that is added has no default here.
const UP: &[&str] = &[
    "ALTER TABLE daybook ADD COLUMN held_changes bigint",
    "ALTER TABLE daybook ADD COLUMN refused_changes bigint",
    "UPDATE daybook SET
        held_changes = (SELECT COUNT(*) FROM held_change AS h
            WHERE h.neighbourhood_id = daybook.neighbourhood_id AND h.daybook_id = daybook.id),
        refused_changes = (SELECT COUNT(*) FROM refused_change AS r
            WHERE r.neighbourhood_id = daybook.neighbourhood_id AND r.daybook_id = daybook.id)",
];
const DOWN: &[&str] =
    &["ALTER TABLE daybook DROP COLUMN refused_changes", "ALTER TABLE daybook DROP COLUMN held_changes"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        crate::sql::run(manager, DOWN).await
    }
}
