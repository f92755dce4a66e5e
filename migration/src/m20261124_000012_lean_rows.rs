//! Less to write for each record: nothing twice, and no index that another one stands in for.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// What a decision says is in the journal, at its number. An activity is found by its daybook's party; only
/// few are parts of an occasion.
const UP: [&str; 4] = [
    "ALTER TABLE decision DROP COLUMN body",
    "DROP INDEX activity_daybook",
    "DROP INDEX judgement_part_of",
    "CREATE INDEX judgement_part_of ON judgement (neighbourhood_id, part_of) WHERE part_of IS NOT NULL",
];

const DOWN: [&str; 5] = [
    "DROP INDEX judgement_part_of",
    "CREATE INDEX judgement_part_of ON judgement (neighbourhood_id, part_of)",
    "CREATE INDEX activity_daybook ON activity (neighbourhood_id, daybook_id)",
    "ALTER TABLE decision ADD COLUMN body text NOT NULL DEFAULT ''",
    "UPDATE decision SET body = (SELECT journal.body FROM journal WHERE journal.neighbourhood_id = \
     decision.neighbourhood_id AND journal.no = decision.journal_no)",
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
