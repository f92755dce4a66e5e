//! What the clerk does: how long versions waited, what became of them, what was posted.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{ByLabel, counter, counters};
use crate::domain::review::Review;

/// What a round of the clerk ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundEnd {
    Judged,
    /// Nothing waited, or another clerk holds the tip.
    Nothing,
    Failed,
}

impl RoundEnd {
    const ALL: [Self; 3] = [Self::Judged, Self::Nothing, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// Who decides: a rule, a person, or the resident by taking a record back.
const DECIDERS: [&str; 3] = ["rule", "person", "daybook"];

/// What one committed transaction of judging did.
#[derive(Debug, Clone, Default)]
pub struct Judged {
    /// Versions taken up.
    pub versions: u64,
    /// By rules, by persons, by what daybooks say.
    pub decisions: [u64; DECIDERS.len()],
    pub postings: u64,
    /// Where the activities that were judged stand.
    pub reviews: Vec<Review>,
    /// Some of them are due again already.
    pub any_due: bool,
}

/// See the module.
#[derive(Debug)]
pub struct ClerkMetrics {
    lag: Histogram,
    rung: Gauge,
    drifted: Gauge,
    rounds: ByLabel<Counter>,
    versions: Counter,
    activities: ByLabel<Counter>,
    decisions: ByLabel<Counter>,
    postings: Counter,
}

impl ClerkMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        // From ten milliseconds to a day.
        let lag = Histogram::new([0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0]);
        let help = "Age of the oldest version that a round takes up";
        registry.register_with_unit("clerk_lag", help, Unit::Seconds, lag.clone());
        let rung = Gauge::default();
        registry.register("clerk_rung", "Neighbourhoods that the clerk is rung for", rung.clone());
        let drifted = Gauge::default();
        let help = "Neighbourhoods in which the share of automatic approvals has drifted";
        registry.register("automatic_share_drifted", help, drifted.clone());
        let reviews = REVIEWS.map(word);
        Self {
            lag,
            rung,
            drifted,
            rounds: counters(
                registry,
                ("clerk_rounds", "Rounds of the clerk, by how they ended"),
                "end",
                RoundEnd::ALL.map(RoundEnd::as_str),
            ),
            versions: counter(registry, "versions_judged", "Versions taken up"),
            activities: counters(
                registry,
                ("activities_judged", "Activities judged, by the review after it"),
                "review",
                reviews,
            ),
            decisions: counters(registry, ("decisions", "Decisions stored, by who decided"), "by", DECIDERS),
            postings: counter(registry, "postings", "Lines posted to the ledger"),
        }
    }

    /// A round takes up versions of which the oldest was received so long ago.
    pub fn lag_ms(&self, waited: i64) {
        let millis = u32::try_from(waited.max(0)).unwrap_or(u32::MAX);
        self.lag.observe(f64::from(millis) / 1_000.0);
    }

    /// How many neighbourhoods the clerk is rung for now.
    pub fn rung(&self, neighbourhoods: usize) {
        self.rung.set(i64::try_from(neighbourhoods).unwrap_or(i64::MAX));
    }

    /// In how many neighbourhoods the share of automatic approvals has drifted, of those where this replica judged
    /// something within a day.
    pub fn drifted(&self, neighbourhoods: usize) {
        self.drifted.set(i64::try_from(neighbourhoods).unwrap_or(i64::MAX));
    }

    /// A round has ended.
    pub fn round(&self, end: RoundEnd) {
        self.rounds.get(end.as_str()).inc();
    }

    /// A transaction of judging, a round or a person's decision, was committed.
    pub fn judged(&self, judged: &Judged) {
        self.versions.inc_by(judged.versions);
        for (by, count) in DECIDERS.into_iter().zip(judged.decisions) {
            self.decisions.get(by).inc_by(count);
        }
        self.postings.inc_by(judged.postings);
        for review in &judged.reviews {
            self.activities.get(word(*review)).inc();
        }
    }
}

const REVIEWS: [Review; 6] = [
    Review::Received,
    Review::Approved,
    Review::NeedsChanges,
    Review::Rejected,
    Review::Withdrawn,
    Review::EditedAfterApproval,
];

/// The word as the API says it.
fn word(review: Review) -> &'static str {
    match review {
        Review::Received => "received",
        Review::Approved => "approved",
        Review::NeedsChanges => "needs_changes",
        Review::Rejected => "rejected",
        Review::Withdrawn => "withdrawn",
        Review::EditedAfterApproval => "edited_after_approval",
    }
}
