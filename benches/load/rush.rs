//! Many phones at once: each syncs once over a connection of its own, and the time ends when nothing waits for
//! the clerk.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::ensure;
use daybook::api::sync::{DaybookState, SyncAnswer};
use daybook::domain::review::Review;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::database::Place;
use crate::http::Answer;
use crate::phones::{Phone, Took};
use crate::process::Cpu;
use crate::seed::{Seeded, Step, until_quiet};
use crate::server::Settings;

/// How often to look whether the clerk is done, once all phones are.
const QUIET_LOOK_EVERY: Duration = Duration::from_millis(10);
/// Phones of which it is looked up afterwards what became of their records.
const LOOKED_UP_MAX: usize = 50;

/// What each phone does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Pushes five new activities.
    Push5,
    /// Pushes five edits of old activities.
    Edit5,
    /// Has nothing new.
    Nothing,
    /// Downloads the daybook.
    Fresh,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Rush {
    pub syncs: usize,
    /// Until the last phone had its answer, and until nothing waited.
    pub answered_s: f64,
    pub quiet_s: f64,
    pub syncs_per_s: f64,
    pub p50_ms: f64,
    pub p95_ms: f64,
    pub p99_ms: f64,
    pub server_user_ms: f64,
    pub server_system_ms: f64,
    pub database_cpu_ms: f64,
    pub rss_before_mib: f64,
    pub rss_after_mib: f64,
    pub body_up: f64,
    pub body_down: f64,
    pub wire_up: f64,
    pub wire_down: f64,
    /// Of what this run added.
    pub stored_bytes_per_activity: f64,
    pub seeded_bytes_per_activity: f64,
    /// Answers that said busy: the phone had to send again.
    pub busy: usize,
    /// Records looked up afterwards that are approved and posted, of those looked up.
    pub approved: usize,
    pub looked_up: usize,
}

impl Workload {
    /// Which of the pushes that were prepared.
    fn branch(self) -> Option<usize> {
        match self {
            Self::Push5 => Some(0),
            Self::Edit5 => Some(1),
            Self::Nothing | Self::Fresh => None,
        }
    }
}

/// What a seeded phone is prepared for: five new activities, or five edits, each round.
pub fn branches(rounds: usize) -> Vec<Vec<Step>> {
    vec![vec![Step::New(5); rounds], vec![Step::Edits(5); rounds]]
}

impl Rush {
    pub fn server_cpu_ms(&self) -> f64 {
        self.server_user_ms + self.server_system_ms
    }
}

/// The value at a share of sorted ones.
pub fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1) as f64;
    sorted.get((last * share).round() as usize).copied().unwrap_or_default()
}

/// Runs a workload on a copy of what was seeded, the server cold before each round.
pub async fn run(
    settings: &Settings,
    seeded: &Seeded,
    work: &Place,
    workload: Workload,
    at_once: usize,
    rounds: usize,
) -> anyhow::Result<Rush> {
    work.copy_from(&seeded.place).await?;
    let settings = settings.on(work.clone());
    let mut phones = tokens(&settings, &seeded.phones).await?;
    let eye = work.look().await?;
    let activities = seeded.phones.len().max(1);
    let (mut all, mut millis) = (Rush::default(), Vec::new());
    let bytes_before = eye.bytes().await?;
    for round in 0..rounds {
        let server = settings.start().await?;
        let bodies: anyhow::Result<Vec<_>> =
            phones.iter().map(|phone| body(phone, workload, round)).collect();
        let bodies = Arc::new(bodies?);
        let rss_before_mib = server.rss_mib()?;
        let (used, database) = (server.used()?, eye.used()?);
        let started = Instant::now();
        let shared = Arc::new(phones);
        let (answers, busy) = rush(&shared, &bodies, workload, at_once).await?;
        all.answered_s += started.elapsed().as_secs_f64();
        until_quiet(&eye, QUIET_LOOK_EVERY).await?;
        all.quiet_s += started.elapsed().as_secs_f64();
        let (cpu, database) = (server.used()?.since(&used), eye.used()?.since(&database));
        phones = Arc::try_unwrap(shared).map_err(|_| anyhow::anyhow!("a phone is still at it"))?;
        add(&mut all, &mut millis, &answers, cpu, database);
        all.busy += busy;
        all.rss_before_mib = all.rss_before_mib.max(rss_before_mib);
        all.rss_after_mib = all.rss_after_mib.max(server.rss_mib()?);
        if workload != Workload::Fresh {
            take(&mut phones, &answers, workload, round, &mut all).await?;
        }
        server.stop().await?;
    }
    let pushed = workload.branch().map_or(0, |_| 5 * activities * rounds);
    let bytes_after = eye.bytes().await?;
    if pushed > 0 {
        all.stored_bytes_per_activity = (bytes_after - bytes_before) as f64 / pushed as f64;
    }
    all.seeded_bytes_per_activity = bytes_before as f64;
    eye.close().await?;
    work.remove().await?;
    millis.sort_by(f64::total_cmp);
    finish(&mut all, &millis);
    Ok(all)
}

/// Phones with fresh tokens, from a server that is stopped again: the next one knows none of them.
pub async fn tokens(settings: &Settings, stored: &[crate::phones::Stored]) -> anyhow::Result<Vec<Phone>> {
    let server = settings.start().await?;
    let mut phones = Vec::with_capacity(stored.len());
    for stored in stored {
        phones.push(Phone::open(settings.address, stored.clone()).await?);
    }
    server.stop().await?;
    Ok(phones)
}

fn body(phone: &Phone, workload: Workload, round: usize) -> anyhow::Result<Vec<u8>> {
    match (workload.branch(), workload) {
        (Some(branch), _) => phone.body(phone.stored.push(branch, round)?),
        (None, Workload::Fresh) => Ok(Vec::new()),
        (None, _) => phone.body(&[]),
    }
}

type Answers = Vec<(usize, Took, Answer)>;

async fn rush(
    phones: &Arc<Vec<Phone>>,
    bodies: &Arc<Vec<Vec<u8>>>,
    workload: Workload,
    at_once: usize,
) -> anyhow::Result<(Answers, usize)> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..at_once {
        let (phones, bodies, next) = (phones.clone(), bodies.clone(), next.clone());
        tasks.spawn(async move {
            let (mut answers, mut busy) = (Vec::new(), 0);
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(phone) = phones.get(index) else { break };
                let (took, answer, again) = one(phone, &bodies[index], workload).await?;
                busy += again;
                answers.push((index, took, answer));
            }
            anyhow::Ok((answers, busy))
        });
    }
    let (mut answers, mut busy) = (Vec::with_capacity(phones.len()), 0);
    while let Some(done) = tasks.join_next().await {
        let (some, again) = done??;
        answers.extend(some);
        busy += again;
    }
    Ok((answers, busy))
}

/// One phone's sync; a daybook that was busy is sent again at once, on the same clock.
async fn one(phone: &Phone, body: &[u8], workload: Workload) -> anyhow::Result<(Took, Answer, usize)> {
    let started = Instant::now();
    if workload == Workload::Fresh {
        let (took, answer) = phone.download().await?;
        return Ok((took, answer, 0));
    }
    let mut busy = 0;
    loop {
        let (took, answer) = phone.send(body).await?;
        let is_busy = answer.body.windows(4).any(|window| window == b"busy")
            && cbor4ii::serde::from_slice::<SyncAnswer>(&answer.body)?
                .daybooks
                .iter()
                .any(|daybook| daybook.state == DaybookState::Busy);
        if !is_busy {
            return Ok((Took { time: started.elapsed(), ..took }, answer, busy));
        }
        busy += 1;
    }
}

fn add(all: &mut Rush, millis: &mut Vec<f64>, answers: &Answers, cpu: Cpu, database: Cpu) {
    all.syncs += answers.len();
    all.server_user_ms += cpu.user_ms;
    all.server_system_ms += cpu.system_ms;
    all.database_cpu_ms += database.total_ms();
    for (_, took, _) in answers {
        millis.push(took.time.as_secs_f64() * 1_000.0);
        all.body_up += took.up as f64;
        all.body_down += took.down as f64;
        all.wire_up += took.wire_up as f64;
        all.wire_down += took.wire_down as f64;
    }
}

/// The phones take their answers over, and some of them look up what became of their records.
async fn take(
    phones: &mut [Phone],
    answers: &Answers,
    workload: Workload,
    round: usize,
    all: &mut Rush,
) -> anyhow::Result<()> {
    for (index, _, answer) in answers {
        let phone = &mut phones[*index];
        let push = workload.branch().map(|branch| phone.stored.push(branch, round)).transpose()?;
        let pushed = push.map_or(0, Vec::len);
        let read = phone.take(answer, pushed)?;
        if *index >= LOOKED_UP_MAX || workload != Workload::Push5 {
            continue;
        }
        let mut verdicts = read.verdicts;
        let (_, answer) = phone.send(&phone.body(&[])?).await?;
        verdicts.extend(phone.take(&answer, 0)?.verdicts);
        all.looked_up += pushed;
        all.approved +=
            verdicts.iter().filter(|told| told.review == Review::Approved && told.minutes.is_some()).count();
    }
    ensure!(all.approved == all.looked_up, "{} of {} records are posted", all.approved, all.looked_up);
    Ok(())
}

fn finish(all: &mut Rush, millis: &[f64]) {
    let syncs = all.syncs.max(1) as f64;
    all.syncs_per_s = all.syncs as f64 / all.quiet_s;
    (all.p50_ms, all.p95_ms, all.p99_ms) = (at(millis, 0.5), at(millis, 0.95), at(millis, 0.99));
    for sum in [
        &mut all.server_user_ms,
        &mut all.server_system_ms,
        &mut all.database_cpu_ms,
        &mut all.body_up,
        &mut all.body_down,
        &mut all.wire_up,
        &mut all.wire_down,
    ] {
        *sum /= syncs;
    }
}
