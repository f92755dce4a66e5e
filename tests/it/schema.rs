//! The rules of the schema, held over the catalogue of both databases, so that it also runs on a PostgreSQL
//! sharded by neighbourhood: everything that grows is keyed by `neighbourhood_id` first.

mod catalogue;

use crate::support::{Backend, TestApp, both};
use catalogue::{Table, features, tables};

/// Directory tables, the same for every neighbourhood, with the reason why they may be.
const EXEMPT: [(&str, &str); 2] = [
    ("server_key", "the keys that all replicas share: a handful, whatever grows"),
    ("seaql_migrations", "which migrations ran: one row each"),
];
const TENANT: &str = "neighbourhood_id";

fn growing(tables: &[Table]) -> Vec<&Table> {
    tables.iter().filter(|table| !EXEMPT.iter().any(|(name, _)| *name == table.name)).collect()
}

both! {
    async fn every_key_starts_with_the_neighbourhood(app: TestApp) {
        let tables = tables(app.app.db().read()).await;
        let growing = growing(&tables);
        assert!(growing.len() >= 20, "the catalogue shows {} tables", growing.len());
        assert_eq!(tables.len() - growing.len(), EXEMPT.len(), "an exemption that is not needed");
        for table in growing {
            let name = &table.name;
            assert_eq!(table.primary_key.first().map(String::as_str), Some(TENANT), "primary key of {name}");
            for unique in &table.uniques {
                assert_eq!(unique[0], TENANT, "{name} is unique over {unique:?}");
            }
            for index in &table.indexes {
                assert_eq!(index[0], TENANT, "{name} has an index over {index:?}");
            }
            for key in &table.foreign_keys {
                let first = (key.columns[0].as_str(), key.referenced[0].as_str());
                assert_eq!(first, (TENANT, TENANT), "{name} refers to {} by {:?}", key.table, key.columns);
                assert_eq!(key.actions, ["NO ACTION", "NO ACTION"], "{name} refers to {}", key.table);
            }
        }
    }
}

both! {
    async fn a_neighbourhood_is_never_null_and_the_same_type_everywhere(app: TestApp) {
        let uuid = if app.backend == Backend::Sqlite { "blob" } else { "uuid" };
        for table in growing(&tables(app.app.db().read()).await) {
            let column = table.columns.iter().find(|column| column.name == TENANT).expect("a neighbourhood");
            assert_eq!((column.kind.as_str(), column.nullable), (uuid, false), "in {}", table.name);
        }
    }
}

both! {
    async fn the_database_computes_nothing(app: TestApp) {
        for table in tables(app.app.db().read()).await {
            for column in &table.columns {
                assert_eq!(column.default, None, "default of {}.{}", table.name, column.name);
                assert!(!column.generated, "{}.{} is generated", table.name, column.name);
            }
        }
        // Sequences, triggers, inheritance, rules.
        assert_eq!(features(app.app.db().read()).await, Vec::<String>::new());
    }
}

both! {
    async fn what_breaks_a_rule_is_seen(app: TestApp) {
        use sea_orm::ConnectionTrait as _;
        let sqlite = app.backend == Backend::Sqlite;
        let kind = if sqlite { "blob" } else { "uuid" };
        let statements = [
            format!("CREATE TABLE parent (neighbourhood_id {kind} NOT NULL, id {kind}, PRIMARY KEY (id))"),
            format!(
                "CREATE TABLE child (id {kind} DEFAULT NULL, neighbourhood_id {kind}, n bigint DEFAULT 7, UNIQUE (id), \
                 PRIMARY KEY (neighbourhood_id), FOREIGN KEY (id) REFERENCES parent (id) ON DELETE SET NULL)"
            ),
            "CREATE INDEX child_n ON child (n)".to_owned(),
        ];
        for statement in statements {
            app.app.db().writer().execute_unprepared(&statement).await.expect("made");
        }
        let tables = tables(app.app.db().read()).await;
        let find = |name: &str| tables.iter().find(|table| table.name == name).expect("the table");
        assert_eq!(find("parent").primary_key, ["id"]);
        let child = find("child");
        assert_eq!((&child.uniques, &child.indexes), (&vec![vec!["id".to_owned()]], &vec![vec!["n".to_owned()]]));
        assert_eq!(child.foreign_keys[0].columns, ["id"]);
        assert_eq!(child.foreign_keys[0].actions, ["NO ACTION", "SET NULL"]);
        assert!(child.columns.iter().any(|column| column.name == "n" && column.default.is_some()));
        let trigger = if sqlite {
            "CREATE TRIGGER busy AFTER INSERT ON child BEGIN SELECT 1; END"
        } else {
            "CREATE TRIGGER busy BEFORE UPDATE ON child FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()"
        };
        app.app.db().writer().execute_unprepared(trigger).await.expect("made");
        assert_eq!(features(app.app.db().read()).await, ["trigger busy"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_databases_have_the_same_tables_and_columns() {
    let sqlite = TestApp::start(Backend::Sqlite).await;
    let postgres = TestApp::start(Backend::Postgres).await;
    let shape = |tables: Vec<Table>| -> Vec<String> {
        let columns = tables.iter().filter(|table| table.name != "seaql_migrations").flat_map(|table| {
            table.columns.iter().map(|column| {
                let kind = match column.kind.as_str() {
                    "uuid" | "bytea" => "blob",
                    other => other,
                };
                format!("{}.{} {kind} {}", table.name, column.name, column.nullable)
            })
        });
        columns.collect()
    };
    let on_sqlite = shape(tables(sqlite.app.db().read()).await);
    assert!(on_sqlite.len() > 150, "{} columns", on_sqlite.len());
    assert_eq!(on_sqlite, shape(tables(postgres.app.db().read()).await));
    let keys = |tables: Vec<Table>| -> Vec<_> {
        tables
            .into_iter()
            .map(|table| (table.name, table.primary_key, table.uniques, table.indexes))
            .collect()
    };
    let on_sqlite = keys(tables(sqlite.app.db().read()).await);
    assert_eq!(on_sqlite, keys(tables(postgres.app.db().read()).await));
}
