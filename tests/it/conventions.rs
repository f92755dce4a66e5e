//! The conventions of the API, each held over every operation of the OpenAPI document: a new operation is covered by
//! being in the document. Who may call what is in `authorization`, the document's own rules are in `openapi`.

mod bodies;
mod changes;
mod creates;
mod cuts;
mod fields;
mod lists;
mod operation;
mod paths;
mod retries;
mod world;
mod writes;

use std::collections::BTreeSet;

use operation::{Operation, operations};

/// What was walked, at least: fewer means that a walk has lost its way, not that the API is small.
const WALKED_MIN: [(&str, usize); 6] = [
    ("operations", 60),
    ("lists", 20),
    ("creates", 10),
    ("writes", 26),
    ("path parameters", 30),
    ("bodies", 20),
];

#[test]
fn the_walks_go_over_all_that_there_is() {
    let all = operations();
    let count = |of: &dyn Fn(&Operation) -> bool| all.iter().filter(|one| of(one)).count();
    let walked = [
        ("operations", all.len()),
        ("lists", count(&Operation::is_list)),
        ("creates", count(&Operation::is_create)),
        ("writes", count(&Operation::is_write)),
        ("path parameters", all.iter().map(|one| one.path_parameters().len()).sum()),
        ("bodies", count(&|one| one.takes("application/json"))),
    ];
    println!("{walked:?}");
    for ((what, walked), (_, least)) in walked.iter().zip(&WALKED_MIN) {
        assert!(walked >= least, "{walked} {what}, and there were {least}");
    }
    let is_named = |one: &&Operation| one.id.starts_with("list_") || one.id == "get_statement";
    let named: BTreeSet<&str> = all.iter().filter(is_named).map(|one| one.id.as_str()).collect();
    let lists: BTreeSet<&str> = all.iter().filter(|one| one.is_list()).map(|one| one.id.as_str()).collect();
    assert_eq!(named, lists, "what is called a list answers pages, and nothing else does");
}
