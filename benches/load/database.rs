//! The database that the server under load works on: a file in a folder, or one of a PostgreSQL server. Looked
//! at from outside only, with a few cheap statements.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use daybook::domain::limits::COMPACT_RAW_BYTES_MIN;
use sea_orm::{ConnectOptions, ConnectionTrait as _, DatabaseConnection, Statement};

use crate::process::{Used, parent_of};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A database of this run's own.
#[derive(Debug, Clone)]
pub struct Place {
    pub kind: Kind,
    pub url: String,
    file: PathBuf,
}

/// A connection that looks at it.
#[derive(Debug)]
pub struct Eye {
    db: DatabaseConnection,
    kind: Kind,
    /// PostgreSQL's first process.
    postmaster: Option<u32>,
}

impl Place {
    /// In this folder, or named so on the server of `TEST_POSTGRES_URL`.
    pub fn new(kind: Kind, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let file = folder.join(format!("{name}.db"));
        let url = match kind {
            Kind::Sqlite => format!("sqlite:{}", file.display()),
            Kind::Postgres => with_database(&server_url()?, &format!("bench_{name}")),
        };
        Ok(Self { kind, url, file })
    }

    fn name(&self) -> String {
        let base = self.url.split('?').next().unwrap_or_default();
        base.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// Its name without what it lies in.
    pub fn label(&self) -> &str {
        self.file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default()
    }

    /// The file of an embedded one.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it is there.
    pub async fn exists(&self) -> bool {
        match self.kind {
            Kind::Sqlite => self.file.exists(),
            Kind::Postgres => connect(&self.url).await.is_ok(),
        }
    }

    /// Makes an empty one; what was there goes away.
    pub async fn create(&self) -> anyhow::Result<()> {
        self.remove().await?;
        if self.kind == Kind::Postgres {
            admin(&format!("CREATE DATABASE {}", self.name())).await?;
        }
        Ok(())
    }

    /// Makes it a copy of another, which nobody is connected to.
    pub async fn copy_from(&self, other: &Self) -> anyhow::Result<()> {
        self.remove().await?;
        match self.kind {
            Kind::Sqlite => {
                std::fs::copy(&other.file, &self.file).context("cannot copy the database")?;
            }
            Kind::Postgres => {
                let sql =
                    format!("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", self.name(), other.name());
                admin(&sql).await?;
            }
        }
        Ok(())
    }

    pub async fn remove(&self) -> anyhow::Result<()> {
        match self.kind {
            Kind::Sqlite => {
                for end in ["", "-wal", "-shm"] {
                    let _ = std::fs::remove_file(format!("{}{end}", self.file.display()));
                }
            }
            Kind::Postgres => admin(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name())).await?,
        }
        Ok(())
    }

    /// Starts to look at it; the server has made its tables.
    pub async fn look(&self) -> anyhow::Result<Eye> {
        let url = match self.kind {
            Kind::Sqlite => format!("{}?mode=rw", self.url),
            Kind::Postgres => self.url.clone(),
        };
        let db = connect(&url).await?;
        let mut eye = Eye { db, kind: self.kind, postmaster: None };
        if self.kind == Kind::Postgres {
            let own = eye.number("SELECT pg_backend_pid()::bigint").await?.context("a process id")?;
            eye.postmaster = parent_of(u32::try_from(own)?);
        }
        Ok(eye)
    }
}

impl Eye {
    /// What PostgreSQL does by itself within a minute or two of a flood of rows, and would otherwise do, or leave to
    /// whoever reads them first, while something is measured.
    pub async fn settle(&self) -> anyhow::Result<()> {
        if self.kind == Kind::Postgres {
            for statement in ["VACUUM ANALYZE", "CHECKPOINT"] {
                self.db.execute_unprepared(statement).await?;
            }
        }
        Ok(())
    }

    /// Whether nothing waits for the clerk.
    pub async fn is_quiet(&self) -> anyhow::Result<bool> {
        let sql = "SELECT version FROM activity_version WHERE journal_no IS NULL LIMIT 1";
        Ok(self.number(sql).await?.is_none())
    }

    /// Whether no daybook is about to be compacted.
    pub async fn is_compacted(&self) -> anyhow::Result<bool> {
        let sql = format!(
            "SELECT position FROM daybook WHERE raw_bytes >= COALESCE(compact_at_raw_bytes, \
             {COMPACT_RAW_BYTES_MIN}) AND compaction_alarm IS NULL LIMIT 1"
        );
        Ok(self.number(&sql).await?.is_none())
    }

    /// Bytes that it takes, the tail of its log left out.
    pub async fn bytes(&self) -> anyhow::Result<i64> {
        let size = match self.kind {
            Kind::Sqlite => {
                let pages = self.number("PRAGMA page_count").await?;
                pages.zip(self.number("PRAGMA page_size").await?).map(|(pages, bytes)| pages * bytes)
            }
            Kind::Postgres => self.number("SELECT pg_database_size(current_database())").await?,
        };
        size.context("a size")
    }

    /// Time on a processor of the database's own processes; none where the server is the database.
    pub fn used(&self) -> anyhow::Result<Used> {
        self.postmaster.map_or(Ok(Used::default()), Used::by_family)
    }

    /// The one number that a statement answers.
    pub async fn number(&self, sql: &str) -> anyhow::Result<Option<i64>> {
        let statement = Statement::from_string(self.db.get_database_backend(), sql);
        let row = self.db.query_one_raw(statement).await?;
        Ok(row.map(|row| row.try_get_by_index::<i64>(0)).transpose()?)
    }

    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.db.close().await?)
    }
}

fn server_url() -> anyhow::Result<String> {
    std::env::var("TEST_POSTGRES_URL")
        .context("TEST_POSTGRES_URL: run it under tests/postgres/with-postgres.sh")
}

async fn admin(sql: &str) -> anyhow::Result<()> {
    let db = connect(&server_url()?).await?;
    db.execute_unprepared(sql).await?;
    Ok(db.close().await?)
}

async fn connect(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    sea_orm::Database::connect(options).await.context("cannot look at the database")
}

/// The same server's URL with another database's name.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').unwrap_or((server, ""));
    let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/{name}{mark}{query}")
}
