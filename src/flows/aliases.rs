//! Two parties that are one person made one: an alias, and one transfer that closes its account. Lines keep the
//! party that they froze; whatever acts, reads or is posted from then on does so as the party.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait as _;

use super::FlowError;
use super::judge::{PartyAlias, Sitting};
use crate::app::{Access, App};
use crate::domain::ids::{AccountId, DaybookId, NeighbourhoodId, PartyId};
use crate::ledger::{Cause, Remainder};
use crate::metrics::Flow;
use crate::store;
use crate::store::entity::{party, party_alias};
use crate::store::{Batch, Transaction};

/// An id that stands for a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alias {
    pub alias: PartyId,
    pub party: PartyId,
    pub at_ms: i64,
    /// Of an id that had been a party of its own: the number of the entry, and what that says.
    pub entry: Option<(i64, PartyAlias)>,
}

/// What became of it.
#[derive(Debug)]
pub enum Made {
    Now(Alias),
    /// It was so before; nothing has moved.
    Before(Alias),
    Refused(Refusal),
    NotCoordinator,
}

/// Why two parties are not made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Itself,
    /// It stands for this one.
    AnothersAlias(PartyId),
    /// The party is itself an alias, of this one.
    OfAnAlias(PartyId),
    NotResidents,
    OwnCredit,
}

/// Makes one party an alias of another: both are one resident, entered twice.
///
/// # Errors
/// [`FlowError::NotFound`] for parties that are not there.
pub async fn put(
    app: &App,
    caller: &Access,
    id: PartyId,
    alias: PartyId,
    reason: &str,
) -> Result<Made, FlowError> {
    let neighbourhood = caller.neighbourhood;
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    let Some(mut sitting) = Sitting::open(app, &txn, neighbourhood, true).await? else {
        return Err(FlowError::NotFound);
    };
    if !is_coordinator(&txn, caller).await? {
        return Ok(Made::NotCoordinator);
    }
    let (party, other) = match check(&txn, caller, id, alias).await? {
        Ok(Checked::Two(both)) => *both,
        Ok(Checked::One(row)) => return Ok(Made::Before(read(&txn, row).await?)),
        Err(refusal) => return Ok(Made::Refused(refusal)),
    };
    let why = Why { by: Some(caller.party), reason };
    let row = join(&mut sitting, (alias, Some(other)), party, why).await?;
    sitting.close().await?;
    let made = read(&txn, row).await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    app.bell().ring(neighbourhood);
    Ok(Made::Now(made))
}

/// The role is read here, uncached.
pub(super) async fn is_coordinator(txn: &Transaction, caller: &Access) -> Result<bool, FlowError> {
    let roles = store::parties::roles(txn, caller.neighbourhood, caller.party).await?;
    Ok(roles.iter().any(|role| role == store::parties::COORDINATOR))
}

enum Checked {
    /// The party, and the one that becomes its alias.
    Two(Box<(party::Model, party::Model)>),
    One(party_alias::Model),
}

async fn check(
    txn: &Transaction,
    caller: &Access,
    id: PartyId,
    alias: PartyId,
) -> Result<Result<Checked, Refusal>, FlowError> {
    let neighbourhood = caller.neighbourhood;
    if id == alias {
        return Ok(Err(Refusal::Itself));
    }
    let stands_for = store::aliases::stands_for(txn, neighbourhood, id, None).await?;
    if stands_for != id {
        return Ok(Err(Refusal::OfAnAlias(stands_for)));
    }
    let party = store::parties::find(txn, neighbourhood, id).await?.ok_or(FlowError::NotFound)?;
    if let Some(row) = store::aliases::find(txn, neighbourhood, alias).await? {
        let stands_for = store::aliases::stands_for(txn, neighbourhood, alias, None).await?;
        return Ok(if stands_for == id {
            Ok(Checked::One(row))
        } else {
            Err(Refusal::AnothersAlias(stands_for))
        });
    }
    let other = store::parties::find(txn, neighbourhood, alias).await?.ok_or(FlowError::NotFound)?;
    if [&party, &other].iter().any(|party| party.kind != "resident") {
        return Ok(Err(Refusal::NotResidents));
    }
    if [id, alias].contains(&caller.party) {
        return Ok(Err(Refusal::OwnCredit));
    }
    Ok(Ok(Checked::Two(Box::new((party, other)))))
}

/// Who made two parties one, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Why<'a> {
    /// Nobody, where the server's operator invited.
    pub by: Option<PartyId>,
    pub reason: &'a str,
}

/// Makes an id an alias of a party: numbers it, closes its account into the party's, and gives the party all that
/// points at it. What waits because of either is looked at again.
pub(super) async fn join(
    sitting: &mut Sitting<'_>,
    (alias, other): (PartyId, Option<party::Model>),
    party: party::Model,
    why: Why<'_>,
) -> Result<party_alias::Model, FlowError> {
    let (txn, neighbourhood, id) = (sitting.txn(), sitting.neighbourhood(), PartyId(party.id));
    // A push into one of its daybooks goes first, or waits.
    for daybook in store::daybooks::of_parties(txn, neighbourhood, &[alias]).await? {
        store::daybooks::lock(txn, neighbourhood, DaybookId(daybook.id)).await?;
    }
    let sides = (AccountId(alias.0), AccountId(id.0));
    let moved = sitting.remainder(sides.0).await?;
    let entry = PartyAlias {
        alias,
        party: id,
        by: why.by,
        reason: why.reason.to_owned(),
        moved,
        ended_roles: store::parties::roles(txn, neighbourhood, alias).await?,
    };
    let no = sitting.number("party_alias", alias.0, None, &entry)?;
    sitting.post_remainder(sides, no, moved, (Cause::PartyAlias, why.reason)).await?;
    let row = party_alias::Model {
        neighbourhood_id: neighbourhood.0,
        alias_id: alias.0,
        party_id: id.0,
        created_at_ms: sitting.posted_at_ms,
        journal_no: Some(no),
    };
    // What stood for the alias stands for the party now.
    let stood = store::parties::aliases_of(txn, neighbourhood, &[alias].into()).await?;
    store::parties::raise(txn, neighbourhood, stood.into_iter().map(|(id, _)| id)).await?;
    store::aliases::insert(txn, row.clone()).await?;
    sitting.note_alias();
    store::aliases::carry_memberships(txn, neighbourhood, alias, id).await?;
    store::aliases::end_roles(txn, neighbourhood, alias).await?;
    if let Some(other) = other {
        store::parties::update(txn, both(party, &other)).await?;
        store::parties::update(txn, party::Model { revision: other.revision + 1, ..other }).await?;
    }
    let mut batch = Batch::default();
    let backend = txn.get_database_backend();
    for statement in store::aliases::hand_over(backend, neighbourhood, alias, id) {
        batch.push(statement);
    }
    let others = store::parties::aliases_of(txn, neighbourhood, &BTreeSet::from([id])).await?;
    let ids: Vec<PartyId> = std::iter::once(id).chain(others.into_iter().map(|(alias, _)| alias)).collect();
    batch.push(store::aliases::make_due(backend, neighbourhood, &ids, sitting.now_ms()));
    batch.execute(txn).await?;
    Ok(row)
}

/// A party with what is known of another that is the same person: known once either is, and under age if either is
/// said to be.
fn both(party: party::Model, other: &party::Model) -> party::Model {
    let of_age = if party.age_band.is_some() { &party } else { other };
    let (age_band, supervisors) = (of_age.age_band.clone(), of_age.supervisors.clone());
    party::Model {
        known: party.known || other.known,
        age_band,
        supervisors,
        revision: party.revision + 1,
        ..party
    }
}

/// An alias with what the journal says of it, in the transaction that made it or later.
async fn read(txn: &Transaction, row: party_alias::Model) -> Result<Alias, FlowError> {
    let entry = match row.journal_no {
        Some(no) => {
            let body = store::ledger::journal_body(txn, NeighbourhoodId(row.neighbourhood_id), no).await?;
            let body = body.ok_or_else(|| FlowError::internal("an alias has no journal entry"))?;
            Some((no, serde_json::from_str(&body)?))
        }
        None => None,
    };
    let (alias, party) = (PartyId(row.alias_id), PartyId(row.party_id));
    Ok(Alias { alias, party, at_ms: row.created_at_ms, entry })
}

impl Alias {
    /// What its account held; nothing where it had none.
    #[must_use]
    pub fn moved(&self) -> Remainder {
        self.entry.as_ref().map(|(_, entry)| entry.moved).unwrap_or_default()
    }
}

/// The party that a caller acts as, read behind the lock of the tip: so it stays until the commit.
pub(super) async fn acting(txn: &Transaction, caller: &Access) -> Result<PartyId, FlowError> {
    store::ledger::lock_tip(txn, caller.neighbourhood, true).await?;
    Ok(store::aliases::stands_for(txn, caller.neighbourhood, caller.party, None).await?)
}
