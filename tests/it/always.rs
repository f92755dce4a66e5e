//! The property test of "Always": random neighbourhoods on two replicas, checked after every judgement.

pub mod books;
mod capped;
mod check;
mod decided;
mod declined;
mod desk;
pub mod dice;
mod peers;
mod people;
mod planted;
mod preview;
pub mod radio;
mod ruled;
mod steps;
mod told;
mod world;

use std::collections::BTreeSet;

use crate::support::{TestApp, both};
use world::World;

/// Runs of one test; more with `DAYBOOK_ALWAYS_RUNS`.
const RUNS: u64 = 16;
/// Steps of one run; more with `DAYBOOK_ALWAYS_STEPS`.
const STEPS: u64 = 60;
/// Lines of a story that a failure shows.
const STORY_LINES: usize = 60;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What always holds, for other stories.
pub async fn holds(app: &TestApp) -> Result<(), String> {
    check::always(&books::Books::read(&app.app, app.neighbourhood).await).map(|_| ())
}

/// Plays one run. What went wrong is told with the seed and the story.
async fn play(replicas: [&TestApp; 2], seed: u64, steps: u64) -> Result<BTreeSet<String>, String> {
    let mut world = World::new(replicas, seed).await;
    // Every other neighbourhood has rules of its own from the start.
    let mut outcome = if seed.is_multiple_of(2) { world.put_rules().await } else { Ok(()) };
    if outcome.is_ok() {
        outcome = world.begin().await;
    }
    for _ in 0..steps {
        if outcome.is_ok() {
            outcome = world.step().await;
        }
    }
    if outcome.is_ok() {
        outcome = world.finish().await;
    }
    match outcome {
        Ok(()) => Ok(world.reached),
        Err(error) => {
            let from = world.story.len().saturating_sub(STORY_LINES);
            let story = world.story[from..].join("\n");
            Err(format!("{story}\nDAYBOOK_ALWAYS_SEED={seed} DAYBOOK_ALWAYS_RUNS=1: {error}"))
        }
    }
}

both! {
    async fn what_always_holds_holds_after_every_judgement(app: TestApp) {
        let other = app.another_replica().await;
        let (seed, steps) = (number("DAYBOOK_ALWAYS_SEED", 1), number("DAYBOOK_ALWAYS_STEPS", STEPS));
        let runs = number("DAYBOOK_ALWAYS_RUNS", RUNS);
        let mut reached = BTreeSet::new();
        for seed in seed..seed + runs {
            match play([&app, &other], seed, steps).await {
                Ok(more) => reached.extend(more),
                Err(error) => panic!("{error}"),
            }
        }
        // A run that reaches nothing shows nothing.
        if runs >= RUNS {
            let wanted = [
                "a member is edited", "a word", "again", "alias", "approve decided", "ask_for_changes decided",
                "at once 1 decided", "batch taken back", "capped", "closing", "compact", "confirm", "confirmed", "coordinator",
                "decline said", "declined together", "first approval", "for an organisation", "hired", "joined", "keep decided", "left",
                "lost", "merge decided", "message said", "nothing_posted", "offline", "own_credit", "peer",
                "preview applied", "preview changed", "professional", "pushed", "reclassify decided",
                "reject decided", "restored", "second approval", "settle decided", "silence approved",
                "undo decided", "undo_blocked", "unmerge decided", "version_changed",
            ];
            let missed: Vec<&str> = wanted.into_iter().filter(|step| !reached.contains(*step)).collect();
            assert_eq!(missed, Vec::<&str>::new(), "never reached, but {reached:?}");
        }
    }
}
