//! One document chunk in place of the bytes of a daybook's older changes.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daybook_snapshot")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub daybook_id: Uuid,
    /// The last change in it.
    pub position: i64,
    pub chain: Vec<u8>,
    pub heads: Vec<u8>,
    /// Raw bytes of the changes in it.
    pub raw_bytes: i64,
    /// The first change whose row still has its bytes.
    pub kept_from: i64,
    pub made_at_ms: i64,
    pub bytes_count: i64,
    /// SHA-256 of the bytes.
    pub hash: Vec<u8>,
    pub bytes: Vec<u8>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
