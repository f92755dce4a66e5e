//! Compares what a guide says with what was answered; see `guides.rs` for the notation.

use std::collections::BTreeMap;

use serde_json::Value;

/// What was kept, by name.
pub type Known = BTreeMap<String, String>;

const ANY: &str = "…";

/// What differs, with JSON pointers.
pub fn json(wanted: &Value, got: &Value, at: &str, known: &mut Known) -> Vec<String> {
    match (wanted, got) {
        (Value::String(any), _) if any == ANY => Vec::new(),
        (Value::String(wanted), Value::String(got)) => text(wanted, got, at, known).into_iter().collect(),
        (Value::Array(wanted), Value::Array(got)) => {
            let (wanted, open) = match wanted.split_last() {
                Some((last, before)) if last == ANY => (before, true),
                _ => (wanted.as_slice(), false),
            };
            if got.len() < wanted.len() || (got.len() > wanted.len() && !open) {
                return vec![format!("{at} has {} items", got.len())];
            }
            let pairs = (0..).zip(wanted.iter().zip(got));
            pairs
                .flat_map(|(index, (wanted, got))| json(wanted, got, &format!("{at}/{index}"), known))
                .collect()
        }
        (Value::Object(wanted), Value::Object(got)) => {
            let mut found = Vec::new();
            for (key, wanted) in wanted.iter().filter(|(key, _)| *key != ANY) {
                let at = format!("{at}/{key}");
                match got.get(key) {
                    Some(got) => found.extend(json(wanted, got, &at, known)),
                    None => found.push(format!("there is no {at}")),
                }
            }
            if !wanted.contains_key(ANY) {
                let more = got.keys().filter(|key| !wanted.contains_key(*key));
                found.extend(more.map(|key| format!("{at}/{key} is not told")));
            }
            found
        }
        (wanted, got) if wanted == got => Vec::new(),
        (_, got) => vec![format!("{at} is {got}")],
    }
}

/// What differs in a text.
pub fn text(wanted: &str, got: &str, at: &str, known: &mut Known) -> Option<String> {
    if let Some(name) = wanted.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")) {
        let kept = known.entry(name.to_owned()).or_insert_with(|| got.to_owned());
        return (kept != got).then(|| format!("{at} is \"{got}\", and {name} is \"{kept}\""));
    }
    (!fits(wanted, got)).then(|| format!("{at} is \"{got}\""))
}

/// Whether the parts between ellipses stand there in their order, the first at the beginning, the last at the end.
fn fits(wanted: &str, got: &str) -> bool {
    let mut parts = wanted.split(ANY);
    let Some(mut rest) = got.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}
