//! What approved parts take from the occasions on cards.

use std::collections::BTreeMap;

use crate::api::error::ApiResult;
use crate::app::{Access, App};
use crate::domain::ids::ActivityId;
use crate::domain::key::Key;
use crate::domain::reading::Reading;
use crate::flows::FlowError;
use crate::ledger::Judgement;
use crate::store;

/// By occasion, what each of its approved parts takes from its total. A part of what was merged into another record
/// takes from that one.
///
/// # Errors
/// Where the database or a row cannot be read.
pub(super) async fn claims<'r>(
    app: &App,
    access: &Access,
    records: impl Iterator<Item = (ActivityId, &'r Reading, &'r Judgement)>,
) -> ApiResult<BTreeMap<ActivityId, BTreeMap<ActivityId, i64>>> {
    // What states no total leaves nothing for parts to take.
    let total = Key::PersonMinutes.to_string();
    let mut counts_as: BTreeMap<ActivityId, ActivityId> = BTreeMap::new();
    for (id, reading, judged) in records {
        if reading.fields.contains_key(&total) && judged.merged_into.is_none() {
            counts_as.insert(id, id);
            counts_as.extend(judged.members.iter().map(|member| (*member, id)));
        }
    }
    let mut claims: BTreeMap<ActivityId, BTreeMap<ActivityId, i64>> = BTreeMap::new();
    let ids = counts_as.keys().copied().collect();
    for row in store::judgements::with_parts(app.db().read(), access.neighbourhood, &ids).await? {
        let judged: Judgement = serde_json::from_str(&row.body).map_err(FlowError::from)?;
        let part = ActivityId(row.activity_id);
        let claim = judged.claim().and_then(|(of, minutes)| Some((*counts_as.get(&of)?, minutes)));
        if let Some((occasion, minutes)) = claim.filter(|(occasion, _)| *occasion != part) {
            claims.entry(occasion).or_default().insert(part, minutes);
        }
    }
    Ok(claims)
}
