//! Closed periods: figures that stand, and what has become of them since.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, INSUFFICIENT_SCOPE, NOT_FOUND, PERIOD_OVERLAPS};
use super::extract::{Coordinator, Resident, scope};
use super::params::{Asked, Here, Id, IdParam, Params, count};
use super::totals::{Total, account, grouping, totals};
use super::types::{Instant, Page};
use crate::app::{Access, App};
use crate::domain::ids::PeriodId;
use crate::domain::time::parse_day;
use crate::flows::periods::{Closed, Period, close};
use crate::store;
use crate::store::entity::closed_period;
use crate::store::totals::{Between, Narrowed, TotalsBy};

/// A period to close.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PeriodRequest {
    /// Made by the client.
    pub id: PeriodId,
    /// The first day.
    #[schema(format = Date, example = "2026-10-01")]
    pub day_from: String,
    /// The last day: today at the latest.
    #[schema(format = Date, example = "2026-10-31")]
    pub day_until: String,
}

/// A closed period.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PeriodView {
    pub id: PeriodId,
    /// The first day.
    #[schema(format = Date, example = "2026-10-01")]
    pub day_from: String,
    /// The last day.
    #[schema(format = Date, example = "2026-10-31")]
    pub day_until: String,
    /// The number that closing it has in the journal: its figures are those up to there.
    pub journal_no: i64,
    pub closed_at: Instant,
    /// The minutes of its days as they were when it was closed, each restated at `restated_no`. Not in the answer to
    /// closing it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub totals: Option<Vec<Total>>,
    /// The journal's last number, where there are totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated_no: Option<i64>,
}

impl From<closed_period::Model> for PeriodView {
    fn from(row: closed_period::Model) -> Self {
        Self {
            id: PeriodId(row.id),
            day_from: row.day_from,
            day_until: row.day_until,
            journal_no: row.journal_no,
            closed_at: Instant(row.closed_at_ms),
            totals: None,
            restated_no: None,
        }
    }
}

/// Which periods, and how their totals are grouped.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PeriodsQuery {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 12)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// `kind`, `month`, `programme`, `sector` and `party`, separated by commas; one sum a period if not given.
    #[param(
        example = "kind",
        pattern = "^(|kind|month|programme|sector|party)(,(|kind|month|programme|sector|party))*$"
    )]
    pub by: Option<String>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_periods, create_period).merge(super::openapi::guarded!(get_period))
}

/// Close a period: fix the number of the journal at which its figures stand.
///
/// Records that come later still post, each with its own day: what that changes in a closed period is shown beside
/// its figures, which stay. No two closed periods share a day.
#[utoipa::path(
    post, path = "/v1/periods", tag = "ledger", request_body = PeriodRequest,
    responses(
        (status = 201, description = "Closed.", body = PeriodView),
        (status = 200, description = "Closed before, by the same request.", body = PeriodView),
    )
)]
pub async fn create_period(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<PeriodRequest>,
) -> ApiResult<impl IntoResponse> {
    let (day_from, day_until) = (day("/day_from", &body.day_from)?, day("/day_until", &body.day_until)?);
    let (status, row) = match close(&app, &caller.access, Period { id: body.id, day_from, day_until }).await?
    {
        Closed::Now(row) => (StatusCode::CREATED, row),
        Closed::Replayed(row) => (StatusCode::OK, row),
        Closed::Overlaps(there) => {
            let detail = format!("{} to {} is closed already.", there.day_from, there.day_until);
            return Err(ApiError::new(PERIOD_OVERLAPS, detail));
        }
        Closed::NotCoordinator => return Err(INSUFFICIENT_SCOPE.into()),
    };
    Ok((status, axum::Json(PeriodView::from(row))))
}

fn day(pointer: &str, text: &str) -> ApiResult<NaiveDate> {
    let wrong = || ApiError::field(pointer, "day", format!("At {pointer}: a day as 2026-11-21."));
    parse_day(text).ok_or_else(wrong)
}

/// List closed periods, the last closed first, with their figures and what has become of them.
///
/// Figures are of your own minutes; with `reconcile` of the neighbourhood's.
#[utoipa::path(
    get, path = "/v1/periods", tag = "ledger", params(PeriodsQuery),
    responses((status = 200, description = "A page of closed periods.", body = Page<PeriodView>))
)]
pub async fn list_periods(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Here(here): Here,
    Params(query): Params<PeriodsQuery>,
) -> ApiResult<(HeaderMap, axum::Json<Page<PeriodView>>)> {
    let (access, by) = (&caller.access, grouping(query.by.as_deref())?);
    let after = query.after.as_deref();
    let asked: Asked<i64> = Asked::of(&app, Some(access), "periods", after, query.limit).await?;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::periods::page(db, neighbourhood, asked.after, asked.rows()).await?;
    let (headers, mut page) = asked.page(&app, &here, rows, |row| row.journal_no, PeriodView::from)?;
    figures(&app, access, by, &mut page.items).await?;
    Ok((headers, axum::Json(page)))
}

/// How the totals of a period are grouped.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PeriodQuery {
    /// `kind`, `month`, `programme`, `sector` and `party`, separated by commas; one sum if not given.
    #[param(
        example = "kind",
        pattern = "^(|kind|month|programme|sector|party)(,(|kind|month|programme|sector|party))*$"
    )]
    pub by: Option<String>,
}

/// Read a closed period, with its figures and what has become of them.
///
/// Figures are of your own minutes; with `reconcile` of the neighbourhood's.
#[utoipa::path(
    get, path = "/v1/periods/{id}", tag = "ledger",
    params(IdParam, PeriodQuery),
    responses((status = 200, description = "The period.", body = PeriodView))
)]
pub async fn get_period(
    State(app): State<App>,
    caller: Resident<scope::LedgerRead>,
    Id(id): Id,
    Params(query): Params<PeriodQuery>,
) -> ApiResult<axum::Json<PeriodView>> {
    let by = grouping(query.by.as_deref())?;
    let row = store::periods::find(app.db().read(), caller.access.neighbourhood, PeriodId(id)).await?;
    let mut period = PeriodView::from(row.ok_or(NOT_FOUND)?);
    figures(&app, &caller.access, by, std::slice::from_mut(&mut period)).await?;
    Ok(axum::Json(period))
}

/// The figures of periods, as they were and as they are.
async fn figures(app: &App, access: &Access, by: TotalsBy, periods: &mut [PeriodView]) -> ApiResult<()> {
    let tip = store::ledger::find_tip(app.db().read(), access.neighbourhood).await?.ok_or(NOT_FOUND)?;
    let account = account(app, access, None).await?;
    for period in periods {
        let (day_from, day_until) = (Some(period.day_from.clone()), Some(period.day_until.clone()));
        let narrowed = Narrowed { account, day_from, day_until, ..Narrowed::default() };
        let between = Between { earlier: period.journal_no, later: tip.journal_no.max(period.journal_no) };
        period.totals = Some(totals(app, access, by, &narrowed, between, true).await?);
        period.restated_no = Some(between.later);
    }
    Ok(())
}
