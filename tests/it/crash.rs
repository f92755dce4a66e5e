//! The real server, killed with SIGKILL while phones sync and coordinators decide. Whatever it acknowledged is
//! there afterwards, and nothing is counted twice.

mod audit;
mod people;
mod replicas;
pub mod server;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::app::Backend;
use people::{Coordinator, RealPhone, Resident, Told, World, below, new_phone};
use server::Server;

/// Kills of one run; `CRASH_ROUNDS` asks for more.
const ROUNDS: u64 = 20;
/// Requests between a restart and the next kill, at most.
const REQUESTS_MAX: u64 = 60;
/// However few were sent by then: a busy machine must not make the test long.
const REQUESTS_WITHIN: Duration = Duration::from_millis(800);
/// After that to a kill, at most.
const STRAY_MAX_US: u64 = 100_000;
/// Days apart, so that no two phones of a resident write on the same day.
const DAYS_APART: u64 = 20_000;

/// What a run of kills was like.
#[derive(Debug, Default)]
struct Kills {
    /// Milliseconds from a start to readiness.
    restarts_ms: Vec<u128>,
    /// Restarts that found versions which nobody had judged.
    found_waiting: usize,
}

/// A coordinator, invited by whoever runs the server.
async fn coordinator(server: &Server, name: &str, urls: &[String], create: bool) -> RealPhone {
    let mut arguments = vec!["invite", "--neighbourhood", "Balsall Heath", "--coordinator"];
    arguments.extend(create.then_some("--create"));
    let told = server.run(&arguments).await;
    let invitation = told.split_whitespace().find(|word| word.starts_with("dbi_")).expect("an invitation");
    let mut phone = new_phone(name, urls);
    phone.enrol(invitation).await.expect("enrolled");
    phone
}

/// Three residents, one of them with two phones, and a coordinator.
async fn people(server: &Server, urls: &[String]) -> (Vec<Resident>, Coordinator) {
    let mut coordinator = coordinator(server, "Carol", urls, true).await;
    let mut residents = Vec::new();
    for name in ["Asha", "Ben", "Chidi"] {
        let mut phone = new_phone(name, urls);
        let id = phone.uuid();
        enrol(&mut coordinator, &mut phone, &json!({ "id": id })).await;
        let party = phone.party;
        residents.push(Resident::new(phone, party, 0));
    }
    let first = &mut residents[0];
    let (party, own) = (first.party, first.phone.own);
    let mut tablet = new_phone("Asha's tablet", urls);
    let id = tablet.uuid();
    enrol(&mut first.phone, &mut tablet, &json!({ "id": id, "party_id": party })).await;
    tablet.book(own);
    tablet.own = own;
    residents.push(Resident::new(tablet, party, DAYS_APART));
    (residents, Coordinator { phone: coordinator })
}

async fn enrol(host: &mut RealPhone, phone: &mut RealPhone, invitation: &Value) {
    let made: Value = host.post("/v1/invitations", invitation).await.expect("an invitation");
    phone.enrol(made["token"].as_str().expect("a token")).await.expect("enrolled");
}

/// Kills and starts the server, each time in the middle of the work.
async fn kill_again_and_again(
    server: &mut Server,
    world: &World,
    up: &watch::Sender<bool>,
    told: &[Told],
) -> Kills {
    let rounds = std::env::var("CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut kills = Kills::default();
    for _ in 0..rounds {
        let busy = world.busy(1 + below(REQUESTS_MAX));
        let _ = tokio::time::timeout(REQUESTS_WITHIN, busy).await;
        tokio::time::sleep(Duration::from_micros(below(STRAY_MAX_US))).await;
        server.kill();
        up.send_replace(false);
        kills.restarts_ms.push(server.start().await.as_millis());
        kills.found_waiting += usize::from(audit::after_a_restart(&server.database_url, told).await);
        up.send_replace(true);
    }
    kills
}

/// Everything was synced and judged, and the coordinator has nothing left to decide.
async fn settle(world: &World, residents: &mut [Resident], coordinators: &mut [Coordinator]) {
    loop {
        let mut waits = false;
        for resident in residents.iter_mut() {
            waits |= resident.sync(world).await;
        }
        for coordinator in coordinators.iter_mut() {
            waits |= coordinator.decide(world).await > 0;
        }
        if !waits {
            return;
        }
    }
}

async fn nothing_acknowledged_is_lost(backend: Backend) {
    let mut server = Server::new(backend).await;
    server.start().await;
    let (residents, coordinator) = people(&server, std::slice::from_ref(&server.url)).await;
    let (up, is_up) = watch::channel(true);
    let world = World::new(is_up);
    let told: Vec<Told> = residents.iter().map(Resident::told).chain([coordinator.told()]).collect();
    let deciding = tokio::spawn(coordinator.live(Arc::clone(&world)));
    let living: Vec<_> =
        residents.into_iter().map(|each| tokio::spawn(each.live(Arc::clone(&world)))).collect();

    let kills = kill_again_and_again(&mut server, &world, &up, &told).await;
    world.stop.store(true, Ordering::SeqCst);
    let mut residents = Vec::new();
    for each in living {
        residents.push(each.await.expect("nobody gave up"));
    }
    world.synced.notify_waiters();
    let mut coordinators = [deciding.await.expect("nobody gave up")];
    settle(&world, &mut residents, &mut coordinators).await;

    let recognised = audit::as_told(&world, &mut residents, &mut coordinators).await;
    server.kill();
    audit::books(&server.database_url, recognised).await;
    server.run(&["rebuild", "--compare"]).await;
    report(backend, &kills, &world, &residents, &coordinators[0], recognised);
}

fn report(
    backend: Backend,
    kills: &Kills,
    world: &World,
    residents: &[Resident],
    coordinator: &Coordinator,
    recognised: i64,
) {
    let mut ms = kills.restarts_ms.clone();
    ms.sort_unstable();
    let changes: usize = residents.iter().map(|each| each.heard().changes.len()).sum();
    let unanswered: usize = residents.iter().map(|each| each.heard().unanswered).sum();
    let (syncs, decisions) =
        (world.cut_syncs.load(Ordering::SeqCst), world.cut_decisions.load(Ordering::SeqCst));
    println!(
        "{backend:?}: {} kills, {} with versions not judged; {syncs} syncs and {decisions} decisions cut off; \
         acknowledged {changes} changes and {} decisions; {unanswered} changes committed but unanswered; \
         {recognised} minutes; restarts {} to {} ms, median {}",
        ms.len(),
        kills.found_waiting,
        coordinator.heard().decisions.len(),
        ms[0],
        ms[ms.len() - 1],
        ms[ms.len() / 2],
    );
    assert!(ms.len() >= 20, "at least twenty kills");
    assert!(syncs > 0, "no kill met a sync");
    assert!(!coordinator.heard().decisions.is_empty(), "nothing was decided");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_sqlite() {
    nothing_acknowledged_is_lost(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_on_postgres() {
    nothing_acknowledged_is_lost(Backend::Postgres).await;
}
