//! What a daybook costs on disk once it is compacted.

use automerge::Automerge;
use daybook::domain::activity::Kind;
use daybook::flows::compact::Compacted;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use super::{rows, snapshot};
use crate::support::{Backend, TestApp, TestPhone};

/// Activities; more with `DAYBOOK_COMPACTION_ACTIVITIES`.
const ACTIVITIES: usize = 300;
/// Changes of one push.
const PART: usize = 250;

fn write(phone: &mut TestPhone, at: usize) {
    let me = phone.party;
    let minutes = 15 + i64::try_from(at % 8).expect("few") * 10;
    let day = format!("2026-{:02}-{:02}", 1 + at % 11, 1 + at % 28);
    let place = 52.45 + f64::from(u32::try_from(at % 1_000).expect("few")) * 1e-4;
    let recorded = phone.record(Kind::LitterPick, &day, |a| {
        a.minutes(me, minutes)
            .count("bags", 1 + minutes % 3)
            .count("smoking.butts", minutes)
            .place(place, -1.89, 8.0);
        if at.is_multiple_of(5) {
            a.note(&format!("canal path, stretch {at}"));
        }
    });
    recorded.expect("recorded");
}

/// Snapshot and kept bytes are at most 1.3 times what Automerge saves; a change without bytes is small.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_compacted_daybook_is_little_more_than_automerge_saves() {
    let number = std::env::var("DAYBOOK_COMPACTION_ACTIVITIES").ok().and_then(|text| text.parse().ok());
    let activities = number.unwrap_or(ACTIVITIES);
    let app = TestApp::start(Backend::Sqlite).await;
    let mut asha = app.phone("Asha").await;
    for at in 0..activities {
        write(&mut asha, at);
        if at % PART == PART - 1 {
            asha.sync().await.expect("synced");
        }
    }
    asha.sync().await.expect("synced");
    let raw: usize = rows(&app, asha.own).await.iter().map(|row| row.bytes.len()).sum();
    let began = std::time::Instant::now();
    assert!(matches!(app.compact(asha.own).await, Compacted::Done { .. }));
    let took = began.elapsed();
    let document: Automerge = asha.own_book().doc.document().clone();
    let (saved, rows) = (document.save().len(), rows(&app, asha.own).await);
    let stored = snapshot(&app, asha.own).await.expect("a snapshot").bytes.len();
    let kept: usize = rows.iter().map(|row| row.bytes.len()).sum();
    let gone: Vec<_> = rows.iter().filter(|row| row.bytes.is_empty()).collect();
    let fixed: usize = gone.iter().map(|row| fixed_bytes(row)).sum::<usize>() / gone.len();
    let objects: usize = rows.iter().map(|row| row.objects.len()).sum::<usize>() / rows.len();
    println!("{activities} activities: raw {raw}, save {saved}, snapshot {stored}, kept {kept}, in {took:?}");
    println!("a change row without bytes: {fixed} B, of which objects {objects} B");
    print_derived(&app, activities).await;
    assert!((stored + kept) * 10 <= saved * 13, "{stored} and {kept} bytes, Automerge saves {saved}");
}

/// Bytes of a row as SQLite writes it: a header of one or two bytes a value, then the values.
fn fixed_bytes(row: &daybook::store::entity::daybook_change::Model) -> usize {
    let blobs = [row.hash.len(), row.actor.len(), row.chain.len(), row.bytes.len(), row.objects.len()];
    let ids = [Some(16), Some(16), row.grant_id.map(|_| 16), row.admitted_grant_id.map(|_| 16)];
    let numbers = [
        row.position,
        row.seq,
        row.start_op,
        row.max_op,
        row.recorded_at_ms,
        row.received_at_ms,
        row.accept_no,
        row.admitted_at_ms,
    ];
    let header = 1
        + numbers.len()
        + ids.len()
        + blobs.iter().map(|size| if *size < 58 { 1 } else { 2 }).sum::<usize>();
    let ids: usize = ids.into_iter().flatten().sum();
    header + ids + blobs.iter().sum::<usize>() + numbers.into_iter().map(number_bytes).sum::<usize>()
}

fn number_bytes(number: i64) -> usize {
    match number {
        0 | 1 => 0,
        -128..=127 => 1,
        -32_768..=32_767 => 2,
        -8_388_608..=8_388_607 => 3,
        -2_147_483_648..=2_147_483_647 => 4,
        -140_737_488_355_328..=140_737_488_355_327 => 6,
        _ => 8,
    }
}

async fn print_derived(app: &TestApp, activities: usize) {
    use daybook::store::entity::{activity, activity_version};
    let db = app.app.db().read();
    let of_here = activity::Column::NeighbourhoodId.eq(app.neighbourhood.0);
    let rows = activity::Entity::find().filter(of_here).all(db).await.expect("activities");
    let states: usize = rows.iter().map(|row| row.state.len()).sum();
    let readings: usize = rows.iter().map(|row| row.reading.len()).sum();
    let of_here = activity_version::Column::NeighbourhoodId.eq(app.neighbourhood.0);
    let versions = activity_version::Entity::find().filter(of_here).all(db).await.expect("versions");
    let versions: usize =
        versions.iter().map(|row| row.reading.len() + row.reading_hash.len() + row.changed.len()).sum();
    let each = |bytes: usize| bytes / activities;
    println!(
        "an activity: state {} B, reading {} B, version {} B",
        each(states),
        each(readings),
        each(versions)
    );
}
