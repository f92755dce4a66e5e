//! Ids that follow from what they name, so that a rebuild gives the same ones.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::domain::ids::{AccountId, ActivityId, DecisionId, NeighbourhoodId, TransferId};

/// The id of one line of one posting: equal exactly if all four are.
#[must_use]
pub fn transfer_id(
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    posting_seq: i64,
    line_no: i64,
) -> TransferId {
    TransferId(hashed("daybook transfer 1", neighbourhood.0, activity.0, [posting_seq, line_no]))
}

/// The id of a decision that no person made, by the `decision_seq` that it gets.
#[must_use]
pub fn rule_decision_id(
    neighbourhood: NeighbourhoodId,
    activity: ActivityId,
    decision_seq: i64,
) -> DecisionId {
    DecisionId(hashed("daybook rule decision 1", neighbourhood.0, activity.0, [decision_seq, 0]))
}

/// The id of what a merge or its undoing decides about a member, by the id of the decision about the canonical one.
#[must_use]
pub fn member_decision_id(decision: DecisionId, member: ActivityId) -> DecisionId {
    DecisionId(hashed("daybook member decision 1", decision.0, member.0, [0, 0]))
}

/// The id of one leg of what closes an account, by the number of the journal's entry that says so.
#[must_use]
pub fn leg_id(neighbourhood: NeighbourhoodId, account: AccountId, no: i64, leg: i64) -> TransferId {
    TransferId(hashed("daybook closing 1", neighbourhood.0, account.0, [no, leg]))
}

/// A UUID of version 8 over a purpose and fields of fixed length.
fn hashed(purpose: &str, neighbourhood: Uuid, activity: Uuid, numbers: [i64; 2]) -> Uuid {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(Sha256::digest(purpose.as_bytes()))
        .chain_update(neighbourhood.as_bytes())
        .chain_update(activity.as_bytes())
        .chain_update(numbers[0].to_be_bytes())
        .chain_update(numbers[1].to_be_bytes())
        .finalize()
        .into();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_name_matters_and_the_same_name_gives_the_same_id() {
        let n = NeighbourhoodId(Uuid::from_u128(1));
        let a = ActivityId(Uuid::from_u128(2));
        let id = transfer_id(n, a, 3, 4);
        assert_eq!(id, transfer_id(n, a, 3, 4));
        assert_eq!(id.0.get_version_num(), 8);
        let others = [
            transfer_id(n, a, 4, 3),
            transfer_id(n, a, 3, 5),
            transfer_id(NeighbourhoodId(a.0), ActivityId(n.0), 3, 4),
            TransferId(rule_decision_id(n, a, 3).0),
            TransferId(member_decision_id(DecisionId(n.0), a).0),
            leg_id(n, AccountId(a.0), 3, 4),
        ];
        assert!(others.iter().all(|other| *other != id));
    }
}
