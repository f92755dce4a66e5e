//! A part that takes more than its occasion has left (`posting.md`: "approve a part").

use super::Suspicion;
use super::evidence::{Evidence, OverClaimed};
use super::examine::{Occasion, Surroundings};
use super::record::Record;

pub(super) fn rule(record: &Record, around: &Surroundings) -> Option<Suspicion> {
    record.activity.part_of?;
    let Occasion { id, total, named, other_parts } = around.occasion?;
    let remainder = total.saturating_sub(named).saturating_sub(other_parts).max(0);
    let claimed = record.minutes.values().fold(0_i64, |sum, minutes| sum.saturating_add(*minutes));
    let evidence = OverClaimed { occasion: id, claimed, remainder, total, named, other_parts };
    (claimed > remainder).then(|| Suspicion::new([record.id, id], Evidence::OverClaimed(evidence)))
}
