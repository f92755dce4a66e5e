//! Parts of what is stored of a daybook, by their size: what is not asked for is not read. Neither database reads a
//! value to tell its length.

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Func, Query, SelectStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{C, Of, Sent};
use crate::store::entity::daybook_snapshot::Column as S;
use crate::store::entity::{daybook_change, daybook_snapshot};

/// Of each change, the bytes of those before it. Its own are not taken away from a sum with them: SQLite would carry
/// the value itself along.
const AHEAD: &str = r#"COALESCE(SUM(LENGTH("bytes")) OVER (ORDER BY "position" ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"#;

/// The changes after one position up to another, in order: as many as have no more than `bytes` before them, which
/// is always the first, and the one that is too much for `bytes`. One statement.
///
/// # Errors
/// `DbErr`.
pub async fn within(
    db: &impl ConnectionTrait,
    of: Of,
    after: u64,
    to: u64,
    bytes: u64,
) -> Result<Vec<Sent>, DbErr> {
    let last = Query::select()
        .expr(Func::max(Expr::col(C::Position)))
        .from_subquery(sums(of, after, to), "sums")
        .and_where(Expr::col("ahead").lte(signed(bytes)))
        .to_owned();
    daybook_change::Entity::find()
        .filter(between(of, after, to))
        .filter(Expr::col(C::Position).lte(Expr::from(last)))
        .order_by_asc(C::Position)
        .into_partial_model::<Sent>()
        .all(db)
        .await
}

/// Which of the changes after one position up to another holds the byte at `at`, counted from the first of them, and
/// how many bytes are before it.
///
/// # Errors
/// `DbErr`.
pub async fn holding(
    db: &impl ConnectionTrait,
    of: Of,
    after: u64,
    to: u64,
    at: u64,
) -> Result<Option<(i64, i64)>, DbErr> {
    let holder = Query::select()
        .expr_as(Func::max(Expr::col(C::Position)), "position")
        .expr_as(Func::max(Expr::col("ahead")), "ahead")
        .from_subquery(sums(of, after, to), "sums")
        .and_where(Expr::col("ahead").lte(signed(at)))
        .to_owned();
    let Some(row) = db.query_one(&holder).await? else { return Ok(None) };
    let (position, ahead): (Option<i64>, Option<i64>) =
        (row.try_get("", "position")?, row.try_get("", "ahead")?);
    Ok(position.zip(ahead))
}

/// So many bytes of a snapshot from the one at `at` on, unless another snapshot has taken its place.
///
/// # Errors
/// `DbErr`.
pub async fn of_snapshot(
    db: &impl ConnectionTrait,
    of: Of,
    position: i64,
    at: u64,
    count: u64,
) -> Result<Option<Vec<u8>>, DbErr> {
    // Both databases count from 1, and PostgreSQL takes 32 bits: a value there is smaller than that.
    let small = |number: u64| Expr::val(i32::try_from(number).unwrap_or(i32::MAX));
    let part =
        Func::cust("SUBSTR").arg(Expr::col(S::Bytes)).arg(small(at.saturating_add(1))).arg(small(count));
    daybook_snapshot::Entity::find()
        .select_only()
        .expr_as(part, "part")
        .filter(S::NeighbourhoodId.eq(of.neighbourhood.0))
        .filter(S::DaybookId.eq(of.daybook.0))
        .filter(S::Position.eq(position))
        .into_tuple()
        .one(db)
        .await
}

fn between(of: Of, after: u64, to: u64) -> Condition {
    of.accepted().add(C::Position.gt(signed(after))).add(C::Position.lte(signed(to)))
}

/// Positions, and the bytes before each.
fn sums(of: Of, after: u64, to: u64) -> SelectStatement {
    Query::select()
        .column(C::Position)
        .expr_as(Expr::cust(AHEAD), "ahead")
        .from(daybook_change::Entity)
        .cond_where(between(of, after, to))
        .to_owned()
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
