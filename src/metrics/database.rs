//! How long writes wait for the database, hold it, and commit. Knows nothing of what a transaction is.

use std::time::Instant;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::labels::{ByLabel, durations};
use super::queues::{Queue, QueueMetrics, Waiting};

/// Whose transaction it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Changes into a daybook.
    Accept,
    /// A round of the clerk.
    Judge,
    /// A person's decision.
    Decide,
    /// A snapshot of a daybook put in place, or bytes let go of.
    Compact,
    /// People that a phone met.
    Meet,
    /// Everything of devices, invitations and daybooks.
    Enrol,
    /// Whatever is rare.
    Manage,
}

impl Flow {
    const ALL: [Self; 7] =
        [Self::Accept, Self::Judge, Self::Decide, Self::Compact, Self::Meet, Self::Enrol, Self::Manage];

    fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Judge => "judge",
            Self::Decide => "decide",
            Self::Compact => "compact",
            Self::Meet => "meet",
            Self::Enrol => "enrol",
            Self::Manage => "manage",
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct DatabaseMetrics {
    begin: ByLabel<Histogram>,
    transaction: ByLabel<Histogram>,
    commit: ByLabel<Histogram>,
    waiting: Gauge,
    size: Family<[(&'static str, &'static str); 1], Gauge>,
    in_use: Family<[(&'static str, &'static str); 1], Gauge>,
}

impl DatabaseMetrics {
    pub(super) fn register(registry: &mut Registry, queues: &QueueMetrics) -> Self {
        let (size, in_use) = (Family::default(), Family::default());
        registry.register("database_connections", "Connections open", Family::clone(&size));
        registry.register("database_connections_in_use", "Connections at work", Family::clone(&in_use));
        let mut times = |name, help| durations(registry, (name, help), "flow", Flow::ALL.map(Flow::as_str));
        Self {
            begin: times("database_begin_wait", "From asking for a transaction to having it"),
            transaction: times(
                "database_transaction_duration",
                "From having a transaction to its end, committed or not",
            ),
            commit: times("database_commit_duration", "Commits"),
            waiting: queues.gauge(Queue::Write).clone(),
            size,
            in_use,
        }
    }

    /// Times a transaction.
    #[must_use]
    pub fn transaction(&self, flow: Flow) -> Transaction<'_> {
        Transaction { metrics: self, flow: flow.as_str(), begun: None }
    }

    /// How a pool of connections stands now.
    pub fn pool(&self, name: &'static str, size: u32, idle: usize) {
        let size = i64::from(size);
        self.size.get_or_create(&[("pool", name)]).set(size);
        let idle = i64::try_from(idle).unwrap_or(i64::MAX);
        self.in_use.get_or_create(&[("pool", name)]).set(size.saturating_sub(idle).max(0));
    }
}

/// The times of one transaction. It ends where this is dropped: let it live as long as the transaction.
#[derive(Debug)]
pub struct Transaction<'m> {
    metrics: &'m DatabaseMetrics,
    flow: &'static str,
    begun: Option<Instant>,
}

impl Transaction<'_> {
    /// Awaits the beginning.
    ///
    /// # Errors
    /// What `begin` answers.
    pub async fn begin<T, E>(&mut self, begin: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let asked = Instant::now();
        let waiting = Waiting::at(&self.metrics.waiting);
        let txn = begin.await?;
        drop(waiting);
        let now = Instant::now();
        self.metrics.begin.get(self.flow).observe(now.duration_since(asked).as_secs_f64());
        self.begun = Some(now);
        Ok(txn)
    }

    /// Awaits the commit.
    ///
    /// # Errors
    /// What `commit` answers.
    pub async fn commit<T, E>(self, commit: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let asked = Instant::now();
        let committed = commit.await;
        self.metrics.commit.get(self.flow).observe(asked.elapsed().as_secs_f64());
        committed
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun {
            self.metrics.transaction.get(self.flow).observe(begun.elapsed().as_secs_f64());
        }
    }
}
