//! The one test binary: stories by noun, and the rules that hold for all code. They drive the real router,
//! with phones that record and sync, on SQLite and on PostgreSQL.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]

mod always;
mod attacks;
mod authorization;
mod cards;
mod closing_accounts;
mod compaction;
mod crash;
mod cursors;
mod daybooks;
mod decisions;
mod doubts;
mod errors;
mod examples;
mod first_hour;
mod floods;
mod forms;
mod held;
mod hostile;
mod identity;
mod journal;
mod layering;
mod ledger;
mod lifecycle;
mod logs;
mod merging;
mod metrics;
mod mutations;
mod occasions;
mod one_person;
mod openapi;
mod pages;
mod periods;
mod phone_js;
mod planted;
mod quarantine;
mod read_outs;
mod rebuild;
mod reconcile;
mod recording;
mod recovery;
mod replay;
mod replicas;
mod replies;
mod revisions;
mod schedules;
mod schema;
mod support;
mod sync;
mod tokens;
mod verify;
mod week;
mod wire;
