//! The binary from start to end: configuration refused or taken, health, a graceful stop, the other commands.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Longest that a started server may take until it is ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// The promise: from the signal to the end.
const ENDED_WITHIN: Duration = Duration::from_secs(30);

fn daybook(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    command.args(arguments).current_dir(folder).env_remove("DAYBOOK_DATABASE_URL");
    command
}

fn run(mut command: Command) -> (Output, String) {
    let output = command.output().expect("the binary runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, text)
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

async fn status(url: &str) -> Option<u16> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    client.get(url).send().await.ok().map(|answer| answer.status().as_u16())
}

async fn ready(child: &mut Child, url: &str) {
    let started = Instant::now();
    while status(&format!("{url}/readyz")).await != Some(200) {
        assert!(child.try_wait().expect("a state").is_none(), "the server ended instead of serving");
        assert!(started.elapsed() < READY_WITHIN, "the server does not get ready");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_signal_turns_readiness_off_finishes_and_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let port = free_port();
    let (listen, url) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let metrics = format!("127.0.0.1:{}", free_port());
    let metrics_url = format!("http://{metrics}/metrics");
    let mut child = daybook(folder.path(), &["serve", "--listen", &listen, "--metrics-listen", &metrics])
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary runs");
    ready(&mut child, &url).await;
    let served = (status(&metrics_url).await, status(&format!("{url}/metrics")).await);
    assert_eq!(served, (Some(200), Some(404)), "the metrics are on their own port and on no other");
    assert!(
        folder.path().join("data/daybook.db").exists(),
        "the embedded database is where it is by default"
    );
    let (live, _) = run(daybook(folder.path(), &["check", "--live", "--listen", &listen]));
    assert!(live.status.success());

    let signalled = Instant::now();
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
    assert!(killed.success());
    let (mut draining, mut measured) = (false, false);
    let ended = loop {
        let off = status(&format!("{url}/readyz")).await == Some(503);
        draining |= off;
        measured |= off && status(&metrics_url).await == Some(200);
        if let Some(ended) = child.try_wait().expect("a state") {
            break ended;
        }
        assert!(signalled.elapsed() < ENDED_WITHIN, "the server does not end");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(ended.success() && draining, "ended {ended}, readiness went off first: {draining}");
    assert!(measured, "the metrics are there while the server drains");
    let (again, _) = run(daybook(folder.path(), &["check", "--live", "--listen", &listen]));
    assert!(!again.status.success(), "nobody answers now");
}

#[test]
fn a_misspelt_variable_ends_the_start_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = daybook(folder.path(), &["serve"]);
    command.env("DAYBOOK_LISTN", "127.0.0.1:0");
    let (output, said) = run(command);
    assert!(!output.status.success() && said.contains("DAYBOOK_LISTN"), "{said}");
}

#[test]
fn check_tells_a_good_database_from_a_wrong_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let (invited, said) = run(daybook(
        folder.path(),
        &["invite", "--neighbourhood", "Balsall Heath", "--create", "--coordinator"],
    ));
    assert!(invited.status.success() && said.contains("dbi_"), "{said}");
    let (good, said) = run(daybook(folder.path(), &["check"]));
    assert!(good.status.success() && said.contains("journal_mode: wal"), "{said}");
    let mut command = daybook(folder.path(), &["check"]);
    command.env("DAYBOOK_SECRET", "another secret of more than thirty-two bytes");
    let (wrong, said) = run(command);
    assert!(!wrong.status.success() && said.contains("FAIL  keys"), "{said}");
}

#[test]
fn a_secret_file_is_read_and_a_short_secret_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "short").expect("written");
    let mut command = daybook(folder.path(), &["check"]);
    command.env("DAYBOOK_SECRET_FILE", &file);
    let (output, said) = run(command);
    assert!(!output.status.success() && said.contains("at least 32 bytes"), "{said}");
    std::fs::write(&file, "a secret of more than thirty-two bytes\n").expect("written");
    let mut command = daybook(folder.path(), &["invite", "--neighbourhood", "Somewhere", "--create"]);
    command.env("DAYBOOK_SECRET_FILE", &file);
    let (output, said) = run(command);
    assert!(output.status.success(), "{said}");
    assert!(!folder.path().join("data/daybook.db.secret").exists(), "no second secret is made");
}
