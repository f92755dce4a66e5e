//! One phone at a time over loopback HTTP against the whole server on SQLite (WAL, FULL): a sync of 20 new
//! activities, of 1, and of nothing, on a daybook that grows. Prints milliseconds and bytes of the bodies;
//! ratios within one run are what counts, machines are noisy.

use std::sync::Arc;
use std::time::Instant;

use daybook::app::{App, Clock as _, Random as _, SystemClock, SystemRandom};
use daybook::auth::seal::SealingSecret;
use daybook::domain::activity::Kind;
use daybook::domain::ids::{InvitationId, NeighbourhoodId};
use daybook::flows::{invite, judge, neighbourhoods, server_keys};
use daybook::phone::{Http, Phone};
use daybook::store::Database;
use migration::{Migrator, MigratorTrait as _};
use tokio::net::TcpListener;

/// Syncs of each size.
const ROUNDS: usize = 60;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let folder = tempfile::tempdir()?;
    let url = format!("sqlite:{}", folder.path().join("daybook.db").display());
    let db = Database::connect(&url, 4).await?;
    Migrator::up(db.writer(), None).await?;
    let secret = SealingSecret::new(&[7; 32])?;
    let now_ms = SystemClock.now_ms();
    let keys = server_keys::ready(&db, &secret, now_ms, &mut |bytes| SystemRandom.fill(bytes)).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}", listener.local_addr()?);
    let app = App::new(db, keys, Arc::new(SystemClock), Arc::new(SystemRandom), address.clone(), None);
    let service = daybook::api::router(app.clone());
    tokio::spawn(async move { axum::serve(listener, service).await });
    tokio::spawn(judge::clerk(app.clone()));

    let neighbourhood = NeighbourhoodId(app.uuid());
    neighbourhoods::create(&app, neighbourhood, "Bench", chrono_tz::Europe::London).await?;
    let invited = invite::Invited { id: InvitationId(app.uuid()), coordinator: false, party: None };
    let token = invite::create(&app, neighbourhood, None, invited).await?.1.text;
    let source = Box::new(|bytes: &mut [u8]| SystemRandom.fill(bytes));
    let mut phone = Phone::new("Asha", Http::new(&address)?, &address, now_ms, source)?;
    phone.enrol(&token).await?;
    println!(
        "{:>10} {:>10} {:>8} {:>8} {:>8} {:>9} {:>9}",
        "in daybook", "new", "p50 ms", "p95 ms", "max ms", "up B", "down B"
    );
    for size in [20, 1, 0, 20] {
        measure(&mut phone, size).await?;
    }
    Ok(())
}

async fn measure(
    phone: &mut Phone<Http>,
    size: usize,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (mut millis, mut up, mut down) = (Vec::new(), 0, 0);
    let before = phone.own_book().doc.get_changes(&[]).len();
    for round in 0..ROUNDS {
        for at in 0..size {
            record(phone, round * size + at)?;
        }
        let started = Instant::now();
        let report = phone.sync().await?;
        millis.push(started.elapsed().as_secs_f64() * 1_000.0);
        (up, down) = (report.bytes_up, report.bytes_down);
        assert_eq!(report.accepted, size);
    }
    millis.sort_by(f64::total_cmp);
    let at = |share: usize| millis[(millis.len() - 1) * share / 100];
    println!("{before:>10} {size:>10} {:>8.2} {:>8.2} {:>8.2} {up:>9} {down:>9}", at(50), at(95), at(100),);
    Ok(())
}

/// A litter pick as phones write it: scalars, a short note.
fn record(phone: &mut Phone<Http>, at: usize) -> Result<(), daybook::phone::PhoneError> {
    let me = phone.party;
    let day = format!("2026-{:02}-{:02}", 1 + at % 12, 1 + at % 28);
    let minutes = i64::try_from(10 + at % 50).unwrap_or(10);
    phone.record(Kind::LitterPick, &day, |entry| {
        entry.minutes(me, minutes).count("smoking.butts", 12).count("bags", 1).place(52.4586, -1.8967, 12.0);
        entry.put("note", "along the canal, both sides");
    })?;
    Ok(())
}
