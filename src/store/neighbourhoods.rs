//! Tenants and their rules.

use std::collections::HashMap;

use sea_orm::ColumnTrait;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveModelTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, IntoActiveModel,
    JoinType, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use uuid::Uuid;

use super::entity::{neighbourhood, party_alias, rule_pack};
use super::judgements::first_due;
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

/// What a sitting begins with.
#[derive(Debug)]
pub struct ToJudge {
    pub time_zone: String,
    /// Of the names of versions.
    pub salt: Vec<u8>,
    /// Those in force.
    pub rules: RulePack,
    /// Some activity is due to be looked at again.
    pub any_due: bool,
    /// Some party of the neighbourhood has an alias.
    pub any_alias: bool,
}

/// What a sitting begins with, in one statement.
///
/// # Errors
/// `DbErr`, also if the stored rules cannot be read.
pub async fn to_judge(
    db: &impl ConnectionTrait,
    id: NeighbourhoodId,
    now_ms: i64,
) -> Result<Option<ToJudge>, DbErr> {
    let alias = party_alias::Entity::find()
        .select_only()
        .column(party_alias::Column::AliasId)
        .filter(party_alias::Column::NeighbourhoodId.eq(id.0))
        .order_by_asc(party_alias::Column::AliasId)
        .limit(1)
        .into_query();
    let found = neighbourhood::Entity::find_by_id(id.0)
        .select_only()
        .column(neighbourhood::Column::TimeZone)
        .column(neighbourhood::Column::Salt)
        .column(rule_pack::Column::Body)
        .expr_as(first_due(id), "first_due")
        .expr_as(Expr::from(alias).is_not_null(), "any_alias")
        .join(
            JoinType::InnerJoin,
            neighbourhood::Entity::belongs_to(rule_pack::Entity)
                .from(neighbourhood::Column::NeighbourhoodId)
                .to(rule_pack::Column::NeighbourhoodId)
                .into(),
        )
        .order_by_desc(rule_pack::Column::Version)
        .into_model::<Found>()
        .one(db)
        .await?;
    let Some(Found { time_zone, salt, body, first_due, any_alias }) = found else { return Ok(None) };
    let rules = read_rules(&body)?;
    let any_due = first_due.is_some_and(|due_at_ms| due_at_ms <= now_ms);
    Ok(Some(ToJudge { time_zone, salt: salt.unwrap_or_default(), rules, any_due, any_alias }))
}

#[derive(Debug, FromQueryResult)]
struct Found {
    time_zone: String,
    salt: Option<Vec<u8>>,
    body: String,
    first_due: Option<i64>,
    any_alias: bool,
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
