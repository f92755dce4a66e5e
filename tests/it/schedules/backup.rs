//! A server restored to an older state: one neighbourhood's rows as they were.

use daybook::domain::ids::NeighbourhoodId;
use daybook::store::Database;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};

/// The tables of a neighbourhood, and where their rows were copied to.
pub struct Backup {
    neighbourhood: String,
    tables: Vec<(String, String)>,
}

/// Every table that has rows of neighbourhoods.
async fn tables(db: &Database) -> Vec<String> {
    let catalogue = match db.backend() {
        DbBackend::Sqlite => {
            "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c ON c.name = 'neighbourhood_id'
             WHERE m.type = 'table' AND m.name NOT LIKE 'kept_%'"
        }
        _ => {
            "SELECT table_name::text AS name FROM information_schema.columns
             WHERE column_name = 'neighbourhood_id' AND table_schema = 'public' AND table_name NOT LIKE 'kept_%'"
        }
    };
    let rows =
        db.writer().query_all_raw(Statement::from_string(db.backend(), catalogue)).await.expect("tables");
    rows.iter().map(|row| row.try_get("", "name").expect("a name")).collect()
}

async fn run(db: &Database, statements: &[String]) {
    let txn = db.begin().await.expect("begins");
    for statement in statements {
        txn.execute_unprepared(statement).await.expect(statement);
    }
    txn.commit().await.expect("commits");
}

impl Backup {
    /// Copies what there is.
    pub async fn take(db: &Database, neighbourhood: NeighbourhoodId) -> Self {
        let neighbourhood = match db.backend() {
            DbBackend::Sqlite => format!("x'{}'", neighbourhood.0.simple()),
            _ => format!("'{neighbourhood}'"),
        };
        let tables: Vec<(String, String)> =
            tables(db).await.into_iter().map(|table| (format!("kept_{table}"), table)).collect();
        let mut statements = Vec::new();
        for (kept, table) in &tables {
            statements.push(format!("DROP TABLE IF EXISTS {kept}"));
            let rows = format!("SELECT * FROM {table} WHERE neighbourhood_id = {neighbourhood}");
            statements.push(format!("CREATE TABLE {kept} AS {rows}"));
        }
        run(db, &statements).await;
        Self { neighbourhood, tables }
    }

    /// Puts the copied rows in the place of those that there are now.
    pub async fn restore(&self, db: &Database) {
        // Rows refer to each other, in whatever order they are put back.
        let mut statements = vec![match db.backend() {
            DbBackend::Sqlite => "PRAGMA defer_foreign_keys = ON".to_owned(),
            _ => "SET LOCAL session_replication_role = replica".to_owned(),
        }];
        for (kept, table) in &self.tables {
            statements.push(format!("DELETE FROM {table} WHERE neighbourhood_id = {}", self.neighbourhood));
            statements.push(format!("INSERT INTO {table} SELECT * FROM {kept}"));
        }
        run(db, &statements).await;
    }

    /// Removes the copies.
    pub async fn drop(self, db: &Database) {
        let statements: Vec<String> =
            self.tables.iter().map(|(kept, _)| format!("DROP TABLE {kept}")).collect();
        run(db, &statements).await;
    }
}
