//! What compaction does behind the answers.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{ByLabel, counter, counters};

/// What a compaction ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompactionEnd {
    /// A snapshot is in place.
    Done,
    /// There was nothing new.
    Nothing,
    /// Another replica was faster, or the daybook is gone.
    Outrun,
    /// The snapshot could not be proved: nothing is dropped until the daybook is rebuilt.
    Alarm,
    /// The database did not answer; tried again later.
    Failed,
}

impl CompactionEnd {
    const ALL: [Self; 5] = [Self::Done, Self::Nothing, Self::Outrun, Self::Alarm, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Nothing => "nothing",
            Self::Outrun => "outrun",
            Self::Alarm => "alarm",
            Self::Failed => "failed",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct CompactionMetrics {
    ends: ByLabel<Counter>,
    took: Histogram,
    let_go: Counter,
}

impl CompactionMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let took = Histogram::new([0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0]);
        registry.register_with_unit("compaction_duration", "Whole compactions", Unit::Seconds, took.clone());
        Self {
            ends: counters(
                registry,
                ("compactions", "Compactions, by how they ended"),
                "end",
                CompactionEnd::ALL.map(CompactionEnd::as_str),
            ),
            took,
            let_go: counter(registry, "changes_let_go", "Changes whose bytes a snapshot stands in for"),
        }
    }

    /// A compaction ended.
    pub fn ended(&self, end: CompactionEnd, took: Duration) {
        self.ends.get(end.as_str()).inc();
        self.took.observe(took.as_secs_f64());
    }

    /// The bytes of so many changes were let go of.
    pub fn let_go(&self, changes: i64) {
        self.let_go.inc_by(u64::try_from(changes).unwrap_or_default());
    }
}
