//! The application behind a real socket, with its clerk at work, for clients that are programs of their own.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use daybook::app::{App, Random as _, SystemRandom};
use daybook::auth::seal::SealingSecret;
use daybook::flows::{judge, server_keys};
use tokio::net::TcpListener;

use super::app::{Backend, OPERATOR, START_MS, TestApp};

/// The folder of the JavaScript programs.
pub const PHONE_JS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/phone-js");

/// The application, and where it listens.
pub struct Listening {
    pub app: TestApp,
    pub url: String,
}

impl TestApp {
    /// Serves as it is on a free port of this machine until the test ends, and tells where. Its phones still reach it
    /// in the same process, and proofs name the address of those.
    pub async fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let host = listener.local_addr().expect("an address").to_string();
        let service = self.router.clone();
        tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
        host
    }

    /// Starts on a fresh database and serves on a free port of this machine until the test ends.
    pub async fn start_listening(backend: Backend) -> Listening {
        let mut app = Self::start(backend).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        // Tokens and proofs name the address, so the application is put together again around it.
        let db = app.app.db().clone();
        let secret = SealingSecret::new(&[7; 32]).expect("the secret that sealed the keys");
        let keys = server_keys::ready(&db, &secret, START_MS, &mut |bytes| SystemRandom.fill(bytes)).await;
        let (clock, operator) = (app.clock.clone(), Some(OPERATOR.to_owned()));
        let keys = keys.expect("the keys open");
        app.app = App::new(db, keys, clock, Arc::new(SystemRandom), url.clone(), operator);
        app.router = daybook::api::router(app.app.clone());
        let service = app.router.clone();
        tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
        tokio::spawn(judge::clerk(app.app.clone()));
        Listening { app, url }
    }
}

/// Runs one of the JavaScript programs and gives what it prints.
///
/// # Panics
/// If Node or the packages are missing, or the program fails.
pub async fn node(program: &str, arguments: &[&str]) -> String {
    let installed = PathBuf::from(PHONE_JS).join("node_modules/@automerge/automerge/package.json");
    assert!(installed.exists(), "{} is missing: run `make test`, which installs it", installed.display());
    let mut command = Command::new("node");
    command.current_dir(PHONE_JS).arg(program).args(arguments);
    let run = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let run = run.expect("`make test` needs Node 20 or later; `node` could not be started");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(run.status.success(), "{program} {}\n{}\n{}", run.status, text(&run.stdout), text(&run.stderr));
    text(&run.stdout)
}
