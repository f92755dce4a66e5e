//! How much the rules of a neighbourhood decide by themselves, and whether that has drifted.

use super::FlowError;
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::domain::limits::SHARE_DECISIONS_MAX;
use crate::domain::share::{First, Share};
use crate::store;

/// The share of a neighbourhood now, and by how many of a hundred the rules in force let it move.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn of(app: &App, neighbourhood: NeighbourhoodId) -> Result<(Share, i64), FlowError> {
    let db = app.db().read();
    let pack = store::neighbourhoods::rules(db, neighbourhood).await?;
    let first = store::judgements::first_decisions(db, neighbourhood, SHARE_DECISIONS_MAX).await?;
    let first = first.into_iter().map(|(by_rule, at_ms)| First { by_rule, at_ms });
    Ok((Share::of(first, app.now_in(neighbourhood)), pack.share_drift_percent))
}

/// Looks for the operators, where something was judged: once an hour a neighbourhood at most, in one bounded statement
/// outside of any transaction. Time is played with in sandboxes, so nobody is alarmed for those.
pub(super) async fn look(app: &App, neighbourhood: NeighbourhoodId) {
    let now_ms = app.now_ms();
    let real = app.sandboxes().ahead_ms(neighbourhood).is_none();
    if !real || !app.shares().is_time(neighbourhood, now_ms) {
        return;
    }
    match of(app, neighbourhood).await {
        Ok((share, most)) => app.shares().looked(neighbourhood, now_ms, share.has_drifted(most)),
        Err(error) => tracing::warn!(%error, %neighbourhood, "the share of automatic approvals is not known"),
    }
}
