//! One metric for each value of a label, made at the start: an alert on a value that never came still finds a
//! zero, and the way of a sync allocates no label.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The value counted where none of the known ones fits.
pub(super) const OTHER: &str = "other";

/// One label with its value.
pub(super) type Label = [(&'static str, &'static str); 1];

/// The metrics of one label, by its values.
#[derive(Debug)]
pub(super) struct ByLabel<M> {
    known: Vec<(&'static str, M)>,
    other: M,
}

impl<M: Clone> ByLabel<M> {
    /// Makes the metric of each value.
    pub fn of<C: MetricConstructor<M>>(
        family: &Family<Label, M, C>,
        label: &'static str,
        values: impl IntoIterator<Item = &'static str>,
    ) -> Self {
        let made = |value| family.get_or_create_owned(&[(label, value)]);
        let known = values.into_iter().map(|value| (value, made(value))).collect();
        Self { known, other: made(OTHER) }
    }

    /// The metric of a value; [`OTHER`]'s where the value is not known.
    pub fn get(&self, value: &str) -> &M {
        let found = self.known.iter().find(|(known, _)| *known == value);
        found.map_or(&self.other, |(_, metric)| metric)
    }
}

/// Registers a counter for each value.
pub(super) fn counters(
    registry: &mut Registry,
    (name, help): (&str, &str),
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) -> ByLabel<Counter> {
    let family = Family::<Label, Counter>::default();
    registry.register(name, help, family.clone());
    ByLabel::of(&family, label, values)
}

/// Registers a histogram of seconds for each value.
pub(super) fn durations(
    registry: &mut Registry,
    (name, help): (&str, &str),
    label: &'static str,
    values: impl IntoIterator<Item = &'static str>,
) -> ByLabel<Histogram> {
    let family = Family::<Label, Histogram>::new_with_constructor(duration);
    registry.register_with_unit(name, help, Unit::Seconds, family.clone());
    ByLabel::of(&family, label, values)
}

/// Registers one counter.
pub(super) fn counter(registry: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    registry.register(name, help, counter.clone());
    counter
}

/// A histogram of what lies between a quarter of a millisecond and eight seconds.
pub(super) fn duration() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}
