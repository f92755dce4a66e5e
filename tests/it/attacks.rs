//! Every attack that is known of servers like this one, against the real binary in a process of its own: each
//! is answered by itself, costs little memory, and an honest phone syncs afterwards as if nothing had been.
//!
//! On SQLite alone: what is attacked comes before the database.

pub mod forge;
mod named;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ROOT};
use daybook::api::sync::{Outcome, OutcomeKind};
use daybook::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::domain::activity::Kind;
use daybook::domain::limits::{
    CHANGE_PREDECESSORS_BASE, CHANGE_PREDECESSORS_PER_OPERATION, DAYBOOK_OPERATIONS_BASE, REQUEST_CHUNKS_MAX,
    REQUEST_OPERATIONS_MAX,
};
use daybook::phone::{Http, Phone};
use daybook::store::Database;
use daybook::store::entity::daybook as row;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::json;

use crate::crash::server::Server;
use crate::support::Backend;
use crate::support::app::START_MS;
use crate::wire;

/// What a process may grow by while it is attacked.
const RISE_KIB_MAX: u64 = 64 * 1024;
/// What one operation may name.
const PREDECESSORS_MAX: u64 = CHANGE_PREDECESSORS_BASE + CHANGE_PREDECESSORS_PER_OPERATION;

/// One attack, and what each of its chunks must become.
struct Attack {
    name: &'static str,
    entries: Vec<Vec<u8>>,
    becomes: fn(usize, &Outcome) -> bool,
}

fn refused(outcome: &Outcome, code: &str) -> bool {
    outcome.outcome == OutcomeKind::Refused && outcome.code.as_deref() == Some(code)
}

fn attack(name: &'static str, entries: Vec<Vec<u8>>, becomes: fn(usize, &Outcome) -> bool) -> Attack {
    Attack { name, entries, becomes }
}

/// Actors that differ.
fn actor(at: usize) -> [u8; 16] {
    let mut actor = [9; 16];
    actor[..4].copy_from_slice(&u32::try_from(at).expect("few").to_be_bytes());
    actor
}

/// Maps in maps, so deep.
fn nested(depth: usize) -> Vec<u8> {
    let mut doc = AutoCommit::new().with_actor(ActorId::from([3; 16]));
    let mut inner = ROOT;
    for _ in 0..depth {
        inner = doc.put_object(&inner, "in", ObjType::Map).expect("put");
    }
    doc.get_last_local_change().expect("a change").raw_bytes().to_vec()
}

/// Each change takes what a change may have in so few bytes.
fn twenty_thousand_each(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|at| forge::nulls(&actor(at), 20_000)).collect()
}

#[expect(clippy::too_many_lines, reason = "a table: an attack, and what it must cost at most")]
fn attacks() -> Vec<Attack> {
    let saved = {
        let mut doc = AutoCommit::new();
        doc.put(ROOT, "k", "a".repeat(1_000_000)).expect("put");
        doc.save()
    };
    let too_many = |_: usize, outcome: &Outcome| refused(outcome, "too_many_operations");
    let too_large = |_: usize, outcome: &Outcome| refused(outcome, "change_too_large");
    let bloom = |extra: &[u8]| [&[0x42, 0, 0, 1, 0], extra].concat();
    vec![
        attack(
            "messages of the sync protocol, with Bloom filters of 2^32 probes",
            vec![bloom(&[1, 0, 7, 0]), bloom(&[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0])],
            |_, outcome| refused(outcome, "unreadable"),
        ),
        attack("a million operations in sixty bytes", vec![forge::nulls(&[7; 16], 1_000_000)], too_many),
        attack("twenty million", vec![forge::nulls(&[7; 16], 20_000_000)], too_many),
        attack(
            "forty changes of 50,000",
            (0..40).map(|at| forge::nulls(&actor(at), 50_000)).collect(),
            too_many,
        ),
        attack(
            "twelve of 20,000, just under what one request takes",
            twenty_thousand_each(12),
            |_, outcome| outcome.outcome == OutcomeKind::Accepted,
        ),
        attack(
            "twenty thousand values under one key, in sixty bytes",
            vec![forge::crowd(&[7; 16], 20_000)],
            |_, outcome| refused(outcome, "too_many_values"),
        ),
        attack("five hundred of 20,000", twenty_thousand_each(500), |at, outcome| {
            let fit = usize::try_from(REQUEST_OPERATIONS_MAX / 20_000).expect("few");
            outcome.outcome == if at < fit { OutcomeKind::Accepted } else { OutcomeKind::Deferred }
        }),
        attack(
            "five hundred deletions that name 80,000 predecessors each, in 80 KB",
            (0..REQUEST_CHUNKS_MAX).map(|at| forge::naming(&actor(at), 80_000)).collect(),
            too_many,
        ),
        attack(
            "five hundred that name as many as they may",
            (0..REQUEST_CHUNKS_MAX).map(|at| forge::naming(&actor(at), PREDECESSORS_MAX)).collect(),
            |at, outcome| {
                if at < usize::try_from(REQUEST_OPERATIONS_MAX / PREDECESSORS_MAX).expect("few") {
                    refused(outcome, "missing_predecessor")
                } else {
                    outcome.outcome == OutcomeKind::Deferred
                }
            },
        ),
        attack("half a gigabyte, deflated", vec![forge::deflate_bomb(512 * 1024 * 1024)], too_large),
        attack(
            "seven hundred changes that inflate to a megabyte each",
            (0..700).map(|at| forge::deflate_bomb(1024 * 1024 + 300 + 258 * at)).collect(),
            |at, outcome| {
                if at < 32 {
                    refused(outcome, "change_too_large")
                } else {
                    outcome.outcome == OutcomeKind::Deferred
                }
            },
        ),
        attack("a whole document, deflated", vec![saved], |_, outcome| refused(outcome, "chunk_type")),
        attack("five thousand maps in each other", vec![nested(5_000)], |_, outcome| {
            refused(outcome, "too_deep")
        }),
        attack(
            "eight thousand orphans",
            (0..8_000).map(|at| forge::orphan(&actor(at), 1)).collect(),
            |at, outcome| {
                let held = at < REQUEST_CHUNKS_MAX;
                outcome.outcome == if held { OutcomeKind::Held } else { OutcomeKind::Deferred }
            },
        ),
        attack(
            "forty orphans of 4,096 dependencies each",
            (0..40).map(|at| forge::orphan(&actor(at), 4_096)).collect(),
            |at, outcome| {
                let held = at < usize::try_from(REQUEST_OPERATIONS_MAX / (8 * 4_096)).expect("few");
                outcome.outcome == if held { OutcomeKind::Held } else { OutcomeKind::Deferred }
            },
        ),
        attack("an operation counter of 2^32 - 1", vec![forge::starting_at((1 << 32) - 1)], |_, outcome| {
            refused(outcome, "counter_too_large")
        }),
        attack("ten-byte chunks", vec![forge::chunk(9, b"").repeat(200_000)], |at, outcome| {
            if at < 4_096 { refused(outcome, "chunk_type") } else { outcome.outcome == OutcomeKind::Deferred }
        }),
        attack(
            "ten thousand entries that are nothing",
            (0..10_000).map(|at| format!("x{at}").into_bytes()).collect(),
            |at, outcome| {
                if at < 4_096 {
                    refused(outcome, "unreadable")
                } else {
                    outcome.outcome == OutcomeKind::Deferred
                }
            },
        ),
    ]
}

/// Kibibytes of the process: most ever since the last reset, and now.
fn memory(pid: u32) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("a line");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number")
    };
    (of("VmHWM:"), of("VmRSS:"))
}

fn new_phone(server: &Server, name: &str) -> Phone<Http> {
    let http = Http::new(&server.url).expect("a client");
    let random = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let mut phone =
        Phone::new(name, http, &server.url, Box::new(|| SystemClock.now_ms()), random).expect("a phone");
    phone.now_ms = START_MS;
    phone
}

async fn enrolled(server: &Server, host: &mut Phone<Http>, name: &str) -> Phone<Http> {
    let mut phone = new_phone(server, name);
    let body = json!({ "id": phone.uuid() });
    let invitation: serde_json::Value = host.post("/v1/invitations", &body).await.expect("an invitation");
    phone.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
    phone
}

/// Operations in a daybook, and its raw bytes.
async fn weight(db: &Database, id: daybook::domain::ids::DaybookId) -> (i64, i64) {
    let found = row::Entity::find().filter(row::Column::Id.eq(id.0)).one(db.read()).await;
    let row = found.expect("read").expect("a daybook");
    (row.operations, row.raw_bytes)
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_attack_costs_much_memory_or_hinders_an_honest_phone() {
    let mut server = Server::new(Backend::Sqlite).await;
    server.start().await;
    let pid = server.pid();
    let told = server.run(&["invite", "--neighbourhood", "Balsall Heath", "--create", "--coordinator"]).await;
    let invitation = told.split_whitespace().find(|word| word.starts_with("dbi_")).expect("an invitation");
    let mut carol = new_phone(&server, "Carol");
    carol.enrol(invitation).await.expect("enrolled");
    let mut honest = enrolled(&server, &mut carol, "Honest").await;
    honest.sync().await.expect("synced");
    let db = Database::connect(&server.database_url, 1).await.expect("the database");
    let mut report = Vec::new();
    for Attack { name, entries, becomes } in attacks() {
        let mut phone = enrolled(&server, &mut carol, name).await;
        let own = phone.own;
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").expect("the peak is reset");
        let (_, before) = memory(pid);
        // Twice: what was refused, held or taken is not decoded again, and changes nothing.
        for round in 0..2 {
            let request = wire::request(vec![wire::push(own, &entries)]);
            let answer: daybook::api::sync::SyncAnswer =
                phone.post("/v1/sync", &request).await.expect("an answer");
            if round == 0 {
                for (at, outcome) in answer.daybooks[0].outcomes.iter().enumerate() {
                    assert!(becomes(at, outcome), "{name}: chunk {at} became {outcome:?}");
                }
            }
        }
        let (peak, _) = memory(pid);
        let rise = peak.saturating_sub(before);
        report.push(format!("{name}: {rise} KiB"));
        assert!(rise < RISE_KIB_MAX, "{name}: the process grew by {rise} KiB");
        let (operations, raw_bytes) = weight(&db, own).await;
        let most = i64::try_from(DAYBOOK_OPERATIONS_BASE).expect("small") + raw_bytes;
        assert!(operations <= most, "{name}: {operations} operations, at most {most}");

        let me = honest.party;
        honest.record(Kind::Hours, "2026-11-20", |a| _ = a.minutes(me, 1)).expect("recorded");
        assert_eq!(honest.sync().await.expect("synced").accepted, 1, "after {name}");
    }
    println!("{}", report.join("\n"));
}
