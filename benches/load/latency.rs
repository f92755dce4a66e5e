//! One phone at a time on daybooks of every age, cold and warm, against the floor in the same run. SQLite, since
//! the floor is a commit there.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::database::{Eye, Kind, Place};
use crate::floor::{Floor, Part};
use crate::phones::{Phone, Took};
use crate::process::Cpu;
use crate::rush::{at, tokens};
use crate::seed::{Daybook, Plan, Step, ready, until_quiet};
use crate::server::{Server, Settings};

/// Changes of a push.
const CHANGES: u64 = 5;
/// Daybooks of each age that are not touched before their one push of a round, for each kind of push.
const COLD: usize = 2;
/// Pushes of each kind into the daybook of each age that is in use.
const WARM: usize = 8;
/// Pushes of each kind into a daybook that is not measured, after each start: a server's first requests are
/// slower, whatever they ask for.
const WARM_UP: usize = 4;
const QUIET_LOOK_EVERY: Duration = Duration::from_millis(1);
/// Parts of a first sync, and activities of a part: nearly what one transaction takes.
const FIRST_PART: u64 = 250;

/// Sizes and rounds.
#[derive(Debug, Clone)]
pub struct Settle {
    pub ages: Vec<u64>,
    pub rounds: usize,
    /// Activities of the first sync.
    pub first: u64,
}

/// One line of the table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Line {
    pub activities: u64,
    pub what: String,
    pub cold: bool,
    pub samples: usize,
    pub p50_ms: f64,
    pub p95_ms: f64,
    /// Of the server, its judging included; median of the rounds' medians.
    pub cpu_ms: f64,
    pub user_ms: f64,
    pub body_up: f64,
    pub body_down: f64,
    pub guard_ms: f64,
    pub commit_ms: f64,
    pub bare_commit_ms: f64,
}

impl Line {
    /// Guard and durable commit.
    pub fn floor_ms(&self) -> f64 {
        self.guard_ms + self.commit_ms
    }

    pub fn floor_ratio(&self) -> f64 {
        self.p50_ms / self.floor_ms()
    }
}

/// A first sync of a large daybook, part by part.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct First {
    pub activities: u64,
    pub parts_ms: Vec<f64>,
    pub quiet_s: f64,
    pub cpu_ms: f64,
    pub floor_ms: f64,
    pub rss_before_mib: f64,
    pub rss_greatest_mib: f64,
    pub rss_after_mib: f64,
}

/// All of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Latency {
    pub lines: Vec<Line>,
    pub first: First,
}

/// Samples of one line.
#[derive(Debug, Default)]
struct Samples {
    took: Vec<Took>,
    /// With the number of the round.
    cpu: Vec<(usize, Cpu)>,
    floor: Vec<Part>,
}

/// Which age, what, and whether nothing had touched the daybook since the server started.
type Key = (usize, &'static str, bool);

/// Not measured.
const WARM_UP_KEY: Key = (usize::MAX, "warm-up", false);

struct Bench<'a> {
    settings: &'a Settings,
    place: &'a Place,
    eye: Eye,
    floor: Floor,
    phones: Vec<Phone>,
    next: Vec<usize>,
    round: usize,
    samples: BTreeMap<Key, Samples>,
}

/// The daybooks of one age, by what they are for.
struct OfAge {
    new: Range<usize>,
    edits: Range<usize>,
    nothing: usize,
    warm: usize,
}

impl OfAge {
    fn at(age: usize) -> Self {
        let first = 1 + age * (2 * COLD + 2);
        let (edits, nothing) = (first + COLD, first + 2 * COLD);
        Self { new: first..edits, edits: edits..nothing, nothing, warm: nothing + 1 }
    }
}

fn plan(settle: &Settle) -> Plan {
    let (new, edits) = (Step::New(CHANGES), Step::Edits(CHANGES));
    let both = |times: usize| [new, edits].repeat(times * settle.rounds);
    let mut daybooks = vec![Daybook { activities: 10, branches: vec![both(WARM_UP)] }];
    for activities in settle.ages.iter().copied() {
        for step in [new, edits] {
            let cold = Daybook { activities, branches: vec![vec![step; settle.rounds]] };
            daybooks.extend(vec![cold; COLD]);
        }
        daybooks.push(Daybook { activities, branches: Vec::new() });
        daybooks.push(Daybook { activities, branches: vec![both(WARM)] });
    }
    let parts = usize::try_from(settle.first.div_ceil(FIRST_PART)).unwrap_or(1);
    daybooks.push(Daybook { activities: 0, branches: vec![vec![Step::New(FIRST_PART); parts]] });
    Plan { daybooks, neighbourhoods: 1 }
}

/// Measures.
pub async fn run(folder: &Path, settle: &Settle) -> anyhow::Result<Latency> {
    let place = Place::new(Kind::Sqlite, folder, "seed_latency")?;
    let settings = Settings::new(place.clone(), folder)?;
    let seeded = ready(&settings, &place, folder, &plan(settle)).await?;
    let work = Place::new(Kind::Sqlite, folder, "work_latency")?;
    let copy = Place::new(Kind::Sqlite, folder, "work_floor")?;
    work.copy_from(&seeded.place).await?;
    copy.copy_from(&seeded.place).await?;
    let settings = settings.on(work.clone());
    let phones = tokens(&settings, &seeded.phones).await?;
    let mut bench = Bench {
        settings: &settings,
        place: &work,
        eye: work.look().await?,
        floor: Floor::open(copy.file(), folder)?,
        next: vec![0; phones.len()],
        phones,
        round: 0,
        samples: BTreeMap::new(),
    };
    for round in 0..settle.rounds {
        eprintln!("latency: round {} of {}", round + 1, settle.rounds);
        bench.round = round;
        bench.measure(settle.ages.len()).await?;
    }
    let latency = Latency { lines: bench.lines(settle), first: bench.first(settle.first).await? };
    bench.eye.close().await?;
    work.remove().await?;
    copy.remove().await?;
    Ok(latency)
}

impl Bench<'_> {
    async fn measure(&mut self, ages: usize) -> anyhow::Result<()> {
        // From another start, so that this one knows none of the tokens.
        let server = self.settings.start().await?;
        for phone in &mut self.phones {
            phone.refresh().await?;
        }
        server.stop().await?;
        let server = self.settings.start().await?;
        for _ in 0..2 * WARM_UP {
            self.push(&server, WARM_UP_KEY, 0).await?;
        }
        for age in 0..ages {
            let daybooks = OfAge::at(age);
            for phone in daybooks.new {
                self.push(&server, (age, "5 new", true), phone).await?;
            }
            for phone in daybooks.edits {
                self.push(&server, (age, "5 edits", true), phone).await?;
            }
            self.nothing(&server, (age, "nothing new", true), daybooks.nothing).await?;
        }
        for _ in 0..WARM {
            // Interleaved: what slows the machine down for a moment slows all ages down.
            for age in 0..ages {
                self.push(&server, (age, "5 new", false), OfAge::at(age).warm).await?;
                self.push(&server, (age, "5 edits", false), OfAge::at(age).warm).await?;
                self.nothing(&server, (age, "nothing new", false), OfAge::at(age).warm).await?;
                self.download(&server, (age, "fresh phone", false), OfAge::at(age).warm).await?;
            }
        }
        server.stop().await
    }

    /// One push, until nothing waits; then the floor of the same push.
    async fn push(&mut self, server: &Server, key: Key, phone: usize) -> anyhow::Result<()> {
        let at = self.next[phone];
        self.next[phone] += 1;
        let changes = self.phones[phone].stored.push(0, at)?.clone();
        let body = self.phones[phone].body(&changes)?;
        let before = server.used()?;
        let (took, answer) = self.phones[phone].send(&body).await?;
        until_quiet(&self.eye, QUIET_LOOK_EVERY).await?;
        let cpu = server.used()?.since(&before);
        self.phones[phone].take(&answer, changes.len())?;
        let rows = Floor::rows(self.place.file(), self.phones[phone].names.daybook, changes.len())?;
        let part = self.floor.measure(&changes, &rows)?;
        let samples = self.samples.entry(key).or_default();
        samples.took.push(took);
        samples.cpu.push((self.round, cpu));
        samples.floor.push(part);
        Ok(())
    }

    /// A sync of a phone that has nothing, and for which there is nothing; it has heard all verdicts.
    async fn nothing(&mut self, server: &Server, key: Key, phone: usize) -> anyhow::Result<()> {
        if !key.2 {
            self.phones[phone].sync(&[]).await?;
        }
        let body = self.phones[phone].body(&[])?;
        let before = server.used()?;
        let (took, answer) = self.phones[phone].send(&body).await?;
        let cpu = server.used()?.since(&before);
        self.phones[phone].take(&answer, 0)?;
        self.note(key, took, cpu);
        Ok(())
    }

    /// What a phone that lost everything downloads.
    async fn download(&mut self, server: &Server, key: Key, phone: usize) -> anyhow::Result<()> {
        let before = server.used()?;
        let took = self.phones[phone].download().await?.0;
        let cpu = server.used()?.since(&before);
        self.note(key, took, cpu);
        Ok(())
    }

    fn note(&mut self, key: Key, took: Took, cpu: Cpu) {
        let samples = self.samples.entry(key).or_default();
        samples.took.push(took);
        samples.cpu.push((self.round, cpu));
    }

    fn lines(&self, settle: &Settle) -> Vec<Line> {
        let keys = self.samples.iter().filter(|(key, _)| **key != WARM_UP_KEY);
        let mut lines: Vec<Line> = keys
            .map(|((age, what, cold), samples)| {
                samples.line(settle.ages.get(*age).copied().unwrap_or_default(), what, *cold, settle.rounds)
            })
            .collect();
        lines.sort_by(|a, b| (&a.what, a.cold, a.activities).cmp(&(&b.what, b.cold, b.activities)));
        lines
    }

    /// A phone that brings a large daybook, part by part, to a server that has just started.
    async fn first(&mut self, activities: u64) -> anyhow::Result<First> {
        let server = self.settings.start().await?;
        let phone = self.phones.len() - 1;
        self.phones[phone].refresh().await?;
        let mut first = First { activities, rss_before_mib: server.rss_mib()?, ..First::default() };
        let (before, started) = (server.used()?, Instant::now());
        for changes in self.phones[phone].stored.branches.concat() {
            let body = self.phones[phone].body(&changes)?;
            let (took, answer) = self.phones[phone].send(&body).await?;
            self.phones[phone].take(&answer, changes.len())?;
            first.parts_ms.push(took.time.as_secs_f64() * 1_000.0);
            first.rss_greatest_mib = first.rss_greatest_mib.max(server.rss_mib()?);
            let rows = Floor::rows(self.place.file(), self.phones[phone].names.daybook, changes.len())?;
            let part = self.floor.measure(&changes, &rows)?;
            first.floor_ms += (part.guard + part.commit).as_secs_f64() * 1_000.0;
        }
        until_quiet(&self.eye, QUIET_LOOK_EVERY).await?;
        first.quiet_s = started.elapsed().as_secs_f64() - first.floor_ms / 1_000.0;
        first.cpu_ms = server.used()?.since(&before).total_ms();
        first.rss_after_mib = server.rss_mib()?;
        server.stop().await?;
        Ok(first)
    }
}

impl Samples {
    fn line(&self, activities: u64, what: &str, cold: bool, rounds: usize) -> Line {
        let ms = |time: Duration| time.as_secs_f64() * 1_000.0;
        let of_floor = |part: fn(&Part) -> Duration| median(self.floor.iter().map(|of| ms(part(of))));
        let took: Vec<f64> = sorted(self.took.iter().map(|took| ms(took.time)));
        let by_round = |of: fn(Cpu) -> f64| {
            let rounds = (0..rounds)
                .map(|round| median(self.cpu.iter().filter(|(of, _)| *of == round).map(|(_, cpu)| of(*cpu))));
            median(rounds)
        };
        let mean = |of: fn(&Took) -> usize| {
            self.took.iter().map(|took| of(took) as f64).sum::<f64>() / self.took.len().max(1) as f64
        };
        Line {
            activities,
            what: what.to_owned(),
            cold,
            samples: took.len(),
            p50_ms: at(&took, 0.5),
            p95_ms: at(&took, 0.95),
            cpu_ms: by_round(Cpu::total_ms),
            user_ms: by_round(|cpu| cpu.user_ms),
            body_up: mean(|took| took.up),
            body_down: mean(|took| took.down),
            guard_ms: of_floor(|part| part.guard),
            commit_ms: of_floor(|part| part.commit),
            bare_commit_ms: of_floor(|part| part.bare_commit),
        }
    }
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    at(&sorted(values), 0.5)
}
