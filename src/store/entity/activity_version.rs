//! A reading, numbered per activity.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity_version")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub daybook_id: Uuid,
    pub party_id: Uuid,
    pub reading: String,
    pub reading_hash: Vec<u8>,
    pub changed: String,
    pub conflict: String,
    pub from_position: i64,
    pub until_position: Option<i64>,
    pub grant_id: Option<Uuid>,
    pub occurred_at_ms: Option<i64>,
    pub recorded_at_ms: i64,
    pub received_at_ms: i64,
    pub journal_no: Option<i64>,
    pub skew_ms: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
