//! The tip, the journal, accounts and transfers.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select, Statement,
};
use uuid::Uuid;

use super::batch::{anew, insert_rows, or_update};
use super::entity::{account, journal, tip, transfer};
use crate::domain::ids::{AccountId, NeighbourhoodId};

/// Values of one `IN (…)` list.
const LIST_MAX: usize = 400;
/// As transfers name them.
pub(super) const ASSETS: [&str; 2] = ["contribution", "credit"];

/// The tip, locked: whoever judges starts here. With `wait` false and the tip locked elsewhere the answer
/// is nothing (PostgreSQL; on SQLite a write transaction already excludes all others).
///
/// # Errors
/// `DbErr`.
pub async fn lock_tip(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    wait: bool,
) -> Result<Option<tip::Model>, DbErr> {
    let query = tip::Entity::find_by_id(neighbourhood.0);
    if wait {
        query.lock_exclusive().one(db).await
    } else {
        query.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked).one(db).await
    }
}

/// The tip, as last committed.
///
/// # Errors
/// `DbErr`.
pub async fn find_tip(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<Option<tip::Model>, DbErr> {
    tip::Entity::find_by_id(neighbourhood.0).one(db).await
}

/// The last numbers of these neighbourhoods' journals.
///
/// # Errors
/// `DbErr`.
pub async fn journal_nos(
    db: &impl ConnectionTrait,
    neighbourhoods: &[NeighbourhoodId],
) -> Result<Vec<(Uuid, i64)>, DbErr> {
    let mut found = Vec::with_capacity(neighbourhoods.len());
    for part in neighbourhoods.chunks(LIST_MAX) {
        let ids = part.iter().map(|id| id.0);
        let query =
            tip::Entity::find().select_only().columns([tip::Column::NeighbourhoodId, tip::Column::JournalNo]);
        found.extend(
            query.filter(tip::Column::NeighbourhoodId.is_in(ids)).into_tuple::<(Uuid, i64)>().all(db).await?,
        );
    }
    Ok(found)
}

/// Adds the tip of a new neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn insert_tip(db: &impl ConnectionTrait, row: tip::Model) -> Result<(), DbErr> {
    tip::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(db).await.map(|_| ())
}

/// The statement that writes the locked tip anew.
#[must_use]
pub fn update_tip(backend: DbBackend, row: tip::Model) -> Statement {
    let id = row.neighbourhood_id;
    tip::Entity::update_many()
        .set(anew::<tip::Entity>(row))
        .filter(tip::Column::NeighbourhoodId.eq(id))
        .build(backend)
}

/// The chain at a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn chain_at(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    no: i64,
) -> Result<Option<Vec<u8>>, DbErr> {
    journal::Entity::find()
        .select_only()
        .column(journal::Column::Chain)
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.eq(no))
        .into_tuple()
        .one(db)
        .await
}

/// The content of a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn journal_body(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    no: i64,
) -> Result<Option<String>, DbErr> {
    journal::Entity::find()
        .select_only()
        .column(journal::Column::Body)
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.eq(no))
        .into_tuple()
        .one(db)
        .await
}

/// The journal after a number, in order.
///
/// # Errors
/// `DbErr`.
pub async fn journal_after(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    after: i64,
    limit: u64,
) -> Result<Vec<journal::Model>, DbErr> {
    journal::Entity::find()
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.gt(after))
        .order_by_asc(journal::Column::No)
        .limit(limit)
        .all(db)
        .await
}

/// Accounts of these ids.
///
/// # Errors
/// `DbErr`.
pub async fn accounts_of(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<AccountId>,
) -> Result<Vec<account::Model>, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut found = Vec::new();
    for part in ids.chunks(LIST_MAX) {
        let query = account::Entity::find().filter(account::Column::NeighbourhoodId.eq(neighbourhood.0));
        found.extend(query.filter(account::Column::Id.is_in(part.to_vec())).all(db).await?);
    }
    Ok(found)
}

/// Accounts by id, after `after`: all, or `only` these.
///
/// # Errors
/// `DbErr`.
pub async fn accounts_page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    only: Option<&BTreeSet<AccountId>>,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<account::Model>, DbErr> {
    let mut query = account::Entity::find().filter(account::Column::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(only) = only {
        query = query.filter(account::Column::Id.is_in(only.iter().map(|id| id.0)));
    }
    if let Some(after) = after {
        query = query.filter(account::Column::Id.gt(after));
    }
    query.order_by_asc(account::Column::Id).limit(limit).all(db).await
}

/// The statement that writes accounts, new and known.
#[must_use]
pub fn upsert_accounts(backend: DbBackend, rows: Vec<account::Model>) -> Statement {
    use account::Column as A;
    let more = or_update(&[A::NeighbourhoodId, A::Id], &[A::Contribution, A::Credit, A::ClosedAtMs]);
    insert_rows::<account::Entity>(backend, &rows, &more)
}

/// The transfers of accounts, newest first, below a journal number.
///
/// # Errors
/// `DbErr`.
pub async fn statement(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    accounts: &[AccountId],
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<transfer::Model>, DbErr> {
    let mut rows = Vec::new();
    // One by one, as the unique key has them in order: together, all lines of an account would be sorted for a page.
    for (account, asset) in accounts.iter().flat_map(|account| ASSETS.map(|asset| (account, asset))) {
        let mut query = transfer::Entity::find()
            .filter(transfer::Column::NeighbourhoodId.eq(neighbourhood.0))
            .filter(transfer::Column::AccountId.eq(account.0))
            .filter(transfer::Column::Asset.eq(asset));
        if let Some(before) = before {
            query = query.filter(transfer::Column::JournalNo.lt(before));
        }
        rows.extend(query.order_by_desc(transfer::Column::JournalNo).limit(limit).all(db).await?);
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.journal_no));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}

/// The transfers after a journal number, in its order: for rebuilding.
///
/// # Errors
/// `DbErr`.
pub async fn transfers_after(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    after: i64,
    limit: u64,
) -> Result<Vec<transfer::Model>, DbErr> {
    transfer::Entity::find()
        .filter(transfer::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(transfer::Column::JournalNo.gt(after))
        .order_by_asc(transfer::Column::JournalNo)
        .limit(limit)
        .all(db)
        .await
}

/// Minutes recognised on accounts and days: the sum of their transfers, per activity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayMinutes {
    pub account_id: Uuid,
    pub day: String,
    pub activity_id: Uuid,
    pub minutes: i64,
}

/// Minutes of these accounts on these days, per activity, where they are not zero.
///
/// # Errors
/// `DbErr`.
pub async fn minutes_of_days(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    accounts: &BTreeSet<AccountId>,
    days: &BTreeSet<String>,
) -> Result<Vec<DayMinutes>, DbErr> {
    if accounts.is_empty() || days.is_empty() {
        return Ok(Vec::new());
    }
    let accounts: Vec<AccountId> = accounts.iter().copied().collect();
    let mut minutes: BTreeMap<(Uuid, String, Uuid), i64> = BTreeMap::new();
    for part in accounts.chunks(LIST_MAX) {
        let query = minutes_query(neighbourhood, &part.iter().copied().collect(), days);
        let rows = query.into_tuple::<(Uuid, String, Option<Uuid>, String, i64)>().all(db).await?;
        for (account, day, activity, asset, moved) in rows {
            if let Some(activity) = activity.filter(|_| asset == "contribution") {
                let sum = minutes.entry((account, day, activity)).or_default();
                *sum = sum.saturating_add(moved);
            }
        }
    }
    let found = minutes.into_iter().filter(|(_, minutes)| *minutes != 0);
    let found = found.map(|((account_id, day, activity_id), minutes)| DayMinutes {
        account_id,
        day,
        activity_id,
        minutes,
    });
    Ok(found.collect())
}

/// The transfers of a few days. They are summed, and told apart by asset and activity, in what was found: said here,
/// that offers SQLite other indexes, and for one person on one day it read all transfers of the neighbourhood.
pub(super) fn minutes_query(
    neighbourhood: NeighbourhoodId,
    accounts: &BTreeSet<AccountId>,
    days: &BTreeSet<String>,
) -> Select<transfer::Entity> {
    use transfer::Column as T;
    transfer::Entity::find()
        .select_only()
        .columns([T::AccountId, T::Day, T::ActivityId, T::Asset, T::Minutes])
        .filter(T::NeighbourhoodId.eq(neighbourhood.0))
        .filter(T::AccountId.is_in(accounts.iter().map(|id| id.0)))
        .filter(T::Day.is_in(days.iter().cloned()))
}
