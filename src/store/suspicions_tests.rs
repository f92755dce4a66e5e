//! What is near is looked up: a hundred thousand records elsewhere cost nothing.

use super::super::totals::tests::steps;
use super::*;

const HERE: NeighbourhoodId = NeighbourhoodId(Uuid::nil());

#[tokio::test]
async fn records_near_are_found_by_trace() {
    let steps = steps(leaving_statement(DbBackend::Sqlite, HERE, &[1, 2, 3], 200)).await;
    let by = "(neighbourhood_id=? AND trace=?)";
    let on_traces: Vec<_> = steps.iter().filter(|step| step.contains("activity_trace")).collect();
    assert!(on_traces.len() == 1 && on_traces[0].ends_with(by), "{steps:?}");
}

#[tokio::test]
async fn what_is_doubted_of_a_record_is_found_by_its_id() {
    let query = suspicion::Entity::find()
        .filter(S::NeighbourhoodId.eq(HERE.0))
        .filter(S::Id.in_subquery(named_by(HERE, &[Uuid::max()])));
    let steps = steps(query.build(DbBackend::Sqlite)).await;
    assert!(steps.iter().all(|step| !step.starts_with("SCAN")), "{steps:?}");
    assert!(
        steps.iter().any(|step| step.contains("suspicion_about") && step.contains("activity_id=?")),
        "{steps:?}"
    );
}
