//! Parties, their aliases, roles and memberships.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait, OnConflict, Query, UnionType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::batch::anew;
use super::entity::{membership, party, party_alias, party_role};
use crate::domain::ids::{NeighbourhoodId, PartyId};

/// The role that reconciles.
pub const COORDINATOR: &str = "coordinator";
/// Ids in one statement: on SQLite it takes 32,766 values, and what phones name together has no bound.
pub(super) const LIST_MAX: usize = 1_000;

/// One party, by its own id (aliases are resolved with [`resolve`]).
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: PartyId,
) -> Result<Option<party::Model>, DbErr> {
    party::Entity::find_by_id((neighbourhood.0, id.0)).one(db).await
}

/// The parties of these ids.
///
/// # Errors
/// `DbErr`.
pub async fn of_ids(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: impl Iterator<Item = PartyId>,
) -> Result<Vec<party::Model>, DbErr> {
    let ids: BTreeSet<Uuid> = ids.map(|id| id.0).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let mut found = Vec::with_capacity(ids.len());
    for part in ids.chunks(LIST_MAX) {
        let query = party::Entity::find().filter(party::Column::NeighbourhoodId.eq(neighbourhood.0));
        found.extend(query.filter(party::Column::Id.is_in(part.to_vec())).all(db).await?);
    }
    Ok(found)
}

/// Parties of a neighbourhood by id, at most `limit`, after `after`.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<party::Model>, DbErr> {
    let mut query = party::Entity::find().filter(party::Column::NeighbourhoodId.eq(neighbourhood.0));
    if let Some(after) = after {
        query = query.filter(party::Column::Id.gt(after));
    }
    query.order_by_asc(party::Column::Id).limit(limit).all(db).await
}

/// Adds parties that are not there yet; those that are stay as they are.
///
/// # Errors
/// `DbErr`.
pub async fn insert_new(db: &impl ConnectionTrait, rows: Vec<party::Model>) -> Result<(), DbErr> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = rows.into_iter().map(|row| row.into_active_model().reset_all());
    let key =
        OnConflict::columns([party::Column::NeighbourhoodId, party::Column::Id]).do_nothing().to_owned();
    party::Entity::insert_many(rows).on_conflict(key).exec_without_returning(db).await.map(|_| ())
}

/// Writes a party anew, whole.
///
/// # Errors
/// `DbErr`.
pub async fn update(db: &impl ConnectionTrait, row: party::Model) -> Result<(), DbErr> {
    let key = (row.neighbourhood_id, row.id);
    party::Entity::update_many()
        .set(anew::<party::Entity>(row))
        .filter(party::Column::NeighbourhoodId.eq(key.0))
        .filter(party::Column::Id.eq(key.1))
        .exec(db)
        .await
        .map(|_| ())
}

/// Raises the revision of parties that are others now although nothing in their rows is: in whom they stand for, or who
/// is in them.
///
/// # Errors
/// `DbErr`.
pub async fn raise(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: impl IntoIterator<Item = PartyId>,
) -> Result<(), DbErr> {
    let ids: BTreeSet<Uuid> = ids.into_iter().map(|id| id.0).collect();
    if ids.is_empty() {
        return Ok(());
    }
    party::Entity::update_many()
        .col_expr(party::Column::Revision, Expr::col(party::Column::Revision).add(Expr::value(1_i64)))
        .filter(party::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party::Column::Id.is_in(ids))
        .exec(db)
        .await
        .map(|_| ())
}

/// For each id the party that it stands for: itself, or the one it became an alias of. Ids that nobody
/// knows are missing from the answer; the flag says whether the party is known.
///
/// # Errors
/// `DbErr`.
pub async fn resolve(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<PartyId>,
) -> Result<BTreeMap<PartyId, (PartyId, bool)>, DbErr> {
    let rows = resolve_rows(db, neighbourhood, ids).await?;
    Ok(rows.into_iter().map(|(id, row)| (id, (PartyId(row.id), row.known))).collect())
}

/// For each id the row of the party that it stands for; see [`resolve`].
///
/// # Errors
/// `DbErr`.
pub async fn resolve_rows(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<PartyId>,
) -> Result<BTreeMap<PartyId, party::Model>, DbErr> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let raw: BTreeSet<Uuid> = ids.iter().map(|id| id.0).collect();
    let mut targets = alias_targets(db, neighbourhood, &raw).await?;
    let mut further = targets.clone();
    // What an id stands for may have become another's in turn.
    while !further.is_empty() {
        further = alias_targets(db, neighbourhood, &further.into_values().collect()).await?;
        targets.values_mut().for_each(|target| *target = *further.get(target).unwrap_or(target));
    }
    let wanted = raw.iter().map(|id| PartyId(*targets.get(id).unwrap_or(id)));
    let rows = of_ids(db, neighbourhood, wanted).await?.into_iter();
    let rows: BTreeMap<Uuid, party::Model> = rows.map(|row| (row.id, row)).collect();
    Ok(ids
        .iter()
        .filter_map(|id| {
            let target = *targets.get(&id.0).unwrap_or(&id.0);
            rows.get(&target).map(|row| (*id, row.clone()))
        })
        .collect())
}

/// Of those among these ids that are aliases: what each was made to stand for.
async fn alias_targets(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Uuid>, DbErr> {
    Ok(alias_rows(db, neighbourhood, party_alias::Column::AliasId, ids.iter().copied())
        .await?
        .into_iter()
        .collect())
}

/// Aliases, each with what it stands for, by either of the two.
async fn alias_rows(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    by: party_alias::Column,
    ids: impl Iterator<Item = Uuid>,
) -> Result<Vec<(Uuid, Uuid)>, DbErr> {
    let (ids, mut found): (Vec<Uuid>, Vec<(Uuid, Uuid)>) = (ids.collect(), Vec::new());
    for part in ids.chunks(LIST_MAX) {
        let query = party_alias::Entity::find()
            .select_only()
            .columns([party_alias::Column::AliasId, party_alias::Column::PartyId])
            .filter(party_alias::Column::NeighbourhoodId.eq(neighbourhood.0))
            .filter(by.is_in(part.to_vec()));
        found.extend(query.into_tuple::<(Uuid, Uuid)>().all(db).await?);
    }
    Ok(found)
}

/// Those of `ids` that are groups.
///
/// # Errors
/// `DbErr`.
pub async fn groups_among(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<PartyId>,
) -> Result<Vec<PartyId>, DbErr> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<Uuid> = party::Entity::find()
        .select_only()
        .column(party::Column::Id)
        .filter(party::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party::Column::Id.is_in(ids.iter().map(|id| id.0)))
        .filter(party::Column::Kind.eq("group"))
        .into_tuple()
        .all(db)
        .await?;
    Ok(found.into_iter().map(PartyId).collect())
}

/// The roles of a party.
///
/// # Errors
/// `DbErr`.
pub async fn roles(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Vec<String>, DbErr> {
    let rows = party_role::Entity::find()
        .filter(party_role::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party_role::Column::PartyId.eq(party.0))
        .order_by_asc(party_role::Column::Role)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.role).collect())
}

/// Who coordinates a neighbourhood.
///
/// # Errors
/// `DbErr`.
pub async fn coordinators(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<BTreeSet<PartyId>, DbErr> {
    let rows: Vec<Uuid> = party_role::Entity::find()
        .select_only()
        .column(party_role::Column::PartyId)
        .filter(party_role::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party_role::Column::Role.eq(COORDINATOR))
        .into_tuple()
        .all(db)
        .await?;
    Ok(rows.into_iter().map(PartyId).collect())
}

/// What a party may beyond its own: the groups that it is in today, and whether it coordinates; and the ids that
/// stand for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    pub groups: Vec<PartyId>,
    pub aliases: Vec<PartyId>,
    pub coordinator: bool,
}

/// The standing of a party, in one statement: every token's first request asks.
///
/// # Errors
/// `DbErr`.
pub async fn standing(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<Standing, DbErr> {
    use membership::Column as M;
    use party_alias::Column as L;
    use party_role::Column as R;
    let mut query = Query::select();
    query
        .expr_as(Expr::val("group"), "what")
        .expr_as(Expr::col((membership::Entity, M::GroupId)), "id")
        .from(membership::Entity)
        .and_where(Expr::col((membership::Entity, M::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(Expr::col((membership::Entity, M::MemberId)).eq(party.0))
        .and_where(Expr::col((membership::Entity, M::UntilDay)).is_null());
    let coordinates = Query::select()
        .expr_as(Expr::val("coordinator"), "what")
        .expr_as(Expr::col((party_role::Entity, R::PartyId)), "id")
        .from(party_role::Entity)
        .and_where(Expr::col((party_role::Entity, R::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(Expr::col((party_role::Entity, R::PartyId)).eq(party.0))
        .and_where(Expr::col((party_role::Entity, R::Role)).eq(COORDINATOR))
        .to_owned();
    let aliases = Query::select()
        .expr_as(Expr::val("alias"), "what")
        .expr_as(Expr::col((party_alias::Entity, L::AliasId)), "id")
        .from(party_alias::Entity)
        .and_where(Expr::col((party_alias::Entity, L::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(Expr::col((party_alias::Entity, L::PartyId)).eq(party.0))
        .to_owned();
    query.union(UnionType::All, coordinates).union(UnionType::All, aliases);
    let mut standing = Standing::default();
    for row in db.query_all(&query).await? {
        let id = PartyId(row.try_get("", "id")?);
        match row.try_get::<String>("", "what")?.as_str() {
            "coordinator" => standing.coordinator = true,
            "alias" => standing.aliases.push(id),
            _ => standing.groups.push(id),
        }
    }
    Ok(standing)
}

/// Gives a role; giving it again changes nothing.
///
/// # Errors
/// `DbErr`.
pub async fn insert_role(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
    role: &str,
    at_ms: i64,
) -> Result<(), DbErr> {
    let row = party_role::Model {
        neighbourhood_id: neighbourhood.0,
        party_id: party.0,
        role: role.to_owned(),
        created_at_ms: at_ms,
    };
    let columns =
        [party_role::Column::NeighbourhoodId, party_role::Column::PartyId, party_role::Column::Role];
    party_role::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(OnConflict::columns(columns).do_nothing().to_owned())
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// The groups and organisations that a party is a member of, with capacity and days.
///
/// # Errors
/// `DbErr`.
pub async fn memberships(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    members: &BTreeSet<PartyId>,
) -> Result<Vec<membership::Model>, DbErr> {
    let members: Vec<Uuid> = members.iter().map(|id| id.0).collect();
    let mut found = Vec::new();
    for part in members.chunks(LIST_MAX) {
        let query = membership::Entity::find()
            .filter(membership::Column::NeighbourhoodId.eq(neighbourhood.0))
            .filter(membership::Column::MemberId.is_in(part.to_vec()));
        found.extend(query.all(db).await?);
    }
    Ok(found)
}

/// A party's place in a group or organisation, ended or not.
///
/// # Errors
/// `DbErr`.
pub async fn membership(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    group: PartyId,
    member: PartyId,
) -> Result<Option<membership::Model>, DbErr> {
    membership::Entity::find_by_id((neighbourhood.0, group.0, member.0)).one(db).await
}

/// Who is in a group or organisation today, by id.
///
/// # Errors
/// `DbErr`.
pub async fn members(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    group: PartyId,
) -> Result<Vec<membership::Model>, DbErr> {
    membership::Entity::find()
        .filter(membership::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(membership::Column::GroupId.eq(group.0))
        .filter(membership::Column::UntilDay.is_null())
        .order_by_asc(membership::Column::MemberId)
        .all(db)
        .await
}

/// Puts a member into a group or organisation, or changes capacity and days.
///
/// # Errors
/// `DbErr`.
pub async fn put_member(db: &impl ConnectionTrait, row: membership::Model) -> Result<(), DbErr> {
    use membership::Column as C;
    let conflict = OnConflict::columns([C::NeighbourhoodId, C::GroupId, C::MemberId])
        .update_columns([C::Capacity, C::FromDay, C::UntilDay])
        .to_owned();
    membership::Entity::insert(row.into_active_model().reset_all())
        .on_conflict(conflict)
        .exec_without_returning(db)
        .await
        .map(|_| ())
}

/// The ids that stand for parties, directly or through another: (alias, party).
///
/// # Errors
/// `DbErr`.
pub async fn aliases_of(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    parties: &BTreeSet<PartyId>,
) -> Result<Vec<(PartyId, PartyId)>, DbErr> {
    let mut standing_for: BTreeMap<Uuid, Uuid> = parties.iter().map(|id| (id.0, id.0)).collect();
    let (mut asked, mut found) = (standing_for.clone(), Vec::new());
    while !asked.is_empty() {
        let rows = alias_rows(db, neighbourhood, party_alias::Column::PartyId, asked.keys().copied()).await?;
        let new = rows.into_iter().filter(|(alias, _)| !standing_for.contains_key(alias));
        asked = new.filter_map(|(alias, of)| Some((alias, *asked.get(&of)?))).collect();
        standing_for.extend(asked.clone());
        found.extend(asked.iter().map(|(alias, party)| (PartyId(*alias), PartyId(*party))));
    }
    Ok(found)
}

/// The parties that are groups.
///
/// # Errors
/// `DbErr`.
pub async fn groups(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<BTreeSet<PartyId>, DbErr> {
    let ids: Vec<Uuid> = party::Entity::find()
        .select_only()
        .column(party::Column::Id)
        .filter(party::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party::Column::Kind.eq("group"))
        .into_tuple()
        .all(db)
        .await?;
    Ok(ids.into_iter().map(PartyId).collect())
}
