//! The writes of one transaction, sent together.
//!
//! On SQLite each statement is a trip to the driver's worker thread, so the statements travel joined, as
//! one; on PostgreSQL they are sent one by one, each prepared once.

use sea_orm::sea_query::Values;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel, Iterable,
    PrimaryKeyToColumn, QueryTrait, Statement,
};

/// Rows of one insert: within both databases' limits on bound values (32,766 and 65,535) at up to 20 columns.
const INSERT_ROWS_MAX: usize = 500;

/// A row to be written anew: every column but the key. A key that is set, even to what it is, makes SQLite look
/// through all rows that refer to it.
pub fn anew<E>(row: E::Model) -> E::ActiveModel
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E>,
{
    let mut row = row.into_active_model().reset_all();
    for key in E::PrimaryKey::iter() {
        row.not_set(key.into_column());
    }
    row
}

/// Statements waiting to be sent, in order.
#[derive(Debug, Default)]
pub struct Batch {
    statements: Vec<Statement>,
}

impl Batch {
    /// Adds rows.
    pub fn insert<E>(&mut self, backend: DbBackend, rows: Vec<E::Model>)
    where
        E: EntityTrait,
        E::Model: IntoActiveModel<E::ActiveModel>,
        E::ActiveModel: ActiveModelTrait<Entity = E>,
    {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let part: Vec<E::ActiveModel> =
                rows.by_ref().take(INSERT_ROWS_MAX).map(|row| row.into_active_model().reset_all()).collect();
            self.statements.push(E::insert_many(part).build(backend));
        }
    }

    /// Adds any statement.
    pub fn push(&mut self, statement: Statement) {
        self.statements.push(statement);
    }

    /// Sends everything, in order.
    ///
    /// # Errors
    /// `DbErr` of the first statement that fails; the transaction is then to be rolled back.
    pub async fn execute(self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        if self.statements.is_empty() {
            return Ok(());
        }
        let backend = connection.get_database_backend();
        if backend != DbBackend::Sqlite {
            for statement in self.statements {
                connection.execute_raw(statement).await?;
            }
            return Ok(());
        }
        let mut sql = String::new();
        let mut values = Vec::new();
        for statement in self.statements {
            sql.push_str(&statement.sql);
            sql.push(';');
            values.extend(statement.values.map(|Values(values)| values).unwrap_or_default());
        }
        connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map(|_| ())
    }
}
