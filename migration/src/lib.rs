//! The schema, one change a file. The rules that every table keeps (and that `tests/it/schema.rs`
//! holds on both databases): the primary key, every unique constraint and every foreign key start
//! with `neighbourhood_id`; no sequences, no triggers, no defaults computed by the database; so the
//! same schema runs on a PostgreSQL sharded by neighbourhood.

pub use sea_orm_migration::prelude::*;

mod m20261124_000001_create_neighbourhood;
mod m20261124_000002_create_party;
mod m20261124_000003_create_access;
mod m20261124_000004_create_server_key;
mod m20261124_000005_create_daybook;
mod m20261124_000006_create_activity;
mod m20261124_000007_create_judgement;
mod m20261124_000008_create_ledger;
mod m20261124_000009_create_snapshot;
mod m20261124_000010_count_set_aside;
mod m20261124_000011_expire_held;
mod m20261124_000012_lean_rows;
mod m20261124_000013_confirmations;
mod m20261129_000014_suspicions;
mod m20261129_000015_read_outs;
mod m20261129_000016_one_person;
mod m20261129_000017_replies;
mod m20261129_000018_minors;
mod m20261129_000019_clock_skew;
mod m20261129_000020_places;
mod m20261129_000021_sandboxes;
mod m20261129_000022_recorders;
mod m20261130_000023_narrowed_pages;
mod m20261201_000024_dependent_columns;

mod sql;

/// Runs and lists the migrations.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_create_neighbourhood::Migration),
            Box::new(m20261124_000002_create_party::Migration),
            Box::new(m20261124_000003_create_access::Migration),
            Box::new(m20261124_000004_create_server_key::Migration),
            Box::new(m20261124_000005_create_daybook::Migration),
            Box::new(m20261124_000006_create_activity::Migration),
            Box::new(m20261124_000007_create_judgement::Migration),
            Box::new(m20261124_000008_create_ledger::Migration),
            Box::new(m20261124_000009_create_snapshot::Migration),
            Box::new(m20261124_000010_count_set_aside::Migration),
            Box::new(m20261124_000011_expire_held::Migration),
            Box::new(m20261124_000012_lean_rows::Migration),
            Box::new(m20261124_000013_confirmations::Migration),
            Box::new(m20261129_000014_suspicions::Migration),
            Box::new(m20261129_000015_read_outs::Migration),
            Box::new(m20261129_000016_one_person::Migration),
            Box::new(m20261129_000017_replies::Migration),
            Box::new(m20261129_000018_minors::Migration),
            Box::new(m20261129_000019_clock_skew::Migration),
            Box::new(m20261129_000020_places::Migration),
            Box::new(m20261129_000021_sandboxes::Migration),
            Box::new(m20261129_000022_recorders::Migration),
            Box::new(m20261130_000023_narrowed_pages::Migration),
            Box::new(m20261201_000024_dependent_columns::Migration),
        ]
    }
}
