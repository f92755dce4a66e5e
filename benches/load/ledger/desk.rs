//! The application that judges and is read: in this process, on a database of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::ensure;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use daybook::app::{App, Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::auth::seal::SealingSecret;
use daybook::domain::ids::{InvitationId, NeighbourhoodId};
use daybook::flows::{invite, neighbourhoods, server_keys};
use daybook::phone::{InProcess, Phone};
use daybook::store::Database;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::ConnectionTrait as _;
use tower::ServiceExt as _;

use super::per_s;
use crate::database::{Kind, Place};
use crate::records::Record;

const SECRET: [u8; 32] = [7; 32];
const PUBLIC_URL: &str = "http://daybook.bench";
/// Commits that are the floor.
const COMMITS: u32 = 300;

/// A server in this process, on a database of its own.
pub struct Desk {
    pub app: App,
    router: Router,
    pub place: Place,
}

impl Desk {
    pub async fn open(kind: Kind, folder: &Path, name: &str) -> anyhow::Result<Self> {
        let place = Place::new(kind, folder, name)?;
        place.create().await?;
        let db = Database::connect(&place.url, 8).await?;
        Migrator::up(db.writer(), None).await?;
        let secret = SealingSecret::new(&SECRET)?;
        let now_ms = SystemClock.now_ms();
        let keys = server_keys::ready(&db, &secret, now_ms, &mut |bytes| SystemRandom.fill(bytes)).await?;
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let app = App::new(db, keys, clock, random, PUBLIC_URL.to_owned(), None);
        let router = daybook::api::router(app.clone());
        Ok(Self { app, router, place })
    }

    pub async fn close(self) -> anyhow::Result<()> {
        self.app.db().clone().close().await?;
        self.place.remove().await
    }

    /// A neighbourhood in which chance shows nothing to a person, and its coordinator's phone.
    pub async fn neighbourhood(&self, name: &str) -> anyhow::Result<(NeighbourhoodId, Phone<InProcess>)> {
        let id = NeighbourhoodId(self.app.uuid());
        neighbourhoods::create(&self.app, id, name, chrono_tz::Europe::London).await?;
        let mut desk = self.phone(id, "Dee", true).await?;
        let body = serde_json::to_vec(&crate::records::approving(desk.get("/v1/rules").await?)?)?;
        desk.request(Method::PUT, "/v1/rules", "application/json", body).await?;
        Ok((id, desk))
    }

    pub async fn phone(
        &self,
        neighbourhood: NeighbourhoodId,
        name: &str,
        coordinator: bool,
    ) -> anyhow::Result<Phone<InProcess>> {
        let invited = invite::Invited { id: InvitationId(self.app.uuid()), coordinator, party: None };
        let (_, invitation, _) = invite::create(&self.app, neighbourhood, None, invited).await?;
        let transport = InProcess(self.router.clone());
        let fill = |bytes: &mut [u8]| SystemRandom.fill(bytes);
        let clock = Box::new(|| SystemClock.now_ms());
        let mut phone = Phone::new(name, transport, PUBLIC_URL, clock, Box::new(fill))?;
        phone.enrol(&invitation.text).await?;
        Ok(phone)
    }

    pub async fn settle(&self) -> anyhow::Result<()> {
        let eye = self.place.look().await?;
        eye.settle().await?;
        eye.close().await
    }

    /// One row written anew, durable when it is answered, one after the other.
    pub async fn commits_per_s(&self) -> anyhow::Result<f64> {
        let started = Instant::now();
        for number in 0..COMMITS {
            let txn = self.app.db().begin().await?;
            let sql = format!("UPDATE server_key SET created_at_ms = created_at_ms + {}", number % 2);
            txn.execute_unprepared(&sql).await?;
            txn.commit().await?;
        }
        Ok(per_s(COMMITS.into(), started.elapsed()))
    }

    /// A doubt costs another amount, so there are hardly any.
    pub async fn all_approved(&self, versions: u64, judged: u64) -> anyhow::Result<()> {
        let eye = self.place.look().await?;
        let approved = eye.number("SELECT COUNT(*) FROM decision").await?.unwrap_or_default();
        eye.close().await?;
        ensure!(judged == versions, "{judged} versions were judged, not {versions}");
        let enough = u64::try_from(approved)? * 100 >= versions * 98;
        ensure!(enough, "{approved} of {versions} versions were approved");
        Ok(())
    }

    pub async fn get(&self, token: &str, path: &str) -> anyhow::Result<Vec<u8>> {
        let request = Request::get(path).header("authorization", format!("Bearer {token}"));
        let answer = self.router.clone().oneshot(request.body(Body::empty())?).await?;
        let status = answer.status();
        let bytes = axum::body::to_bytes(answer.into_body(), usize::MAX).await?;
        ensure!(status.is_success(), "{path}: {status} {}", String::from_utf8_lossy(&bytes));
        Ok(bytes.to_vec())
    }
}

/// Records `count` activities from a number on, and syncs them.
pub async fn write(phone: &mut Phone<InProcess>, log: u64, from: u64, count: u64) -> anyhow::Result<()> {
    let (book, party) = (phone.own, phone.party);
    for number in from..from + count {
        let record = Record::of(log, number);
        phone.edit_in(book, record.id, |entry| {
            entry.put("kind", record.kind).day(&record.day).started_at(record.started_at_ms);
            entry.minutes(party, record.minutes).note(&record.note);
            for (item, count) in &record.tallies {
                entry.put(&format!("{item}#b"), *count);
            }
            if let Some((lat, lon)) = record.place {
                entry.place(lat, lon, 5.0);
            }
        })?;
    }
    let report = phone.sync().await?;
    ensure!(report.refused == 0 && report.held == 0, "{report:?}");
    Ok(())
}
