//! A neighbourhood's rules, put anew by its coordinators.

use super::FlowError;
use super::judge::Sitting;
use crate::app::{Access, App};
use crate::domain::rules::RulePack;
use crate::metrics::Flow;
use crate::store;

/// What became of a new version of the rules.
#[derive(Debug)]
pub enum Put {
    /// In force from now on; it judges nothing again.
    Done,
    /// The same is in force already.
    Replayed,
    /// Another version is in force than the sender builds on.
    Changed(Box<RulePack>),
    NotCoordinator,
}

/// Puts the next version of the rules in force. Versions follow on each other, so that two coordinators do not
/// overwrite each other unseen. Numbered in the journal; what is judged afterwards names it.
///
/// # Errors
/// [`FlowError::Field`] for a value out of its bounds, and of the database.
pub async fn put(app: &App, caller: &Access, pack: RulePack) -> Result<Put, FlowError> {
    if let Some((field, detail)) = pack.fault() {
        return Err(FlowError::Field { pointer: format!("/{field}"), code: "out_of_bounds", detail });
    }
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, caller.neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    let roles = store::parties::roles(&txn, caller.neighbourhood, caller.party).await?;
    if !roles.iter().any(|role| role == store::parties::COORDINATOR) {
        return Ok(Put::NotCoordinator);
    }
    if sitting.pack == pack {
        return Ok(Put::Replayed);
    }
    if sitting.pack.version.checked_add(1) != Some(pack.version) {
        return Ok(Put::Changed(Box::new(sitting.pack)));
    }
    let (by, at_ms) = (Some(caller.party), sitting.posted_at_ms);
    store::neighbourhoods::insert_rules(&txn, caller.neighbourhood, &pack, by, at_ms).await?;
    let body = serde_json::json!({ "pack": pack, "put_by": caller.party });
    sitting.number("rules", caller.neighbourhood.0, None, &body)?;
    sitting.close().await?;
    timing.commit(txn.commit()).await?;
    Ok(Put::Done)
}
