//! The catalogue of SQLite and of PostgreSQL, in one shape.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement};

/// A table as its database knows it; lists are sorted by name.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    pub primary_key: Vec<String>,
    /// Columns of unique constraints and unique indexes, the primary key left out.
    pub uniques: Vec<Vec<String>>,
    /// Columns of the other indexes.
    pub indexes: Vec<Vec<String>>,
    pub foreign_keys: Vec<ForeignKey>,
}

#[derive(Debug, Clone)]
pub struct Column {
    pub name: String,
    pub kind: String,
    pub nullable: bool,
    pub default: Option<String>,
    pub generated: bool,
}

#[derive(Debug, Clone)]
pub struct ForeignKey {
    pub table: String,
    pub columns: Vec<String>,
    pub referenced: Vec<String>,
    /// On update, on delete.
    pub actions: [String; 2],
}

async fn rows(db: &DatabaseConnection, sql: &str) -> Vec<QueryResult> {
    db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await.expect(sql)
}

fn text(row: &QueryResult, column: &str) -> String {
    row.try_get("", column).unwrap_or_else(|error| panic!("{column}: {error}"))
}

fn number(row: &QueryResult, column: &str) -> i64 {
    row.try_get("", column).unwrap_or_else(|error| panic!("{column}: {error}"))
}

/// All tables, by name.
pub async fn tables(db: &DatabaseConnection) -> Vec<Table> {
    let mut tables = match db.get_database_backend() {
        DbBackend::Sqlite => sqlite(db).await,
        _ => postgres(db).await,
    };
    for table in &mut tables {
        table.columns.sort_by(|a, b| a.name.cmp(&b.name));
        table.uniques.sort();
        table.indexes.sort();
    }
    tables.sort_by(|a, b| a.name.cmp(&b.name));
    tables
}

/// What a schema must not have: sequences, triggers, views, inheritance.
pub async fn features(db: &DatabaseConnection) -> Vec<String> {
    let sql = match db.get_database_backend() {
        DbBackend::Sqlite => {
            "SELECT type || ' ' || name AS feature FROM sqlite_master WHERE type IN ('trigger', 'view') \
             UNION ALL SELECT 'sequence of ' || name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' \
             ORDER BY 1"
        }
        _ => {
            "SELECT 'sequence ' || sequencename::text AS feature FROM pg_sequences WHERE schemaname = current_schema() \
             UNION ALL SELECT 'trigger ' || tgname::text FROM pg_trigger WHERE NOT tgisinternal \
             UNION ALL SELECT 'rule ' || rulename::text FROM pg_rules WHERE schemaname = current_schema() \
             UNION ALL SELECT 'view ' || viewname::text FROM pg_views WHERE schemaname = current_schema() \
             UNION ALL SELECT 'inheritance of ' || inhrelid::regclass::text FROM pg_inherits ORDER BY 1"
        }
    };
    rows(db, sql).await.iter().map(|row| text(row, "feature")).collect()
}

async fn sqlite(db: &DatabaseConnection) -> Vec<Table> {
    let listed = rows(db, "PRAGMA table_list").await;
    let listed = listed.iter().filter(|row| text(row, "type") == "table" && text(row, "schema") == "main");
    let names = listed.map(|row| text(row, "name")).filter(|name| !name.starts_with("sqlite_"));
    let mut tables = Vec::new();
    for name in names.collect::<Vec<_>>() {
        let mut table = Table { name: name.clone(), ..Table::default() };
        let mut key = BTreeMap::new();
        for row in rows(db, &format!("PRAGMA table_xinfo({name})")).await {
            if number(&row, "pk") > 0 {
                key.insert(number(&row, "pk"), text(&row, "name"));
            }
            table.columns.push(Column {
                name: text(&row, "name"),
                kind: text(&row, "type").to_lowercase(),
                nullable: number(&row, "notnull") == 0,
                default: row.try_get("", "dflt_value").expect("a default"),
                generated: number(&row, "hidden") != 0,
            });
        }
        table.primary_key = key.into_values().collect();
        for index in rows(db, &format!("PRAGMA index_list({name})")).await {
            let of = text(&index, "name");
            let columns = rows(db, &format!("PRAGMA index_info({of})")).await;
            let columns = columns.iter().map(|row| text(row, "name")).collect();
            match (text(&index, "origin").as_str(), number(&index, "unique")) {
                ("pk", _) => {}
                (_, 0) => table.indexes.push(columns),
                _ => table.uniques.push(columns),
            }
        }
        table.foreign_keys = sqlite_foreign_keys(db, &name).await;
        tables.push(table);
    }
    tables
}

async fn sqlite_foreign_keys(db: &DatabaseConnection, name: &str) -> Vec<ForeignKey> {
    let mut keys: BTreeMap<i64, ForeignKey> = BTreeMap::new();
    let mut parts = rows(db, &format!("PRAGMA foreign_key_list({name})")).await;
    parts.sort_by_key(|row| number(row, "seq"));
    for row in parts {
        let key = keys.entry(number(&row, "id")).or_insert_with(|| ForeignKey {
            table: text(&row, "table"),
            columns: Vec::new(),
            referenced: Vec::new(),
            actions: [text(&row, "on_update"), text(&row, "on_delete")],
        });
        key.columns.push(text(&row, "from"));
        key.referenced.push(text(&row, "to"));
    }
    keys.into_values().collect()
}

/// The columns of an array of attribute numbers, with a comma between.
fn attributes(table: &str, numbers: &str) -> String {
    format!(
        "(SELECT string_agg(a.attname::text, ',' ORDER BY part.at) FROM unnest({numbers}) WITH ORDINALITY AS part(no, at) \
         JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = part.no)"
    )
}

async fn postgres(db: &DatabaseConnection) -> Vec<Table> {
    let mut tables: BTreeMap<String, Table> = BTreeMap::new();
    let columns = "SELECT c.relname::text AS name, a.attname::text AS column, format_type(a.atttypid, a.atttypmod) AS kind, \
         NOT a.attnotnull AS nullable, pg_get_expr(d.adbin, d.adrelid) AS value, \
         a.attidentity <> '' OR a.attgenerated <> '' AS generated \
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum \
         WHERE c.relkind IN ('r', 'p') AND c.relnamespace = current_schema()::regnamespace";
    for row in rows(db, columns).await {
        let name = text(&row, "name");
        let table = tables.entry(name.clone()).or_insert_with(|| Table { name, ..Table::default() });
        table.columns.push(Column {
            name: text(&row, "column"),
            kind: text(&row, "kind"),
            nullable: row.try_get("", "nullable").expect("a flag"),
            default: row.try_get("", "value").expect("a default"),
            generated: row.try_get("", "generated").expect("a flag"),
        });
    }
    let indexes = format!(
        "SELECT c.relname::text AS name, i.indisprimary AS primary, i.indisunique AS unique, {} AS columns \
         FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = current_schema()::regnamespace",
        attributes("i.indrelid", "i.indkey::int2[]")
    );
    for row in rows(db, &indexes).await {
        let Some(table) = tables.get_mut(&text(&row, "name")) else { continue };
        let columns = list(&row, "columns");
        let flag = |name: &str| row.try_get::<bool>("", name).expect("a flag");
        match (flag("primary"), flag("unique")) {
            (true, _) => table.primary_key = columns,
            (false, true) => table.uniques.push(columns),
            (false, false) => table.indexes.push(columns),
        }
    }
    let keys = format!(
        "SELECT c.relname::text AS name, r.relname::text AS parent, {} AS columns, {} AS referenced, \
         k.confupdtype::text AS on_update, k.confdeltype::text AS on_delete \
         FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_class r ON r.oid = k.confrelid \
         WHERE k.contype = 'f' AND c.relnamespace = current_schema()::regnamespace",
        attributes("k.conrelid", "k.conkey"),
        attributes("k.confrelid", "k.confkey")
    );
    for row in rows(db, &keys).await {
        let Some(table) = tables.get_mut(&text(&row, "name")) else { continue };
        table.foreign_keys.push(ForeignKey {
            table: text(&row, "parent"),
            columns: list(&row, "columns"),
            referenced: list(&row, "referenced"),
            actions: ["on_update", "on_delete"].map(|column| action(&text(&row, column))),
        });
    }
    tables.into_values().collect()
}

fn list(row: &QueryResult, column: &str) -> Vec<String> {
    text(row, column).split(',').map(str::to_owned).collect()
}

fn action(letter: &str) -> String {
    match letter {
        "a" => "NO ACTION",
        "r" => "RESTRICT",
        "c" => "CASCADE",
        "n" => "SET NULL",
        _ => "SET DEFAULT",
    }
    .to_owned()
}
