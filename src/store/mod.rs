//! The database: entities, and one file of functions a noun. Every function takes a connection or a
//! transaction of its caller and names the neighbourhood; transactions are begun and committed in `flows`.

pub mod access;
pub mod activities;
pub mod activity_pages;
pub mod aliases;
pub mod batch;
pub mod bound;
pub mod cards;
pub mod changes;
pub mod closings;
pub mod database;
pub mod daybooks;
pub mod entity;
pub mod held;
pub mod hubs;
pub mod journal;
pub mod judgements;
pub mod keys;
pub mod ledger;
pub mod moved;
pub mod neighbourhoods;
pub mod parties;
pub mod periods;
pub mod quarantine;
pub mod replies;
pub mod snapshots;
pub mod suspicions;
pub mod totals;
pub mod transaction;
pub mod verdicts;
pub mod waiting;
pub mod whole;

pub use batch::Batch;
pub use bound::Bound;
pub use database::{Database, DatabaseError, Pool};
pub use transaction::Transaction;
