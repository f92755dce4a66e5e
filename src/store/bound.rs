//! SQL as text, for what the query builder cannot say: every value is bound, never written into the text.

use std::fmt::Write as _;

use sea_orm::{DbBackend, Statement, Value};

/// Values bound so far.
#[derive(Debug)]
pub struct Bound {
    backend: DbBackend,
    values: Vec<Value>,
}

impl Bound {
    /// Nothing bound yet.
    #[must_use]
    pub fn new(backend: DbBackend) -> Self {
        Self { backend, values: Vec::new() }
    }

    /// Binds a value, and answers what stands for it in the text. In the order of the text: SQLite counts.
    pub fn place(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        if self.backend == DbBackend::Postgres { format!("${}", self.values.len()) } else { "?".to_owned() }
    }

    /// Binds a value, and writes what stands for it at the end of the text.
    pub fn write(&mut self, sql: &mut String, value: Value) {
        self.values.push(value);
        if self.backend == DbBackend::Postgres {
            let _ = write!(sql, "${}", self.values.len());
        } else {
            sql.push('?');
        }
    }

    /// Binds values; answers them separated by commas.
    pub fn list<V: Into<Value>>(&mut self, values: impl IntoIterator<Item = V>) -> String {
        let placed: Vec<String> = values.into_iter().map(|value| self.place(value)).collect();
        placed.join(", ")
    }

    /// The statement of a text in which all of them stand.
    #[must_use]
    pub fn statement(self, sql: String) -> Statement {
        Statement::from_sql_and_values(self.backend, sql, self.values)
    }
}
