//! A page costs what it shows, however many records there are.

use sea_orm::QueryTrait as _;

use super::super::replies;
use super::super::totals::tests::steps;
use super::*;

const HERE: NeighbourhoodId = NeighbourhoodId(Uuid::nil());

#[tokio::test]
async fn who_names_somebody_is_read_off_an_index_in_order() {
    let first = replies::naming_one(HERE, PartyId(Uuid::max()), None, 50).build(DbBackend::Sqlite);
    let steps_of_first = steps(first).await;
    let by = "COVERING INDEX named_party_received (neighbourhood_id=? AND party_id=? AND still=?)";
    assert!(steps_of_first.len() == 1 && steps_of_first[0].ends_with(by), "{steps_of_first:?}");
    let further = replies::naming_one(HERE, PartyId(Uuid::max()), Some((7, Uuid::max())), 50);
    let steps_of_further = steps(further.build(DbBackend::Sqlite)).await;
    let by = "(neighbourhood_id=? AND party_id=? AND still=? AND received_at_ms<?)";
    assert!(steps_of_further.len() == 1 && steps_of_further[0].ends_with(by), "{steps_of_further:?}");
}

#[tokio::test]
async fn what_changed_since_is_read_off_indexes() {
    let steps = steps(changed_statement(DbBackend::Sqlite, HERE, 7)).await;
    for by in [
        "COVERING INDEX judgement_judged (neighbourhood_id=? AND judged_at_ms>?)",
        "INDEX activity_version_waiting (neighbourhood_id=? AND received_at_ms>?)",
    ] {
        assert!(steps.iter().any(|step| step.ends_with(by)), "{by}: {steps:?}");
    }
}
