//! An activity as accept writes it: state and newest reading.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activity")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub neighbourhood_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub daybook_id: Uuid,
    pub party_id: Uuid,
    pub state: Vec<u8>,
    pub reading: String,
    pub version: i64,
    pub kind: Option<String>,
    pub day: Option<String>,
    pub programme: Option<String>,
    pub conflict: String,
    pub recorded_at_ms: i64,
    pub received_at_ms: i64,
    pub changed_at_ms: i64,
    pub revision: i64,
    /// Thousandths of a degree.
    pub lat: Option<i32>,
    pub lon: Option<i32>,
    /// Who brought its first version.
    pub grant_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
