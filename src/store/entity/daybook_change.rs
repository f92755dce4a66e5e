//! One accepted change, at its position.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daybook_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub daybook_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i64,
    pub hash: Vec<u8>,
    pub actor: Vec<u8>,
    pub seq: i64,
    pub start_op: i64,
    pub max_op: i64,
    pub chain: Vec<u8>,
    /// Empty where the daybook's snapshot has them.
    pub bytes: Vec<u8>,
    pub objects: Vec<u8>,
    pub recorded_at_ms: i64,
    pub grant_id: Option<Uuid>,
    pub received_at_ms: i64,
    pub accept_no: i64,
    pub admitted_grant_id: Option<Uuid>,
    pub admitted_at_ms: i64,
    pub admitted_skew_ms: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
