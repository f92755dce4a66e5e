//! Who is at which card.

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
};

use super::entity::card_lease;
use super::entity::card_lease::Column as L;
use crate::domain::ids::{ActivityId, NeighbourhoodId, PartyId};

/// The leases that last at a time.
///
/// # Errors
/// `DbErr`.
pub async fn leases(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    now_ms: i64,
) -> Result<Vec<card_lease::Model>, DbErr> {
    card_lease::Entity::find()
        .filter(L::NeighbourhoodId.eq(neighbourhood.0))
        .filter(L::UntilMs.gt(now_ms))
        .all(db)
        .await
}

/// The lease of a card, whether it lasts or not.
///
/// # Errors
/// `DbErr`.
pub async fn lease(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    card: ActivityId,
) -> Result<Option<card_lease::Model>, DbErr> {
    card_lease::Entity::find_by_id((neighbourhood.0, card.0)).one(db).await
}

/// Takes a card, if it is free at `now_ms`, the taker's already, or taken `over`. Answers whether it was taken.
///
/// # Errors
/// `DbErr`.
pub async fn take(
    db: &impl ConnectionTrait,
    row: card_lease::Model,
    now_ms: i64,
    over: bool,
) -> Result<bool, DbErr> {
    let free = Expr::col((card_lease::Entity, L::UntilMs))
        .lte(now_ms)
        .or(Expr::col((card_lease::Entity, L::PartyId)).eq(row.party_id))
        .or(Expr::val(over).eq(true));
    let conflict = OnConflict::columns([L::NeighbourhoodId, L::ActivityId])
        .update_columns([L::PartyId, L::UntilMs])
        .action_and_where(free)
        .to_owned();
    let insert = card_lease::Entity::insert(row.into_active_model().reset_all()).on_conflict(conflict);
    insert.exec_without_returning(db).await.map(|rows| rows > 0)
}

/// Gives a card back, if it is the party's.
///
/// # Errors
/// `DbErr`.
pub async fn give_back(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    card: ActivityId,
    party: PartyId,
) -> Result<(), DbErr> {
    card_lease::Entity::delete_many()
        .filter(L::NeighbourhoodId.eq(neighbourhood.0))
        .filter(L::ActivityId.eq(card.0))
        .filter(L::PartyId.eq(party.0))
        .exec(db)
        .await
        .map(|_| ())
}
