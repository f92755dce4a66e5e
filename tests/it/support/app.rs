//! The application on a clock of the test's, with a neighbourhood in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use daybook::app::{App, Clock, Random, SystemRandom};
use daybook::auth::seal::SealingSecret;
use daybook::domain::ids::{ActivityId, InvitationId, NeighbourhoodId};
use daybook::flows::{invite, judge, neighbourhoods, sandbox, server_keys};
use daybook::phone::{ClockSource, InProcess, Phone};
use daybook::store::Database;
use migration::sea_orm::ConnectionTrait as _;
use migration::{Migrator, MigratorTrait as _};
use serde_json::Value;
use tower::ServiceExt as _;

use super::postgres::{TestDatabase, fresh_database};

/// 2026-11-21 at 10:00 in UTC, a Saturday.
pub const START_MS: i64 = 1_795_255_200_000;
/// Where the tests' clients believe the server to be.
pub const PUBLIC_URL: &str = "http://daybook.test";
/// The operator's token.
pub const OPERATOR: &str = "operator-token-of-the-tests-0123456789";

/// Which database a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A clock that goes when it is told to.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Lets time pass.
    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A phone that reaches the router in the same process.
pub type TestPhone = Phone<InProcess>;

enum Kept {
    Folder(#[expect(dead_code, reason = "the folder goes away with the test")] tempfile::TempDir),
    Database(#[expect(dead_code, reason = "the database is dropped with the test")] TestDatabase),
    /// By the first process.
    Elsewhere,
}

/// The application, its router and a neighbourhood.
pub struct TestApp {
    pub app: App,
    pub router: Router,
    pub clock: Arc<ManualClock>,
    pub neighbourhood: NeighbourhoodId,
    pub backend: Backend,
    url: String,
    seed: AtomicU64,
    _kept: Kept,
}

impl TestApp {
    /// Starts on a fresh database.
    pub async fn start(backend: Backend) -> Self {
        let (url, kept) = fresh(backend).await;
        let clock = Arc::new(ManualClock(AtomicI64::new(START_MS)));
        let app = process(&url, clock.clone(), backend == Backend::Sqlite).await;
        let neighbourhood = NeighbourhoodId(app.uuid());
        let zone = chrono_tz::Europe::London;
        neighbourhoods::create(&app, neighbourhood, "Balsall Heath", zone).await.expect("a neighbourhood");
        let router = daybook::api::router(app.clone());
        Self { app, router, clock, neighbourhood, backend, url, seed: AtomicU64::new(1), _kept: kept }
    }

    /// A further process of the server on the same database, which must live as long as this one.
    pub async fn another_replica(&self) -> Self {
        let app = process(&self.url, self.clock.clone(), false).await;
        Self {
            router: daybook::api::router(app.clone()),
            app,
            clock: self.clock.clone(),
            neighbourhood: self.neighbourhood,
            backend: self.backend,
            url: self.url.clone(),
            seed: AtomicU64::new(1),
            _kept: Kept::Elsewhere,
        }
    }

    /// As if the neighbourhood had been created as one whose clock can be moved.
    pub async fn into_sandbox(self) -> Self {
        let all = "UPDATE neighbourhood SET clock_ahead_ms = 0";
        self.app.db().writer().execute_unprepared(all).await.expect("updated");
        sandbox::look(&self.app).await.expect("looked");
        self
    }

    /// Where its database is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A phone at its first start, not enrolled.
    pub fn new_phone(&self, name: &str) -> TestPhone {
        let seed = self.seed.fetch_add(1, Ordering::SeqCst);
        let transport = InProcess(self.router.clone());
        let random = SystemRandom;
        let random = Box::new(move |bytes: &mut [u8]| random.fill(bytes));
        let mut phone = Phone::new(name, transport, PUBLIC_URL, self.phone_clock(), random).expect("a phone");
        phone.now_ms += i64::try_from(seed).expect("few phones");
        phone
    }

    /// A clock that is right, for a phone.
    pub fn phone_clock(&self) -> ClockSource {
        let clock = self.clock.clone();
        Box::new(move || clock.now_ms())
    }

    /// An invitation's token.
    pub async fn invitation(&self, coordinator: bool) -> String {
        let id = InvitationId(self.app.uuid());
        let invited = invite::Invited { id, coordinator, party: None };
        let made = invite::create(&self.app, self.neighbourhood, None, invited).await;
        made.expect("an invitation").1.text
    }

    /// A resident's phone, enrolled.
    pub async fn phone(&self, name: &str) -> TestPhone {
        let mut phone = self.new_phone(name);
        phone.enrol(&self.invitation(false).await).await.expect("enrolled");
        phone
    }

    /// A coordinator's phone, enrolled.
    pub async fn coordinator(&self, name: &str) -> TestPhone {
        let mut phone = self.new_phone(name);
        phone.enrol(&self.invitation(true).await).await.expect("enrolled");
        phone
    }

    /// A further device of a phone's resident, enrolled, with the resident's daybook on it.
    pub async fn second_device(&self, first: &mut TestPhone, name: &str) -> TestPhone {
        let body = serde_json::json!({ "id": self.app.uuid(), "party_id": first.party });
        let invitation: Value = first.post("/v1/invitations", &body).await.expect("an invitation");
        let mut second = self.new_phone(name);
        second.enrol(invitation["token"].as_str().expect("a token")).await.expect("enrolled");
        second.book(first.own);
        second.own = first.own;
        second
    }

    /// Lets the clerk work until nothing waits.
    pub async fn judge(&self) -> u64 {
        judge::until_quiet(&self.app, self.neighbourhood).await.expect("the clerk works")
    }

    /// One request as anybody may send it: status and body.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (StatusCode, Value) {
        let (status, _, bytes) = self.raw(method, path, headers, body).await;
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// One request: status, headers and bytes.
    pub async fn raw(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.into()).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
        (parts.status, parts.headers, bytes.to_vec())
    }

    /// Sets time forward, for the server.
    pub fn pass(&self, ms: i64) {
        self.clock.pass(ms);
    }

    /// A personal token of a phone's resident.
    pub async fn personal_token(&self, phone: &mut TestPhone, scope: &str) -> String {
        let expires_at = daybook::domain::time::rfc3339(self.clock.now_ms() + 86_400_000);
        let body = serde_json::json!({
            "id": self.app.uuid(), "name": "script", "scope": scope, "expires_at": expires_at,
        });
        let grant: Value = phone.post("/v1/grants", &body).await.expect("a grant");
        grant["token"].as_str().expect("a token").to_owned()
    }
}

/// The API's view of an activity, for whoever asks.
pub async fn activity(phone: &mut TestPhone, id: ActivityId) -> Value {
    phone.get(&format!("/v1/activities/{id}")).await.expect("the activity")
}

/// One process of the server: connections, keys, caches of its own.
async fn process(url: &str, clock: Arc<ManualClock>, migrate: bool) -> App {
    let db = Database::connect(url, 8).await.expect("the database answers");
    if migrate {
        Migrator::up(db.writer(), None).await.expect("migrations run");
    }
    let secret = SealingSecret::new(&[7; 32]).expect("a secret");
    let random = SystemRandom;
    let keys = server_keys::ready(&db, &secret, START_MS, &mut |bytes| random.fill(bytes)).await;
    let keys = keys.expect("keys are made");
    let operator = Some(OPERATOR.to_owned());
    App::new(db, keys, clock, Arc::new(random), PUBLIC_URL.to_owned(), operator)
        .with_security_contact(Some("mailto:security@daybook.test".to_owned()))
}

async fn fresh(backend: Backend) -> (String, Kept) {
    match backend {
        Backend::Sqlite => {
            let folder = tempfile::tempdir().expect("a folder");
            let path = folder.path().join("daybook.db");
            (format!("sqlite:{}", path.display()), Kept::Folder(folder))
        }
        Backend::Postgres => {
            let names: Vec<String> =
                Migrator::migrations().iter().map(|migration| migration.name().to_owned()).collect();
            let key = format!("{names:?} {}", schema_source());
            let database = fresh_database(migrate, &key).await;
            (database.url.clone(), Kept::Database(database))
        }
    }
}

/// The sources of the migrations, so that a template is never older than they are.
fn schema_source() -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migration/src");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("migrations").flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read_to_string(file).expect("a migration")).collect()
}

async fn migrate(url: &str) {
    let db = Database::connect(url, 2).await.expect("the database answers");
    Migrator::up(db.writer(), None).await.expect("migrations run");
    db.close().await.expect("closed");
}
