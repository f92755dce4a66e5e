//! The ledger's read-outs of accounts: balances and statements. All in minutes.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Asked, Id, IdParam, Paging, Params, day, journal_no};
use super::types::{Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::activity::{Kind, Phase};
use crate::domain::ids::{AccountId, ActivityId, PartyId, TransferId};
use crate::flows;
use crate::ledger::{Asset, Capacity};
use crate::store;
use crate::store::aliases::Holders;
use crate::store::entity::{account, transfer};

/// An account: a party's, or the neighbourhood's for minutes of people who are not named.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountView {
    pub id: AccountId,
    /// `party` or `holding`.
    #[schema(example = "party")]
    pub kind: String,
    /// Minutes recognised.
    pub contribution_minutes: i64,
    /// Minutes that may be spent, where the neighbourhood's rules switch it on.
    pub credit_minutes: i64,
    pub created_at: Instant,
    /// When it was closed first, if it was: what it held went to the neighbourhood's account. It is never deleted, and
    /// a later correction still posts to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Instant>,
    /// The party whose account it became part of: both are one person. In lists; read by either id, an account is
    /// that of the party.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias_of: Option<AccountId>,
    /// The balances are those after this number of the journal; absent in lists, which show the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal_no: Option<i64>,
    /// The balances are of days up to this one, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = Date, example = "2026-11-20")]
    pub day: Option<String>,
}

/// One posting on an account: for an activity, with what the activity says; or one that closed an account, with
/// `cause`, `counter_account_id` and `reason` instead.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatementLine {
    pub transfer_id: TransferId,
    /// The account that it was posted to: where the party is a person who was entered twice, that of either id.
    pub account_id: AccountId,
    /// Of an activity's posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity_id: Option<ActivityId>,
    pub asset: Asset,
    /// Above zero came from the commons, below zero went back.
    pub minutes: i64,
    /// The balance of this asset on `account_id` after it.
    pub balance_after: i64,
    /// Of an activity's posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Of an activity's posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// The programme that the activity belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    /// The place that the activity names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The day that the minutes belong to; where an account was closed, the day of that.
    #[schema(format = Date, example = "2026-11-21")]
    pub day: String,
    /// Of an activity's posting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Capacity>,
    /// `party_alias`: two parties are one person, and the account of one went into the other's. `account_closed`: the
    /// account was closed, and its remainder went to the neighbourhood's. Absent for an activity. More will come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "account_closed")]
    pub cause: Option<String>,
    /// The account on the other side of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counter_account_id: Option<AccountId>,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Its number in the journal.
    pub journal_no: i64,
    pub posted_at: Instant,
}

/// What an account is asked for.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AccountQuery {
    /// The balances after this number of the journal; the journal's last if not given. 0 is before everything.
    #[param(value_type = Option<i64>, minimum = 0, example = 12)]
    pub journal_no: Option<String>,
    /// Only minutes of days up to this one.
    #[param(format = Date, example = "2026-11-20")]
    pub day: Option<String>,
}

impl From<account::Model> for AccountView {
    fn from(row: account::Model) -> Self {
        Self {
            id: AccountId(row.id),
            kind: row.kind,
            contribution_minutes: row.contribution,
            credit_minutes: row.credit,
            created_at: Instant(row.created_at_ms),
            closed_at: row.closed_at_ms.map(Instant),
            alias_of: None,
            journal_no: None,
            day: None,
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_accounts)
        .merge(super::openapi::guarded!(get_account))
        .merge(super::openapi::guarded!(get_statement))
}

/// List accounts, by id: your own and those of your groups; with `reconcile` all.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "ledger", params(Paging),
    responses((status = 200, description = "A page of accounts.", body = Page<AccountView>))
)]
pub async fn list_accounts(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<AccountView>>)> {
    let (access, after) = (&caller.access, paging.after.as_deref());
    let asked: Asked<Uuid> = Asked::of(&app, Some(access), "accounts", after, paging.limit).await?;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let only = readable(&app, access).await?;
    let (after, rows) = (asked.after, asked.rows());
    let rows = store::ledger::accounts_page(db, neighbourhood, only.as_ref(), after, rows).await?;
    let others = Holders::read(db, neighbourhood).await?.at(i64::MAX);
    let show = |row: account::Model| {
        let alias_of = others.get(&AccountId(row.id)).copied();
        AccountView { alias_of, ..row.into() }
    };
    let (headers, page) = asked.page(&app, "/v1/accounts", rows, |row| row.id, show)?;
    Ok((headers, axum::Json(page)))
}

/// Read an account, as it is or as it was after a number of the journal.
///
/// Somebody to whom nothing was posted yet has one at zero. `journal_no` gives the balances after that number: what
/// the statement says there. With `day` only minutes of days up to that one count, as they were known at that
/// number.
///
/// The id of a party that became another's alias gives that party's account, with the party's `id`; at a
/// `journal_no` before it did, the account that it had then.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "ledger", params(IdParam, AccountQuery),
    responses((status = 200, description = "The account.", body = AccountView))
)]
pub async fn get_account(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Id(id): Id,
    Params(query): Params<AccountQuery>,
) -> ApiResult<axum::Json<AccountView>> {
    day("day", query.day.as_deref())?;
    let (db, neighbourhood) = (app.db().read(), caller.access.neighbourhood);
    visible(&app, &caller.access, id).await?;
    let tip = store::ledger::find_tip(db, neighbourhood).await?.ok_or(NOT_FOUND)?;
    let no = journal_no("journal_no", query.journal_no.as_deref(), tip.journal_no)?;
    let no = no.unwrap_or(tip.journal_no);
    let party = store::aliases::stands_for(db, neighbourhood, PartyId(id), Some(no)).await?;
    let row = account(&app, &caller.access, party.0).await?;
    let account = AccountId(party.0);
    let balances = match &query.day {
        None => store::totals::balances_at(db, neighbourhood, account, no).await?,
        Some(day) => {
            let accounts = Holders::read(db, neighbourhood).await?.accounts(account, no);
            store::totals::balances_of_days(db, neighbourhood, &accounts, no, day).await?
        }
    };
    Ok(axum::Json(AccountView {
        contribution_minutes: balances.contribution,
        credit_minutes: balances.credit,
        journal_no: Some(no),
        day: query.day,
        ..row.into()
    }))
}

/// The accounts that somebody may read: their own and their groups'; nothing where they may read all.
async fn readable(app: &App, access: &Access) -> ApiResult<Option<BTreeSet<AccountId>>> {
    if access.scopes.has(Scope::Reconcile) {
        return Ok(None);
    }
    let owners = flows::daybooks::owners(app.db().read(), access.neighbourhood, access.party).await?;
    Ok(Some(owners.into_iter().map(|owner| AccountId(owner.0)).collect()))
}

/// The account that an id leads to now: the caller's own, its groups', or any for those who reconcile.
async fn visible(app: &App, access: &Access, id: Uuid) -> ApiResult<AccountId> {
    let party = store::aliases::stands_for(app.db().read(), access.neighbourhood, PartyId(id), None).await?;
    let account = AccountId(party.0);
    match readable(app, access).await? {
        Some(readable) if !readable.contains(&account) => Err(NOT_FOUND.into()),
        _ => Ok(account),
    }
}

/// The row of an account, made up where nothing was posted to it yet.
async fn account(app: &App, access: &Access, id: Uuid) -> ApiResult<account::Model> {
    let db = app.db().read();
    let found = store::ledger::accounts_of(db, access.neighbourhood, &[AccountId(id)].into()).await?;
    if let Some(row) = found.into_iter().next() {
        return Ok(row);
    }
    let party = store::parties::find(db, access.neighbourhood, PartyId(id)).await?;
    let party = party.ok_or(NOT_FOUND)?;
    Ok(account::Model {
        neighbourhood_id: party.neighbourhood_id,
        id,
        kind: "party".to_owned(),
        contribution: 0,
        credit: 0,
        created_at_ms: party.created_at_ms,
        closed_at_ms: None,
    })
}

/// Read the postings of an account, newest first, each with the balance after it.
///
/// Where a person was entered twice, by whichever id it is read, the statement is of both: `account_id` says where
/// each was posted, and a pair with the `cause` `party_alias` took what one held to the other.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/statement", tag = "ledger", params(IdParam, Paging),
    responses((status = 200, description = "A page of postings.", body = Page<StatementLine>))
)]
pub async fn get_statement(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Id(id): Id,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<StatementLine>>)> {
    let access = &caller.access;
    let party = visible(&app, access, id).await?;
    account(&app, access, party.0).await?;
    let (list, after) = (format!("statement of {id}"), paging.after.as_deref());
    let asked: Asked<i64> = Asked::of(&app, Some(access), list, after, paging.limit).await?;
    let db = app.db().read();
    let accounts = Holders::read(db, access.neighbourhood).await?.accounts(party, i64::MAX);
    let (neighbourhood, before) = (access.neighbourhood, asked.after);
    let rows = store::ledger::statement(db, neighbourhood, &accounts, before, asked.rows()).await?;
    let path = format!("/v1/accounts/{id}/statement");
    let (headers, page) = asked.page(&app, &path, rows, |row| row.journal_no, line)?;
    Ok((headers, axum::Json(page.good()?)))
}

fn line(row: transfer::Model) -> Result<StatementLine, flows::FlowError> {
    Ok(StatementLine {
        transfer_id: TransferId(row.id),
        account_id: AccountId(row.account_id),
        activity_id: row.activity_id.map(ActivityId),
        asset: read(row.asset)?,
        minutes: row.minutes,
        balance_after: row.balance_after,
        kind: row.kind.map(read).transpose()?,
        phase: row.phase.map(read).transpose()?,
        programme: row.programme,
        place: row.place,
        day: row.day,
        capacity: row.capacity.map(read).transpose()?,
        cause: row.cause,
        counter_account_id: row.counter_account_id.map(AccountId),
        reason: row.reason,
        journal_no: row.journal_no,
        posted_at: Instant(row.posted_at_ms),
    })
}

/// A value of one of our enums, out of the word that it is stored by.
pub(super) fn read<T: serde::de::DeserializeOwned>(word: String) -> Result<T, flows::FlowError> {
    Ok(serde_json::from_value(serde_json::Value::String(word))?)
}
