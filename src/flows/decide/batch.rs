//! Several decisions as one: what they would do, and doing exactly that.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::super::FlowError;
use super::super::judge::Sitting;
use super::moved::Moved;
use super::words::DECIDED_TWICE;
use super::{Outcome, Wish, carry_out, is_coordinator, refused, replay, request_hash};
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, DecisionId};
use crate::domain::review::Review;
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;

/// What decisions do, themselves and by what was taken up before them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Effects {
    /// In order.
    pub transfers: Vec<Moved>,
    /// What phones will be told of each activity that is decided about: its state, and the minutes that count.
    pub verdicts: BTreeMap<ActivityId, (Review, Option<i64>)>,
}

/// The hash of what one item of a batch does, cut short: to name the items that would do something else by now. That
/// some would is for [`Promise`] to say, by the whole hash of all of it.
pub type Share = [u8; 4];

/// What a preview promises: whoever applies it gets this, or is told what changed. It travels as a token, which has no
/// room for the effects themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Of all items as sent.
    items: [u8; 32],
    effects: [u8; 32],
    /// Minutes that the transfers move in all, up and down, and how many there are.
    pub minutes: i64,
    pub transfers: u64,
    /// Records of which phones are told.
    pub verdicts: u64,
    /// One an item, in their order.
    shares: Vec<Share>,
}

/// What a batch would do.
#[derive(Debug)]
pub struct Preview {
    /// One for each item: nothing, or why not.
    pub refusals: Vec<Option<Outcome>>,
    pub effects: Effects,
    /// What each item does of it.
    pub shares: Vec<Share>,
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
        let transfers = sitting.posted().iter().filter_map(Moved::by);
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
        self.transfers.iter().fold(0, |sum, moved| sum.saturating_add(moved.minutes.saturating_abs()))
    }

    fn promise(&self, wishes: &[Wish], shares: &[Share]) -> Result<Promise, FlowError> {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Ok(Promise {
            items: items_hash(wishes),
            effects: Sha256::digest(serde_json::to_vec(self)?).into(),
            minutes: self.minutes(),
            transfers: count(self.transfers.len()),
            verdicts: count(self.verdicts.len()),
            shares: shares.to_vec(),
        })
    }

    fn share(&self, part: Part) -> Result<Share, FlowError> {
        let transfers = self.transfers.get(part.transfers).unwrap_or_default();
        let verdicts: Vec<_> = part.about.iter().map(|id| (id, self.verdicts.get(id))).collect();
        let hash = Sha256::digest(serde_json::to_vec(&(transfers, verdicts))?);
        Ok(std::array::from_fn(|at| hash[at]))
    }
}

impl Promise {
    /// The places of the items that would do something else now.
    #[must_use]
    pub fn broken(&self, now: &[Share]) -> BTreeSet<usize> {
        let pairs = self.shares.iter().zip(now).enumerate();
        pairs.filter(|(_, (then, now))| then != now).map(|(at, _)| at).collect()
    }
}

/// What one item did in a sitting.
struct Part {
    /// Its transfers among all: what came before it and was not taken up is in it.
    transfers: Range<usize>,
    /// The records that it is about, and all that were decided about with it.
    about: BTreeSet<ActivityId>,
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
    let (mut refusals, mut parts) = (Vec::with_capacity(wishes.len()), Vec::with_capacity(wishes.len()));
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
    for wish in wishes {
        let (posted, decided) = (sitting.posted().len(), sitting.decided().len());
        let there =
            store::judgements::find_decision(sitting.txn(), caller.neighbourhood, wish.id).await?.is_some();
        refusals.push(if there || !ids.insert(wish.id) {
            Some(refused("id_reused", "This decision id was used before: make a new id.", None))
        } else if wish.records().any(|id| taken.contains(&id)) {
            // Only the last decision about a record can be undone: of two in one batch the first never could.
            Some(refused("decided_twice", DECIDED_TWICE, None))
        } else {
            carry_out(sitting, caller, wish).await?.err()
        });
        let by_people = sitting.decided().iter().skip(decided).filter(|row| row.decided_by.is_some());
        taken.extend(by_people.map(|row| ActivityId(row.activity_id)));
        let with_it = sitting.decided().iter().skip(decided).map(|row| ActivityId(row.activity_id));
        let about = with_it.chain([wish.seen.activity]).collect();
        parts.push(Part { transfers: posted..sitting.posted().len(), about });
    }
    let effects = Effects::of(sitting, wishes);
    let shares = parts.into_iter().map(|part| effects.share(part)).collect::<Result<Vec<_>, _>>()?;
    let all = refusals.iter().all(Option::is_none);
    let promise = all.then(|| effects.promise(wishes, &shares)).transpose()?;
    Ok(Preview { refusals, effects, shares, promise })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::signed::PAYLOAD_BYTES_MAX;
    use crate::domain::limits::BATCH_ITEMS_MAX;

    fn promise(shares: Vec<Share>) -> Promise {
        let (items, effects) = ([1; 32], [2; 32]);
        Promise { items, effects, minutes: i64::MIN, transfers: u64::MAX, verdicts: u64::MAX, shares }
    }

    #[test]
    fn what_the_largest_batch_is_promised_fits_in_a_token() {
        let bytes = postcard::to_allocvec(&promise(vec![[255; 4]; BATCH_ITEMS_MAX])).unwrap();
        assert!(bytes.len() <= PAYLOAD_BYTES_MAX, "{}", bytes.len());
    }

    #[test]
    fn what_is_broken_is_named_by_its_place() {
        let promised = promise(vec![[1; 4], [2; 4], [3; 4]]);
        assert_eq!(promised.broken(&[[1; 4], [2; 4], [3; 4]]), [].into());
        assert_eq!(promised.broken(&[[1; 4], [9; 4], [8; 4]]), [1, 2].into());
    }
}
