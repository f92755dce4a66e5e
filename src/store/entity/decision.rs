//! What a person or a rule decided about a version; all of it is in the journal, at its number.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "decision")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub activity_id: Uuid,
    pub version: i64,
    pub seq: i64,
    pub step: String,
    pub decided_by: Option<Uuid>,
    pub pack_version: Option<i64>,
    pub reason: Option<String>,
    pub request_hash: Option<Vec<u8>>,
    pub batch_id: Option<Uuid>,
    pub journal_no: i64,
    pub decided_at_ms: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
