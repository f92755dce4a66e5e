//! The neighbourhood's rules for reviewing and posting.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::body::Json;
use super::error::{ApiError, ApiResult, INSUFFICIENT_SCOPE, NOT_FOUND, VERSION_CHANGED};
use super::extract::{Coordinator, Resident, scope};
use super::params::Params;
use super::types::Instant;
use crate::app::{Access, App};
use crate::domain::ids::{ActivityId, PartyId};
use crate::domain::rules::{RuleChange, RulePack, changes};
use crate::domain::share::Decided;
use crate::flows;
use crate::flows::FlowError;
use crate::flows::judge::Assessed;
use crate::flows::rules::{self, Put, Trial};
use crate::store;
use crate::store::entity::rule_pack;

/// What other rules would say of past records.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulesTrial {
    /// Records looked at: the last ones that were judged, at most 500 versions.
    pub records: usize,
    /// How many of them a rule approves at once, by the rules in force.
    pub approved: usize,
    /// And by the others.
    pub would_be_approved: usize,
    /// How these rules differ from those in force.
    pub changes: Vec<RuleChange>,
    /// The records of which they say something else.
    pub differing: Vec<RulesDifference>,
}

/// A record of which other rules say something else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulesDifference {
    pub activity_id: ActivityId,
    /// By the rules in force.
    pub now: Assessment,
    /// By the others.
    pub then: Assessment,
}

/// Two versions of the rules beside each other.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulesComparison {
    /// The later one.
    #[schema(example = 2)]
    pub version: i64,
    /// The one that it is compared with.
    #[schema(example = 1)]
    pub since: i64,
    /// Who put `version` in force; absent where the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_by: Option<PartyId>,
    /// When.
    pub put_at: Instant,
    /// What differs, besides the number.
    pub changes: Vec<RuleChange>,
}

/// Which version to compare with.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ComparisonQuery {
    /// The version to compare with: the one before if not given.
    #[param(example = 1, minimum = 1)]
    pub since: Option<i64>,
}

/// What rules say of a record as it reads now, whatever was decided about it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Assessment {
    /// A rule approves it, at once.
    pub approves: bool,
    /// When silence approves it; absent where a rule approves it at once, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Instant>,
    /// Minutes that an approval would post for it, within caps: for everybody, and what an occasion holds. Absent for a
    /// record that cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 90)]
    pub minutes: Option<i64>,
    /// Codes of what has to be checked, as phones are told them.
    #[schema(example = json!(["check_figures"]))]
    pub reasons: Vec<String>,
}

impl From<Assessed> for Assessment {
    fn from(assessed: Assessed) -> Self {
        let reasons = assessed.doubts.into_iter().map(str::to_owned);
        Self {
            approves: assessed.approves,
            due_at: assessed.due_at_ms.map(Instant),
            minutes: assessed.minutes,
            reasons: reasons.collect(),
        }
    }
}

/// How much rules decide by themselves, and whether that has moved.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RulesShare {
    /// The last seven days.
    pub lately: ShareOfRecords,
    /// The four weeks before them.
    pub before: ShareOfRecords,
    /// By how many of a hundred the share may move: of the rules in force.
    pub share_drift_percent: i64,
    /// It moved by more, either way, with at least 20 records in both times: records, or rules, have become others.
    pub alarm: bool,
}

/// Records by who decided first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ShareOfRecords {
    /// All, of the last 5,000 decisions.
    #[schema(example = 300)]
    pub records: i64,
    /// Those that a rule approved.
    #[schema(example = 271)]
    pub by_rule: i64,
    /// Of a hundred so many, rounded down; absent where there are no records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 90)]
    pub percent: Option<i64>,
}

impl From<Decided> for ShareOfRecords {
    fn from(decided: Decided) -> Self {
        Self { records: decided.records, by_rule: decided.by_rule, percent: decided.percent() }
    }
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(get_rules, put_rules)
        .merge(super::openapi::guarded!(try_rules))
        .merge(super::openapi::guarded!(get_rules_share))
        .merge(super::openapi::guarded!(get_rules_version))
        .merge(super::openapi::guarded!(compare_rules))
}

/// Read the rules in force.
#[utoipa::path(
    get, path = "/v1/rules", tag = "reconcile",
    responses((status = 200, description = "The rules.", body = RulePack))
)]
pub async fn get_rules(
    State(app): State<App>,
    caller: Resident<scope::Any>,
) -> ApiResult<axum::Json<RulePack>> {
    let pack = store::neighbourhoods::rules(app.db().read(), caller.access.neighbourhood).await?;
    Ok(axum::Json(pack))
}

/// Put the next version of the rules in force.
///
/// `version` is the one in force, plus one: whoever builds on an older one answers 409. What was judged before
/// is not judged again; what waits is judged by the new rules.
#[utoipa::path(
    put, path = "/v1/rules", tag = "reconcile", request_body = RulePack,
    responses((status = 200, description = "In force, now or already.", body = RulePack))
)]
pub async fn put_rules(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<RulePack>,
) -> ApiResult<axum::Json<RulePack>> {
    match rules::put(&app, &caller.access, body.clone()).await? {
        Put::Done | Put::Replayed => Ok(axum::Json(body)),
        Put::Changed(pack) => {
            let detail = format!("Version {} is in force: build on that one.", pack.version);
            Err(ApiError::new(VERSION_CHANGED, detail))
        }
        Put::NotCoordinator => Err(INSUFFICIENT_SCOPE.into()),
    }
}

/// Run rules dry over past records, beside the rules in force. Nothing is judged again, and nothing is written.
///
/// `version` of the body is of no account here.
#[utoipa::path(
    post, path = "/v1/rules/dry-run", tag = "reconcile", request_body = RulePack,
    responses((status = 200, description = "What would be different.", body = RulesTrial))
)]
pub async fn try_rules(
    State(app): State<App>,
    caller: Coordinator<scope::Manage>,
    Json(body): Json<RulePack>,
) -> ApiResult<axum::Json<RulesTrial>> {
    let in_force = store::neighbourhoods::rules(app.db().read(), caller.access.neighbourhood).await?;
    let changes = changes(&in_force, &body).map_err(FlowError::from)?;
    let Trial { records, approved: (approved, would_be_approved), differing } =
        rules::dry_run(&app, &caller.access, body).await?;
    let differing = differing.into_iter().map(|(now, then)| RulesDifference {
        activity_id: now.activity,
        now: now.into(),
        then: then.into(),
    });
    let differing = differing.collect();
    Ok(axum::Json(RulesTrial { records, approved, would_be_approved, changes, differing }))
}

/// Read how much the rules decide by themselves, this week beside the four before it.
#[utoipa::path(
    get, path = "/v1/rules/share", tag = "reconcile",
    responses((status = 200, description = "The shares.", body = RulesShare))
)]
pub async fn get_rules_share(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
) -> ApiResult<axum::Json<RulesShare>> {
    let (share, share_drift_percent) = flows::share::of(&app, caller.access.neighbourhood).await?;
    Ok(axum::Json(RulesShare {
        lately: share.lately.into(),
        before: share.before.into(),
        share_drift_percent,
        alarm: share.has_drifted(share_drift_percent),
    }))
}

/// Read an earlier version of the rules: decisions name the one that was in force.
#[utoipa::path(
    get, path = "/v1/rules/{version}", tag = "reconcile",
    params(("version" = i64, Path, description = "The version.", example = 1, minimum = 1)),
    responses((status = 200, description = "The rules of that version.", body = RulePack))
)]
pub async fn get_rules_version(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    version: Result<Path<i64>, PathRejection>,
) -> ApiResult<axum::Json<RulePack>> {
    let Path(version) = version.map_err(|_| NOT_FOUND)?;
    let (pack, _) = stored(&app, &caller.access, version).await?;
    Ok(axum::Json(pack))
}

/// Compare a version of the rules with another: value by value, and who put it in force.
#[utoipa::path(
    get, path = "/v1/rules/{version}/changes", tag = "reconcile",
    params(
        ("version" = i64, Path, description = "The version.", example = 2, minimum = 1),
        ComparisonQuery,
    ),
    responses((status = 200, description = "What differs.", body = RulesComparison))
)]
pub async fn compare_rules(
    State(app): State<App>,
    caller: Resident<scope::Any>,
    version: Result<Path<i64>, PathRejection>,
    Params(query): Params<ComparisonQuery>,
) -> ApiResult<axum::Json<RulesComparison>> {
    let Path(version) = version.map_err(|_| NOT_FOUND)?;
    let (pack, row) = stored(&app, &caller.access, version).await?;
    let since = query.since.unwrap_or(version.saturating_sub(1));
    // Before the first there were no others.
    let first = query.since.is_none() && since == 0;
    let before = if first { pack.clone() } else { stored(&app, &caller.access, since).await?.0 };
    let changes = changes(&before, &pack).map_err(FlowError::from)?;
    let (put_by, put_at) = (row.created_by.map(PartyId), Instant(row.created_at_ms));
    Ok(axum::Json(RulesComparison { version, since, put_by, put_at, changes }))
}

/// One version, with its row.
async fn stored(app: &App, access: &Access, version: i64) -> ApiResult<(RulePack, rule_pack::Model)> {
    let row = store::neighbourhoods::rules_version(app.db().read(), access.neighbourhood, version).await?;
    row.ok_or_else(|| NOT_FOUND.into())
}
