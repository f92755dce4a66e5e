//! Whole tables of a neighbourhood, and what in them the journal does not know: for rebuilding.

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use super::entity::journal;
use crate::domain::ids::NeighbourhoodId;

/// Values of one `IN (…)` list.
const LIST_MAX: usize = 400;

/// All rows of a table of one neighbourhood, in no order; `column` names the neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn rows<E: EntityTrait>(
    db: &impl ConnectionTrait,
    column: E::Column,
    neighbourhood: NeighbourhoodId,
) -> Result<Vec<E::Model>, DbErr> {
    E::find().filter(column.eq(neighbourhood.0)).all(db).await
}

/// The columns by which a table's rows are found in the journal.
#[derive(Debug, Clone, Copy)]
pub struct Numbered<C> {
    pub neighbourhood: C,
    /// What the entry is about.
    pub id: C,
    /// The number of the entry.
    pub no: C,
}

/// Rows of these ids.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids<E: EntityTrait>(
    db: &impl ConnectionTrait,
    columns: Numbered<E::Column>,
    neighbourhood: NeighbourhoodId,
    ids: &[Uuid],
) -> Result<Vec<E::Model>, DbErr> {
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        let query = E::find().filter(columns.neighbourhood.eq(neighbourhood.0));
        found.extend(query.filter(columns.id.is_in(part.to_vec())).all(db).await?);
    }
    Ok(found)
}

/// Entries of one kind in the journal, in order.
///
/// # Errors
/// `DbErr`.
pub async fn entries(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    kind: &str,
) -> Result<Vec<journal::Model>, DbErr> {
    journal::Entity::find()
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::Kind.eq(kind))
        .order_by_asc(journal::Column::No)
        .all(db)
        .await
}

/// Rows at whose number the journal has no entry of this kind about them; there should be none.
///
/// # Errors
/// `DbErr`.
pub async fn unnumbered<E: EntityTrait>(
    db: &impl ConnectionTrait,
    columns: Numbered<E::Column>,
    neighbourhood: NeighbourhoodId,
    kind: &str,
) -> Result<Vec<E::Model>, DbErr> {
    let of = |column: E::Column| Expr::col((E::default(), column));
    let entry = |column| Expr::col((journal::Entity, column));
    let there = Query::select()
        .expr(Expr::val(1))
        .from(journal::Entity)
        .and_where(entry(journal::Column::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(entry(journal::Column::No).eq(of(columns.no)))
        .and_where(entry(journal::Column::Kind).eq(kind))
        .and_where(entry(journal::Column::SubjectId).eq(of(columns.id)))
        .to_owned();
    E::find()
        .filter(columns.neighbourhood.eq(neighbourhood.0))
        .filter(Expr::exists(there).not())
        .all(db)
        .await
}
