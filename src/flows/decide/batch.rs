//! Several decisions as one: what they would do, and doing exactly that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::Sitting;
use super::{Outcome, Wish, carry_out, is_coordinator, refused, replay, request_hash};
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, ActivityId, DecisionId};
use crate::domain::review::Review;
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;

/// What decisions do, themselves and by what was taken up before them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// Activity, account, asset, minutes and day of each transfer, in order.
    pub transfers: Vec<(ActivityId, AccountId, String, i64, String)>,
    /// What phones will be told of each activity that is decided about: its state, and the minutes that count.
    pub verdicts: BTreeMap<ActivityId, (Review, Option<i64>)>,
}

/// What a preview promises: whoever applies it gets this, or is told what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Of all items as sent.
    items: [u8; 32],
    effects: [u8; 32],
    /// Minutes that the transfers move in all, up and down, and how many there are.
    pub minutes: i64,
    pub transfers: u64,
}

/// What a batch would do.
#[derive(Debug)]
pub struct Preview {
    /// One for each item: nothing, or why not.
    pub refusals: Vec<Option<Outcome>>,
    pub effects: Effects,
    /// If no item is refused.
    pub promise: Option<Promise>,
}

/// What became of a batch.
#[derive(Debug)]
pub enum Applied {
    /// One outcome for each item, in their order; and the batch's id.
    Done(Uuid, Vec<Outcome>),
    /// The token is of other items.
    OtherItems,
    /// Nothing was written: it would do something else now.
    Changed(Preview),
}

impl Effects {
    fn of(sitting: &Sitting<'_>, wishes: &[Wish]) -> Self {
        let transfers = sitting.posted().iter().filter_map(|row| {
            let (activity, account) = (ActivityId(row.activity_id?), AccountId(row.account_id));
            Some((activity, account, row.asset.clone(), row.minutes, row.day.clone()))
        });
        let decided = sitting.decided().iter().map(|row| ActivityId(row.activity_id));
        let about: BTreeSet<ActivityId> =
            decided.chain(wishes.iter().map(|wish| wish.seen.activity)).collect();
        let verdicts = about.into_iter().filter_map(|id| {
            let judged = &sitting.case(id)?.judgement;
            Some((id, (judged.review(), judged.minutes())))
        });
        Self { transfers: transfers.collect(), verdicts: verdicts.collect() }
    }

    /// Minutes that go up or down on accounts, in all.
    #[must_use]
    pub fn minutes(&self) -> i64 {
        self.transfers
            .iter()
            .fold(0, |sum, (_, _, _, minutes, _)| sum.saturating_add(minutes.saturating_abs()))
    }

    fn promise(&self, wishes: &[Wish]) -> Result<Promise, FlowError> {
        Ok(Promise {
            items: items_hash(wishes),
            effects: Sha256::digest(serde_json::to_vec(self)?).into(),
            minutes: self.minutes(),
            transfers: u64::try_from(self.transfers.len()).unwrap_or(u64::MAX),
        })
    }
}

fn items_hash(wishes: &[Wish]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for wish in wishes {
        hasher.update(request_hash(wish));
    }
    hasher.finalize().into()
}

/// The id of the batch that a promise makes.
fn batch_id(promise: &Promise) -> Uuid {
    let digest: [u8; 32] = Sha256::digest([promise.items, promise.effects].concat()).into();
    Uuid::from_bytes(std::array::from_fn(|at| digest[at]))
}

/// Carries everything out in one sitting, and writes nothing.
async fn try_out(sitting: &mut Sitting<'_>, caller: &Access, wishes: &[Wish]) -> Result<Preview, FlowError> {
    let mut refusals = Vec::with_capacity(wishes.len());
    let mut ids = BTreeSet::new();
    for wish in wishes {
        let there =
            store::judgements::find_decision(sitting.txn(), caller.neighbourhood, wish.id).await?.is_some();
        if there || !ids.insert(wish.id) {
            let detail = "This decision id was used before: make a new id.";
            refusals.push(Some(refused("id_reused", detail, None)));
            continue;
        }
        refusals.push(carry_out(sitting, caller, wish).await?.err());
    }
    let effects = Effects::of(sitting, wishes);
    let all = refusals.iter().all(Option::is_none);
    let promise = all.then(|| effects.promise(wishes)).transpose()?;
    Ok(Preview { refusals, effects, promise })
}

/// What these decisions would do, one after the other, as one. Nothing is written.
///
/// # Errors
/// [`FlowError::NotFound`] for whoever is no coordinator any more, and of the database.
pub async fn preview(app: &App, caller: &Access, wishes: &[Wish]) -> Result<Preview, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Decide);
    let txn = timing.begin(app.db().begin()).await?;
    let mut sitting = open(app, caller, &txn).await?;
    try_out(&mut sitting, caller, wishes).await
}

/// Does what was promised, all of it in one transaction; or nothing, if it would be something else by now.
///
/// # Errors
/// [`FlowError::NotFound`] for whoever is no coordinator any more, and of the database.
pub async fn apply(
    app: &App,
    caller: &Access,
    wishes: &[Wish],
    promise: &Promise,
) -> Result<Applied, FlowError> {
    if items_hash(wishes) != promise.items {
        return Ok(Applied::OtherItems);
    }
    let batch = batch_id(promise);
    let mut timing = app.metrics().database.transaction(Flow::Decide);
    let txn = timing.begin(app.db().begin()).await?;
    let mut sitting = open(app, caller, &txn).await?;
    let before = store::judgements::of_batch(&txn, caller.neighbourhood, batch).await?;
    if !before.is_empty() {
        drop(txn);
        return Ok(Applied::Done(batch, outcomes(app, caller, wishes, true).await?));
    }
    let tried = try_out(&mut sitting, caller, wishes).await?;
    if tried.promise.as_ref() != Some(promise) {
        return Ok(Applied::Changed(tried));
    }
    sitting.in_batch(batch);
    let judged = sitting.close().await?;
    timing.commit(txn.commit()).await?;
    app.metrics().clerk.judged(&judged);
    app.bell().ring(caller.neighbourhood);
    Ok(Applied::Done(batch, outcomes(app, caller, wishes, false).await?))
}

async fn open<'a>(app: &'a App, caller: &Access, txn: &'a Transaction) -> Result<Sitting<'a>, FlowError> {
    let sitting = Sitting::open(app, txn, caller.neighbourhood, true).await?.ok_or(FlowError::NotFound)?;
    if is_coordinator(txn, caller).await? { Ok(sitting) } else { Err(FlowError::NotFound) }
}

async fn outcomes(
    app: &App,
    caller: &Access,
    wishes: &[Wish],
    before: bool,
) -> Result<Vec<Outcome>, FlowError> {
    let mut outcomes = Vec::with_capacity(wishes.len());
    for wish in wishes {
        let row = find(app, caller, wish.id).await?;
        outcomes.push(if before { replay(row, &request_hash(wish)) } else { Outcome::Decided(row) });
    }
    Ok(outcomes)
}

async fn find(
    app: &App,
    caller: &Access,
    id: DecisionId,
) -> Result<store::entity::decision::Model, FlowError> {
    let row = store::judgements::find_decision(app.db().read(), caller.neighbourhood, id).await?;
    row.ok_or_else(|| FlowError::internal("a committed decision cannot be read"))
}
