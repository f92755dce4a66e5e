//! What every request can reach: the database, the keys, the clock, randomness, bells, documents, metrics.

mod budgets;
mod sandboxes;
mod shares;
mod waking;

use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use moka::sync::Cache;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use uuid::Uuid;

use crate::auth::access::Claims;
use crate::auth::keys::KeyRing;
use crate::auth::scopes::Scopes;
use crate::domain::budget::Bucket;
use crate::domain::ids::{DaybookId, DeviceId, GrantId, NeighbourhoodId, PartyId};
use crate::domain::limits::{DOCUMENT_CACHE_BYTES_DEFAULT, DOCUMENT_LOADS_BYTES_MAX};
use crate::merge::loaded::Documents;
use crate::metrics::{Metrics, Queue};
use crate::store::Database;

use budgets::Budgets;
pub use budgets::Payer;
pub use sandboxes::Sandboxes;
pub use shares::Shares;
pub use waking::{Bell, Followers, RungBy};

/// How long a role or a grant is read from memory. A revocation reaches every replica within five seconds: a second is
/// left for what was being read or asked at that moment.
pub const ACCESS_CACHE_TTL: Duration = Duration::from_secs(4);
/// A grant that pushed nothing for so long has a full budget again.
const BUDGETS_REMEMBERED: Duration = Duration::from_secs(2 * 3_600);
/// Verified access tokens remembered, so that only the DPoP proof is verified at each request.
const TOKENS_REMEMBERED_MAX: u64 = 50_000;
const LOADS_KIB_MAX: u64 = DOCUMENT_LOADS_BYTES_MAX / 1024;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, UTC.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now_ms(&self) -> i64 {
        chrono::Utc::now().timestamp_millis()
    }
}

/// Where randomness comes from.
pub trait Random: Send + Sync + 'static {
    /// Fills the bytes.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    #[expect(
        clippy::expect_used,
        reason = "without randomness nothing here is safe, so the process must not go on"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
    }
}

/// Who is calling: what the database says of a grant, a moment ago at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    pub neighbourhood: NeighbourhoodId,
    /// Aliases are resolved.
    pub party: PartyId,
    /// The parties whose daybooks it may sync: its own and those of its groups.
    pub owners: Vec<PartyId>,
    /// The ids that records may name it by: its own and its aliases.
    pub names: Vec<PartyId>,
    pub grant: GrantId,
    pub device: Option<DeviceId>,
    pub scopes: Scopes,
    pub coordinator: bool,
    /// The device's key; its requests carry proofs of it.
    pub thumbprint: Option<String>,
    pub token_hash: Vec<u8>,
    pub expires_at_ms: i64,
    pub revoked: bool,
}

impl Access {
    /// Who pays for what it asks for.
    #[must_use]
    pub fn payer(&self) -> Payer {
        Payer { grant: self.grant, party: self.party }
    }
}

tokio::task_local! {
    /// The id of the request that is being answered, as the log and the answer name it.
    pub static REQUEST: Arc<str>;
}

/// The id of the request that is being answered, if this is one.
#[must_use]
pub fn current_request() -> Option<Arc<str>> {
    REQUEST.try_with(Arc::clone).ok()
}

/// Shared by all requests; a clone is a reference.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    db: Database,
    keys: RwLock<Arc<KeyRing>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    public_url: String,
    operator_token: Option<String>,
    /// A URI of whom to tell of a weakness.
    security_contact: Option<String>,
    bell: Bell<NeighbourhoodId>,
    compaction: Bell<(NeighbourhoodId, DaybookId)>,
    documents: Documents,
    /// A permit is a KiB.
    loading: Semaphore,
    access: Cache<(NeighbourhoodId, GrantId), Arc<Access>>,
    tokens: Cache<[u8; 32], Arc<Claims>>,
    /// What grants and parties may still push through this replica.
    budgets: Budgets,
    /// Held by a push that is heavy to decode: one at a time, so that memory stays bounded.
    heavy: Semaphore,
    draining: watch::Sender<bool>,
    metrics: Metrics,
    followers: Followers,
    sandboxes: Sandboxes,
    shares: Shares,
    /// Who edits as JSON in a daybook takes turns, through this replica.
    editing: Cache<DaybookId, Arc<tokio::sync::Mutex<()>>>,
}

impl App {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        db: Database,
        keys: KeyRing,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        public_url: String,
        operator_token: Option<String>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                keys: RwLock::new(Arc::new(keys)),
                clock,
                random,
                public_url,
                operator_token,
                security_contact: None,
                bell: Bell::default(),
                compaction: Bell::default(),
                documents: Documents::new(DOCUMENT_CACHE_BYTES_DEFAULT),
                loading: Semaphore::new(usize::try_from(LOADS_KIB_MAX).unwrap_or(Semaphore::MAX_PERMITS)),
                access: Cache::builder()
                    .time_to_live(ACCESS_CACHE_TTL)
                    .max_capacity(TOKENS_REMEMBERED_MAX)
                    .build(),
                tokens: Cache::builder().max_capacity(TOKENS_REMEMBERED_MAX).build(),
                budgets: Budgets::default(),
                heavy: Semaphore::new(1),
                draining: watch::channel(false).0,
                metrics: Metrics::default(),
                followers: Followers::default(),
                sandboxes: Sandboxes::default(),
                shares: Shares::default(),
                editing: Cache::builder()
                    .time_to_idle(BUDGETS_REMEMBERED)
                    .max_capacity(TOKENS_REMEMBERED_MAX)
                    .build(),
            }),
        }
    }

    /// The same with so much memory for documents; before anybody has a clone.
    #[must_use]
    pub fn with_document_cache(mut self, bytes: u64) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.documents = Documents::new(bytes);
        }
        self
    }

    /// The same with somebody to tell of weaknesses, by a URI; before anybody has a clone.
    #[must_use]
    pub fn with_security_contact(mut self, contact: Option<String>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.security_contact = contact;
        }
        self
    }

    #[must_use]
    pub fn security_contact(&self) -> Option<&str> {
        self.inner.security_contact.as_deref()
    }

    #[must_use]
    pub fn db(&self) -> &Database {
        &self.inner.db
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other keys in force, after a rotation.
    pub fn set_keys(&self, keys: KeyRing) {
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    /// Milliseconds since 1970, UTC.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.inner.clock.now_ms()
    }

    /// What time it is in a neighbourhood: the same, but where its clock was moved ahead. Tokens go by
    /// [`App::now_ms`].
    #[must_use]
    pub fn now_in(&self, neighbourhood: NeighbourhoodId) -> i64 {
        self.now_ms().saturating_add(self.inner.sandboxes.ahead_ms(neighbourhood).unwrap_or_default())
    }

    /// The neighbourhoods whose clock can be moved.
    #[must_use]
    pub fn sandboxes(&self) -> &Sandboxes {
        &self.inner.sandboxes
    }

    /// Where the share of automatic approvals has drifted.
    #[must_use]
    pub fn shares(&self) -> &Shares {
        &self.inner.shares
    }

    /// Random bytes.
    #[must_use]
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.inner.random.fill(&mut bytes);
        bytes
    }

    /// Fills bytes at random.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.inner.random.fill(bytes);
    }

    /// A fresh UUIDv7.
    #[must_use]
    pub fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now_ms()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.random()).into_uuid()
    }

    /// Where clients reach this server, without a trailing slash.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.inner.public_url
    }

    #[must_use]
    pub fn operator_token(&self) -> Option<&str> {
        self.inner.operator_token.as_deref()
    }

    /// Rings for the clerk: which neighbourhoods have something to judge.
    #[must_use]
    pub fn bell(&self) -> &Bell<NeighbourhoodId> {
        &self.inner.bell
    }

    /// Who waits for what happens next in a neighbourhood.
    #[must_use]
    pub fn followers(&self) -> &Followers {
        &self.inner.followers
    }

    /// What is counted and timed.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// Rings for compaction: which daybooks have grown enough.
    #[must_use]
    pub fn compaction(&self) -> &Bell<(NeighbourhoodId, DaybookId)> {
        &self.inner.compaction
    }

    /// Documents that were loaded and may be needed again.
    #[must_use]
    pub fn documents(&self) -> &Documents {
        &self.inner.documents
    }

    /// Waits until a load that takes so many bytes at its peak fits beside the others; it does until the permit
    /// is dropped. Never wait for a lock of the database with the permit in hand.
    pub async fn room_to_load(&self, bytes: u64) -> Option<SemaphorePermit<'_>> {
        let kib = u32::try_from(bytes.div_ceil(1024).clamp(1, LOADS_KIB_MAX)).unwrap_or(u32::MAX);
        let _waiting = self.inner.metrics.queues.wait(Queue::Document);
        // Nobody closes the semaphore.
        self.inner.loading.acquire_many(kib).await.ok()
    }

    /// What is remembered of grants, for [`ACCESS_CACHE_TTL`].
    #[must_use]
    pub fn access_cache(&self) -> &Cache<(NeighbourhoodId, GrantId), Arc<Access>> {
        &self.inner.access
    }

    /// Forgets what is remembered of grants: something changed that they rest on.
    pub fn forget_access(&self) {
        self.inner.access.invalidate_all();
    }

    /// Claims of access tokens whose signature was verified, by the token's SHA-256.
    #[must_use]
    pub fn token_cache(&self) -> &Cache<[u8; 32], Arc<Claims>> {
        &self.inner.tokens
    }

    /// What a grant may still push through this replica.
    #[must_use]
    pub fn budget(&self, grant: GrantId) -> Arc<Mutex<Bucket>> {
        self.inner.budgets.of_grant(grant, self.now_ms())
    }

    /// Takes so many bytes out of what a grant and its party may still push.
    ///
    /// # Errors
    /// The seconds until there are as many, at least 1; nothing was taken then.
    pub fn charge(&self, payer: Payer, bytes: u64) -> Result<(), u64> {
        self.inner.budgets.take(payer, bytes, self.now_ms())
    }

    /// Takes out what is known only afterwards, there or not: the next push waits for it.
    pub fn spend(&self, payer: Payer, bytes: u64) {
        self.inner.budgets.spend(payer, bytes, self.now_ms());
    }

    /// The turn of whoever edits as JSON in a daybook: to be locked.
    #[must_use]
    pub fn editing(&self, daybook: DaybookId) -> Arc<tokio::sync::Mutex<()>> {
        self.inner.editing.get_with(daybook, Arc::default)
    }

    /// Waits for the turn of a push that is heavy to decode; it lasts until the guard is dropped.
    pub async fn heavy_turn(&self) -> Option<SemaphorePermit<'_>> {
        let _waiting = self.inner.metrics.queues.wait(Queue::HeavyPush);
        // The semaphore is never closed.
        self.inner.heavy.acquire().await.ok()
    }

    /// From now on not ready: the process is about to end.
    pub fn drain(&self) {
        self.inner.draining.send_replace(true);
    }

    /// Whether the process is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        *self.inner.draining.borrow()
    }

    /// Waits until the process is about to end.
    pub async fn drained(&self) {
        // Nobody drops the sender before the app.
        let _ = self.inner.draining.subscribe().wait_for(|draining| *draining).await;
    }
}
