//! The page about a run: machine, commit, tables with ratios, and the goals held against them.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use daybook::app::{Clock as _, SystemClock};
use daybook::domain::time::rfc3339;

use crate::goals;
use crate::latency::Latency;
use crate::ledger::Ledgers;
use crate::rush::Workload;
use crate::storage::Storage;
use crate::suite::Figures;

/// The whole page.
pub fn page(figures: &Figures) -> String {
    let mut page = String::new();
    head(&mut page);
    for failed in &figures.failed {
        let _ = writeln!(page, "\n**Failed**: {failed}");
    }
    page.push_str(&goals::table(figures));
    rushes(&mut page, figures);
    latency(&mut page, &figures.latency);
    first(&mut page, &figures.latency);
    ledgers(&mut page, &figures.ledgers);
    storage(&mut page, &figures.storage);
    core(&mut page);
    page.push_str(HOW);
    page
}

const HOW: &str = "
## How it was measured
Phones and server share the machine, so trust the ratios within this page more than its numbers, and none under
1.3. The phones are one Rust program (`benches/load/`); the server is the release binary as a process of its own,
on a copy of a database that was filled over HTTP. Each sync is a new TCP connection with an access token and a
DPoP proof (P-256), a CBOR body that was built before the clock started, and its answer to the last byte; it is
durable (SQLite: WAL, `synchronous = FULL`; PostgreSQL: `fsync = on`) and in SQL before it is answered. *Cold* is a
server that has just started. The clock of many phones ends when nothing waits for the clerk: every record is
judged by rule and posted. Processor time is the scheduler's, judging included, while nothing else is asked of the
server.

A record is a pure function of (log, number): about 270 bytes of JSON, a note of 7 to 17 words as `Text`, one change
each. *5 edits* writes minutes, a tally and the whole note anew in five old records.

The *floor* is what no server can go below: the guard of the same five changes in process, and one durable commit by
rusqlite of the very rows that the push wrote (1 daybook, 5 changes, 5 activities, 5 versions), statement by
statement, into a copy of the same file; *bare* commits them into tables without further indexes and rows.

The peers get the same records: the automerge-repo server over its WebSocket protocol with the phones' remembered
sync states, PouchDB as the five requests of a replication over one connection. Both are warmed up by 16 small
syncs; neither authenticates, and neither makes durable what it answers.
";

fn head(page: &mut String) {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = said("git", &["rev-parse", "--short=12", "HEAD"]).unwrap_or_default();
    let changed = said("git", &["status", "--porcelain", "--untracked-files=no"]).unwrap_or_default();
    let changed = if changed.is_empty() { "" } else { ", with changes on top" };
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let of = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
        line.split_once(':').map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let processor = of(&read("/proc/cpuinfo"), "model name");
    let memory: f64 = of(&read("/proc/meminfo"), "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0.0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = said("uname", &["-sr"]).unwrap_or_default();
    let rust = said("rustc", &["--version"]).unwrap_or_default();
    let node = said("node", &["--version"]).unwrap_or_default();
    let _ = write!(
        page,
        "# Benchmarks\n\nWritten by `make bench` on {} at commit {commit}{changed}. {processor}, {cores} cores, \
         {:.0} GiB; {kernel}; {rust}; node {node}.\n",
        &rfc3339(SystemClock.now_ms())[..10],
        memory / 1024.0 / 1024.0,
    );
}

fn rushes(page: &mut String, figures: &Figures) {
    page.push_str("\n## Many phones at once\n32 phones at once, each syncs once, the server cold.\n\n");
    page.push_str("| server | workload | daybooks × activities | syncs/s | to PouchDB | p50 / p95 / p99 ms | server ms/sync (user + system) | PostgreSQL ms/sync | RSS before → after MiB | body up / down B | stored B/activity |\n");
    page.push_str("|---|---|---|---|---|---|---|---|---|---|---|\n");
    let pouch = goals::peer(figures, "pouchdb").map(|named| named.rush.syncs_per_s);
    for named in &figures.rushes {
        let rush = &named.rush;
        let comparable = named.workload == Workload::Push5;
        let ratio = pouch
            .filter(|_| comparable)
            .map_or_else(String::new, |pouch| format!("{:.2}×", rush.syncs_per_s / pouch));
        let database =
            if rush.database_cpu_ms > 0.0 { format!("{:.2}", rush.database_cpu_ms) } else { String::new() };
        let stored = if rush.stored_bytes_per_activity > 0.0 {
            format!("{:.0}", rush.stored_bytes_per_activity)
        } else {
            String::new()
        };
        let _ = writeln!(
            page,
            "| {} | {:?} | {} × {} | {:.0} | {ratio} | {:.1} / {:.1} / {:.1} | {:.2} ({:.2} + {:.2}) | {database} | {:.0} → {:.0} | {:.0} / {:.0} | {stored} |",
            named.server,
            named.workload,
            named.daybooks,
            named.activities,
            rush.syncs_per_s,
            rush.p50_ms,
            rush.p95_ms,
            rush.p99_ms,
            rush.server_cpu_ms(),
            rush.server_user_ms,
            rush.server_system_ms,
            rush.rss_before_mib,
            rush.rss_after_mib,
            rush.body_up,
            rush.body_down,
        );
    }
}

fn latency(page: &mut String, latency: &Latency) {
    page.push_str("\n## One phone at a time\nSQLite; p50 over all rounds, processor time as the median of the rounds.\n\n");
    page.push_str("| sync | daybook | activities | p50 / p95 ms | to floor | floor ms (guard + commit) | bare commit ms | server ms (user) | body up / down B |\n");
    page.push_str("|---|---|---|---|---|---|---|---|---|\n");
    for line in &latency.lines {
        let pushed = line.commit_ms > 0.0;
        let floor = if pushed {
            format!("{:.2} ({:.2} + {:.2})", line.floor_ms(), line.guard_ms, line.commit_ms)
        } else {
            String::new()
        };
        let ratio = if pushed { format!("{:.1}×", line.floor_ratio()) } else { String::new() };
        let bare = if pushed { format!("{:.2}", line.bare_commit_ms) } else { String::new() };
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.2} / {:.2} | {ratio} | {floor} | {bare} | {:.2} ({:.2}) | {:.0} / {:.0} |",
            line.what,
            if line.cold { "cold" } else { "warm" },
            line.activities,
            line.p50_ms,
            line.p95_ms,
            line.cpu_ms,
            line.user_ms,
            line.body_up,
            line.body_down,
        );
    }
}

fn first(page: &mut String, latency: &Latency) {
    let first = &latency.first;
    let (parts, tenth) = (&first.parts_ms, first.parts_ms.len().div_ceil(10));
    let mean = |parts: &[f64]| parts.iter().sum::<f64>() / parts.len().max(1) as f64;
    let all: f64 = parts.iter().sum();
    let _ = write!(
        page,
        "\n## A first sync of {} activities\nIn {} requests: {:.2} s until the last answer ({:.2} × the floor of {:.2} s), {:.2} s until all is judged, \
         {:.2} s of processor. The first tenth of the requests took {:.0} ms each, the last {:.0} ms. RSS {:.0} MiB before, \
         {:.0} at most, {:.0} after.\n",
        first.activities,
        parts.len(),
        all / 1_000.0,
        all / first.floor_ms.max(0.001),
        first.floor_ms / 1_000.0,
        first.quiet_s,
        first.cpu_ms / 1_000.0,
        mean(&parts[..tenth.min(parts.len())]),
        mean(&parts[parts.len() - tenth.min(parts.len())..]),
        first.rss_before_mib,
        first.rss_greatest_mib,
        first.rss_after_mib,
    );
}

fn ledgers(page: &mut String, ledgers: &Ledgers) {
    if ledgers.ledgers.is_empty() {
        return;
    }
    page.push_str("\n## The ledger\nThe router and the clerk in one process, without sockets; the transfers before are bulk rows. A commit is one row, durable.\n\n");
    page.push_str("| database | transfers before | read: p50 / p95 ms | versions judged/s | one record alone: p50 ms | processor a version, ms: own + database | commits/s | judged to a commit |\n|---|---|---|---|---|---|---|---|\n");
    for ledger in &ledgers.ledgers {
        let reads = ledger.reads.iter();
        let reads: Vec<String> =
            reads.map(|read| format!("{}: {:.2} / {:.2}", read.what, read.p50_ms, read.p95_ms)).collect();
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.0} | {:.2} | {:.3} + {:.3} | {:.0} | {:.1}× |",
            ledger.database.as_str(),
            ledger.transfers,
            reads.join("; "),
            ledger.judged_per_s,
            ledger.single_ms,
            ledger.judging.own_ms,
            ledger.judging.database_ms,
            ledger.commits_per_s,
            ledger.judged_per_s / ledger.commits_per_s,
        );
    }
    page.push_str("\n| database | neighbourhoods | versions | judged/s by one clerk | by four at once | processor a version, ms: own + database | commits/s |\n|---|---|---|---|---|---|---|\n");
    for many in &ledgers.many {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.0} | {:.0} | {:.3} + {:.3} | {:.0} |",
            many.database.as_str(),
            many.neighbourhoods,
            many.versions,
            many.judged_per_s,
            many.together_per_s,
            many.judging.own_ms,
            many.judging.database_ms,
            many.commits_per_s,
        );
    }
}

fn storage(page: &mut String, storage: &Storage) {
    let activities = (storage.daybooks * storage.activities).max(1) as f64;
    let _ = write!(
        page,
        "\n## Where the bytes are\nSQLite with {} daybooks of {} activities, judged; bytes per activity. Automerge's `save()` of \
         such a daybook takes {:.0} B an activity, its changes one by one {:.0} B.\n\n| table | rows | pages | pages of its \
         indexes | largest columns |\n|---|---|---|---|---|\n",
        storage.daybooks,
        storage.activities,
        storage.save_bytes / storage.activities.max(1) as f64,
        storage.changes_bytes / storage.activities.max(1) as f64,
    );
    let each = |bytes: i64| bytes as f64 / activities;
    for table in storage.tables.iter().filter(|table| each(table.bytes) >= 1.0) {
        let columns = table.columns.iter().take(5).filter(|(_, bytes)| each(*bytes) >= 1.0);
        let columns: Vec<String> =
            columns.map(|(name, bytes)| format!("{name} {:.0}", each(*bytes))).collect();
        let _ = writeln!(
            page,
            "| {} | {:.2} | {:.0} | {:.0} | {} |",
            table.name,
            each(table.rows),
            each(table.bytes),
            each(table.index_bytes),
            columns.join(", ")
        );
    }
}

/// What criterion left of `cargo bench --bench core`, in microseconds.
fn core(page: &mut String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion");
    let median = |folder: &str| {
        let text = std::fs::read_to_string(root.join(folder).join("new/estimates.json")).ok()?;
        let read: serde_json::Value = serde_json::from_str(&text).ok()?;
        Some(read["median"]["point_estimate"].as_f64()? / 1_000.0)
    };
    let ages = ["10", "100", "1000", "10000"];
    let mut rows = String::new();
    for (name, folder) in [
        ("guard and reduce, 5 new", "guard and reduce/5 new"),
        ("guard and reduce, 20 new", "guard and reduce/20 new"),
        ("guard and reduce, 5 edits", "guard and reduce/5 edits"),
        ("load the document (not done)", "load the document"),
    ] {
        let cells: Vec<String> = ages
            .iter()
            .map(|age| median(&format!("{folder}/{age}")).map_or_else(String::new, |us| format!("{us:.0}")))
            .collect();
        if cells.iter().any(|cell| !cell.is_empty()) {
            let _ = writeln!(rows, "| {name} | {} |", cells.join(" | "));
        }
    }
    if !rows.is_empty() {
        let _ = write!(
            page,
            "\n## The core alone\nMicroseconds, median, by the daybook's age in activities.\n\n| what | {} |\n|---|---|---|---|---|\n{rows}",
            ages.join(" | ")
        );
    }
}
