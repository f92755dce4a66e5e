//! Every derived table: a row that is another, one that is gone, one too many.

use std::fmt::Debug;

use uuid::Uuid;

use super::*;
use crate::support::both;

/// What is done to a table by hand, row by row.
struct Table<'a, M> {
    name: &'static str,
    /// The row that is meddled with.
    row: &'a dyn Fn(&M) -> bool,
    /// A row that is another, if a row has anything but its key.
    bend: Option<&'a dyn Fn(&mut M)>,
    /// Nothing refers to it.
    lose: bool,
    /// A row too many.
    plant: Option<&'a dyn Fn(&mut M)>,
}

impl<M> Default for Table<'_, M> {
    fn default() -> Self {
        Self { name: "", row: &|_| true, bend: None, lose: true, plant: None }
    }
}

async fn tampered<E>(app: &TestApp, table: Table<'_, E::Model>)
where
    E: EntityTrait,
    E::Model: ModelTrait<Entity = E> + Clone + Debug + 'static,
{
    let (hand, name, before) = (Hand(app), table.name, tables(app).await);
    let row = rows::<E>(app).await.into_iter().find(table.row);
    let row = row.unwrap_or_else(|| panic!("no row in {name}"));
    if let Some(bend) = table.bend {
        let mut bent = row.clone();
        bend(&mut bent);
        hand.bends::<E>(bent).await;
        seen_and_mended(app, &before, &format!("bent {name}"), ("expected ", "found ")).await;
    }
    if table.lose {
        hand.loses::<E>(row.clone()).await;
        seen_and_mended(app, &before, &format!("lost {name}"), ("expected a row", "found none")).await;
    }
    if let Some(plant) = table.plant {
        let mut planted = row;
        plant(&mut planted);
        hand.plants::<E>(planted).await;
        seen_and_mended(app, &before, &format!("planted {name}"), ("expected no row", "found one")).await;
    }
}

/// The damage is the one difference that is counted, in the table, and named first; then it is made good.
async fn seen_and_mended(
    app: &TestApp,
    before: &BTreeMap<&'static str, Vec<String>>,
    what: &str,
    (expected, found): (&str, &str),
) {
    let compared = rebuild(&app.app, app.neighbourhood, Mode::Compare).await.expect("compared");
    let differing: Vec<_> = compared.tables().into_iter().filter(|(_, count)| count.differing > 0).collect();
    let table = what.rsplit(' ').next().expect("a table");
    let one = matches!(differing.as_slice(), [(name, count)] if *name == table && count.differing == 1);
    assert!(one, "{what}: {differing:#?}");
    let said = first(app, what).await.to_string();
    assert!(said.contains(expected) && said.contains(found), "{what}: {said}");
    mend(app).await;
    are_as_they_were(app, before, what).await;
}

fn new() -> Uuid {
    Uuid::from_u128(0x0193_a5b0_7c2e_7d44_9a51_0000_0000_0001)
}

both! {
    async fn what_is_judged_is_named_and_made_again(app: TestApp) {
        let weeks = weeks(&app).await;
        tampered::<decision::Entity>(&app, Table {
            name: "decision",
            row: &|row| row.decided_by.is_none(),
            bend: Some(&|row| row.reason = Some("Because.".to_owned())),
            plant: Some(&|row| (row.id, row.seq) = (new(), row.seq + 100)),
            ..Table::default()
        }).await;
        tampered::<judgement::Entity>(&app, Table {
            name: "judgement",
            row: &|row| row.review == "approved",
            // Columns that the clerk never writes again, too.
            bend: Some(&|row| row.party_id = new()),
            plant: Some(&|row| row.activity_id = weeks.untouched.0),
            ..Table::default()
        }).await;
        tampered::<judgement::Entity>(&app, Table {
            name: "judgement",
            row: &|row| row.activity_id == weeks.doubtful.0,
            bend: Some(&|row| row.review = "approved".to_owned()),
            ..Table::default()
        }).await;
        tampered::<suspicion::Entity>(&app, Table {
            name: "suspicion",
            bend: Some(&|row| row.kind = "clock_skew".to_owned()),
            lose: false,
            plant: Some(&|row| row.id = new()),
            ..Table::default()
        }).await;
        tampered::<suspicion_about::Entity>(&app, Table {
            name: "suspicion_about",
            plant: Some(&|row| row.activity_id = weeks.silent.0),
            ..Table::default()
        }).await;
        tampered::<activity_trace::Entity>(&app, Table {
            name: "activity_trace",
            plant: Some(&|row| (row.trace, row.activity_id) = (row.trace + 1, weeks.untouched.0)),
            ..Table::default()
        }).await;
    }
}

both! {
    async fn what_is_posted_is_named_and_made_again(app: TestApp) {
        let weeks = weeks(&app).await;
        tampered::<transfer::Entity>(&app, Table {
            name: "transfer",
            row: &|row| row.activity_id.is_some(),
            bend: Some(&|row| row.minutes += 7),
            plant: Some(&|row| {
                (row.id, row.line_no, row.journal_no) = (new(), row.line_no + 100, row.journal_no + 1_000);
            }),
            ..Table::default()
        }).await;
        tampered::<account::Entity>(&app, Table {
            name: "account",
            row: &|row| row.id == weeks.closed.0,
            bend: Some(&|row| row.created_at_ms += 1),
            lose: false,
            // Without a minute on it.
            plant: Some(&|row| row.id = new()),
        }).await;
        tampered::<account_closing::Entity>(&app, Table {
            name: "account_closing",
            bend: Some(&|row| row.reason = "Because.".to_owned()),
            plant: Some(&|row| (row.id, row.journal_no) = (new(), row.journal_no + 1_000)),
            ..Table::default()
        }).await;
        tampered::<closed_period::Entity>(&app, Table {
            name: "closed_period",
            bend: Some(&|row| row.day_until = "2026-11-08".to_owned()),
            plant: Some(&|row| (row.id, row.journal_no) = (new(), row.journal_no + 1_000)),
            ..Table::default()
        }).await;
        tampered::<party_alias::Entity>(&app, Table {
            name: "party_alias",
            row: &|row| row.journal_no.is_some(),
            bend: Some(&|row| row.created_at_ms += 1),
            plant: Some(&|row| row.alias_id = new()),
            ..Table::default()
        }).await;
        tampered::<rule_pack::Entity>(&app, Table {
            name: "rule_pack",
            row: &|row| row.version == 2,
            bend: Some(&|row| row.body = row.body.replacen("480", "481", 1)),
            plant: Some(&|row| row.version += 100),
            ..Table::default()
        }).await;
        tampered::<rule_pack::Entity>(&app, Table {
            name: "rule_pack",
            row: &|row| row.version == 1,
            bend: Some(&|row| row.body = "{".to_owned()),
            ..Table::default()
        }).await;
    }
}

both! {
    async fn what_is_said_and_recorded_is_named_and_made_again(app: TestApp) {
        let weeks = weeks(&app).await;
        tampered::<reply::Entity>(&app, Table {
            name: "reply",
            bend: Some(&|row| row.text = None),
            plant: Some(&|row| (row.id, row.journal_no) = (new(), row.journal_no + 1_000)),
            ..Table::default()
        }).await;
        tampered::<named_party::Entity>(&app, Table {
            name: "named_party",
            bend: Some(&|row| row.received_at_ms += 1),
            plant: Some(&|row| row.party_id = new()),
            ..Table::default()
        }).await;
        tampered::<activity::Entity>(&app, Table {
            name: "activity",
            row: &|row| row.id == weeks.silent.0,
            bend: Some(&|row| row.received_at_ms += 1),
            lose: false,
            plant: Some(&|row| row.id = new()),
        }).await;
        tampered::<activity_version::Entity>(&app, Table {
            name: "activity_version",
            row: &|row| row.activity_id == weeks.silent.0,
            bend: Some(&|row| row.conflict = "hard".to_owned()),
            plant: Some(&|row| (row.version, row.journal_no) = (row.version + 1, None)),
            ..Table::default()
        }).await;
        tampered::<activity_version::Entity>(&app, Table {
            name: "activity_version",
            row: &|row| row.journal_no.is_none(),
            // As if it had been taken up: it would never be judged.
            bend: Some(&|row| row.journal_no = Some(1)),
            ..Table::default()
        }).await;
        tampered::<activity_version::Entity>(&app, Table {
            name: "activity_version",
            row: &|row| row.journal_no.is_some(),
            // As if it still waited: it would be judged twice.
            bend: Some(&|row| row.journal_no = None),
            lose: false,
            ..Table::default()
        }).await;
        tampered::<book::Entity>(&app, Table {
            name: "daybook",
            row: &|row| row.id == weeks.asha.own.0,
            bend: Some(&|row| row.heads = vec![1; 32]),
            lose: false,
            ..Table::default()
        }).await;
        tampered::<daybook_snapshot::Entity>(&app, Table {
            name: "daybook_snapshot",
            bend: Some(&|row| row.chain = vec![1; 32]),
            lose: false,
            ..Table::default()
        }).await;
    }
}
