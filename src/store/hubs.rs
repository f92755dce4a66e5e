//! Groups and organisations whose members write down for people without a phone.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::entity::membership::Column as M;
use super::entity::party_role::Column as R;
use super::entity::{membership, party_role};
use crate::domain::ids::{NeighbourhoodId, PartyId};
use crate::domain::role::Role;

/// The hubs of a neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn all(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<BTreeSet<PartyId>, DbErr> {
    let rows: Vec<Uuid> = party_role::Entity::find()
        .select_only()
        .column(R::PartyId)
        .filter(R::NeighbourhoodId.eq(neighbourhood.0))
        .filter(R::Role.eq(Role::Hub.as_str()))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(PartyId).collect())
}

/// The hubs of which somebody is a member on a day, `2026-11-21`: their membership has begun and has not ended. By id.
///
/// # Errors
/// `DbErr`.
pub async fn of_member(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    member: PartyId,
    day: &str,
) -> Result<Vec<PartyId>, DbErr> {
    let is_hub = Query::select()
        .expr(Expr::val(1))
        .from(party_role::Entity)
        .and_where(Expr::col((party_role::Entity, R::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(
            Expr::col((party_role::Entity, R::PartyId)).eq(Expr::col((membership::Entity, M::GroupId))),
        )
        .and_where(Expr::col((party_role::Entity, R::Role)).eq(Role::Hub.as_str()))
        .to_owned();
    let rows: Vec<(Uuid, String)> = membership::Entity::find()
        .select_only()
        .columns([M::GroupId, M::FromDay])
        .filter(M::NeighbourhoodId.eq(neighbourhood.0))
        .filter(M::MemberId.eq(member.0))
        .filter(M::UntilDay.is_null())
        .filter(Expr::exists(is_hub))
        .order_by_asc(M::GroupId)
        .into_tuple()
        .all(db)
        .await?;
    let begun = rows.into_iter().filter(|(_, from_day)| from_day.as_str() <= day);
    Ok(begun.map(|(id, _)| PartyId(id)).collect())
}

/// Takes one role from a party; where it has none, nothing happens.
///
/// # Errors
/// `DbErr`.
pub async fn end_role(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    role: Role,
) -> Result<(), DbErr> {
    party_role::Entity::delete_many()
        .filter(R::NeighbourhoodId.eq(neighbourhood.0))
        .filter(R::PartyId.eq(party.0))
        .filter(R::Role.eq(role.as_str()))
        .exec(db)
        .await
        .map(|_| ())
}
