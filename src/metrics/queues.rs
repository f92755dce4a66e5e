//! Who waits for what, now.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::labels::{ByLabel, Label};

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    /// A transaction that writes: on SQLite the one writer, on PostgreSQL a connection.
    Write,
    /// The lock of the daybook that changes are to be taken into, with the transaction that it is taken in.
    Daybook,
    /// The turn of a push that is heavy to decode.
    HeavyPush,
    /// Room in memory to load a document.
    Document,
}

impl Queue {
    /// Every queue.
    pub const ALL: [Self; 4] = [Self::Write, Self::Daybook, Self::HeavyPush, Self::Document];

    /// As the label says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Daybook => "daybook",
            Self::HeavyPush => "heavy_push",
            Self::Document => "document",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct QueueMetrics {
    waiting: ByLabel<Gauge>,
}

impl QueueMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let family = Family::<Label, Gauge>::default();
        registry.register("waiting", "Those that wait now, by what for", family.clone());
        Self { waiting: ByLabel::of(&family, "queue", Queue::ALL.map(Queue::as_str)) }
    }

    /// Somebody waits, until what comes back is dropped.
    #[must_use]
    pub fn wait(&self, queue: Queue) -> Waiting {
        Waiting::at(self.gauge(queue))
    }

    pub(super) fn gauge(&self, queue: Queue) -> &Gauge {
        self.waiting.get(queue.as_str())
    }
}

/// Somebody who waits.
#[derive(Debug)]
pub struct Waiting(Gauge);

impl Waiting {
    pub(super) fn at(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
