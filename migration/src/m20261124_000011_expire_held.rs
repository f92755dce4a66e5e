//! What a held change waits for, how heavy it is and when it expires; lists of held and refused changes.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub struct Migration;

/// All nullable: a row from before says nothing of what it waits for, so it is looked at with every push.
const COLUMNS: [&str; 4] =
    ["waits_for {bytes}", "start_op bigint", "operations bigint", "expires_at_ms bigint"];

const INDEXES: [(&str, &str, &str); 3] = [
    ("held_change_received", "held_change", "neighbourhood_id, received_at_ms"),
    ("refused_change_received", "refused_change", "neighbourhood_id, received_at_ms"),
    ("refused_change_outcomes", "refused_change", "neighbourhood_id, daybook_id, received_at_ms"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let columns = COLUMNS.map(|column| format!("ALTER TABLE held_change ADD COLUMN {column}"));
        let indexes = INDEXES.map(|(name, table, over)| format!("CREATE INDEX {name} ON {table} ({over})"));
        let all: Vec<&str> = columns.iter().chain(&indexes).map(String::as_str).collect();
        crate::sql::run(manager, &all).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let indexes = INDEXES.map(|(name, ..)| format!("DROP INDEX {name}"));
        let names = COLUMNS.map(|column| column.split(' ').next().unwrap_or_default());
        let columns = names.map(|name| format!("ALTER TABLE held_change DROP COLUMN {name}"));
        let all: Vec<&str> = indexes.iter().chain(&columns).map(String::as_str).collect();
        crate::sql::run(manager, &all).await
    }
}
