//! One posting between the commons and an account: of an activity, or a leg of what closes an account.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "transfer")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub activity_id: Option<Uuid>,
    pub posting_seq: i64,
    pub line_no: i64,
    pub account_id: Uuid,
    pub asset: String,
    pub minutes: i64,
    pub balance_after: i64,
    pub kind: Option<String>,
    pub phase: Option<String>,
    pub programme: Option<String>,
    pub place: Option<String>,
    pub day: String,
    pub capacity: Option<String>,
    pub journal_no: i64,
    pub posted_at_ms: i64,
    /// Why it was posted, where no activity says so; with it, the account on the other side and the words.
    pub cause: Option<String>,
    pub counter_account_id: Option<Uuid>,
    pub reason: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
