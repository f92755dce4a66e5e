//! What the reducer leaves to the document: texts that an earlier push made and this one edits.
//!
//! The document is had from the daybook's rows and the changes about to be accepted, on a worker that may
//! block, outside of any transaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::FlowError;
use super::super::documents;
use super::plan::Plan;
use super::readings::Readings;
use super::{Attempt, Filled};
use crate::app::{App, Payer};
use crate::domain::ids::ActivityId;
use crate::domain::limits::DOCUMENT_LOAD_FACTOR;
use crate::merge::ActivityState;
use crate::merge::guard::Checked;
use crate::metrics::DocumentReason;
use crate::store;
use crate::store::changes::Of;
use crate::store::entity::daybook;

/// Gives the texts that the reducer left to the document their strings, where they are there; else says what the document
/// is needed for, and who pays for it. In a daybook that is too large to be loaded nobody can tell what such a text reads, and no phone may
/// be silent for ever because of it: it is unreadable from then on, until it is written anew.
pub fn texts(
    row: &daybook::Model,
    plan: &Plan,
    readings: &mut Readings,
    filled: Option<Filled>,
    payer: Option<Payer>,
) -> Option<Attempt> {
    let needed = readings.needing_document();
    if needed.is_empty() {
        return None;
    }
    if !documents::fits(row) {
        readings.leave_unread(&needed);
        return None;
    }
    let accepted: Vec<Arc<Checked>> = plan.accepted.iter().map(|accepted| accepted.change.clone()).collect();
    match filled.filter(|filled| filled.fits(row, &accepted)) {
        Some(filled) => readings.replace(filled.states),
        None => {
            let states = readings.take(&needed);
            return Some(Attempt::NeedsDocument { revision: row.revision, accepted, states, payer });
        }
    }
    None
}

/// Fills the states of activities from the document of the daybook with these changes on top.
pub async fn filled(
    app: &App,
    of: Of,
    payer: Option<Payer>,
    accepted: &[Arc<Checked>],
    mut states: BTreeMap<ActivityId, ActivityState>,
) -> Result<BTreeMap<ActivityId, ActivityState>, FlowError> {
    let loaded = documents::current(app, of, DocumentReason::Splice, payer).await?;
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

/// Whether Automerge can apply a change on top of the daybook and these, and load again what it saves. Of a daybook that
/// is too large to be loaded nobody can tell, and what nobody can vouch for stays out.
pub async fn is_sound(
    app: &App,
    of: Of,
    payer: Option<Payer>,
    accepted: &[Arc<Checked>],
    change: &Arc<Checked>,
) -> Result<bool, FlowError> {
    let row = store::daybooks::find(app.db().read(), of.neighbourhood, of.daybook).await?;
    let row = row.ok_or(FlowError::NotFound)?;
    if !documents::fits(&row) {
        tracing::warn!(daybook = %of.daybook, "too large to prove that a change may follow: it is refused");
        return Ok(false);
    }
    let loaded = documents::current(app, of, DocumentReason::Proof, payer).await?;
    // As much as a load, though the document itself may be in memory.
    if let Some(payer) = payer {
        app.spend(payer, documents::weight(&row));
    }
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
