//! In which neighbourhoods the share of automatic approvals has drifted, as this replica saw it last.

use std::time::Duration;

use moka::sync::Cache;

use crate::domain::ids::NeighbourhoodId;
use crate::domain::limits::SHARE_LOOK_MS;

/// Where nothing was judged for so long on this replica, another may know better, or the share is one of few records.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// Neighbourhoods that are remembered.
const REMEMBERED_MAX: u64 = 10_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Shares(Cache<NeighbourhoodId, Looked>);

#[derive(Debug, Clone, Copy)]
struct Looked {
    at_ms: i64,
    drifted: bool,
}

impl Default for Shares {
    fn default() -> Self {
        Self(Cache::builder().time_to_live(REMEMBERED).max_capacity(REMEMBERED_MAX).build())
    }
}

impl Shares {
    /// Whether nobody has looked at a neighbourhood for a while.
    #[must_use]
    pub fn is_time(&self, neighbourhood: NeighbourhoodId, now_ms: i64) -> bool {
        let looked = self.0.get(&neighbourhood);
        looked.is_none_or(|looked| now_ms.saturating_sub(looked.at_ms) >= SHARE_LOOK_MS)
    }

    /// Notes what was seen.
    pub fn looked(&self, neighbourhood: NeighbourhoodId, at_ms: i64, drifted: bool) {
        self.0.insert(neighbourhood, Looked { at_ms, drifted });
    }

    /// How many have drifted.
    #[must_use]
    pub fn drifted(&self) -> usize {
        self.0.iter().filter(|(_, looked)| looked.drifted).count()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_neighbourhood_is_looked_at_once_in_a_while() {
        let (shares, [a, b]) = (Shares::default(), [1, 2].map(|id| NeighbourhoodId(Uuid::from_u128(id))));
        assert!(shares.is_time(a, 0));
        shares.looked(a, 0, true);
        shares.looked(b, 0, false);
        assert!(!shares.is_time(a, SHARE_LOOK_MS - 1) && shares.is_time(a, SHARE_LOOK_MS));
        assert_eq!(shares.drifted(), 1);
        shares.looked(a, SHARE_LOOK_MS, false);
        assert_eq!(shares.drifted(), 0);
    }
}
