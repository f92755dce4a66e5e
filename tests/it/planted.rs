//! The bugs that `make planted` plants still fit the source that they are planted into.

use std::collections::BTreeSet;

use serde::Deserialize;

/// One entry of `tests/planted/plants.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Plant {
    name: String,
    file: String,
    from: String,
    to: String,
    by: String,
    on: String,
}

fn read(path: &str) -> String {
    let path = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect(&path)
}

#[test]
fn every_bug_to_plant_has_its_place_in_the_source_exactly_once() {
    let plants: Vec<Plant> = serde_json::from_str(&read("tests/planted/plants.json")).expect("plants");
    let names: BTreeSet<&str> = plants.iter().map(|plant| plant.name.as_str()).collect();
    assert_eq!(names.len(), plants.len(), "names are used twice");
    for Plant { name, file, from, to, by, on } in &plants {
        assert_eq!(read(file).matches(from.as_str()).count(), 1, "{name}: in {file}");
        assert_ne!(from, to, "{name} changes nothing");
        assert!(["always", "ledger"].contains(&by.as_str()), "{name}: found by {by}");
        assert!(["sqlite", "postgres"].contains(&on.as_str()), "{name}: on {on}");
    }
}
