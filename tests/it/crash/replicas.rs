//! Three processes of the real server on one PostgreSQL: phones and coordinators reach any of them, some syncs
//! reach two at once, all clerks judge the one neighbourhood, and again and again one process is killed. Nothing
//! is lost and nothing is there twice.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::people::{Coordinator, Resident, Told, World, below};
use super::server::Server;
use super::{Backend, audit, coordinator, people, settle};

/// Processes on the database.
const SERVERS: usize = 3;
/// Kills of one run; `CRASH_ROUNDS` asks for more.
const ROUNDS: u64 = 5;
/// Requests between a kill and a restart, or a restart and the next kill, at most.
const REQUESTS_MAX: u64 = 60;
/// However few were sent by then: a busy machine must not make the test long.
const REQUESTS_WITHIN: Duration = Duration::from_millis(600);

/// What each process did, over all its lives.
#[derive(Debug, Default)]
struct Work {
    accepted: [f64; SERVERS],
    /// Rounds of its clerk, also those that found another at it.
    rounds: [f64; SERVERS],
    judged: [f64; SERVERS],
}

impl Work {
    /// Adds what a process has counted since its start.
    async fn add(&mut self, at: usize, server: &mut Server) {
        let measured = server.measured().await;
        self.accepted[at] += measured.value("daybook_changes_total{outcome=\"accepted\"}");
        self.rounds[at] += measured.sum("daybook_clerk_rounds_total");
        self.judged[at] += measured.value("daybook_versions_judged_total");
    }
}

async fn start_all() -> Vec<Server> {
    let first = Server::new(Backend::Postgres).await;
    let mut servers = vec![Server::beside(&first), Server::beside(&first)];
    servers.insert(0, first);
    for server in &mut servers {
        server.start().await;
    }
    servers
}

/// Kills one process in the middle of the work, lets the others carry on alone, and starts it again.
async fn kill_one_after_the_other(servers: &mut [Server], world: &World, told: &[Told]) -> Work {
    let rounds = std::env::var("CRASH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut work = Work::default();
    for _ in 0..rounds {
        let _ = tokio::time::timeout(REQUESTS_WITHIN, world.busy(1 + below(REQUESTS_MAX))).await;
        let at = usize::try_from(below(u64::try_from(servers.len()).expect("few"))).expect("few");
        work.add(at, &mut servers[at]).await;
        servers[at].kill();
        let _ = tokio::time::timeout(REQUESTS_WITHIN, world.busy(1 + below(REQUESTS_MAX))).await;
        servers[at].start().await;
        audit::after_a_restart(&servers[at].database_url, told).await;
    }
    for (at, server) in servers.iter_mut().enumerate() {
        work.add(at, server).await;
    }
    work
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_of_which_one_dies_lose_nothing_and_double_nothing() {
    let mut servers = start_all().await;
    let urls: Vec<String> = servers.iter().map(|server| server.url.clone()).collect();
    let (residents, carol) = people(&servers[0], &urls).await;
    let dee = Coordinator { phone: coordinator(&servers[1], "Dee", &urls, false).await };
    let (_up, is_up) = watch::channel(true);
    let world = World::new(is_up);
    let told: Vec<Told> = residents.iter().map(Resident::told).chain([carol.told(), dee.told()]).collect();
    let deciding = [carol, dee].map(|each| tokio::spawn(each.live(Arc::clone(&world))));
    let living: Vec<_> =
        residents.into_iter().map(|each| tokio::spawn(each.live(Arc::clone(&world)))).collect();

    let work = kill_one_after_the_other(&mut servers, &world, &told).await;
    world.stop.store(true, Ordering::SeqCst);
    let mut residents = Vec::new();
    for each in living {
        residents.push(each.await.expect("nobody gave up"));
    }
    let mut coordinators = Vec::new();
    for each in deciding {
        world.synced.notify_waiters();
        coordinators.push(each.await.expect("nobody gave up"));
    }
    settle(&world, &mut residents, &mut coordinators).await;

    let recognised = audit::as_told(&world, &mut residents, &mut coordinators).await;
    for server in &mut servers {
        server.kill();
    }
    audit::books(&servers[0].database_url, recognised).await;
    servers[0].run(&["rebuild", "--compare"]).await;
    report(&work, &world, &residents, &coordinators, recognised);
}

/// What the run was like; one that met nothing shows nothing.
fn report(work: &Work, world: &World, residents: &[Resident], coordinators: &[Coordinator], recognised: i64) {
    let changes: usize = residents.iter().map(|each| each.heard().changes.len()).sum();
    let twice: u64 = residents.iter().map(|each| each.heard().twice).sum();
    let mut asked = [0; SERVERS];
    for each in residents {
        asked.iter_mut().zip(&each.heard().asked).for_each(|(sum, asked)| *sum += asked);
    }
    let decided: Vec<usize> = coordinators.iter().map(|each| each.heard().decisions.len()).collect();
    let (syncs, decisions) =
        (world.cut_syncs.load(Ordering::SeqCst), world.cut_decisions.load(Ordering::SeqCst));
    println!(
        "{work:?}; residents' requests {asked:?}, {twice} syncs sent twice at once; {changes} changes and \
         {decided:?} decisions acknowledged; {syncs} syncs and {decisions} decisions cut off; {recognised} minutes"
    );
    assert!(asked.iter().all(|asked| *asked > 0), "a server was never asked");
    assert!(work.accepted.iter().all(|changes| *changes > 0.0), "a server never accepted anything");
    assert!(work.rounds.iter().all(|rounds| *rounds > 0.0), "a clerk never looked");
    assert!(twice > 0 && syncs > 0, "no sync was sent twice, or none was cut off");
    assert!(decided.iter().all(|decided| *decided > 0), "a coordinator never decided");
}
