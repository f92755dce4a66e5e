//! What the reducer leaves to the document: texts that an earlier push made and this one edits.
//!
//! The document is had from the daybook's rows and the changes about to be accepted, on a worker that may
//! block, outside of any transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::FlowError;
use super::super::documents;
use crate::app::App;
use crate::domain::ids::ActivityId;
use crate::domain::limits::DOCUMENT_LOAD_FACTOR;
use crate::merge::ActivityState;
use crate::merge::guard::Checked;
use crate::metrics::DocumentReason;
use crate::store::changes::Of;

/// Fills the states of activities from the document of the daybook with these changes on top.
pub async fn filled(
    app: &App,
    of: Of,
    accepted: &[Arc<Checked>],
    mut states: BTreeMap<ActivityId, ActivityState>,
) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
    let loaded = documents::current(app, of, DocumentReason::Splice).await?;
    let more = documents::about_to_be(accepted);
    let work = move || {
        let loaded = loaded.extend(more).map_err(FlowError::internal)?;
        loaded.fill(&mut states).map_err(FlowError::internal)?;
        Ok::<_, FlowError>((loaded, states))
    };
    let (loaded, states) = tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)??;
    documents::keep(app, of, loaded);
    Ok(states)
}

/// Whether Automerge can apply a change on top of the daybook and these, and load again what it saves.
pub async fn is_sound(
    app: &App,
    of: Of,
    accepted: &[Arc<Checked>],
    change: &Arc<Checked>,
) -> Result<bool, FlowError> {
    let loaded = documents::current(app, of, DocumentReason::Proof).await?;
    let (more, change) = (documents::about_to_be(accepted), change.clone());
    // What is saved with the change on top is loaded again.
    let _room = app.room_to_load(loaded.bytes().saturating_mul(DOCUMENT_LOAD_FACTOR)).await;
    let work = move || {
        let loaded = loaded.extend(more).map_err(FlowError::internal)?;
        let sound = loaded.is_sound_with(&change.bytes);
        Ok::<_, FlowError>((loaded, sound))
    };
    let (loaded, sound) = tokio::task::spawn_blocking(work).await.map_err(FlowError::internal)??;
    documents::keep(app, of, loaded);
    Ok(sound)
}
