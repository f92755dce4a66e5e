//! A part that takes more than its occasion has left (`posting.md`: "approve a part"), whichever of the two came
//! first.

use super::Suspicion;
use super::evidence::{Evidence, OverClaimed};
use super::examine::Claim;

impl Claim {
    /// What the occasion has left for the part.
    #[must_use]
    pub fn remainder(&self) -> i64 {
        self.total.saturating_sub(self.named).saturating_sub(self.other_parts).max(0)
    }
}

pub(super) fn rule(claim: &Claim) -> Option<Suspicion> {
    let Claim { part, occasion, claimed, total, named, other_parts } = *claim;
    let remainder = claim.remainder();
    let evidence = OverClaimed { occasion, claimed, remainder, total, named, other_parts };
    (claimed > remainder).then(|| Suspicion::new([part, occasion], Evidence::OverClaimed(evidence)))
}
