//! What PostgreSQL cannot see by itself: that a daybook, a party and an account belong to one neighbourhood. Where it
//! takes the columns of a key for independent, it expects one row of a daybook with thousands, and reads all of
//! them by whichever index begins with the daybook.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

#[derive(DeriveMigrationName)]
pub struct Migration;

/// Tables of many rows, and the columns that say in which neighbourhood a row is. SQLite has no such statistics.
const DEPENDENT: [(&str, &str); 8] = [
    ("daybook_change", "neighbourhood_id, daybook_id, actor"),
    ("held_change", "neighbourhood_id, daybook_id"),
    ("refused_change", "neighbourhood_id, daybook_id"),
    ("activity", "neighbourhood_id, daybook_id, party_id"),
    ("activity_version", "neighbourhood_id, daybook_id, party_id"),
    ("judgement", "neighbourhood_id, daybook_id, party_id"),
    ("named_party", "neighbourhood_id, party_id"),
    ("transfer", "neighbourhood_id, account_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        each(manager, |table, columns| {
            // They are empty until the table is looked at, which nobody does while little of it changes.
            [
                format!("CREATE STATISTICS {table}_dependent (dependencies) ON {columns} FROM {table}"),
                format!("ANALYZE {table}"),
            ]
        })
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        each(manager, |table, _| [format!("DROP STATISTICS {table}_dependent")]).await
    }
}

async fn each<const N: usize>(
    manager: &SchemaManager<'_>,
    statements: fn(&str, &str) -> [String; N],
) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, columns) in DEPENDENT {
        for statement in statements(table, columns) {
            manager.get_connection().execute_unprepared(&statement).await?;
        }
    }
    Ok(())
}
