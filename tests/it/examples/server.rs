//! A server on a clock and a randomness of the story's own, so that it answers the same each time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use daybook::app::{App, Clock, Random};
use daybook::auth::seal::SealingSecret;
use daybook::flows::server_keys;
use daybook::store::Database;
use migration::{Migrator, MigratorTrait as _};
use sha2::{Digest as _, Sha256};

/// Where the story's clients reach the server.
pub const PUBLIC_URL: &str = "https://daybook.example";
/// The operator's token.
pub const OPERATOR: &str = "operator-token-of-the-examples-0123456789";
/// 2026-11-21 at 10:00 in UTC, a Saturday.
const START_MS: i64 = 1_795_255_200_000;

/// A clock that goes when it is told to.
#[derive(Debug)]
pub struct StoryClock(AtomicI64);

impl StoryClock {
    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StoryClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Randomness of a seed: as good as any to look at, and the same each time.
#[derive(Debug)]
pub struct Seeded {
    seed: String,
    drawn: AtomicU64,
}

impl Seeded {
    pub fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), drawn: AtomicU64::new(0) }
    }
}

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(32) {
            let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
            let digest = Sha256::digest(format!("{} {drawn}", self.seed));
            part.copy_from_slice(&digest[..part.len()]);
        }
    }
}

/// The application, its clock, and the folder of its database.
pub struct Server {
    pub app: App,
    pub clock: Arc<StoryClock>,
    _folder: tempfile::TempDir,
}

/// Starts on a fresh database, without a neighbourhood.
pub async fn start() -> Server {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("daybook.db").display());
    let db = Database::connect(&url, 2).await.expect("the database answers");
    Migrator::up(db.writer(), None).await.expect("migrations run");
    let secret = SealingSecret::new(&[7; 32]).expect("a secret");
    let clock = Arc::new(StoryClock(AtomicI64::new(START_MS)));
    let random = Arc::new(Seeded::new("server"));
    let keys = server_keys::ready(&db, &secret, START_MS, &mut |bytes| random.fill(bytes)).await;
    let keys = keys.expect("keys are made");
    let operator = Some(OPERATOR.to_owned());
    let app = App::new(db, keys, clock.clone(), random, PUBLIC_URL.to_owned(), operator)
        .with_security_contact(Some("mailto:security@daybook.example".to_owned()));
    Server { app, clock, _folder: folder }
}
