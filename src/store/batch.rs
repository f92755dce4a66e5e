//! The writes of one transaction, sent together.
//!
//! On SQLite each statement is a trip to the driver's worker thread, so the statements travel joined, as
//! one; on PostgreSQL they are sent one by one, each prepared once.

use sea_orm::sea_query::Values;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IdenStatic, IntoActiveModel, Iterable,
    ModelTrait, PrimaryKeyToColumn, Statement,
};

use super::bound::Bound;

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

/// The statement that inserts rows, with `more` at its end. Written straight from the columns: through active models a
/// row costs several times as much as all the rest of writing it.
pub fn insert_rows<E>(backend: DbBackend, rows: &[E::Model], more: &str) -> Statement
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let mut bound = Bound::new(backend);
    let mut sql = format!("INSERT INTO \"{}\" ({}) VALUES ", E::default().table_name(), names(&columns));
    for (at, row) in rows.iter().enumerate() {
        sql.push_str(if at == 0 { "(" } else { "), (" });
        for (nth, column) in columns.iter().enumerate() {
            if nth > 0 {
                sql.push_str(", ");
            }
            bound.write(&mut sql, row.get(*column));
        }
    }
    sql.push(')');
    sql.push_str(more);
    bound.statement(sql)
}

/// For the end of [`insert_rows`]: a row whose key is there is written anew in these columns.
pub fn or_update<C: IdenStatic>(key: &[C], update: &[C]) -> String {
    let set = |column: &C| format!("\"{0}\" = excluded.\"{0}\"", column.as_str());
    let set: Vec<String> = update.iter().map(set).collect();
    format!(" ON CONFLICT ({}) DO UPDATE SET {}", names(key), set.join(", "))
}

/// A row's key, in the words of a condition.
fn key_of<E>(bound: &mut Bound, row: &E::Model) -> String
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    let parts: Vec<String> =
        E::PrimaryKey::iter().map(|key| is::<E>(bound, row, key.into_column())).collect();
    parts.join(" AND ")
}

/// A column and its value in a row.
fn is<E>(bound: &mut Bound, row: &E::Model, column: E::Column) -> String
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E>,
{
    format!("\"{}\" = {}", column.as_str(), bound.place(row.get(column)))
}

fn names<C: IdenStatic>(columns: &[C]) -> String {
    let names: Vec<String> = columns.iter().map(|column| format!("\"{}\"", column.as_str())).collect();
    names.join(", ")
}

/// A statement, or what it will be made of once it is its turn.
enum Part {
    Ready(Statement),
    Rows(Box<dyn FnOnce() -> Statement + Send>),
}

impl Part {
    fn build(self) -> Statement {
        match self {
            Self::Ready(statement) => statement,
            Self::Rows(build) => build(),
        }
    }
}

/// Statements waiting to be sent, in order.
#[derive(Default)]
pub struct Batch {
    parts: Vec<Part>,
}

impl Batch {
    /// Adds rows.
    pub fn insert<E>(&mut self, backend: DbBackend, rows: Vec<E::Model>)
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E> + 'static,
    {
        let mut rows = rows.into_iter().peekable();
        while rows.peek().is_some() {
            let part: Vec<E::Model> = rows.by_ref().take(INSERT_ROWS_MAX).collect();
            self.parts.push(Part::Rows(Box::new(move || insert_rows::<E>(backend, &part, ""))));
        }
    }

    /// Adds the removal of rows, by their keys.
    pub fn remove<E>(&mut self, backend: DbBackend, rows: &[E::Model])
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        for row in rows {
            let mut bound = Bound::new(backend);
            let key = key_of::<E>(&mut bound, row);
            let sql = format!("DELETE FROM \"{}\" WHERE {key}", E::default().table_name());
            self.push(bound.statement(sql));
        }
    }

    /// Adds the writing anew of rows that are there, all of them but the key (see [`anew`]).
    pub fn rewrite<E>(&mut self, backend: DbBackend, rows: &[E::Model])
    where
        E: EntityTrait,
        E::Model: ModelTrait<Entity = E>,
    {
        let keys: Vec<&str> = E::PrimaryKey::iter().map(|key| key.into_column().as_str()).collect();
        for row in rows {
            let mut bound = Bound::new(backend);
            let others = E::Column::iter().filter(|column| !keys.contains(&column.as_str()));
            let set: Vec<String> = others.map(|column| is::<E>(&mut bound, row, column)).collect();
            let key = key_of::<E>(&mut bound, row);
            let table = E::default();
            let sql = format!("UPDATE \"{}\" SET {} WHERE {key}", table.table_name(), set.join(", "));
            self.push(bound.statement(sql));
        }
    }

    /// Adds any statement.
    pub fn push(&mut self, statement: Statement) {
        self.parts.push(Part::Ready(statement));
    }

    /// Sends everything, in order.
    ///
    /// # Errors
    /// `DbErr` of the first statement that fails; the transaction is then to be rolled back.
    pub async fn execute(self, connection: &impl ConnectionTrait) -> Result<(), DbErr> {
        if self.parts.is_empty() {
            return Ok(());
        }
        let backend = connection.get_database_backend();
        let mut parts = self.parts.into_iter().map(Part::build);
        if backend != DbBackend::Sqlite {
            let mut next = parts.next();
            while let Some(statement) = next {
                let mut coming = None;
                // While the database is at work on one, the next is made.
                let make = async { coming = parts.next() };
                let (sent, ()) = tokio::join!(connection.execute_raw(statement), make);
                sent?;
                next = coming;
            }
            return Ok(());
        }
        let mut sql = String::new();
        let mut values = Vec::new();
        for statement in parts {
            sql.push_str(&statement.sql);
            sql.push(';');
            values.extend(statement.values.map(|Values(values)| values).unwrap_or_default());
        }
        connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map(|_| ())
    }
}
