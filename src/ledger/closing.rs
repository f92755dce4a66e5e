//! What closes an account: all that it holds goes to another, by legs that belong to no activity.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::derived_id::leg_id;
use super::lines::Asset;
use crate::domain::ids::{AccountId, NeighbourhoodId, TransferId};

/// Why something was posted that belongs to no activity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Two parties are one person: one's account goes into the other's.
    PartyAlias,
    /// The account was closed, and its remainder goes to the neighbourhood's.
    AccountClosed,
}

/// What an account holds of each asset, in minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remainder {
    pub contribution: i64,
    pub credit: i64,
}

/// One leg, between the commons and an account like every other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leg {
    pub id: TransferId,
    /// 1, 2, 3 … within the closing.
    pub line_no: i64,
    pub account: AccountId,
    /// The account on the other side.
    pub counter: AccountId,
    pub asset: Asset,
    /// Signed, as of any transfer.
    pub minutes: i64,
}

/// The legs that take a remainder out of an account and put it into another, none where nothing is left: of each
/// asset first the one out, then the one in. `no` is the number of the entry that says why.
#[must_use]
pub fn legs(
    neighbourhood: NeighbourhoodId,
    (from, to): (AccountId, AccountId),
    no: i64,
    remainder: Remainder,
) -> Vec<Leg> {
    let assets = [(Asset::Contribution, remainder.contribution), (Asset::Credit, remainder.credit)];
    let moved = assets.into_iter().filter(|(_, minutes)| *minutes != 0);
    let sides = moved.flat_map(|(asset, minutes)| {
        [(from, to, asset, minutes.saturating_neg()), (to, from, asset, minutes)]
    });
    (1..)
        .zip(sides)
        .map(|(line_no, (account, counter, asset, minutes))| Leg {
            id: leg_id(neighbourhood, from, no, line_no),
            line_no,
            account,
            counter,
            asset,
            minutes,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn moved(remainder: Remainder) -> Vec<(u128, Asset, i64)> {
        let (from, to) = (AccountId(Uuid::from_u128(1)), AccountId(Uuid::from_u128(2)));
        let legs = legs(NeighbourhoodId(Uuid::nil()), (from, to), 7, remainder);
        let numbers: Vec<i64> = legs.iter().map(|leg| leg.line_no).collect();
        assert_eq!(numbers, (1..).take(legs.len()).collect::<Vec<_>>());
        assert!(legs.iter().all(|leg| leg.account != leg.counter));
        legs.iter().map(|leg| (leg.account.0.as_u128(), leg.asset, leg.minutes)).collect()
    }

    #[test]
    fn each_asset_goes_from_one_to_the_other_and_nothing_else() {
        use Asset::{Contribution, Credit};
        let both = Remainder { contribution: 90, credit: -5 };
        let expected = [(1, Contribution, -90), (2, Contribution, 90), (1, Credit, 5), (2, Credit, -5)];
        assert_eq!(moved(both), expected);
        assert_eq!(moved(Remainder { contribution: 0, credit: 3 }), [(1, Credit, -3), (2, Credit, 3)]);
        assert_eq!(moved(Remainder::default()), []);
    }
}
