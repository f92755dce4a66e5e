//! Where the bytes of a full database are: table by table, and what the large columns hold. SQLite, whose pages
//! can be counted.

use std::path::Path;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};

use crate::records::Log;

/// Daybooks whose `save()` is looked at.
const SAVED: u64 = 20;

/// One table with its indexes.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Table {
    pub name: String,
    pub rows: i64,
    pub bytes: i64,
    pub index_bytes: i64,
    /// Bytes of all values of each column that holds text or bytes, the largest first.
    pub columns: Vec<(String, i64)>,
}

/// All tables of one database.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Storage {
    pub daybooks: u64,
    pub activities: u64,
    pub tables: Vec<Table>,
    /// Of one daybook as Automerge saves it, and of its changes one by one.
    pub save_bytes: f64,
    pub changes_bytes: f64,
}

/// Looks at a file that nobody writes to.
pub fn look(file: &Path, daybooks: u64, activities: u64) -> anyhow::Result<Storage> {
    let db = Connection::open(file)?;
    let names =
        strings(&db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?;
    let mut tables = Vec::new();
    for name in names {
        let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
        let mut table =
            Table { rows: number(&format!("SELECT count(*) FROM {name}"))?.unwrap_or(0), ..Table::default() };
        table.bytes = number(&format!("SELECT sum(pgsize) FROM dbstat WHERE name = '{name}'"))?.unwrap_or(0);
        let indexes = format!(
            "SELECT sum(pgsize) FROM dbstat WHERE name IN
             (SELECT name FROM sqlite_master WHERE type = 'index' AND tbl_name = '{name}')"
        );
        table.index_bytes = number(&indexes)?.unwrap_or(0);
        for column in strings(&db, &format!("SELECT name FROM pragma_table_info('{name}')"))? {
            let sql = format!(
                "SELECT sum(length(CAST({column} AS BLOB))) FROM {name} WHERE typeof({column}) IN ('text', 'blob')"
            );
            let bytes = number(&sql)?.unwrap_or(0);
            if bytes > 0 {
                table.columns.push((column, bytes));
            }
        }
        table.columns.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        table.name = name;
        tables.push(table);
    }
    tables.sort_by_key(|table| std::cmp::Reverse(table.bytes + table.index_bytes));
    let (mut save_bytes, mut changes_bytes) = (0, 0);
    let looked_at = SAVED.min(daybooks).max(1);
    for number in 0..looked_at {
        let mut log = Log::new(number);
        for _ in 0..activities {
            changes_bytes += log.record()?.len();
        }
        save_bytes += log.doc.save().len();
    }
    let mean = |bytes: usize| bytes as f64 / looked_at as f64;
    Ok(Storage {
        daybooks,
        activities,
        tables,
        save_bytes: mean(save_bytes),
        changes_bytes: mean(changes_bytes),
    })
}

fn strings(db: &Connection, sql: &str) -> anyhow::Result<Vec<String>> {
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
