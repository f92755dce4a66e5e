//! Requests by route template, method and class of status; problems by code, tokens and proofs among them.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{ByLabel, OTHER, duration};

/// What a request came to; `aborted` if the client left before the answer.
const CLASSES: [&str; 6] = ["aborted", "1xx", "2xx", "3xx", "4xx", "5xx"];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

type Labels<const N: usize> = [(&'static str, String); N];
type Endpoints = BTreeMap<&'static str, BTreeMap<String, Arc<Endpoint>>>;

/// See the module.
#[derive(Debug)]
pub struct HttpMetrics {
    requests: Family<Labels<3>, Counter>,
    durations: Family<Labels<2>, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
    problems: Family<[(&'static str, &'static str); 1], Counter>,
    by_code: OnceLock<ByLabel<Counter>>,
    /// By method and route: those asked for once, so that the next request allocates no label.
    endpoints: RwLock<Endpoints>,
}

#[derive(Debug)]
struct Endpoint {
    classes: [Counter; CLASSES.len()],
    duration: Histogram,
}

impl HttpMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            requests: Family::default(),
            durations: Family::new_with_constructor(duration),
            in_flight: Gauge::default(),
            problems: Family::default(),
            by_code: OnceLock::new(),
            endpoints: RwLock::default(),
        };
        let help = "Requests, by route, method and class of the answer's status";
        registry.register("http_requests", help, metrics.requests.clone());
        let help = "Requests that were answered, by route and method";
        let durations = metrics.durations.clone();
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations);
        registry.register("http_requests_in_flight", "Requests being answered", metrics.in_flight.clone());
        let help = "Problems answered, by code: refused tokens and proofs among them";
        registry.register("http_problems", help, metrics.problems.clone());
        metrics
    }

    /// Says which codes problems have, so that each stands at zero.
    pub fn know_problems(&self, codes: impl IntoIterator<Item = &'static str>) {
        self.by_code.get_or_init(|| ByLabel::of(&self.problems, "code", codes));
    }

    /// A problem with this code is answered.
    pub fn problem(&self, code: &str) {
        if let Some(by_code) = self.by_code.get() {
            by_code.get(code).inc();
        }
    }

    /// A request is here; what comes back counts it when it is dropped.
    pub fn request(&self, method: &str, route: &str) -> InFlight {
        self.in_flight.inc();
        let in_flight = self.in_flight.clone();
        InFlight { endpoint: self.endpoint(method, route), in_flight, begun: Instant::now(), status: 0 }
    }

    fn endpoint(&self, method: &str, route: &str) -> Arc<Endpoint> {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or(OTHER);
        let known = self.endpoints.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(endpoint) = known.get(method).and_then(|routes| routes.get(route)) {
            return Arc::clone(endpoint);
        }
        drop(known);
        let named = || [("route", route.to_owned()), ("method", method.to_owned())];
        let counted = |class: &str| {
            let [route, method] = named();
            self.requests.get_or_create_owned(&[route, method, ("class", class.to_owned())])
        };
        let duration = self.durations.get_or_create_owned(&named());
        let endpoint = Arc::new(Endpoint { classes: CLASSES.map(counted), duration });
        let mut known = self.endpoints.write().unwrap_or_else(PoisonError::into_inner);
        let routes = known.entry(method).or_default();
        Arc::clone(routes.entry(route.to_owned()).or_insert(endpoint))
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub struct InFlight {
    endpoint: Arc<Endpoint>,
    in_flight: Gauge,
    begun: Instant,
    status: u16,
}

impl InFlight {
    /// It was answered.
    pub fn answered(&mut self, status: u16) {
        self.status = status;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.in_flight.dec();
        let class = usize::from(self.status / 100);
        if let Some(counter) = self.endpoint.classes.get(class) {
            counter.inc();
        }
        if class > 0 {
            self.endpoint.duration.observe(self.begun.elapsed().as_secs_f64());
        }
    }
}
