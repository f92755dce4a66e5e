//! Neighbourhoods to try things in: their clock can be moved ahead, so that what comes with time can be seen at once.

use super::{FlowError, held};
use crate::app::App;
use crate::domain::ids::NeighbourhoodId;
use crate::metrics::Flow;
use crate::store;

/// Learns from the database how far each clock was moved, by whichever replica.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn look(app: &App) -> Result<(), FlowError> {
    app.sandboxes().set(store::neighbourhoods::sandboxes(app.db().read()).await?);
    Ok(())
}

/// Moves a neighbourhood's clock ahead to an instant; where it is later there already, nothing happens. What is due by
/// then is begun. Answers what time it is now, or nothing for a neighbourhood that is real.
///
/// # Errors
/// [`FlowError`] of the database.
pub async fn move_clock(
    app: &App,
    neighbourhood: NeighbourhoodId,
    to_ms: i64,
) -> Result<Option<i64>, FlowError> {
    let ahead_ms = to_ms.saturating_sub(app.now_ms());
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    store::neighbourhoods::move_ahead(&txn, neighbourhood, ahead_ms).await?;
    timing.commit(txn.commit()).await?;
    look(app).await?;
    if app.sandboxes().ahead_ms(neighbourhood).is_none() {
        return Ok(None);
    }
    held::sweep(app, neighbourhood).await?;
    app.bell().ring(neighbourhood);
    Ok(Some(app.now_in(neighbourhood)))
}
