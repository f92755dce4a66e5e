//! The property test of the one recovery: random schedules of one resident's programs that are copied, restored,
//! refused and cut off, against a server that is restored too. Afterwards nothing is lost, nothing counted twice,
//! and nobody is silent.

mod backup;
mod check;
mod forge;
mod steps;
mod world;

use std::collections::BTreeMap;

use crate::support::{TestApp, both};
use world::World;

/// Schedules of one test; `make recovery` asks for more with `DAYBOOK_SCHEDULES`.
const SCHEDULES: u64 = 20;
/// Schedules that once found something: what was held, and refused when what it waited for came.
const KNOWN: [u64; 1] = [5058];
/// Steps of one schedule; more with `DAYBOOK_SCHEDULE_STEPS`.
const STEPS: u64 = 40;
/// Lines of a story that a failure shows.
const STORY_LINES: usize = 80;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Plays one schedule. What went wrong is told with the seed and the story.
async fn play(app: &TestApp, seed: u64, steps: u64) -> Result<BTreeMap<&'static str, u64>, String> {
    let mut world = World::new(app, seed).await;
    let mut outcome = Ok(());
    for _ in 0..steps {
        outcome = world.step().await;
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        outcome = world.finish().await;
    }
    world.leave().await;
    match outcome {
        Ok(()) => Ok(world.reached),
        Err(error) => {
            let from = world.story.len().saturating_sub(STORY_LINES);
            let story = world.story[from..].join("\n");
            Err(format!("{story}\nDAYBOOK_SCHEDULE={seed} DAYBOOK_SCHEDULES=1: {error}"))
        }
    }
}

both! {
    async fn whatever_happens_to_phones_nothing_is_lost_or_counted_twice_and_nobody_is_silent(app: TestApp) {
        let (first, steps) = (number("DAYBOOK_SCHEDULE", 1), number("DAYBOOK_SCHEDULE_STEPS", STEPS));
        let schedules = number("DAYBOOK_SCHEDULES", SCHEDULES);
        let mut reached = BTreeMap::new();
        let known = KNOWN.into_iter().filter(|_| schedules >= SCHEDULES);
        for seed in known.chain(first..first + schedules) {
            match play(&app, seed, steps).await {
                Ok(more) => more.into_iter().for_each(|(what, times)| *reached.entry(what).or_insert(0) += times),
                Err(error) => panic!("{error}"),
            }
        }
        println!("{schedules} schedules from {first} on: {reached:?}");
        // A run that reaches nothing shows nothing.
        if schedules >= SCHEDULES {
            let wanted = [
                "clone", "count", "edit", "held back", "lost", "note", "record", "refuse", "refused", "reload",
                "restart", "restore", "restore pinned", "server restored", "start over", "sync",
            ];
            let missed: Vec<&str> = wanted.into_iter().filter(|step| !reached.contains_key(step)).collect();
            assert_eq!(missed, Vec::<&str>::new(), "never reached");
        }
    }
}
