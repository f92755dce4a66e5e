//! Tenants and their rules.

use std::collections::{BTreeMap, HashMap};

use sea_orm::ColumnTrait;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::{neighbourhood, rule_pack};
use crate::domain::ids::{NeighbourhoodId, PartyId};
use crate::domain::rules::RulePack;

/// One neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
) -> Result<Option<neighbourhood::Model>, DbErr> {
    neighbourhood::Entity::find_by_id(id.0).one(db).await
}

/// All neighbourhoods of this server, by name.
///
/// # Errors
/// `DbErr`.
pub async fn list(db: &impl ConnectionTrait) -> Result<Vec<neighbourhood::Model>, DbErr> {
    neighbourhood::Entity::find().order_by_asc(neighbourhood::Column::Name).all(db).await
}

/// Neighbourhoods of this server by name, at most `limit`, after the one of this name and id.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    after: Option<(String, Uuid)>,
    limit: u64,
) -> Result<Vec<neighbourhood::Model>, DbErr> {
    use neighbourhood::Column as N;
    let mut query = neighbourhood::Entity::find();
    if let Some((name, id)) = after {
        let same = Condition::all().add(N::Name.eq(name.as_str())).add(N::NeighbourhoodId.gt(id));
        query = query.filter(Condition::any().add(N::Name.gt(name)).add(same));
    }
    query.order_by_asc(N::Name).order_by_asc(N::NeighbourhoodId).limit(limit).all(db).await
}

/// Adds a neighbourhood.
///
/// # Errors
/// `DbErr`, a unique violation if the id exists.
pub async fn insert(db: &impl ConnectionTrait, row: neighbourhood::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    neighbourhood::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}

/// How far ahead each sandbox's clock is, in milliseconds.
///
/// # Errors
/// `DbErr`.
pub async fn sandboxes(db: &impl ConnectionTrait) -> Result<HashMap<NeighbourhoodId, i64>, DbErr> {
    use neighbourhood::Column as N;
    let query =
        neighbourhood::Entity::find().select_only().column(N::NeighbourhoodId).column(N::ClockAheadMs);
    let rows: Vec<(Uuid, i64)> = query.filter(N::ClockAheadMs.is_not_null()).into_tuple().all(db).await?;
    Ok(rows.into_iter().map(|(id, ahead_ms)| (NeighbourhoodId(id), ahead_ms)).collect())
}

/// Moves a sandbox's clock ahead; never back, and never that of a real neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn move_ahead(db: &impl ConnectionTrait, id: NeighbourhoodId, ahead_ms: i64) -> Result<(), DbErr> {
    use neighbourhood::Column as N;
    let moved = neighbourhood::Entity::update_many().col_expr(N::ClockAheadMs, Expr::value(ahead_ms));
    moved.filter(N::NeighbourhoodId.eq(id.0)).filter(N::ClockAheadMs.lt(ahead_ms)).exec(db).await.map(|_| ())
}

/// A neighbourhood's time zone and salt and the rules in force, in one statement: every judging asks.
///
/// # Errors
/// `DbErr`, also if the stored rules cannot be read.
pub async fn tenant_and_rules(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
) -> Result<Option<(String, Vec<u8>, RulePack)>, DbErr> {
    let found: Option<(String, Option<Vec<u8>>, String)> = neighbourhood::Entity::find_by_id(id.0)
        .select_only()
        .column(neighbourhood::Column::TimeZone)
        .column(neighbourhood::Column::Salt)
        .column(rule_pack::Column::Body)
        .join(
            JoinType::InnerJoin,
            neighbourhood::Entity::belongs_to(rule_pack::Entity)
                .from(neighbourhood::Column::NeighbourhoodId)
                .to(rule_pack::Column::NeighbourhoodId)
                .into(),
        )
        .order_by_desc(rule_pack::Column::Version)
        .into_tuple()
        .one(db)
        .await?;
    found.map(|(zone, salt, body)| Ok((zone, salt.unwrap_or_default(), read_rules(&body)?))).transpose()
}

/// The rules in force: the newest version.
///
/// # Errors
/// `DbErr`, also if the stored rules cannot be read.
pub async fn rules(db: &impl ConnectionTrait, id: NeighbourhoodId) -> Result<RulePack, DbErr> {
    let row = rule_pack::Entity::find()
        .filter(rule_pack::Column::NeighbourhoodId.eq(id.0))
        .order_by_desc(rule_pack::Column::Version)
        .one(db)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("rules of neighbourhood {id}")))?;
    read_rules(&row.body)
}

/// All versions of the rules.
///
/// # Errors
/// `DbErr`, also if stored rules cannot be read.
pub async fn all_rules(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
) -> Result<BTreeMap<i64, RulePack>, DbErr> {
    let rows = rule_pack::Entity::find().filter(rule_pack::Column::NeighbourhoodId.eq(id.0)).all(db).await?;
    rows.iter().map(|row| Ok((row.version, read_rules(&row.body)?))).collect()
}

/// One version of the rules, with its row.
///
/// # Errors
/// `DbErr`, also if the stored rules cannot be read.
pub async fn rules_version(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
    version: i64,
) -> Result<Option<(RulePack, rule_pack::Model)>, DbErr> {
    let row = rule_pack::Entity::find_by_id((id.0, version)).one(db).await?;
    row.map(|row| Ok((read_rules(&row.body)?, row))).transpose()
}

fn read_rules(body: &str) -> Result<RulePack, DbErr> {
    RulePack::read(body).map_err(|error| DbErr::Json(error.to_string()))
}

/// Adds a version of the rules.
///
/// # Errors
/// `DbErr`.
pub async fn insert_rules(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
    pack: &RulePack,
    by: Option<PartyId>,
    at_ms: i64,
) -> Result<(), DbErr> {
    let body = serde_json::to_string(pack).map_err(|error| DbErr::Json(error.to_string()))?;
    let row = rule_pack::Model {
        neighbourhood_id: id.0,
        version: pack.version,
        body,
        created_by: by.map(|party| party.0),
        created_at_ms: at_ms,
    };
    rule_pack::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}
