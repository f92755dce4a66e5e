//! Invitations, devices and grants.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::entity::{access_grant, device, invitation};
use crate::domain::ids::{DeviceId, GrantId, InvitationId, NeighbourhoodId, PartyId};

/// Where a page of a list that is newest first goes on: after the row of this time and id.
pub type After = Option<(i64, Uuid)>;

/// What lies after a place, in a list that is newest first.
pub(super) fn older<C: ColumnTrait>(after: After, at_ms_of: C, id: C) -> Condition {
    let Some((at_ms, last)) = after else { return Condition::all() };
    Condition::any().add(at_ms_of.lt(at_ms)).add(Condition::all().add(at_ms_of.eq(at_ms)).add(id.lt(last)))
}

/// One invitation; `lock` keeps others from redeeming it meanwhile.
///
/// # Errors
/// `DbErr`.
pub async fn find_invitation(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: InvitationId,
    lock: bool,
) -> Result<Option<invitation::Model>, DbErr> {
    let query = invitation::Entity::find_by_id((neighbourhood.0, id.0));
    if lock { query.lock_exclusive().one(db).await } else { query.one(db).await }
}

/// Invitations, newest first: all of the neighbourhood, or those that one party made.
///
/// # Errors
/// `DbErr`.
pub async fn invitations(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    made_by: Option<PartyId>,
    after: After,
    limit: u64,
) -> Result<Vec<invitation::Model>, DbErr> {
    let mut query =
        invitation::Entity::find().filter(invitation::Column::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(party) = made_by {
        query = query.filter(invitation::Column::CreatedBy.eq(party.0));
    }
    query
        .filter(older(after, invitation::Column::CreatedAtMs, invitation::Column::Id))
        .order_by_desc(invitation::Column::CreatedAtMs)
        .order_by_desc(invitation::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Adds an invitation.
///
/// # Errors
/// `DbErr`.
pub async fn insert_invitation(db: &impl ConnectionTrait, row: invitation::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    invitation::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}

/// Marks an invitation as used by a device.
///
/// # Errors
/// `DbErr`.
pub async fn redeem_invitation(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: InvitationId,
    device: DeviceId,
    at_ms: i64,
) -> Result<(), DbErr> {
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RedeemedDeviceId, Expr::value(Some(device.0)))
        .col_expr(invitation::Column::RedeemedAtMs, Expr::value(Some(at_ms)))
        .filter(invitation::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(invitation::Column::Id.eq(id.0))
        .exec(db)
        .await
        .map(|_| ())
}

/// Revokes an invitation that nobody has used.
///
/// # Errors
/// `DbErr`.
pub async fn revoke_invitation(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: InvitationId,
    at_ms: i64,
) -> Result<(), DbErr> {
    invitation::Entity::update_many()
        .col_expr(invitation::Column::RevokedAtMs, Expr::value(Some(at_ms)))
        .filter(invitation::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(invitation::Column::Id.eq(id.0))
        .filter(invitation::Column::RevokedAtMs.is_null())
        .exec(db)
        .await
        .map(|_| ())
}

/// One device.
///
/// # Errors
/// `DbErr`.
pub async fn find_device(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DeviceId,
) -> Result<Option<device::Model>, DbErr> {
    device::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// The device with a key.
///
/// # Errors
/// `DbErr`.
pub async fn find_device_by_key(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    thumbprint: &str,
) -> Result<Option<device::Model>, DbErr> {
    device::Entity::find()
        .filter(device::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(device::Column::Thumbprint.eq(thumbprint))
        .one(db)
        .await
}

/// Devices, newest first: of one party, or all.
///
/// # Errors
/// `DbErr`.
pub async fn devices(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: Option<PartyId>,
    after: After,
    limit: u64,
) -> Result<Vec<device::Model>, DbErr> {
    let mut query = device::Entity::find().filter(device::Column::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(party) = party {
        query = query.filter(device::Column::PartyId.eq(party.0));
    }
    query
        .filter(older(after, device::Column::CreatedAtMs, device::Column::Id))
        .order_by_desc(device::Column::CreatedAtMs)
        .order_by_desc(device::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// Adds a device and its grant.
///
/// # Errors
/// `DbErr`.
pub async fn insert_device(
    db: &impl ConnectionTrait,
    device: device::Model,
    grant: access_grant::Model,
) -> Result<(), DbErr> {
    device::Entity::insert(device.into_active_model().reset_all()).exec_without_returning(db).await?;
    insert_grant(db, grant).await
}

/// One device, which nobody else changes meanwhile.
///
/// # Errors
/// `DbErr`.
pub async fn lock_device(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DeviceId,
) -> Result<Option<device::Model>, DbErr> {
    device::Entity::find_by_id((neighbourhood.0, id.0)).lock_exclusive().one(db).await
}

/// Names a device anew.
///
/// # Errors
/// `DbErr`.
pub async fn rename_device(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DeviceId,
    name: &str,
) -> Result<(), DbErr> {
    device::Entity::update_many()
        .col_expr(device::Column::Name, Expr::value(name))
        .col_expr(device::Column::Revision, Expr::col(device::Column::Revision).add(Expr::value(1)))
        .filter(device::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(device::Column::Id.eq(id.0))
        .exec(db)
        .await
        .map(|_| ())
}

/// Revokes a device with all its grants.
///
/// # Errors
/// `DbErr`.
pub async fn revoke_device(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: DeviceId,
    at_ms: i64,
) -> Result<(), DbErr> {
    device::Entity::update_many()
        .col_expr(device::Column::RevokedAtMs, Expr::value(Some(at_ms)))
        .col_expr(device::Column::Revision, Expr::col(device::Column::Revision).add(Expr::value(1)))
        .filter(device::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(device::Column::Id.eq(id.0))
        .filter(device::Column::RevokedAtMs.is_null())
        .exec(db)
        .await?;
    access_grant::Entity::update_many()
        .col_expr(access_grant::Column::RevokedAtMs, Expr::value(Some(at_ms)))
        .col_expr(
            access_grant::Column::Revision,
            Expr::col(access_grant::Column::Revision).add(Expr::value(1)),
        )
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::DeviceId.eq(id.0))
        .filter(access_grant::Column::RevokedAtMs.is_null())
        .exec(db)
        .await
        .map(|_| ())
}

/// Adds a grant.
///
/// # Errors
/// `DbErr`.
pub async fn insert_grant(db: &impl ConnectionTrait, row: access_grant::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    access_grant::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}

/// One grant.
///
/// # Errors
/// `DbErr`.
pub async fn find_grant(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: GrantId,
) -> Result<Option<access_grant::Model>, DbErr> {
    access_grant::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// The grant of a device.
///
/// # Errors
/// `DbErr`.
pub async fn find_grant_of_device(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    device: DeviceId,
) -> Result<Option<access_grant::Model>, DbErr> {
    access_grant::Entity::find()
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::DeviceId.eq(device.0))
        .one(db)
        .await
}

/// Whose grants these are.
///
/// # Errors
/// `DbErr`.
pub async fn parties_of(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    grants: BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, PartyId>, DbErr> {
    use access_grant::Column as G;
    if grants.is_empty() {
        return Ok(BTreeMap::new());
    }
    let query = access_grant::Entity::find().select_only().column(G::Id).column(G::PartyId);
    let query = query.filter(G::NeighbourhoodId.eq(neighbourhood.0)).filter(G::Id.is_in(grants));
    let rows: Vec<(Uuid, Uuid)> = query.into_tuple().all(db).await?;
    Ok(rows.into_iter().map(|(grant, party)| (grant, PartyId(party))).collect())
}

/// The grants of a party, newest first.
///
/// # Errors
/// `DbErr`.
pub async fn grants(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    after: After,
    limit: u64,
) -> Result<Vec<access_grant::Model>, DbErr> {
    access_grant::Entity::find()
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::PartyId.eq(party.0))
        .filter(older(after, access_grant::Column::CreatedAtMs, access_grant::Column::Id))
        .order_by_desc(access_grant::Column::CreatedAtMs)
        .order_by_desc(access_grant::Column::Id)
        .limit(limit)
        .all(db)
        .await
}

/// How many personal tokens of a party are in force.
///
/// # Errors
/// `DbErr`.
pub async fn personal_grants(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    now_ms: i64,
) -> Result<u64, DbErr> {
    access_grant::Entity::find()
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::PartyId.eq(party.0))
        .filter(access_grant::Column::DeviceId.is_null())
        .filter(access_grant::Column::RevokedAtMs.is_null())
        .filter(access_grant::Column::ExpiresAtMs.gt(now_ms))
        .count(db)
        .await
}

/// One grant, which nobody else changes meanwhile.
///
/// # Errors
/// `DbErr`.
pub async fn lock_grant(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: GrantId,
) -> Result<Option<access_grant::Model>, DbErr> {
    access_grant::Entity::find_by_id((neighbourhood.0, id.0)).lock_exclusive().one(db).await
}

/// Gives a grant that is locked other scopes and another end.
///
/// # Errors
/// `DbErr`.
pub async fn narrow_grant(
    db: &impl ConnectionTrait,
    seen: &access_grant::Model,
    scopes: &str,
    expires_at_ms: i64,
) -> Result<(), DbErr> {
    access_grant::Entity::update_many()
        .col_expr(access_grant::Column::Scopes, Expr::value(scopes))
        .col_expr(access_grant::Column::ExpiresAtMs, Expr::value(expires_at_ms))
        .col_expr(access_grant::Column::Revision, Expr::value(seen.revision.saturating_add(1)))
        .filter(access_grant::Column::NeighbourhoodId.eq(seen.neighbourhood_id))
        .filter(access_grant::Column::Id.eq(seen.id))
        .exec(db)
        .await
        .map(|_| ())
}

/// Revokes a grant.
///
/// # Errors
/// `DbErr`.
pub async fn revoke_grant(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: GrantId,
    at_ms: i64,
) -> Result<(), DbErr> {
    access_grant::Entity::update_many()
        .col_expr(access_grant::Column::RevokedAtMs, Expr::value(Some(at_ms)))
        .col_expr(
            access_grant::Column::Revision,
            Expr::col(access_grant::Column::Revision).add(Expr::value(1)),
        )
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::Id.eq(id.0))
        .filter(access_grant::Column::RevokedAtMs.is_null())
        .exec(db)
        .await
        .map(|_| ())
}

/// Notes that a grant was used to refresh, and the hash of its token.
///
/// # Errors
/// `DbErr`.
pub async fn touch_grant(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: GrantId,
    token_hash: &[u8],
    at_ms: i64,
) -> Result<(), DbErr> {
    access_grant::Entity::update_many()
        .col_expr(access_grant::Column::UsedAtMs, Expr::value(at_ms))
        .col_expr(access_grant::Column::TokenHash, Expr::value(token_hash.to_vec()))
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::Id.eq(id.0))
        .exec(db)
        .await
        .map(|_| ())
}

/// The scopes of each grant of these parties that is in force.
///
/// # Errors
/// `DbErr`.
pub async fn scopes_of(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    parties: &BTreeSet<PartyId>,
    now_ms: i64,
) -> Result<Vec<String>, DbErr> {
    access_grant::Entity::find()
        .select_only()
        .column(access_grant::Column::Scopes)
        .filter(access_grant::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(access_grant::Column::PartyId.is_in(parties.iter().map(|party| party.0)))
        .filter(access_grant::Column::RevokedAtMs.is_null())
        .filter(access_grant::Column::ExpiresAtMs.gt(now_ms))
        .into_tuple()
        .all(db)
        .await
}
