//! Connecting to SQLite or PostgreSQL with the settings that durability needs, set, read back, and refused
//! on mismatch.
//!
//! On SQLite one connection writes and a pool reads, so that a reader never waits for a writer and two
//! writers queue instead of failing; on PostgreSQL both are the same pool.

use std::path::Path;
use std::time::Duration;

use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{
    AccessMode, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseConnectionType,
    DatabaseTransaction, DbBackend, DbErr, IsolationLevel, Statement, TransactionOptions, TransactionTrait,
};

use super::transaction::{Transaction, Writer};

/// How long a statement waits for another process's lock on the SQLite file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// Pages of the write-ahead log before SQLite copies them back (10,000 pages of 4 KiB): fewer, larger copies.
const WAL_AUTOCHECKPOINT_PAGES: &str = "10000";
/// A connection to PostgreSQL that was idle for so long is tried before it is used: one in use was fine a moment
/// ago, and each trial is a trip to the database.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(5);
/// PostgreSQL starts no further processes for a statement of ours: nearly all look a few rows up by an index, and where
/// it expects many (of a range whose end it does not know) starting one takes ten times as long as the lookup.
const POSTGRES_ALONE: (&str, &str) = ("max_parallel_workers_per_gather", "0");
/// Statements that a connection to PostgreSQL keeps prepared: one for each number of rows of an insert.
const POSTGRES_STATEMENTS: usize = 256;
/// SQLite's own page cache, in KiB as its pragma wants it: what a group of writes changes has to fit in the
/// writer's, or pages go to the log more than once.
const WRITER_CACHE: &str = "-20480";
/// See [`WRITER_CACHE`]; of each reader.
const READER_CACHE: &str = "-2048";
/// Statements that a connection to SQLite keeps prepared: those of a sync and of judging that do not depend on how many
/// rows there are. Those that do are long and hardly ever met again: with 512 of them a server of 2,000 daybooks took
/// 80 MiB more, and was no faster.
const SQLITE_STATEMENTS: usize = 48;
/// Connections that read from SQLite.
const SQLITE_READERS: u32 = 4;

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    #[error("database url must start with sqlite: or postgres:")]
    Scheme,
    #[error("cannot create the folder of the database file")]
    Folder(#[source] std::io::Error),
    #[error("database setting {name} is {found}, must be {wanted}")]
    Setting { name: &'static str, found: String, wanted: &'static str },
    #[error("database error")]
    Db(#[from] DbErr),
}

/// A pool of connections at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub name: &'static str,
    /// Connections open.
    pub size: u32,
    /// Those that nobody uses.
    pub idle: usize,
}

/// The connections of one process.
#[derive(Clone, Debug)]
pub struct Database {
    write: DatabaseConnection,
    read: DatabaseConnection,
    /// On SQLite.
    writer: Option<Writer>,
}

impl Database {
    /// Connects and checks the settings. `sqlite:./data/daybook.db` (made if missing) or a `postgres:` URL;
    /// `connections` is the size of the PostgreSQL pool.
    ///
    /// # Errors
    /// [`DatabaseError`] if the database cannot be reached or does not keep what durability needs.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, DatabaseError> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Self::connect_sqlite(url, path).await
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            let mut options = ConnectOptions::new(url);
            options
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire_if_idle_for(TEST_AFTER_IDLE)
                .map_sqlx_postgres_opts(|options| {
                    options.options([POSTGRES_ALONE]).statement_cache_capacity(POSTGRES_STATEMENTS)
                })
                .sqlx_logging(false);
            let pool = sea_orm::Database::connect(options).await?;
            Ok(Self { write: pool.clone(), read: pool, writer: None })
        } else {
            Err(DatabaseError::Scheme)
        }
    }

    async fn connect_sqlite(url: &str, path: &str) -> Result<Self, DatabaseError> {
        let path = path.trim_start_matches("//").split('?').next().unwrap_or_default();
        if let Some(folder) = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(DatabaseError::Folder)?;
        }
        let write = sea_orm::Database::connect(sqlite_options(url, 1, false)).await?;
        let database = Self {
            read: sea_orm::Database::connect(sqlite_options(url, SQLITE_READERS, true)).await?,
            writer: Some(Writer::new(write.clone())),
            write,
        };
        for (name, wanted, found) in database.settings().await? {
            if found != wanted {
                return Err(DatabaseError::Setting { name, found, wanted });
            }
        }
        Ok(database)
    }

    /// For reading; never inside a write.
    #[must_use]
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// The connection that migrations run on.
    #[must_use]
    pub fn writer(&self) -> &DatabaseConnection {
        &self.write
    }

    /// Which of the two databases this is.
    #[must_use]
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// How the pools of connections stand.
    #[must_use]
    pub fn pools(&self) -> Vec<Pool> {
        let pool = |name, connection: &DatabaseConnection| match &connection.inner {
            DatabaseConnectionType::SqlxPostgresPoolConnection(_) => {
                let pool = connection.get_postgres_connection_pool();
                Some(Pool { name, size: pool.size(), idle: pool.num_idle() })
            }
            DatabaseConnectionType::SqlxSqlitePoolConnection(_) => {
                let pool = connection.get_sqlite_connection_pool();
                Some(Pool { name, size: pool.size(), idle: pool.num_idle() })
            }
            _ => None,
        };
        match self.backend() {
            DbBackend::Sqlite => {
                [pool("write", &self.write), pool("read", &self.read)].into_iter().flatten().collect()
            }
            _ => pool("all", &self.write).into_iter().collect(),
        }
    }

    /// Begins a write.
    ///
    /// # Errors
    /// `DbErr` if no connection can be had.
    pub async fn begin(&self) -> Result<Transaction, DbErr> {
        match &self.writer {
            Some(writer) => writer.begin().await,
            None => Transaction::own(&self.write).await,
        }
    }

    /// Begins reading as of one moment, whatever is committed meanwhile.
    ///
    /// # Errors
    /// `DbErr` if no connection can be had.
    pub async fn begin_reading(&self) -> Result<DatabaseTransaction, DbErr> {
        let postgres = self.backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: postgres.then_some(IsolationLevel::RepeatableRead),
            access_mode: postgres.then_some(AccessMode::ReadOnly),
            sqlite_transaction_mode: None,
        };
        self.read.begin_with_options(options).await
    }

    /// The settings that durability and speed rest on: (name, wanted, found).
    ///
    /// # Errors
    /// `DbErr` if they cannot be read.
    pub async fn settings(&self) -> Result<Vec<(&'static str, &'static str, String)>, DbErr> {
        let wanted: &[(&str, &str)] = match self.backend() {
            DbBackend::Sqlite => &[("journal_mode", "wal"), ("synchronous", "2"), ("foreign_keys", "1")],
            _ => &[("synchronous_commit", "on"), ("fsync", "on"), POSTGRES_ALONE],
        };
        let mut found = Vec::new();
        for (name, value) in wanted {
            found.push((*name, *value, self.setting(name).await?));
        }
        Ok(found)
    }

    async fn setting(&self, name: &str) -> Result<String, DbErr> {
        let sqlite = self.backend() == DbBackend::Sqlite;
        let sql = if sqlite { format!("PRAGMA {name}") } else { format!("SHOW {name}") };
        let row = self.write.query_one_raw(Statement::from_string(self.backend(), sql)).await?;
        let Some(row) = row else { return Ok(String::new()) };
        match row.try_get_by_index::<String>(0) {
            Ok(text) => Ok(text),
            Err(_) => Ok(row.try_get_by_index::<i64>(0)?.to_string()),
        }
    }

    /// A statement that only a living database answers.
    ///
    /// # Errors
    /// `DbErr` if it does not.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.execute_unprepared("SELECT 1").await.map(|_| ())
    }

    /// Closes all connections; on SQLite the log is copied back first.
    ///
    /// # Errors
    /// `DbErr` if closing fails.
    pub async fn close(self) -> Result<(), DbErr> {
        if self.backend() == DbBackend::Sqlite {
            self.read.close().await?;
        }
        self.write.close().await
    }
}

fn sqlite_options(url: &str, connections: u32, read_only: bool) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        // It is a file: there is nothing that could have gone away.
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .foreign_keys(true)
                .busy_timeout(BUSY_TIMEOUT)
                .pragma("wal_autocheckpoint", WAL_AUTOCHECKPOINT_PAGES)
                .pragma("cache_size", if read_only { READER_CACHE } else { WRITER_CACHE })
                .statement_cache_capacity(SQLITE_STATEMENTS);
            if read_only { sqlite.pragma("query_only", "ON") } else { sqlite }
        });
    options
}
