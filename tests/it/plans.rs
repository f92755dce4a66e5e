//! What PostgreSQL makes of statements whose columns depend on each other: among many neighbourhoods it has to look
//! rows up by all of a key, and not read all of a daybook, or all that a person has ever done, by its beginning.

use migration::sea_orm::{ConnectionTrait as _, DbBackend, Statement};

use crate::support::{Backend, TestApp};

const NEIGHBOURHOODS: u32 = 50;
/// In each neighbourhood; as many accounts.
const DAYBOOKS: u32 = 10;
/// In each daybook, and of each account.
const ROWS: u32 = 50;

/// The plan that a connection of the server may keep for a statement, whatever is bound.
async fn plan(app: &TestApp, sql: &str) -> String {
    let one_connection = app.app.db().begin().await.expect("a transaction");
    let general = "SET LOCAL plan_cache_mode = force_generic_plan";
    one_connection.execute_unprepared(general).await.expect("set");
    one_connection.execute_unprepared(&format!("PREPARE looked AS {sql}")).await.expect("prepared");
    let bound = vec!["NULL"; sql.matches('$').count()].join(", ");
    let explain = Statement::from_string(DbBackend::Postgres, format!("EXPLAIN EXECUTE looked ({bound})"));
    let rows = one_connection.query_all_raw(explain).await.expect("a plan");
    one_connection.execute_unprepared("DEALLOCATE looked").await.expect("forgotten");
    let lines = rows.iter().map(|row| row.try_get_by_index::<String>(0).expect("a line"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Neighbourhoods with daybooks and accounts that only these two tables know of.
async fn filled() -> TestApp {
    let app = TestApp::start(Backend::Postgres).await;
    let each = format!(
        "FROM generate_series(1, {NEIGHBOURHOODS}) AS n, generate_series(1, {DAYBOOKS}) AS d, \
         generate_series(1, {ROWS}) AS r"
    );
    let (n, d, row) = ("md5('n' || n)::uuid", "md5(n || 'd' || d)::uuid", "n || ' ' || d || ' ' || r");
    let statements = [
        "ALTER TABLE daybook_change DROP CONSTRAINT daybook_change_neighbourhood_id_daybook_id_fkey"
            .to_owned(),
        "ALTER TABLE transfer DROP CONSTRAINT transfer_neighbourhood_id_account_id_fkey".to_owned(),
        format!(
            "INSERT INTO daybook_change (neighbourhood_id, daybook_id, position, hash, actor, seq, start_op, max_op, \
             chain, bytes, objects, recorded_at_ms, received_at_ms, accept_no, admitted_at_ms) \
             SELECT {n}, {d}, r, decode(md5({row}), 'hex'), decode(md5(n || 'a' || d), 'hex'), r, r, r, \
             '', '', '', 0, 0, 0, 0 {each}"
        ),
        format!(
            "INSERT INTO transfer (neighbourhood_id, id, activity_id, posting_seq, line_no, account_id, asset, minutes, \
             balance_after, day, journal_no, posted_at_ms) \
             SELECT {n}, md5({row})::uuid, md5({row})::uuid, 0, 0, {d}, 'contribution', 5, 5, \
             (DATE '2025-01-01' + r)::text, 1000 * d + r, 0 {each}"
        ),
        "ANALYZE".to_owned(),
    ];
    for statement in statements {
        app.app.db().writer().execute_unprepared(&statement).await.expect(&statement);
    }
    app
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_are_looked_up_by_what_names_them_and_not_among_all_of_a_daybook() {
    let app = filled().await;
    let by = |columns: &str| {
        format!(
            "SELECT position FROM daybook_change WHERE neighbourhood_id = $1 AND daybook_id = $2 AND {columns}"
        )
    };
    let by_hash = plan(&app, &by("hash IN ($3, $4, $5, $6, $7)")).await;
    assert!(by_hash.contains("(hash = ANY") && !by_hash.contains("Filter"), "{by_hash}");
    let by_actor = plan(&app, &by("actor = $3 AND seq IN ($4, $5, $6, $7, $8)")).await;
    assert!(by_actor.contains("(seq = ANY") && !by_actor.contains("Filter"), "{by_actor}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_have_on_some_days_is_not_looked_for_among_all_that_they_have() {
    let app = filled().await;
    let sql = "SELECT minutes FROM transfer WHERE neighbourhood_id = $1 AND account_id IN \
               ($2, $3, $4, $5, $6, $7, $8, $9) AND day IN ($10, $11, $12, $13)";
    let plan = plan(&app, sql).await;
    assert!(plan.contains("transfer_day") && !plan.contains("Filter"), "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_statement_starts_further_processes() {
    let app = TestApp::start(Backend::Postgres).await;
    let shown = Statement::from_string(DbBackend::Postgres, "SHOW max_parallel_workers_per_gather");
    let row = app.app.db().read().query_one_raw(shown).await.expect("shown").expect("one row");
    assert_eq!(row.try_get_by_index::<String>(0).expect("text"), "0");
}
