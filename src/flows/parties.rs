//! Naming and confirming parties, and putting people into groups: what coordinators do.

use std::collections::BTreeSet;

use sea_orm::ConnectionTrait as _;

use super::{Conditional, FlowError};
use crate::app::{Access, App};
use crate::domain::ids::PartyId;
use crate::metrics::Flow;
use crate::store;
use crate::store::Transaction;
use crate::store::entity::{membership, party};

/// What a coordinator says of a party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyFacts {
    pub kind: String,
    pub sector: String,
    pub name: String,
    pub age: Age,
}

/// How old somebody is, as far as it matters, and who may look after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Age {
    /// None is an adult.
    pub band: Option<String>,
    pub supervisors: BTreeSet<PartyId>,
}

/// What changes of a party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartyChange {
    pub name: Option<String>,
    pub known: Option<bool>,
    pub age: Option<Age>,
}

impl Age {
    fn columns(self) -> Result<(Option<String>, Option<String>), FlowError> {
        let supervisors = (!self.supervisors.is_empty()).then_some(self.supervisors);
        let supervisors = supervisors.map(|ids| serde_json::to_string(&ids)).transpose()?;
        Ok((self.band, supervisors))
    }

    async fn check(&self, txn: &Transaction, caller: &Access, of: PartyId) -> Result<(), FlowError> {
        let rows =
            store::parties::of_ids(txn, caller.neighbourhood, self.supervisors.iter().copied()).await?;
        let adults =
            rows.iter().filter(|row| row.age_band.is_none() && row.kind == "resident" && row.id != of.0);
        if adults.count() == self.supervisors.len() {
            return Ok(());
        }
        Err(FlowError::Field {
            pointer: "/supervisors".to_owned(),
            code: "unknown",
            detail: "At /supervisors: ids of residents of this neighbourhood who are adults.".to_owned(),
        })
    }
}

/// Adds a party that is known from the start. Answers whether it is new.
///
/// # Errors
/// [`FlowError::IdReused`] if the id belongs to another party.
pub async fn create(
    app: &App,
    caller: &Access,
    id: PartyId,
    facts: PartyFacts,
) -> Result<(party::Model, bool), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Records may wait for it: judging starts at the tip.
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    if let Some(there) = store::parties::find(&txn, caller.neighbourhood, id).await? {
        let (age_band, supervisors) = facts.age.columns()?;
        let same = (&there.name, &there.kind, &there.sector) == (&facts.name, &facts.kind, &facts.sector)
            && (&there.age_band, &there.supervisors) == (&age_band, &supervisors);
        return if same { Ok((there, false)) } else { Err(FlowError::IdReused) };
    }
    facts.age.check(&txn, caller, id).await?;
    let (age_band, supervisors) = facts.age.columns()?;
    let row = party::Model {
        neighbourhood_id: caller.neighbourhood.0,
        id: id.0,
        kind: facts.kind,
        sector: facts.sector,
        name: facts.name,
        known: true,
        created_at_ms: app.now_ms(),
        revision: 1,
        age_band,
        supervisors,
    };
    store::parties::insert_new(&txn, vec![row.clone()]).await?;
    let now_ms = app.now_in(caller.neighbourhood);
    let due = store::aliases::make_due(txn.get_database_backend(), caller.neighbourhood, &[id], now_ms);
    txn.execute_raw(due).await?;
    timing.commit(txn.commit()).await?;
    app.bell().ring(caller.neighbourhood);
    Ok((row, true))
}

/// Changes a party: its name, that it is known now, how old it is. What waits for it is judged again. `saw` says
/// whether a revision is the one that was seen; nothing where the caller did not say.
///
/// # Errors
/// [`FlowError::NotFound`]; [`FlowError::Field`] for supervisors who are no adults here.
pub async fn update(
    app: &App,
    caller: &Access,
    id: PartyId,
    change: PartyChange,
    saw: impl Fn(i64) -> Option<bool>,
) -> Result<Conditional<party::Model>, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Judging starts at the tip, always, so that no two that judge can wait for each other. All that changes a party
    // waits here too: the revision stays what it is until the commit.
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    let before = store::parties::find(&txn, caller.neighbourhood, id).await?.ok_or(FlowError::NotFound)?;
    let Some(saw) = saw(before.revision) else { return Ok(Conditional::Unconditional) };
    let (age, known) = (change.age.clone(), change.known);
    let mut row = changed(before.clone(), change)?;
    // A lost answer is asked for again with the tag from before.
    if row == before {
        return Ok(Conditional::Done(row));
    }
    if !saw {
        return Ok(Conditional::Changed(before));
    }
    if let Some(age) = &age {
        age.check(&txn, caller, id).await?;
    }
    row.revision += 1;
    store::parties::update(&txn, row.clone()).await?;
    // By whom it names, and not by what it tells: of several doubts only one is told.
    if known == Some(true) || age.is_some() {
        super::judge::look_again(&txn, caller.neighbourhood, id, app.now_in(caller.neighbourhood)).await?;
    }
    timing.commit(txn.commit()).await?;
    app.bell().ring(caller.neighbourhood);
    Ok(Conditional::Done(row))
}

/// A party as it is to be.
fn changed(mut row: party::Model, change: PartyChange) -> Result<party::Model, FlowError> {
    row.name = change.name.unwrap_or(row.name);
    row.known = change.known.unwrap_or(row.known);
    if let Some(age) = change.age {
        (row.age_band, row.supervisors) = age.columns()?;
    }
    Ok(row)
}

/// Puts a member into a group or organisation, which is another from then on. What they brought into its daybooks while
/// they had left it is taken up.
///
/// # Errors
/// [`FlowError::SameParty`]; [`FlowError::NotFound`] if either is not there, or the group is a resident.
pub async fn put_member(
    app: &App,
    caller: &Access,
    group: PartyId,
    member: PartyId,
    capacity: &str,
    from_day: String,
) -> Result<(), FlowError> {
    let member = write_member(app, caller, group, member, capacity, from_day).await?;
    if let Err(error) = super::held::take_up(app, caller.neighbourhood, group, member).await {
        tracing::warn!(%error, %group, "what a member brought before waits for the next push");
    }
    Ok(())
}

/// Answers who is a member, by the id that stands for them.
async fn write_member(
    app: &App,
    caller: &Access,
    group: PartyId,
    member: PartyId,
    capacity: &str,
    from_day: String,
) -> Result<PartyId, FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    // Whoever is a member under an id that became another's is so under that.
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    let member = store::aliases::stands_for(&txn, caller.neighbourhood, member, None).await?;
    let found = store::parties::find(&txn, caller.neighbourhood, group).await?;
    let member_there = store::parties::find(&txn, caller.neighbourhood, member).await?.is_some();
    if !member_there || found.is_none_or(|group| group.kind == "resident") {
        return Err(FlowError::NotFound);
    }
    if member == group {
        return Err(FlowError::SameParty);
    }
    let row = membership::Model {
        neighbourhood_id: caller.neighbourhood.0,
        group_id: group.0,
        member_id: member.0,
        capacity: capacity.to_owned(),
        from_day,
        until_day: None,
    };
    let there = store::parties::memberships(&txn, caller.neighbourhood, &[member].into()).await?;
    if there.contains(&row) {
        return Ok(member);
    }
    store::parties::put_member(&txn, row).await?;
    store::parties::raise(&txn, caller.neighbourhood, [group]).await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    Ok(member)
}

/// Ends somebody's membership: the day is its last. Who is no member any more stays so.
///
/// # Errors
/// [`FlowError::NotFound`] if either party is not there.
pub async fn end_membership(
    app: &App,
    caller: &Access,
    group: PartyId,
    member: PartyId,
    until_day: String,
) -> Result<(), FlowError> {
    let mut timing = app.metrics().database.transaction(Flow::Manage);
    let txn = timing.begin(app.db().begin()).await?;
    store::ledger::lock_tip(&txn, caller.neighbourhood, true).await?;
    let member = store::aliases::stands_for(&txn, caller.neighbourhood, member, None).await?;
    let both = store::parties::of_ids(&txn, caller.neighbourhood, [group, member].into_iter()).await?;
    if both.len() < 2 {
        return Err(FlowError::NotFound);
    }
    let there = store::parties::memberships(&txn, caller.neighbourhood, &[member].into()).await?;
    let Some(row) = there.into_iter().find(|row| row.group_id == group.0 && row.until_day.is_none()) else {
        return Ok(());
    };
    store::parties::put_member(&txn, membership::Model { until_day: Some(until_day), ..row }).await?;
    store::parties::raise(&txn, caller.neighbourhood, [group]).await?;
    timing.commit(txn.commit()).await?;
    app.forget_access();
    Ok(())
}
