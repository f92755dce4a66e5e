//! A week of a neighbourhood from a seed: 300 records, a tenth of them in doubt. Afterwards the ledger holds what
//! really happened, to the minute, and the coordinator has seen a few cards.
//!
//! `WEEK_SEED` plays another week than those that always are.

mod books;
mod doubtful;
mod generate;
mod honest;
mod plan;
mod play;

use crate::support::desk::rules;
use crate::support::TestApp;
use books::Books;
use play::World;
use serde_json::json;

#[test]
fn a_seed_makes_one_week_of_300_records_a_tenth_in_doubt() {
    for seed in 0..200 {
        let week = generate::week(seed);
        assert_eq!(week.records.len(), generate::RECORDS);
        assert_eq!(week.doubtful(), 29);
        assert_eq!(format!("{week:?}"), format!("{:?}", generate::week(seed)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_seeds() {
    let from: u64 = std::env::var("WEEK_SEED").ok().and_then(|t| t.parse().ok()).unwrap_or(1);
    for seed in from..from + 30 {
        let app = TestApp::start(crate::support::Backend::Sqlite).await;
        let mut desk = app.coordinator("Dee").await;
        rules(&mut desk, json!({ "audit_percent": 0 })).await;
        let mut world = World::new(&app, &mut desk, generate::week(seed)).await;
        world.play().await;
        desk.now_ms = app.app.now_ms();
        let books = Books::read(&mut desk).await;
        println!("{seed} wrong: {:#?}", books.wrong_by_rule(&world));
        println!("{seed} misjudged: {:#?}", books::misjudged(&mut desk, &world).await);
    }
    panic!("look");
}
