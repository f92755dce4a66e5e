//! The journal as readers page through it.

use std::collections::BTreeSet;

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};
use uuid::Uuid;

use super::entity::{activity, journal};
use crate::domain::ids::{ActivityId, NeighbourhoodId, PartyId};

/// Entries after a number, in order: all, or those about one activity.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activity: Option<ActivityId>,
    after: i64,
    limit: u64,
) -> Result<Vec<journal::Model>, DbErr> {
    entries(neighbourhood, activity, after, limit).all(db).await
}

pub(super) fn entries(
    neighbourhood: NeighbourhoodId,
    activity: Option<ActivityId>,
    after: i64,
    limit: u64,
) -> Select<journal::Entity> {
    let mut query = journal::Entity::find()
        .filter(journal::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(journal::Column::No.gt(after));
    if let Some(activity) = activity {
        query = query.filter(journal::Column::ActivityId.eq(activity.0));
    }
    query.order_by_asc(journal::Column::No).limit(limit)
}

/// Those of these activities that are in daybooks of these parties.
///
/// # Errors
/// `DbErr`.
pub async fn activities_of_parties(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    activities: &BTreeSet<ActivityId>,
    parties: &[PartyId],
) -> Result<BTreeSet<ActivityId>, DbErr> {
    if activities.is_empty() {
        return Ok(BTreeSet::new());
    }
    let found: Vec<Uuid> = activity::Entity::find()
        .select_only()
        .column(activity::Column::Id)
        .filter(activity::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(activity::Column::Id.is_in(activities.iter().map(|id| id.0)))
        .filter(activity::Column::PartyId.is_in(parties.iter().map(|party| party.0)))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(ActivityId).collect())
}
