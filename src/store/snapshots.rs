//! Snapshots: one document chunk a daybook in place of the bytes of its older changes.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, DerivePartialModel, EntityTrait,
    IntoActiveModel, QueryFilter, QueryTrait, Statement,
};

use super::changes::Of;
use super::entity::daybook_change::Column as C;
use super::entity::daybook_snapshot::Column as S;
use super::entity::{daybook_change, daybook_snapshot};

/// A snapshot without its bytes.
#[derive(Debug, Clone, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "daybook_snapshot::Entity")]
pub struct Named {
    pub position: i64,
    pub raw_bytes: i64,
    pub kept_from: i64,
    pub bytes_count: i64,
    pub hash: Vec<u8>,
}

fn of_daybook(of: Of) -> sea_orm::sea_query::Condition {
    S::NeighbourhoodId.eq(of.neighbourhood.0).and(S::DaybookId.eq(of.daybook.0)).into()
}

/// The snapshot of a daybook, bytes and all.
///
/// # Errors
/// `DbErr`.
pub async fn find(db: &impl ConnectionTrait, of: Of) -> Result<Option<daybook_snapshot::Model>, DbErr> {
    daybook_snapshot::Entity::find_by_id((of.neighbourhood.0, of.daybook.0)).one(db).await
}

/// What there is to say of a daybook's snapshot.
///
/// # Errors
/// `DbErr`.
pub async fn named(db: &impl ConnectionTrait, of: Of) -> Result<Option<Named>, DbErr> {
    daybook_snapshot::Entity::find().filter(of_daybook(of)).into_partial_model::<Named>().one(db).await
}

/// The statement that puts a snapshot in the place of the one there was.
#[must_use]
pub fn put(backend: DbBackend, row: daybook_snapshot::Model) -> Statement {
    let key = OnConflict::columns([S::NeighbourhoodId, S::DaybookId])
        .update_columns([
            S::Position,
            S::Chain,
            S::Heads,
            S::RawBytes,
            S::KeptFrom,
            S::MadeAtMs,
            S::BytesCount,
            S::Hash,
            S::Bytes,
        ])
        .to_owned();
    daybook_snapshot::Entity::insert_many([row.into_active_model().reset_all()])
        .on_conflict(key)
        .build(backend)
}

/// The statements that let go of the bytes of the changes from `kept_from` up to `to` (not included), which the
/// snapshot has.
#[must_use]
pub fn let_go(backend: DbBackend, of: Of, kept_from: i64, to: i64) -> [Statement; 2] {
    let changes = daybook_change::Entity::update_many()
        .col_expr(C::Bytes, Expr::value(Vec::<u8>::new()))
        .filter(C::NeighbourhoodId.eq(of.neighbourhood.0))
        .filter(C::DaybookId.eq(of.daybook.0))
        .filter(C::Position.gte(kept_from))
        .filter(C::Position.lt(to));
    let snapshot =
        daybook_snapshot::Entity::update_many().col_expr(S::KeptFrom, Expr::value(to)).filter(of_daybook(of));
    [changes.build(backend), snapshot.build(backend)]
}
