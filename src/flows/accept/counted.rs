//! What an accept adds to the metrics and says in the log, once it is committed.

use super::{Became, ChunkOutcome};
use crate::app::App;
use crate::metrics::{Laps, Phase};

/// Counts the outcomes and times the parts.
pub fn count(app: &App, outcomes: &[ChunkOutcome], laps: &Laps) {
    let metrics = &app.metrics().sync;
    let [mut accepted, mut duplicate, mut held, mut deferred, mut refused] = [0_u64; 5];
    for outcome in outcomes {
        match &outcome.became {
            Became::Accepted => {
                accepted += 1;
                metrics.accepted();
            }
            Became::Duplicate => {
                duplicate += 1;
                metrics.duplicate();
            }
            Became::Held(reason) => {
                held += 1;
                metrics.held(reason);
            }
            Became::Deferred(_) => {
                deferred += 1;
                metrics.deferred();
            }
            Became::Refused(code, _) => {
                refused += 1;
                metrics.refused(code);
            }
        }
    }
    metrics.phases(laps);
    tracing::debug!(
        accepted,
        duplicate,
        held,
        deferred,
        refused,
        facts_micros = laps.micros(Phase::Facts),
        plan_micros = laps.micros(Phase::Plan),
        reduce_micros = laps.micros(Phase::Reduce),
        write_micros = laps.micros(Phase::Write),
        commit_micros = laps.micros(Phase::Commit),
        document_micros = laps.micros(Phase::Document),
        "accepted"
    );
}
