//! What the door of the daybooks does: changes and what became of them, syncs, bytes, documents loaded.

use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{ByLabel, counters, duration, durations};
use crate::merge::RefusalCode;
use crate::merge::admit::HeldReason;

/// Outcomes of a pushed change, and `admitted` for one that was held until now.
const OUTCOMES: [&str; 6] = [ACCEPTED, DUPLICATE, HELD, DEFERRED, REFUSED, ADMITTED];
const ACCEPTED: &str = "accepted";
const DUPLICATE: &str = "duplicate";
const HELD: &str = "held";
const DEFERRED: &str = "deferred";
const REFUSED: &str = "refused";
const ADMITTED: &str = "admitted";
/// States of a daybook in an answer.
const STATES: [&str; 6] = ["ok", "restart", "reload", "busy", "gone", "not_found"];

/// Why a document was loaded: everything else is done without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentReason {
    /// A text of an earlier push was edited.
    Splice,
    /// Increments of a hidden counter.
    Counter,
    /// Only the document can tell whether a change may follow.
    Proof,
    Compaction,
    /// A JSON edit of an older version.
    JsonEdit,
    /// The Bloom filters of the automerge-repo protocol.
    RepoSync,
    Rebuild,
}

impl DocumentReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Splice,
        Self::Counter,
        Self::Proof,
        Self::Compaction,
        Self::JsonEdit,
        Self::RepoSync,
        Self::Rebuild,
    ];

    /// As the label says it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Splice => "splice",
            Self::Counter => "counter",
            Self::Proof => "proof",
            Self::Compaction => "compaction",
            Self::JsonEdit => "json_edit",
            Self::RepoSync => "repo_sync",
            Self::Rebuild => "rebuild",
        }
    }
}

/// The parts of one accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looking at each chunk alone.
    Guard,
    /// Waiting for a connection and for the daybook's lock, and loading the facts.
    Facts,
    Plan,
    /// Loading and updating the states of the activities.
    Reduce,
    Write,
    Commit,
    /// Asking the document, outside of any transaction.
    Document,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Guard, Self::Facts, Self::Plan, Self::Reduce, Self::Write, Self::Commit, Self::Document];

    fn as_str(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Facts => "facts",
            Self::Plan => "plan",
            Self::Reduce => "reduce",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Document => "document",
        }
    }
}

/// How long each part of one accept took.
#[derive(Debug)]
pub struct Laps {
    last: Instant,
    took: [Option<Duration>; Phase::ALL.len()],
}

impl Laps {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { last: Instant::now(), took: [None; Phase::ALL.len()] }
    }

    /// A part ends here, and the next begins. A part of a second attempt adds to that of the first.
    pub fn lap(&mut self, phase: Phase) {
        let now = Instant::now();
        let took = self.took[phase as usize].get_or_insert_default();
        *took += now.duration_since(self.last);
        self.last = now;
    }

    /// Microseconds of a part, for the log.
    #[must_use]
    pub fn micros(&self, phase: Phase) -> u64 {
        self.took[phase as usize].map_or(0, |took| u64::try_from(took.as_micros()).unwrap_or(u64::MAX))
    }
}

/// See the module.
#[derive(Debug)]
pub struct SyncMetrics {
    changes: ByLabel<Counter>,
    held: ByLabel<Counter>,
    refused: ByLabel<Counter>,
    documents: ByLabel<Counter>,
    requests: Histogram,
    daybooks: ByLabel<Histogram>,
    phases: ByLabel<Histogram>,
    received: Counter,
    sent: Counter,
    held_now: Gauge,
    quarantined: Gauge,
}

impl SyncMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = duration();
        let help = "Whole syncs, of all daybooks of a request, answered or failed";
        registry.register_with_unit("sync_duration", help, Unit::Seconds, requests.clone());
        let [received, sent] = [Counter::default(), Counter::default()];
        let [held_now, quarantined] = [Gauge::default(), Gauge::default()];
        registry.register("held", "Changes held, as of the last look", held_now.clone());
        registry.register("quarantined", "Changes in quarantine, as of the last look", quarantined.clone());
        let help = "Changes that phones pushed, as bytes of Automerge";
        registry.register_with_unit("sync_received", help, Unit::Bytes, received.clone());
        let help = "Changes that phones were sent, as bytes of Automerge";
        registry.register_with_unit("sync_sent", help, Unit::Bytes, sent.clone());
        Self {
            changes: counters(registry, ("changes", "Changes, by what became of them"), "outcome", OUTCOMES),
            held: counters(
                registry,
                ("changes_held", "Changes that wait, by what for"),
                "reason",
                HeldReason::ALL.map(HeldReason::as_str),
            ),
            refused: counters(
                registry,
                ("changes_refused", "Changes refused, by code"),
                "code",
                RefusalCode::ALL.map(RefusalCode::as_str),
            ),
            documents: counters(
                registry,
                ("documents_loaded", "Automerge documents loaded, by why"),
                "reason",
                DocumentReason::ALL.map(DocumentReason::as_str),
            ),
            daybooks: durations(
                registry,
                ("sync_daybook_duration", "One daybook of a sync, by the state it was answered with"),
                "state",
                STATES,
            ),
            phases: durations(
                registry,
                ("accept_phase_duration", "Parts of taking changes into one daybook"),
                "phase",
                Phase::ALL.map(Phase::as_str),
            ),
            requests,
            received,
            sent,
            held_now,
            quarantined,
        }
    }

    /// A pushed change is in the daybook.
    pub fn accepted(&self) {
        self.changes.get(ACCEPTED).inc();
    }

    /// A pushed change was there already.
    pub fn duplicate(&self) {
        self.changes.get(DUPLICATE).inc();
    }

    /// A pushed change waits, for this reason.
    pub fn held(&self, reason: &str) {
        self.changes.get(HELD).inc();
        self.held.get(reason).inc();
    }

    /// A pushed change is to be sent again.
    pub fn deferred(&self) {
        self.changes.get(DEFERRED).inc();
    }

    /// A pushed change was refused, with this code.
    pub fn refused(&self, code: &str) {
        self.changes.get(REFUSED).inc();
        self.refused.get(code).inc();
    }

    /// Changes that were held are in the daybook now.
    pub fn admitted(&self, count: usize) {
        self.changes.get(ADMITTED).inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// How many changes are held, and how many in quarantine, in all neighbourhoods.
    pub fn set_aside(&self, held: u64, quarantined: u64) {
        self.held_now.set(i64::try_from(held).unwrap_or(i64::MAX));
        self.quarantined.set(i64::try_from(quarantined).unwrap_or(i64::MAX));
    }

    /// A document was loaded.
    pub fn document_loaded(&self, reason: DocumentReason) {
        self.documents.get(reason.as_str()).inc();
    }

    /// A whole sync, answered or failed.
    pub fn synced(&self, took: Duration) {
        self.requests.observe(took.as_secs_f64());
    }

    /// One daybook of a sync, answered with this state.
    pub fn daybook(&self, state: &str, took: Duration) {
        self.daybooks.get(state).observe(took.as_secs_f64());
    }

    /// Bytes of changes pushed.
    pub fn received(&self, bytes: usize) {
        self.received.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// Bytes of changes sent.
    pub fn sent(&self, bytes: usize) {
        self.sent.inc_by(u64::try_from(bytes).unwrap_or(u64::MAX));
    }

    /// The parts of an accept that was answered, or of the guard before it.
    pub fn phases(&self, laps: &Laps) {
        for phase in Phase::ALL {
            if let Some(took) = laps.took[phase as usize] {
                self.phases.get(phase.as_str()).observe(took.as_secs_f64());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_labels_of_reasons_and_phases_are_in_the_order_of_their_numbers() {
        assert!(Phase::ALL.iter().enumerate().all(|(index, phase)| *phase as usize == index));
        assert!(DocumentReason::ALL.iter().enumerate().all(|(index, reason)| *reason as usize == index));
    }

    #[test]
    fn a_code_that_nobody_knows_is_counted_as_another() {
        let metrics = SyncMetrics::register(&mut Registry::default());
        metrics.refused("bored");
        assert_eq!(metrics.refused.get("other").get(), 1);
        assert_eq!(metrics.changes.get(REFUSED).get(), 1);
    }
}
