//! A neighbourhood's rules, put anew by its coordinators.

use super::FlowError;
use super::judge::{Assessed, Sitting, assess};
use crate::app::{Access, App};
use crate::domain::ids::ActivityId;
use crate::domain::limits::DRY_RUN_VERSIONS;
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
    check(&pack, "")?;
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

fn check(pack: &RulePack, of: &str) -> Result<(), FlowError> {
    match pack.fault() {
        Some((field, detail)) => {
            Err(FlowError::Field { pointer: format!("{of}/{field}"), code: "out_of_bounds", detail })
        }
        None => Ok(()),
    }
}

/// What other rules would say of past records.
#[derive(Debug)]
pub struct Trial {
    /// How many records were looked at.
    pub records: usize,
    /// How many of them a rule approves, by the rules in force and by the others.
    pub approved: (usize, usize),
    /// Those of which they say something else: by the rules in force, by the others.
    pub differing: Vec<(Assessed, Assessed)>,
}

/// Runs a pack dry over the records that were judged last, beside the pack in force. Nothing is judged again, and
/// nothing is written.
///
/// # Errors
/// [`FlowError::Field`] for a value out of its bounds, and of the database.
pub async fn dry_run(app: &App, caller: &Access, pack: RulePack) -> Result<Trial, FlowError> {
    check(&pack, "")?;
    let last =
        store::judgements::judged_last(app.db().read(), caller.neighbourhood, DRY_RUN_VERSIONS).await?;
    let now = assessed(app, caller, &last, None).await?;
    let then = assessed(app, caller, &last, Some(pack)).await?;
    let approved = |all: &[Assessed]| all.iter().filter(|one| one.approves).count();
    let (records, approved) = (now.len(), (approved(&now), approved(&then)));
    let differing = now.into_iter().zip(then).filter(|(now, then)| now != then).collect();
    Ok(Trial { records, approved, differing })
}

/// By a pack, or the one in force. The transaction is rolled back.
async fn assessed(
    app: &App,
    caller: &Access,
    ids: &[ActivityId],
    pack: Option<RulePack>,
) -> Result<Vec<Assessed>, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let sitting = Sitting::open(app, &txn, caller.neighbourhood, true).await?;
    let mut sitting = sitting.ok_or(FlowError::NotFound)?;
    if let Some(pack) = pack {
        sitting.pack = pack;
    }
    assess(&mut sitting, ids).await
}
