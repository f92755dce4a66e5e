//! The floor, measured in the same run: the guard of the same changes, and one durable commit of the very rows
//! that the push wrote, by `rusqlite`, statement by statement, prepared before.
//!
//! Two commits are measured: into a copy of the file as it was seeded, with its indexes and as full, and into a
//! file that holds nothing but the four tables with their primary keys.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use daybook::domain::ids::DaybookId;
use daybook::merge::guard::{self, Chunk};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};

/// What a push writes, in the order that it is written: table, what finds its rows, order of the newest first.
const TABLES: [(&str, &str, &str); 4] = [
    ("daybook", "id = ?1", "position"),
    ("daybook_change", "daybook_id = ?1", "position DESC"),
    ("activity", "daybook_id = ?1", "changed_at_ms DESC"),
    ("activity_version", "daybook_id = ?1", "received_at_ms DESC, from_position DESC"),
];

/// Rows of one push, table by table.
#[derive(Debug, Clone)]
pub struct Rows(Vec<Vec<Vec<Value>>>);

/// How long the parts took.
#[derive(Debug, Clone, Copy, Default)]
pub struct Part {
    pub guard: Duration,
    pub commit: Duration,
    pub bare_commit: Duration,
}

/// Two files to write to.
#[derive(Debug)]
pub struct Floor {
    full: Connection,
    bare: Connection,
}

impl Floor {
    /// `seeded` is a copy that nobody else uses.
    pub fn open(seeded: &Path, folder: &Path) -> anyhow::Result<Self> {
        let full = open(seeded)?;
        let bare = folder.join("floor_bare.db");
        // Where seeds are kept, an earlier run may have left it.
        if bare.exists() {
            std::fs::remove_file(&bare)?;
        }
        let bare = open(&bare)?;
        for (table, ..) in TABLES {
            let sql: String = full.query_row(
                "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1",
                [table],
                |row| row.get(0),
            )?;
            bare.execute_batch(&sql)?;
        }
        Ok(Self { full, bare })
    }

    /// The rows that the last push into a daybook wrote, as the server's own file has them.
    pub fn rows(file: &Path, daybook: DaybookId, changes: usize) -> anyhow::Result<Rows> {
        let db = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut all = Vec::new();
        for (table, found, order) in TABLES {
            let limit = if table == "daybook" { 1 } else { changes };
            let sql = format!("SELECT * FROM {table} WHERE {found} ORDER BY {order} LIMIT {limit}");
            let mut statement = db.prepare(&sql)?;
            let width = statement.column_count();
            let mut rows = statement.query([daybook.0.as_bytes().as_slice()])?;
            let mut some = Vec::new();
            while let Some(row) = rows.next()? {
                let values: Result<Vec<Value>, _> = (0..width).map(|at| row.get(at)).collect();
                some.push(values?);
            }
            anyhow::ensure!(some.len() == limit, "{} rows of {table}, not {limit}", some.len());
            all.push(some);
        }
        Ok(Rows(all))
    }

    /// Does it once.
    pub fn measure(&mut self, changes: &[Vec<u8>], rows: &Rows) -> anyhow::Result<Part> {
        let started = Instant::now();
        for entry in changes {
            let chunks = guard::inspect(entry);
            anyhow::ensure!(chunks.iter().all(|chunk| matches!(chunk, Chunk::Change(_))), "it is accepted");
            std::hint::black_box(chunks);
        }
        let guard = started.elapsed();
        let (commit, bare_commit) = (commit(&self.full, rows)?, commit(&self.bare, rows)?);
        Ok(Part { guard, commit, bare_commit })
    }
}

fn open(file: &Path) -> anyhow::Result<Connection> {
    let db = Connection::open(file)?;
    db.pragma_update(None, "journal_mode", "wal")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", "OFF")?;
    db.pragma_update(None, "wal_autocheckpoint", 10_000)?;
    Ok(db)
}

/// One transaction, durable when it ends.
fn commit(db: &Connection, rows: &Rows) -> anyhow::Result<Duration> {
    let mut statements = Vec::new();
    for ((table, ..), rows) in TABLES.iter().zip(&rows.0) {
        let width = rows.first().map(Vec::len).context("a row")?;
        let holes = vec!["?"; width].join(",");
        statements
            .push((db.prepare_cached(&format!("INSERT OR REPLACE INTO {table} VALUES ({holes})"))?, rows));
    }
    let started = Instant::now();
    db.execute_batch("BEGIN IMMEDIATE")?;
    for (statement, rows) in &mut statements {
        for row in rows.iter() {
            statement.execute(params_from_iter(row))?;
        }
    }
    db.execute_batch("COMMIT")?;
    Ok(started.elapsed())
}
