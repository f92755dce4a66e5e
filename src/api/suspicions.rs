//! Suspicions: doubts that rules raised about records, for people who reconcile. No phone hears the word.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::error::ApiResult;
use super::extract::{Coordinator, scope};
use super::params::{Asked, Here, Params, count};
use super::types::{Instant, Page, word};
use crate::app::App;
use crate::auth::scopes::Scope;
use crate::domain::ids::{ActivityId, DecisionId, SuspicionId};
use crate::domain::suspicion::{Evidence, Suspicion};
use crate::domain::words::Language;
use crate::flows::FlowError;
use crate::store;
use crate::store::entity::suspicion;

/// A doubt about records, with the figures that it rests on.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SuspicionView {
    /// The same doubt about the same records has the same id, whatever became of it.
    pub id: SuspicionId,
    /// The records that it is about: one or more.
    pub about: Vec<ActivityId>,
    /// What was found, in plain words, for whoever reconciles.
    #[schema(
        example = "Two records may tell of the same litter pick: 12 m apart, 80 minutes at the same time."
    )]
    pub words: String,
    pub state: SuspicionState,
    /// When it was raised last.
    pub raised_at: Instant,
    /// The decision that settled it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<DecisionId>,
    /// Its kind, and the figures.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// What became of a suspicion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspicionState {
    /// Somebody has to look.
    #[default]
    Open,
    /// Nothing speaks for it any more: a record was corrected or taken back.
    Lapsed,
    /// People decided about every record that it is about; only new evidence raises it again.
    Settled,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct SuspicionFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// `open` if not given.
    #[param(inline)]
    pub state: Option<SuspicionState>,
    /// Only about this activity.
    pub activity_id: Option<ActivityId>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_suspicions)
}

/// List suspicions, the last raised first: the open ones, or those in another state.
///
/// A decision about the records settles them; there is nothing to settle here.
#[utoipa::path(
    get, path = "/v1/suspicions", tag = "reconcile", params(SuspicionFilter),
    responses((status = 200, description = "A page of suspicions.", body = Page<SuspicionView>))
)]
pub async fn list_suspicions(
    State(app): State<App>,
    caller: Coordinator<scope::Reconcile>,
    Here(here): Here,
    Params(params): Params<SuspicionFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<SuspicionView>>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let asked: Asked<i64> = Asked::of(&app, Some(access), "suspicions", after, params.limit).await?;
    let state = word(&params.state.unwrap_or_default());
    let about = params.activity_id;
    let (db, neighbourhood) = (app.db().read(), access.neighbourhood);
    let rows = store::suspicions::page(db, neighbourhood, &state, about, asked.after, asked.rows()).await?;
    let exact = access.scopes.has(Scope::PlacesExact);
    let view = |row| suspicion_view(row, exact);
    let (headers, page) = asked.page(&app, &here, rows, |row| row.raised_no, view)?;
    Ok((headers, axum::Json(page.good()?)))
}

/// From its row. How far apart two places are is for those who see them exactly: from records of one's own around it,
/// the other place could be worked out.
///
/// # Errors
/// Where the row cannot be read.
pub fn suspicion_view(row: suspicion::Model, exact: bool) -> Result<SuspicionView, FlowError> {
    let mut suspicion: Suspicion = serde_json::from_str(&row.body)?;
    if !exact {
        suspicion.evidence.forget_distance();
    }
    Ok(SuspicionView {
        id: SuspicionId(row.id),
        words: suspicion.words(Language::default()),
        state: serde_json::from_value(serde_json::Value::String(row.state))?,
        raised_at: Instant(row.raised_at_ms),
        settled_by: row.settled_by.map(DecisionId),
        about: suspicion.about,
        evidence: suspicion.evidence,
    })
}
