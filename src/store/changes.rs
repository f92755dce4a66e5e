//! The changes of daybooks: accepted, held and refused.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, OnConflict, SelectStatement, UnionType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait,
    FromQueryResult, IntoActiveModel, PartialModelTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Statement,
};
use uuid::Uuid;

use super::entity::daybook_change::Column as C;
use super::entity::{daybook_change, held_change, refused_change};
use crate::domain::ids::{DaybookId, NeighbourhoodId};
use crate::domain::limits::ACTOR_BYTES_MAX;

/// Values of one `IN (…)` list or branches of one `UNION`.
const LIST_MAX: usize = 400;
/// Lists of one statement.
const CONDITIONS_MAX: usize = 16;

/// Which daybook a function works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Of {
    pub neighbourhood: NeighbourhoodId,
    pub daybook: DaybookId,
}

impl Of {
    fn accepted(self) -> Condition {
        Condition::all().add(C::NeighbourhoodId.eq(self.neighbourhood.0)).add(C::DaybookId.eq(self.daybook.0))
    }
}

/// An accepted change without its bytes; `objects` is what admission keeps of it.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Known {
    pub position: i64,
    pub hash: Vec<u8>,
    pub actor: Vec<u8>,
    pub seq: i64,
    pub max_op: i64,
    pub objects: Vec<u8>,
}

/// A change that holds operations asked for, with what admission keeps of it.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Covering {
    pub actor: Vec<u8>,
    pub start_op: i64,
    pub max_op: i64,
    pub position: i64,
    pub objects: Vec<u8>,
}

/// Which operations an accepted change holds: none where it is empty, and then `max_op` is below `start_op`.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Span {
    pub position: i64,
    pub actor: Vec<u8>,
    pub start_op: i64,
    pub max_op: i64,
}

/// A change as sent to phones; without bytes where only the daybook's snapshot has them.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Sent {
    pub position: i64,
    pub hash: Vec<u8>,
    pub chain: Vec<u8>,
    pub bytes: Vec<u8>,
}

/// An accepted change, as it is looked up later.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Placed {
    pub position: i64,
    pub hash: Vec<u8>,
    pub grant_id: Option<Uuid>,
    pub admitted_at_ms: i64,
}

/// The newest accepted changes before a position, newest first.
///
/// # Errors
/// `DbErr`.
pub async fn newest(
    db: &impl ConnectionTrait,
    of: Of,
    before: Option<i64>,
    limit: u64,
) -> Result<Vec<Placed>, DbErr> {
    daybook_change::Entity::find()
        .filter(of.accepted())
        .filter(C::Position.lt(before.unwrap_or(i64::MAX)))
        .order_by_desc(C::Position)
        .limit(limit)
        .into_partial_model::<Placed>()
        .all(db)
        .await
}

/// The accepted change with this hash.
///
/// # Errors
/// `DbErr`.
pub async fn placed(db: &impl ConnectionTrait, of: Of, hash: &[u8]) -> Result<Option<Placed>, DbErr> {
    daybook_change::Entity::find()
        .filter(of.accepted())
        .filter(C::Hash.eq(hash.to_vec()))
        .into_partial_model::<Placed>()
        .one(db)
        .await
}

/// Those of `hashes` that are accepted, by their hash alone.
///
/// # Errors
/// `DbErr`.
pub async fn known_among(
    db: &impl ConnectionTrait,
    of: Of,
    hashes: &[Vec<u8>],
) -> Result<Vec<Vec<u8>>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(LIST_MAX) {
        let query = daybook_change::Entity::find().select_only().column(C::Hash).filter(of.accepted());
        found.extend(query.filter(C::Hash.is_in(part.to_vec())).into_tuple::<Vec<u8>>().all(db).await?);
    }
    Ok(found)
}

/// Those of `hashes` that are accepted, and the changes of these actors with these sequence numbers.
///
/// # Errors
/// `DbErr`.
pub async fn known(
    db: &impl ConnectionTrait,
    of: Of,
    hashes: &[Vec<u8>],
    numbers: &[(Vec<u8>, Vec<i64>)],
) -> Result<Vec<Known>, DbErr> {
    all_of(db, of, &by_hash_or_number(hashes, numbers)).await
}

fn by_hash_or_number(hashes: &[Vec<u8>], numbers: &[(Vec<u8>, Vec<i64>)]) -> Vec<Condition> {
    let mut wanted: Vec<Condition> =
        hashes.chunks(LIST_MAX).map(|part| Condition::all().add(C::Hash.is_in(part.to_vec()))).collect();
    for (actor, seqs) in numbers {
        wanted.extend(
            seqs.chunks(LIST_MAX).map(|part| {
                Condition::all().add(C::Actor.eq(actor.clone())).add(C::Seq.is_in(part.to_vec()))
            }),
        );
    }
    wanted
}

/// The changes that fit any of these conditions, some perhaps more than once. Each condition is a query of its
/// own within one statement: of conditions joined by OR, SQLite would look through the whole daybook.
async fn all_of<M>(db: &impl ConnectionTrait, of: Of, wanted: &[Condition]) -> Result<Vec<M>, DbErr>
where
    M: PartialModelTrait + FromQueryResult,
{
    let mut found = Vec::new();
    for part in wanted.chunks(CONDITIONS_MAX) {
        let Some(query) = union::<M>(of, part) else { continue };
        for row in db.query_all(&query).await? {
            found.push(M::from_query_result(&row, "")?);
        }
    }
    Ok(found)
}

fn union<M: PartialModelTrait>(of: Of, wanted: &[Condition]) -> Option<SelectStatement> {
    let mut queries = wanted.iter().map(|condition| {
        let query = daybook_change::Entity::find().select_only();
        M::select_cols(query).filter(of.accepted()).filter(condition.clone()).into_query()
    });
    let first = queries.next()?;
    Some(queries.fold(first, |mut all, query| all.union(UnionType::All, query).to_owned()))
}

/// The changes whose operations overlap these ranges of (actor, first counter, last counter): a query for each, so
/// for at most [`LOOK_UP_RANGES_MAX`](crate::domain::limits::LOOK_UP_RANGES_MAX).
///
/// # Errors
/// `DbErr`.
pub async fn covering(
    db: &impl ConnectionTrait,
    of: Of,
    ranges: &[(Vec<u8>, u64, u64)],
) -> Result<Vec<Covering>, DbErr> {
    all_of(db, of, &overlapping(of, ranges)).await
}

/// Which operations the changes after a position hold, at most `limit` of them, in order.
///
/// # Errors
/// `DbErr`.
pub async fn spans(db: &impl ConnectionTrait, of: Of, after: i64, limit: u64) -> Result<Vec<Span>, DbErr> {
    let query = daybook_change::Entity::find().filter(of.accepted()).filter(C::Position.gt(after));
    query.order_by_asc(C::Position).limit(limit).into_partial_model::<Span>().all(db).await
}

/// The changes at these positions, as [`covering`] gives them.
///
/// # Errors
/// `DbErr`.
pub async fn at(db: &impl ConnectionTrait, of: Of, positions: Vec<i64>) -> Result<Vec<Covering>, DbErr> {
    let query = daybook_change::Entity::find().filter(of.accepted()).filter(C::Position.is_in(positions));
    query.into_partial_model::<Covering>().all(db).await
}

fn overlapping(of: Of, ranges: &[(Vec<u8>, u64, u64)]) -> Vec<Condition> {
    let overlaps = ranges.iter().map(|(actor, from, to)| {
        let signed = |counter: u64| i64::try_from(counter).unwrap_or(i64::MAX);
        let (from, to) = (signed(*from), signed(*to));
        // Of the changes that start before the range only the last can reach into it.
        let last = daybook_change::Entity::find()
            .select_only()
            .column(C::StartOp)
            .filter(of.accepted())
            .filter(C::Actor.eq(actor.clone()))
            .filter(C::StartOp.lte(from))
            .filter(holds_operations())
            .order_by_desc(C::StartOp)
            .limit(1)
            .into_query();
        Condition::all()
            .add(C::Actor.eq(actor.clone()))
            .add(Expr::col(C::StartOp).gte(Func::coalesce([Expr::from(last), Expr::val(from)])))
            .add(C::StartOp.lte(to))
            .add(C::MaxOp.gte(from))
            .add(holds_operations())
    });
    overlaps.collect()
}

/// Empty changes hold no operation, and share their start with the change after them.
fn holds_operations() -> Expr {
    Expr::col(C::MaxOp).gte(Expr::col(C::StartOp))
}

/// The graph of accepted changes after a position: position, hash and objects of each.
///
/// # Errors
/// `DbErr`.
pub async fn graph_after(
    db: &impl ConnectionTrait,
    of: Of,
    position: u64,
) -> Result<Vec<(i64, Vec<u8>, Vec<u8>)>, DbErr> {
    daybook_change::Entity::find()
        .select_only()
        .columns([C::Position, C::Hash, C::Objects])
        .filter(of.accepted())
        .filter(C::Position.gt(i64::try_from(position).unwrap_or(i64::MAX)))
        .order_by_asc(C::Position)
        .into_tuple()
        .all(db)
        .await
}

/// The changes after a position, at most `limit` of them, in order.
///
/// # Errors
/// `DbErr`.
pub async fn after(db: &impl ConnectionTrait, of: Of, position: u64, limit: u64) -> Result<Vec<Sent>, DbErr> {
    daybook_change::Entity::find()
        .filter(of.accepted())
        .filter(C::Position.gt(i64::try_from(position).unwrap_or(i64::MAX)))
        .order_by_asc(C::Position)
        .limit(limit)
        .into_partial_model::<Sent>()
        .all(db)
        .await
}

mod parts;
pub use parts::{holding, of_snapshot, within};

/// The hashes of the changes up to a position, in order.
///
/// # Errors
/// `DbErr`.
pub async fn hashes(db: &impl ConnectionTrait, of: Of, position: i64) -> Result<Vec<Vec<u8>>, DbErr> {
    daybook_change::Entity::find()
        .select_only()
        .column(C::Hash)
        .filter(of.accepted())
        .filter(C::Position.lte(position))
        .order_by_asc(C::Position)
        .into_tuple()
        .all(db)
        .await
}

/// The chain at a position, if the daybook reaches it.
///
/// # Errors
/// `DbErr`.
pub async fn chain_at(db: &impl ConnectionTrait, of: Of, position: u64) -> Result<Option<Vec<u8>>, DbErr> {
    daybook_change::Entity::find()
        .select_only()
        .column(C::Chain)
        .filter(of.accepted())
        .filter(C::Position.eq(i64::try_from(position).unwrap_or(i64::MAX)))
        .into_tuple()
        .one(db)
        .await
}

/// All rows of a daybook after a position, at most `limit`, in order: for rebuilding.
///
/// # Errors
/// `DbErr`.
pub async fn rows_after(
    db: &impl ConnectionTrait,
    of: Of,
    position: i64,
    limit: u64,
) -> Result<Vec<daybook_change::Model>, DbErr> {
    daybook_change::Entity::find()
        .filter(of.accepted())
        .filter(C::Position.gt(position))
        .order_by_asc(C::Position)
        .limit(limit)
        .all(db)
        .await
}

/// Who brought the change that holds an operation, and when.
#[derive(Debug, Clone, DerivePartialModel)]
#[sea_orm(entity = "daybook_change::Entity")]
pub struct Origin {
    pub grant_id: Option<Uuid>,
    pub recorded_at_ms: i64,
    pub received_at_ms: i64,
}

/// The origin of the operation with this actor and counter.
///
/// # Errors
/// `DbErr`.
pub async fn origin(
    db: &impl ConnectionTrait,
    of: Of,
    actor: Vec<u8>,
    counter: u64,
) -> Result<Option<Origin>, DbErr> {
    let counter = i64::try_from(counter).unwrap_or(i64::MAX);
    daybook_change::Entity::find()
        .filter(of.accepted())
        .filter(C::Actor.eq(actor))
        .filter(C::StartOp.lte(counter))
        .filter(C::MaxOp.gte(counter))
        .into_partial_model::<Origin>()
        .one(db)
        .await
}

/// The actors of a daybook's changes that begin with these bytes, at most two.
///
/// # Errors
/// `DbErr`.
pub async fn actors_from(db: &impl ConnectionTrait, of: Of, prefix: &[u8]) -> Result<Vec<Vec<u8>>, DbErr> {
    let last = [prefix, &[u8::MAX; ACTOR_BYTES_MAX]].concat();
    daybook_change::Entity::find()
        .select_only()
        .column(C::Actor)
        .filter(of.accepted())
        .filter(C::Actor.between(prefix.to_vec(), last))
        .limit(2)
        .into_tuple()
        .all(db)
        .await
}

/// The statement that removes held changes.
#[must_use]
pub fn delete_held(backend: DbBackend, of: Of, hashes: Vec<Vec<u8>>) -> Statement {
    held_change::Entity::delete_many()
        .filter(held_change::Column::NeighbourhoodId.eq(of.neighbourhood.0))
        .filter(held_change::Column::DaybookId.eq(of.daybook.0))
        .filter(held_change::Column::Hash.is_in(hashes))
        .build(backend)
}

/// Those of `hashes` that were refused, with code and detail.
///
/// # Errors
/// `DbErr`.
pub async fn refused(
    db: &impl ConnectionTrait,
    of: Of,
    hashes: &[Vec<u8>],
) -> Result<Vec<(Vec<u8>, String, String)>, DbErr> {
    let mut found = Vec::new();
    for part in hashes.chunks(LIST_MAX) {
        let rows: Vec<(Vec<u8>, String, String)> = refused_change::Entity::find()
            .select_only()
            .columns([
                refused_change::Column::Hash,
                refused_change::Column::Code,
                refused_change::Column::Detail,
            ])
            .filter(refused_change::Column::NeighbourhoodId.eq(of.neighbourhood.0))
            .filter(refused_change::Column::DaybookId.eq(of.daybook.0))
            .filter(refused_change::Column::Hash.is_in(part.to_vec()))
            .into_tuple()
            .all(db)
            .await?;
        found.extend(rows);
    }
    Ok(found)
}

/// The statement that adds refused changes; what is there already stays.
#[must_use]
pub fn insert_refused(backend: DbBackend, rows: Vec<refused_change::Model>) -> Statement {
    use refused_change::Column as R;
    let key = OnConflict::columns([R::NeighbourhoodId, R::DaybookId, R::Hash]).do_nothing().to_owned();
    refused_change::Entity::insert_many(rows.into_iter().map(|row| row.into_active_model().reset_all()))
        .on_conflict(key)
        .build(backend)
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
