//! Sums over the ledger, as they stood at any journal number.

use std::collections::BTreeMap;

use sea_orm::sea_query::{CaseStatement, Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use super::aliases::Holders;
use super::entity::{party, transfer};
use crate::domain::ids::{AccountId, NeighbourhoodId};
use crate::domain::limits::TOTALS_MAX;

use transfer::Column as T;

/// Sums of minutes with the values that they are grouped by: at an earlier journal number and at a later one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, FromQueryResult)]
pub struct Total {
    pub kind: Option<String>,
    pub month: Option<String>,
    pub programme: Option<String>,
    pub sector: Option<String>,
    pub account_id: Option<Uuid>,
    pub minutes: i64,
    pub activities: i64,
    pub later_minutes: i64,
    pub later_activities: i64,
}

/// What totals are grouped by.
#[derive(Debug, Clone, Copy, Default)]
pub struct TotalsBy {
    pub kind: bool,
    pub month: bool,
    pub programme: bool,
    pub sector: bool,
    pub party: bool,
}

/// What totals are narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Narrowed {
    /// With what had become part of it by then.
    pub account: Option<AccountId>,
    pub kind: Option<String>,
    pub programme: Option<String>,
    pub day_from: Option<String>,
    pub day_until: Option<String>,
}

/// Two journal numbers, the earlier first; both may be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    pub earlier: i64,
    pub later: i64,
}

/// Sums of recognised minutes up to two journal numbers, by what is asked for; what is zero at both is left out.
/// An activity counts where its minutes in the sum are not zero. What closes an account is of no activity and in no
/// sum: minutes that somebody had under another id are theirs from the number on at which the two became one. More
/// than [`TOTALS_MAX`] are not all there.
///
/// # Errors
/// `DbErr`.
pub async fn totals(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    by: TotalsBy,
    narrowed: &Narrowed,
    between: Between,
) -> Result<Vec<Total>, DbErr> {
    let holders = Holders::read(db, neighbourhood).await?;
    let Between { earlier, later } = between;
    let of_people = by.party || narrowed.account.is_some();
    let mut totals = if of_people && holders.at(earlier) != holders.at(later) {
        // Whose minutes they are differs between the two, so each is summed up by itself.
        let each = |at| Between { earlier: at, later: at };
        let before = sums(db, neighbourhood, by, narrowed, (each(earlier), &holders)).await?;
        let after = sums(db, neighbourhood, by, narrowed, (each(later), &holders)).await?;
        beside(before, after)
    } else {
        sums(db, neighbourhood, by, narrowed, (between, &holders)).await?
    };
    // The same order on both databases.
    totals.sort();
    Ok(totals)
}

/// Sums at two numbers between which nobody's account became another's.
async fn sums(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    by: TotalsBy,
    narrowed: &Narrowed,
    (between, holders): (Between, &Holders),
) -> Result<Vec<Total>, DbErr> {
    let query = totals_query(neighbourhood, by, narrowed, (between, holders));
    let rows = db.query_all(&query).await?;
    rows.iter().map(|row| Total::from_query_result(row, "")).collect()
}

/// Sums at one number beside those at a later one.
fn beside(before: Vec<Total>, after: Vec<Total>) -> Vec<Total> {
    let key = |total: &Total| {
        let of = |text: &Option<String>| text.clone();
        (of(&total.kind), of(&total.month), of(&total.programme), of(&total.sector), total.account_id)
    };
    let nothing_later = |total: Total| Total { later_minutes: 0, later_activities: 0, ..total };
    let before = before.into_iter().map(|total| (key(&total), nothing_later(total)));
    let mut all: BTreeMap<_, Total> = before.collect();
    for total in after {
        let Total { later_minutes, later_activities, .. } = total;
        let there = all.entry(key(&total)).or_insert(Total { minutes: 0, activities: 0, ..total });
        (there.later_minutes, there.later_activities) = (later_minutes, later_activities);
    }
    all.into_values().collect()
}

/// Over [`of_activities`]: what one activity posted and took back again is no activity of the sum.
fn totals_query(
    neighbourhood: NeighbourhoodId,
    by: TotalsBy,
    narrowed: &Narrowed,
    (between, holders): (Between, &Holders),
) -> SelectStatement {
    let mut query = Query::select();
    for (name, _) in keys(by) {
        query.column(name).group_by_col(name);
    }
    if by.party {
        query.expr_as(Expr::col("holder"), "account_id").group_by_col("holder");
    }
    query
        .limit(TOTALS_MAX + 1)
        .expr_as(Expr::cust("CAST(SUM(earlier) AS bigint)"), "minutes")
        .expr_as(Expr::cust("COUNT(CASE WHEN earlier <> 0 THEN 1 END)"), "activities")
        .expr_as(Expr::cust("CAST(SUM(later) AS bigint)"), "later_minutes")
        .expr_as(Expr::cust("COUNT(CASE WHEN later <> 0 THEN 1 END)"), "later_activities")
        .from_subquery(of_activities(neighbourhood, by, narrowed, (between, holders)), "of_activities")
        .cond_having(Condition::any().add(Expr::cust("SUM(earlier) <> 0")).add(Expr::cust("SUM(later) <> 0")))
        .to_owned()
}

/// The minutes of each activity, at both numbers.
fn of_activities(
    neighbourhood: NeighbourhoodId,
    by: TotalsBy,
    narrowed: &Narrowed,
    (between, holders): (Between, &Holders),
) -> SelectStatement {
    let of = |column: T| Expr::col((transfer::Entity, column));
    let mut query = Query::select();
    query.from(transfer::Entity);
    for (name, key) in keys(by) {
        query.expr_as(key.clone(), name).add_group_by([key]);
    }
    if by.party {
        // By its name: an expression with bound values is not the same to PostgreSQL when it is written twice.
        query.expr_as(holder(holders, between.later), "holder").group_by_col("holder");
    }
    if by.sector {
        let is = Condition::all()
            .add(Expr::col((party::Entity, party::Column::NeighbourhoodId)).eq(neighbourhood.0))
            .add(Expr::col((party::Entity, party::Column::Id)).eq(of(T::AccountId)));
        query.left_join(party::Entity, is);
    }
    let earlier = Expr::case(of(T::JournalNo).lte(between.earlier), of(T::Minutes)).finally(0_i64);
    query
        .expr_as(Expr::expr(earlier).sum().cast_as("bigint"), "earlier")
        .expr_as(of(T::Minutes).sum().cast_as("bigint"), "later")
        .and_where(of(T::NeighbourhoodId).eq(neighbourhood.0))
        .and_where(of(T::Asset).eq("contribution"))
        .and_where(of(T::JournalNo).lte(between.later))
        .and_where(of(T::ActivityId).is_not_null())
        .cond_where(narrowing(narrowed, holders, between.later))
        .add_group_by([of(T::ActivityId)])
        .to_owned()
}

/// The account that a transfer's account had become part of by a number.
fn holder(holders: &Holders, no: i64) -> Expr {
    let account = || Expr::col((transfer::Entity, T::AccountId));
    let others = holders.at(no);
    if others.is_empty() {
        return account();
    }
    let case = others.into_iter().fold(CaseStatement::new(), |case, (alias, holder)| {
        case.case(account().eq(alias.0), Expr::value(holder.0))
    });
    case.finally(account()).into()
}

fn narrowing(narrowed: &Narrowed, holders: &Holders, no: i64) -> Condition {
    let of = |column: T| Expr::col((transfer::Entity, column));
    let accounts = narrowed.account.map(|account| holders.accounts(holders.holder(account, no), no));
    Condition::all()
        .add_option(accounts.map(|accounts| of(T::AccountId).is_in(accounts.iter().map(|account| account.0))))
        .add_option(narrowed.kind.as_ref().map(|kind| of(T::Kind).eq(kind)))
        .add_option(narrowed.programme.as_ref().map(|programme| of(T::Programme).eq(programme)))
        .add_option(narrowed.day_from.as_ref().map(|day| of(T::Day).gte(day)))
        .add_option(narrowed.day_until.as_ref().map(|day| of(T::Day).lte(day)))
}

/// The names of what is grouped by, and what each is; but for the party.
fn keys(by: TotalsBy) -> Vec<(&'static str, Expr)> {
    let of = |column: T| Expr::col((transfer::Entity, column));
    let sector = Expr::col((party::Entity, party::Column::Sector));
    let month = Expr::cust("SUBSTR(transfer.day, 1, 7)");
    let all = [
        (by.kind, "kind", of(T::Kind)),
        (by.month, "month", month),
        (by.programme, "programme", of(T::Programme)),
        (by.sector, "sector", sector),
    ];
    all.into_iter().filter(|(asked, ..)| *asked).map(|(_, name, key)| (name, key)).collect()
}

/// The balances of an account, in minutes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balances {
    pub contribution: i64,
    pub credit: i64,
}

/// The balances of an account after a journal number: what its last transfer up to there says.
///
/// # Errors
/// `DbErr`.
pub async fn balances_at(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    account: AccountId,
    journal_no: i64,
) -> Result<Balances, DbErr> {
    let mut found = [0; 2];
    for (balance, asset) in found.iter_mut().zip(["contribution", "credit"]) {
        let last = last_balance(neighbourhood, account, asset, journal_no);
        let last: Option<i64> = last.into_tuple().one(db).await?;
        *balance = last.unwrap_or_default();
    }
    Ok(Balances { contribution: found[0], credit: found[1] })
}

fn last_balance(
    neighbourhood: NeighbourhoodId,
    account: AccountId,
    asset: &str,
    journal_no: i64,
) -> sea_orm::Select<transfer::Entity> {
    of_accounts(neighbourhood, &[account], asset, journal_no)
        .column(T::BalanceAfter)
        .order_by_desc(T::JournalNo)
        .limit(1)
}

/// What of [`balances_at`] belongs to days up to one, that day included: a sum over the transfers of an account and of
/// those that became part of it.
///
/// # Errors
/// `DbErr`.
pub async fn balances_of_days(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    accounts: &[AccountId],
    journal_no: i64,
    day_until: &str,
) -> Result<Balances, DbErr> {
    let mut found = [0; 2];
    for (balance, asset) in found.iter_mut().zip(["contribution", "credit"]) {
        let sum: Option<Option<i64>> = of_accounts(neighbourhood, accounts, asset, journal_no)
            .column_as(Expr::cust("CAST(SUM(minutes) AS bigint)"), "minutes")
            .filter(T::Day.lte(day_until))
            .into_tuple()
            .one(db)
            .await?;
        *balance = sum.flatten().unwrap_or_default();
    }
    Ok(Balances { contribution: found[0], credit: found[1] })
}

fn of_accounts(
    neighbourhood: NeighbourhoodId,
    accounts: &[AccountId],
    asset: &str,
    journal_no: i64,
) -> sea_orm::Select<transfer::Entity> {
    transfer::Entity::find()
        .select_only()
        .filter(T::NeighbourhoodId.eq(neighbourhood.0))
        .filter(T::AccountId.is_in(accounts.iter().map(|account| account.0)))
        .filter(T::Asset.eq(asset))
        .filter(T::JournalNo.lte(journal_no))
}

#[cfg(test)]
#[path = "totals_tests.rs"]
pub(in crate::store) mod tests;
