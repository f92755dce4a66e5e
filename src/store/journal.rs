//! The journal as readers page through it.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::entity::{activity, journal, transfer};
use super::ledger::ASSETS;
use crate::domain::ids::{AccountId, ActivityId, NeighbourhoodId, PartyId};

/// Entries after a number, in order: all, or those about one activity.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: Option<ActivityId>,
    after: i64,
    limit: u64,
) -> Result<Vec<journal::Model>, DbErr> {
    entries(neighbourhood, activity, after, limit).all(db).await
}

pub(super) fn entries(
    neighbourhood: NeighbourhoodId,
    activity: Option<ActivityId>,
    after: i64,
    limit: u64,
) -> Select<journal::Entity> {
    let mut query = journal::Entity::find()
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.gt(after));
    if let Some(activity) = activity {
        query = query.filter(journal::Column::ActivityId.eq(activity.0));
    }
    query.order_by_asc(journal::Column::No).limit(limit)
}

/// Entries between two numbers (the first left out), in order, of transfers of these accounts that come of no activity: what closed an account.
///
/// # Errors
/// `DbErr`.
pub async fn closing_transfers(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    accounts: &BTreeSet<AccountId>,
    between: (i64, i64),
    limit: u64,
) -> Result<Vec<journal::Model>, DbErr> {
    let numbers: Vec<i64> = closing(neighbourhood, accounts, between, limit).into_tuple().all(db).await?;
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    journal::Entity::find()
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.is_in(numbers))
        .order_by_asc(journal::Column::No)
        .all(db)
        .await
}

pub(super) fn closing(
    neighbourhood: NeighbourhoodId,
    accounts: &BTreeSet<AccountId>,
    (after, until): (i64, i64),
    limit: u64,
) -> Select<transfer::Entity> {
    transfer::Entity::find()
        .select_only()
        .column(transfer::Column::JournalNo)
        .filter(transfer::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(transfer::Column::AccountId.is_in(accounts.iter().map(|account| account.0)))
        // By name, so that the index has their numbers in order.
        .filter(transfer::Column::Asset.is_in(ASSETS))
        .filter(transfer::Column::JournalNo.gt(after))
        .filter(transfer::Column::JournalNo.lte(until))
        .filter(transfer::Column::ActivityId.is_null())
        .order_by_asc(transfer::Column::JournalNo)
        .limit(limit)
}

/// Those of these activities that are in daybooks of these parties.
///
/// # Errors
/// `DbErr`.
pub async fn activities_of_parties(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
    parties: &[PartyId],
) -> Result<BTreeSet<ActivityId>, DbErr> {
    if activities.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<Uuid> = activity::Entity::find()
        .select_only()
        .column(activity::Column::Id)
        .filter(activity::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(activity::Column::Id.is_in(activities.iter().map(|id| id.0)))
        .filter(activity::Column::PartyId.is_in(parties.iter().map(|party| party.0)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(ActivityId).collect())
}
