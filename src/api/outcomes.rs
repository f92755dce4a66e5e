//! What became of the changes of a daybook, to be looked up later.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiError, ApiResult, GONE, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Asked, Id, IdParam, Params, count};
use super::types::{Hash, Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::held::{HELD_EXPIRED, expires_at_ms};
use crate::domain::ids::{DaybookId, GrantId, PartyId};
use crate::flows;
use crate::store;
use crate::store::changes::{Of, Placed};
use crate::store::held::{Waiting, Whose};
use crate::store::quarantine::{self, Kept};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// In the daybook, at its position.
    Accepted,
    /// It waits; see `code`.
    Held,
    /// It waited until its notice had passed. Send it again: it is looked at anew.
    Expired,
    /// Not taken, for what it would endanger; see `code`.
    Refused,
}

/// What became of one change of a daybook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct OutcomeView {
    /// The change's hash; of an unreadable chunk the SHA-256 of its bytes.
    pub hash: Hash,
    pub outcome: KeptKind,
    /// Of an accepted change: its place in the daybook.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<i64>,
    /// Why it is held or refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "missing_dependency")]
    pub code: Option<String>,
    /// What to do, for developers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The grant that first brought it; absent where the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_id: Option<GrantId>,
    /// When it was accepted, received to be held, refused, or expired.
    pub at: Instant,
    /// Until when a held change is kept at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Instant>,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct OutcomeFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only of the change with this hash: 64 lower-case hex digits.
    #[param(pattern = "^[0-9a-f]{64}$")]
    pub hash: Option<String>,
}

/// Where a page starts: each of the three lists goes back in time from its own place.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Place {
    before: Option<i64>,
    held: Option<(i64, Uuid, Vec<u8>)>,
    kept: Option<(i64, Uuid, Vec<u8>)>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_outcomes)
}

/// List what became of the changes of a daybook, newest first.
///
/// Of your own and your groups' daybooks; with `reconcile` of any of the neighbourhood's.
///
/// Accepted changes with their position, held and refused ones with their reason. What the server does not know
/// is not in the list: it never came, or was deferred.
#[utoipa::path(
    get, path = "/v1/daybooks/{id}/outcomes", tag = "sync", params(IdParam, OutcomeFilter),
    responses((status = 200, description = "A page of outcomes.", body = Page<OutcomeView>))
)]
pub async fn list_outcomes(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    Id(id): Id,
    Params(params): Params<OutcomeFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<OutcomeView>>)> {
    let of = readable(&app, &caller.access, id).await?;
    let (list, after) = (format!("outcomes of {id}"), params.after.as_deref());
    let asked = Asked::of(&app, Some(&caller.access), list, after, params.limit).await?;
    let place: Place = asked.after.clone().unwrap_or_default();
    let rows = match params.hash {
        Some(hash) => of_hash(&app, of, &hash).await?.into_iter().map(|row| (row, place.clone())).collect(),
        None => newest(&app, of, place, asked.rows()).await?,
    };
    let path = format!("/v1/daybooks/{id}/outcomes");
    let (headers, page) = asked.page(&app, &path, rows, |row| row.1.clone(), |row| row.0.view())?;
    Ok((headers, axum::Json(page.whole("a stored hash cannot be read")?)))
}

/// A daybook of the caller or of one of its groups; with `reconcile` any of the neighbourhood's.
async fn readable(app: &App, access: &Access, id: Uuid) -> ApiResult<Of> {
    let db = app.db().read();
    let row = store::daybooks::find(db, access.neighbourhood, DaybookId(id)).await?.ok_or(NOT_FOUND)?;
    if !access.scopes.has(Scope::Reconcile) {
        let owners = flows::daybooks::owners(db, access.neighbourhood, access.party).await?;
        if !owners.contains(&PartyId(row.party_id)) {
            return Err(NOT_FOUND.into());
        }
    }
    if row.gone_at_ms.is_some() {
        return Err(GONE.into());
    }
    Ok(Of { neighbourhood: access.neighbourhood, daybook: DaybookId(id) })
}

/// One row of any of the three lists.
enum Row {
    Accepted(Placed),
    Held(Waiting),
    Kept(Kept),
}

impl Row {
    fn at_ms(&self) -> i64 {
        match self {
            Self::Accepted(row) => row.admitted_at_ms,
            Self::Held(row) => row.received_at_ms,
            Self::Kept(row) => row.received_at_ms,
        }
    }

    fn view(self) -> Option<OutcomeView> {
        let at = Instant(self.at_ms());
        let (hash, outcome, position, code, detail, grant, expires_at) = match self {
            Self::Accepted(row) => {
                (row.hash, KeptKind::Accepted, Some(row.position), None, None, row.grant_id, None)
            }
            Self::Held(row) => {
                let until = Instant(expires_at_ms(row.received_at_ms, row.expires_at_ms));
                (row.hash, KeptKind::Held, None, Some(row.reason), None, row.grant_id, Some(until))
            }
            Self::Kept(row) => {
                let expired = row.code == HELD_EXPIRED;
                let kind = if expired { KeptKind::Expired } else { KeptKind::Refused };
                (row.hash, kind, None, Some(row.code), Some(row.detail), row.grant_id, None)
            }
        };
        let hash = Hash(hash.try_into().ok()?);
        Some(OutcomeView {
            hash,
            outcome,
            position,
            code,
            detail,
            grant_id: grant.map(GrantId),
            at,
            expires_at,
        })
    }
}

/// The three lists as one, newest first, with the place after each row.
async fn newest(app: &App, of: Of, mut place: Place, limit: u64) -> ApiResult<Vec<(Row, Place)>> {
    let db = app.db().read();
    let accepted = store::changes::newest(db, of, place.before, limit).await?;
    let daybook = [of.daybook.0];
    let whose = Whose::Daybooks(&daybook);
    let held = store::held::page(db, of.neighbourhood, whose, place.held.clone(), limit).await?;
    let filter = quarantine::Filter { daybook: Some(of.daybook.0), code: None, after: place.kept.clone() };
    let kept = quarantine::page(db, of.neighbourhood, &filter, limit).await?;
    let rows = accepted.into_iter().map(Row::Accepted).chain(held.into_iter().map(Row::Held));
    let mut rows: Vec<Row> = rows.chain(kept.into_iter().map(Row::Kept)).collect();
    // Stable, so that each list keeps its own order.
    rows.sort_by_key(|row| std::cmp::Reverse(row.at_ms()));
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let placed = rows.into_iter().map(|row| {
        match &row {
            Row::Accepted(row) => place.before = Some(row.position),
            Row::Held(row) => place.held = Some((row.received_at_ms, row.daybook_id, row.hash.clone())),
            Row::Kept(row) => place.kept = Some((row.received_at_ms, row.daybook_id, row.hash.clone())),
        }
        (row, place.clone())
    });
    Ok(placed.collect())
}

async fn of_hash(app: &App, of: Of, text: &str) -> ApiResult<Vec<Row>> {
    let mut hash = [0; 32];
    if hex::decode_to_slice(text, &mut hash).is_err() || hex::encode(hash) != text {
        return Err(ApiError::query("hash", "hash is 64 lower-case hex digits."));
    }
    let db = app.db().read();
    let mut rows = Vec::new();
    rows.extend(store::changes::placed(db, of, &hash).await?.map(Row::Accepted));
    rows.extend(store::held::among(db, of, &[hash.to_vec()]).await?.into_iter().map(Row::Held));
    rows.extend(quarantine::kept(db, of, &hash).await?.map(Row::Kept));
    Ok(rows)
}
