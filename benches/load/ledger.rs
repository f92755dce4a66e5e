//! The ledger: reading it and judging into it, in one neighbourhood with ten thousand and with a million transfers,
//! and judging over many neighbourhoods.
//!
//! In this process: the real router without sockets, and the clerk's rounds called one after the other, so that
//! nothing but them is measured. What is judged came over the API: phones synced it, of other days each, and a rule
//! approves nearly all of it. The transfers that were there before are written straight into the tables, in bulk:
//! accounts, journal (with its chain), transfers and tip fit each other, but there are no records behind them.

mod desk;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use daybook::app::{Clock as _, SystemClock};
use daybook::domain::ids::NeighbourhoodId;
use daybook::flows::judge;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::book_rows;
use crate::database::{Eye, Kind, Place};
use crate::process::Used;
use desk::{Desk, write};

/// Phones that write what is judged in one neighbourhood, each of years of its own.
const PHONES: u64 = 4;
/// Records between what two of those phones write.
const APART: u64 = 2_500;
/// Records of each of those phones that come and are judged one by one, after the many.
const SINGLES: u64 = 25;
/// Clerks at work at once over many neighbourhoods, as of so many replicas.
const CLERKS: usize = 4;
/// Turns in which the ledgers are read.
const READ_ROUNDS: usize = 5;

/// How much of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Of the ledgers, the smallest first.
    pub transfers: Vec<u64>,
    /// Judged in each of those neighbourhoods.
    pub versions: u64,
    pub neighbourhoods: u64,
    /// Judged in each of the many.
    pub each: u64,
    /// Requests of each kind.
    pub reads: usize,
}

/// One kind of read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Read {
    pub what: String,
    pub p50_ms: f64,
    pub p95_ms: f64,
}

/// One ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ledger {
    pub database: Kind,
    pub transfers: u64,
    pub reads: Vec<Read>,
    pub judged_per_s: f64,
    /// Median time to judge one record that came alone.
    pub single_ms: f64,
    /// Processor a version.
    pub judging: Processor,
    /// Single durable commits of one row.
    pub commits_per_s: f64,
}

/// Milliseconds of processor: of this process, and of the database where it is another.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Processor {
    pub own_ms: f64,
    pub database_ms: f64,
}

impl Processor {
    fn a_version(self, versions: u64) -> Self {
        let each = |ms: f64| ms / versions.max(1) as f64;
        Self { own_ms: each(self.own_ms), database_ms: each(self.database_ms) }
    }
}

/// Looks at what is used, from before to after.
struct Meter {
    eye: Eye,
    own: Used,
    database: Used,
}

impl Meter {
    async fn start(place: &Place) -> anyhow::Result<Self> {
        let eye = place.look().await?;
        let (own, database) = (Used::by(std::process::id())?, eye.used()?);
        Ok(Self { eye, own, database })
    }

    async fn stop(self) -> anyhow::Result<Processor> {
        let own = Used::by(std::process::id())?.since(&self.own);
        let database = self.eye.used()?.since(&self.database);
        self.eye.close().await?;
        Ok(Processor { own_ms: own.total_ms(), database_ms: database.total_ms() })
    }
}

/// Judging over many neighbourhoods.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Many {
    pub database: Kind,
    pub neighbourhoods: u64,
    pub versions: u64,
    /// By one clerk, neighbourhood by neighbourhood.
    pub judged_per_s: f64,
    /// By several at once.
    pub together_per_s: f64,
    /// Processor a version, by several at once.
    pub judging: Processor,
    pub commits_per_s: f64,
}

/// All of it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Ledgers {
    pub ledgers: Vec<Ledger>,
    pub many: Vec<Many>,
}

/// On the databases that there are. Ledgers of all sizes stand beside each other and take turns, so that what the
/// machine does meanwhile meets all of them.
pub async fn run(databases: &[Kind], folder: &Path, plan: &Plan) -> anyhow::Result<Ledgers> {
    let mut all = Ledgers::default();
    for database in databases.iter().copied() {
        let mut books = Vec::new();
        for transfers in plan.transfers.iter().copied() {
            eprintln!("{}, a ledger of {transfers} transfers", database.as_str());
            let desk = Desk::open(database, folder, &format!("ledger_{transfers}")).await?;
            books.push(desk.book(transfers).await?);
        }
        for _ in 0..READ_ROUNDS {
            for book in &mut books {
                book.read(plan.reads / READ_ROUNDS).await?;
            }
        }
        for number in 0..PHONES {
            for book in &mut books {
                book.judge(number, plan.versions / PHONES).await?;
            }
        }
        for book in books {
            all.ledgers.push(book.close(plan.versions / PHONES * PHONES).await?);
        }
        eprintln!("{}, {} neighbourhoods", database.as_str(), plan.neighbourhoods);
        let desk = Desk::open(database, folder, "ledger_many").await?;
        all.many.push(desk.many(plan).await?);
        desk.close().await?;
    }
    Ok(all)
}

/// A ledger with transfers in it, and what was measured there so far.
struct Book {
    desk: Desk,
    neighbourhood: NeighbourhoodId,
    token: String,
    transfers: u64,
    commits_per_s: f64,
    /// By what is read: its address, and the milliseconds that it took.
    reads: Vec<(&'static str, String, Vec<f64>)>,
    judged: u64,
    judging: Duration,
    /// Milliseconds of each record that was judged alone.
    singles: Vec<f64>,
    used: Processor,
}

impl Book {
    async fn read(&mut self, count: usize) -> anyhow::Result<()> {
        for (_, path, took) in &mut self.reads {
            for number in 0..count + count / 5 {
                let started = Instant::now();
                self.desk.get(&self.token, path).await?;
                // The first ones warm up.
                if number >= count / 5 {
                    took.push(started.elapsed().as_secs_f64() * 1_000.0);
                }
            }
        }
        Ok(())
    }

    /// What one more phone brings, judged.
    async fn judge(&mut self, number: u64, versions: u64) -> anyhow::Result<()> {
        let mut phone = self.desk.phone(self.neighbourhood, &format!("Phone {number}"), false).await?;
        write(&mut phone, number, number * APART, versions).await?;
        self.desk.settle().await?;
        let meter = Meter::start(&self.desk.place).await?;
        let started = Instant::now();
        self.judged += judge::until_quiet(&self.desk.app, self.neighbourhood).await?;
        self.judging += started.elapsed();
        let used = meter.stop().await?;
        self.used.own_ms += used.own_ms;
        self.used.database_ms += used.database_ms;
        for single in 0..SINGLES {
            write(&mut phone, number, number * APART + versions + single, 1).await?;
            let started = Instant::now();
            let judged = judge::until_quiet(&self.desk.app, self.neighbourhood).await?;
            ensure!(judged == 1, "{judged} versions were judged, not one");
            self.singles.push(started.elapsed().as_secs_f64() * 1_000.0);
        }
        Ok(())
    }

    async fn close(mut self, versions: u64) -> anyhow::Result<Ledger> {
        let singles = u64::try_from(self.singles.len())?;
        self.desk.all_approved(versions + singles, self.judged + singles).await?;
        self.singles.sort_by(f64::total_cmp);
        let reads = self.reads.into_iter().map(|(what, _, mut took)| {
            took.sort_by(f64::total_cmp);
            let at = |hundredth: usize| took[(took.len() - 1) * hundredth / 100];
            Read { what: what.to_owned(), p50_ms: at(50), p95_ms: at(95) }
        });
        let ledger = Ledger {
            database: self.desk.place.kind,
            transfers: self.transfers,
            reads: reads.collect(),
            judged_per_s: per_s(self.judged, self.judging),
            single_ms: self.singles[self.singles.len() / 2],
            judging: self.used.a_version(self.judged),
            commits_per_s: self.commits_per_s,
        };
        self.desk.close().await?;
        Ok(ledger)
    }
}

impl Desk {
    /// A ledger of so many transfers, ready to be read.
    async fn book(self, transfers: u64) -> anyhow::Result<Book> {
        let (neighbourhood, mut desk) = self.neighbourhood("Balsall Heath").await?;
        let account = desk.party.0;
        book_rows::seed(self.app.db(), neighbourhood, account, transfers).await?;
        self.settle().await?;
        let commits_per_s = self.commits_per_s().await?;
        let expires_at = daybook::domain::time::rfc3339(SystemClock.now_ms() + 86_400_000);
        let body = json!({
            "id": self.app.uuid(), "name": "bench", "scope": "ledger:read", "expires_at": expires_at,
        });
        let grant: Value = desk.post("/v1/grants", &body).await?;
        let token = grant["token"].as_str().context("a token")?.to_owned();
        let statement = format!("/v1/accounts/{account}/statement");
        let middle = self.middle(&token, &statement, transfers / book_rows::ACCOUNTS).await?;
        let reads = [
            ("balance now", format!("/v1/accounts/{account}")),
            ("balance at a journal number", format!("/v1/accounts/{account}?journal_no={}", transfers / 2)),
            ("statement, first page of 50", format!("{statement}?limit=50")),
            ("statement, a page in the middle", middle),
        ];
        let reads = reads.map(|(what, path)| (what, path, Vec::new())).into();
        let (judged, judging, singles, used) = (0, Duration::ZERO, Vec::new(), Processor::default());
        let desk = self;
        Ok(Book {
            desk,
            neighbourhood,
            token,
            transfers,
            commits_per_s,
            reads,
            judged,
            judging,
            singles,
            used,
        })
    }

    /// The address of the page in the middle of a statement.
    async fn middle(&self, token: &str, statement: &str, lines: u64) -> anyhow::Result<String> {
        let mut middle = format!("{statement}?limit=50");
        for _ in 0..(lines / 2 / 50).max(1) {
            let page: Value = serde_json::from_slice(&self.get(token, &middle).await?)?;
            let Some(next) = page["next"].as_str() else { break };
            middle = format!("{statement}?limit=50&after={next}");
        }
        Ok(middle)
    }

    /// Judges over many neighbourhoods: a tenth of them before anything is measured, then half of the others by one
    /// clerk and half by several. PostgreSQL plans by the rows that a table had when it last looked, which it does
    /// once a minute; over tables that were empty it would read them from end to end.
    async fn many(&self, plan: &Plan) -> anyhow::Result<Many> {
        let mut ids = Vec::new();
        for number in 0..plan.neighbourhoods {
            let (id, mut desk) = self.neighbourhood(&format!("Neighbourhood {number}")).await?;
            write(&mut desk, PHONES + number, 0, plan.each).await?;
            ids.push(id);
        }
        let commits_per_s = self.commits_per_s().await?;
        let (before, ids) = ids.split_at(ids.len().div_ceil(10));
        let mut first = 0;
        for id in before {
            first += judge::until_quiet(&self.app, *id).await?;
        }
        self.settle().await?;
        let (one, several) = ids.split_at(ids.len() / 2);
        let (started, mut alone) = (Instant::now(), 0);
        for id in one {
            alone += judge::until_quiet(&self.app, *id).await?;
        }
        let took_alone = started.elapsed();
        let mut clerks = tokio::task::JoinSet::new();
        let meter = Meter::start(&self.place).await?;
        let started = Instant::now();
        for part in several.chunks(several.len().div_ceil(CLERKS).max(1)) {
            let (app, part) = (self.app.clone(), part.to_vec());
            clerks.spawn(async move {
                let mut judged = 0;
                for id in part {
                    judged += judge::until_quiet(&app, id).await?;
                }
                Ok::<u64, anyhow::Error>(judged)
            });
        }
        let mut together = 0;
        while let Some(judged) = clerks.join_next().await {
            together += judged??;
        }
        let took_together = started.elapsed();
        let judging = meter.stop().await?.a_version(together);
        self.all_approved(plan.neighbourhoods * plan.each, first + alone + together).await?;
        Ok(Many {
            database: self.place.kind,
            neighbourhoods: plan.neighbourhoods,
            versions: alone + together,
            judged_per_s: per_s(alone, took_alone),
            together_per_s: per_s(together, took_together),
            judging,
            commits_per_s,
        })
    }
}

fn per_s(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}
