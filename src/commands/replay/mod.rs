//! `daybook replay`: plays a file in the Open Repair Data Standard as phones that recorded offline, one
//! resident's phone per group, and reads every row back.
//!
//! Ids come from the file's own, so the same file again changes nothing: each run enrols a fresh device, which
//! first restores what is there and records only what is not.

mod ords;
mod people;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;

use crate::api::body::Form;
use crate::phone::{Http, Phone, Report};
use ords::Row;
use people::Desk;
pub use people::Seeded;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// CSV file in the Open Repair Data Standard (14 columns).
    file: PathBuf,
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Personal token of a coordinator, with the scopes `manage reconcile activities:read`.
    #[arg(long, env = "DAYBOOK_REPLAY_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Instead of a token: an invitation for a coordinator, as `daybook invite --coordinator` makes it.
    #[arg(long, conflicts_with = "token", required_unless_present = "token")]
    invitation: Option<String>,
    /// Order of the syncs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Records of one sync: phones come back with so many.
    #[arg(long, default_value_t = 12)]
    records: usize,
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let rows = ords::read(&args.file).context("cannot read the file")?;
    let started = Instant::now();
    let desk = Desk::open(&args.url, args.token.as_deref(), args.invitation.as_deref()).await?;
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in &rows {
        groups.entry(row.group_identifier.clone()).or_default().push(row.clone());
    }
    let mut phones = Vec::new();
    for (group, rows) in groups {
        phones.push((phone(&args, &desk, &group).await?, by_day(rows)));
    }
    let mut random = Seeded::new(args.seed);
    let mut total = Report::default();
    let mut syncs = 0;
    let mut open: Vec<usize> = (0..phones.len()).collect();
    while !open.is_empty() {
        // Whoever finds signal next comes with the records since the last time.
        let at = random.below(open.len());
        let (phone, left) = &mut phones[open[at]];
        for row in left.drain(..args.records.max(1).min(left.len())) {
            row.record(phone)?;
        }
        let report = phone.sync().await.context("a phone cannot sync")?;
        syncs += 1;
        add(&mut total, &report);
        if left.is_empty() {
            open.swap_remove(at);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{} rows of {} groups", rows.len(), phones.len());
    println!(
        "{syncs} syncs, {} requests, {seconds:.1} s: {} changes accepted, {} were there, {} held, {} refused",
        total.requests, total.accepted, total.duplicate, total.held, total.refused
    );
    let differing = compare(&desk, &rows).await?;
    Ok(if differing == 0 && total.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn phone(args: &Args, desk: &Desk, group: &str) -> anyhow::Result<Phone<Http>> {
    let transport = Http::new(&args.url)?;
    let mut phone = people::phone(transport, &desk.public_url().await?, group)?;
    phone.form = Form::Cbor;
    let invitation = desk.invite(phone.party).await?;
    phone.enrol(&invitation).await.with_context(|| format!("the phone of {group} cannot enrol"))?;
    phone.sync().await.context("a phone cannot restore what is there")?;
    Ok(phone)
}

fn by_day(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by(|a, b| (&a.event_date, &a.id).cmp(&(&b.event_date, &b.id)));
    rows
}

fn add(total: &mut Report, report: &Report) {
    total.requests += report.requests;
    total.accepted += report.accepted;
    total.duplicate += report.duplicate;
    total.held += report.held;
    total.refused += report.refused;
}

/// Reads every repair back and compares all columns; answers how many rows differ.
async fn compare(desk: &Desk, rows: &[Row]) -> anyhow::Result<usize> {
    let started = Instant::now();
    let mut found: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for activity in desk.repairs().await? {
        let row = Row::of(&activity);
        found.entry(row.key()).or_default().push(row);
    }
    let mut differing = 0;
    for row in rows {
        let there = found.get(&row.key()).map(Vec::as_slice).unwrap_or_default();
        if there != [row.clone()] {
            differing += 1;
            if differing <= 5 {
                println!("differs: {}\n  sent {row:?}\n  read {there:?}", row.id);
            }
        }
    }
    println!(
        "{} rows compared in all 14 columns in {:.1} s, {differing} differing",
        rows.len(),
        started.elapsed().as_secs_f64()
    );
    Ok(differing)
}
