//! Residents who record and sync, and a coordinator who decides, while the server dies again and again. What
//! they were told is what must be there in the end.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::http::{Request, Response};
use daybook::api::decisions::{DecisionOutcome, DecisionsAnswer};
use daybook::api::sync::{OutcomeKind, SyncAnswer};
use daybook::app::{Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::domain::activity::Kind;
use daybook::domain::ids::{ActivityId, DaybookId, DecisionId, PartyId};
use daybook::phone::{Http, NoAnswer, Phone, PhoneError, Transport};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

pub type RealPhone = Phone<Witness>;

/// 2026-11-21 at 10:00 in UTC; phones' clocks do not matter.
const PHONE_CLOCK_MS: i64 = 1_795_255_200_000;
/// Activities that a coordinator looks at in one go.
const LOOK_AT: usize = 20;

/// What the people share.
pub struct World {
    /// Whether the server is there.
    pub up: watch::Receiver<bool>,
    /// Requests sent so far, and a bell for each.
    pub sent: AtomicU64,
    pub sending: Notify,
    pub stop: AtomicBool,
    pub synced: Notify,
    /// Syncs and decisions whose answer never came.
    pub cut_syncs: AtomicU64,
    pub cut_decisions: AtomicU64,
}

impl World {
    pub fn new(up: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            up,
            sent: AtomicU64::new(0),
            sending: Notify::new(),
            stop: AtomicBool::new(false),
            synced: Notify::new(),
            cut_syncs: AtomicU64::new(0),
            cut_decisions: AtomicU64::new(0),
        })
    }

    /// Announces a request, once the server is there.
    async fn send(&self) {
        self.up.clone().wait_for(|up| *up).await.expect("the server comes back");
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.sending.notify_waiters();
    }

    /// Waits until so many more requests were sent.
    pub async fn busy(&self, more: u64) {
        let until = self.sent.load(Ordering::SeqCst) + more;
        loop {
            let sending = self.sending.notified();
            if self.sent.load(Ordering::SeqCst) >= until {
                return;
            }
            sending.await;
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// A number below the bound.
pub fn below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    SystemRandom.fill(&mut bytes);
    u64::from_le_bytes(bytes) % bound
}

/// What the server said.
#[derive(Debug, Default)]
pub struct Heard {
    /// Changes that are accepted or duplicate: the server has them.
    pub changes: HashSet<[u8; 32]>,
    /// Decisions made, or made before.
    pub decisions: BTreeSet<DecisionId>,
    /// Changes committed, though the answer that said so first never came.
    pub unanswered: usize,
    /// Requests that each server was sent.
    pub asked: Vec<u64>,
    /// Syncs sent to two servers at once.
    pub twice: u64,
}

/// What somebody was told, and of which daybook.
pub type Told = (DaybookId, Arc<Mutex<Heard>>);

/// Reaches one of the servers, as a balancer would have it, and remembers what it said.
#[derive(Debug, Clone)]
pub struct Witness {
    servers: Vec<Http>,
    pub heard: Arc<Mutex<Heard>>,
}

impl Witness {
    async fn ask(&self, at: usize, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        self.heard.lock().expect("nobody panicked").asked[at] += 1;
        let answer = self.servers[at].send(request).await?;
        self.note(&answer);
        Ok(answer)
    }

    fn note(&self, answer: &Response<Vec<u8>>) {
        // Each kind of answer reads only as what it is.
        let mut heard = self.heard.lock().expect("nobody panicked");
        if let Ok(synced) = serde_json::from_slice::<SyncAnswer>(answer.body()) {
            for outcome in synced.daybooks.iter().flat_map(|daybook| &daybook.outcomes) {
                let has = matches!(outcome.outcome, OutcomeKind::Accepted | OutcomeKind::Duplicate);
                let new = has && heard.changes.insert(outcome.hash.0);
                heard.unanswered += usize::from(new && outcome.outcome == OutcomeKind::Duplicate);
            }
        } else if let Ok(decided) = serde_json::from_slice::<DecisionsAnswer>(answer.body()) {
            let made = decided.items.iter().filter(|item| matches!(item.status, 200 | 201));
            heard.decisions.extend(made.map(|item| item.id));
        }
    }
}

impl Transport for Witness {
    /// With several servers, some syncs reach two of them at once: a balancer that gave up waiting too early
    /// and sent the request again.
    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, NoAnswer> {
        let count = self.servers.len();
        let at = usize::try_from(below(u64::try_from(count).expect("few"))).expect("few");
        if count < 2 || request.uri().path() != "/v1/sync" || below(4) > 0 {
            return self.ask(at, request).await;
        }
        self.heard.lock().expect("nobody panicked").twice += 1;
        let other = self.ask((at + 1) % count, request.clone());
        let (one, two) = tokio::join!(self.ask(at, request), other);
        one.or(two)
    }
}

/// A phone that reaches any of the servers, the first of which has their public address; not enrolled.
pub fn new_phone(name: &str, urls: &[String]) -> RealPhone {
    let random = SystemRandom;
    let servers: Vec<Http> = urls.iter().map(|url| Http::new(url).expect("a client")).collect();
    let heard = Heard { asked: vec![0; servers.len()], ..Heard::default() };
    let witness = Witness { servers, heard: Arc::new(Mutex::new(heard)) };
    let clock = Box::new(|| SystemClock.now_ms());
    let mut phone = Phone::new(name, witness, &urls[0], clock, Box::new(move |bytes| random.fill(bytes)))
        .expect("a phone");
    phone.now_ms = PHONE_CLOCK_MS;
    phone
}

/// No answer, or one cut off: what became of the request is not known.
fn is_cut(error: &PhoneError) -> bool {
    matches!(error, PhoneError::NoAnswer(_) | PhoneError::Refused { status: 503, .. })
}

/// A phone, what its resident wrote on it, and what the server acknowledged.
pub struct Resident {
    pub phone: RealPhone,
    /// Whose minutes this phone writes down.
    pub party: PartyId,
    /// The latest minutes of each activity recorded here.
    pub minutes: BTreeMap<ActivityId, i64>,
    days: u64,
}

impl Resident {
    pub fn new(phone: RealPhone, party: PartyId, first_day: u64) -> Self {
        Self { phone, party, minutes: BTreeMap::new(), days: first_day }
    }

    /// The same, for whoever watches from outside.
    pub fn told(&self) -> Told {
        (self.phone.own, Arc::clone(&self.phone.session.transport.heard))
    }

    /// What the server said of this phone's changes.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.phone.session.transport.heard.lock().expect("nobody panicked")
    }

    /// A new record, on a day of its own so that a rule may approve it; or other minutes in an old one.
    fn write(&mut self) {
        let (party, minutes) = (self.party, 1 + i64::try_from(below(90)).expect("small"));
        let ids: Vec<ActivityId> = self.minutes.keys().copied().collect();
        if !ids.is_empty() && below(3) == 0 {
            let at = usize::try_from(below(u64::try_from(ids.len()).expect("few"))).expect("few");
            self.phone
                .edit(ids[at], |entry| {
                    entry.minutes(party, minutes);
                })
                .expect("edited");
            self.minutes.insert(ids[at], minutes);
            return;
        }
        let day =
            format!("{}-{:02}-{:02}", 2000 + self.days / 336, 1 + self.days / 28 % 12, 1 + self.days % 28);
        self.days += 1;
        let id = self.phone.record(Kind::Hours, &day, |entry| {
            entry.minutes(party, minutes);
        });
        self.minutes.insert(id.expect("recorded"), minutes);
    }

    /// Syncs, again and again until an answer comes.
    pub async fn sync(&mut self, world: &World) -> bool {
        loop {
            world.send().await;
            match self.phone.sync().await {
                Ok(report) => {
                    assert_eq!((report.held, report.refused, report.restarts), (0, 0, 0), "{report:?}");
                    world.synced.notify_waiters();
                    return report.verdicts_pending;
                }
                Err(error) if is_cut(&error) => world.cut_syncs.fetch_add(1, Ordering::SeqCst),
                Err(error) => panic!("{}: {error}", self.phone.name),
            };
        }
    }

    /// Records and syncs until the test ends.
    pub async fn live(mut self, world: Arc<World>) -> Self {
        while !world.stopped() {
            for _ in 0..=below(4) {
                self.write();
            }
            self.sync(&world).await;
        }
        self
    }
}

/// Somebody who decides what the rules leave over.
pub struct Coordinator {
    pub phone: RealPhone,
}

impl Coordinator {
    pub fn told(&self) -> Told {
        (self.phone.own, Arc::clone(&self.phone.session.transport.heard))
    }

    /// What the server said of decisions.
    pub fn heard(&self) -> MutexGuard<'_, Heard> {
        self.phone.session.transport.heard.lock().expect("nobody panicked")
    }

    async fn get(&mut self, world: &World, path: &str) -> Value {
        loop {
            world.send().await;
            match self.phone.get(path).await {
                Ok(answer) => return answer,
                Err(error) => assert!(is_cut(&error), "{path}: {error}"),
            }
        }
    }

    /// Every item of a list.
    pub async fn list(&mut self, world: &World, path: &str) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let page = self.get(world, &format!("{path}limit=200{after}")).await;
            items.extend(page["items"].as_array().expect("items").iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// Decides on what the rules left open, newest first; says on how many records.
    pub async fn decide(&mut self, world: &World) -> usize {
        let mut open = Vec::new();
        for review in ["edited_after_approval", "received"] {
            let page = self.get(world, &format!("/v1/activities?review={review}&limit={LOOK_AT}")).await;
            open.extend(page["items"].as_array().expect("items").iter().cloned());
        }
        // Mostly what was judged, sometimes what is still waiting for it.
        open.retain(|view| {
            let newest = view["version"].as_str().and_then(|version| version.split('-').next());
            newest == Some(view["judged_version"].to_string().as_str()) || below(4) == 0
        });
        if open.is_empty() {
            return 0;
        }
        let items: Vec<Value> = open.iter().map(|view| self.decision(view)).collect();
        self.send_decisions(world, &json!({ "items": items })).await;
        open.len()
    }

    fn decision(&mut self, view: &Value) -> Value {
        let (step, reason) =
            if below(4) == 0 { ("reject", Some("counted elsewhere")) } else { ("approve", None) };
        json!({
            "id": self.phone.uuid(), "activity_id": view["id"], "version": view["version"],
            "decision_seq": view["decision_seq"], "step": step, "reason": reason,
        })
    }

    /// The same decisions until an answer comes: those that were stored meanwhile are answered as such.
    async fn send_decisions(&mut self, world: &World, body: &Value) {
        loop {
            world.send().await;
            let answer: Result<DecisionsAnswer, PhoneError> = self.phone.post("/v1/decisions", body).await;
            match answer {
                Ok(answer) => {
                    let fine = |item: &DecisionOutcome| {
                        matches!(item.status, 200 | 201) || item.code.as_deref() == Some("version_changed")
                    };
                    assert!(answer.items.iter().all(fine), "{answer:?}");
                    return;
                }
                Err(error) if is_cut(&error) => world.cut_decisions.fetch_add(1, Ordering::SeqCst),
                Err(error) => panic!("{error}"),
            };
        }
    }

    /// Decides until the test ends.
    pub async fn live(mut self, world: Arc<World>) -> Self {
        while !world.stopped() {
            let synced = world.synced.notified();
            if self.decide(&world).await == 0 && !world.stopped() {
                synced.await;
            }
        }
        self
    }
}
