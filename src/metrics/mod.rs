//! What is counted and timed, for Prometheus: one struct an application, no global registry.
//!
//! Everything is made at the start, every value of every label too, so that counting on the way of a sync is
//! an addition. Numbers that only matter when somebody looks are read when somebody does ([`Metrics::text`]).

mod clerk;
mod compaction;
mod database;
mod http;
mod labels;
mod process;
mod queues;
mod sync;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use clerk::{ClerkMetrics, Judged, RoundEnd};
pub use compaction::{CompactionEnd, CompactionMetrics};
pub use database::{DatabaseMetrics, Flow, Transaction};
pub use http::{HttpMetrics, InFlight};
pub use queues::{Queue, QueueMetrics, Waiting};
pub use sync::{DocumentReason, Laps, Phase, SyncMetrics};

/// The type of what [`Metrics::text`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one application.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    process: process::ProcessMetrics,
    pub sync: SyncMetrics,
    pub clerk: ClerkMetrics,
    pub compaction: CompactionMetrics,
    pub database: DatabaseMetrics,
    pub http: HttpMetrics,
    pub queues: QueueMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let process = process::ProcessMetrics::register(&mut registry);
        let ours = registry.sub_registry_with_prefix("daybook");
        ours.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let queues = QueueMetrics::register(ours);
        Self {
            process,
            sync: SyncMetrics::register(ours),
            clerk: ClerkMetrics::register(ours),
            compaction: CompactionMetrics::register(ours),
            database: DatabaseMetrics::register(ours, &queues),
            http: HttpMetrics::register(ours),
            queues,
            registry,
        }
    }
}

impl Metrics {
    /// All of them as OpenMetrics text, those of the process as they are now.
    ///
    /// # Errors
    /// [`std::fmt::Error`] of the encoder.
    pub fn text(&self) -> Result<String, std::fmt::Error> {
        self.process.read();
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
