//! The ledger's read-outs: accounts, statements, totals. All in minutes.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Id, IdParam, Paging, Params, limit, opened, paged};
use super::types::{Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::activity::{Kind, Phase};
use crate::domain::ids::{AccountId, ActivityId, TransferId};
use crate::domain::time::parse_day;
use crate::flows;
use crate::ledger::{Asset, Capacity};
use crate::store;
use crate::store::entity::{account, transfer};
use crate::store::ledger::TotalsBy;

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
}

/// One posting on an account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct StatementLine {
    pub transfer_id: TransferId,
    pub activity_id: ActivityId,
    pub asset: Asset,
    /// Above zero came from the commons, below zero went back.
    pub minutes: i64,
    /// The balance of this asset after it.
    pub balance_after: i64,
    pub kind: Kind,
    pub phase: Phase,
    /// The programme that the activity belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    /// The place that the activity names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// The day that the minutes belong to.
    #[schema(format = Date, example = "2026-11-21")]
    pub day: String,
    pub capacity: Capacity,
    /// Its number in the journal.
    pub journal_no: i64,
    pub posted_at: Instant,
}

/// Sums of recognised minutes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// One for each combination that occurs.
    pub items: Vec<Total>,
    /// Up to and with this journal number.
    pub journal_no: i64,
}

/// One sum; fields that were not asked for are absent.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Total {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Month of the activities' days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11")]
    pub month: Option<String>,
    /// The party's account, or the holding account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<AccountId>,
    /// The sum.
    pub minutes: i64,
    /// Activities with minutes in this sum.
    pub activities: i64,
}

/// How totals are grouped and narrowed.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TotalsQuery {
    /// `kind`, `month` and `party`, separated by commas; one sum over everything if not given.
    #[param(example = "kind,month")]
    pub by: Option<String>,
    /// First day.
    #[param(format = Date, example = "2026-11-01")]
    pub day_from: Option<String>,
    /// Last day.
    #[param(format = Date, example = "2026-11-30")]
    pub day_until: Option<String>,
}

impl From<account::Model> for AccountView {
    fn from(row: account::Model) -> Self {
        Self {
            id: AccountId(row.id),
            kind: row.kind,
            contribution_minutes: row.contribution,
            credit_minutes: row.credit,
            created_at: Instant(row.created_at_ms),
        }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_accounts)
        .merge(super::openapi::guarded!(get_account))
        .merge(super::openapi::guarded!(get_statement))
        .merge(super::openapi::guarded!(get_totals))
}

/// List accounts, by id: your own; with `reconcile` all.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "ledger", params(Paging),
    responses((status = 200, description = "A page of accounts.", body = Page<AccountView>))
)]
pub async fn list_accounts(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Params(paging): Params<Paging>,
) -> ApiResult<(HeaderMap, axum::Json<Page<AccountView>>)> {
    let access = &caller.access;
    let most = limit(paging.limit);
    let after: Option<Uuid> = opened(&app, "accounts", paging.after.as_deref())?;
    let only = (!access.scopes.has(Scope::Reconcile)).then_some(AccountId(access.party.0));
    let rows =
        store::ledger::accounts_page(app.db().read(), access.neighbourhood, only, after, most + 1).await?;
    let (headers, page) =
        paged(&app, "accounts", "/v1/accounts", rows, most, |row| row.id, AccountView::from)?;
    Ok((headers, axum::Json(page)))
}

/// Read an account. Somebody to whom nothing was posted yet has one at zero.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "ledger", params(IdParam),
    responses((status = 200, description = "The account.", body = AccountView))
)]
pub async fn get_account(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Id(id): Id,
) -> ApiResult<axum::Json<AccountView>> {
    Ok(axum::Json(account(&app, &caller.access, id).await?.into()))
}

/// The caller's own account, its groups', or any for those who reconcile.
async fn account(app: &App, access: &Access, id: Uuid) -> ApiResult<account::Model> {
    let db = app.db().read();
    if !access.scopes.has(Scope::Reconcile) {
        let owners = flows::daybooks::owners(db, access.neighbourhood, access.party).await?;
        if !owners.iter().any(|owner| owner.0 == id) {
            return Err(NOT_FOUND.into());
        }
    }
    let found = store::ledger::accounts_of(db, access.neighbourhood, &[AccountId(id)].into()).await?;
    if let Some(row) = found.into_iter().next() {
        return Ok(row);
    }
    let party = store::parties::find(db, access.neighbourhood, crate::domain::ids::PartyId(id)).await?;
    let party = party.ok_or(NOT_FOUND)?;
    Ok(account::Model {
        neighbourhood_id: party.neighbourhood_id,
        id,
        kind: "party".to_owned(),
        contribution: 0,
        credit: 0,
        created_at_ms: party.created_at_ms,
    })
}

/// Read the postings of an account, newest first, each with the balance after it.
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
    let account = AccountId(account(&app, access, id).await?.id);
    let most = limit(paging.limit);
    let list = format!("statement of {id}");
    let before: Option<i64> = opened(&app, &list, paging.after.as_deref())?;
    let db = app.db().read();
    let rows = store::ledger::statement(db, access.neighbourhood, account, before, most + 1).await?;
    let path = format!("/v1/accounts/{id}/statement");
    let (headers, page) = paged(&app, &list, &path, rows, most, |row| row.journal_no, line)?;
    let items: Result<Vec<StatementLine>, flows::FlowError> = page.items.into_iter().collect();
    Ok((headers, axum::Json(Page { items: items?, next: page.next })))
}

fn line(row: transfer::Model) -> Result<StatementLine, flows::FlowError> {
    Ok(StatementLine {
        transfer_id: TransferId(row.id),
        activity_id: ActivityId(row.activity_id),
        asset: read(row.asset)?,
        minutes: row.minutes,
        balance_after: row.balance_after,
        kind: read(row.kind)?,
        phase: read(row.phase)?,
        programme: row.programme,
        place: row.place,
        day: row.day,
        capacity: read(row.capacity)?,
        journal_no: row.journal_no,
        posted_at: Instant(row.posted_at_ms),
    })
}

fn read<T: serde::de::DeserializeOwned>(word: String) -> Result<T, flows::FlowError> {
    Ok(serde_json::from_value(serde_json::Value::String(word))?)
}

/// Sum recognised minutes: your own; with `reconcile` the neighbourhood's.
#[utoipa::path(
    get, path = "/v1/totals", tag = "ledger", params(TotalsQuery),
    responses((status = 200, description = "Sums.", body = Totals))
)]
pub async fn get_totals(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Params(query): Params<TotalsQuery>,
) -> ApiResult<axum::Json<Totals>> {
    let access = &caller.access;
    let by = grouping(query.by.as_deref())?;
    for (name, day) in [("day_from", &query.day_from), ("day_until", &query.day_until)] {
        if day.as_ref().is_some_and(|day| parse_day(day).is_none()) {
            return Err(ApiError::query(name, format!("{name} is a day as 2026-11-21.")));
        }
    }
    let only = (!access.scopes.has(Scope::Reconcile)).then_some(AccountId(access.party.0));
    let db = app.db().read();
    let tip = store::ledger::find_tip(db, access.neighbourhood).await?.ok_or(NOT_FOUND)?;
    let days = (query.day_from, query.day_until);
    let rows = store::ledger::totals(db, access.neighbourhood, by, only, days, tip.journal_no).await?;
    let items: Result<Vec<Total>, flows::FlowError> = rows.into_iter().map(total).collect();
    Ok(axum::Json(Totals { items: items?, journal_no: tip.journal_no }))
}

fn total(row: store::ledger::Total) -> Result<Total, flows::FlowError> {
    Ok(Total {
        kind: row.kind.map(read).transpose()?,
        month: row.month,
        party_id: row.account_id.map(AccountId),
        minutes: row.minutes,
        activities: row.activities,
    })
}

fn grouping(by: Option<&str>) -> ApiResult<TotalsBy> {
    let mut grouping = TotalsBy::default();
    for word in by.into_iter().flat_map(|by| by.split(',')).filter(|word| !word.is_empty()) {
        match word {
            "kind" => grouping.kind = true,
            "month" => grouping.month = true,
            "party" => grouping.party = true,
            _ => {
                return Err(ApiError::query(
                    "by",
                    "by is made of kind, month and party, separated by commas.",
                ));
            }
        }
    }
    Ok(grouping)
}
