//! Refused changes, and the held ones that expired: kept with their reason, within a quota.

use sea_orm::sea_query::{Condition, Expr};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use super::changes::Of;
use super::entity::refused_change;
use super::entity::refused_change::Column as R;
use crate::domain::held::HELD_EXPIRED;
use crate::domain::ids::NeighbourhoodId;

/// A change in quarantine without its bytes.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "refused_change::Entity")]
pub struct Kept {
    pub daybook_id: Uuid,
    pub hash: Vec<u8>,
    pub code: String,
    pub detail: String,
    pub bytes_count: i64,
    pub grant_id: Option<Uuid>,
    pub received_at_ms: i64,
    /// Its bytes are kept.
    #[sea_orm(from_expr = "refused_change::Column::Bytes.is_not_null()")]
    pub has_bytes: bool,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub daybook: Option<Uuid>,
    pub code: Option<String>,
    /// After this time, daybook and hash, going back in time.
    pub after: Option<(i64, Uuid, Vec<u8>)>,
}

fn of_daybook(of: Of) -> Condition {
    Condition::all().add(R::NeighbourhoodId.eq(of.neighbourhood.0)).add(R::DaybookId.eq(of.daybook.0))
}

/// The quarantine of a neighbourhood, newest first.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    filter: &Filter,
    limit: u64,
) -> Result<Vec<Kept>, DbErr> {
    let mut query = refused_change::Entity::find().filter(R::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(daybook) = filter.daybook {
        query = query.filter(R::DaybookId.eq(daybook));
    }
    if let Some(code) = &filter.code {
        query = query.filter(R::Code.eq(code.as_str()));
    }
    if let Some((at_ms, daybook, hash)) = filter.after.clone() {
        let same_time = Condition::any()
            .add(R::DaybookId.lt(daybook))
            .add(Condition::all().add(R::DaybookId.eq(daybook)).add(R::Hash.lt(hash)));
        let older = Condition::any()
            .add(R::ReceivedAtMs.lt(at_ms))
            .add(Condition::all().add(R::ReceivedAtMs.eq(at_ms)).add(same_time));
        query = query.filter(older);
    }
    query
        .order_by_desc(R::ReceivedAtMs)
        .order_by_desc(R::DaybookId)
        .order_by_desc(R::Hash)
        .limit(limit)
        .into_partial_model::<Kept>()
        .all(db)
        .await
}

/// One change in quarantine, with its bytes where they are kept.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    of: Of,
    hash: &[u8],
) -> Result<Option<refused_change::Model>, DbErr> {
    refused_change::Entity::find_by_id((of.neighbourhood.0, of.daybook.0, hash.to_vec())).one(db).await
}

/// One change in quarantine, without its bytes.
///
/// # Errors
/// `DbErr`.
pub async fn kept(db: &impl ConnectionTrait, of: Of, hash: &[u8]) -> Result<Option<Kept>, DbErr> {
    refused_change::Entity::find()
        .filter(of_daybook(of))
        .filter(R::Hash.eq(hash.to_vec()))
        .into_partial_model::<Kept>()
        .one(db)
        .await
}

/// The changes of a daybook in quarantine with this code whose bytes are kept, in the order received.
///
/// # Errors
/// `DbErr`.
pub async fn with_bytes(
    db: &impl ConnectionTrait,
    of: Of,
    code: &str,
) -> Result<Vec<refused_change::Model>, DbErr> {
    refused_change::Entity::find()
        .filter(of_daybook(of))
        .filter(R::Code.eq(code))
        .filter(R::Bytes.is_not_null())
        .order_by_asc(R::ReceivedAtMs)
        .order_by_asc(R::Hash)
        .all(db)
        .await
}

/// Those of `hashes` that were refused, without those that only expired.
///
/// # Errors
/// `DbErr`.
pub async fn binding(db: &impl ConnectionTrait, of: Of, hashes: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(400) {
        let query = refused_change::Entity::find().select_only().column(R::Hash).filter(of_daybook(of));
        let query = query.filter(R::Code.ne(HELD_EXPIRED)).filter(R::Hash.is_in(part.to_vec()));
        found.extend(query.into_tuple::<Vec<u8>>().all(db).await?);
    }
    Ok(found)
}

/// What is in the quarantine of a daybook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Changes, with bytes or without.
    pub hashes: i64,
    /// Those of them whose bytes are there.
    pub changes: i64,
    /// These bytes.
    pub bytes: i64,
}

/// How much is in the quarantine of a daybook.
///
/// # Errors
/// `DbErr`.
pub async fn totals(db: &impl ConnectionTrait, of: Of) -> Result<Totals, DbErr> {
    let row: Option<(i64, Option<i64>, Option<i64>)> = refused_change::Entity::find()
        .select_only()
        .column_as(Expr::cust("COUNT(*)"), "hashes")
        .column_as(Expr::cust("CAST(SUM(CASE WHEN bytes IS NULL THEN 0 ELSE 1 END) AS bigint)"), "changes")
        .column_as(
            Expr::cust("CAST(SUM(CASE WHEN bytes IS NULL THEN 0 ELSE bytes_count END) AS bigint)"),
            "bytes",
        )
        .filter(of_daybook(of))
        .into_tuple()
        .one(db)
        .await?;
    let (hashes, changes, bytes) = row.unwrap_or_default();
    Ok(Totals { hashes, changes: changes.unwrap_or_default(), bytes: bytes.unwrap_or_default() })
}

/// How many changes are in the quarantine of a neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn count(db: &impl ConnectionTrait, neighbourhood: NeighbourhoodId) -> Result<u64, DbErr> {
    refused_change::Entity::find().filter(R::NeighbourhoodId.eq(neighbourhood.0)).count(db).await
}

/// The statement that takes changes out of quarantine.
#[must_use]
pub fn delete(backend: DbBackend, of: Of, hashes: Vec<Vec<u8>>) -> Statement {
    refused_change::Entity::delete_many().filter(of_daybook(of)).filter(R::Hash.is_in(hashes)).build(backend)
}
