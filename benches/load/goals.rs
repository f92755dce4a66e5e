//! What the figures are to reach, and whether they do.

use std::fmt::Write as _;

use crate::database::Kind;
use crate::latency::Line;
use crate::rush::Workload;
use crate::suite::{Figures, Named};

/// How far what should be equal may differ.
const EQUAL_RATIO_MAX: f64 = 1.2;
/// How far reading and judging may slow down as a ledger grows a hundred times.
const LEDGER_RATIO_MAX: f64 = 1.3;
/// Greatest age whose download by a fresh phone has a goal.
const FRESH_ACTIVITIES: u64 = 1_000;

/// Which side of its bound a figure has to be on.
#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Rows of the table.
struct Goals(String);

impl Goals {
    fn hold(&mut self, what: &str, value: f64, bound: Bound) {
        let (sign, limit, reached) = match bound {
            Bound::AtMost(most) => ("≤", most, value <= most),
            Bound::AtLeast(least) => ("≥", least, value >= least),
        };
        let reached = if reached { "yes" } else { "**no**" };
        let _ = writeln!(self.0, "| {what} | {sign} {limit} | {value:.2} | {reached} |");
    }
}

/// The peer of this name.
pub fn peer<'a>(figures: &'a Figures, name: &str) -> Option<&'a Named> {
    figures.rushes.iter().find(|named| named.database.is_none() && named.server.contains(name))
}

/// The table.
pub fn table(figures: &Figures) -> String {
    let head = "\n## Goals\n| goal | bound | measured | reached |\n|---|---|---|---|\n";
    let mut goals = Goals(head.to_owned());
    for what in ["5 new", "5 edits"] {
        pushes(&mut goals, figures, what);
    }
    for (database, cpu_ms) in [(Kind::Sqlite, 1.2), (Kind::Postgres, 0.8)] {
        many(&mut goals, figures, database, cpu_ms);
    }
    downloads(&mut goals, figures);
    for database in [Kind::Sqlite, Kind::Postgres] {
        ledgers(&mut goals, figures, database);
    }
    goals.0
}

fn lines<'a>(figures: &'a Figures, what: &'a str) -> impl Iterator<Item = &'a Line> + Clone {
    figures.latency.lines.iter().filter(move |line| line.what == what)
}

fn pushes(goals: &mut Goals, figures: &Figures, what: &str) {
    let worst = lines(figures, what).map(Line::floor_ratio).fold(0.0, f64::max);
    goals.hold(
        &format!("push of {what}: p50 to its floor, the worst age, cold or warm"),
        worst,
        Bound::AtMost(3.0),
    );
    for (cold, name) in [(true, "cold"), (false, "warm")] {
        let times = lines(figures, what).filter(|line| line.cold == cold).map(|line| line.user_ms);
        let least = times.clone().fold(f64::MAX, f64::min);
        let most = times.fold(0.0, f64::max);
        goals.hold(
            &format!("push of {what}, {name}: user time, the greatest of the ages to the least"),
            most / least,
            Bound::AtMost(EQUAL_RATIO_MAX),
        );
    }
}

fn many(goals: &mut Goals, figures: &Figures, database: Kind, cpu_ms: f64) {
    let of = |named: &&Named| named.database == Some(database) && named.workload == Workload::Push5;
    let (Some(fewest), Some(most)) = (figures.rushes.iter().find(of), figures.rushes.iter().rev().find(of))
    else {
        return;
    };
    let (name, daybooks) = (database.as_str(), most.daybooks);
    let used = most.rush.server_cpu_ms();
    goals.hold(
        &format!("{name}, {daybooks} daybooks: processor of the server a sync, judging included, ms"),
        used,
        Bound::AtMost(cpu_ms),
    );
    goals.hold(
        &format!("{name}: processor a sync at {daybooks} to {} daybooks", fewest.daybooks),
        used / fewest.rush.server_cpu_ms(),
        Bound::AtMost(EQUAL_RATIO_MAX),
    );
    let what = format!("{name}, {daybooks} daybooks: RSS after, MiB");
    goals.hold(&what, most.rush.rss_after_mib, Bound::AtMost(100.0));
    for (part, least) in [("pouchdb", 6.0), ("automerge-repo", 100.0)] {
        let Some(peer) = peer(figures, part) else { continue };
        let ratio = most.rush.syncs_per_s / peer.rush.syncs_per_s;
        goals.hold(&format!("{name}: syncs a second to {}", peer.server), ratio, Bound::AtLeast(least));
    }
}

/// Flat in the ledger's size; how fast, only PostgreSQL has a goal for.
fn ledgers(goals: &mut Goals, figures: &Figures, database: Kind) {
    let mut there = figures.ledgers.ledgers.iter().filter(|ledger| ledger.database == database);
    let (Some(small), Some(large)) = (there.next(), there.next_back()) else { return };
    let (name, sizes) =
        (database.as_str(), format!("at {} to {} transfers", large.transfers, small.transfers));
    for (small, large) in small.reads.iter().zip(&large.reads) {
        let what = format!("{name}: {}, p50 {sizes}", large.what);
        goals.hold(&what, large.p50_ms / small.p50_ms, Bound::AtMost(LEDGER_RATIO_MAX));
    }
    let what = format!("{name}: time to judge a version {sizes}");
    goals.hold(&what, small.judged_per_s / large.judged_per_s, Bound::AtMost(LEDGER_RATIO_MAX));
    let what = format!("{name}: time to judge a record that came alone, p50 {sizes}");
    goals.hold(&what, large.single_ms / small.single_ms, Bound::AtMost(LEDGER_RATIO_MAX));
    let Some(many) = figures.ledgers.many.iter().find(|many| many.database == database) else { return };
    if database == Kind::Postgres {
        let what = format!("{name}: versions judged a second, {} transfers before", large.transfers);
        goals.hold(&what, large.judged_per_s, Bound::AtLeast(2_000.0));
        let what = format!("{name}: versions judged a second over {} neighbourhoods", many.neighbourhoods);
        goals.hold(&what, many.judged_per_s.max(many.together_per_s), Bound::AtLeast(5_000.0));
    }
}

fn downloads(goals: &mut Goals, figures: &Figures) {
    let worst = |of: fn(&Line) -> f64| lines(figures, "nothing new").map(of).fold(0.0, f64::max);
    goals.hold("nothing new: body up, bytes", worst(|line| line.body_up), Bound::AtMost(160.0));
    goals.hold("nothing new: body down, bytes", worst(|line| line.body_down), Bound::AtMost(200.0));
    goals.hold("nothing new: processor, ms", worst(|line| line.cpu_ms), Bound::AtMost(0.5));
    let fresh = lines(figures, "fresh phone").filter(|line| line.activities <= FRESH_ACTIVITIES);
    if let Some(line) = fresh.max_by_key(|line| line.activities) {
        let what = format!("fresh phone, {} activities: processor, ms", line.activities);
        goals.hold(&what, line.cpu_ms, Bound::AtMost(0.5));
    }
    let parts = &figures.latency.first.parts_ms;
    let tenth = parts.len().div_ceil(10).min(parts.len());
    let sum = |parts: &[f64]| parts.iter().sum::<f64>();
    goals.hold(
        "first sync: time of the last tenth of its requests to the first",
        sum(&parts[parts.len() - tenth..]) / sum(&parts[..tenth]),
        Bound::AtMost(1.5),
    );
}
