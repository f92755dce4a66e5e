//! Held changes: what waits in daybooks, why, and until when.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use uuid::Uuid;

use super::error::{ApiResult, NOT_FOUND};
use super::extract::{Resident, scope};
use super::params::{Asked, Here, Params, count};
use super::sync::Reason;
use super::types::{Hash, Instant, Page};
use crate::app::{Access, App};
use crate::auth::scopes::Scope;
use crate::domain::held;
use crate::domain::ids::{DaybookId, PartyId};
use crate::domain::words::{self, Language};
use crate::flows;
use crate::store;
use crate::store::changes::Of;
use crate::store::held::{Place, Waiting, Whose};

/// A change that waits in a daybook.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HeldView {
    /// The change's hash.
    pub hash: Hash,
    pub daybook_id: DaybookId,
    /// Whose daybook it is.
    pub party_id: PartyId,
    /// Who brought it first; absent where the server did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub brought_by: Option<PartyId>,
    /// What it waits for: `missing_dependency`, `start_op_ahead`, `quota`, or `left_group`: whoever brought it had left
    /// the group. It is taken up when they are put into the group again (`PUT /v1/parties/{id}/members/{party_id}`),
    /// also where their membership is ended again right after.
    pub reason: Reason,
    /// Hashes of the changes that it builds on and that have not come; at most 32.
    pub missing: Vec<Hash>,
    /// Its size in bytes.
    #[schema(example = 312)]
    pub size: i64,
    /// What it counts against the daybook's operations, where that was counted: each of its operations, and each
    /// predecessor beyond an operation's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<i64>,
    /// When the server received it.
    pub since: Instant,
    /// Until when it is kept at least; then it goes into quarantine. Whoever has it sends it again.
    pub expires_at: Instant,
    /// Notice is given: `expires_at` is near and fixed.
    pub noticed: bool,
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HeldFilter {
    /// Items of a page: 50 if not given, at most 200; more counts as 200, 0 as 1.
    #[serde(default, deserialize_with = "count")]
    #[param(minimum = 0, example = 50)]
    pub limit: Option<u64>,
    /// `next` of the page before.
    pub after: Option<String>,
    /// Only of this daybook.
    pub daybook_id: Option<DaybookId>,
}

/// The routes of this file.
pub fn routes() -> OpenApiRouter<App> {
    super::openapi::guarded!(list_held)
}

/// List the changes that wait, newest received first.
///
/// In your own daybooks, and what you brought for a group that you had left; with `reconcile` the neighbourhood's.
#[utoipa::path(
    get, path = "/v1/held", tag = "sync", params(HeldFilter),
    responses((status = 200, description = "A page of held changes.", body = Page<HeldView>))
)]
pub async fn list_held(
    State(app): State<App>,
    caller: Resident<scope::Sync>,
    Here(here): Here,
    Params(params): Params<HeldFilter>,
) -> ApiResult<(HeaderMap, axum::Json<Page<HeldView>>)> {
    let (access, after) = (&caller.access, params.after.as_deref());
    let asked: Asked<Place> = Asked::of(&app, Some(access), "held", after, params.limit).await?;
    let daybooks = daybooks(&app, access, params.daybook_id.map(|id| id.0)).await?;
    let whose = match (&daybooks, params.daybook_id) {
        (None, _) => Whose::All,
        (Some(daybooks), Some(_)) => Whose::Daybooks(daybooks),
        (Some(own), None) => Whose::Resident(own, access.party),
    };
    let db = app.db().read();
    let rows = store::held::page(db, access.neighbourhood, whose, asked.after.clone(), asked.rows()).await?;
    let around = Around::of(&app, access, &rows).await?;
    let place = |row: &Waiting| (row.received_at_ms, row.daybook_id, row.hash.clone());
    let (headers, page) = asked.page(&app, &here, rows, place, |row| view(row, &around))?;
    Ok((headers, axum::Json(page.whole("a held change cannot be read")?)))
}

/// The daybooks that are asked for; nothing where it is the whole neighbourhood.
async fn daybooks(app: &App, access: &Access, asked: Option<Uuid>) -> ApiResult<Option<Vec<Uuid>>> {
    let db = app.db().read();
    if access.scopes.has(Scope::Reconcile) {
        return Ok(asked.map(|daybook| vec![daybook]));
    }
    let owners = flows::daybooks::owners(db, access.neighbourhood, access.party).await?;
    let own = store::daybooks::of_parties(db, access.neighbourhood, &owners).await?;
    let own: Vec<Uuid> = own.into_iter().map(|row| row.id).collect();
    match asked {
        None => Ok(Some(own)),
        Some(daybook) if own.contains(&daybook) => Ok(Some(vec![daybook])),
        // What is not the caller's own is not there.
        Some(_) => Err(NOT_FOUND.into()),
    }
}

/// What is told of held changes beside their rows.
struct Around {
    /// Whose each daybook is.
    parties: BTreeMap<Uuid, Uuid>,
    /// Whose each grant is.
    brought_by: BTreeMap<Uuid, PartyId>,
    arrived: BTreeSet<(Uuid, [u8; 32])>,
}

impl Around {
    async fn of(app: &App, access: &Access, rows: &[Waiting]) -> ApiResult<Self> {
        let db = app.db().read();
        let ids: BTreeSet<Uuid> = rows.iter().map(|row| row.daybook_id).collect();
        let found = store::daybooks::of_ids(db, access.neighbourhood, &ids).await?;
        let grants = rows.iter().filter_map(|row| row.grant_id).collect();
        Ok(Self {
            parties: found.into_iter().map(|row| (row.id, row.party_id)).collect(),
            brought_by: store::access::parties_of(db, access.neighbourhood, grants).await?,
            arrived: arrived(app, access, rows).await?,
        })
    }
}

/// Those of the missing changes that have come meanwhile, while another one is still missing.
async fn arrived(app: &App, access: &Access, rows: &[Waiting]) -> ApiResult<BTreeSet<(Uuid, [u8; 32])>> {
    let mut wanted: BTreeMap<Uuid, BTreeSet<[u8; 32]>> = BTreeMap::new();
    for row in rows {
        wanted.entry(row.daybook_id).or_default().extend(missing(row));
    }
    let mut arrived = BTreeSet::new();
    for (daybook, hashes) in wanted {
        let of = Of { neighbourhood: access.neighbourhood, daybook: DaybookId(daybook) };
        let hashes: Vec<Vec<u8>> = hashes.iter().map(|hash| hash.to_vec()).collect();
        for hash in store::changes::known_among(app.db().read(), of, &hashes).await? {
            arrived.extend(hash.try_into().ok().map(|hash: [u8; 32]| (daybook, hash)));
        }
    }
    Ok(arrived)
}

fn missing(row: &Waiting) -> impl Iterator<Item = [u8; 32]> {
    row.waits_for.iter().flat_map(|all| all.chunks_exact(32)).filter_map(|hash| hash.try_into().ok())
}

fn view(row: Waiting, around: &Around) -> Option<HeldView> {
    let missing = missing(&row).filter(|hash| !around.arrived.contains(&(row.daybook_id, *hash)));
    Some(HeldView {
        hash: Hash(row.hash.as_slice().try_into().ok()?),
        daybook_id: DaybookId(row.daybook_id),
        party_id: PartyId(*around.parties.get(&row.daybook_id)?),
        brought_by: row.grant_id.and_then(|grant| around.brought_by.get(&grant).copied()),
        missing: missing.map(Hash).collect(),
        reason: Reason { text: words::held(&row.reason, Language::default()).to_owned(), code: row.reason },
        size: row.bytes_count,
        operations: row.operations,
        since: Instant(row.received_at_ms),
        expires_at: Instant(held::expires_at_ms(row.received_at_ms, row.expires_at_ms)),
        noticed: row.expires_at_ms.is_some(),
    })
}
