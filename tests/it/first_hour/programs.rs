//! The examples as programs, each in a folder of its own, as a developer runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use daybook::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::phone::{InProcess, Phone};
use serde_json::Value;

use crate::support::app::{Backend, START_MS};
use crate::support::listening::Listening;
use crate::support::{TestApp, TestPhone};

/// What the examples ask for.
pub const SCOPES: &str = "sync activities:read activities:write";
/// The files that the examples keep.
pub const OUTBOX: &str = "daybook-outbox.json";
pub const PHONE: &str = "daybook-phone.json";

/// A path of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub printed: String,
    pub errors: String,
}

impl Ran {
    /// What it printed, if it ended well.
    pub fn well(self) -> String {
        assert_eq!(self.status, 0, "{}\n{}", self.printed, self.errors);
        self.printed
    }
}

/// Runs a program, off the threads that serve.
pub async fn run(mut command: Command) -> Ran {
    let done = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let done = done.expect("`make test` needs Node 20 and Python 3.11, or later");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ran { status: done.status.code().unwrap_or(-1), printed: text(&done.stdout), errors: text(&done.stderr) }
}

/// A developer's folder, with the address and the token that the examples are given.
pub struct Developer {
    folder: tempfile::TempDir,
    url: String,
    token: String,
}

impl Developer {
    pub fn new(url: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, url: url.to_owned(), token: token.to_owned() }
    }

    /// A program that runs in the folder.
    pub fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder.path());
        command
            .env("DAYBOOK_URL", &self.url)
            .env("DAYBOOK_TOKEN", &self.token)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// `python3 record.py …`
    pub async fn python(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command("python3", &[]);
        command.arg(repository("examples/record.py")).args(arguments);
        run(command).await
    }

    /// `tsx record.ts …`, or another of the examples in TypeScript; without the process that `tsx` puts before it.
    pub async fn typescript(&self, example: &str, arguments: &[&str]) -> Ran {
        let tsx = repository("examples/node_modules/tsx/dist/loader.mjs");
        assert!(tsx.exists(), "{} is missing: run `make test`, which installs it", tsx.display());
        let mut command = self.command("node", &["--import"]);
        command
            .arg(format!("file://{}", tsx.display()))
            .arg(repository("examples").join(example))
            .args(arguments);
        run(command).await
    }

    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// One of the files that the examples keep.
    pub fn kept(&self, file: &str) -> Value {
        let text = std::fs::read_to_string(self.path(file)).expect("the file");
        serde_json::from_str(&text).expect("JSON")
    }

    pub fn keep(&self, file: &str, kept: &Value) {
        std::fs::write(self.path(file), kept.to_string()).expect("written");
    }
}

/// The server by the machine's clock, since the programs know no other; a resident's phone, and a developer who has
/// that resident's token.
pub async fn first_hour(backend: Backend) -> (TestApp, TestPhone, Developer) {
    let Listening { app, url } = TestApp::start_listening(backend).await;
    app.pass((SystemClock.now_ms() - START_MS).max(0));
    let random = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let transport = InProcess(app.router.clone());
    let mut asha = Phone::new("Asha", transport, &url, app.phone_clock(), random).expect("a phone");
    asha.enrol(&app.invitation(false).await).await.expect("enrolled");
    let token = app.personal_token(&mut asha, SCOPES).await;
    let developer = Developer::new(&url, &token);
    (app, asha, developer)
}

/// All of a resident's activities, as the server has them.
pub async fn activities(phone: &mut TestPhone) -> Vec<Value> {
    let page: Value = phone.get("/v1/activities?limit=200").await.expect("activities");
    assert!(page.get("next").is_none(), "more than a page");
    page["items"].as_array().expect("items").clone()
}

/// The ids on those lines that begin with a word: `stored <id>`.
pub fn ids<'a>(printed: &'a str, word: &str) -> Vec<&'a str> {
    printed
        .lines()
        .filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')?.split([' ', ':']).next())
        .collect()
}

/// The one id behind a word.
pub fn id<'a>(printed: &'a str, word: &str) -> &'a str {
    let found = ids(printed, word);
    assert_eq!(found.len(), 1, "{word}: {printed}");
    found[0]
}
