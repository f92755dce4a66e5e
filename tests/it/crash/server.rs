//! The real binary, on a port and a database of its own, to be killed and started again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use daybook::phone::{Http, Transport as _};

use crate::metrics::scrape::Scrape;
use crate::support::app::Backend;
use crate::support::postgres::{TestDatabase, fresh_database};

/// The longest that a start may take, recovery of the database included.
const READY_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The server as a process.
pub struct Server {
    pub url: String,
    pub database_url: String,
    /// The address that tokens and proofs name; of replicas the same.
    public_url: String,
    listen: String,
    metrics_listen: String,
    process: Option<Child>,
    folder: tempfile::TempDir,
    _database: Option<TestDatabase>,
}

impl Server {
    /// A server on an empty database, not started yet.
    pub async fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (database_url, database) = match backend {
            Backend::Sqlite => (format!("sqlite:{}", folder.path().join("daybook.db").display()), None),
            Backend::Postgres => {
                let database = fresh_database(async |_: &str| {}, "empty, for a server that migrates").await;
                (database.url.clone(), Some(database))
            }
        };
        Self::at(database_url, None, folder, database)
    }

    /// A further process on the same database, behind the same public address; not started yet.
    pub fn beside(first: &Self) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::at(first.database_url.clone(), Some(first.public_url.clone()), folder, None)
    }

    fn at(
        database_url: String,
        public_url: Option<String>,
        folder: tempfile::TempDir,
        database: Option<TestDatabase>,
    ) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").expect("a free port");
        let (public, metrics) = (free(), free());
        let address = |free: &TcpListener| free.local_addr().expect("an address").to_string();
        let (listen, metrics_listen) = (address(&public), address(&metrics));
        let url = format!("http://{listen}");
        let public_url = public_url.unwrap_or_else(|| url.clone());
        let process = None;
        Self { url, database_url, public_url, listen, metrics_listen, process, folder, _database: database }
    }

    /// What it has counted since its start.
    pub async fn measured(&mut self) -> Scrape {
        let client = Http::new(&format!("http://{}", self.metrics_listen)).expect("a client");
        let request = axum::http::Request::get("/metrics").body(Vec::new()).expect("a request");
        let answer = client.send(request).await;
        let process = self.process.as_mut().expect("a process");
        assert_eq!(process.try_wait().expect("a state"), None, "the server ended by itself");
        let answer = answer.expect("metrics");
        Scrape::read(std::str::from_utf8(answer.body()).expect("UTF-8"))
    }

    /// Any command of the binary, with this server's configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("DAYBOOK_DATABASE_URL", &self.database_url)
            .env("DAYBOOK_SECRET", "a secret of the crash tests, long enough")
            .env("DAYBOOK_LISTEN", &self.listen)
            .env("DAYBOOK_METRICS_LISTEN", &self.metrics_listen)
            .env("DAYBOOK_PUBLIC_URL", &self.public_url)
            .env("DAYBOOK_LOG", "error");
        command
    }

    /// Starts it and waits until it is ready; says how long that took.
    pub async fn start(&mut self) -> Duration {
        let since = Instant::now();
        let mut command = self.command(&["serve", "--migrate"]);
        self.process = Some(command.stdin(Stdio::null()).spawn().expect("the binary starts"));
        let client = Http::new(&self.url).expect("a client");
        loop {
            let request = axum::http::Request::get("/readyz").body(Vec::new()).expect("a request");
            if client.send(request).await.is_ok_and(|answer| answer.status().is_success()) {
                return since.elapsed();
            }
            let process = self.process.as_mut().expect("a process");
            assert!(process.try_wait().expect("a state").is_none(), "the server ended at its start");
            assert!(since.elapsed() < READY_WITHIN, "the server does not get ready");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("a process").id()
    }

    /// SIGKILL: nothing is flushed, nothing is closed.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("a process");
        process.kill().expect("killed");
        process.wait().expect("ended");
    }

    /// Runs a command to its end and gives what it prints.
    pub async fn run(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let run = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
        let run = run.expect("the binary starts");
        let printed = String::from_utf8_lossy(&run.stdout).into_owned();
        let errors = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{arguments:?}: {}\n{printed}\n{errors}", run.status);
        printed
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
