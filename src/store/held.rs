//! Held changes: what waits in daybooks, and until when.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use super::changes::Of;
use super::entity::held_change::Column as H;
use super::entity::{access_grant, held_change};
use crate::domain::held::LEFT_GROUP;
use crate::domain::ids::{DaybookId, NeighbourhoodId, PartyId};

/// Values of one `IN (…)` list.
const LIST_MAX: usize = 400;

/// A held change without its bytes.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "held_change::Entity")]
pub struct Waiting {
    pub daybook_id: Uuid,
    pub hash: Vec<u8>,
    pub reason: String,
    pub bytes_count: i64,
    pub grant_id: Option<Uuid>,
    pub received_at_ms: i64,
    pub waits_for: Option<Vec<u8>>,
    pub start_op: Option<i64>,
    pub operations: Option<i64>,
    pub expires_at_ms: Option<i64>,
}

fn of_daybook(of: Of) -> Condition {
    Condition::all().add(H::NeighbourhoodId.eq(of.neighbourhood.0)).add(H::DaybookId.eq(of.daybook.0))
}

/// What waits in a daybook, in the order received.
///
/// # Errors
/// `DbErr`.
pub async fn waiting(db: &impl ConnectionTrait, of: Of) -> Result<Vec<Waiting>, DbErr> {
    held_change::Entity::find()
        .filter(of_daybook(of))
        .order_by_asc(H::ReceivedAtMs)
        .order_by_asc(H::Hash)
        .into_partial_model::<Waiting>()
        .all(db)
        .await
}

/// Those of `hashes` that wait in a daybook, with their bytes, in the order received.
///
/// # Errors
/// `DbErr`.
pub async fn with_bytes(
    db: &impl ConnectionTrait,
    of: Of,
    hashes: &[Vec<u8>],
) -> Result<Vec<held_change::Model>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(LIST_MAX) {
        found.extend(
            held_change::Entity::find()
                .filter(of_daybook(of))
                .filter(H::Hash.is_in(part.to_vec()))
                .order_by_asc(H::ReceivedAtMs)
                .order_by_asc(H::Hash)
                .all(db)
                .await?,
        );
    }
    Ok(found)
}

/// The hashes of all that waits in a daybook.
///
/// # Errors
/// `DbErr`.
pub async fn hashes(db: &impl ConnectionTrait, of: Of) -> Result<Vec<Vec<u8>>, DbErr> {
    held_change::Entity::find()
        .select_only()
        .column(H::Hash)
        .filter(of_daybook(of))
        .into_tuple()
        .all(db)
        .await
}

/// What was given notice in a daybook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiring {
    pub changes: i64,
    /// When the first of them goes, in milliseconds since 1970.
    pub first_ms: i64,
}

/// What was given notice in a daybook, for those who write in it; nothing where nothing was. What somebody brought who
/// has left the group is no matter of theirs.
///
/// # Errors
/// `DbErr`.
pub async fn expiring(db: &impl ConnectionTrait, of: Of) -> Result<Option<Expiring>, DbErr> {
    let row: Option<(i64, Option<i64>)> = held_change::Entity::find()
        .select_only()
        .column_as(H::Hash.count(), "changes")
        .column_as(H::ExpiresAtMs.min(), "first_ms")
        .filter(of_daybook(of))
        .filter(H::ExpiresAtMs.is_not_null())
        .filter(H::Reason.ne(LEFT_GROUP))
        .into_tuple()
        .one(db)
        .await?;
    Ok(row.and_then(|(changes, first_ms)| Some(Expiring { changes, first_ms: first_ms? })))
}

/// The statement that says what a held change waits for now.
#[must_use]
pub fn update_waits(
    backend: DbBackend,
    of: Of,
    hashes: Vec<Vec<u8>>,
    reason: &str,
    waits_for: Option<Vec<u8>>,
) -> Statement {
    held_change::Entity::update_many()
        .col_expr(H::Reason, Expr::value(reason))
        .col_expr(H::WaitsFor, Expr::value(waits_for))
        .filter(of_daybook(of))
        .filter(H::Hash.is_in(hashes))
        .build(backend)
}

/// Where a page of held changes starts: after this time and hash, going back in time.
pub type Place = (i64, Uuid, Vec<u8>);

/// Whose held changes a page shows.
#[derive(Debug, Clone, Copy)]
pub enum Whose<'a> {
    /// The neighbourhood's.
    All,
    /// Those in these daybooks.
    Daybooks(&'a [Uuid]),
    /// Those in these daybooks, and those that this party brought for a group that it had left.
    Resident(&'a [Uuid], PartyId),
}

impl Whose<'_> {
    fn condition(self, neighbourhood: NeighbourhoodId) -> Condition {
        let within = |daybooks: &[Uuid]| H::DaybookId.is_in(daybooks.iter().copied());
        match self {
            Self::All => Condition::all(),
            Self::Daybooks(daybooks) => Condition::all().add(within(daybooks)),
            Self::Resident(daybooks, party) => {
                let grants = access_grant::Entity::find()
                    .select_only()
                    .column(access_grant::Column::Id)
                    .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
                    .filter(access_grant::Column::PartyId.eq(party.0));
                let left = Condition::all()
                    .add(H::Reason.eq(LEFT_GROUP))
                    .add(H::GrantId.in_subquery(grants.into_query()));
                Condition::any().add(within(daybooks)).add(left)
            }
        }
    }
}

/// Held changes, newest first.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    whose: Whose<'_>,
    after: Option<Place>,
    limit: u64,
) -> Result<Vec<Waiting>, DbErr> {
    let query = held_change::Entity::find().filter(H::NeighbourhoodId.eq(neighbourhood.0));
    let mut query = query.filter(whose.condition(neighbourhood));
    if let Some((at_ms, daybook, hash)) = after {
        let same_time = Condition::any()
            .add(H::DaybookId.lt(daybook))
            .add(Condition::all().add(H::DaybookId.eq(daybook)).add(H::Hash.lt(hash)));
        let older = Condition::any()
            .add(H::ReceivedAtMs.lt(at_ms))
            .add(Condition::all().add(H::ReceivedAtMs.eq(at_ms)).add(same_time));
        query = query.filter(older);
    }
    query
        .order_by_desc(H::ReceivedAtMs)
        .order_by_desc(H::DaybookId)
        .order_by_desc(H::Hash)
        .limit(limit)
        .into_partial_model::<Waiting>()
        .all(db)
        .await
}

/// Without notice and received until then, or past their notice.
fn due(noticed_until_ms: i64, now_ms: i64) -> Condition {
    Condition::any()
        .add(Condition::all().add(H::ExpiresAtMs.is_null()).add(H::ReceivedAtMs.lte(noticed_until_ms)))
        .add(H::ExpiresAtMs.lte(now_ms))
}

/// The daybooks with held changes received until `noticed_until_ms` without notice, or past it.
///
/// # Errors
/// `DbErr`.
pub async fn daybooks_due(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    noticed_until_ms: i64,
    now_ms: i64,
) -> Result<Vec<DaybookId>, DbErr> {
    let ids: Vec<Uuid> = held_change::Entity::find()
        .select_only()
        .column(H::DaybookId)
        .distinct()
        .filter(H::NeighbourhoodId.eq(neighbourhood.0))
        // Whatever is due was received until then; the index ends the search there.
        .filter(H::ReceivedAtMs.lte(noticed_until_ms))
        .filter(due(noticed_until_ms, now_ms))
        .order_by_asc(H::DaybookId)
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(DaybookId).collect())
}

/// How many were received until `noticed_until_ms` and were given no notice.
///
/// # Errors
/// `DbErr`.
pub async fn without_notice(db: &impl ConnectionTrait, of: Of, noticed_until_ms: i64) -> Result<u64, DbErr> {
    let query = held_change::Entity::find().filter(of_daybook(of)).filter(H::ExpiresAtMs.is_null());
    query.filter(H::ReceivedAtMs.lte(noticed_until_ms)).count(db).await
}

/// The grants that brought what is held in a daybook of people who had left its group.
///
/// # Errors
/// `DbErr`.
pub async fn left_grants(db: &impl ConnectionTrait, of: Of) -> Result<BTreeSet<Uuid>, DbErr> {
    let grants: Vec<Option<Uuid>> = held_change::Entity::find()
        .select_only()
        .column(H::GrantId)
        .distinct()
        .filter(of_daybook(of))
        .filter(H::Reason.eq(LEFT_GROUP))
        .into_tuple()
        .all(db)
        .await?;
    Ok(grants.into_iter().flatten().collect())
}

/// How many changes are held in a neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn count(db: &impl ConnectionTrait, neighbourhood: NeighbourhoodId) -> Result<u64, DbErr> {
    held_change::Entity::find().filter(H::NeighbourhoodId.eq(neighbourhood.0)).count(db).await
}

/// The statement that gives notice to what was received until `noticed_until_ms` and has none.
#[must_use]
pub fn give_notice(backend: DbBackend, of: Of, noticed_until_ms: i64, expires_at_ms: i64) -> Statement {
    held_change::Entity::update_many()
        .col_expr(H::ExpiresAtMs, Expr::value(Some(expires_at_ms)))
        .filter(of_daybook(of))
        .filter(H::ExpiresAtMs.is_null())
        .filter(H::ReceivedAtMs.lte(noticed_until_ms))
        .build(backend)
}

/// Held changes whose notice has passed, oldest first, at most `limit`.
///
/// # Errors
/// `DbErr`.
pub async fn expired(
    db: &impl ConnectionTrait,
    of: Of,
    now_ms: i64,
    limit: u64,
) -> Result<Vec<held_change::Model>, DbErr> {
    held_change::Entity::find()
        .filter(of_daybook(of))
        .filter(H::ExpiresAtMs.lte(now_ms))
        .order_by_asc(H::ReceivedAtMs)
        .order_by_asc(H::Hash)
        .limit(limit)
        .all(db)
        .await
}

/// Held changes of a daybook with one of these hashes, without their bytes.
///
/// # Errors
/// `DbErr`.
pub async fn among(db: &impl ConnectionTrait, of: Of, hashes: &[Vec<u8>]) -> Result<Vec<Waiting>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(LIST_MAX) {
        found.extend(
            held_change::Entity::find()
                .filter(of_daybook(of))
                .filter(H::Hash.is_in(part.to_vec()))
                .into_partial_model::<Waiting>()
                .all(db)
                .await?,
        );
    }
    Ok(found)
}
