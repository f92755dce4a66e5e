//! One Automerge document, by its heads and its chain.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daybook")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub party_id: Uuid,
    pub position: i64,
    pub chain: Vec<u8>,
    pub heads: Vec<u8>,
    pub max_op: i64,
    pub operations: i64,
    pub raw_bytes: i64,
    pub revision: i64,
    pub gone_at_ms: Option<i64>,
    pub created_at_ms: i64,
    pub held_changes: Option<i64>,
    pub refused_changes: Option<i64>,
    /// Raw bytes at which the next snapshot is due; null before the first.
    pub compact_at_raw_bytes: Option<i64>,
    /// Why compaction stopped, until the daybook is rebuilt.
    pub compaction_alarm: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
