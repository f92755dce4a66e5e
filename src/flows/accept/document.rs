//! What the reducer leaves to the document: texts that an earlier push made and this one edits.
//!
//! The document is loaded from the daybook's rows and the changes about to be accepted, on a worker that may
//! block, outside of any transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::FlowError;
use crate::app::App;
use crate::domain::ids::ActivityId;
use crate::merge::guard::Checked;
use crate::merge::{ActivityState, document};
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::changes::Of;

/// Rows read at once.
const ROWS: u64 = 1_000;

/// Fills the states of activities from the document of the daybook with these changes on top.
pub async fn filled(
    app: &App,
    of: Of,
    accepted: &[Arc<Checked>],
    states: BTreeMap<ActivityId, ActivityState>,
) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
    let bytes = with_stored(app, of, accepted).await?;
    app.metrics().sync.document_loaded(DocumentReason::Splice);
    fill_states(bytes, states).await
}

/// Whether Automerge can apply a change on top of the daybook and these, and load again what it saves.
pub async fn is_sound(
    app: &App,
    of: Of,
    accepted: &[Arc<Checked>],
    change: &Arc<Checked>,
) -> Result<bool, FlowError> {
    let mut bytes = with_stored(app, of, accepted).await?;
    bytes.push(change.bytes.clone());
    app.metrics().sync.document_loaded(DocumentReason::Proof);
    tokio::task::spawn_blocking(move || document::is_sound(bytes)).await.map_err(FlowError::internal)
}

/// The bytes of the daybook's changes and of these.
async fn with_stored(app: &App, of: Of, accepted: &[Arc<Checked>]) -> Result<Vec<Vec<u8>>, FlowError> {
    let mut bytes = Vec::new();
    let mut position = 0;
    loop {
        let rows = store::changes::after(app.db().read(), of, position, ROWS).await?;
        let Some(last) = rows.last() else { break };
        position = super::unsigned(last.position);
        bytes.extend(rows.into_iter().map(|row| row.bytes));
    }
    bytes.extend(accepted.iter().map(|change| change.bytes.clone()));
    Ok(bytes)
}

/// Fills states from the document that these changes make.
pub async fn fill_states(
    bytes: Vec<Vec<u8>>,
    mut states: BTreeMap<ActivityId, ActivityState>,
) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
    let work = move || {
        let loaded = document::load(bytes).map_err(FlowError::internal)?;
        for state in states.values_mut() {
            document::fill(state, &loaded).map_err(FlowError::internal)?;
        }
        Ok(states)
    };
    tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)?
}
