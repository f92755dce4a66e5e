//! Two parties that are one person: what pointed at the one points at the other.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::sea_query::{Expr, ExprTrait, Query, UnionType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
};
use uuid::Uuid;

use super::entity::{
    access_grant, activity, activity_version, daybook, device, invitation, judgement, membership,
    party_alias, party_role,
};
use super::parties::LIST_MAX;
use crate::domain::ids::{AccountId, NeighbourhoodId, PartyId};

/// What an id stands for, if it was made to.
///
/// # Errors
/// `DbErr`.
pub async fn find(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    alias: PartyId,
) -> Result<Option<party_alias::Model>, DbErr> {
    party_alias::Entity::find_by_id((neighbourhood.0, alias.0)).one(db).await
}

/// The party that an id stands for, whether anybody knows it or not: now, or after a number of the journal.
///
/// # Errors
/// `DbErr`.
pub async fn stands_for(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    id: PartyId,
    at: Option<i64>,
) -> Result<PartyId, DbErr> {
    let mut party = id;
    let by_then = |row: &party_alias::Model| row.journal_no.unwrap_or(0) <= at.unwrap_or(i64::MAX);
    while let Some(row) = find(db, neighbourhood, party).await?.filter(by_then) {
        party = PartyId(row.party_id);
    }
    Ok(party)
}

/// Whether any of these ids is an alias, or has one.
///
/// # Errors
/// `DbErr`.
pub async fn any_among(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    ids: &BTreeSet<PartyId>,
) -> Result<bool, DbErr> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    for part in ids.chunks(LIST_MAX) {
        // One index for each: by an OR SQLite reads all of the neighbourhood's.
        let by = |column: party_alias::Column| {
            party_alias::Entity::find()
                .select_only()
                .column(party_alias::Column::AliasId)
                .filter(party_alias::Column::NeighbourhoodId.eq(neighbourhood.0))
                .filter(column.is_in(part.to_vec()))
                .into_query()
        };
        let mut query = by(party_alias::Column::AliasId);
        query.union(UnionType::All, by(party_alias::Column::PartyId)).limit(1);
        if db.query_one_raw(db.get_database_backend().build(&query)).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds an alias.
///
/// # Errors
/// `DbErr`.
pub async fn insert(db: &impl ConnectionTrait, row: party_alias::Model) -> Result<(), DbErr> {
    let row = row.into_active_model().reset_all();
    party_alias::Entity::insert(row).exec_without_returning(db).await.map(|_| ())
}

/// The ids that had accounts of their own and became others', in the order in which they did. There are few: each
/// is somebody who was entered twice.
///
/// # Errors
/// `DbErr`.
pub async fn with_accounts(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
) -> Result<Vec<party_alias::Model>, DbErr> {
    party_alias::Entity::find()
        .filter(party_alias::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party_alias::Column::JournalNo.is_not_null())
        .order_by_asc(party_alias::Column::JournalNo)
        .all(db)
        .await
}

/// Whose each account was, at any number of the journal.
#[derive(Debug, Clone, Default)]
pub struct Holders(Vec<(AccountId, AccountId, i64)>);

impl Holders {
    /// From aliases with what they became and the number at which they did, in the order of numbers.
    #[must_use]
    pub fn of(aliases: impl IntoIterator<Item = (AccountId, AccountId, i64)>) -> Self {
        Self(aliases.into_iter().collect())
    }

    /// Those of a neighbourhood.
    ///
    /// # Errors
    /// `DbErr`.
    pub async fn read(db: &impl ConnectionTrait, neighbourhood: NeighbourhoodId) -> Result<Self, DbErr> {
        let rows = with_accounts(db, neighbourhood).await?.into_iter();
        Ok(Self(
            rows.filter_map(|row| Some((AccountId(row.alias_id), AccountId(row.party_id), row.journal_no?)))
                .collect(),
        ))
    }

    /// The account that an account had become part of by a number: itself, or another's.
    #[must_use]
    pub fn holder(&self, account: AccountId, no: i64) -> AccountId {
        let by_then = self.0.iter().filter(|(_, _, at)| *at <= no);
        by_then.fold(account, |holder, (alias, party, _)| if *alias == holder { *party } else { holder })
    }

    /// An account with all those that had become part of it by a number.
    #[must_use]
    pub fn accounts(&self, account: AccountId, no: i64) -> Vec<AccountId> {
        let others = self.0.iter().map(|(alias, _, _)| *alias);
        let others = others.filter(|alias| *alias != account && self.holder(*alias, no) == account);
        std::iter::once(account).chain(others).collect()
    }

    /// Every account that had become part of another by a number, with that other.
    #[must_use]
    pub fn at(&self, no: i64) -> BTreeMap<AccountId, AccountId> {
        let all = self.0.iter().map(|(alias, _, _)| (*alias, self.holder(*alias, no)));
        all.filter(|(alias, holder)| alias != holder).collect()
    }
}

/// The statements that give another party all that a party has: devices with their grants, daybooks with all that is
/// recorded in them, invitations. The tip and the daybooks are locked.
#[must_use]
pub fn hand_over(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    from: PartyId,
    to: PartyId,
) -> Vec<Statement> {
    /// A table's rows of one party become another's.
    macro_rules! becomes {
        ($table:ident, $column:ident) => {
            $table::Entity::update_many()
                .col_expr($table::Column::$column, Expr::value(Some(to.0)))
                .filter($table::Column::NeighbourhoodId.eq(neighbourhood.0))
        };
    }
    let recorded = Query::select()
        .column(activity::Column::Id)
        .from(activity::Entity)
        .and_where(Expr::col(activity::Column::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(Expr::col(activity::Column::PartyId).eq(from.0))
        .to_owned();
    let one_more = |column| Expr::col(column).add(Expr::value(1_i64));
    vec![
        becomes!(device, PartyId)
            .col_expr(device::Column::Revision, one_more(device::Column::Revision))
            .filter(device::Column::PartyId.eq(from.0))
            .build(backend),
        becomes!(access_grant, PartyId).filter(access_grant::Column::PartyId.eq(from.0)).build(backend),
        becomes!(invitation, PartyId).filter(invitation::Column::PartyId.eq(from.0)).build(backend),
        becomes!(invitation, CreatedBy).filter(invitation::Column::CreatedBy.eq(from.0)).build(backend),
        becomes!(daybook, PartyId).filter(daybook::Column::PartyId.eq(from.0)).build(backend),
        // What is taken up already keeps whose it was then. Versions are found by their activities, so those come last.
        becomes!(activity_version, PartyId)
            .filter(activity_version::Column::ActivityId.in_subquery(recorded))
            .filter(activity_version::Column::JournalNo.is_null())
            .build(backend),
        becomes!(judgement, PartyId).filter(judgement::Column::PartyId.eq(from.0)).build(backend),
        becomes!(activity, PartyId).filter(activity::Column::PartyId.eq(from.0)).build(backend),
    ]
}

/// Puts a party into the groups and organisations that another is in, where it is not in them itself; the other leaves
/// them, and they are others from then on.
///
/// # Errors
/// `DbErr`.
pub async fn carry_memberships(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    from: PartyId,
    to: PartyId,
) -> Result<(), DbErr> {
    let both = [from, to].into();
    let rows = super::parties::memberships(db, neighbourhood, &both).await?;
    // A place that ended does not stand in the way of one that lasts.
    let stays = |other: &membership::Model| {
        let there = rows.iter().find(|row| row.member_id == to.0 && row.group_id == other.group_id);
        there.is_some_and(|row| row.until_day.is_none() || other.until_day.is_some())
    };
    for row in rows.iter().filter(|row| row.member_id == from.0 && !stays(row)) {
        super::parties::put_member(db, membership::Model { member_id: to.0, ..row.clone() }).await?;
    }
    membership::Entity::delete_many()
        .filter(membership::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(membership::Column::MemberId.eq(from.0))
        .exec(db)
        .await?;
    let left = rows.iter().filter(|row| row.member_id == from.0).map(|row| PartyId(row.group_id));
    super::parties::raise(db, neighbourhood, left).await
}

/// Takes all roles from a party.
///
/// # Errors
/// `DbErr`.
pub async fn end_roles(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    party: PartyId,
) -> Result<(), DbErr> {
    party_role::Entity::delete_many()
        .filter(party_role::Column::NeighbourhoodId.eq(neighbourhood.0))
        .filter(party_role::Column::PartyId.eq(party.0))
        .exec(db)
        .await
        .map(|_| ())
}

/// The statement that makes everything due that waits and has to do with one of these parties: it is in a daybook of
/// theirs, or names one of these ids.
#[must_use]
pub fn make_due(
    backend: DbBackend,
    neighbourhood: NeighbourhoodId,
    ids: &[PartyId],
    at_ms: i64,
) -> Statement {
    use judgement::Column as J;
    let of = |column| Expr::col((activity::Entity, column));
    let names = ids.iter().fold(sea_orm::Condition::any(), |any, id| {
        any.add(of(activity::Column::PartyId).eq(id.0))
            .add(of(activity::Column::Reading).like(format!("%{id}%")))
    });
    let about_them = Query::select()
        .expr(Expr::val(1))
        .from(activity::Entity)
        .and_where(of(activity::Column::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(of(activity::Column::Id).eq(Expr::col((judgement::Entity, J::ActivityId))))
        .cond_where(names)
        .to_owned();
    // One index for each: by an OR SQLite reads all of the neighbourhood's.
    let with = |column| {
        Query::select()
            .column((judgement::Entity, J::ActivityId))
            .from(judgement::Entity)
            .and_where(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0))
            .and_where(Expr::col((judgement::Entity, column)).is_not_null())
            .to_owned()
    };
    let waiting = with(J::WaitsSinceMs).union(UnionType::All, with(J::DueAtMs)).to_owned();
    judgement::Entity::update_many()
        .col_expr(J::DueAtMs, Expr::value(Some(at_ms)))
        .filter(J::NeighbourhoodId.eq(neighbourhood.0))
        .filter(J::ActivityId.in_subquery(waiting))
        .filter(J::Review.is_in(["received", "edited_after_approval"]))
        .filter(Expr::exists(about_them))
        .build(backend)
}

#[cfg(test)]
mod tests {
    use super::super::totals::tests::steps;
    use super::*;

    #[tokio::test]
    async fn what_waits_for_a_party_is_looked_for_among_what_waits() {
        let due = make_due(DbBackend::Sqlite, NeighbourhoodId(Uuid::nil()), &[PartyId(Uuid::max())], 7);
        let steps = steps(due).await;
        for index in ["judgement_waits (neighbourhood_id=?", "judgement_due (neighbourhood_id=?"] {
            assert!(steps.iter().any(|step| step.contains(index)), "{index}: {steps:?}");
        }
        assert!(steps.iter().all(|step| !step.ends_with("(neighbourhood_id=?)")), "{steps:?}");
    }
}
