//! Pages of activities. However rare what a list is narrowed to may be, one page looks at so many rows and no more: it may
//! have less than asked for, or nothing, and says where the look goes on.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Condition, Expr, ExprTrait, Query, SelectStatement};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, Order, QueryFilter, QueryOrder, QuerySelect,
    Select, SelectGetableTuple, Selector, Statement,
};
use uuid::Uuid;

use super::bound::Bound;
use super::entity::activity::Column as A;
use super::entity::judgement::Column as J;
use super::entity::{activity, judgement};
use crate::domain::ids::{ActivityId, NeighbourhoodId, PartyId};
use crate::domain::limits::PAGE_ROWS_LOOKED_AT;

/// Rows that a page fetches by their ids at most: a thousand so took 33 ms of processor
/// on SQLite, a thousand in order 8.
const BY_ID_MAX: u64 = 200;
/// By how much the clocks of two replicas may differ: one judges what another received.
const CLOCKS_APART_MS: i64 = 60_000;

/// What a list of activities is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of these daybooks' owners; all if there is none.
    pub parties: Vec<PartyId>,
    pub daybook: Option<Uuid>,
    pub kind: Option<String>,
    pub programme: Option<String>,
    pub day_from: Option<String>,
    pub day_until: Option<String>,
    pub review: Option<String>,
    pub conflict: Option<String>,
    pub within: Option<Within>,
    /// Written or judged at this time or later.
    pub changed_since_ms: Option<i64>,
    /// Only those that name any of these, and are nobody's of them.
    pub naming: Option<Vec<PartyId>>,
    /// Received before (milliseconds, id): where the last page ended.
    pub after: Option<Place>,
}

/// A box, in thousandths of a degree: places are compared on this grid whoever asks, so that nobody can narrow an exact
/// one down by asking again and again. From east of `west` to `east`: over the date line where `west` is the greater.
#[derive(Debug, Clone, Copy)]
pub struct Within {
    pub west: i32,
    pub south: i32,
    pub east: i32,
    pub north: i32,
}

/// When an activity was received, and its id.
pub type Place = (i64, Uuid);

/// A page.
#[derive(Debug)]
pub struct Found {
    pub rows: Vec<(activity::Model, Option<judgement::Model>)>,
    /// Where the look ended before the list did.
    pub looked_until: Option<Place>,
}

impl Filter {
    /// Whether a page may have to look at more than it shows.
    fn is_selective(&self) -> bool {
        self.daybook.is_some()
            || self.kind.is_some()
            || self.programme.is_some()
            || self.day_from.is_some()
            || self.day_until.is_some()
            || self.review.is_some()
            || self.conflict.is_some()
            || self.within.is_some()
            || self.changed_since_ms.is_some()
    }
}

/// A page of activities with what is judged of them, newest received first.
///
/// # Errors
/// `DbErr`.
pub async fn page(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    filter: &Filter,
    limit: u64,
) -> Result<Found, DbErr> {
    let looked_at = look(db, neighbourhood, filter, limit).await?;
    let mut query =
        newest_first(ordered(neighbourhood, filter)).filter(narrowed(neighbourhood, filter)).limit(limit);
    if let Some((at_ms, id)) = looked_at.until {
        let newer = Condition::any()
            .add(A::ReceivedAtMs.gt(at_ms))
            .add(Condition::all().add(A::ReceivedAtMs.eq(at_ms)).add(A::Id.gte(id)));
        query = query.filter(A::ReceivedAtMs.gte(at_ms)).filter(newer);
    }
    if let Some(among) = looked_at.among {
        if among.is_empty() {
            return Ok(Found { rows: Vec::new(), looked_until: None });
        }
        query = query.filter(A::Id.is_in(among));
    }
    let rows = query.all(db).await?;
    let full = u64::try_from(rows.len()).unwrap_or(u64::MAX) >= limit;
    let ids: BTreeSet<ActivityId> = rows.iter().map(|row| ActivityId(row.id)).collect();
    let judged = super::judgements::of_ids(db, neighbourhood, &ids).await?;
    let with_judgement = |row: activity::Model| {
        let judgement = judged.iter().find(|judgement| judgement.activity_id == row.id).cloned();
        (row, judgement)
    };
    Ok(Found {
        rows: rows.into_iter().map(with_judgement).collect(),
        looked_until: looked_at.until.filter(|_| !full),
    })
}

/// The rows that a page looks at.
#[derive(Debug, Default)]
struct LookedAt {
    /// Only these, if indexes have found them.
    among: Option<Vec<Uuid>>,
    /// The last one, if there are more.
    until: Option<Place>,
}

/// Where a page looks; indexes alone tell.
async fn look(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    filter: &Filter,
    limit: u64,
) -> Result<LookedAt, DbErr> {
    if let Some(names) = &filter.naming {
        let most = if filter.is_selective() || !filter.parties.is_empty() { BY_ID_MAX } else { limit };
        let places = super::replies::naming(db, neighbourhood, names, filter.after, most).await?;
        return Ok(among(places, most));
    }
    if let Some(since_ms) = filter.changed_since_ms
        && let Some(among) = changed(db, neighbourhood, since_ms).await?
    {
        return Ok(LookedAt { among: Some(among), until: None });
    }
    if filter.parties.len() > 1 {
        let most = if filter.is_selective() { BY_ID_MAX } else { limit };
        let mut places = BTreeSet::new();
        // An index has those of one in order.
        for party in &filter.parties {
            let of_one = Filter { parties: vec![*party], after: filter.after, ..Filter::default() };
            let newest = newest_first(ordered(neighbourhood, &of_one)).limit(most);
            places.extend(in_place(newest).all(db).await?);
        }
        return Ok(among(newest_of(places, most), most));
    }
    let until = if filter.is_selective() { last(db, neighbourhood, filter).await? } else { None };
    Ok(LookedAt { among: None, until })
}

/// The newest of these, so many.
pub(super) fn newest_of(places: BTreeSet<Place>, most: u64) -> BTreeSet<Place> {
    let surplus = places.len().saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
    places.into_iter().skip(surplus).collect()
}

/// A page looks at these; there may be more where there are `most` of them.
fn among(places: BTreeSet<Place>, most: u64) -> LookedAt {
    let more = u64::try_from(places.len()).unwrap_or(u64::MAX) >= most;
    let until = places.first().copied().filter(|_| more);
    LookedAt { among: Some(places.into_iter().map(|(_, id)| id).collect()), until }
}

fn in_place(query: Select<activity::Entity>) -> Selector<SelectGetableTuple<Place>> {
    query.select_only().columns([A::ReceivedAtMs, A::Id]).into_tuple()
}

/// All that may have changed since a time, if those are few: what was judged since, and what waits for that.
async fn changed(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    since_ms: i64,
) -> Result<Option<Vec<Uuid>>, DbErr> {
    let statement = changed_statement(db.get_database_backend(), neighbourhood, since_ms);
    let rows = db.query_all_raw(statement).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?;
    Ok(u64::try_from(ids.len()).is_ok_and(|found| found <= BY_ID_MAX).then_some(ids))
}

fn changed_statement(backend: DbBackend, neighbourhood: NeighbourhoodId, since_ms: i64) -> Statement {
    let since_ms = since_ms.saturating_sub(CLOCKS_APART_MS);
    let mut bound = Bound::new(backend);
    let sql = format!(
        "SELECT activity_id FROM judgement WHERE neighbourhood_id = {} AND judged_at_ms >= {} UNION ALL \
         SELECT activity_id FROM activity_version WHERE neighbourhood_id = {} AND journal_no IS NULL \
         AND received_at_ms >= {} LIMIT {}",
        bound.place(neighbourhood.0),
        bound.place(since_ms),
        bound.place(neighbourhood.0),
        bound.place(since_ms),
        BY_ID_MAX + 1,
    );
    bound.statement(sql)
}

/// The last row that a page of a narrowed list looks at, if there are more.
async fn last(
    db: &impl ConnectionTrait,
    neighbourhood: NeighbourhoodId,
    filter: &Filter,
) -> Result<Option<Place>, DbErr> {
    let last = newest_first(ordered(neighbourhood, filter)).offset(PAGE_ROWS_LOOKED_AT - 1).limit(1);
    in_place(last).one(db).await
}

/// What an index has in order.
fn ordered(neighbourhood: NeighbourhoodId, filter: &Filter) -> Select<activity::Entity> {
    let mut query = activity::Entity::find().filter(A::NeighbourhoodId.eq(neighbourhood.0));
    if let [party] = filter.parties[..] {
        query = query.filter(A::PartyId.eq(party.0));
    }
    if let Some((at_ms, _)) = filter.after {
        query = query.filter(A::ReceivedAtMs.lte(at_ms)).filter(super::access::older(
            filter.after,
            A::ReceivedAtMs,
            A::Id,
        ));
    }
    query
}

fn newest_first(query: Select<activity::Entity>) -> Select<activity::Entity> {
    query.order_by(A::ReceivedAtMs, Order::Desc).order_by(A::Id, Order::Desc)
}

fn narrowed(neighbourhood: NeighbourhoodId, filter: &Filter) -> Condition {
    Condition::all()
        .add_option(
            (filter.parties.len() > 1).then(|| A::PartyId.is_in(filter.parties.iter().map(|id| id.0))),
        )
        // Who names themselves by another id of theirs concerns nobody else.
        .add_option(filter.naming.as_ref().map(|names| A::PartyId.is_not_in(names.iter().map(|id| id.0))))
        .add_option(filter.daybook.map(|daybook| A::DaybookId.eq(daybook)))
        .add_option(filter.kind.as_ref().map(|kind| A::Kind.eq(kind)))
        .add_option(filter.programme.as_ref().map(|programme| A::Programme.eq(programme)))
        .add_option(filter.conflict.as_ref().map(|conflict| A::Conflict.eq(conflict)))
        .add_option(filter.day_from.as_ref().map(|day| A::Day.gte(day)))
        .add_option(filter.day_until.as_ref().map(|day| A::Day.lte(day)))
        .add_option(filter.within.map(inside))
        .add_option(filter.review.as_ref().map(|review| reviewed(neighbourhood, review)))
        .add_option(filter.changed_since_ms.map(|since_ms| {
            let judged = Expr::exists(judged(neighbourhood, J::JudgedAtMs.gte(since_ms)));
            Condition::any().add(A::ChangedAtMs.gte(since_ms)).add(judged)
        }))
}

fn inside(within: Within) -> Condition {
    let (east_of, west_of) = (A::Lon.gte(within.west), A::Lon.lte(within.east));
    let between = if within.west <= within.east { Condition::all() } else { Condition::any() };
    Condition::all().add(A::Lat.between(within.south, within.north)).add(between.add(east_of).add(west_of))
}

/// What nobody has judged yet counts as received.
fn reviewed(neighbourhood: NeighbourhoodId, review: &str) -> Condition {
    if review == "received" {
        Condition::all().add(Expr::exists(judged(neighbourhood, J::Review.ne("received"))).not())
    } else {
        Condition::all().add(Expr::exists(judged(neighbourhood, J::Review.eq(review))))
    }
}

/// The judgement of the row that is looked at, if it is such a one.
fn judged(neighbourhood: NeighbourhoodId, such: Expr) -> SelectStatement {
    Query::select()
        .expr(Expr::value(1))
        .from(judgement::Entity)
        .and_where(Expr::col((judgement::Entity, J::NeighbourhoodId)).eq(neighbourhood.0))
        .and_where(Expr::col((judgement::Entity, J::ActivityId)).equals((activity::Entity, A::Id)))
        .and_where(such)
        .to_owned()
}

#[cfg(test)]
#[path = "activity_pages_tests.rs"]
mod tests;
