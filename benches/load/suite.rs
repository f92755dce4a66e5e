//! Everything, one after the other on one machine, so that the ratios mean something.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::database::{Kind, Place};
use crate::latency::{self, Latency, Settle};
use crate::ledger::{self, Ledgers};
use crate::peers::{self, Peer};
use crate::rush::{self, Rush, Workload, branches};
use crate::seed::{self, Plan};
use crate::server::Settings;
use crate::storage::{self, Storage};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Sizes {
    /// Daybooks and rounds of the pushes of five new activities, and whether on PostgreSQL too.
    pub pushes: Vec<(u64, usize, bool)>,
    pub activities: u64,
    /// Daybooks of the other workloads.
    pub others: u64,
    /// Daybooks and their size for what a fresh phone downloads.
    pub fresh: (u64, u64),
    pub neighbourhoods: u64,
    pub at_once: usize,
    pub stock: u64,
    pub pouch: u64,
    pub latency: Settle,
    pub ledger: ledger::Plan,
}

impl Sizes {
    /// As the goals say. Few daybooks take several rounds, or there would be too little to measure.
    pub fn full() -> Self {
        Self {
            pushes: vec![(50, 10, true), (500, 2, true), (2_000, 1, true)],
            activities: 100,
            others: 500,
            fresh: (50, 1_000),
            neighbourhoods: 50,
            at_once: 32,
            stock: 500,
            pouch: 2_000,
            latency: Settle { ages: vec![10, 100, 1_000, 10_000], rounds: 5, first: 10_000 },
            ledger: ledger::Plan {
                transfers: vec![10_000, 1_000_000],
                versions: 8_000,
                neighbourhoods: 1_000,
                each: 10,
                reads: 400,
            },
        }
    }

    /// What a quarter of an hour is enough for.
    pub fn quick() -> Self {
        let full = Self::full();
        Self {
            pushes: vec![(50, 6, true), (500, 1, true), (2_000, 1, false)],
            fresh: (10, 1_000),
            latency: Settle { rounds: 3, ..full.latency.clone() },
            ledger: ledger::Plan { transfers: vec![10_000, 100_000], ..full.ledger.clone() },
            ..full
        }
    }

    /// So little that it only shows that everything still runs.
    pub fn smoke() -> Self {
        Self {
            pushes: vec![(4, 1, true), (8, 1, false)],
            activities: 10,
            others: 4,
            fresh: (2, 20),
            neighbourhoods: 2,
            at_once: 4,
            stock: 4,
            pouch: 4,
            latency: Settle { ages: vec![10, 20], rounds: 1, first: 300 },
            ledger: ledger::Plan {
                transfers: vec![1_000, 2_000],
                versions: 40,
                neighbourhoods: 4,
                each: 2,
                reads: 5,
            },
        }
    }
}

/// One rush, and what it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    /// `SQLite`, `PostgreSQL`, or the peer's name.
    pub server: String,
    pub database: Option<Kind>,
    pub workload: Workload,
    pub daybooks: u64,
    pub activities: u64,
    pub rounds: usize,
    pub rush: Rush,
}

/// All figures of one run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    pub rushes: Vec<Named>,
    pub latency: Latency,
    #[serde(default)]
    pub storage: Storage,
    #[serde(default)]
    pub ledgers: Ledgers,
    /// Parts that did not come to an end, and why.
    #[serde(default)]
    pub failed: Vec<String>,
}

impl Figures {
    /// Keeps what came of a part; one that failed is named on the page, and the others go on.
    fn part<T>(&mut self, name: &str, came: anyhow::Result<T>) -> Option<T> {
        if let Err(error) = &came {
            eprintln!("{name} failed: {error:#}");
            self.failed.push(format!("{name}: {error:#}"));
        }
        came.ok()
    }
}

/// Runs everything that can run here: PostgreSQL where there is a server, the peers where they are installed.
/// After each part `keep` gets what there is so far.
pub async fn run(
    sizes: &Sizes,
    folder: &Path,
    keep: impl Fn(&Figures) -> anyhow::Result<()>,
) -> anyhow::Result<Figures> {
    let mut figures = Figures::default();
    eprintln!("one phone at a time");
    let latency = latency::run(folder, &sizes.latency).await;
    figures.latency = figures.part("one phone at a time", latency).unwrap_or_default();
    keep(&figures)?;
    eprintln!("ledgers");
    let ledgers = ledger::run(&databases(), folder, &sizes.ledger).await;
    figures.ledgers = figures.part("ledgers", ledgers).unwrap_or_default();
    keep(&figures)?;
    for database in databases() {
        for case in cases(sizes, database) {
            let workloads: &[Workload] = match case.activities {
                activities if activities != sizes.activities => &[Workload::Fresh],
                _ if case.daybooks == sizes.others => &[Workload::Push5, Workload::Edit5, Workload::Nothing],
                _ => &[Workload::Push5],
            };
            let name = format!("{}, {} daybooks", database.as_str(), case.daybooks);
            let rushes = case.run(sizes, workloads, folder).await;
            let rushes = figures.part(&name, rushes).unwrap_or_default();
            figures.rushes.extend(rushes);
            keep(&figures)?;
        }
    }
    let full = Place::new(Kind::Sqlite, folder, &format!("seed_{}x{}", sizes.others, sizes.activities))?;
    let storage = storage::look(full.file(), sizes.others, sizes.activities);
    figures.storage = figures.part("storage", storage).unwrap_or_default();
    if !peers::installed() {
        eprintln!("the peers are not installed: npm --prefix benches/peers ci");
        return Ok(figures);
    }
    for (peer, daybooks) in [(Peer::Pouch, sizes.pouch), (Peer::Stock, sizes.stock)] {
        eprintln!("{}, {daybooks} logs", peer.name());
        let rush = peers::run(peer, folder, daybooks, sizes.activities, sizes.at_once).await;
        if let Some(rush) = figures.part(peer.name(), rush) {
            figures.rushes.push(Named {
                server: peer.name().to_owned(),
                database: None,
                workload: Workload::Push5,
                daybooks,
                activities: sizes.activities,
                rounds: 1,
                rush,
            });
        }
        keep(&figures)?;
    }
    Ok(figures)
}

/// Those that can run here.
pub fn databases() -> Vec<Kind> {
    let postgres = std::env::var_os("TEST_POSTGRES_URL").is_some();
    if postgres { vec![Kind::Sqlite, Kind::Postgres] } else { vec![Kind::Sqlite] }
}

fn cases(sizes: &Sizes, database: Kind) -> Vec<Case> {
    let wanted = sizes.pushes.iter().filter(|(.., everywhere)| *everywhere || database == Kind::Sqlite);
    let mut cases: Vec<Case> = wanted
        .map(|(daybooks, rounds, _)| Case {
            database,
            daybooks: *daybooks,
            activities: sizes.activities,
            rounds: *rounds,
        })
        .collect();
    let (daybooks, activities) = sizes.fresh;
    cases.push(Case { database, daybooks, activities, rounds: 1 });
    cases
}

/// Our server with so many daybooks.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub database: Kind,
    pub daybooks: u64,
    pub activities: u64,
    pub rounds: usize,
}

impl Case {
    /// Seeds once, then each workload on a copy.
    pub async fn run(
        &self,
        sizes: &Sizes,
        workloads: &[Workload],
        folder: &Path,
    ) -> anyhow::Result<Vec<Named>> {
        let name = format!("{}x{}", self.daybooks, self.activities);
        let neighbourhoods = sizes.neighbourhoods.clamp(1, self.daybooks.max(1));
        let plan = Plan::even(self.daybooks, self.activities, neighbourhoods, branches(self.rounds));
        let place = Place::new(self.database, folder, &format!("seed_{name}"))?;
        let work = Place::new(self.database, folder, &format!("work_{name}"))?;
        let settings = Settings::new(place.clone(), folder)?;
        let seeded = seed::ready(&settings, &place, folder, &plan).await?;
        let mut all = Vec::new();
        for workload in workloads.iter().copied() {
            eprintln!("{}, {} daybooks, {workload:?}", self.database.as_str(), self.daybooks);
            let mut rush = rush::run(&settings, &seeded, &work, workload, sizes.at_once, self.rounds).await?;
            rush.seeded_bytes_per_activity /= (self.daybooks * self.activities).max(1) as f64;
            all.push(Named {
                server: self.database.as_str().to_owned(),
                database: Some(self.database),
                workload,
                daybooks: self.daybooks,
                activities: self.activities,
                rounds: self.rounds,
                rush,
            });
        }
        Ok(all)
    }
}
