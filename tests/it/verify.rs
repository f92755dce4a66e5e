//! `daybook verify`: one row of a fresh ledger is damaged, and the command names it, with what was expected and
//! what is there.

use std::process::Command;

use daybook::domain::activity::Kind;
use daybook::store::entity::{account, activity, closed_period, decision, journal, judgement, tip, transfer};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::always::books::Books;
use crate::support::desk::{decide, post};
use crate::support::{TestApp, both};

/// What the command says, and whether it was content.
async fn verify(app: &TestApp, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daybook"));
    let folder = tempfile::tempdir().expect("a folder");
    command
        .arg("verify")
        .args(arguments)
        .current_dir(folder.path())
        .env("DAYBOOK_DATABASE_URL", app.url())
        .env("DAYBOOK_SECRET", "\u{7}".repeat(32))
        .env("DAYBOOK_LOG", "error");
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let output = output.expect("the binary runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).expect("text"))
}

/// The line that names the first difference.
fn first(said: &str) -> &str {
    let line = said.lines().find_map(|line| line.trim().strip_prefix("first difference: "));
    line.unwrap_or_else(|| panic!("no difference in:\n{said}"))
}

/// A fresh ledger: hours approved at 90 and corrected to 60, a repair, an occasion with a remainder, a closed
/// period.
async fn a_week(app: &TestApp) -> Books {
    let mut asha = app.phone("Asha").await;
    let mut desk = app.coordinator("Dee").await;
    let me = asha.party;
    let hours = asha.record(Kind::Hours, "2026-11-19", |a| _ = a.minutes(me, 90)).expect("recorded");
    asha.record(Kind::Repair, "2026-11-20", |a| _ = a.minutes(me, 45)).expect("recorded");
    asha.record(Kind::LitterPick, "2026-11-20", |a| _ = a.minutes(me, 30).totals(3, 80)).expect("recorded");
    post(app, &mut asha).await;
    let more =
        json!({ "corrections": { "minutes": { me.to_string(): 60 } }, "reason": "You left at eleven." });
    decide(&mut desk, hours, "approve", more).await;
    let body = json!({ "id": desk.uuid(), "day_from": "2026-11-01", "day_until": "2026-11-15" });
    let _: Value = desk.post("/v1/periods", &body).await.expect("closed");
    Books::read(&app.app, app.neighbourhood).await
}

/// One row damaged, and what the first difference must say.
#[derive(Debug, Clone, Copy)]
enum Damage {
    Body,
    UnreadableBody,
    Salt,
    Commitment,
    Chain,
    Minutes,
    BalanceAfter,
    LostTransfer,
    Decision,
    Decider,
    Judgement,
    Account,
    TipNumber,
    TipChain,
    Commons,
    Reading,
    Period,
}

/// Sets a column of the row with a key; answers how many it met.
macro_rules! set {
    ($app:expr, $db:expr, $table:ident, $column:ident, $value:expr, $key:ident, $id:expr) => {
        $table::Entity::update_many()
            .col_expr($table::Column::$column, Expr::value($value))
            .filter($table::Column::NeighbourhoodId.eq($app.neighbourhood.0))
            .filter($table::Column::$key.eq($id))
            .exec($db)
            .await
            .expect("damaged")
            .rows_affected
    };
}

fn number(no: i64) -> String {
    format!("journal number {no}, ")
}

/// The transfer that is damaged, in one of its rows.
fn moved(books: &Books) -> (&transfer::Model, i64, String) {
    let moved = &books.transfers[1];
    (moved, moved.journal_no, format!("activity {}", moved.activity_id.unwrap_or_default()))
}

/// Damages an entry of the journal.
async fn of_the_journal(app: &TestApp, books: &Books, damage: Damage) -> (u64, Vec<String>) {
    let db = app.app.db().writer();
    let (_, no, of_activity) = moved(books);
    let entry = &books.journal[usize::try_from(no - 1).expect("small")];
    let commitment = hex::encode(&entry.commitment);
    match damage {
        Damage::Body => {
            let body = entry.body.replacen("\"minutes\":", "\"minutes\":1", 1);
            assert_ne!(body, entry.body);
            (set!(app, db, journal, Body, body, No, no), vec![number(no), of_activity, commitment])
        }
        Damage::UnreadableBody => {
            (set!(app, db, journal, Body, "{", No, no), vec![number(no), of_activity, commitment])
        }
        Damage::Salt => {
            (set!(app, db, journal, Salt, vec![1_u8; 32], No, no), vec![number(no), of_activity, commitment])
        }
        Damage::Commitment => {
            (set!(app, db, journal, Commitment, vec![1_u8; 32], No, no), vec![number(no), "01".repeat(32)])
        }
        Damage::Chain => (
            set!(app, db, journal, Chain, vec![1_u8; 32], No, no),
            vec![number(no), format!("chain {}", hex::encode(&entry.chain)), "01".repeat(32)],
        ),
        other => panic!("{other:?} is damaged elsewhere"),
    }
}

/// Damages a transfer or an account.
async fn of_the_ledger(app: &TestApp, books: &Books, damage: Damage) -> (u64, Vec<String>) {
    let db = app.app.db().writer();
    let (moved, no, of_activity) = moved(books);
    match damage {
        Damage::Minutes => {
            let words = [format!("minutes {}", moved.minutes), "minutes 7".to_owned()];
            let words =
                [vec![number(no), format!("account {}", moved.account_id), of_activity], words.to_vec()];
            (set!(app, db, transfer, Minutes, 7, Id, moved.id), words.concat())
        }
        Damage::BalanceAfter => {
            let words = [format!("balance_after {}", moved.balance_after), "balance_after 7".to_owned()];
            let words = [vec![number(no), format!("account {}", moved.account_id)], words.to_vec()];
            (set!(app, db, transfer, BalanceAfter, 7, Id, moved.id), words.concat())
        }
        Damage::LostTransfer => {
            let lost =
                transfer::Entity::delete_many().filter(transfer::Column::Id.eq(moved.id)).exec(db).await;
            let words = vec![number(no), of_activity, "expected a row, found none".to_owned()];
            (lost.expect("damaged").rows_affected, words)
        }
        Damage::Account => {
            let row = &books.accounts[&moved.account_id];
            let words = vec![
                format!("account {}", row.id),
                format!("contribution {}", row.contribution),
                "contribution 7".to_owned(),
            ];
            (set!(app, db, account, Contribution, 7, Id, row.id), words)
        }
        other => panic!("{other:?} is damaged elsewhere"),
    }
}

/// Damages the tip.
async fn of_the_tip(app: &TestApp, books: &Books, damage: Damage) -> (u64, Vec<String>) {
    let db = app.app.db().writer();
    match damage {
        Damage::TipNumber => {
            let no = books.tip.journal_no;
            let words =
                vec!["the tip".to_owned(), format!("journal_no {no}"), format!("journal_no {}", no + 1)];
            (set!(app, db, tip, JournalNo, no + 1, JournalNo, no), words)
        }
        Damage::TipChain => {
            let no = books.tip.journal_no;
            (
                set!(app, db, tip, Chain, vec![1_u8; 32], JournalNo, no),
                vec![number(no), "the tip: expected chain".to_owned()],
            )
        }
        Damage::Commons => {
            let words = vec!["the commons".to_owned(), format!("contribution {}", books.tip.contribution)];
            (set!(app, db, tip, Contribution, 7, JournalNo, books.tip.journal_no), words)
        }
        other => panic!("{other:?} is damaged elsewhere"),
    }
}

/// Damages what is judged, or recorded.
async fn of_what_is_judged(app: &TestApp, books: &Books, damage: Damage) -> (u64, Vec<String>) {
    let db = app.app.db().writer();
    let (moved, _, of_activity) = moved(books);
    match damage {
        Damage::Decision => {
            let (row, _) = &books.decisions[0];
            let words = vec![number(row.journal_no), format!("step {}", row.step), "step reject".to_owned()];
            (set!(app, db, decision, Step, "reject", Id, row.id), words)
        }
        Damage::Decider => {
            let by_somebody = books.decisions.iter().find(|(row, _)| row.decided_by.is_some());
            let (row, _) = by_somebody.expect("a person's decision");
            let by = row.decided_by.expect("somebody");
            let words = vec![number(row.journal_no), format!("decided_by {by}")];
            (set!(app, db, decision, DecidedBy, moved.account_id, Id, row.id), words)
        }
        Damage::Judgement => {
            let (id, (row, _)) = books.judgements.iter().next().expect("a judgement");
            let body = row.body.replacen("\"minutes\":", "\"minutes\":1", 1);
            assert_ne!(body, row.body);
            let words = vec![
                number(row.journal_no),
                format!("activity {id}"),
                "body ".to_owned(),
                "\"minutes\":1".to_owned(),
            ];
            (set!(app, db, judgement, Body, body, ActivityId, id.0), words)
        }
        Damage::Reading => {
            let words = vec![of_activity, "expected reading of".to_owned()];
            let gone = r#"{"fields":{},"deleted":true,"unreadable":null}"#;
            (set!(app, db, activity, Reading, gone, Id, moved.activity_id), words)
        }
        Damage::Period => {
            let row = closed_period::Entity::find().order_by_asc(closed_period::Column::Id).one(db).await;
            let row = row.expect("read").expect("a period");
            let words = vec![
                number(row.journal_no),
                "day_until 2026-11-15".to_owned(),
                "day_until 2026-11-14".to_owned(),
            ];
            (set!(app, db, closed_period, DayUntil, "2026-11-14", Id, row.id), words)
        }
        other => panic!("{other:?} is damaged elsewhere"),
    }
}

/// Damages the row; answers the words that name it, what was expected and what is there.
async fn damage(app: &TestApp, books: &Books, damage: Damage) -> Vec<String> {
    use Damage as D;
    let (rows, words) = match damage {
        D::Body | D::UnreadableBody | D::Salt | D::Commitment | D::Chain => {
            of_the_journal(app, books, damage).await
        }
        D::Minutes | D::BalanceAfter | D::LostTransfer | D::Account => {
            of_the_ledger(app, books, damage).await
        }
        D::TipNumber | D::TipChain | D::Commons => of_the_tip(app, books, damage).await,
        D::Decision | D::Decider | D::Judgement | D::Reading | D::Period => {
            of_what_is_judged(app, books, damage).await
        }
    };
    assert_eq!(rows, 1, "{damage:?} met one row");
    words
}

const ALL: [Damage; 17] = [
    Damage::Body,
    Damage::UnreadableBody,
    Damage::Salt,
    Damage::Commitment,
    Damage::Chain,
    Damage::Minutes,
    Damage::BalanceAfter,
    Damage::LostTransfer,
    Damage::Decision,
    Damage::Decider,
    Damage::Judgement,
    Damage::Account,
    Damage::TipNumber,
    Damage::TipChain,
    Damage::Commons,
    Damage::Reading,
    Damage::Period,
];

both! {
    async fn what_was_damaged_is_named_and_left_as_it_is(app: TestApp) {
        let mut wrong = Vec::new();
        for what in ALL {
            let app = TestApp::start(app.backend).await;
            let books = a_week(&app).await;
            let words = damage(&app, &books, what).await;
            let rows = async || {
                let db = app.app.db().read();
                (
                    tip::Entity::find().all(db).await.expect("read"),
                    journal::Entity::find().order_by_asc(journal::Column::No).all(db).await.expect("read"),
                    transfer::Entity::find().order_by_asc(transfer::Column::JournalNo).all(db).await.expect("read"),
                    judgement::Entity::find().order_by_asc(judgement::Column::ActivityId).all(db).await.expect("read"),
                    activity::Entity::find().order_by_asc(activity::Column::Id).all(db).await.expect("read"),
                )
            };
            let before = rows().await;
            let (content, said) = verify(&app, &[]).await;
            if content {
                wrong.push(format!("{what:?} was not seen"));
                continue;
            }
            let lacking = words.iter().filter(|word| !first(&said).contains(*word));
            wrong.extend(lacking.map(|word| format!("{what:?}: no {word} in {}", first(&said))));
            assert!(rows().await == before, "{what:?}: it wrote");
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

both! {
    async fn what_is_whole_is_counted_and_found_good(app: TestApp) {
        let books = a_week(&app).await;
        let id = app.neighbourhood.to_string();
        for arguments in [vec![], vec!["--neighbourhood", id.as_str()], vec!["--neighbourhood", "Balsall Heath"]] {
            let (content, said) = verify(&app, &arguments).await;
            assert!(content, "{said}");
            let entries = format!("journal           {:>8} rows, 0 differing", books.journal.len() + 1);
            let transfers = format!("transfer          {:>8} rows, 0 differing", books.transfers.len());
            assert!(said.contains(&entries) && said.contains(&transfers) && said.contains(&id), "{said}");
        }
        let (content, said) = verify(&app, &["--neighbourhood", "Nowhere"]).await;
        assert!(!content && said.contains("there is no neighbourhood Nowhere"), "{said}");
    }
}

both! {
    async fn transfers_that_were_bent_or_lost_are_made_again_from_the_journal(app: TestApp) {
        use daybook::flows::rebuild::{Mode, rebuild};
        let books = a_week(&app).await;
        damage(&app, &books, Damage::Minutes).await;
        let lost = transfer::Entity::delete_many().filter(transfer::Column::Id.eq(books.transfers[0].id));
        lost.exec(app.app.db().writer()).await.expect("lost");
        let rebuilt = rebuild(&app.app, app.neighbourhood, Mode::Write).await.expect("rebuilt");
        assert_eq!(rebuilt.transfers.differing, 2, "{rebuilt:#?}");
        let again = Books::read(&app.app, app.neighbourhood).await;
        assert_eq!(again.transfers, books.transfers);
        assert_eq!(again.accounts, books.accounts);
        // Of a journal that cannot be read nothing is made again.
        damage(&app, &books, Damage::UnreadableBody).await;
        assert!(rebuild(&app.app, app.neighbourhood, Mode::Write).await.is_err());
    }
}
