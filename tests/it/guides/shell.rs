//! Runs the line for curl that a guide shows, with a `curl` that only says what it is asked for.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use daybook::api::pages::Request;

use crate::support::app::PUBLIC_URL;

const CURL: &str = "curl() { printf '%s\\0' \"$@\"; cat; }\n";

/// What curl would send otherwise than the request that is played.
pub fn difference(written: &Request, sent: &Request, known: &BTreeMap<String, String>) -> Option<String> {
    let mut shell = Command::new("bash");
    shell.args(["-euc", &format!("{CURL}{}", written.curl())]).stdin(Stdio::null()).stderr(Stdio::piped());
    shell.env("DAYBOOK_URL", PUBLIC_URL);
    shell.envs(known.iter().map(|(name, value)| (name.to_uppercase(), value)));
    let run = shell.output().expect("bash runs");
    if !run.status.success() {
        return Some(format!("the shell says {}", String::from_utf8_lossy(&run.stderr)));
    }
    let printed = String::from_utf8(run.stdout).expect("text");
    let mut words: Vec<&str> = printed.split('\0').collect();
    let body = words.pop().unwrap_or_default().trim_end();
    let mut words = words.into_iter().peekable();
    let mut method = if body.is_empty() { "GET" } else { "POST" };
    if words.next_if_eq(&"-X").is_some() {
        method = words.next().unwrap_or_default();
    }
    let url = words.next().unwrap_or_default();
    let mut headers = Vec::new();
    while words.next_if_eq(&"-H").is_some() {
        let (name, value) = words.next().and_then(|word| word.split_once(": ")).unwrap_or_default();
        headers.push((name.to_owned(), value.to_owned()));
    }
    let rest: Vec<&str> = words.collect();
    let data: &[&str] = if body.is_empty() { &[] } else { &["--data", "@-"] };
    let asked = Request {
        method: method.to_owned(),
        path: url.strip_prefix(PUBLIC_URL).unwrap_or(url).to_owned(),
        headers,
        body: body.to_owned(),
    };
    (asked != *sent || rest != data).then(|| format!("curl would send {asked:?} {rest:?}"))
}
