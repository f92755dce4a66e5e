//! Reads what the metrics' own port gives, as strictly as OpenMetrics 1.0 is.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use tower::ServiceExt as _;

use crate::support::TestApp;

/// All samples, by name and labels as they stand in the text.
#[derive(Debug, Clone)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    /// Asks the metrics' own router.
    pub async fn of(app: &TestApp) -> Self {
        let router = daybook::api::metrics_router(app.app.clone());
        let request = Request::get("/metrics").body(Body::empty()).expect("a request");
        let response = router.oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK);
        let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
        assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        Self::read(std::str::from_utf8(&bytes).expect("UTF-8"))
    }

    /// Reads the text of a server.
    pub fn read(text: &str) -> Self {
        Self(parse(text).expect("OpenMetrics"))
    }

    /// A sample, which must be there.
    pub fn value(&self, name: &str) -> f64 {
        *self.0.get(name).unwrap_or_else(|| panic!("no sample {name}"))
    }

    /// The sum of all samples of a name.
    pub fn sum(&self, name: &str) -> f64 {
        let of_name = |(key, value): (&String, &f64)| {
            let rest = key.strip_prefix(name)?;
            (rest.is_empty() || rest.starts_with('{')).then_some(*value)
        };
        self.0.iter().filter_map(of_name).sum()
    }

    /// The counters, and the counts of histograms, that moved since: by how much. Those of `process_` and
    /// sums of seconds, which always move, are left out.
    pub fn moved_since(&self, before: &Self) -> Vec<(String, f64)> {
        let counted = |name: &str| {
            let name = name.split('{').next().unwrap_or_default();
            !name.starts_with("process_") && (name.ends_with("_total") || name.ends_with("_count"))
        };
        let moved = self
            .0
            .iter()
            .filter(|(name, _)| counted(name))
            .map(|(name, value)| (name.clone(), value - before.0.get(name).copied().unwrap_or_default()));
        moved.filter(|(_, by)| *by != 0.0).collect()
    }
}

#[derive(Debug, Default)]
struct Family {
    name: String,
    kind: String,
    unit: Option<String>,
}

/// The samples of a text, or what is wrong with it.
pub fn parse(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let body = text.strip_suffix("# EOF\n").ok_or("the text does not end with # EOF")?;
    let (mut samples, mut seen, mut family) = (BTreeMap::new(), BTreeSet::new(), Family::default());
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            describe(comment, &mut family, &mut seen)?;
            continue;
        }
        let (name, value) = line.rsplit_once(' ').ok_or_else(|| format!("no value: {line}"))?;
        belongs(name, &family)?;
        let value: f64 = value.parse().map_err(|_| format!("no number: {line}"))?;
        if family.kind == "counter" && value < 0.0 {
            return Err(format!("a counter below zero: {line}"));
        }
        if samples.insert(name.to_owned(), value).is_some() {
            return Err(format!("twice: {name}"));
        }
    }
    buckets_rise(body)?;
    Ok(samples)
}

fn describe(comment: &str, family: &mut Family, seen: &mut BTreeSet<String>) -> Result<(), String> {
    let mut words = comment.splitn(3, ' ');
    let (Some(what), Some(name), Some(rest)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("an odd comment: {comment}"));
    };
    if name != family.name {
        if !seen.insert(name.to_owned()) {
            return Err(format!("the family {name} stands twice"));
        }
        *family = Family { name: name.to_owned(), ..Family::default() };
    }
    match what {
        "TYPE" => family.kind = rest.to_owned(),
        "UNIT" if name.ends_with(&format!("_{rest}")) => family.unit = Some(rest.to_owned()),
        "UNIT" => return Err(format!("the name {name} does not end with its unit {rest}")),
        "HELP" => {}
        other => return Err(format!("an odd comment: {other}")),
    }
    Ok(())
}

fn belongs(sample: &str, family: &Family) -> Result<(), String> {
    let name = sample.split('{').next().unwrap_or_default();
    let suffix = name.strip_prefix(&family.name).ok_or_else(|| format!("{name} in {}", family.name))?;
    let allowed: &[&str] = match family.kind.as_str() {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_count", "_sum"],
        "info" => &["_info"],
        other => return Err(format!("{}: type {other}", family.name)),
    };
    let unit_due = ["_seconds", "_bytes"].iter().any(|unit| family.name.ends_with(unit));
    if unit_due != family.unit.is_some() {
        return Err(format!("{}: unit {:?}", family.name, family.unit));
    }
    if allowed.contains(&suffix) { Ok(()) } else { Err(format!("{name} in a {}", family.kind)) }
}

/// Buckets are cumulative, end with +Inf, and the last one is the count.
fn buckets_rise(body: &str) -> Result<(), String> {
    let mut last: Option<(String, f64)> = None;
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap_or_default();
        let value: f64 = value.parse().unwrap_or_default();
        if name.contains("_bucket{") {
            let is_next = last.as_ref().is_some_and(|(bound, _)| bound != "+Inf");
            if is_next && last.as_ref().is_some_and(|(_, below)| value < *below) {
                return Err(format!("a bucket below the one before it: {line}"));
            }
            let bound = name.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
            last =
                Some((bound.ok_or_else(|| format!("a bucket without a bound: {line}"))?.to_owned(), value));
        } else if let Some((bound, _)) = last.take()
            && bound != "+Inf"
        {
            return Err(format!("the last bucket before {line} is {bound}"));
        }
    }
    Ok(())
}
