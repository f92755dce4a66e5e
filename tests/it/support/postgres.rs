//! A PostgreSQL database for each test, copied from a template that was migrated once.
//!
//! The server is the one that `tests/postgres/with-postgres.sh` starts for a whole run (`make test` does), or
//! any other that `TEST_POSTGRES_URL` names. Without one a test fails; it is never skipped.

use std::fmt::Write as _;
use std::time::Duration;

use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbErr, Statement};
use sha2::{Digest as _, Sha256};

/// Where the tests find the server.
const SERVER_VARIABLE: &str = "TEST_POSTGRES_URL";
/// Bytes of the hash of the migrations that names a template.
const TEMPLATE_HASH_BYTES: usize = 8;
/// Key of the advisory lock under which templates are made: "daybook" in ASCII.
const TEMPLATE_LOCK: i64 = 0x0064_6179_626f_6f6b;
/// How often, and how many times, to look whether those connected to a database have gone.
const DROP_LOOK_EVERY: Duration = Duration::from_millis(2);
const DROP_LOOKS_MAX: u32 = 100;

/// The URL of the server's own database, `postgres`.
///
/// # Panics
/// If there is no server.
pub fn server_url() -> String {
    match std::env::var(SERVER_VARIABLE) {
        Ok(url) if !url.is_empty() => url,
        _ => panic!(
            "this test needs PostgreSQL and {SERVER_VARIABLE} is not set: run `make test`, \
             or `tests/postgres/with-postgres.sh cargo nextest run …`"
        ),
    }
}

/// A database of one test's own. It is dropped with this value, whoever is still connected to it.
pub struct TestDatabase {
    /// The URL to connect with.
    pub url: String,
    name: String,
}

/// Makes an empty but migrated database.
///
/// `migrate` gets a URL, brings that database up to date and closes its connections. It runs once for each
/// value of `migrations_key` on a server: the key must change whenever the migrations do, so pass their names
/// or their sources.
///
/// # Panics
/// If there is no server, or it refuses.
pub async fn fresh_database(migrate: impl AsyncFn(&str), migrations_key: &str) -> TestDatabase {
    let server = server_url();
    let admin = connect(&server).await.expect("PostgreSQL answers");
    let template = template_name(migrations_key);
    if !exists(&admin, &template).await.expect("databases are listed") {
        make_template(&admin, &server, &template, migrate).await.expect("a template database");
    }
    let name = unused_name(&admin).await.expect("a random name");
    run(&admin, &format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"))
        .await
        .expect("a copy of the template");
    admin.close().await.expect("the connection closes");
    TestDatabase { url: with_database(&server, &name), name }
}

impl Drop for TestDatabase {
    /// Drops on a thread of its own, because the test's runtime may be the one that is ending. A failure is
    /// printed and nothing more: the test has its result already, and the server goes away with the run.
    fn drop(&mut self) {
        let (server, name) = (server_url(), self.name.clone());
        let dropped = std::thread::spawn(move || -> Result<(), String> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| error.to_string())?;
            runtime.block_on(drop_database(&server, &name)).map_err(|error| error.to_string())
        });
        if let Ok(Err(error)) = dropped.join() {
            eprintln!("{} was not dropped: {error}", self.name);
        }
    }
}

/// Ends what is still connected, then drops. `WITH (FORCE)` alone would look for stragglers only every 100 ms,
/// which is the most expensive part of many a test.
async fn drop_database(server: &str, name: &str) -> Result<(), DbErr> {
    let admin = connect(server).await?;
    let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1";
    for _ in 0..DROP_LOOKS_MAX {
        let statement = Statement::from_sql_and_values(admin.get_database_backend(), sql, [name.into()]);
        let row = admin.query_one_raw(statement).await?;
        if row.map(|row| row.try_get_by_index::<i64>(0)).transpose()? == Some(0) {
            break;
        }
        tokio::time::sleep(DROP_LOOK_EVERY).await;
    }
    run(&admin, &format!("DROP DATABASE {name} WITH (FORCE)")).await?;
    admin.close().await
}

/// Migrates a template under a lock, so that of many test processes one does it and the others wait.
async fn make_template(
    admin: &DatabaseConnection,
    server: &str,
    template: &str,
    migrate: impl AsyncFn(&str),
) -> Result<(), DbErr> {
    run(admin, &format!("SELECT pg_advisory_lock({TEMPLATE_LOCK})")).await?;
    if !exists(admin, template).await? {
        // It gets its name only when it is complete: a run that died halfway leaves nothing to copy.
        let unfinished = format!("{template}_unfinished");
        run(admin, &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await?;
        run(admin, &format!("CREATE DATABASE {unfinished} TEMPLATE template0")).await?;
        migrate(&with_database(server, &unfinished)).await;
        run(admin, &format!("ALTER DATABASE {unfinished} RENAME TO {template}")).await?;
    }
    run(admin, &format!("SELECT pg_advisory_unlock({TEMPLATE_LOCK})")).await
}

/// One connection: an advisory lock belongs to the connection that took it.
async fn connect(url: &str) -> Result<DatabaseConnection, DbErr> {
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    Database::connect(options).await
}

async fn run(admin: &DatabaseConnection, sql: &str) -> Result<(), DbErr> {
    admin.execute_unprepared(sql).await.map(|_| ())
}

async fn exists(admin: &DatabaseConnection, name: &str) -> Result<bool, DbErr> {
    let sql = "SELECT 1 FROM pg_database WHERE datname = $1";
    let statement = Statement::from_sql_and_values(admin.get_database_backend(), sql, [name.into()]);
    Ok(admin.query_one_raw(statement).await?.is_some())
}

/// A name that no other test has, on a server that many runs may share: the server draws it.
async fn unused_name(admin: &DatabaseConnection) -> Result<String, DbErr> {
    let sql = "SELECT 'test_' || replace(gen_random_uuid()::text, '-', '')";
    let row = admin.query_one_raw(Statement::from_string(admin.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?.try_get_by_index(0)
}

fn template_name(migrations_key: &str) -> String {
    let hash = Sha256::digest(migrations_key.as_bytes());
    hash.iter().take(TEMPLATE_HASH_BYTES).fold("template_".to_owned(), |mut name, byte| {
        let _ = write!(name, "{byte:02x}");
        name
    })
}

/// The same server's URL with another database's name.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = server.split_once('?').unwrap_or((server, ""));
    let authority_at = base.find("://").map_or(0, |at| at + 3);
    let base = match base[authority_at..].find('/') {
        Some(slash) => &base[..authority_at + slash],
        None => base,
    };
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{base}/{name}{mark}{query}")
}

#[test]
fn another_database_keeps_server_and_options() {
    for (server, wanted) in [
        (
            "postgres://a@h/postgres?host=/dev/shm/x&sslmode=disable",
            "postgres://a@h/t?host=/dev/shm/x&sslmode=disable",
        ),
        ("postgres://a:b@h:5433/postgres", "postgres://a:b@h:5433/t"),
        ("postgres://h", "postgres://h/t"),
    ] {
        assert_eq!(with_database(server, "t"), wanted);
    }
}

#[test]
fn a_template_is_named_by_its_migrations() {
    assert_eq!(template_name("a"), template_name("a"));
    assert_ne!(template_name("a"), template_name("b"));
    assert_eq!(template_name("a").len(), "template_".len() + 2 * TEMPLATE_HASH_BYTES);
}
