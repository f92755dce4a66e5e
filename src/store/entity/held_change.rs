//! A change that waits for another.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "held_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub daybook_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub hash: Vec<u8>,
    pub reason: String,
    pub bytes: Vec<u8>,
    pub bytes_count: i64,
    pub grant_id: Option<Uuid>,
    pub received_at_ms: i64,
    /// Dependencies that are missing, 32 bytes each, that which it waits for first; nothing where it waits for
    /// something else, or for its turn.
    pub waits_for: Option<Vec<u8>>,
    pub start_op: Option<i64>,
    pub operations: Option<i64>,
    /// Set with the notice; it is kept until then.
    pub expires_at_ms: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
