//! One posting between the commons and an account.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub activity_id: Uuid,
    pub posting_seq: i64,
    pub line_no: i64,
    pub account_id: Uuid,
    pub asset: String,
    pub minutes: i64,
    pub balance_after: i64,
    pub kind: String,
    pub phase: String,
    pub programme: Option<String>,
    pub place: Option<String>,
    pub day: String,
    pub capacity: String,
    pub journal_no: i64,
    pub posted_at_ms: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
