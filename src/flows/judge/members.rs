//! What was merged into another record, and changed since.

use super::super::FlowError;
use super::round::reason;
use super::sitting::Sitting;
use crate::domain::ids::ActivityId;
use crate::ledger;

/// An edit of what was merged away sends the canonical one to a person, and whoever it concerns is told.
pub fn member_edited(
    sitting: &mut Sitting<'_>,
    member: ActivityId,
    canonical: ActivityId,
) -> Result<(), FlowError> {
    let Some(case) = sitting.case(canonical) else {
        return Err(FlowError::internal("the canonical one of a merge is not loaded"));
    };
    let after = ledger::member_edited(&case.judgement);
    let edited = after != case.judgement;
    if edited {
        sitting.change(canonical, |case| {
            case.judgement = after;
            case.reason = reason(case, None, false);
        });
    }
    // Whom the member names now hears of what it counts as part of.
    if edited || sitting.concerns_others(canonical) {
        let no = sitting.number("member_edited", member.0, Some(canonical), &serde_json::json!({}))?;
        sitting.hear(canonical, no);
    }
    Ok(())
}
