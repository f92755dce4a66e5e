//! A server full of daybooks, made as it would have come about: neighbourhoods, invitations, phones that enrol
//! and push, a clerk that judges. Only through the binary and over HTTP.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::database::{Eye, Place};
use crate::phones::{Phone, Push, Stored};
use crate::records::Log;
use crate::server::Settings;

/// Neighbourhoods that are filled at once.
const AT_ONCE: usize = 4;
/// Changes of one push of a seeding phone: an eighth of what a server takes in one transaction.
const PUSH_CHANGES: usize = 128;
/// Numbers of the coordinators' phones, above those of all others.
const DESKS_FROM: u64 = 1 << 40;
const QUIET_LOOK_EVERY: Duration = Duration::from_millis(100);

/// One later sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// So many new activities, a change each.
    New(u64),
    /// So many edits of activities that were there before, a change each.
    Edits(u64),
}

/// What is to be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub daybooks: Vec<Daybook>,
    pub neighbourhoods: u64,
}

/// One daybook of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Daybook {
    pub activities: u64,
    /// What its phone may push afterwards, one or the other, sync by sync.
    pub branches: Vec<Vec<Step>>,
}

/// A seeded database, and the phones that belong to it.
#[derive(Debug, Clone)]
pub struct Seeded {
    pub place: Place,
    pub phones: Vec<Stored>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    plan: Plan,
    phones: Vec<Stored>,
}

impl Plan {
    /// So many daybooks of the same size.
    pub fn even(daybooks: u64, activities: u64, neighbourhoods: u64, branches: Vec<Vec<Step>>) -> Self {
        let daybook = Daybook { activities, branches };
        Self { daybooks: (0..daybooks).map(|_| daybook.clone()).collect(), neighbourhoods }
    }
}

/// Seeds, or takes what an earlier run left in the folder for the same plan.
pub async fn ready(settings: &Settings, place: &Place, folder: &Path, plan: &Plan) -> anyhow::Result<Seeded> {
    let file = folder.join(format!("{}.phones", place.label()));
    if let Some(kept) = read(&file)
        && kept.plan == *plan
        && place.exists().await
    {
        eprintln!("seed: kept from before");
        return Ok(Seeded { place: place.clone(), phones: kept.phones });
    }
    let started = Instant::now();
    let phones = make(settings, place, plan).await?;
    let kept = Kept { plan: plan.clone(), phones };
    std::fs::write(&file, postcard::to_stdvec(&kept)?)?;
    eprintln!("seed: {} daybooks in {:.0} s", plan.daybooks.len(), started.elapsed().as_secs_f64());
    Ok(Seeded { place: place.clone(), phones: kept.phones })
}

fn read(file: &PathBuf) -> Option<Kept> {
    postcard::from_bytes(&std::fs::read(file).ok()?).ok()
}

async fn make(settings: &Settings, place: &Place, plan: &Plan) -> anyhow::Result<Vec<Stored>> {
    place.create().await?;
    settings.migrate()?;
    let mut desks = Vec::new();
    for number in 0..plan.neighbourhoods {
        let name = format!("Neighbourhood {number}");
        let said = settings.run(&["invite", "--neighbourhood", &name, "--create", "--coordinator"])?;
        let token = said.split_whitespace().find(|word| word.starts_with("dbi_")).context("an invitation")?;
        desks.push(token.to_owned());
    }
    let server = settings.start().await?;
    let eye = place.look().await?;
    let mut tasks = JoinSet::new();
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    for (number, invitation) in (0..plan.neighbourhoods).zip(desks) {
        let (plan, permits, address) = (plan.clone(), permits.clone(), settings.address);
        tasks.spawn(async move {
            let _permit = permits.acquire().await?;
            let mut desk = Phone::enrol(address, DESKS_FROM + number, &invitation).await?;
            fill(&mut desk, address, number, &plan).await
        });
    }
    let mut phones = Vec::new();
    while let Some(made) = tasks.join_next().await {
        phones.extend(made??);
    }
    until_quiet(&eye, QUIET_LOOK_EVERY).await?;
    // What is compacted behind the answers of later pushes is no part of them.
    while !eye.is_compacted().await? {
        tokio::time::sleep(QUIET_LOOK_EVERY).await;
    }
    // Each phone hears of its verdicts, as it would have.
    for phone in &mut phones {
        phone.refresh().await?;
        phone.sync(&[]).await?;
    }
    let mut stored: Vec<Stored> = phones.into_iter().map(|phone| phone.stored).collect();
    stored.sort_by_key(|phone| phone.log);
    eye.settle().await?;
    eye.close().await?;
    server.stop().await?;
    Ok(stored)
}

/// The phones of one neighbourhood, one after the other.
async fn fill(
    desk: &mut Phone,
    address: std::net::SocketAddr,
    number: u64,
    plan: &Plan,
) -> anyhow::Result<Vec<Phone>> {
    let rules = desk.retried("GET", "/v1/rules", "application/json", b"").await?;
    let rules = crate::records::approving(serde_json::from_slice(&rules.body)?)?;
    desk.retried("PUT", "/v1/rules", "application/json", &serde_json::to_vec(&rules)?).await?;
    let mut phones = Vec::new();
    for (log, daybook) in (0_u64..).zip(plan.daybooks.iter().cloned()) {
        if log % plan.neighbourhoods != number {
            continue;
        }
        let invitation = invite(desk, log).await?;
        let mut phone = Phone::enrol(address, log, &invitation).await?;
        let begun = phone.sync(&[]).await?;
        let (changes, branches) = tokio::task::spawn_blocking(move || build(log, &daybook, &begun)).await??;
        for part in changes.chunks(PUSH_CHANGES) {
            phone.sync(part).await?;
        }
        phone.stored.branches = branches;
        phones.push(phone);
    }
    Ok(phones)
}

async fn invite(desk: &mut Phone, log: u64) -> anyhow::Result<String> {
    let id = crate::records::invitation_id(log);
    let body = serde_json::to_vec(&serde_json::json!({ "id": id }))?;
    let made: serde_json::Value = match desk.post_json("/v1/invitations", &body).await {
        Ok(answer) => serde_json::from_slice(&answer.body)?,
        // Seeding may take longer than a token lives.
        Err(_) => {
            desk.refresh().await?;
            serde_json::from_slice(&desk.post_json("/v1/invitations", &body).await?.body)?
        }
    };
    Ok(made["token"].as_str().context("a token")?.to_owned())
}

/// The changes of a daybook, and what its phone may push later.
type Built = (Vec<Vec<u8>>, Vec<Vec<Push>>);

/// The changes of a daybook, and those of the syncs that come later, each by an app that started anew.
/// They follow on what the server began the daybook with, as after every phone's first sync.
fn build(log: u64, daybook: &Daybook, begun: &[Vec<u8>]) -> anyhow::Result<Built> {
    let mut log = Log::new(log);
    log.load(begun)?;
    let changes: anyhow::Result<Vec<_>> = (0..daybook.activities).map(|_| log.record()).collect();
    let branches = daybook.branches.iter().map(|steps| {
        let mut log = log.clone();
        let push = |step: &Step| -> anyhow::Result<Push> {
            log.restart();
            match *step {
                Step::New(count) => (0..count).map(|_| log.record()).collect(),
                Step::Edits(count) => (0..count).map(|_| log.edit(daybook.activities)).collect(),
            }
        };
        steps.iter().map(push).collect()
    });
    let branches: anyhow::Result<Vec<Vec<Push>>> = branches.collect();
    Ok((changes?, branches?))
}

/// Waits until nothing waits for the clerk.
pub async fn until_quiet(eye: &Eye, look_every: Duration) -> anyhow::Result<()> {
    while !eye.is_quiet().await? {
        tokio::time::sleep(look_every).await;
    }
    Ok(())
}
