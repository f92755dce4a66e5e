//! What is judged of an activity.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "judgement")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub activity_id: Uuid,
    pub daybook_id: Uuid,
    pub party_id: Uuid,
    pub body: String,
    pub review: String,
    pub judged_version: i64,
    pub decision_seq: i64,
    pub posting_seq: i64,
    pub part_of: Option<Uuid>,
    pub minutes: i64,
    pub reason_code: Option<String>,
    pub reason_text: Option<String>,
    pub journal_no: i64,
    pub judged_at_ms: i64,
    pub due_at_ms: Option<i64>,
    pub revision: i64,
    pub confirms: Option<Uuid>,
    pub doubts: Option<String>,
    pub waits_since_ms: Option<i64>,
    pub named: Option<String>,
    pub replies: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
