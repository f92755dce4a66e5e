//! The sealed keys that all replicas share.

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::entity::server_key;

/// All keys.
///
/// # Errors
/// `DbErr`.
pub async fn all(db: &impl ConnectionTrait) -> Result<Vec<server_key::Model>, DbErr> {
    server_key::Entity::find().all(db).await
}

/// Adds keys that are not there yet.
///
/// # Errors
/// `DbErr`.
pub async fn insert_new(db: &impl ConnectionTrait, rows: Vec<server_key::Model>) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
    let key = OnConflict::column(server_key::Column::Kid).do_nothing().to_owned();
    server_key::Entity::insert_many(rows).on_conflict(key).exec_without_returning(db).await.map(|_| ())
}

/// Sets when a key ends.
///
/// # Errors
/// `DbErr`.
pub async fn retire(db: &impl ConnectionTrait, kid: &str, at_ms: i64) -> Result<(), DbErr> {
    server_key::Entity::update_many()
        .col_expr(server_key::Column::RetireAtMs, sea_orm::sea_query::Expr::value(at_ms))
        .filter(server_key::Column::Kid.eq(kid))
        .exec(db)
        .await
        .map(|_| ())
}

/// Removes keys that ended before an instant.
///
/// # Errors
/// `DbErr`.
pub async fn delete_retired(db: &impl ConnectionTrait, before_ms: i64) -> Result<(), DbErr> {
    server_key::Entity::delete_many()
        .filter(server_key::Column::RetireAtMs.lt(before_ms))
        .exec(db)
        .await
        .map(|_| ())
}
