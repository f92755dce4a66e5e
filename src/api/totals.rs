//! Sums over the ledger, as they are, as they were, and what has changed in between. All in minutes.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::error::{ApiError, ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::ledger::read;
use super::params::{Params, day, journal_no};
use super::parties::Sector;
use super::types::word;
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::activity::Kind;
use crate::domain::ids::{AccountId, PartyId};
use crate::domain::limits::TOTALS_MAX;
use crate::flows;
use crate::store;
use crate::store::totals::{Between, Narrowed, TotalsBy};

/// Sums of recognised minutes.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// One for each combination that occurs.
    pub items: Vec<Total>,
    /// Up to and with this number of the journal.
    pub journal_no: i64,
    /// The number up to which they are restated, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated_no: Option<i64>,
}

/// One sum. What was not asked for is absent; so is, of what was, that which a combination does not have: a
/// programme, or the sector of the neighbourhood's holding account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Total {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Month of the activities' days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "2026-11")]
    pub month: Option<String>,
    /// The programme that the activities belong to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub programme: Option<String>,
    /// Of the party whose account it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector: Option<Sector>,
    /// The party's account, or the holding account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub party_id: Option<AccountId>,
    /// The sum.
    pub minutes: i64,
    /// Activities with minutes in this sum.
    pub activities: i64,
    /// The same at the later number, if that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restated: Option<Restated>,
}

/// A sum at a later number of the journal: what was decided since is in it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Restated {
    /// The sum.
    pub minutes: i64,
    /// Activities with minutes in this sum.
    pub activities: i64,
    /// These minutes less the earlier ones.
    pub difference: i64,
}

/// How totals are grouped and narrowed, and as of when they are.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct TotalsQuery {
    /// `kind`, `month`, `programme`, `sector` and `party`, separated by commas; one sum over everything if not given.
    #[param(
        example = "kind,month",
        pattern = "^(|kind|month|programme|sector|party)(,(|kind|month|programme|sector|party))*$"
    )]
    pub by: Option<String>,
    /// Only this kind.
    pub kind: Option<Kind>,
    /// Only this programme.
    #[param(example = "canal", pattern = r"^[^\x00]*$")]
    pub programme: Option<String>,
    /// Only this party's account: your own or a group's of yours; with `reconcile` anyone's.
    pub party_id: Option<PartyId>,
    /// First day.
    #[param(format = Date, example = "2026-11-01")]
    pub day_from: Option<String>,
    /// Last day.
    #[param(format = Date, example = "2026-11-30")]
    pub day_until: Option<String>,
    /// Up to and with this number of the journal; its last if not given. 0 is before everything.
    #[param(value_type = Option<i64>, minimum = 0, example = 12)]
    pub journal_no: Option<String>,
    /// Shows each sum at this number as well, with the difference: one not below `journal_no`, or `latest`.
    #[param(example = "latest", pattern = "^(latest|[0-9]+)$")]
    pub restated_no: Option<String>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_totals)
}

/// Sum recognised minutes: your own; with `reconcile` the neighbourhood's.
///
/// Sums are a pure function of the query and `journal_no`: asked again with the same number, they are the same for
/// ever. `restated_no` shows beside each what it has become since, through corrections and late records.
///
/// Sums are of what activities gave. What closes an account is in none of them; minutes of a party that became
/// another's alias are that other party's from that number of the journal on, whichever of the two ids is asked for.
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
    let tip = store::ledger::find_tip(app.db().read(), access.neighbourhood).await?.ok_or(NOT_FOUND)?;
    let between = between(&query, tip.journal_no)?;
    let restate = query.restated_no.is_some();
    let narrowed = narrowed(&app, access, query).await?;
    let items = totals(&app, access, by, &narrowed, between, restate).await?;
    let restated_no = restate.then_some(between.later);
    Ok(axum::Json(Totals { items, journal_no: between.earlier, restated_no }))
}

/// The sums between two numbers, as they are shown.
pub async fn totals(
    app: &App,
    access: &Access,
    by: TotalsBy,
    narrowed: &Narrowed,
    between: Between,
    restate: bool,
) -> ApiResult<Vec<Total>> {
    let rows = store::totals::totals(app.db().read(), access.neighbourhood, by, narrowed, between).await?;
    few(rows.len())?;
    let items: Result<Vec<Total>, flows::FlowError> =
        rows.into_iter().map(|row| total(row, restate)).collect();
    Ok(items?)
}

/// What is cut off would be missing without a word.
fn few(sums: usize) -> ApiResult<()> {
    if u64::try_from(sums).is_ok_and(|sums| sums <= TOTALS_MAX) {
        return Ok(());
    }
    let detail = format!("More than {TOTALS_MAX} sums: group by less, or narrow it to fewer days.");
    Err(ApiError::field("?by", "too_many", detail))
}

fn total(row: store::totals::Total, restate: bool) -> Result<Total, flows::FlowError> {
    let restated = Restated {
        minutes: row.later_minutes,
        activities: row.later_activities,
        difference: row.later_minutes - row.minutes,
    };
    Ok(Total {
        kind: row.kind.map(read).transpose()?,
        month: row.month,
        programme: row.programme,
        sector: row.sector.map(read).transpose()?,
        party_id: row.account_id.map(AccountId),
        minutes: row.minutes,
        activities: row.activities,
        restated: restate.then_some(restated),
    })
}

fn between(query: &TotalsQuery, latest: i64) -> ApiResult<Between> {
    let asked = journal_no("journal_no", query.journal_no.as_deref(), latest)?;
    let earlier = asked.unwrap_or(latest);
    let later = match query.restated_no.as_deref() {
        None => earlier,
        Some("latest") => latest,
        text => journal_no("restated_no", text, latest)?.unwrap_or(latest),
    };
    if later < earlier {
        let detail = format!("At restated_no: it is below journal_no, {earlier}.");
        return Err(ApiError::field("?restated_no", "out_of_bounds", detail));
    }
    Ok(Between { earlier, later })
}

async fn narrowed(app: &App, access: &Access, query: TotalsQuery) -> ApiResult<Narrowed> {
    day("day_from", query.day_from.as_deref())?;
    day("day_until", query.day_until.as_deref())?;
    if query.programme.as_ref().is_some_and(|programme| programme.contains('\0')) {
        return Err(ApiError::query("programme", "programme is text without NUL."));
    }
    Ok(Narrowed {
        account: account(app, access, query.party_id).await?,
        kind: query.kind.map(|kind| word(&kind)),
        programme: query.programme,
        day_from: query.day_from,
        day_until: query.day_until,
    })
}

/// The account that a caller's sums are of; nothing is all of them. What is not the caller's own is not there.
pub async fn account(app: &App, access: &Access, asked: Option<PartyId>) -> ApiResult<Option<AccountId>> {
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let asked = match asked {
        None if access.scopes.has(Scope::Reconcile) => return Ok(None),
        // A phone's own id never had an account; one that had is looked at as of each number.
        Some(asked) => store::aliases::stands_for(db, neighbourhood, asked, Some(0)).await?,
        None => store::aliases::stands_for(db, neighbourhood, access.party, None).await?,
    };
    if !access.scopes.has(Scope::Reconcile) {
        let owners = flows::daybooks::owners(db, neighbourhood, access.party).await?;
        if !owners.contains(&store::aliases::stands_for(db, neighbourhood, asked, None).await?) {
            return Err(NOT_FOUND.into());
        }
    }
    Ok(Some(AccountId(asked.0)))
}

/// What sums are grouped by, out of a query.
pub fn grouping(by: Option<&str>) -> ApiResult<TotalsBy> {
    let mut grouping = TotalsBy::default();
    for word in by.into_iter().flat_map(|by| by.split(',')).filter(|word| !word.is_empty()) {
        match word {
            "kind" => grouping.kind = true,
            "month" => grouping.month = true,
            "programme" => grouping.programme = true,
            "sector" => grouping.sector = true,
            "party" => grouping.party = true,
            _ => {
                return Err(ApiError::query(
                    "by",
                    "by is made of kind, month, programme, sector and party, separated by commas.",
                ));
            }
        }
    }
    Ok(grouping)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_ten_thousand_sums_at_most_and_is_never_cut() {
        let most = usize::try_from(TOTALS_MAX).expect("a few");
        assert!(few(most).is_ok());
        assert!(few(most + 1).is_err());
    }
}
