//! A week of a neighbourhood from a seed: 300 records, a tenth of them in doubt. Afterwards the ledger holds what
//! really happened, to the minute, and the coordinator has seen a few cards.
//!
//! `WEEK_SEED` plays another week than those that always are, and with `WEEKS` as many from it on.

mod books;
mod coordinator;
mod doubtful;
mod generate;
mod honest;
mod peer;
mod plan;
mod play;

use std::collections::BTreeSet;

use serde_json::json;

use crate::support::desk::{rebuilt_is_live, rules};
use crate::support::{Backend, TestApp};
use books::Books;
use coordinator::{Outcome, reconcile};
use generate::Role;
use play::World;

/// Weeks that are always played.
const SEEDS: [u64; 5] = [1, 2, 3, 4, 5];
const CARDS_MAX: usize = 25;
const REQUESTS_MAX: usize = 60;
/// Kinds of suspicion, and other needs, that every week has.
const KINDS: [&str; 14] = [
    "also_reported",
    "carried",
    "clock_skew",
    "conflict",
    "day_minutes",
    "edited",
    "implausible_amount",
    "minor_present",
    "over_claimed",
    "overlap",
    "photo_seen_before",
    "same_event",
    "unknown_party",
    "withdrawn",
];

fn seeds() -> Vec<u64> {
    let number = |variable| std::env::var(variable).ok().and_then(|text| text.parse::<u64>().ok());
    match number("WEEK_SEED") {
        Some(seed) => (seed..seed + number("WEEKS").unwrap_or(1)).collect(),
        None => SEEDS.to_vec(),
    }
}

/// How a week is played.
#[derive(Debug, Clone, Copy)]
struct How {
    audit_percent: i64,
    /// The coordinator works every evening, or once in the end.
    evenings: bool,
}

/// Once in the end, and nothing is shown by lot.
const ONCE: How = How { audit_percent: 0, evenings: false };

/// What must not be, in words; nothing if all is well.
async fn faults(app: &TestApp, seed: u64, how: How) -> Vec<String> {
    let mut desk = app.coordinator("Dee").await;
    rules(&mut desk, json!({ "audit_percent": how.audit_percent })).await;
    let mut world = World::new(app, &mut desk, generate::week(seed)).await;
    let mut outcome = Outcome::default();
    for day in 0..generate::DAYS {
        world.play(day).await;
        if how.evenings {
            reconcile(&world, &mut desk, &mut outcome).await;
        }
    }
    desk.now_ms = app.app.now_ms();
    let (mut faults, mut wrong_by_rule) = (Vec::new(), Vec::new());
    if !how.evenings {
        faults = books::misjudged(&mut desk, &world).await;
        wrong_by_rule = Books::read(&mut desk).await.wrong_by_rule(&world);
        reconcile(&world, &mut desk, &mut outcome).await;
    }
    let books = Books::read(&mut desk).await;
    let wrong = books.wrong(&world);
    // What nobody looked at was approved by a rule, or by nobody.
    let unseen = wrong.iter().filter(|(record, _)| !outcome.decided.contains(&world.id(*record)));
    let automatic: BTreeSet<usize> = wrong_by_rule.iter().chain(unseen).map(|(record, _)| *record).collect();
    let automatic = automatic.len();
    let difference = books.difference(&world);
    println!(
        "week {seed}, {how:?}: {} records, {} in doubt, {} cards and {} audits, {} requests in {} rounds, \
         {difference} minutes off, {automatic} wrong automatic approvals",
        world.week.records.len(),
        world.week.doubtful(),
        outcome.cards.len(),
        outcome.audits.len(),
        outcome.requests,
        outcome.rounds,
    );
    faults.extend(wrong_by_rule.into_iter().map(|(_, what)| format!("wrong by rule: {what}")));
    faults.extend(wrong.into_iter().map(|(_, what)| format!("wrong in the end: {what}")));
    faults.extend(of_outcome(&world, &outcome));
    faults.extend((difference != 0).then(|| format!("{difference} minutes off")));
    faults.extend(crate::always::holds(app).await.err());
    rebuilt_is_live(app).await;
    faults
}

fn of_outcome(world: &World<'_>, outcome: &Outcome) -> Vec<String> {
    let mut faults: Vec<String> = outcome.refused.clone();
    faults.extend(outcome.left.iter().map(|card| format!("left: {card}")));
    if outcome.cards.len() > CARDS_MAX || outcome.requests > REQUESTS_MAX {
        faults.push(format!("{} cards, {} requests", outcome.cards.len(), outcome.requests));
    }
    let missed: Vec<&&str> = KINDS.iter().filter(|kind| !outcome.kinds.contains(**kind)).collect();
    if !missed.is_empty() {
        faults.push(format!("never seen: {missed:?}"));
    }
    let carded: BTreeSet<usize> = outcome.carded.iter().map(|id| world.record(*id)).collect();
    for record in carded {
        let of = &world.week.records[record];
        if of.role == Role::NearMiss {
            faults.push(format!("record {record}, {}, stands in a card and is as it should be", of.story));
        }
    }
    faults
}

async fn holds(backend: Backend, seeds: &[u64], how: How) {
    let mut all = Vec::new();
    for seed in seeds {
        let app = TestApp::start(backend).await;
        let faults = faults(&app, *seed, how).await;
        all.extend(faults.into_iter().map(|fault| format!("WEEK_SEED={seed}: {fault}")));
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn a_seed_makes_one_week_of_300_records_a_tenth_in_doubt() {
    for seed in 0..50 {
        let week = generate::week(seed);
        assert_eq!((week.records.len(), week.doubtful()), (generate::RECORDS, 30));
        assert_eq!(format!("{week:?}"), format!("{:?}", generate::week(seed)));
    }
}

mod after_a_week_of_300_records_the_ledger_is_the_truth {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        holds(Backend::Sqlite, &seeds(), ONCE).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres() {
        holds(Backend::Postgres, &seeds()[..1], ONCE).await;
    }

    /// With every twentieth automatic approval shown to somebody, besides.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_audits() {
        holds(Backend::Sqlite, &seeds()[..1], How { audit_percent: 5, ..ONCE }).await;
    }

    /// What was decided in the week stands beside what comes later.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn with_a_coordinator_every_evening() {
        holds(Backend::Sqlite, &seeds()[..1], How { evenings: true, ..ONCE }).await;
    }
}
