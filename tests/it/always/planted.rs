//! The check can fail: faults planted into a sound neighbourhood are found, each by its own rule.

use daybook::domain::activity::Kind;
use sea_orm::ConnectionTrait as _;
use serde_json::json;

use super::books::Books;
use super::check;
use crate::support::desk::{decide, post};
use crate::support::{TestApp, both};

/// What is done to the tables, and a word of what the check must say.
const FAULTS: [(&str, &str); 14] = [
    (
        "UPDATE transfer SET minutes = minutes + 1 WHERE journal_no = (SELECT MIN(journal_no) FROM transfer)",
        "balance after",
    ),
    (
        "UPDATE transfer SET balance_after = balance_after + 1 WHERE journal_no = (SELECT MAX(journal_no) FROM transfer)",
        "balance after",
    ),
    ("UPDATE account SET contribution = contribution + 1 WHERE contribution = 270", "account"),
    ("UPDATE tip SET contribution = contribution + 1", "commons"),
    ("UPDATE journal SET body = '{}' WHERE no = 4", "journal"),
    ("DELETE FROM journal WHERE no = 4", "journal"),
    ("DELETE FROM journal WHERE no = (SELECT MAX(no) FROM journal)", "journal's end"),
    (
        "UPDATE transfer SET posting_seq = posting_seq + 1 WHERE journal_no = (SELECT MAX(journal_no) FROM transfer)",
        "numbered",
    ),
    (
        "UPDATE judgement SET body = REPLACE(body, '\"person_minutes\":630', '\"person_minutes\":631')",
        "target",
    ),
    ("UPDATE judgement SET minutes = minutes + 1 WHERE part_of IS NULL", "columns"),
    (
        "UPDATE activity_version SET journal_no = NULL WHERE journal_no = (SELECT MAX(journal_no) FROM activity_version)",
        "judged at version",
    ),
    (
        "UPDATE decision SET seq = seq + 5 WHERE journal_no = (SELECT MAX(journal_no) FROM decision)",
        "decision",
    ),
    (
        "UPDATE rule_pack SET body = REPLACE(body, '\"mode\":\"auto\"', '\"mode\":\"coordinator\"')",
        "where coordinators do",
    ),
    (
        "UPDATE rule_pack SET body = REPLACE(body, '\"mode\":\"auto\"', '\"mode\":\"peer\"')",
        "nobody confirmed",
    ),
];

both! {
    async fn every_planted_fault_is_found(app: TestApp) {
        let mut asha = app.phone("Asha").await;
        let mut di = app.phone("Di").await;
        let mut desk = app.coordinator("Dee").await;
        let (me, claimant) = (asha.party, di.party);
        let occasion = asha.record(Kind::LitterPick, "2026-11-20", |a| { a.totals(7, 630).minutes(me, 270); });
        let occasion = occasion.expect("recorded");
        post(&app, &mut asha).await;
        let part = di.record(Kind::LitterPick, "2026-11-20", |a| { a.minutes(claimant, 90).part_of(occasion); });
        let part = part.expect("recorded");
        post(&app, &mut di).await;
        let more = json!({ "corrections": { "minutes": { claimant.to_string(): 60 } }, "reason": "So it was." });
        decide(&mut desk, part, "approve", more).await;
        di.edit(part, |a| { a.minutes(claimant, 91); }).expect("edited");
        post(&app, &mut di).await;
        check::always(&Books::read(&app.app, app.neighbourhood).await).expect("sound");

        for (fault, word) in FAULTS {
            // Planted in a transaction that is rolled back.
            let found = planted(&app, fault).await;
            let found = found.expect_err(fault);
            assert!(found.contains(word), "{fault}: {found}");
        }
        check::always(&Books::read(&app.app, app.neighbourhood).await).expect("sound again");
    }
}

async fn planted(app: &TestApp, fault: &str) -> Result<(), String> {
    let txn = app.app.db().begin().await.expect("a transaction");
    txn.execute_unprepared(fault).await.expect(fault);
    let books = Books::read_in(&txn, app.neighbourhood).await;
    txn.rollback().await.expect("rolled back");
    check::always(&books).map(|_| ())
}
