//! Daybook: residents' phones sync offline daybooks with it, coordinators reconcile what was recorded, and
//! what is approved is posted to the neighbourhood's ledger.
//!
//! Two halves, two kinds of transaction, one clerk between them: `flows::accept` takes testimony into one
//! daybook; `flows::judge` decides and posts in one neighbourhood.
//!
//! Who may import whom (a test holds it): `domain` nothing of ours; `merge`, `ledger`, `auth`, `store` only
//! `domain`; `app` those; `flows` all of these; `api` `flows`, and `store` for reads; `phone`, a client, only
//! `domain`, `auth` and the request types of `api`; `commands` everything.

pub mod api;
pub mod app;
pub mod auth;
pub mod commands;
pub mod config;
pub mod domain;
pub mod flows;
pub mod ledger;
pub mod merge;
pub mod metrics;
pub mod phone;
pub mod store;
