//! What everything else is made of: where it is not whole that is named, and nothing is made of it.

use super::*;
use crate::support::both;

both! {
    async fn of_changes_that_are_not_whole_nothing_is_made(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let me = asha.party;
        for day in ["2026-11-18", "2026-11-19", "2026-11-20"] {
            asha.record(Kind::Hours, day, |r| _ = r.minutes(me, 30)).expect("recorded");
            post(&app, &mut asha).await;
        }
        let mut all = rows::<daybook_change::Entity>(&app).await.into_iter();
        let row = all.find(|row| row.daybook_id == asha.own.0 && row.position == 3).expect("a change");
        let mut own = rows::<book::Entity>(&app).await.into_iter();
        let own = own.find(|row| row.id == asha.own.0).expect("a daybook");
        let hand = Hand(&app);
        type Bend = fn(&mut daybook_change::Model);
        let bends: [(&str, Bend); 5] = [
            ("a change", |row| row.bytes[20] ^= 1),
            ("hash", |row| row.hash = vec![1; 32]),
            ("chain", |row| row.chain = vec![1; 32]),
            ("seq", |row| row.seq += 100),
            ("max_op", |row| row.max_op += 1),
        ];
        for (column, bend) in bends {
            let mut bent = row.clone();
            bend(&mut bent);
            hand.bends::<daybook_change::Entity>(bent).await;
            is_refused(&app, &[&format!("change 3 of daybook {}", asha.own), column]).await;
            hand.bends::<daybook_change::Entity>(row.clone()).await;
        }
        hand.loses::<daybook_change::Entity>(row.clone()).await;
        is_refused(&app, &[&format!("change 4 of daybook {}", asha.own), "position 3"]).await;
        hand.plants::<daybook_change::Entity>(row).await;
        hand.bends::<book::Entity>(book::Model { position: own.position + 1, ..own.clone() }).await;
        is_refused(&app, &[&format!("daybook {}", asha.own), "position 4", "position 5"]).await;
        hand.bends::<book::Entity>(own).await;
        assert!(rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("whole").is_same());
    }
}

both! {
    async fn of_a_snapshot_that_is_not_whole_nothing_is_made(app: TestApp) {
        let weeks = weeks(&app).await;
        let row = rows::<daybook_snapshot::Entity>(&app).await.remove(0);
        let hand = Hand(&app);
        type Bend = fn(&mut daybook_snapshot::Model);
        // One that claims to hold a change that came after it.
        let bends: [Bend; 2] = [|row| row.bytes.truncate(40), |row| row.position += 1];
        for bend in bends {
            let mut bent = row.clone();
            bend(&mut bent);
            hand.bends::<daybook_snapshot::Entity>(bent).await;
            is_refused(&app, &[&format!("snapshot of daybook {}", weeks.asha.own)]).await;
            hand.bends::<daybook_snapshot::Entity>(row.clone()).await;
        }
        assert!(rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("whole").is_same());
    }
}

both! {
    async fn of_a_journal_that_is_not_whole_nothing_is_made(app: TestApp) {
        weeks(&app).await;
        let hand = Hand(&app);
        let mut all = rows::<journal::Entity>(&app).await;
        all.sort_by_key(|row| row.no);
        // It can be read, and says something else than it was.
        let told = all.iter().find(|row| row.body.contains("You left at eleven.")).expect("a decision").clone();
        let body = told.body.replacen("eleven", "twelve", 1);
        hand.bends::<journal::Entity>(journal::Model { body, ..told.clone() }).await;
        is_refused(&app, &[&format!("journal number {}, decision", told.no), "the commitment"]).await;
        hand.bends::<journal::Entity>(told.clone()).await;
        // One in the middle is gone: what it said is not one too many.
        hand.loses::<journal::Entity>(told.clone()).await;
        is_refused(&app, &[&format!("journal number {}, ", told.no), &format!("expected number {}", told.no)]).await;
        hand.plants::<journal::Entity>(told).await;
        // The last is gone: the tip knows.
        let last = all.pop().expect("an entry");
        hand.loses::<journal::Entity>(last.clone()).await;
        is_refused(&app, &["the tip", &format!("journal_no {}", last.no)]).await;
        hand.plants::<journal::Entity>(last).await;
        assert!(rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("whole").is_same());
    }
}

/// The first difference says so; what is to be written is refused, and nothing was.
async fn is_refused(app: &TestApp, words: &[&str]) {
    let before = tables(app).await;
    let said = first(app, &words.join(" ")).await.to_string();
    assert!(words.iter().all(|word| said.contains(word)), "no {words:?} in {said}");
    assert!(rebuild(&app.app, app.neighbourhood, Mode::Write).await.is_err(), "{words:?}: it was made");
    are_as_they_were(app, &before, &words.join(" ")).await;
}
