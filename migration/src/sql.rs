//! One SQL text for both databases: `{uuid}`, `{bytes}` and `{flag}` stand for the types whose names differ.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, DbBackend};

/// Runs the statements one by one: a sharded PostgreSQL takes one statement an execute.
pub async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let (uuid, bytes, flag) = match manager.get_database_backend() {
        DbBackend::Postgres => ("uuid", "bytea", "boolean"),
        _ => ("blob", "blob", "boolean"),
    };
    for statement in statements {
        let text = statement.replace("{uuid}", uuid).replace("{bytes}", bytes).replace("{flag}", flag);
        connection.execute_unprepared(&text).await?;
    }
    Ok(())
}

/// Drops tables, the last made first.
pub async fn drop(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables.iter().rev() {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
    }
    Ok(())
}

/// Declares one migration: its statements up, its tables down.
macro_rules! migration {
    ($tables:expr, $statements:expr) => {
        use sea_orm_migration::prelude::*;

        #[derive(DeriveMigrationName)]
        pub struct Migration;

        #[async_trait::async_trait]
        impl MigrationTrait for Migration {
            async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
                $crate::sql::run(manager, $statements).await
            }

            async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
                $crate::sql::drop(manager, $tables).await
            }
        }
    };
}
pub(crate) use migration;
